//! Finds the end of a head or of trailers, within a limit, however the bytes are split.

/// Errors in the line structure of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineError {
    /// A line ends with a line feed alone.
    BareLineFeed,
    /// A line begins with a space and continues the one before (line folding), which HTTP has deprecated.
    Folded,
    /// The head is larger than its bound.
    TooLarge,
    /// Too many empty lines before the first line.
    EmptyLines,
}

/// Checks the first line while it is received, so that an invalid one is refused early.
pub(crate) trait FirstLine {
    /// What it finds.
    type Error: From<LineError>;

    /// The next byte of the line, its end included.
    fn push(&mut self, byte: u8) -> Result<(), Self::Error>;

    /// Back to the beginning.
    fn reset(&mut self);
}

/// Deviations from the grammar that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leniency {
    /// Empty lines that may stand before the first line. With none, an empty first line is the end.
    pub empty_lines: u32,
    /// Whether a line feed alone ends a line.
    pub bare_line_feed: bool,
    /// Whether a line may go on from the one before.
    pub folded: bool,
}

/// Finds the end of a head. Visits every byte once, however they are split.
#[derive(Debug)]
pub(crate) struct HeadScanner<F> {
    /// The bytes of an incomplete head.
    bytes: Vec<u8>,
    first_line: F,
    leniency: Leniency,
    limit: usize,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Where the first line begins, behind empty ones.
    start: usize,
    /// Where the present line begins.
    line: usize,
    /// Bytes before this position were scanned.
    scanned: usize,
    /// The first line is complete.
    past_first: bool,
    empty_lines: u32,
}

impl<F: FirstLine> HeadScanner<F> {
    pub(crate) fn new(first_line: F, leniency: Leniency, limit: usize) -> Self {
        HeadScanner {
            bytes: Vec::new(),
            first_line,
            leniency,
            limit,
            progress: Progress::default(),
        }
    }

    /// Nothing of a head has come yet; empty lines are nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.progress.scanned <= self.progress.start
    }

    /// The checker of the first line of a head that is incomplete or invalid.
    pub(crate) fn first_line(&self) -> &F {
        &self.first_line
    }

    /// Takes from `input` what belongs to the head. When it is complete, `parse` gets it, its empty line
    /// included, and the scanner is ready for the next unless that fails.
    pub(crate) fn take<T, E: From<F::Error>>(
        &mut self,
        input: &mut &[u8],
        parse: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        // The usual case is a head in one piece: nothing is copied.
        if self.bytes.is_empty() {
            let Some(end) = self.scan(input)? else {
                // No more than the limit and one byte: beyond, scan has refused.
                self.bytes.extend_from_slice(input);
                *input = &[];
                return Ok(None);
            };
            let (head, rest) = input.split_at(end);
            *input = rest;
            let parsed = parse(&head[self.progress.start..])?;
            self.reset();
            return Ok(Some(parsed));
        }

        let before = self.bytes.len();
        let room = self.limit.saturating_add(1).saturating_sub(before);
        let taken = input.len().min(room);
        self.bytes.extend_from_slice(&input[..taken]);
        let bytes = std::mem::take(&mut self.bytes);
        let scanned = self.scan(&bytes);
        self.bytes = bytes;
        let Some(end) = scanned? else {
            *input = &input[taken..];
            return Ok(None);
        };
        *input = &input[end - before..];
        let parsed = parse(&self.bytes[self.progress.start..end])?;
        self.reset();
        Ok(Some(parsed))
    }

    /// Scans the new bytes of the head; returns the head's end if it is among them.
    fn scan(&mut self, head: &[u8]) -> Result<Option<usize>, F::Error> {
        loop {
            let unseen = &head[self.progress.scanned..];
            let feed = memchr::memchr(b'\n', unseen);
            let upto = feed.map_or(head.len(), |at| self.progress.scanned + at + 1);
            self.look(&head[..upto.min(self.limit)])?;
            if self.limit < upto {
                return Err(LineError::TooLarge.into());
            }
            if feed.is_none() {
                return Ok(None);
            }
            if self.end_line(&head[self.progress.line..upto])? {
                return Ok(Some(upto));
            }
            self.progress.line = upto;
        }
    }

    /// Passes the new bytes to the checker of the first line.
    fn look(&mut self, seen: &[u8]) -> Result<(), F::Error> {
        if !self.progress.past_first {
            for (at, byte) in seen.iter().enumerate().skip(self.progress.scanned) {
                // An empty line before the first is none of its business.
                let empty =
                    seen[self.progress.line..at].is_empty() && matches!(byte, b'\r' | b'\n');
                let ending = *byte == b'\n' && seen[self.progress.line..at] == *b"\r";
                if !empty && !ending {
                    self.first_line.push(*byte)?;
                }
            }
        }
        self.progress.scanned = seen.len();
        Ok(())
    }

    /// A line is complete, its end included; true if it is the head's last.
    fn end_line(&mut self, line: &[u8]) -> Result<bool, F::Error> {
        let bare = !line.ends_with(b"\r\n");
        if bare && !self.leniency.bare_line_feed {
            return Err(LineError::BareLineFeed.into());
        }
        let empty = line == b"\r\n" || line == b"\n";
        if self.progress.past_first {
            let folded = line.starts_with(b" ") || line.starts_with(b"\t");
            if folded && !self.leniency.folded {
                return Err(LineError::Folded.into());
            }
            return Ok(empty);
        }
        if !empty {
            self.progress.past_first = true;
            return Ok(false);
        }
        if self.leniency.empty_lines == 0 {
            return Ok(true);
        }
        self.progress.empty_lines += 1;
        if self.leniency.empty_lines < self.progress.empty_lines {
            return Err(LineError::EmptyLines.into());
        }
        self.progress.start += line.len();
        self.first_line.reset();
        Ok(false)
    }

    fn reset(&mut self) {
        self.progress = Progress::default();
        self.first_line.reset();
        // An idle connection holds no buffer.
        self.bytes = Vec::new();
    }
}

