//! Where one thing ends and the next begins in a stream: lines, blocks of bytes, prefixed lengths, as values.
//!
//! Nothing here reads a socket or a clock: the caller brings bytes, and takes from each decoder what they complete.
//! However the bytes are cut, the same frames come out, and the same error at the same byte. Nothing is allocated for a
//! length that a peer only claims, and what is held is bounded by the limits that a decoder is made with.
//!
//! # Layout
//!
//! - [`lines`]: lines with any delimiter, and blocks of bytes between them, as EventMachine's `LineText2` has them.
//! - [`content`]: header lines, then a body as long as they say, as its `HeaderAndContentProtocol`.
//! - [`prefixed`]: four bytes of length, then the bytes, as its `ObjectProtocol`.
//! - [`netstring`] has strings of bytes such as `5:hello,`.
#![forbid(unsafe_code)]

mod block;
pub mod content;
pub mod lines;
pub mod netstring;
pub mod prefixed;
