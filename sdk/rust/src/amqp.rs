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
//! there again; messages that were not confirmed are sent again or reported, as [`Settings::unconfirmed`] says. That is
//! so whoever has ended it: a broker that closes the connection (541, 504, 320) or breaks the protocol is asked again,
//! after pauses that double while it goes on.
//!
//! A broker may end less than the connection: a channel with an error (404, 406), a consumer because its queue was
//! deleted. Whoever set it up is told by [`Channel::on_error`] and [`Consumer::on_cancel`], or the log is.
//! [`Connection::keep_channel`] sets it up again.
//!
//! What is in a message is its publisher's, and a broker hands it on unread. Texts that are not UTF-8 have U+FFFD in
//! place of what is not, and are in [`undecoded`](codec::Delivery::undecoded) as they came. A message whose headers
//! cannot be read, or that is larger than [`Settings::message_max`], is rejected without being requeued, and the log
//! has a line: see [`Unreadable`].
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
mod kept;
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
    Credentials, Failure, Properties, Refusal, Returned, Settings, Table, Unconfirmed, Undecoded,
    Unreadable, Value, error::Close, uri::UriError,
};

pub use self::channel::Channel;
pub use self::connection::{Connection, connect};
pub use self::consumer::{ConsumeOptions, Consumer};
pub use self::delivery::Delivery;
pub use self::exchange::{Exchange, ExchangeOptions};
pub use self::message::Message;
pub use self::operation::Operation;
pub use self::queue::{Queue, QueueInfo, QueueOptions};
