//! Arbitrary streams and changes of good ones: no panic, the same result however the bytes are cut, and for lines what a
//! model of a few lines says.

use sandloop_frames::{
    content::{ContentDecoder, ContentLimits},
    lines::{LineDecoder, LineEvent, LineLimits},
    netstring::NetstringDecoder,
    prefixed::PrefixedDecoder,
};
use sandloop_testkit::{Noise, fuzz::rounds};

use crate::feed::feed;

const WORDS: &[&[u8]] = &[
    b"\n",
    b"\r\n",
    b"\r",
    b"\n\n",
    b":",
    b",",
    b"0",
    b"9",
    b"\0\0\0\x01",
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"Content-Length: 2\n",
    b"content-length:",
    b"ab",
    b"aab",
    b"1:a,",
    b"block 3\n",
];

/// A stream of words, and of anything else.
fn stream(noise: &mut Noise) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..noise.below(30) {
        match noise.below(4) {
            0 => {
                let length = noise.below(9);
                bytes.extend(noise.bytes(length));
            }
            1 => bytes.push(*noise.pick(b"abc\n")),
            _ => bytes.extend(noise.pick::<&[u8]>(WORDS).iter()),
        }
    }
    let others = [b"A\nContent-Length: 5\n\nhello\nB\n\n".to_vec(), b"5:hello,0:,".to_vec()];
    noise.mutate(&mut bytes, WORDS, &others);
    bytes
}

/// Compares the whole with pieces.
#[track_caller]
fn check<T: PartialEq + std::fmt::Debug>(
    noise: &mut Noise,
    bytes: &[u8],
    run: impl Fn(&[&[u8]]) -> T,
) {
    assert_eq!(run(&noise.pieces(bytes)), run(&[bytes]), "{}", bytes.escape_ascii());
}

#[test]
fn every_decoder_says_the_same_however_the_bytes_are_cut() {
    rounds(20_000, |noise| {
        let bytes = stream(noise);
        check(noise, &bytes, |pieces| {
            let mut decoder = PrefixedDecoder::new(20);
            feed(pieces, |input| decoder.decode(input))
        });
        check(noise, &bytes, |pieces| {
            let mut decoder = NetstringDecoder::new(20);
            feed(pieces, |input| decoder.decode(input))
        });
        check(noise, &bytes, |pieces| {
            let mut decoder =
                ContentDecoder::new(ContentLimits { line: 20, headers: 50, content: 9 });
            feed(pieces, |input| decoder.decode(input))
        });
        let program = noise.next();
        check(noise, &bytes, |pieces| lines_with_modes(pieces, program));
    });
}

/// Sets modes and delimiters as the events and a number say. A block without a size is thrown back at once, so that what
/// is seen does not depend on cuts.
fn lines_with_modes(pieces: &[&[u8]], program: u64) -> Vec<String> {
    let mut decoder = LineDecoder::new(LineLimits { line: 12, binary: 9 });
    let mut noise = Noise::new(program);
    let mut seen = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match decoder.decode(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => {
                    seen.push(format!("{event:?}"));
                    let word: &[u8] = noise.pick::<&[u8]>(WORDS);
                    match noise.below(8) {
                        0 => decoder.set_text_mode(noise.below(11)),
                        1 => decoder.set_delimiter(word),
                        2 => decoder.set_line_mode(word),
                        3 => decoder.set_line_mode(b""),
                        _ => {}
                    }
                }
                Err(error) => seen.push(error.to_string()),
            }
        }
    }
    seen.push(format!("{:?}", decoder.finish()));
    seen
}

#[test]
fn lines_are_what_a_split_gives() {
    rounds(20_000, |noise| {
        let bytes = stream(noise);
        let delimiter = *noise.pick(WORDS);
        let max = *noise.pick(&[0, 1, 5, 1000]);
        let mut decoder = LineDecoder::new(LineLimits { line: max, binary: 0 });
        decoder.set_delimiter(delimiter);
        let events = feed(&noise.pieces(&bytes), |input| decoder.decode(input));
        let lines: Vec<_> = events
            .iter()
            .map(|event| match event {
                Ok(LineEvent::Line(line)) => Ok(line.clone()),
                _ => Err(()),
            })
            .collect();
        assert_eq!(lines, model(&bytes, delimiter, max), "{}", bytes.escape_ascii());
    });
}

/// The lines of a whole stream; an error, the last, where one is too long.
fn model(bytes: &[u8], delimiter: &[u8], max: usize) -> Vec<Result<Vec<u8>, ()>> {
    let mut rest = bytes;
    let mut lines = Vec::new();
    let slack = usize::from(delimiter == b"\n");
    while let Some(end) = rest.windows(delimiter.len()).position(|window| window == delimiter) {
        let line = &rest[..end];
        let line = if slack == 1 { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        if max < line.len() {
            lines.push(Err(()));
            return lines;
        }
        lines.push(Ok(line.to_vec()));
        rest = &rest[end + delimiter.len()..];
    }
    if max + slack + delimiter.len() <= rest.len() {
        lines.push(Err(()));
    }
    lines
}
