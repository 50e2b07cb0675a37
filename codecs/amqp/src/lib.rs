//! AMQP 0-9-1 without I/O: the client's side of a connection, from bytes to events and from requests to bytes.
//!
//! Nothing here reads a socket, a clock or a file, and nothing starts a thread: the caller passes bytes and calls
//! [`Session::beat`] at the interval that was negotiated with the broker. So the same code runs in a sandbox and in a fuzzer.
//!
//! Frames are parsed and written by `amq-protocol`; their semantics are here. A [`Session`] is made once and outlives
//! connections: [`Session::connected`] begins one, [`Session::disconnected`] ends it, and on the next one
//! everything that was declared, bound and consumed is restored.
//!
//! A broker is not trusted: memory is allocated only for received bytes, and a violation of the protocol
//! ends the connection with the reply code of the specification; a new one is made
//! if [`Settings::recovery`] is set. The broker is not responsible for the content of messages: one that cannot be
//! decoded is refused, and the connection continues.
//! However the bytes are split, the events are the same.
//!
//! # Layout
//!
//! In the order in which a byte from the broker meets them:
//!
//! - [`settings`]: the broker's address, credentials and every limit; [`uri`]: the same from a URI.
//! - `frame`: decoding frames; [`undecoded`]: texts that are not UTF-8; `wire`: encoding frames.
//! - [`table`], [`message`]: the values in frames.
//! - `assembly`: assembling a message from its frames.
//! - [`request`]: requests and answers; [`queue_name`]: names that the broker assigns.
//! - `channel`: requests that wait or are in flight; `confirms`: publishes that are not confirmed.
//! - `topology`: what recovery restores; `pulse`: heartbeats.
//! - [`session`]: the session, with the handshake and the recovery in files of their own; [`event`]: its events;
//!   [`error`]: its errors.
#![forbid(unsafe_code)]
#![warn(unreachable_pub, reason = "`pub` says that other crates can use it")]

mod assembly;
mod channel;
mod confirms;
pub mod error;
pub mod event;
mod frame;
mod ids;
pub mod message;
mod pulse;
pub mod queue_name;
pub mod request;
pub mod session;
pub mod settings;
pub mod table;
mod topology;
pub mod undecoded;
pub mod uri;
mod wire;

pub use error::{Failure, Refusal};
pub use event::Event;
pub use ids::{ChannelId, Ticket};
pub use message::{Delivery, DeliveryTag, Properties, Publish, Returned, Unreadable};
pub use queue_name::QueueName;
pub use request::{Answer, Request};
pub use session::Session;
pub use settings::{Credentials, Settings, Unconfirmed};
pub use table::{Table, Value};
pub use undecoded::Undecoded;
