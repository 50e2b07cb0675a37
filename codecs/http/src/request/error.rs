//! Why a request is refused, and with which status.

use std::fmt;

use http::StatusCode;

use crate::{body::error::BodyError, head::LineError};

/// Why a request is refused. The connection cannot be used for another one, whose beginning is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// A line ends with a line feed alone.
    BareLineFeed,
    /// A header field goes on in the next line.
    FoldedHeader,
    /// Empty lines, and no request behind them.
    EmptyLines,
    /// The first line is not a method, a target and a version with one space between.
    RequestLine,
    /// The method is longer than any.
    Method,
    /// The target is no path, no URI, or not of this method.
    Target,
    /// The target has a byte that is no visible ASCII, as where UTF-8 is not percent-encoded.
    TargetCharacter,
    /// The target is longer than [`Limits::target`](crate::Limits::target).
    TargetTooLong,
    /// A version other than those of HTTP/1. One after HTTP/1.1 is taken for it.
    Version,
    /// A header field's name has a character that no name has, a space before the colon for instance.
    HeaderName,
    /// A header field's value has a control character, a carriage return for instance.
    HeaderValue,
    /// The head is larger than [`Limits::head`](crate::Limits::head).
    HeadTooLarge,
    /// The head has more fields than [`Limits::headers`](crate::Limits::headers).
    TooManyHeaders,
    /// HTTP/1.1 without `Host`.
    NoHost,
    /// Repeated or malformed `Host`.
    Host,
    /// Repeated or malformed `Content-Length`.
    ContentLength,
    /// Both `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
    /// `Transfer-Encoding` in HTTP/1.0, which does not have it.
    TransferEncodingIn10,
    /// `Transfer-Encoding` whose last coding is not `chunked`, or which has it twice.
    NotChunkedLast,
    /// A transfer coding other than `chunked`.
    TransferCoding,
    /// `Expect` something other than `100-continue`.
    Expectation,
    /// The body.
    Body(BodyError),
    /// The connection ended inside a head.
    Truncated,
    /// The request did not come in time. Only the decoder's caller makes this error: a decoder has no clock.
    Timeout,
}

impl RequestError {
    /// The status of the answer; none if the client is gone.
    #[must_use]
    pub fn status(self) -> Option<StatusCode> {
        Some(match self {
            RequestError::Method | RequestError::TransferCoding => StatusCode::NOT_IMPLEMENTED,
            RequestError::TargetTooLong => StatusCode::URI_TOO_LONG,
            RequestError::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            RequestError::HeadTooLarge
            | RequestError::TooManyHeaders
            | RequestError::Body(BodyError::TrailersTooLarge) => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            RequestError::Expectation => StatusCode::EXPECTATION_FAILED,
            RequestError::Body(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE,
            RequestError::Timeout => StatusCode::REQUEST_TIMEOUT,
            RequestError::Truncated | RequestError::Body(BodyError::Truncated) => return None,
            _ => StatusCode::BAD_REQUEST,
        })
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RequestError::BareLineFeed => "a line ends with a line feed alone: end it with CR LF",
            RequestError::FoldedHeader => {
                "a header field goes on in a second line: write it in one"
            }
            RequestError::EmptyLines => "empty lines instead of a request",
            RequestError::RequestLine => {
                "the first line is not METHOD TARGET HTTP/1.1 with one space between"
            }
            RequestError::Method => "the method is longer than any",
            RequestError::Target => "the target is neither a path nor what this method takes",
            RequestError::TargetCharacter => {
                "the target has a character that it cannot have: percent-encode its UTF-8, an é as %C3%A9"
            }
            RequestError::TargetTooLong => "the target is longer than this server takes",
            RequestError::Version => "a version other than HTTP/1.0 and HTTP/1.1",
            RequestError::HeaderName => "a header field's name has a character that no name has",
            RequestError::HeaderValue => "a header field's value has a control character",
            RequestError::HeadTooLarge => "the head is larger than this server takes",
            RequestError::TooManyHeaders => "more header fields than this server takes",
            RequestError::NoHost => "HTTP/1.1 without a Host field",
            RequestError::Host => "Host is there twice or names no host",
            RequestError::ContentLength => "Content-Length is there twice or is no number",
            RequestError::TwoLengths => "both Content-Length and Transfer-Encoding",
            RequestError::TransferEncodingIn10 => "Transfer-Encoding in HTTP/1.0",
            RequestError::NotChunkedLast => "the last transfer coding is not chunked",
            RequestError::TransferCoding => "a transfer coding other than chunked",
            RequestError::Expectation => "an expectation other than 100-continue",
            RequestError::Body(error) => return error.fmt(f),
            RequestError::Truncated => "the connection ended inside a head",
            RequestError::Timeout => "the request did not come in time",
        })
    }
}

impl std::error::Error for RequestError {}

impl From<BodyError> for RequestError {
    fn from(error: BodyError) -> RequestError {
        RequestError::Body(error)
    }
}

impl From<LineError> for RequestError {
    fn from(error: LineError) -> RequestError {
        match error {
            LineError::BareLineFeed => RequestError::BareLineFeed,
            LineError::Folded => RequestError::FoldedHeader,
            LineError::TooLarge => RequestError::HeadTooLarge,
            LineError::EmptyLines => RequestError::EmptyLines,
        }
    }
}
