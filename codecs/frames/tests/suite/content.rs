//! `HeaderAndContentProtocol`: requests, and what is refused.

use sandloop_frames::content::{
    ContentDecoder, ContentError, ContentEvent, ContentLimits, headers_2_hash,
};

use crate::feed::{each_way, feed};

const LIMITS: ContentLimits = ContentLimits { line: 40, headers: 100, content: 50 };

/// The requests, `first|header|header=content`, and `!` and the error.
#[track_caller]
fn check(bytes: &str, expected: &[&str]) {
    let events = each_way(bytes.as_bytes(), |pieces| {
        let mut decoder = ContentDecoder::new(LIMITS);
        feed(pieces, |input| decoder.decode(input))
    });
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    let mut first = None;
    let mut told = None;
    let mut words = Vec::new();
    for event in &events {
        match event {
            Ok(ContentEvent::FirstLine(line)) => first = Some(line),
            Ok(ContentEvent::Headers(headers)) => {
                assert_eq!(headers.first(), first);
                told = Some(headers);
            }
            Ok(ContentEvent::Request { headers, content }) => {
                assert_eq!(Some(headers), told);
                let headers: Vec<_> = headers.iter().map(text).collect();
                words.push(format!("{}={}", headers.join("|"), text(content)));
            }
            Err(error) => words.push(format!("!{error}")),
        }
    }
    assert_eq!(words, expected, "{bytes:?}");
}

#[test]
fn requests_with_and_without_a_body() {
    check("GET /\r\nHost: a\r\n\r\n", &["GET /|Host: a="]);
    check("\n\r\n\nA\nContent-length: 3\n\nabcB\n\n", &["A|Content-length: 3=abc", "B="]);
    check("A\nCONTENT-LENGTH:3  \n\na\nb\n\n\nB\n\n", &["A|CONTENT-LENGTH:3  =a\nb", "B="]);
    check("A\nContent-Length: 0\n\nB\n\n", &["A|Content-Length: 0=", "B="]);
    // The first line may say it as well.
    check("Content-Length: 2\n\nhi", &["Content-Length: 2=hi"]);
    // Neither another field's name nor a value is a length.
    check("A\nX-Content-Length: 5\n\nB\n\n", &["A|X-Content-Length: 5=", "B="]);
    check("A\nB: Content-Length: 5\n\nC\n\n", &["A|B: Content-Length: 5=", "C="]);
    // A body that is cut off is no request.
    check("A\nContent-Length: 3\n\nab", &[]);
    check("A\nB: c\n", &[]);
}

#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    let refused = |bytes: &str, error: ContentError| check(bytes, &[&format!("!{error}")]);
    refused("A\nContent-Length: 3\nContent-Length: 3\n\n", ContentError::LengthTwice);
    refused("A\ncontent-length : 3\nContent-Length: 4\n\n", ContentError::LengthTwice);
    for length in ["", "-1", "+1", "1 2", "1,1", "0x1", "1a", "1.0"] {
        refused(&format!("A\nContent-Length: {length}\n\n"), ContentError::Length);
    }
    for length in ["51", "18446744073709551616", "99999999999999999999999"] {
        refused(
            &format!("A\nContent-Length: {length}\n\n"),
            ContentError::ContentTooLarge { max: 50 },
        );
    }
    let header = "b: 4567890123456789012345678901\n";
    refused(&format!("A\n{}", header.repeat(4)), ContentError::HeadersTooLong { max: 100 });
}

#[test]
fn headers_are_known_by_name() {
    let lines = ["GET /a:b", "Host: a", "X-Two-Words :  b c ", "host: last", "no colon", ": x"];
    let lines: Vec<_> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
    let hash = headers_2_hash(&lines);
    let expected = [("host", "last"), ("x_two_words", "b c ")];
    let hash: Vec<_> = hash.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(hash, expected.map(|(name, value)| (name, value.as_bytes())));
}
