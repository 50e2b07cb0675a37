//! Deferred work: jobs of all reactors, queued for the workers.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::base::cancel::CancelToken;
use crate::base::lock::{Mutex, MutexGuard};
use crate::mail::message::Message;
use crate::mail::post::Address;
use crate::plugin::Plugin;
use crate::quota::fair_queue::{FairQueue, Taken};
use crate::quota::semaphore::Permit;

/// One operation that an instance has deferred.
#[derive(Debug)]
pub struct Job {
    pub plugin: Arc<Plugin>,
    /// The plugin's number for the operation.
    pub operation: u32,
    pub argument: Message,
    /// The instance's id for the job.
    pub id: u32,
    /// The instance that has deferred it.
    pub asker: Address,
    /// Dead when that instance has ended.
    pub alive: Weak<()>,
    /// The permits of its plugin and of its tenant.
    pub permits: [Permit; 2],
    /// The number of the term in which that instance runs, if it is of a singleton.
    pub fencing: Option<u64>,
}

/// Jobs that wait for a worker. If several tenants have jobs none gets all workers, since operations that sleep would
/// delay the others.
#[derive(Debug)]
pub struct Jobs {
    waiting: FairQueue<Job>,
    /// For each job in progress: a reference that is dead when its result is not wanted, and the token that cancels its call.
    calls: Mutex<Vec<(Weak<()>, CancelToken)>>,
}

impl Default for Jobs {
    fn default() -> Jobs {
        // Unbounded: each plugin has a limit of its own.
        Jobs { waiting: FairQueue::new(usize::MAX, usize::MAX), calls: Mutex::default() }
    }
}

impl Jobs {
    /// Queues a job. It is dropped if the host ends.
    pub fn add(&self, job: Job) {
        let tenant = job.plugin.tenant.index;
        drop(self.waiting.add(tenant, job));
    }

    /// The number of jobs that wait for a worker.
    pub fn waiting(&self) -> usize {
        self.waiting.waiting()
    }

    /// Whether no job waits or is in progress; then all outcomes have been sent.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_idle()
    }

    /// Removes the jobs of an instance that wait, and cancels those in progress.
    pub fn give_up(&self, tenant: usize, alive: &Arc<()>) {
        drop(
            self.waiting.remove(tenant, |job| std::ptr::eq(job.alive.as_ptr(), Arc::as_ptr(alive))),
        );
        self.cancel(|of| std::ptr::eq(of.as_ptr(), Arc::as_ptr(alive)));
    }

    /// Registers the token that cancels the job's call when its result is not wanted any more; false if that is so already.
    pub fn begins(&self, alive: &Weak<()>, cancel: &CancelToken) -> bool {
        self.calls().push((alive.clone(), cancel.clone()));
        // Checked after registering, so that a later cancellation finds the token.
        let is_wanted = 0 < alive.strong_count() && !self.waiting.is_closed();
        if !is_wanted {
            self.ends(cancel);
        }
        is_wanted
    }

    /// Removes the token of a call that has ended.
    pub fn ends(&self, cancel: &CancelToken) {
        self.calls().retain(|(_, of)| !of.is(cancel));
    }

    fn cancel(&self, is_theirs: impl Fn(&Weak<()>) -> bool) {
        let calls = self.calls();
        let theirs = calls.iter().filter(|(of, _)| is_theirs(of));
        let theirs: Vec<CancelToken> = theirs.map(|(_, cancel)| cancel.clone()).collect();
        drop(calls);
        theirs.iter().for_each(CancelToken::cancel);
    }

    fn calls(&self) -> MutexGuard<'_, Vec<(Weak<()>, CancelToken)>> {
        self.calls.lock()
    }

    /// Waits for the next job, for `patience` at most if it is given.
    pub fn take(&self, patience: Option<Duration>) -> Taken<Job> {
        self.waiting.take(patience)
    }

    /// Sets the most workers of one tenant.
    pub fn set_share(&self, share: usize) {
        self.waiting.set_share(share);
    }

    /// A job of a tenant is done.
    pub fn done(&self, tenant: usize) {
        self.waiting.done(tenant);
    }

    /// Closes the queue and cancels the jobs in progress.
    pub fn close(&self) {
        drop(self.waiting.close());
        self.cancel(|_| true);
    }
}
