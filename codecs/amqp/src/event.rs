//! The events of a session.

use crate::{
    error::Failure,
    ids::{ChannelId, Ticket},
    message::{Delivery, Returned, Unreadable},
    request::Answer,
};

/// What a plugin may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The connection is open, for the first time.
    Opened,
    /// A new connection is open, and declarations, bindings and consumers are restored.
    Recovered,
    /// A request was answered, a message confirmed, or neither will happen.
    Answered(Ticket, Result<Answer, Failure>),
    /// A message for a consumer.
    Delivered(ChannelId, Box<Delivery>),
    /// A malformed message: it was rejected, and is not delivered.
    Unreadable(ChannelId, Box<Unreadable>),
    /// The broker has ended a consumer, for instance because its queue was deleted.
    Cancelled(ChannelId, String),
    /// A mandatory message was returned.
    Returned(ChannelId, Box<Returned>),
    /// The broker is short of memory or disk: messages wait until `Unblocked`.
    Blocked(String),
    /// The broker takes messages again.
    Unblocked,
    /// After a refusal with [`Refusal::Full`](crate::Refusal::Full): there is room again.
    Writable,
    /// The channel has ended. When the whole session ends, there is only `Closed`.
    ChannelClosed(ChannelId, Failure),
    /// The connection was given up: end it, call [`Session::disconnected`](crate::Session::disconnected), and make a
    /// new one.
    Disconnect(String),
    /// The session has ended; without a failure if the plugin has closed it and all requests were done. Send the rest
    /// of the output, then end the connection.
    Closed(Option<Failure>),
}
