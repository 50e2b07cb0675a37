//! Checks the status line byte by byte, so that another protocol is recognised by its first bytes.

use super::error::ResponseError;
use crate::head::FirstLine;

/// The status line so far.
#[derive(Debug, Default)]
pub(super) struct StatusLine {
    length: usize,
}

/// `D` is any digit; then comes a space and a reason, or nothing.
const LINE: &[u8] = b"HTTP/D.D DDD";

impl FirstLine for StatusLine {
    type Error = ResponseError;

    fn push(&mut self, byte: u8) -> Result<(), ResponseError> {
        let fits = match LINE.get(self.length) {
            Some(b'D') => byte.is_ascii_digit(),
            Some(expected) => *expected == byte,
            None if self.length == LINE.len() => matches!(byte, b' ' | b'\r' | b'\n'),
            None => true,
        };
        self.length += 1;
        if fits { Ok(()) } else { Err(ResponseError::StatusLine) }
    }

    fn reset(&mut self) {
        self.length = 0;
    }
}
