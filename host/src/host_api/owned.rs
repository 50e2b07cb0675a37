//! What an instance owns in other parts of the host: it is given back when the instance ends.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use crate::mail::post::Address;
use crate::plugin::jobs::Jobs;
use crate::plugin::tenant::Tenant;

/// The jobs of one instance that have not ended. They are given up with it.
#[derive(Debug, Default)]
pub struct OwnJobs {
    ids: HashSet<u32>,
    /// Where they wait; known as soon as there is one.
    queue: Option<Arc<Jobs>>,
    /// Dropped with the instance, so that a worker sees that nobody waits any more.
    alive: Arc<()>,
}

impl OwnJobs {
    /// Whether it has not ended.
    pub fn has(&self, job: u32) -> bool {
        self.ids.contains(&job)
    }

    /// One was asked for, and waits in `queue`. What is answered is gone when the instance is.
    pub fn add(&mut self, job: u32, queue: &Arc<Jobs>) -> Weak<()> {
        self.ids.insert(job);
        self.queue.get_or_insert_with(|| queue.clone());
        Arc::downgrade(&self.alive)
    }

    /// One has ended.
    pub fn remove(&mut self, job: u32) {
        self.ids.remove(&job);
    }
}

impl Drop for OwnJobs {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.as_ref().filter(|_| !self.ids.is_empty()) {
            queue.give_up(&self.alive);
        }
    }
}

/// Whose channel or queue something of an instance belongs to, and what it is called there.
type Named = (Arc<Tenant>, String);

/// The subscriptions of one instance. They end with it.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// Where their messages go; known as soon as there is one.
    address: Option<Address>,
    channels: HashMap<u32, Named>,
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

    /// One was made, for the instance at `address`.
    pub fn add(&mut self, subscription: u32, channel: Named, address: Address) {
        self.address = Some(address);
        self.channels.insert(subscription, channel);
    }

    /// Ends one, if it has not ended.
    pub fn end(&mut self, subscription: u32) {
        let channel = self.channels.remove(&subscription);
        if let (Some((tenant, channel)), Some(address)) = (channel, &self.address) {
            tenant.channels.unsubscribe(&channel, address, subscription);
        }
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        let all: Vec<u32> = self.channels.keys().copied().collect();
        for subscription in all {
            self.end(subscription);
        }
    }
}

/// The pops of one instance that wait. They are forgotten with it.
#[derive(Debug, Default)]
pub struct Pops {
    /// Where their items go; known as soon as there is one.
    address: Option<Address>,
    queues: HashMap<u32, Named>,
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

    /// One begins to wait, for the instance at `address`.
    pub fn add(&mut self, pop: u32, queue: Named, address: Address) {
        self.address = Some(address);
        self.queues.insert(pop, queue);
    }

    /// Takes a pop off, if it still waits.
    pub fn take(&mut self, pop: u32) -> bool {
        self.queues.remove(&pop).is_some()
    }

    /// Forgets one here and in its queue.
    pub fn cancel(&mut self, pop: u32) {
        let queue = self.queues.remove(&pop);
        if let (Some((tenant, queue)), Some(address)) = (queue, &self.address) {
            tenant.queues.cancel(&queue, address, pop);
        }
    }
}

impl Drop for Pops {
    fn drop(&mut self) {
        let all: Vec<u32> = self.queues.keys().copied().collect();
        for pop in all {
            self.cancel(pop);
        }
    }
}
