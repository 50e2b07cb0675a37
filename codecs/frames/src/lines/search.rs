//! Finding the end of a line.

use std::mem;

use memchr::memmem::Finder;

use super::LineError;

/// The delimiter of lines.
#[derive(Debug)]
pub(super) struct Delimiter {
    finder: Finder<'static>,
    /// Whether it is `\n`, to which a preceding `\r` belongs.
    is_newline: bool,
}

impl Delimiter {
    pub(super) fn newline() -> Delimiter {
        Delimiter { finder: Finder::new(b"\n").into_owned(), is_newline: true }
    }

    /// None if it is empty.
    pub(super) fn new(bytes: &[u8]) -> Option<Delimiter> {
        let finder = Finder::new(bytes).into_owned();
        (!bytes.is_empty()).then_some(Delimiter { finder, is_newline: bytes == b"\n" })
    }

    /// The next line, if the input completes it; otherwise the input is appended to `begun`.
    ///
    /// A line that is too long is detected at the same byte however the bytes are split: where even a delimiter in progress
    /// would end too late.
    pub(super) fn take_line(
        &self,
        begun: &mut Vec<u8>,
        input: &mut &[u8],
        max: usize,
    ) -> Result<Option<Vec<u8>>, LineError> {
        let length = self.finder.needle().len();
        let window = max.saturating_add(length).saturating_add(usize::from(self.is_newline));
        let before = begun.len();
        let taken = &input[..input.len().min(window.saturating_sub(before))];
        if begun.is_empty()
            && let Some(end) = self.finder.find(taken)
        {
            // Most lines arrive in one piece.
            let line = self.finish(taken[..end].to_vec(), max);
            *input = &input[end + length..];
            return line.map(Some);
        }
        // A delimiter may have started in earlier bytes, but not ended.
        let from = before.saturating_sub(length - 1);
        begun.extend_from_slice(taken);
        if let Some(end) = self.finder.find(&begun[from..]).map(|at| from + at) {
            *input = &input[end + length - before..];
            let mut line = mem::take(begun);
            line.truncate(end);
            return self.finish(line, max).map(Some);
        }
        if window <= begun.len() {
            return Err(LineError::LineTooLong { max });
        }
        *input = &input[taken.len()..];
        Ok(None)
    }

    fn finish(&self, mut line: Vec<u8>, max: usize) -> Result<Vec<u8>, LineError> {
        if self.is_newline && line.last() == Some(&b'\r') {
            line.pop();
        }
        if max < line.len() { Err(LineError::LineTooLong { max }) } else { Ok(line) }
    }
}
