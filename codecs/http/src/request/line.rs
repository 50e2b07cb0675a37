//! Checks the request line byte by byte, so that anything else is refused at its first wrong byte.

use super::error::RequestError;
use crate::{fields::is_token_byte, head::FirstLine};

/// The longest name of a method. RFC 9110 asks for 501 where a name is longer than a server reads.
const METHOD_MAX: usize = 32;

/// Where in the line the next byte stands.
#[derive(Clone, Copy, Debug)]
enum Part {
    Method,
    Target,
    Version,
}

/// The request line so far.
#[derive(Debug)]
pub(super) struct RequestLine {
    part: Part,
    /// Bytes of the part.
    length: usize,
    target_max: usize,
    /// The method is `HEAD`, as far as it has come.
    is_head: bool,
}

/// `D` is any digit. The line's end is the scanner's business.
const VERSION: &[u8] = b"HTTP/D.D";
const HEAD: &[u8] = b"HEAD";

impl RequestLine {
    pub(crate) fn new(target_max: usize) -> RequestLine {
        RequestLine { part: Part::Method, length: 0, target_max, is_head: true }
    }

    /// Whether the method is `HEAD`, and complete.
    pub(crate) fn is_head(&self) -> bool {
        self.is_head && !matches!(self.part, Part::Method)
    }

    fn enter(&mut self, part: Part) -> Result<(), RequestError> {
        (self.part, self.length) = (part, 0);
        Ok(())
    }
}

impl FirstLine for RequestLine {
    type Error = RequestError;

    fn push(&mut self, byte: u8) -> Result<(), RequestError> {
        match (self.part, byte) {
            (Part::Method, b' ') if 0 < self.length => {
                self.is_head &= self.length == HEAD.len();
                return self.enter(Part::Target);
            }
            (Part::Method, _) if !is_token_byte(byte) => return Err(RequestError::RequestLine),
            (Part::Method, _) if self.length == METHOD_MAX => return Err(RequestError::Method),
            (Part::Target, b' ') if 0 < self.length => return self.enter(Part::Version),
            (Part::Target, b'\t' | b' ' | b'\r' | b'\n') => return Err(RequestError::RequestLine),
            (Part::Target, _) if !byte.is_ascii_graphic() => {
                return Err(RequestError::TargetCharacter);
            }
            (Part::Target, _) if self.length == self.target_max => {
                return Err(RequestError::TargetTooLong);
            }
            (Part::Version, _) => match VERSION.get(self.length) {
                Some(b'D') if byte.is_ascii_digit() => {}
                Some(expected) if *expected == byte => {}
                None if matches!(byte, b'\r' | b'\n') => {}
                _ => return Err(RequestError::RequestLine),
            },
            (Part::Method, _) => {
                self.is_head &= HEAD.get(self.length) == Some(&byte);
            }
            (Part::Target, _) => {}
        }
        self.length += 1;
        Ok(())
    }

    fn reset(&mut self) {
        (self.part, self.length, self.is_head) = (Part::Method, 0, true);
    }
}
