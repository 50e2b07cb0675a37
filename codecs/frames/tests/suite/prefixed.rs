//! Frames behind a length: four bytes, or decimal digits.

use sandloop_frames::{
    netstring::{self, NetstringDecoder, NetstringError},
    prefixed::{self, PrefixedDecoder, PrefixedError},
};

use crate::feed::{each_way, feed};

#[test]
fn frames_behind_four_bytes() {
    let check = |bytes: &[u8], expected: &[Result<&[u8], PrefixedError>]| {
        let frames = each_way(bytes, |pieces| {
            let mut decoder = PrefixedDecoder::new(300);
            feed(pieces, |input| decoder.decode(input))
        });
        let frames: Vec<_> =
            frames.iter().map(|one| one.as_deref().map_err(|error| *error)).collect();
        assert_eq!(frames, expected, "{}", bytes.escape_ascii());
    };
    check(b"\0\0\0\x05hello\0\0\0\0\0\0\0\x01x", &[Ok(b"hello"), Ok(b""), Ok(b"x")]);
    check(b"\0\0\0", &[]);
    check(b"\0\0\0\x02a", &[]);
    let large = [&b"\0\0\x01\x2c"[..], &[7; 300], b"\0\0\x01\x2dx"].concat();
    let error = PrefixedError::TooLarge { size: 301, max: 300 };
    check(&large, &[Ok(&[7; 300]), Err(error)]);
    let error = PrefixedError::TooLarge { size: 0xffff_ffff, max: 300 };
    check(b"\xff\xff\xff\xff\0\0\0\x01x", &[Err(error)]);
    let mut out = b"before".to_vec();
    prefixed::encode(&[1; 258], &mut out).unwrap();
    assert_eq!(out, [&b"before\0\0\x01\x02"[..], &[1; 258]].concat());
}

#[test]
fn netstrings() {
    let check = |bytes: &[u8], expected: &[Result<&[u8], NetstringError>]| {
        let strings = each_way(bytes, |pieces| {
            let mut decoder = NetstringDecoder::new(300);
            feed(pieces, |input| decoder.decode(input))
        });
        let strings: Vec<_> =
            strings.iter().map(|one| one.as_deref().map_err(|error| *error)).collect();
        assert_eq!(strings, expected, "{}", bytes.escape_ascii());
    };
    check(b"12:hello world!,0:,1:,,", &[Ok(b"hello world!"), Ok(b""), Ok(b",")]);
    check(b"300", &[]);
    check(b"3:ab", &[]);
    let too_long = Err(NetstringError::TooLong { max: 300 });
    check(b"301", &[too_long]);
    check(b"99999999999999999999999999:", &[too_long]);
    for bytes in [&b":,"[..], b"x", b"-1:", b"00:,", b"01:a,", b" 1:a,", b"1 :a,", b"1", b"\n"] {
        let wrong = [Err(NetstringError::Length)];
        check(bytes, if bytes == b"1" { &[] } else { &wrong });
    }
    check(b"1:a;1:b,", &[Err(NetstringError::Comma)]);
    check(b"1:ab,", &[Err(NetstringError::Comma)]);
    check(b"0:,\n0:,", &[Ok(b""), Err(NetstringError::Length)]);
    let mut out = b"before".to_vec();
    netstring::encode(b"hello world!", &mut out);
    netstring::encode(b"", &mut out);
    assert_eq!(out, b"before12:hello world!,0:,");
}
