//! What the deadlines of a reactor are for.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::reactor::table::backlog::Rate;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Purpose {
    /// A timer of a guest.
    Guest(InstanceId, u32),
    /// A call into a guest has taken too long.
    Overdue(InstanceId),
    /// A connection may have been idle for too long.
    Inactivity(ConnectionId),
    /// A connection has not been made in time.
    PendingConnect(ConnectionId),
    /// A close after writing has waited long enough.
    CloseDeadline(ConnectionId),
    /// What this tenant may use in a second has grown again.
    Replenished(usize, Rate),
    /// An instance has not been read for long because what it fills is full.
    Reprieve(InstanceId),
    /// A listener that could not accept tries again.
    Accept(usize),
    /// A program that failed is started again.
    Restart(usize),
    /// The host has waited for output long enough.
    StopDeadline,
}
