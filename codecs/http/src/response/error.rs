//! Why a response cannot be understood.

use std::fmt;

use crate::{body::error::BodyError, head::LineError};

/// Why a response cannot be understood. The connection cannot be used for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseError {
    /// The status line is malformed: not like `HTTP/1.1 200 OK`.
    StatusLine,
    /// A version other than those of HTTP/1. One after HTTP/1.1 is taken for it.
    Version,
    /// A header field's name has a character that no name has.
    HeaderName,
    /// A header field's value has a control character.
    HeaderValue,
    /// The head is larger than [`Limits::head`](crate::Limits::head).
    HeadTooLarge,
    /// The head has more fields than [`Limits::headers`](crate::Limits::headers).
    TooManyHeaders,
    /// Too many 1xx responses.
    TooManyInformational,
    /// Contradictory or malformed `Content-Length`.
    ContentLength,
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
    /// `Transfer-Encoding` other than `chunked` and `identity`, or `chunked` in HTTP/1.0.
    TransferCoding,
    /// The body.
    Body(BodyError),
    /// The connection ended before the head did, or before any of it came.
    Truncated,
}

impl ResponseError {
    /// Whether the server has closed before the whole response was there.
    #[must_use]
    pub fn is_truncated(self) -> bool {
        matches!(self, ResponseError::Truncated | ResponseError::Body(BodyError::Truncated))
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ResponseError::StatusLine => {
                "what the server sends does not begin with an HTTP status line"
            }
            ResponseError::Version => "the server speaks neither HTTP/1.0 nor HTTP/1.1",
            ResponseError::HeaderName => "a header field's name has a character that no name has",
            ResponseError::HeaderValue => "a header field's value has a control character",
            ResponseError::HeadTooLarge => "the response's head is larger than this client takes",
            ResponseError::TooManyHeaders => "more header fields than this client takes",
            ResponseError::TooManyInformational => "more 1xx responses than this client takes",
            ResponseError::ContentLength => "Content-Length is there twice or is no number",
            ResponseError::TwoLengths => "both Content-Length and Transfer-Encoding",
            ResponseError::TransferCoding => "a transfer coding other than chunked in HTTP/1.1",
            ResponseError::Body(error) => return error.fmt(f),
            ResponseError::Truncated => "the connection ended before the response did",
        })
    }
}

impl std::error::Error for ResponseError {}

impl From<BodyError> for ResponseError {
    fn from(error: BodyError) -> ResponseError {
        ResponseError::Body(error)
    }
}

impl From<LineError> for ResponseError {
    fn from(error: LineError) -> ResponseError {
        match error {
            LineError::TooLarge => ResponseError::HeadTooLarge,
            // The scanner allows the others.
            LineError::BareLineFeed | LineError::Folded | LineError::EmptyLines => {
                ResponseError::StatusLine
            }
        }
    }
}
