//! The listeners of a reactor, and whether they have to wait.

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

/// A listener, and whether it has to wait.
pub(in crate::reactor) struct Acceptor {
    pub(in crate::reactor) listener: Listener,
    /// Set while it cannot accept: when it tries again if nothing ends before.
    pub(in crate::reactor) again: Option<DeadlineKey>,
    /// The limit that keeps it from accepting.
    pub(in crate::reactor) at_limit: Option<Limit>,
    /// When the operator was last told that it cannot.
    pub(in crate::reactor) told: Option<Moment>,
    /// Of a UDP socket: the connections of its peers.
    pub(in crate::reactor) peers: HashMap<SocketAddr, ConnectionId>,
    /// Whose it is, if a plugin has opened it.
    pub(in crate::reactor) owner: Option<ListenerOwner>,
    /// How many more it takes before it is closed, once the reactor stops.
    pub(in crate::reactor) last: Option<usize>,
}

/// Who has opened a listener, and its count.
pub(in crate::reactor) struct ListenerOwner {
    pub(in crate::reactor) instance: InstanceId,
    pub(in crate::reactor) _admission: Admission,
    pub(in crate::reactor) _place: OwnPlace,
}

impl Acceptor {
    /// The plugin it serves.
    pub(in crate::reactor) fn plugin(&self) -> usize {
        self.listener.endpoint.plugin
    }
}

/// Every acceptor of a reactor, each known by its place. A place is used again: who comes with an old one finds a listener that
/// has nothing for him.
#[derive(Default)]
pub(in crate::reactor) struct Acceptors {
    all: Slab<Acceptor>,
    /// Those with more to accept than their turn allowed, or that had to wait and need not any more.
    ready: VecDeque<usize>,
}

impl Acceptors {
    /// The place that the next one gets.
    pub(in crate::reactor) fn next_place(&self) -> usize {
        self.all.vacant_key()
    }

    pub(in crate::reactor) fn add(&mut self, listener: Listener, owner: Option<ListenerOwner>) {
        let (again, at_limit, told) = (None, None, None);
        let peers = HashMap::new();
        let last = None;
        self.all.insert(Acceptor { listener, again, at_limit, told, peers, owner, last });
    }

    /// Takes one out, if there is one.
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

    /// Whether one of the operator's serves a plugin.
    pub(in crate::reactor) fn serves(&self, plugin: usize) -> bool {
        let mut all = self.all.iter().map(|(_, acceptor)| acceptor);
        all.any(|acceptor| acceptor.owner.is_none() && acceptor.plugin() == plugin)
    }

    /// Every place.
    pub(in crate::reactor) fn places(&self) -> Vec<usize> {
        self.all.iter().map(|(place, _)| place).collect()
    }

    /// The places of the operator's.
    pub(in crate::reactor) fn places_of_operator(&self) -> Vec<usize> {
        let all = self.all.iter();
        all.filter(|(_, acceptor)| acceptor.owner.is_none()).map(|(place, _)| place).collect()
    }

    /// The places of those that serve a plugin.
    pub(in crate::reactor) fn places_of(&self, plugin: usize) -> Vec<usize> {
        let all = self.all.iter();
        all.filter(|(_, acceptor)| acceptor.plugin() == plugin).map(|(place, _)| place).collect()
    }

    pub(in crate::reactor) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many have something to do.
    pub(in crate::reactor) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Whether one has more to accept.
    pub(in crate::reactor) fn is_ready(&self, place: usize) -> bool {
        self.ready.contains(&place)
    }

    /// Has one accept in the next phase that does.
    pub(in crate::reactor) fn make_ready(&mut self, place: usize) {
        if !self.ready.contains(&place) {
            self.ready.push_back(place);
        }
    }

    pub(in crate::reactor) fn next_ready(&mut self) -> Option<usize> {
        self.ready.pop_front()
    }

    /// Something ended: those that wait may go on.
    pub(in crate::reactor) fn wake(&mut self) {
        let waits = |(place, acceptor): (usize, &Acceptor)| acceptor.again.map(|_| place);
        let waiting: Vec<usize> = self.all.iter().filter_map(waits).collect();
        for place in waiting {
            self.make_ready(place);
        }
    }

    /// Removes every one of them.
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
