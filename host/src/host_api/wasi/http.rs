//! `wasi:http` 0.2: requests and answers as a guest sees them, and the server that makes the one and sends the other.
//!
//! A component that exports `incoming-handler` has no connections of its own: `session` reads requests from them, by the same
//! codec that plugins have, and `serving` asks the guest for one answer after the other. What a guest writes into an answer's
//! body goes straight to the peer (`answer`). Requests of a guest's own are refused, with the error that the interface has for
//! that.

mod answer;
pub(super) mod bindings;
mod body_stream;
pub(crate) mod connections;
mod fields;
mod incoming;
mod outgoing;
pub(crate) mod resources;
mod serving;
mod session;
