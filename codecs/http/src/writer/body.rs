//! Writes bodies, in each framing.

use std::{fmt, io::Write as _};

use super::fields;
use crate::headers::Headers;

/// The writer of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyWriter {
    /// There is no body: written bytes are discarded.
    None,
    /// The head has told the length.
    Known {
        /// Bytes that are still to be written.
        left: u64,
    },
    /// In chunks.
    Chunked,
    /// Without framing: the body ends with the connection.
    UntilClose,
    /// The end has been written.
    Ended,
}

/// The body does not have the length that its head says. The connection must be closed: the peer would read
/// the next message as part of the body, or wait for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthError {
    /// By how many bytes the body exceeds its length. They were not written.
    TooMuch(u64),
    /// The number of bytes missing at the end.
    TooLittle(u64),
    /// Written after the end.
    AfterEnd,
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LengthError::TooMuch(by) => {
                write!(
                    f,
                    "the body is {by} bytes longer than was said: say no length to send in chunks"
                )
            }
            LengthError::TooLittle(by) => {
                write!(f, "the body ends {by} bytes before the length that was said")
            }
            LengthError::AfterEnd => f.write_str("the body has ended already"),
        }
    }
}

impl std::error::Error for LengthError {}

/// The framing of one piece of a body.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    before: [u8; 18],
    before_length: u8,
    /// Whether the piece itself is sent: not for an answer without a body.
    pub sends: bool,
    /// The bytes after the piece.
    pub after: &'static [u8],
}

impl Frame {
    const PLAIN: Frame = Frame { before: [0; 18], before_length: 0, sends: true, after: b"" };

    /// The bytes before the piece.
    #[must_use]
    pub fn before(&self) -> &[u8] {
        &self.before[..usize::from(self.before_length)]
    }

    fn chunk(length: usize) -> Frame {
        let mut frame = Frame { after: b"\r\n", ..Frame::PLAIN };
        let mut rest = frame.before.as_mut_slice();
        // Sixteen digits and two bytes always fit.
        let written = write!(rest, "{length:X}\r\n").is_ok();
        let left = rest.len();
        debug_assert!(written);
        frame.before_length = (frame.before.len() - left) as u8;
        frame
    }
}

impl BodyWriter {
    /// The framing of a piece of `length` bytes, for a caller that sends large pieces without a copy.
    ///
    /// # Errors
    /// `TooMuch`, `AfterEnd`.
    pub fn frame(&mut self, length: usize) -> Result<Frame, LengthError> {
        match self {
            BodyWriter::None => Ok(Frame { sends: false, ..Frame::PLAIN }),
            BodyWriter::Known { left } => match left.checked_sub(length as u64) {
                Some(rest) => {
                    *left = rest;
                    Ok(Frame::PLAIN)
                }
                None => Err(LengthError::TooMuch(length as u64 - *left)),
            },
            // An empty chunk would end the body.
            BodyWriter::Chunked if length == 0 => Ok(Frame::PLAIN),
            BodyWriter::Chunked => Ok(Frame::chunk(length)),
            BodyWriter::UntilClose => Ok(Frame::PLAIN),
            BodyWriter::Ended => Err(LengthError::AfterEnd),
        }
    }

    /// Counts bytes of a body of known length that go another way than through the caller's hands.
    ///
    /// # Errors
    /// `TooMuch`, also for all of them where the length is not known, which needs framing; `AfterEnd`.
    pub fn pass(&mut self, length: u64) -> Result<(), LengthError> {
        match self {
            BodyWriter::None => Ok(()),
            BodyWriter::Known { left } if length <= *left => {
                *left -= length;
                Ok(())
            }
            BodyWriter::Known { left } => Err(LengthError::TooMuch(length - *left)),
            BodyWriter::Chunked | BodyWriter::UntilClose => Err(LengthError::TooMuch(length)),
            BodyWriter::Ended => Err(LengthError::AfterEnd),
        }
    }

    /// Writes a piece.
    ///
    /// # Errors
    /// As [`frame`](Self::frame).
    pub fn write(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), LengthError> {
        let frame = self.frame(data.len())?;
        if frame.sends {
            out.extend_from_slice(frame.before());
            out.extend_from_slice(data);
            out.extend_from_slice(frame.after);
        }
        Ok(())
    }

    /// Writes the end. Trailers are written only in the chunked coding.
    ///
    /// # Errors
    /// `TooLittle`, `AfterEnd`.
    pub fn end(&mut self, trailers: &Headers, out: &mut Vec<u8>) -> Result<(), LengthError> {
        match std::mem::replace(self, BodyWriter::Ended) {
            BodyWriter::Known { left } if 0 < left => Err(LengthError::TooLittle(left)),
            BodyWriter::Ended => Err(LengthError::AfterEnd),
            BodyWriter::Chunked => {
                out.extend_from_slice(b"0\r\n");
                fields(out, trailers);
                out.extend_from_slice(b"\r\n");
                Ok(())
            }
            BodyWriter::None | BodyWriter::Known { .. } | BodyWriter::UntilClose => Ok(()),
        }
    }
}
