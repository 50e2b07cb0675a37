//! Reads bodies: their length, and their pieces.

pub(crate) mod error;

pub use self::error::BodyError;
use crate::{
    chunked::{Chunked, Piece, take},
    headers::Headers,
    limits::Limits,
};

/// The length of a body, as its head says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is no body.
    None,
    /// The number of bytes.
    Known(u64),
    /// The chunked coding marks the end.
    Chunked,
    /// The body ends with the connection; only responses do.
    UntilClose,
}

/// The reader of a body.
#[derive(Debug)]
pub(crate) enum BodyDecoder {
    Known { left: u64 },
    Chunked(Chunked),
    UntilClose { room: u64 },
}

impl BodyDecoder {
    /// For a request's body.
    ///
    /// # Errors
    /// `TooLarge`, if the head says so.
    pub(crate) fn new(length: Length, limits: &Limits) -> Result<BodyDecoder, BodyError> {
        match length {
            Length::None => Ok(BodyDecoder::Known { left: 0 }),
            Length::Known(left) if limits.body < left => Err(BodyError::TooLarge),
            Length::Known(left) => Ok(BodyDecoder::Known { left }),
            Length::Chunked => Ok(BodyDecoder::Chunked(Chunked::new(*limits))),
            Length::UntilClose => Ok(BodyDecoder::UntilClose { room: limits.body }),
        }
    }

    /// For a response's body.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn of_response(length: Length, limits: &Limits) -> Result<BodyDecoder, BodyError> {
        match length {
            Length::Chunked => Ok(BodyDecoder::Chunked(Chunked::padded(*limits))),
            _ => BodyDecoder::new(length, limits),
        }
    }

    /// Takes the next piece out of `input`.
    pub(crate) fn decode<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<Piece<'a>>, BodyError> {
        match self {
            BodyDecoder::Known { left: 0 } => Ok(Some(Piece::End(Headers::new()))),
            BodyDecoder::Known { left } => {
                let data = take(input, *left);
                *left -= data.map_or(0, <[u8]>::len) as u64;
                Ok(data.map(Piece::Data))
            }
            BodyDecoder::Chunked(chunked) => chunked.decode(input),
            BodyDecoder::UntilClose { room } => {
                if *room == 0 && !input.is_empty() {
                    return Err(BodyError::TooLarge);
                }
                let data = take(input, *room);
                *room -= data.map_or(0, <[u8]>::len) as u64;
                Ok(data.map(Piece::Data))
            }
        }
    }

    /// The connection has ended.
    pub(crate) fn finish(&self) -> Result<(), BodyError> {
        match self {
            BodyDecoder::Known { left: 0 } | BodyDecoder::UntilClose { .. } => Ok(()),
            BodyDecoder::Known { .. } | BodyDecoder::Chunked(_) => Err(BodyError::Truncated),
        }
    }
}
