//! Chunked bodies made from the grammar of RFC 9112, 7.1, and changed away from it.

use sandloop_http::{Limits, Method};
use sandloop_testkit::{Noise, fuzz::rounds};

use crate::transcript::{of_requests, of_responses};

const REQUEST: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const RESPONSE: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const TOKEN: &[&str] = &["a", "B", "0", "!", "#$%&", "'*+-.^_`|~", "name"];
const QUOTED: &[&str] = &["", "a", " ", "\t", ";", "=", ",", "\\\"", "\\\\", "\\a", "\u{e9}"];

/// Optional spaces.
fn bws(noise: &mut Noise) -> String {
    (*noise.pick(&["", "", "", " ", "\t", " \t "])).to_owned()
}

fn token(noise: &mut Noise) -> String {
    (0..=noise.below(3)).map(|_| *noise.pick(TOKEN)).collect()
}

fn extension(noise: &mut Noise) -> String {
    let mut text = format!("{};{}{}", bws(noise), bws(noise), token(noise));
    match noise.below(3) {
        0 => {}
        1 => text += &format!("{}={}{}", bws(noise), bws(noise), token(noise)),
        _ => {
            let inner: String = (0..noise.below(4)).map(|_| *noise.pick(QUOTED)).collect();
            text += &format!("{}={}\"{inner}\"", bws(noise), bws(noise));
        }
    }
    text
}

/// What may stand behind a size.
fn extensions(noise: &mut Noise) -> String {
    (0..noise.below(3)).map(|_| extension(noise)).collect()
}

/// A body and what it says, with `padding` behind each size.
fn chunked(noise: &mut Noise, padding: impl Fn(&mut Noise) -> String) -> (Vec<u8>, Vec<u8>) {
    let (mut body, mut data) = (Vec::new(), Vec::new());
    for _ in 0..noise.below(4) {
        let length = 1 + noise.below(30);
        let piece = noise.bytes(length);
        let zeros = "0".repeat(noise.below(3));
        body.extend(
            format!("{zeros}{length:X}{}{}\r\n", extensions(noise), padding(noise)).bytes(),
        );
        body.extend(&piece);
        body.extend(b"\r\n");
        data.extend(piece);
    }
    body.extend(format!("0{}{}\r\n\r\n", extensions(noise), padding(noise)).bytes());
    (body, data)
}

/// The line for a body in a transcript.
fn told(data: &[u8]) -> Vec<String> {
    let shown = data[..data.len().min(40)].escape_ascii();
    (!data.is_empty()).then(|| format!("data {} {shown}", data.len())).into_iter().collect()
}

#[test]
fn whatever_the_grammar_has_is_taken() {
    rounds(3_000, |noise| {
        let (body, data) = chunked(noise, |_| String::new());
        let request = [REQUEST.as_bytes(), &body].concat();
        let expected = [
            vec!["POST / HTTP/1.1 host=a chunked".to_owned()],
            told(&data),
            vec!["end".to_owned()],
        ];
        let lines = of_requests(Limits::SERVER, noise.pieces(&request).into_iter()).lines;
        assert_eq!(lines, expected.concat(), "{}", body.escape_ascii());

        let padding = |noise: &mut Noise| (*noise.pick(&["", " ", "  ", "\t"])).to_owned();
        let (body, data) = chunked(noise, padding);
        let response = [RESPONSE.as_bytes(), &body].concat();
        let expected =
            [vec!["HTTP/1.1 200 OK chunked".to_owned()], told(&data), vec!["end".to_owned()]];
        let pieces = noise.pieces(&response).into_iter();
        let lines = of_responses(Limits::CLIENT, &Method::GET, pieces).lines;
        assert_eq!(lines, expected.concat(), "{}", body.escape_ascii());
    });
}

/// The grammar once more, by hand and all at once: what a line of a size is.
fn is_size_line(line: &[u8]) -> bool {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let mut rest = &line[digits..];
    while !rest.is_empty() {
        let Some(behind) = skip_bws(rest).strip_prefix(b";") else { return false };
        let Some(behind) = skip_token(skip_bws(behind)) else { return false };
        rest = behind;
        if let Some(value) = skip_bws(behind).strip_prefix(b"=") {
            let value = skip_bws(value);
            let Some(behind) = skip_quoted(value).or_else(|| skip_token(value)) else {
                return false;
            };
            rest = behind;
        }
    }
    (1..=16).contains(&digits)
}

fn skip_bws(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &text[spaces..]
}

fn skip_token(text: &[u8]) -> Option<&[u8]> {
    let is_token = |byte: &&u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(byte);
    let length = text.iter().take_while(is_token).count();
    (0 < length).then(|| &text[length..])
}

fn skip_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', escaped, behind @ ..] if is_text(*escaped) => behind,
            [b'\\', ..] | [] => return None,
            [byte, behind @ ..] if is_text(*byte) => behind,
            _ => return None,
        };
    }
}

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Random lines: those of the grammar are taken, the others are not.
#[test]
fn whatever_the_grammar_does_not_have_is_refused() {
    const WORDS: &[&[u8]] = &[
        b";",
        b"=",
        b"\"",
        b"\\",
        b" ",
        b"\t",
        b",",
        b"a",
        b"=b",
        b";c",
        b"\"d\"",
        b"\r",
        b"\x01",
        b"\x7f",
        b"\xc3\xa9",
        b"[",
        b"0",
        b"5",
    ];
    let mut taken = 0;
    let count = rounds(10_000, |noise| {
        let mut line = format!("5{}", extensions(noise)).into_bytes();
        if noise.below(4) != 0 {
            let others = [line.clone()];
            noise.mutate(&mut line, WORDS, &others);
        }
        // A line feed would end it, and another number have other data.
        line.retain(|byte| *byte != b'\n');
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = std::str::from_utf8(&line[..digits]).ok();
        let size = size.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let good = is_size_line(&line);
        let Some(size @ 1..1000) = size else { return };
        let body = [&line, b"\r\n".as_slice(), &vec![b'x'; size], b"\r\n0\r\n\r\n"].concat();
        let request = [REQUEST.as_bytes(), &body].concat();
        let lines = of_requests(Limits::SERVER, noise.pieces(&request).into_iter()).lines;
        assert_eq!(lines.last().is_some_and(|line| line == "end"), good, "{}", line.escape_ascii());
        taken += u64::from(good);
    });
    assert!(count < 1000 || 100 < taken, "only {taken} lines were right");
}
