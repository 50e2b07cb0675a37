//! Section 6: text is UTF-8, and what is not is found at its first bad byte.

use sandloop_http::websocket::WebSocket;

use super::{
    BEGIN, GO_ON, LAST, TEXT,
    echo::{End, MESSAGE_MAX, check, run},
    frame,
};

/// Good ones of 6.5 to 6.23.
const GOOD: &[&[u8]] = &[
    b"",
    b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!",
    b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    b"\0",
    b"\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbd",
    b"\xef\xbf\xbe",
    b"\xf0\x9f\xbf\xbe",
];

/// Bad ones, each with the number of its bytes after which it shows, and none if it is only incomplete.
const BAD: &[(&[u8], Option<usize>)] = &[
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", Some(13)), // 6.3
    (b"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80edited", Some(7)),                      // 6.4
    (b"\x80", Some(1)),
    (b"\xbf\x80", Some(1)),
    (b"\xc0\xaf", Some(1)),
    (b"\xc1\xbf", Some(1)),
    (b"\xe0\x80\xaf", Some(2)),
    (b"\xe0\x9f\xbf", Some(2)),
    (b"\xf0\x80\x80\xaf", Some(2)),
    (b"\xf0\x8f\xbf\xbf", Some(2)),
    (b"\xf8\x88\x80\x80\x80", Some(1)),
    (b"\xfc\x84\x80\x80\x80\x80", Some(1)),
    (b"\xfe", Some(1)),
    (b"\xff", Some(1)),
    (b"\xf5\x80\x80\x80", Some(1)),
    (b"\xed\xa0\x80", Some(2)),
    (b"\xed\xbf\xbf", Some(2)),
    (b"\xc3(", Some(2)),
    (b"a\xe2\x82z", Some(4)),
    (b"\xc2", None),
    (b"\xe2\x82", None),
    (b"\xf0\x9f\x98", None),
];

#[test]
fn section_6_good_text() {
    for text in GOOD {
        let name = text.escape_ascii().to_string();
        check(&name, &frame(TEXT, text), &[(TEXT, text)], End::Open);
        // Each byte a fragment: 6.2.3.
        let mut bytes = frame(BEGIN, b"");
        text.iter().for_each(|byte| bytes.extend(frame(GO_ON, &[*byte])));
        bytes.extend(frame(LAST, b""));
        check(&name, &bytes, &[(TEXT, text)], End::Open);
    }
}

#[test]
fn section_6_bad_text() {
    for (text, _) in BAD {
        let name = text.escape_ascii().to_string();
        check(&name, &frame(TEXT, text), &[], End::Failed(1007));
        for cut in 0..=text.len() {
            let bytes = [frame(BEGIN, &text[..cut]), frame(LAST, &text[cut..])].concat();
            check(&name, &bytes, &[], End::Failed(1007));
        }
        // As bytes it is as good as any.
        check(&name, &frame(0x82, text), &[(0x82, text)], End::Open);
    }
}

/// 6.4: the connection fails at the first bad byte, though the frame and the message go on.
#[test]
fn bad_text_is_found_at_its_first_bad_byte() {
    for (text, shows) in BAD {
        let header = 2 + 4;
        let mut whole = frame(TEXT, &[text, &[b'x'; 80][..]].concat());
        // A frame that promises more than it has.
        whole.truncate(header + text.len());
        for end in 0..=whole.len() {
            let (_, seen) = run(WebSocket::server(MESSAGE_MAX), &[&whole[..end]]);
            let is_bad = shows.is_some_and(|shows| header + shows <= end);
            let expected = if is_bad { End::Failed(1007) } else { End::Open };
            assert_eq!(seen, expected, "{} bytes of {}", end, text.escape_ascii());
        }
    }
}
