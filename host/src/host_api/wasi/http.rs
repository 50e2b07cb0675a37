//! `wasi:http` 0.2: requests and responses as resources of a guest, and the server that reads requests and sends responses.
//!
//! A component that exports `incoming-handler` does not see connections: `session` reads requests from them with the codec
//! that plugins use too, and `serving` calls the guest for one request after the other. The guest's writes to a response body
//! go directly to the peer (`answer`). Its outgoing requests (`requests`) go where `allow.connect` lets it, on its own thread
//! (`fetch`, `exchange`).

mod answer;
#[allow(unreachable_pub, reason = "bindgen writes it")]
pub(super) mod bindings;
mod body_stream;
pub(crate) mod connections;
mod exchange;
mod fetch;
mod fields;
mod incoming;
mod outgoing;
mod requests;
#[allow(unreachable_pub, reason = "bindgen exports its types again")]
pub(crate) mod resources;
mod responses;
mod serving;
mod session;
