//! Framing of streams: lines, blocks of bytes and length prefixes, without I/O.
//!
//! Nothing here reads a socket or a clock: the caller passes bytes to a decoder and takes the completed frames.
//! However the bytes are split, the frames are the same, and so is an error and its position. Memory is allocated only for
//! received bytes, never for an announced length, and it is bounded by the limits of the decoder.
//!
//! # Layout
//!
//! - [`lines`]: lines with any delimiter, and blocks of bytes between them, like EventMachine's `LineText2`.
//! - [`content`]: header lines and a body of the announced length, like its `HeaderAndContentProtocol`.
//! - [`prefixed`]: a length of four bytes, then the bytes, like its `ObjectProtocol`.
//! - [`netstring`]: netstrings such as `5:hello,`.
#![forbid(unsafe_code)]
#![warn(unreachable_pub, reason = "`pub` says that other crates can use it")]

mod block;
pub mod content;
pub mod lines;
pub mod netstring;
pub mod prefixed;
