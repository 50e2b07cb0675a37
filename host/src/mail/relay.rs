//! The way to the same channels on other hosts, as the channels of a tenant know it.

use std::fmt;
use std::sync::{Arc, Weak};

use crate::mail::channels::Channels;
use crate::mail::message::Message;
use crate::quota::budget::{ByteBudget, Reservation};

/// Carries what is pushed to the channels of one tenant to other hosts, and brings what is pushed there. It is called with the
/// lock of the channels held, so that everybody has the order of this host; it waits for nothing.
pub trait ChannelRelay: fmt::Debug + Send + Sync {
    /// These are the channels that messages from other hosts go to. Called once, before anything else.
    fn attach(&self, channels: Weak<Channels>);

    /// Reserves room for a push of so many bytes.
    ///
    /// # Errors
    /// When it would not reach the others.
    fn room(&self, length: usize) -> Result<Reservation, NoRelay>;

    /// Sends a message to those who are subscribed to `name` on other hosts, in the room that was reserved for it.
    fn push(&self, name: &str, message: Arc<Message>, room: Reservation);

    /// Somebody is subscribed to `name` here, and nobody was.
    fn subscribed(&self, name: &str);

    /// Nobody is subscribed to `name` here any more.
    fn unsubscribed(&self, name: &str);

    /// What waits to go to the others.
    fn outbox(&self) -> &ByteBudget;
}

/// Why a message would not reach other hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRelay {
    /// Too much waits already.
    Full,
    /// The server of the cluster takes no message of more than so many bytes.
    TooLarge(usize),
}
