//! What goes wrong with messages.

use std::fmt;

/// A fault. The close frame for the peer is in the output already, and no event follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebSocketError {
    /// The peer has violated the protocol, as the text says.
    Protocol(String),
    /// A text is not in UTF-8.
    Utf8,
    /// A message is larger than this side takes, decompressed if it was compressed.
    TooLarge,
    /// A compressed message cannot be decompressed.
    Deflate,
}

impl WebSocketError {
    /// The status code of the close frame.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            WebSocketError::Protocol(_) => 1002,
            WebSocketError::Utf8 | WebSocketError::Deflate => 1007,
            WebSocketError::TooLarge => 1009,
        }
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebSocketError::Protocol(what) => {
                write!(f, "the peer broke the WebSocket protocol: {what}")
            }
            WebSocketError::Utf8 => f.write_str("a text message is not in UTF-8"),
            WebSocketError::TooLarge => f.write_str("a message is larger than this side takes"),
            WebSocketError::Deflate => f.write_str("a compressed message cannot be decompressed"),
        }
    }
}

impl std::error::Error for WebSocketError {}

/// A message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The connection is closing or closed.
    Closed,
    /// A ping has at most 125 bytes, a close reason at most 123.
    TooLong,
    /// A code that may not be sent: those are 1000, 1001, 1002, 1003, 1007 to 1014, and 3000 to 4999.
    Code,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendError::Closed => "the WebSocket is closing or closed",
            SendError::TooLong => "a ping has at most 125 bytes, a close reason at most 123",
            SendError::Code => "a close code is 1000 to 1003, 1007 to 1014, or 3000 to 4999",
        })
    }
}

impl std::error::Error for SendError {}
