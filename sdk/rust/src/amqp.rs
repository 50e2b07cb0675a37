//! AMQP 0-9-1: a client of RabbitMQ and its kin, as the Ruby client `amqp` is used.
//!
//! Feature `amqp` of the crate. The operator must allow the broker: `allow.connect = ["127.0.0.1:5672"]`.
//!
//! ```no_run
//! use sandloop::{
//!     Program,
//!     amqp::{self, QueueOptions, Settings},
//! };
//!
//! struct Printer;
//!
//! impl Program for Printer {
//!     fn start() -> sandloop::Result {
//!         let connection = amqp::connect(Settings::from_uri("amqp://metrics:password@rei-lab/%2Fattention")?);
//!         let channel = connection.channel();
//!         let exchange = channel.fanout("test-xchange");
//!         let queue = channel.queue("test-queue", QueueOptions::durable());
//!         queue.bind(&exchange);
//!         queue.subscribe(|message| println!("{}", message.text()));
//!         Ok(())
//!     }
//! }
//!
//! sandloop::plugin! { program: Printer }
//! ```
//!
//! Nothing above waits: what is asked for before the connection is open is done once it is, in order. Everything that
//! the broker answers is a [`Deferrable`](crate::Deferrable), and every error of the broker reaches its errback with
//! code and text. A connection that is lost is made again after a while, and what was declared, bound and consumed is
//! there again; messages that were not confirmed are sent again or reported, as [`Settings::unconfirmed`] says.
//!
//! # Layout
//!
//! - [`connect`], [`Connection`]: to a broker, with [`Settings`].
//! - [`Channel`]: where things happen in order: quality of service, confirms, transactions.
//! - [`Exchange`], [`Message`]: where messages go; [`Queue`], [`Consumer`], [`Delivery`]: where they come from.
//! - [`Operation`]: what an answer is waited for with; [`Failure`]: why there is none.
//!
//! Below them, `link` has the socket and the time, and `sandloop_amqp` ([`codec`]) all that AMQP is.

mod channel;
mod connection;
mod consumer;
mod delivery;
mod dialer;
mod exchange;
mod handle;
mod hooks;
mod link;
mod message;
mod operation;
mod queue;
#[cfg(test)]
mod tests;

#[doc(no_inline)]
pub use sandloop_amqp as codec;
#[doc(no_inline)]
pub use sandloop_amqp::{
    Credentials, Failure, Properties, Refusal, Returned, Settings, Table, Unconfirmed, Value,
    error::Close, uri::UriError,
};

pub use self::channel::Channel;
pub use self::connection::{Connection, connect};
pub use self::consumer::{ConsumeOptions, Consumer};
pub use self::delivery::Delivery;
pub use self::exchange::{Exchange, ExchangeOptions};
pub use self::message::Message;
pub use self::operation::Operation;
pub use self::queue::{Queue, QueueInfo, QueueOptions};
