//! Why a body cannot be read.

use std::fmt;

/// The fault of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The body is larger than [`Limits::body`](crate::Limits::body).
    TooLarge,
    /// A chunk's size is not 1 to 16 hexadecimal digits, or its line does not end in CR LF.
    ChunkSize,
    /// What stands behind a chunk's size is no extension as RFC 9112 has them, nor the end of the line.
    ChunkExtension,
    /// More than [`Limits::chunk_extensions`](crate::Limits::chunk_extensions).
    ChunkExtensions,
    /// CR LF does not follow a chunk's data: its size is wrong.
    ChunkEnd,
    /// A trailer is not a header field, or is one that must precede the body.
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
            BodyError::ChunkExtension => {
                "behind a chunk's size stands something other than `;name`, `;name=value` and CR LF"
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
