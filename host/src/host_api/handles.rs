//! The connections of an instance, by the numbers of its handles.

use slab::Slab;

use crate::base::arena::ConnectionId;
use crate::net::connection::SharedConnection;

/// The connections of an instance, by the number that its `socket` handles carry.
///
/// A number is used again only when both sides are done with it: the reactor at `unbind`, and the guest when
/// it drops its handle. So a stale handle finds nothing, never another connection.
#[derive(Default)]
pub struct Sockets(Slab<HandleSlot>);

struct HandleSlot {
    connection: Option<(ConnectionId, SharedConnection)>,
    held_by_guest: bool,
}

impl Sockets {
    /// Gives a connection a number, for a handle that goes to the guest.
    pub fn insert(&mut self, id: ConnectionId, connection: SharedConnection) -> u32 {
        let seat = HandleSlot { connection: Some((id, connection)), held_by_guest: true };
        u32::try_from(self.0.insert(seat)).expect("fewer than 2^32 connections in one process")
    }

    /// Numbers that the guest or the reactor still has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Connections that are not unbound.
    pub(super) fn bound_count(&self) -> usize {
        self.bound().count()
    }

    /// The connection behind a handle; none once it is unbound.
    pub fn get(&self, number: u32) -> Option<&(ConnectionId, SharedConnection)> {
        self.0.get(number as usize)?.connection.as_ref()
    }

    /// This connection, if it is one of the instance's.
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

    /// The connection is unbound.
    pub fn release(&mut self, number: u32) {
        if let Some(seat) = self.0.get_mut(number as usize) {
            seat.connection = None;
            self.forget_if_done(number as usize);
        }
    }

    /// The guest has dropped its handle.
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
