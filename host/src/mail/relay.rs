//! The relay between the channels of this host and those of other hosts, as the channels of a tenant see it.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::mail::channels::Channels;
use crate::mail::message::Message;
use crate::quota::budget::{ByteBudget, Reservation};

/// Sends what is pushed to the channels of one tenant to other hosts, and delivers what is pushed there. It is called with the
/// lock of the channels held, so that the order of this host is kept; it never blocks.
pub trait ChannelRelay: fmt::Debug + Send + Sync {
    /// Sets the channels that get messages of other hosts. Called once, before anything else.
    fn attach(&self, channels: Weak<Channels>);

    /// Reserves room for a push of this length.
    ///
    /// # Errors
    /// When other hosts would not get it.
    fn room(&self, length: usize) -> Result<Reservation, NoRelay>;

    /// Sends a message to the subscribers of `name` on other hosts, in the room that was reserved for it.
    fn push(&self, name: &str, message: Arc<Message>, room: Reservation);

    /// The first subscription to `name` on this host has begun.
    fn subscribed(&self, name: &str);

    /// The last subscription to `name` on this host has ended.
    fn unsubscribed(&self, name: &str);

    /// The budget of messages that wait for other hosts.
    fn outbox(&self) -> &ByteBudget;
}

/// Why other hosts would not get a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRelay {
    /// Too many bytes wait already.
    Full,
    /// The server of the cluster takes no message longer than this number of bytes.
    TooLarge(usize),
}
