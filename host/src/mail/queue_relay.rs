//! What keeps the items of queues for all hosts, as the queues of a tenant know it.

use std::fmt;
use std::sync::Weak;

use crate::mail::message::Message;
use crate::mail::queues::Queues;
use crate::mail::relay::NoRelay;
use crate::quota::budget::Reservation;

/// Keeps the items of the queues of one tenant for all hosts, and brings them to the pops that wait here. It is called with the lock of
/// the queues held, and waits for nothing.
pub trait QueueRelay: fmt::Debug + Send + Sync {
    /// These are the queues whose pops items go to. Called once, before anything else.
    fn attach(&self, queues: Weak<Queues>);

    /// Reserves room for an item of so many bytes until it is stored.
    ///
    /// # Errors
    /// When it would not be stored.
    fn room(&self, length: usize) -> Result<Reservation, NoRelay>;

    /// Stores an item, in the room that was reserved for it.
    fn push(&self, name: &str, item: Message, room: Reservation);

    /// So many pops wait for items of `name` here.
    fn wait(&self, name: &str, pops: usize);

    /// The number of items that wait, as last heard.
    fn size(&self, name: &str) -> usize;

    /// The number of pops that wait on other hosts, as last heard.
    fn waiting_elsewhere(&self, name: &str) -> usize;
}
