//! Lines with any delimiter, and blocks of bytes between them: EventMachine's `LineText2`.

mod search;

use std::mem;

use self::search::Delimiter;
use crate::block::Block;

/// The limits of a [`LineDecoder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineLimits {
    /// Bytes of a line, without its end.
    pub line: usize,
    /// Bytes of a block with a size.
    pub binary: usize,
}

impl Default for LineLimits {
    /// EventMachine's: 16 KiB and 32 MiB.
    fn default() -> LineLimits {
        LineLimits { line: 16 * 1024, binary: 32 * 1024 * 1024 }
    }
}

/// A decoded event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// A line without its delimiter; if that is `\n`, also without a `\r` before it.
    Line(Vec<u8>),
    /// A complete block with a size; or received bytes, if no size was set.
    Binary(Vec<u8>),
    /// The block just returned is complete: lines follow, unless another mode was set meanwhile.
    BinaryEnd,
}

/// Why decoding has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A line has more bytes than the limit.
    #[error("a line has more than {max} bytes; raise the limit of lines if they may be longer")]
    LineTooLong {
        /// The limit.
        max: usize,
    },
    /// A block was announced with more bytes than the limit.
    #[error(
        "a block of {size} bytes is larger than {max}; raise the limit of blocks if they may be larger"
    )]
    BinaryTooLarge {
        /// The announced size.
        size: usize,
        /// The limit.
        max: usize,
    },
    /// The delimiter is empty.
    #[error("the delimiter is empty, and ends no line; set one of at least a byte")]
    EmptyDelimiter,
    /// The sandbox has no memory for a block.
    #[error(
        "there is no memory for a block; lower the limit of blocks or raise the sandbox's memory"
    )]
    NoMemory,
}

/// Decodes lines and blocks.
///
/// The mode determines how the next bytes are decoded, and may change after each event. Received bytes that belong to no
/// event yet, such as the beginning of a line, are decoded in the new mode, so that the result does not depend on how the
/// bytes were split.
///
/// ```
/// use sandloop_frames::lines::{LineDecoder, LineEvent, LineLimits};
///
/// let mut decoder = LineDecoder::new(LineLimits::default());
/// let mut input = &b"put 5\r\nhellobye\n"[..];
/// assert_eq!(decoder.decode(&mut input)?, Some(LineEvent::Line(b"put 5".to_vec())));
/// decoder.set_text_mode(5);
/// assert_eq!(decoder.decode(&mut input)?, Some(LineEvent::Binary(b"hello".to_vec())));
/// assert_eq!(decoder.decode(&mut input)?, Some(LineEvent::BinaryEnd));
/// assert_eq!(decoder.decode(&mut input)?, Some(LineEvent::Line(b"bye".to_vec())));
/// assert_eq!(decoder.decode(&mut input)?, None);
/// # Ok::<(), sandloop_frames::lines::LineError>(())
/// ```
#[derive(Debug)]
pub struct LineDecoder {
    limits: LineLimits,
    delimiter: Delimiter,
    mode: Mode,
    /// Bytes that are decoded before new input, from `unread_from` on.
    unread: Vec<u8>,
    unread_from: usize,
    /// A block was returned, and `BinaryEnd` is due.
    block_ended: bool,
}

#[derive(Debug)]
enum Mode {
    /// With the incomplete line.
    Lines(Vec<u8>),
    Sized(Block),
    Unsized,
    /// With the error, until it is returned.
    Failed(Option<LineError>),
}

impl LineDecoder {
    /// A decoder in line mode with the delimiter `\n`.
    #[must_use]
    pub fn new(limits: LineLimits) -> LineDecoder {
        LineDecoder {
            limits,
            delimiter: Delimiter::newline(),
            mode: Mode::Lines(Vec::new()),
            unread: Vec::new(),
            unread_from: 0,
            block_ended: false,
        }
    }

    /// Sets the limits, which apply from the next line or block.
    pub fn set_limits(&mut self, limits: LineLimits) {
        self.limits = limits;
    }

    /// Sets the delimiter of lines: at least one byte. With `\n`, the default, a `\r` before it is removed too.
    pub fn set_delimiter(&mut self, delimiter: &[u8]) {
        match Delimiter::new(delimiter) {
            Some(delimiter) => {
                self.delimiter = delimiter;
                // The search for the old delimiter is void.
                if let Mode::Lines(begun) = &mut self.mode {
                    let begun = mem::take(begun);
                    self.unread_first(&begun);
                }
            }
            None => self.fail(LineError::EmptyDelimiter),
        }
    }

