//! What an instance owns in other parts of the host: it is given back when the instance ends.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use crate::plugin::jobs::Jobs;
use crate::plugin::tenant::Tenant;
use crate::quota::host_memory::{self, POP_BYTES, SUBSCRIPTION_BYTES};

/// The jobs of one instance that have not ended. They are given up with it.
#[derive(Debug, Default)]
pub struct OwnJobs {
    ids: HashSet<u32>,
    /// Where they wait, and whose they are there; known as soon as there is one.
    queue: Option<(Arc<Jobs>, usize)>,
    /// Dropped with the instance, so that a worker sees that nobody waits any more.
    alive: Arc<()>,
}

impl OwnJobs {
    /// Whether it has not ended.
    pub fn has(&self, job: u32) -> bool {
        self.ids.contains(&job)
    }

    /// How many have not ended.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// One was asked for, and waits in `queue`. What is answered is gone when the instance is.
    pub fn add(&mut self, job: u32, queue: &Arc<Jobs>, tenant: usize) -> Weak<()> {
        self.ids.insert(job);
        self.queue.get_or_insert_with(|| (queue.clone(), tenant));
        Arc::downgrade(&self.alive)
    }

    /// One has ended.
    pub fn remove(&mut self, job: u32) {
        self.ids.remove(&job);
    }
}

impl Drop for OwnJobs {
    fn drop(&mut self) {
        if let Some((queue, tenant)) = self.queue.as_ref().filter(|_| !self.ids.is_empty()) {
            queue.give_up(*tenant, &self.alive);
        }
    }
}

/// Where something of an instance is, so that it can be given back.
#[derive(Debug)]
pub struct Place {
    /// Whose channel or queue it is.
    pub tenant: Arc<Tenant>,
    /// What that is called there.
    pub name: String,
    /// Its place in it.
    pub place: u64,
}

/// The subscriptions of one instance. They end with it.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// The reactor that their messages go to.
    reactor: usize,
    /// What the host keeps for them.
    bytes: u64,
    channels: HashMap<u32, Place>,
}

impl Subscriptions {
    /// Whether it has not ended.
    pub fn has(&self, subscription: u32) -> bool {
        self.channels.contains_key(&subscription)
    }

    /// How many have not ended.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// What the host keeps for them.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it keeps for one to this channel.
    pub(super) fn bytes_of(channel: &str) -> u64 {
        SUBSCRIPTION_BYTES + 2 * host_memory::length(channel)
    }

    /// One was made, for an instance of `reactor`.
    pub fn add(&mut self, subscription: u32, channel: Place, reactor: usize) {
        self.reactor = reactor;
        self.bytes += Subscriptions::bytes_of(&channel.name);
        self.channels.insert(subscription, channel);
    }

    /// Ends one, if it has not ended.
    pub fn end(&mut self, subscription: u32) {
        if let Some(Place { tenant, name, place }) = self.channels.remove(&subscription) {
            self.bytes -= Subscriptions::bytes_of(&name);
            tenant.channels.unsubscribe(&name, self.reactor, place);
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        for Place { tenant, name, place } in std::mem::take(&mut self.channels).into_values() {
            tenant.channels.unsubscribe(&name, self.reactor, place);
        }
    }
}

/// The pops of one instance that wait. They are forgotten with it.
#[derive(Debug, Default)]
pub struct Pops {
    queues: HashMap<u32, Place>,
    /// What the host keeps for them.
    bytes: u64,
}

impl Pops {
    /// Whether it still waits.
    pub fn has(&self, pop: u32) -> bool {
        self.queues.contains_key(&pop)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// What the host keeps for them.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it keeps for one from this queue.
    pub(super) fn bytes_of(queue: &str) -> u64 {
        POP_BYTES + 2 * host_memory::length(queue)
    }

    /// One begins to wait.
    pub fn add(&mut self, pop: u32, queue: Place) {
        self.bytes += Pops::bytes_of(&queue.name);
        self.queues.insert(pop, queue);
    }

    /// Takes a pop off, if it still waits.
    pub fn take(&mut self, pop: u32) -> bool {
        self.remove(pop).is_some()
    }

    /// Forgets one here and in its queue.
    pub fn cancel(&mut self, pop: u32) {
        if let Some(Place { tenant, name, place }) = self.remove(pop) {
            tenant.queues.cancel(&name, place);
        }
    }

    fn remove(&mut self, pop: u32) -> Option<Place> {
        let place = self.queues.remove(&pop)?;
        self.bytes -= Pops::bytes_of(&place.name);
        Some(place)
    }
}

impl Drop for Pops {
    fn drop(&mut self) {
        for Place { tenant, name, place } in std::mem::take(&mut self.queues).into_values() {
            tenant.queues.cancel(&name, place);
        }
    }
}