/// For trailers: any field will do as the first line.
#[derive(Debug)]
pub(crate) struct AnyLine;

impl FirstLine for AnyLine {
    type Error = LineError;

    fn push(&mut self, _: u8) -> Result<(), LineError> {
        Ok(())
    }

    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: Leniency = Leniency { empty_lines: 2, bare_line_feed: false, folded: false };
    const LENIENT: Leniency = Leniency { empty_lines: 0, bare_line_feed: true, folded: true };

    /// The heads found, however the bytes are cut in two, with what is left.
    #[track_caller]
    fn check(leniency: Leniency, bytes: &str, expected: Result<Option<(&str, &str)>, LineError>) {
        for cut in 0..=bytes.len() {
            let mut scanner = HeadScanner::new(AnyLine, leniency, 24);
            let mut found: Result<Option<String>, LineError> = Ok(None);
            let mut left = String::new();
            for piece in [&bytes[..cut], &bytes[cut..]] {
                let mut input = piece.as_bytes();
                if found == Ok(None) {
                    found = scanner.take(&mut input, |head| {
                        Ok::<_, LineError>(String::from_utf8_lossy(head).into_owned())
                    });
                }
                left += std::str::from_utf8(input).unwrap();
            }
            match (&found, &expected) {
                (Ok(Some(head)), Ok(Some((wanted, rest)))) => {
                    assert_eq!((head.as_str(), left.as_str()), (*wanted, *rest), "cut at {cut}");
                }
                (Ok(None), Ok(None)) => assert_eq!(left, "", "cut at {cut}"),
                (Err(error), Err(wanted)) => assert_eq!(error, wanted, "cut at {cut}"),
                _ => panic!("{found:?} and not {expected:?}, cut at {cut}"),
            }
        }
    }

    #[test]
    fn heads_end_with_an_empty_line() {
        check(STRICT, "a\r\nb\r\n\r\nrest", Ok(Some(("a\r\nb\r\n\r\n", "rest"))));
        check(STRICT, "\r\n\r\na\r\n\r\n", Ok(Some(("a\r\n\r\n", ""))));
        check(STRICT, "a\r\nb\r\n", Ok(None));
        check(LENIENT, "\r\nrest", Ok(Some(("\r\n", "rest"))));
        check(LENIENT, "a\nb\r\n\nrest", Ok(Some(("a\nb\r\n\n", "rest"))));
        check(LENIENT, "a\r\n b\r\n\r\n", Ok(Some(("a\r\n b\r\n\r\n", ""))));
    }

    #[test]
    fn lines_are_refused() {
        check(STRICT, "a\nb\r\n\r\n", Err(LineError::BareLineFeed));
        check(STRICT, "a\r\nb\r\n\n", Err(LineError::BareLineFeed));
        check(STRICT, "a\r\n b\r\n\r\n", Err(LineError::Folded));
        check(STRICT, "\r\n\r\n\r\na\r\n\r\n", Err(LineError::EmptyLines));
    }

    #[test]
    fn a_head_has_a_bound() {
        let fits = format!("{}\r\n\r\n", "x".repeat(20));
        check(STRICT, &fits, Ok(Some((fits.as_str(), ""))));
        check(STRICT, &format!("{}\r\n\r\n", "x".repeat(21)), Err(LineError::TooLarge));
        check(STRICT, &"x".repeat(24), Ok(None));
        check(STRICT, &"x".repeat(25), Err(LineError::TooLarge));
        // The first error is the one that is reported.
        check(STRICT, &format!("a\nb{}", "x".repeat(30)), Err(LineError::BareLineFeed));
    }
}
