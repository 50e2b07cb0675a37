//! WebSockets: accepted in place of an answer, or made by this side; then messages both ways.

mod client;
mod core;
mod driver;
mod settings;
#[cfg(test)]
mod tests;

pub use sandloop_http::websocket::extension::Deflate;
#[doc(no_inline)]
pub use sandloop_http::websocket::{Message, SendError, WebSocketError};

pub(super) use self::driver::{Driver, Upgraded};
pub use self::{client::ConnectError, core::WebSocket, settings::WebSocketSettings};

/// What a plugin does with the messages of one WebSocket. Made by the function that
/// [`Response::accept_websocket`](super::Response::accept_websocket) or [`WebSocket::connect`] is given.
pub trait WebSocketHandler: 'static {
    /// Both sides have agreed: messages arrive. What was sent before is on its way now.
    fn open(&mut self) {}

    /// A message, its fragments put together.
    fn message(&mut self, message: Message);

    /// The peer does not keep up any more if [`WebSocket::is_full`]; it does again.
    fn drained(&mut self) {}

    /// It has ended: with the code and the reason that the peer gave, or 1002, 1007 or 1009 if it broke the protocol, or
    /// 1006 if the connection went without a word. Where this side has asked and it never opened, the code is 1006 and
    /// the reason says why. Called exactly once, last.
    fn close(&mut self, code: u16, reason: &str) {
        let _ = (code, reason);
    }
}
