//! What an instance owns in other parts of the host: released when the instance ends.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use crate::cluster::processes::ProcessLink;
use crate::mail::post::Address;
use crate::plugin::jobs::Jobs;
use crate::plugin::tenant::Tenant;
use crate::quota::host_memory::{self, POP_BYTES, SUBSCRIPTION_BYTES};

/// The unfinished jobs of one instance. They are cancelled when it ends.
#[derive(Debug, Default)]
pub struct OwnJobs {
    ids: HashSet<u32>,
    /// The queue in which they wait and their tenant; set with the first one.
    queue: Option<(Arc<Jobs>, usize)>,
    /// Dropped with the instance, by which a worker sees that the result is not wanted any more.
    alive: Arc<()>,
}

impl OwnJobs {
    /// Whether this job is unfinished.
    pub fn has(&self, job: u32) -> bool {
        self.ids.contains(&job)
    }

    /// The number of unfinished jobs.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Adds a job that waits in `queue`. The returned reference is dead once the instance has ended.
    pub fn add(&mut self, job: u32, queue: &Arc<Jobs>, tenant: usize) -> Weak<()> {
        self.ids.insert(job);
        self.queue.get_or_insert_with(|| (queue.clone(), tenant));
        Arc::downgrade(&self.alive)
    }

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

/// The channel or queue in which something of an instance is, so that it can be removed.
#[derive(Debug)]
pub struct Place {
    /// The tenant of the channel or queue.
    pub tenant: Arc<Tenant>,
    /// The name of the channel or queue.
    pub name: String,
    /// The position in the channel or queue.
    pub place: u64,
}

/// The subscriptions of one instance. They end with it.
#[derive(Debug, Default)]
pub struct Subscriptions {
    /// The reactor that their messages go to.
    reactor: usize,
    /// The host memory that they take.
    bytes: u64,
    channels: HashMap<u32, Place>,
}

impl Subscriptions {
    /// Whether this subscription has not ended.
    pub fn has(&self, subscription: u32) -> bool {
        self.channels.contains_key(&subscription)
    }

    /// The number of subscriptions that have not ended.
    pub fn len(&self) -> usize {
        self.channels.len()
    }

    /// The host memory that they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The host memory of a subscription to this channel.
    pub(super) fn bytes_of(channel: &str) -> u64 {
        SUBSCRIPTION_BYTES + 2 * host_memory::length(channel)
    }

    /// Adds a subscription of an instance of `reactor`.
    pub fn add(&mut self, subscription: u32, channel: Place, reactor: usize) {
        self.reactor = reactor;
        self.bytes += Subscriptions::bytes_of(&channel.name);
        self.channels.insert(subscription, channel);
    }

    /// Ends a subscription, if it has not ended.
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

/// The pops of one instance that wait for items. They are cancelled when it ends.
#[derive(Debug, Default)]
pub struct Pops {
    queues: HashMap<u32, Place>,
    /// The host memory that they take.
    bytes: u64,
}

impl Pops {
    /// Whether this pop still waits.
    pub fn has(&self, pop: u32) -> bool {
        self.queues.contains_key(&pop)
    }

    /// The number of pops that wait.
    pub fn len(&self) -> usize {
        self.queues.len()
    }

    /// The host memory that they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The host memory of a pop from this queue.
    pub(super) fn bytes_of(queue: &str) -> u64 {
        POP_BYTES + 2 * host_memory::length(queue)
    }

    /// Adds a pop that waits.
    pub fn add(&mut self, pop: u32, queue: Place) {
        self.bytes += Pops::bytes_of(&queue.name);
        self.queues.insert(pop, queue);
    }

    /// Removes a pop whose item has come; false if it does not wait any more.
    pub fn take(&mut self, pop: u32) -> bool {
        self.remove(pop).is_some()
    }

    /// Has a pop wait again for an item, at its position; if there is no room for that it waits for ever.
    pub fn wait_again(&self, pop: u32, address: &Address) {
        if let Some(Place { tenant, name, place }) = self.queues.get(&pop) {
            // The only fault is that the tenant has used up its names since.
            let _ = tenant.queues.wait_again(name, *place, address, pop);
        }
    }

    /// Removes a pop here and from its queue.
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

/// The processes that one instance has spawned in the cluster. They end with it.
#[derive(Debug, Default)]
pub struct ClusterChildren {
    /// Set with the first one.
    link: Option<Arc<ProcessLink>>,
    numbers: HashSet<u64>,
}

impl ClusterChildren {
    /// The number of those whose end was not told.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether this is one of them.
    pub fn has(&self, number: u64) -> bool {
        self.numbers.contains(&number)
    }

    /// Adds one.
    pub fn add(&mut self, number: u64, link: &Arc<ProcessLink>) {
        self.link.get_or_insert_with(|| link.clone());
        self.numbers.insert(number);
    }

    /// The end of one is told.
    pub fn ended(&mut self, number: u64) {
        self.numbers.remove(&number);
    }
}

impl Drop for ClusterChildren {
    fn drop(&mut self) {
        if let Some(link) = self.link.as_ref().filter(|_| !self.numbers.is_empty()) {
            link.abandon(std::mem::take(&mut self.numbers).into_iter());
        }
    }
}
