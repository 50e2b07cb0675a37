//! WebSocket (RFC 6455): the handshake and messages, without I/O.
//!
//! Messages may be compressed (permessage-deflate, RFC 7692), if both sides agree on it in the handshake: [`extension`].
//! Input is checked as it is received: a text is refused at its first byte that is not UTF-8, a
//! message at the header of the frame that makes it too large.

mod deflate;
mod error;
pub mod extension;
mod frame;
pub mod handshake;
mod incoming;
mod input;
mod side;

pub use self::error::{SendError, WebSocketError};
pub use self::side::WebSocket;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// An event caused by the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message, reassembled from its fragments.
    Message(Message),
    /// A ping; the pong is in the output already.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// The peer closes the connection, with its code and reason; 1005 if it gave none. The answer is in the
    /// output already. No event follows.
    Close(u16, String),
}

#[cfg(test)]
mod tests;
