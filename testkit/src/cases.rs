//! Cases that are kept in files: the bytes that come, and what is made of them.
//!
//! A case begins with `## ` and its name. Lines with `> ` are its bytes, with `\r`, `\n`, `\t`, `\\`, `\xFF`, and
//! `\{x*9000}` for a repetition; the end of the line itself adds nothing. Lines with `= ` are the
//! transcript. Other lines are for readers.

use std::{fs, path::Path};

/// One case.
#[derive(Debug)]
pub struct Case {
    /// `file: name`.
    pub name: String,
    /// What comes.
    pub bytes: Vec<u8>,
    /// The lines of the transcript.
    pub expected: Vec<String>,
}

/// Every case of the files in a folder, in the order of the files' names.
///
/// # Panics
/// If the folder cannot be read, has no cases, or has a line that cannot be understood.
#[must_use]
pub fn read(folder: &Path) -> Vec<Case> {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        for line in fs::read_to_string(&file).unwrap().lines() {
            if let Some(name) = line.strip_prefix("## ") {
                let name = format!("{stem}: {name}");
                cases.push(Case { name, bytes: Vec::new(), expected: Vec::new() });
            } else if let Some(text) = line.strip_prefix("> ") {
                cases.last_mut().expect("a case has a name").bytes.extend(unescape(text));
            } else if let Some(text) = line.strip_prefix("= ") {
                let text = String::from_utf8(unescape(text)).unwrap();
                cases.last_mut().expect("a case has a name").expected.push(text);
            }
        }
    }
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    cases
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.extend(before.as_bytes());
        let (byte, left) = after.split_at(1);
        rest = left;
        match byte {
            "r" => out.push(b'\r'),
            "n" => out.push(b'\n'),
            "t" => out.push(b'\t'),
            "\\" => out.push(b'\\'),
            "x" => {
                out.push(u8::from_str_radix(&rest[..2], 16).unwrap());
                rest = &rest[2..];
            }
            "{" => {
                let (inner, left) = rest.split_once('}').unwrap();
                let (what, count) = inner.rsplit_once('*').unwrap();
                out.extend(unescape(what).repeat(count.parse().unwrap()));
                rest = left;
            }
            other => panic!("\\{other} in {text}"),
        }
    }
    out.extend(rest.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn bytes_are_written_as_text() {
        let check = |text: &str, bytes: &[u8]| assert_eq!(unescape(text), bytes, "{text}");
        check(r"GET /\r\n", b"GET /\r\n");
        check(r"\t\\\xFF", b"\t\\\xff");
        check(r"a\{bc*3}d", b"abcbcbcd");
    }
}
