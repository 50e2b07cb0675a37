//! The output of the compiling process: one byte, a length, then the code or a text.

use std::io::{self, Write};

use super::artefact::Artefact;

/// The result of compiling a component.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CompilerAnswer {
    /// The code.
    Made(Artefact),
    /// It is not a component, for this reason.
    Invalid(Vec<u8>),
    /// It needs proposals that the engine does not support: their names, separated by commas.
    Proposals(Vec<u8>),
    /// The engine has reported that memory is exhausted.
    NoMemory,
}

const MADE: u8 = b'c';
const INVALID: u8 = b'i';
const PROPOSALS: u8 = b'p';
const NO_MEMORY: u8 = b'm';
/// The byte and the length.
pub(super) const HEAD_BYTES: usize = 1 + size_of::<u64>();

impl CompilerAnswer {
    /// Writes the answer.
    ///
    /// # Errors
    /// When the reader has gone.
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, body): (u8, &[u8]) = match self {
            CompilerAnswer::Made(artefact) => (MADE, artefact.bytes()),
            CompilerAnswer::Invalid(words) => (INVALID, words),
            CompilerAnswer::Proposals(names) => (PROPOSALS, names),
            CompilerAnswer::NoMemory => (NO_MEMORY, &[]),
        };
        to.write_all(&[kind])?;
        to.write_all(&(body.len() as u64).to_le_bytes())?;
        to.write_all(body)?;
        to.flush()
    }

    /// Parses an answer; none if it is truncated or malformed.
    pub(super) fn read(mut bytes: Vec<u8>) -> Option<CompilerAnswer> {
        let (head, body) = bytes.split_at_checked(HEAD_BYTES)?;
        let (kind, length) = head.split_first()?;
        let length = u64::from_le_bytes(length.try_into().ok()?);
        if u64::try_from(body.len()) != Ok(length) {
            return None;
        }
        let kind = *kind;
        bytes.drain(..HEAD_BYTES);
        match kind {
            MADE => Some(CompilerAnswer::Made(Artefact::read(bytes)?)),
            INVALID => Some(CompilerAnswer::Invalid(bytes)),
            PROPOSALS => Some(CompilerAnswer::Proposals(bytes)),
            NO_MEMORY => bytes.is_empty().then_some(CompilerAnswer::NoMemory),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::footprint::Footprint;

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let answers = [
            CompilerAnswer::Made(Artefact::new(Footprint::UNKNOWN, b"code")),
            CompilerAnswer::Invalid(b"why".to_vec()),
            CompilerAnswer::Proposals(b"gc,threads".to_vec()),
            CompilerAnswer::NoMemory,
        ];
        for answer in answers {
            let mut bytes = Vec::new();
            answer.write(&mut bytes).unwrap();
            for length in 0..bytes.len() {
                assert_eq!(
                    CompilerAnswer::read(bytes[..length].to_vec()),
                    None,
                    "{answer:?}, {length} bytes"
                );
            }
            let more = [&*bytes, b"\0"].concat();
            assert_eq!(CompilerAnswer::read(more), None, "{answer:?} and a byte");
            assert_eq!(CompilerAnswer::read(bytes), Some(answer));
        }
        assert_eq!(CompilerAnswer::read(b"x\0\0\0\0\0\0\0\0".to_vec()), None);
        assert_eq!(CompilerAnswer::read(b"c\x01\0\0\0\0\0\0\0x".to_vec()), None);
    }
}
