//! Bytes through a decoder, whole and in pieces.

use std::fmt::Debug;

use sandloop_testkit::Noise;

/// Everything that a decoder makes of pieces: events, and the error that may be the last.
pub fn feed<T, E>(
    pieces: &[&[u8]],
    mut decode: impl FnMut(&mut &[u8]) -> Result<Option<T>, E>,
) -> Vec<Result<T, E>> {
    let mut all = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        loop {
            match decode(&mut input) {
                Ok(Some(event)) => all.push(Ok(event)),
                Ok(None) => break,
                Err(error) => all.push(Err(error)),
            }
        }
        assert!(input.is_empty(), "bytes are left though more are asked for");
    }
    all
}

/// What a decoder makes of bytes: the same in one piece, in pieces of one to four bytes, and in any others.
#[track_caller]
pub fn each_way<T: Debug + PartialEq>(bytes: &[u8], outcome: impl Fn(&[&[u8]]) -> T) -> T {
    let whole = outcome(&[bytes]);
    for size in 1..=4 {
        let pieces: Vec<_> = bytes.chunks(size).collect();
        assert_eq!(outcome(&pieces), whole, "{} in pieces of {size}", bytes.escape_ascii());
    }
    let mut noise = Noise::new(bytes.len() as u64);
    assert_eq!(outcome(&noise.pieces(bytes)), whole, "{} in pieces", bytes.escape_ascii());
    whole
}
