//! What comes out of a session.

use crate::{
    error::Failure,
    ids::{ChannelId, Ticket},
    message::{Delivery, Returned},
    request::Answer,
};

/// Something happened that the plugin may want to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The connection is open, for the first time.
    Opened,
    /// A connection is open again, and everything is there again that was declared, bound and consumed.
    Recovered,
    /// What was asked for is answered, a message confirmed, or neither will happen.
    Answered(Ticket, Result<Answer, Failure>),
    /// A message for a consumer.
    Delivered(ChannelId, Box<Delivery>),
    /// The broker has ended a consumer, because its queue is gone for instance.
    Cancelled(ChannelId, String),
    /// A mandatory message came back.
    Returned(ChannelId, Box<Returned>),
    /// The broker is short of memory or disk: it takes no messages until it says `Unblocked`. They wait.
    Blocked(String),
    /// The broker takes messages again.
    Unblocked,
    /// After a refusal with [`Refusal::Full`](crate::Refusal::Full): there is room again.
    Writable,
    /// The channel is gone. With the whole session they all are, and `Closed` says so.
    ChannelClosed(ChannelId, Failure),
    /// The connection is of no use and has to be ended, [`Session::disconnected`](crate::Session::disconnected) to be
    /// told, and a new one to be made.
    Disconnect(String),
    /// It is over, without a failure if the plugin wished so and everything was done. What waited has failed. The bytes that are still in the
    /// output may be sent; then the connection is to be ended.
    Closed(Option<Failure>),
}
