//! HTTP/1.1 (RFC 9110, 9112) and WebSocket (RFC 6455) without I/O: bytes to messages, and messages to bytes.
//!
//! Nothing here reads a socket, a clock or a file, and nothing starts a thread: the caller passes bytes
//! and, where it is needed, the time. So the same code runs in a sandbox and in a test on the developer's machine.
//!
//! Invalid input is refused and not repaired: whatever two programs could interpret differently is an error
//! with a status. Memory is allocated only for received bytes, bounded by [`Limits`].
//! However the bytes are split, the messages are the same.
//!
//! # Layout
//!
//! - [`Method`], [`StatusCode`], [`Version`]: types of the crate `http`; [`status`]: the effect of a code on a
//!   message; [`headers`]: the fields, which keep order and case.
//! - [`target`]: the target of a request.
//! - [`limits`]: every limit.
//! - [`request`]: decoding requests; [`response`]: decoding responses.
//! - [`body`]: the framing of messages, with the chunked coding in its own file.
//! - [`writer`]: encoding heads and bodies of requests and responses.
//! - [`cookies`], [`date`], [`form`], [`uri`], [`auth`], [`conditional`], [`range`]: the values of fields.
//! - `coding`: gzip and deflate (feature `compression`).
//! - `websocket`: handshake, compression and messages (feature `websocket`).
#![forbid(unsafe_code)]
#![warn(unreachable_pub, reason = "`pub` says that other crates can use it")]

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
