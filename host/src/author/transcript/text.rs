//! Bytes as a line of a transcript.

/// Shows bytes as a line: text as it is, other bytes as escapes. The line end is not shown; if it is missing, the line ends with
/// `\`.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let (bytes, is_whole) = match bytes.strip_suffix(b"\n") {
        Some(bytes) => (bytes, true),
        None => (bytes, false),
    };
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| show(c, &mut shown));
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    // A blank at the end would be invisible.
    if shown.ends_with(' ') {
        shown.pop();
        shown.push_str("\\x20");
    }
    if !is_whole {
        shown.push('\\');
    }
    shown
}

fn show(c: char, to: &mut String) {
    match c {
        '\\' => to.push_str("\\\\"),
        '\n' => to.push_str("\\n"),
        '\r' => to.push_str("\\r"),
        '\t' => to.push_str("\\t"),
        c if c.is_ascii_control() => to.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if c.is_control() => to.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        c => to.push(c),
    }
}

/// Parses the bytes of a line. The line end is part of them, unless the line ends with `\`.
///
/// # Errors
/// The invalid escape.
pub(crate) fn bytes(line: &str) -> Result<Vec<u8>, String> {
    if line.ends_with([' ', '\t']) {
        return Err("a blank at the end is not seen; write \\x20 for it, or \\t".to_owned());
    }
    let mut bytes = Vec::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match rest.next() {
            None => return Ok(bytes),
            Some('n') => bytes.push(b'\n'),
            Some('r') => bytes.push(b'\r'),
            Some('t') => bytes.push(b'\t'),
            Some('0') => bytes.push(0),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => bytes.push(byte(&mut rest)?),
            Some('u') => {
                let c = character(&mut rest)?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Some(c) => {
                return Err(format!(
                    "\\{c} stands for nothing; there are \\n \\r \\t \\0 \\\\ \\xff \\u{{e9}}, and \\ alone at the end for no end of the line"
                ));
            }
        }
    }
    bytes.push(b'\n');
    Ok(bytes)
}

fn byte(rest: &mut std::str::Chars<'_>) -> Result<u8, String> {
    let digits: String = rest.by_ref().take(2).collect();
    let is_whole = digits.len() == 2 && digits.chars().all(|c| c.is_ascii_hexdigit());
    let byte = u8::from_str_radix(&digits, 16).ok().filter(|_| is_whole);
    byte.ok_or_else(|| format!("\\x{digits} is no byte; write two digits, as in \\x0a"))
}

fn character(rest: &mut std::str::Chars<'_>) -> Result<char, String> {
    let digits: String = rest.by_ref().take_while(|c| *c != '}').collect();
    let number = digits.strip_prefix('{').and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number
        .and_then(char::from_u32)
        .ok_or_else(|| format!("\\u{digits}}} is no character; write its number, as in \\u{{e9}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_again() {
        for (shown_as, is) in [
            ("one", b"one\n".as_slice()),
            ("", b"\n"),
            ("\\", b""),
            ("hel\\", b"hel"),
            ("GET / HTTP/1.1\\r", b"GET / HTTP/1.1\r\n"),
            ("a\\\\", b"a\\\n"),
            ("\\x00\\xff\\x1b\\", b"\x00\xff\x1b"),
            ("a\\nb", b"a\nb\n"),
            ("caf\u{e9} \u{1f600}", "caf\u{e9} \u{1f600}\n".as_bytes()),
            (" two  blanks\\x20", b" two  blanks \n"),
            ("\\u{85}", "\u{85}\n".as_bytes()),
        ] {
            assert_eq!(shown(is), shown_as);
            assert_eq!(bytes(shown_as).as_deref(), Ok(is), "{shown_as}");
        }
        assert_eq!(bytes("\\0\\u{e9}").as_deref(), Ok("\0\u{e9}\n".as_bytes()));
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(bytes(&shown(&every)).as_deref(), Ok(&*every));
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (line, cause) in [
            ("a ", "a blank at the end is not seen; write \\x20 for it, or \\t"),
            ("\\x1", "\\x1 is no byte; write two digits, as in \\x0a"),
            ("\\x+1", "\\x+1 is no byte; write two digits, as in \\x0a"),
            ("\\u{d800}", "\\u{d800} is no character; write its number, as in \\u{e9}"),
        ] {
            assert_eq!(bytes(line).as_ref().map_err(String::as_str), Err(cause));
        }
        assert!(bytes("\\q").unwrap_err().starts_with("\\q stands for nothing; there are "));
    }
}
