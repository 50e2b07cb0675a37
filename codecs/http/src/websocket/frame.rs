//! Frames: what stands before the bytes of each, and the mask over them.

use std::hash::{BuildHasher as _, RandomState};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    fn of(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

/// What stands before the bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) is_final: bool,
    /// The first reserved bit: a message that begins so is compressed, if that was agreed on.
    pub(super) is_compressed: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: Option<[u8; 4]>,
    pub(super) length: u64,
}

const FINAL: u8 = 0x80;
const COMPRESSED: u8 = 0x40;
const RESERVED: u8 = 0x30;
const MASKED: u8 = 0x80;

/// Bytes of a control frame, and of a length that needs no more bytes.
pub(super) const CONTROL_MAX: usize = 125;

impl Header {
    /// The header at the beginning of these bytes and its size; none when more are needed. What is wrong is found at its
    /// own byte, not later.
    ///
    /// # Errors
    /// The fault, as a text.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Header, usize)>, &'static str> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err("a reserved bit is set, and no extension that knows it was agreed on");
        }
        let opcode = Opcode::of(first & 0x0f).ok_or("there is no such kind of frame")?;
        let is_final = first & FINAL != 0;
        if opcode.is_control() && !is_final {
            return Err("a control frame comes in fragments");
        }
        let Some(&second) = bytes.get(1) else { return Ok(None) };
        let short = second & !MASKED;
        if opcode.is_control() && CONTROL_MAX < usize::from(short) {
            return Err("a control frame has more than 125 bytes");
        }
        let size = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some(extended) = bytes.get(2..2 + size) else { return Ok(None) };
        let extended = extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        let (least, length) = match short {
            126 => (126, extended),
            127 => (1 << 16, extended),
            _ => (0, short.into()),
        };
        if length < least {
            return Err("a length is written with more bytes than it needs");
        }
        if 1 << 63 <= length {
            return Err("a length has its highest bit set");
        }
        let mut end = 2 + size;
        let mask = if second & MASKED == 0 {
            None
        } else {
            let Some(mask) = bytes[end..].first_chunk() else { return Ok(None) };
            end += mask.len();
            Some(*mask)
        };
        let is_compressed = first & COMPRESSED != 0;
        Ok(Some((Header { is_final, is_compressed, opcode, mask, length }, end)))
    }
}

/// Appends a frame to the output; masked on the client's side.
pub(super) fn write(
    out: &mut Vec<u8>,
    opcode: Opcode,
    is_compressed: bool,
    payload: &[u8],
    is_client: bool,
) {
    let compressed = if is_compressed { COMPRESSED } else { 0 };
    let masked = if is_client { MASKED } else { 0 };
    out.reserve(payload.len() + 14);
    out.push(FINAL | compressed | opcode.bits());
    match payload.len() {
        length if length <= CONTROL_MAX => out.push(masked | length as u8),
        length if length <= usize::from(u16::MAX) => {
            out.push(masked | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if !is_client {
        return out.extend_from_slice(payload);
    }
    let mask = new_mask();
    out.extend_from_slice(&mask);
    let begin = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[begin..], mask, 0);
}

/// Puts a mask over bytes, or takes it off; the first of them is number `from` of the frame's.
pub(super) fn apply_mask(bytes: &mut [u8], mask: [u8; 4], from: u64) {
    let mut mask = mask;
    mask.rotate_left((from % 4) as usize);
    let wide = u64::from_ne_bytes([mask, mask].concat().try_into().unwrap_or_default());
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// A mask that nobody can foresee, as RFC 6455 (5.3) asks: the standard library keys its hasher with the system's
/// randomness.
fn new_mask() -> [u8; 4] {
    let number = RandomState::new().hash_one(0_u8).to_ne_bytes();
    [number[0], number[1], number[2], number[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_the_same_wherever_bytes_are_cut() {
        let mask = [1, 2, 4, 8];
        let mut whole = vec![0; 40];
        apply_mask(&mut whole, mask, 0);
        assert_eq!(whole[..6], [1, 2, 4, 8, 1, 2]);
        for cut in 0..=40 {
            let mut pieces = vec![0; 40];
            let (one, two) = pieces.split_at_mut(cut);
            apply_mask(one, mask, 0);
            apply_mask(two, mask, cut as u64);
            assert_eq!(pieces, whole, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            for is_client in [false, true] {
                let mut out = Vec::new();
                write(&mut out, Opcode::Binary, true, &vec![7; length], is_client);
                let (header, size) = Header::parse(&out).unwrap().unwrap();
                assert_eq!((header.length, out.len() - size), (length as u64, length));
                assert_eq!(header.mask.is_some(), is_client);
                for end in 0..size {
                    assert_eq!(Header::parse(&out[..end]), Ok(None));
                }
            }
        }
    }

    #[test]
    fn masks_differ() {
        let masks: std::collections::BTreeSet<_> = (0..100).map(|_| new_mask()).collect();
        assert!(95 < masks.len());
    }
}
