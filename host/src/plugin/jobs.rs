//! Deferred work: jobs of all reactors, done by a few threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::base::cancel::CancelToken;
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
    /// Count it among the jobs of its plugin and of its tenant.
    pub permits: [Permit; 2],
}

/// Jobs that wait for a worker. Where several tenants have such work, none has all the workers at once: an operation that
/// sleeps would hold up the others.
#[derive(Debug)]
pub struct Jobs {
    waiting: FairQueue<Job>,
    /// What ends the calls of the jobs that are being done, and what is gone when nobody wants one.
    calls: Mutex<Vec<(Weak<()>, CancelToken)>>,
}

impl Default for Jobs {
    fn default() -> Jobs {
        // Each plugin has a bound of its own.
        Jobs { waiting: FairQueue::new(usize::MAX, usize::MAX), calls: Mutex::default() }
    }
}

impl Jobs {
    /// Adds a job. A host that ends drops it.
    pub fn add(&self, job: Job) {
        let tenant = job.plugin.tenant.index;
        drop(self.waiting.add(tenant, job));
    }

    /// How many jobs wait for a worker.
    pub fn waiting(&self) -> usize {
        self.waiting.waiting()
    }

    /// Whether no job waits or is being done; what came of the others is on its way.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_idle()
    }

    /// Forgets the jobs of an instance that wait, and ends those that are being done.
    pub fn give_up(&self, tenant: usize, alive: &Arc<()>) {
        drop(
            self.waiting.remove(tenant, |job| std::ptr::eq(job.alive.as_ptr(), Arc::as_ptr(alive))),
        );
        self.cancel(|of| std::ptr::eq(of.as_ptr(), Arc::as_ptr(alive)));
    }

    /// The call of a job begins, and `cancel` will end it when nobody wants the job any more; false where that is so already.
    pub fn begins(&self, alive: &Weak<()>, cancel: &CancelToken) -> bool {
        self.calls().push((alive.clone(), cancel.clone()));
        // Looked at afterwards: who ends it from now on finds it.
        let is_wanted = 0 < alive.strong_count() && !self.waiting.is_closed();
        if !is_wanted {
            self.ends(cancel);
        }
        is_wanted
    }

    /// The call of a job has ended.
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
        // Each change is whole before anything can panic.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; waits for it, for as long as `patience` says, or without end.
    pub fn take(&self, patience: Option<Duration>) -> Taken<Job> {
        self.waiting.take(patience)
    }

    /// No tenant has more than that many workers.
    pub fn set_share(&self, share: usize) {
        self.waiting.set_share(share);
    }

    /// A job of a tenant that was taken is done.
    pub fn done(&self, tenant: usize) {
        self.waiting.done(tenant);
    }

    /// No more jobs are done; those that are being done end.
    pub fn close(&self) {
        drop(self.waiting.close());
        self.cancel(|_| true);
    }
}
