//! The socket handles of an instance.

use slab::Slab;

use crate::base::arena::ConnectionId;
use crate::net::connection::SharedConnection;

/// The connections of an instance, by the number of the `socket` handle.
///
/// A number is reused only after both the reactor (at `unbind`) and the guest (when it drops its handle) have
/// released it, so that a stale handle never finds another connection.
#[derive(Default)]
pub struct Sockets(Slab<HandleSlot>);

struct HandleSlot {
    connection: Option<(ConnectionId, SharedConnection)>,
    held_by_guest: bool,
}

impl Sockets {
    /// Adds a connection; returns the number for the guest's handle.
    pub fn insert(&mut self, id: ConnectionId, connection: SharedConnection) -> u32 {
        let seat = HandleSlot { connection: Some((id, connection)), held_by_guest: true };
        u32::try_from(self.0.insert(seat)).expect("fewer than 2^32 connections in one process")
    }

    /// The number of handles that the guest or the reactor still holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The number of connections that are not unbound.
    pub(super) fn bound_count(&self) -> usize {
        self.bound().count()
    }

    /// The connection behind a handle; none once it is unbound.
    pub fn get(&self, number: u32) -> Option<&(ConnectionId, SharedConnection)> {
        self.0.get(number as usize)?.connection.as_ref()
    }

    /// The connection with this key, if it is one of the instance's.
    pub(super) fn of(&self, id: ConnectionId) -> Option<&SharedConnection> {
        self.bound().find(|(bound, _)| *bound == id).map(|(_, connection)| connection)
    }

    /// The connection of an instance that has no other.
    pub(super) fn only(&self) -> Option<&SharedConnection> {
        let mut bound = self.bound();
        bound.next().filter(|_| bound.next().is_none()).map(|(_, connection)| connection)
    }

    fn bound(&self) -> impl Iterator<Item = &(ConnectionId, SharedConnection)> {
        self.0.iter().filter_map(|(_, seat)| seat.connection.as_ref())
    }

    /// Releases the reactor's side of a number, at `unbind`.
    pub fn release(&mut self, number: u32) {
        if let Some(seat) = self.0.get_mut(number as usize) {
            seat.connection = None;
            self.forget_if_done(number as usize);
        }
    }

    /// Releases the guest's side of a number.
    pub fn dropped_by_guest(&mut self, number: u32) {
        if let Some(seat) = self.0.get_mut(number as usize) {
            seat.held_by_guest = false;
            self.forget_if_done(number as usize);
        }
    }

    fn forget_if_done(&mut self, number: usize) {
        if self.0.get(number).is_some_and(|seat| seat.connection.is_none() && !seat.held_by_guest) {
            self.0.remove(number);
        }
    }
}
