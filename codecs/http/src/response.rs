//! A client's side of reading: responses.

mod decoder;
mod error;
mod line;
mod parse;

use http::{StatusCode, Version};

pub use self::decoder::{ResponseDecoder, ResponseEvent};
pub use self::error::ResponseError;
use crate::{body::Length, headers::Headers};

/// Everything of a response but its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The version that the server speaks.
    pub version: Version,
    /// What came of the request.
    pub status: StatusCode,
    /// The server's words for it; empty if it has none, or none in UTF-8.
    pub reason: String,
    /// The fields, as they came.
    pub headers: Headers,
    /// How long the body is.
    pub length: Length,
    /// Whether the connection may stay for another request.
    pub keep_alive: bool,
}
