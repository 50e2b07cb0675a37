//! Lines and frames: a stream of bytes becomes lines, blocks, requests or objects, as in `EM::Protocols`.
//!
//! Feature `frames` of the crate. What a plugin does not use is not in its component.
//!
//! ```no_run
//! use sandloop::{Socket, frames::LineText2};
//!
//! struct Shout(Socket);
//!
//! impl LineText2 for Shout {
//!     fn receive_line(&mut self, line: &[u8]) {
//!         let line = String::from_utf8_lossy(line).to_uppercase();
//!         self.0.send_data(line + "\n");
//!     }
//! }
//!
//! sandloop::plugin! { handlers: [Shout] }
//! ```
//!
//! A type that implements one of these traits stands in [`plugin!`](crate::plugin) where a
//! [`Connection`](crate::Connection) may stand. For an outgoing connection the trait's `connection` makes one of it:
//! `connect(host, port, Shout::connection(Shout))`.
//!
//! However the bytes come, in one piece or one by one, the same methods are called with the same. Everything has a bound:
//! what is beyond it, or breaks the protocol, is told to `receive_error`, after which the connection is closed once what
//! was sent is written. Nothing is called after it but `unbind`.
//!
//! As in EventMachine, pausing or closing a connection does not take back what has come: what a piece of
//! the stream completes is delivered to its end.
//!
//! # Layout
//!
//! - [`LineText2`], [`LineSocket`]: lines with any delimiter, and blocks of bytes between them.
//! - [`HeaderAndContentProtocol`]: header lines, then a body as long as they say.
//! - [`ObjectProtocol`], [`ObjectSocket`]: values of the plugin's own types, as JSON or otherwise, behind their length.
//! - [`NetstringProtocol`]: strings of bytes such as `5:hello,`.
//! - [`codec`]: the decoders, which know nothing of connections.

mod content;
mod lines;
mod make;
mod netstring;
mod object;
#[cfg(test)]
mod tests;

#[doc(no_inline)]
pub use sandloop_frames as codec;
#[doc(no_inline)]
pub use sandloop_frames::{
    content::{ContentError, ContentLimits, headers_2_hash},
    lines::{LineError, LineLimits},
    netstring::NetstringError,
    prefixed::PrefixedError,
};

pub use self::content::{ContentConnection, HeaderAndContentProtocol};
pub use self::lines::{LineConnection, LineSocket, LineText2};
pub use self::netstring::{NetstringConnection, NetstringProtocol, netstring};
pub use self::object::{
    Bytes, Dump, Json, Load, ObjectConnection, ObjectError, ObjectProtocol, ObjectSocket, Postcard,
};

use crate::transport::Transport;

/// Closes a connection whose peer has sent invalid input, after the handler's last output is sent.
fn end(transport: &dyn Transport, error: &dyn std::fmt::Display) {
    crate::debug!("connection {}: {error}", transport.id());
    transport.close_after_writing();
}
