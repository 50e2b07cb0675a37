//! AMQP 0-9-1 as values: a client's side of a connection, bytes in and events out, and the other way.
//!
//! Nothing here reads a socket, a clock or a file, and nothing starts a thread: the caller brings bytes and calls
//! [`Session::beat`] at the pace that the broker agreed to. So the same code runs in a sandbox and in a fuzzer.
//!
//! The frames are read and written by `amq-protocol`; what they mean is here. A [`Session`] is made once and lives
//! through many connections: [`Session::connected`] begins one, [`Session::disconnected`] ends it, and with the next
//! one everything that was declared, bound and consumed is there again.
//!
//! What a broker sends is never trusted: no allocation depends on anything but what has really arrived, and whatever
//! breaks the protocol ends the connection with the reply code that the specification has for it; another one is made
//! if [`Settings::recovery`] says so. What is in a message is not the broker's: one that cannot be read is refused, and
//! the connection goes on.
//! However the bytes are cut, the same events come out.
//!
//! # Layout
//!
//! In the order in which a byte from the broker meets them:
//!
//! - [`settings`]: where to connect to, as whom, and every bound; [`uri`]: the same out of one line.
//! - `frame`: bytes into frames; [`undecoded`]: texts that are none; `wire`: frames into bytes.
//! - [`table`], [`message`]: the values in them.
//! - `assembly`: a message out of its frames.
//! - [`request`]: what is asked for and what is answered; [`queue_name`]: names that the broker gives.
//! - `channel`: what waits, what is under way; `confirms`: publishes that the broker has not taken yet.
//! - `topology`: what a new connection needs; `pulse`: the heartbeats.
//! - [`session`]: all of it together, with the handshake and the recovery in files of their own; [`event`]: what comes
//!   out; [`error`]: what goes wrong.
#![forbid(unsafe_code)]

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
