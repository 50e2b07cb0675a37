//! What goes in comes out, in any pieces, and nothing that would fill the memory.
use super::*;

fn compressed(coding: Coding, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut compressor = Compressor::new(coding);
    compressor.write(data, &mut out);
    compressor.finish(&mut out);
    out
}

fn raw(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn decompressed(
    coding: Coding,
    bounds: Bounds,
    pieces: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> Result<Vec<u8>, CodingError> {
    let mut out = Vec::new();
    let mut decompressor = Decompressor::new(coding, bounds);
    for piece in pieces {
        decompressor.write(piece.as_ref(), |data| out.extend_from_slice(data))?;
    }
    decompressor.finish(|data| out.extend_from_slice(data))?;
    Ok(out)
}

fn text() -> Vec<u8> {
    (0..5000)
        .flat_map(|number: u32| format!("line {}\n", number * 7919 % 1000).into_bytes())
        .collect()
}

#[test]
fn what_goes_in_comes_out() {
    let text = text();
    for (coding, bytes) in [
        (Coding::Gzip, compressed(Coding::Gzip, &text)),
        (Coding::Deflate, compressed(Coding::Deflate, &text)),
        (Coding::Deflate, raw(&text)),
    ] {
        assert!(bytes.len() < text.len() / 4);
        for size in [1, 2, 7, 1000, bytes.len()] {
            let out = decompressed(coding, Bounds::default(), bytes.chunks(size));
            assert_eq!(out.as_deref(), Ok(text.as_slice()), "{coding:?} in {size}");
        }
    }
    assert_eq!(decompressed(Coding::Gzip, Bounds::default(), [""]), Ok(Vec::new()));
    // Two members are one body.
    let two = [compressed(Coding::Gzip, b"a"), compressed(Coding::Gzip, b"b")].concat();
    assert_eq!(decompressed(Coding::Gzip, Bounds::default(), [two]), Ok(b"ab".to_vec()));
}

#[test]
fn a_flush_can_be_read_at_once() {
    for coding in [Coding::Gzip, Coding::Deflate] {
        let (mut out, mut seen) = (Vec::new(), Vec::new());
        let mut compressor = Compressor::new(coding);
        let mut decompressor = Decompressor::new(coding, Bounds::default());
        for word in ["one ", "two ", "three"] {
            compressor.write(word.as_bytes(), &mut out);
            compressor.flush(&mut out);
            decompressor.write(&out, |data| seen.extend_from_slice(data)).unwrap();
            out.clear();
            assert!(seen.ends_with(word.as_bytes()), "{coding:?} {word}");
        }
        compressor.finish(&mut out);
        decompressor.write(&out, |data| seen.extend_from_slice(data)).unwrap();
        decompressor.finish(|data| seen.extend_from_slice(data)).unwrap();
        assert_eq!(seen, b"one two three");
    }
}

#[test]
fn a_body_that_is_cut_or_changed_is_an_error() {
    let text = text();
    for (coding, bytes) in [
        (Coding::Gzip, compressed(Coding::Gzip, &text)),
        (Coding::Deflate, compressed(Coding::Deflate, &text)),
        (Coding::Deflate, raw(&text)),
    ] {
        for length in (1..20).chain(bytes.len() - 12..bytes.len()) {
            let out = decompressed(coding, Bounds::default(), [&bytes[..length]]);
            assert!(out.is_err(), "{coding:?} of {length} bytes");
        }
    }
    let mut changed = compressed(Coding::Gzip, &text);
    let last = changed.len() - 5;
    changed[last] ^= 1;
    assert!(decompressed(Coding::Gzip, Bounds::default(), [changed]).is_err());
    assert!(decompressed(Coding::Gzip, Bounds::default(), ["this is no gzip at all"]).is_err());
}

/// What is compressed, in each form, and what it says.
fn every_form(text: &[u8]) -> [(Coding, Vec<u8>); 3] {
    [
        (Coding::Gzip, compressed(Coding::Gzip, text)),
        (Coding::Deflate, compressed(Coding::Deflate, text)),
        (Coding::Deflate, raw(text)),
    ]
}

#[test]
fn padding_may_follow() {
    let zeros = [0; 3000];
    let paddings: [&[u8]; 7] =
        [b"\0", b"\n", b"\r\n", b"\r\n\r\n", b" \t\n\0", b"\0\0\0\0\0\0\0\0\0", &zeros];
    for text in [b"".as_slice(), b"a", &[b'a'; 3000]] {
        for (coding, bytes) in every_form(text) {
            for padding in paddings {
                let padded = [bytes.as_slice(), padding].concat();
                for size in [1, 3, 1024, padded.len()] {
                    let out = decompressed(coding, Bounds::default(), padded.chunks(size));
                    assert_eq!(out.as_deref(), Ok(text), "{coding:?} in {size}");
                }
                // Exactly at the end.
                let out = decompressed(coding, Bounds::default(), [bytes.as_slice(), padding]);
                assert_eq!(out.as_deref(), Ok(text), "{coding:?}");
            }
        }
    }
}

#[test]
fn nothing_else_may_follow() {
    let member = compressed(Coding::Gzip, b"b");
    let behind_padding = [b"\0".as_slice(), &member].concat();
    let wrongs: [&[u8]; 6] = [b"x", b"\0x", b"\r\nx", b"\x1e\x8b", b"\xff", &behind_padding];
    for (coding, bytes) in every_form(b"abc") {
        for wrong in wrongs {
            for size in [1, bytes.len(), 1024] {
                let whole = [bytes.as_slice(), wrong].concat();
                let out = decompressed(coding, Bounds::default(), whole.chunks(size));
                assert_eq!(out, Err(CodingError::Corrupt), "{coding:?} {}", wrong.escape_ascii());
            }
        }
    }
    // Members of gzip are told from padding; what begins as one has to be one.
    for (rest, expected) in [
        (member.as_slice(), Ok(b"ab".to_vec())),
        (&[member.as_slice(), b"\0\n"].concat(), Ok(b"ab".to_vec())),
        (&member[..1], Err(CodingError::Truncated)),
        (&member[..member.len() - 1], Err(CodingError::Truncated)),
        (b"\x1f\x8c\0\0\0\0\0\0\0\0", Err(CodingError::Corrupt)),
    ] {
        let whole = [compressed(Coding::Gzip, b"a").as_slice(), rest].concat();
        for size in [1, 2, whole.len()] {
            let out = decompressed(Coding::Gzip, Bounds::default(), whole.chunks(size));
            assert_eq!(out, expected, "{} in {size}", rest.escape_ascii());
        }
    }
}

/// Members that say the same again and again are bounded together.
#[test]
fn a_bomb_of_many_members_does_not_go_off() {
    let member = compressed(Coding::Gzip, &vec![0; 1 << 20]);
    let bomb = member.repeat(8);
    let too_large = Err(CodingError::TooLarge);
    assert_eq!(decompressed(Coding::Gzip, Bounds::default(), [&bomb]), too_large);
    let bounds = Bounds { size: 3 << 20, ratio: 2000 };
    assert_eq!(decompressed(Coding::Gzip, bounds, bomb.chunks(7)), too_large);
}

#[test]
fn a_bomb_does_not_go_off() {
    let zeros = vec![0; 8 << 20];
    for coding in [Coding::Gzip, Coding::Deflate] {
        let bomb = compressed(coding, &zeros);
        let too_large = Err(CodingError::TooLarge);
        assert_eq!(decompressed(coding, Bounds::default(), [&bomb]), too_large);
        assert_eq!(decompressed(coding, Bounds { size: 1 << 20, ratio: 2000 }, [&bomb]), too_large);
        let wide = Bounds { size: u64::MAX, ratio: 2000 };
        assert_eq!(decompressed(coding, wide, [&bomb]).map(|out| out.len()), Ok(zeros.len()));
    }
}

#[test]
fn the_client_chooses() {
    let check = |value: &str, expected: Option<Coding>| {
        let mut headers = Headers::new();
        headers.append("Accept-Encoding", value).unwrap();
        assert_eq!(Coding::wanted(&headers), expected, "{value}");
    };
    check("gzip", Some(Coding::Gzip));
    check("br, GZIP;q=0.5, deflate;q=0.8", Some(Coding::Deflate));
    check("gzip, deflate, br", Some(Coding::Gzip));
    check("*", Some(Coding::Gzip));
    for none in ["", "br", "identity", "gzip;q=0", "gzip; q=x", "gzip;q=2", "*;q=0"] {
        check(none, None);
    }
}

#[test]
fn the_coding_is_named() {
    let check = |value: &str, expected: Option<Coding>| {
        let mut headers = Headers::new();
        headers.append("Content-Encoding", value).unwrap();
        assert_eq!(Coding::of(&headers), expected, "{value}");
    };
    check("gzip", Some(Coding::Gzip));
    check("X-Gzip", Some(Coding::Gzip));
    check("deflate", Some(Coding::Deflate));
    for none in ["", "identity", "br", "gzip, gzip", "deflate, gzip"] {
        check(none, None);
    }
}
