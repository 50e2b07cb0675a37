//! WebSockets: accepted in place of an answer, or made by this side; then messages both ways.

use std::time::Duration;

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
    /// The handshake is complete: messages are delivered. Messages sent before are on their way now.
    fn open(&mut self) {}

    /// A message, its fragments put together.
    fn message(&mut self, message: Message);

    /// There is room again, after [`WebSocket::is_full`] was true.
    fn drained(&mut self) {}

    /// It is to come to its end within this time, since the host stops or its plugin is replaced. `true`, the default, closes it
    /// with 1001 now. After `false` it goes on until the handler closes it, when what it is in the middle of is done. Called at
    /// most once.
    fn draining(&mut self, within: Duration) -> bool {
        let _ = within;
        true
    }

    /// It has ended: with the code and the reason that the peer gave, or 1002, 1007 or 1009 if it broke the protocol, or
    /// 1006 if the connection went without a word. Where this side has asked and it never opened, the code is 1006 and
    /// the reason says why. Called exactly once, last.
    fn close(&mut self, code: u16, reason: &str) {
        let _ = (code, reason);
    }
}
