//! Why a body cannot be read.

use std::fmt;

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Larger than [`Limits::body`](crate::Limits::body).
    TooLarge,
    /// A chunk's size is no number of 1 to 16 hexadecimal digits, or its line does not end as it must.
    ChunkSize,
    /// More than [`Limits::chunk_extensions`](crate::Limits::chunk_extensions).
    ChunkExtensions,
    /// No line end behind a chunk's data: its size is wrong.
    ChunkEnd,
    /// A trailer is no header field, or one that must come before the body.
    Trailer,
    /// Trailers past [`Limits::head`](crate::Limits::head) or
    /// [`Limits::headers`](crate::Limits::headers).
    TrailersTooLarge,
    /// The connection ended before the body.
    Truncated,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BodyError::TooLarge => "the body is larger than this side takes",
            BodyError::ChunkSize => {
                "a chunk does not begin with its size in hexadecimal digits and CR LF"
            }
            BodyError::ChunkExtensions => "more chunk extensions than this side takes",
            BodyError::ChunkEnd => "a chunk is not followed by CR LF: its size is wrong",
            BodyError::Trailer => "a trailer is not a header field that may follow a body",
            BodyError::TrailersTooLarge => "more trailers than this side takes",
            BodyError::Truncated => "the connection ended before the body did",
        })
    }
}

impl std::error::Error for BodyError {}