    /// Sets line mode, and puts bytes back before all others: bytes that were returned and do not belong to a block.
    pub fn set_line_mode(&mut self, thrown_back: &[u8]) {
        self.set_mode(Mode::Lines(Vec::new()));
        self.unread_first(thrown_back);
    }

    /// Sets block mode: a block of `size` bytes, after which lines follow, or with `None` all bytes that follow. A size of 0
    /// has no effect.
    pub fn set_text_mode(&mut self, size: impl Into<Option<usize>>) {
        match size.into() {
            Some(0) => self.set_line_mode(b""),
            Some(size) if self.limits.binary < size => {
                self.fail(LineError::BinaryTooLarge { size, max: self.limits.binary });
            }
            Some(size) => self.set_mode(Mode::Sized(Block::new(size))),
            None => self.set_mode(Mode::Unsized),
        }
    }

    /// The next event that these bytes complete; none when all were taken and more are needed.
    ///
    /// # Errors
    /// Once. After that all bytes are ignored.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<LineEvent>, LineError> {
        if mem::take(&mut self.block_ended) {
            return Ok(Some(LineEvent::BinaryEnd));
        }
        while self.has_unread() {
            let unread = mem::take(&mut self.unread);
            let mut rest = &unread[self.unread_from..];
            let event = self.step(&mut rest);
            self.unread_from = unread.len() - rest.len();
            if !rest.is_empty() {
                self.unread = unread;
            }
            if let Some(event) = event? {
                return Ok(Some(event));
            }
        }
        self.step(input)
    }

    /// Ends decoding at the end of the connection; returns the bytes of an incomplete block. An incomplete line is
    /// dropped.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        (self.block_ended, self.unread) = (false, Vec::new());
        match mem::replace(&mut self.mode, Mode::Failed(None)) {
            Mode::Sized(block) => Some(block.into_bytes()).filter(|bytes| !bytes.is_empty()),
            _ => None,
        }
    }

    /// Whether [`decode`](Self::decode) may return an event without new bytes, because the mode has changed.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.has_unread() || self.block_ended || matches!(self.mode, Mode::Failed(Some(_)))
    }

    fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    fn step(&mut self, input: &mut &[u8]) -> Result<Option<LineEvent>, LineError> {
        let result = match &mut self.mode {
            Mode::Lines(begun) => self
                .delimiter
                .take_line(begun, input, self.limits.line)
                .map(|line| line.map(LineEvent::Line)),
            Mode::Sized(block) => block
                .take(input)
                .map(|bytes| bytes.map(LineEvent::Binary))
                .map_err(|_| LineError::NoMemory),
            Mode::Unsized => Ok(take_all(input).map(LineEvent::Binary)),
            Mode::Failed(error) => {
                *input = &[];
                error.take().map_or(Ok(None), Err)
            }
        };
        match &result {
            Ok(Some(LineEvent::Binary(_))) if matches!(self.mode, Mode::Sized(_)) => {
                // Set before the event is returned, so that its receiver can set another mode.
                self.mode = Mode::Lines(Vec::new());
                self.block_ended = true;
            }
            Err(_) => {
                self.mode = Mode::Failed(None);
                *input = &[];
            }
            Ok(_) => {}
        }
        result
    }

    /// Changes the mode, in which bytes of an incomplete line or block are decoded again. An error stays.
    fn set_mode(&mut self, mode: Mode) {
        if matches!(self.mode, Mode::Failed(_)) {
            return;
        }
        let begun = match mem::replace(&mut self.mode, mode) {
            Mode::Lines(begun) => begun,
            Mode::Sized(block) => block.into_bytes(),
            Mode::Unsized | Mode::Failed(_) => return,
        };
        self.unread_first(&begun);
    }

    fn unread_first(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || matches!(self.mode, Mode::Failed(_)) {
            return;
        }
        let rest = self.unread.get(self.unread_from..).unwrap_or_default();
        self.unread = [bytes, rest].concat();
        self.unread_from = 0;
    }

    fn fail(&mut self, error: LineError) {
        if !matches!(self.mode, Mode::Failed(_)) {
            self.mode = Mode::Failed(Some(error));
        }
    }
}

fn take_all(input: &mut &[u8]) -> Option<Vec<u8>> {
    let all = mem::take(input);
    (!all.is_empty()).then(|| all.to_vec())
}
