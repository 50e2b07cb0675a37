//! HTTP/1.1 (RFC 9110, 9112) and WebSocket (RFC 6455) as values: bytes in, messages out, and the other way.
//!
//! Nothing here reads a socket, a clock or a file, and nothing starts a thread: the caller brings bytes
//! and, where one is needed, the time. So the same code runs in a sandbox and in a test on the developer's machine.
//!
//! Input is refused rather than repaired: whatever two programs could understand differently is an error
//! with a status. No allocation depends on anything but what has really arrived, and that is bounded by [`Limits`].
//! However the bytes are cut, the same messages come out.
//!
//! # Layout
//!
//! - [`Method`], [`StatusCode`], [`Version`]: the vocabulary, from the crate `http`; [`status`]: what a code means to a
//!   message; [`headers`]: the fields, which keep order and case.
//! - [`target`]: what a request is about.
//! - [`limits`]: every bound.
//! - [`request`]: a server's side of reading; [`response`]: a client's.
//! - [`body`]: where a message ends, with the chunked coding in its own file.
//! - [`writer`]: heads and bodies on their way out, both sides.
//! - [`cookies`], [`date`], [`form`], [`uri`], [`auth`], [`conditional`], [`range`]: what the fields say.
//! - `coding`: gzip and deflate (feature `compression`).
//! - `websocket`: handshake, compression and messages (feature `websocket`).
#![forbid(unsafe_code)]

pub mod auth;
pub mod body;
mod chunked;
#[cfg(feature = "compression")]
pub mod coding;
pub mod conditional;
pub mod cookies;
pub mod date;
mod fields;
pub mod form;
mod framing;
mod head;
pub mod headers;
pub mod limits;
pub mod range;
pub mod request;
pub mod response;
pub mod status;
pub mod target;
pub mod uri;
#[cfg(feature = "websocket")]
pub mod websocket;
pub mod writer;

pub use body::Length;
pub use headers::{FieldError, Headers};
pub use http::{Method, StatusCode, Version};
pub use limits::Limits;
pub use request::{RequestDecoder, RequestError, RequestEvent, RequestHead};
pub use response::{ResponseDecoder, ResponseError, ResponseEvent, ResponseHead};
pub use target::Target;
