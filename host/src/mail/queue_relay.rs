//! The store of queues that all hosts share, as the queues of a tenant see it.

use std::fmt;
use std::sync::Weak;

use crate::mail::message::Message;
use crate::mail::queues::Queues;
use crate::mail::relay::NoRelay;
use crate::quota::budget::Reservation;

/// Keeps the items of one tenant's queues for all hosts, and passes them to the pops that wait on this host. It is called with
/// the lock of the queues held, and never blocks.
pub trait QueueRelay: fmt::Debug + Send + Sync {
    /// Sets the queues whose pops get the items. Called once, before anything else.
    fn attach(&self, queues: Weak<Queues>);

    /// Reserves room for an item of this length until it is stored.
    ///
    /// # Errors
    /// When it cannot be stored.
    fn room(&self, length: usize) -> Result<Reservation, NoRelay>;

    /// Stores an item, in the room that was reserved for it.
    fn push(&self, name: &str, item: Message, room: Reservation);

    /// Reports the number of pops that wait for items of `name` on this host.
    fn wait(&self, name: &str, pops: usize);

    /// The last known number of waiting items.
    fn size(&self, name: &str) -> usize;

    /// The last known number of pops that wait on other hosts.
    fn waiting_elsewhere(&self, name: &str) -> usize;
}
