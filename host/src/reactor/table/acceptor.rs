//! The acceptors of a reactor: listeners, and whether they are paused.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use mio::Registry;
use slab::Slab;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;
use crate::config::bound::Limit;
use crate::net::listener::Listener;
use crate::plugin::shared::OwnPlace;
use crate::quota::host_memory::Admission;
use crate::reactor::table::deadline::DeadlineKey;

/// A listener in the loop.
pub(in crate::reactor) struct Acceptor {
    pub(in crate::reactor) listener: Listener,
    /// Set while it is paused: the deadline at which it is resumed, if no resource is released before.
    pub(in crate::reactor) again: Option<DeadlineKey>,
    /// The limit that keeps it from accepting.
    pub(in crate::reactor) at_limit: Option<Limit>,
    /// When it was last logged that it does not accept.
    pub(in crate::reactor) told: Option<Moment>,
    /// For UDP: the connections of its peers.
    pub(in crate::reactor) peers: HashMap<SocketAddr, ConnectionId>,
    /// The instance that has opened it, if it is a plugin's.
    pub(in crate::reactor) owner: Option<ListenerOwner>,
    /// Set when the reactor stops: how many more connections it accepts before it is closed.
    pub(in crate::reactor) last: Option<usize>,
}

/// The instance that has opened a listener, and the listener's resources.
pub(in crate::reactor) struct ListenerOwner {
    pub(in crate::reactor) instance: InstanceId,
    pub(in crate::reactor) _admission: Admission,
    pub(in crate::reactor) _place: OwnPlace,
}

impl Acceptor {
    /// The index of the plugin that it serves.
    pub(in crate::reactor) fn plugin(&self) -> usize {
        self.listener.endpoint.plugin
    }
}

/// The acceptors of a reactor by slot. Slots are reused; an event with an old slot finds a listener on which nothing waits,
/// which does no harm.
#[derive(Default)]
pub(in crate::reactor) struct Acceptors {
    all: Slab<Acceptor>,
    /// Acceptors with more to accept than their turn allowed, or that were resumed.
    ready: VecDeque<usize>,
}

impl Acceptors {
    /// The slot of the next acceptor.
    pub(in crate::reactor) fn next_place(&self) -> usize {
        self.all.vacant_key()
    }

    pub(in crate::reactor) fn add(&mut self, listener: Listener, owner: Option<ListenerOwner>) {
        let (again, at_limit, told) = (None, None, None);
        let peers = HashMap::new();
        let last = None;
        self.all.insert(Acceptor { listener, again, at_limit, told, peers, owner, last });
    }

    pub(in crate::reactor) fn remove(&mut self, place: usize) -> Option<Acceptor> {
        self.ready.retain(|ready| *ready != place);
        self.all.try_remove(place)
    }

    pub(in crate::reactor) fn get_mut(&mut self, place: usize) -> Option<&mut Acceptor> {
        self.all.get_mut(place)
    }

    pub(in crate::reactor) fn get(&self, place: usize) -> Option<&Acceptor> {
        self.all.get(place)
    }

    /// Whether one of the operator's listeners serves a plugin.
    pub(in crate::reactor) fn serves(&self, plugin: usize) -> bool {
        let mut all = self.all.iter().map(|(_, acceptor)| acceptor);
        all.any(|acceptor| acceptor.owner.is_none() && acceptor.plugin() == plugin)
    }

    /// All slots in use.
    pub(in crate::reactor) fn places(&self) -> Vec<usize> {
        self.all.iter().map(|(place, _)| place).collect()
    }

    /// The slots of the operator's listeners.
    pub(in crate::reactor) fn places_of_operator(&self) -> Vec<usize> {
        let all = self.all.iter();
        all.filter(|(_, acceptor)| acceptor.owner.is_none()).map(|(place, _)| place).collect()
    }

    /// The slots of the listeners that serve a plugin.
    pub(in crate::reactor) fn places_of(&self, plugin: usize) -> Vec<usize> {
        let all = self.all.iter();
        all.filter(|(_, acceptor)| acceptor.plugin() == plugin).map(|(place, _)| place).collect()
    }

    pub(in crate::reactor) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The number of acceptors that are ready.
    pub(in crate::reactor) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Whether an acceptor is ready.
    pub(in crate::reactor) fn is_ready(&self, place: usize) -> bool {
        self.ready.contains(&place)
    }

    /// Has an acceptor accept in the next phase of the sockets.
    pub(in crate::reactor) fn make_ready(&mut self, place: usize) {
        if !self.ready.contains(&place) {
            self.ready.push_back(place);
        }
    }

    pub(in crate::reactor) fn next_ready(&mut self) -> Option<usize> {
        self.ready.pop_front()
    }

    /// A resource was released: makes the paused acceptors ready.
    pub(in crate::reactor) fn wake(&mut self) {
        let waits = |(place, acceptor): (usize, &Acceptor)| acceptor.again.map(|_| place);
        let waiting: Vec<usize> = self.all.iter().filter_map(waits).collect();
        for place in waiting {
            self.make_ready(place);
        }
    }

    /// Removes all acceptors.
    pub(in crate::reactor) fn close(&mut self, registry: &Registry) {
        for mut acceptor in self.all.drain() {
            acceptor.listener.endpoint.close_copies();
            if let Err(error) = registry.deregister(&mut acceptor.listener) {
                tracing::debug!(%error, "listener not deregistered");
            }
        }
        self.ready.clear();
    }
}
