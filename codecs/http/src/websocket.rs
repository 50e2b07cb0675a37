//! WebSocket (RFC 6455): the handshake, and messages over bytes that somebody else carries.
//!
//! Messages may be compressed (permessage-deflate, RFC 7692), if both sides agree on it in the handshake: [`extension`].
//! What comes is looked at as far as it has come: a text is refused at its first byte that is no UTF-8, a
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

/// What one side tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// Something that the peer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message, its fragments put together.
    Message(Message),
    /// A ping; the pong is among the output already.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// The peer ends the connection, with its code and reason; none given is 1005. The answer to it is among the
    /// output already. Nothing follows.
    Close(u16, String),
}

#[cfg(test)]
mod tests;
