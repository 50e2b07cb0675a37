//! The corpus: files of cases, each with the bytes that come and what is made of them.
//!
//! A case begins with `## ` and its name. Lines with `> ` are its bytes, with `\r`, `\n`, `\t`, `\\`, `\xFF`, and
//! `\{x*9000}` for something many times over; the end of the line itself is nothing. Lines with `= ` are the
//! transcript. Other lines are for readers.

use std::{fs, path::Path};

/// One case.
#[derive(Debug)]
pub struct Case {
    /// `file: name`.
    pub name: String,
    pub bytes: Vec<u8>,
    pub expected: Vec<String>,
}

/// Every case of the files in a folder.
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
