//! The listeners of a reactor, and whether they have to wait.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;

use mio::Registry;

use crate::base::arena::ConnectionId;
use crate::clock::Moment;
use crate::config::bound::Limit;
use crate::net::listener::Listener;
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
}

impl Acceptor {
    /// The plugin it serves.
    pub(in crate::reactor) fn plugin(&self) -> usize {
        self.listener.endpoint.plugin
    }
}

/// Every acceptor of a reactor, each known by its place.
#[derive(Default)]
pub(in crate::reactor) struct Acceptors {
    all: Vec<Acceptor>,
    /// Those with more to accept than their turn allowed, or that had to wait and need not any more.
    ready: VecDeque<usize>,
}

impl Acceptors {
    /// The place that the next one gets.
    pub(in crate::reactor) fn next_place(&self) -> usize {
        self.all.len()
    }

    pub(in crate::reactor) fn add(&mut self, listener: Listener) {
        let (again, at_limit, told) = (None, None, None);
        self.all.push(Acceptor { listener, again, at_limit, told, peers: HashMap::new() });
    }

    pub(in crate::reactor) fn get_mut(&mut self, place: usize) -> Option<&mut Acceptor> {
        self.all.get_mut(place)
    }

    pub(in crate::reactor) fn get(&self, place: usize) -> Option<&Acceptor> {
        self.all.get(place)
    }

    /// Whether one of them serves a plugin.
    pub(in crate::reactor) fn serves(&self, plugin: usize) -> bool {
        self.all.iter().any(|acceptor| acceptor.plugin() == plugin)
    }

    /// The places of those that serve a plugin.
    pub(in crate::reactor) fn places_of(&self, plugin: usize) -> Vec<usize> {
        let all = self.all.iter().enumerate();
        all.filter(|(_, acceptor)| acceptor.plugin() == plugin).map(|(place, _)| place).collect()
    }

    pub(in crate::reactor) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// How many have something to do.
    pub(in crate::reactor) fn ready(&self) -> usize {
        self.ready.len()
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
        for place in 0..self.all.len() {
            if self.all[place].again.is_some() {
                self.make_ready(place);
            }
        }
    }

    /// Removes every one of them.
    pub(in crate::reactor) fn close(&mut self, registry: &Registry) {
        for mut acceptor in self.all.drain(..) {
            if let Err(error) = registry.deregister(&mut acceptor.listener) {
                tracing::debug!(%error, "listener not deregistered");
            }
        }
        self.ready.clear();
    }
}
