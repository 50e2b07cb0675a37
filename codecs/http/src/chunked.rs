//! The chunked coding, read: sizes, extensions, data, trailers, strictly as RFC 9112 has them. A server may put spaces
//! behind a size.

mod extension;

use self::extension::Extension;
use crate::{
    body::error::BodyError,
    head::{AnyLine, HeadScanner, Leniency, LineError},
    headers::Headers,
    limits::Limits,
};

/// The decoder of a chunked body.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    /// The most bytes of data that may follow.
    room: u64,
    /// The most bytes of chunk extensions that may follow.
    extensions: usize,
    /// Whether spaces are allowed at the end of a size line.
    padded: bool,
    limits: Limits,
}

/// The position in the coding of the next byte.
#[derive(Debug)]
enum State {
    /// In a chunk's size, with the digits so far.
    Size { size: u64, digits: u32 },
    /// In an extension, or the spaces before it.
    Extension { size: u64, at: Extension },
    /// After the carriage return of the size's line.
    SizeEnd { size: u64 },
    /// In data, with the remaining bytes of the chunk.
    Data { left: u64 },
    /// Behind the data of a chunk, before its line's end.
    DataEnd,
    /// After the carriage return behind the data.
    DataFeed,
    /// Behind the last chunk. Boxed: most bodies never come here with more than an empty line.
    Trailers(Box<HeadScanner<AnyLine>>),
}

/// Sixteen digits are any size there is; more are leading zeros that only hide something.
const DIGITS_MAX: u32 = 16;

/// A decoded piece.
#[derive(Debug)]
pub(crate) enum Piece<'a> {
    Data(&'a [u8]),
    End(Headers),
}

impl Chunked {
    /// For a body of a sender that keeps to the grammar.
    pub(crate) fn new(limits: Limits) -> Chunked {
        let (room, extensions) = (limits.body, limits.chunk_extensions);
        Chunked { state: START, room, extensions, padded: false, limits }
    }

    /// For one whose sender may put spaces behind a chunk's size, as servers have done that reserve the room for it.
    pub(crate) fn padded(limits: Limits) -> Chunked {
        Chunked { padded: true, ..Chunked::new(limits) }
    }

    /// Decodes the next piece of the body in `input`, and consumes it.
    pub(crate) fn decode<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Piece<'a>>, BodyError> {
        loop {
            match &mut self.state {
                State::Data { left } => {
                    let Some(data) = take(input, *left) else { return Ok(None) };
                    *left -= data.len() as u64;
                    if *left == 0 {
                        self.state = State::DataEnd;
                    }
                    return Ok(Some(Piece::Data(data)));
                }
                State::Trailers(lines) => {
                    let limits = &self.limits;
                    let trailers = lines.take(input, |text| parse_trailers(text, limits))?;
                    return Ok(trailers.map(Piece::End));
                }
                _ => {
                    let Some((byte, rest)) = input.split_first() else { return Ok(None) };
                    *input = rest;
                    self.step(*byte)?;
                }
            }
        }
    }

    /// Decodes one byte outside of data.
    fn step(&mut self, byte: u8) -> Result<(), BodyError> {
        self.state = match (&self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                if *digits == DIGITS_MAX {
                    return Err(BodyError::ChunkSize);
                }
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (State::Size { digits: 0, .. }, _) => return Err(BodyError::ChunkSize),
            (State::Size { size, .. }, b'\r') => State::SizeEnd { size: *size },
            (State::Size { size, .. }, b';') => {
                State::Extension { size: *size, at: Extension::Semicolon }
            }
            (State::Size { size, .. }, b' ' | b'\t') => {
                let size = *size;
                self.spend_extension()?;
                State::Extension { size, at: Extension::Space }
            }
            (State::Extension { size, at }, b'\r') if at.may_end(self.padded) => {
                State::SizeEnd { size: *size }
            }
            (State::Extension { size, at }, _) => {
                let (size, at) = (*size, at.then(byte).ok_or(BodyError::ChunkExtension)?);
                self.spend_extension()?;
                State::Extension { size, at }
            }
            (State::SizeEnd { size }, b'\n') => self.begin(*size)?,
            (State::DataEnd, b'\r') => State::DataFeed,
            (State::DataFeed, b'\n') => START,
            (State::DataEnd | State::DataFeed, _) => return Err(BodyError::ChunkEnd),
            _ => return Err(BodyError::ChunkSize),
        };
        Ok(())
    }

    /// The line with the size is complete.
    fn begin(&mut self, size: u64) -> Result<State, BodyError> {
        if size == 0 {
            let strict = Leniency { empty_lines: 0, bare_line_feed: false, folded: false };
            let lines = HeadScanner::new(AnyLine, strict, self.limits.head);
            return Ok(State::Trailers(Box::new(lines)));
        }
        self.room = self.room.checked_sub(size).ok_or(BodyError::TooLarge)?;
        Ok(State::Data { left: size })
    }

    fn spend_extension(&mut self) -> Result<(), BodyError> {
        self.extensions = self.extensions.checked_sub(1).ok_or(BodyError::ChunkExtensions)?;
        Ok(())
    }
}

const START: State = State::Size { size: 0, digits: 0 };

/// As much of `input` as belongs to the next `left` bytes; none if there is nothing.
pub(crate) fn take<'a>(input: &mut &'a [u8], left: u64) -> Option<&'a [u8]> {
    let length = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
    let (taken, rest) = input.split_at(length);
    *input = rest;
    (!taken.is_empty()).then_some(taken)
}

fn parse_trailers(text: &[u8], limits: &Limits) -> Result<Headers, BodyError> {
    let mut fields = [httparse::EMPTY_HEADER; Limits::HEADERS_MAX];
    let count = limits.headers.min(Limits::HEADERS_MAX);
    let parsed = match httparse::parse_headers(text, &mut fields[..count]) {
        Ok(httparse::Status::Complete((_, parsed))) => parsed,
        Err(httparse::Error::TooManyHeaders) => return Err(BodyError::TrailersTooLarge),
        Ok(httparse::Status::Partial) | Err(_) => return Err(BodyError::Trailer),
    };
    // Fields that frame a message must precede it: as trailers they are an attack.
    let framing = ["content-length", "transfer-encoding", "host"];
    if parsed.iter().any(|field| framing.iter().any(|name| field.name.eq_ignore_ascii_case(name))) {
        return Err(BodyError::Trailer);
    }
    Ok(Headers::from_parsed(text, parsed))
}

impl From<LineError> for BodyError {
    fn from(error: LineError) -> BodyError {
        match error {
            LineError::TooLarge => BodyError::TrailersTooLarge,
            LineError::BareLineFeed | LineError::Folded | LineError::EmptyLines => {
                BodyError::Trailer
            }
        }
    }
}
