//! Deferred work: jobs of all reactors, done by a few threads.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::mail::message::Message;
use crate::mail::post::Address;
use crate::plugin::Plugin;
use crate::quota::fair_queue::{FairQueue, Taken};
use crate::quota::semaphore::Permit;

/// One operation that an instance has asked for.
#[derive(Debug)]
pub struct Job {
    /// Whose operation it is.
    pub plugin: Arc<Plugin>,
    /// Which one, in the plugin's own numbers.
    pub operation: u32,
    /// What it works on.
    pub argument: Message,
    /// The asking instance's number for it.
    pub id: u32,
    /// The asking instance.
    pub asker: Address,
    /// Gone when the asking instance is.
    pub alive: Weak<()>,
    /// Counts it among the jobs of its plugin.
    pub permit: Permit,
}

/// Jobs that wait for a worker. Where several tenants have such work, none has all the workers at once: an operation that
/// sleeps would hold up the others.
#[derive(Debug)]
pub struct Jobs(FairQueue<Job>);

impl Default for Jobs {
    fn default() -> Jobs {
        // Each plugin has a bound of its own.
        Jobs(FairQueue::new(usize::MAX, usize::MAX))
    }
}

impl Jobs {
    /// Adds a job. A host that ends drops it.
    pub fn add(&self, job: Job) {
        let tenant = job.plugin.tenant.index;
        drop(self.0.add(tenant, job));
    }

    /// Forgets the jobs of an instance that wait; the one that is being done is given up at its next slice.
    pub fn give_up(&self, tenant: usize, alive: &Arc<()>) {
        drop(self.0.remove(tenant, |job| std::ptr::eq(job.alive.as_ptr(), Arc::as_ptr(alive))));
    }

    /// The next job; waits for it, for as long as `patience` says, or without end.
    pub fn take(&self, patience: Option<Duration>) -> Taken<Job> {
        self.0.take(patience)
    }

    /// No tenant has more than that many workers.
    pub fn set_share(&self, share: usize) {
        self.0.set_share(share);
    }

    /// A job of a tenant that was taken is done.
    pub fn done(&self, tenant: usize) {
        self.0.done(tenant);
    }

    pub fn close(&self) {
        drop(self.0.close());
    }

    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
