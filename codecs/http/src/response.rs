//! Reads responses, for clients.

mod decoder;
mod error;
mod line;
mod parse;

use http::{StatusCode, Version};

pub use self::decoder::{ResponseDecoder, ResponseEvent};
pub use self::error::ResponseError;
use crate::{body::Length, headers::Headers};

/// A response without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// The server's version.
    pub version: Version,
    /// The status code.
    pub status: StatusCode,
    /// The server's reason phrase; empty if there is none, or if it is not UTF-8.
    pub reason: String,
    /// The header fields in their order.
    pub headers: Headers,
    /// The length of the body.
    pub length: Length,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
}
