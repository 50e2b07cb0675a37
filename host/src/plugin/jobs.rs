//! Deferred work: jobs of all reactors, done by a few threads.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::mail::message::Message;
use crate::mail::post::Address;
use crate::plugin::Plugin;
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

/// Jobs that wait for a worker. Tenants take turns, the jobs of each are done in the order they were asked for. Where
/// several tenants have such work, none has all the workers at once: an operation that sleeps would hold up the others.
#[derive(Debug, Default)]
pub struct Jobs {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug)]
pub struct Waiting<T = Job> {
    /// The tenants that have jobs, the one whose turn it is in front.
    tenants: VecDeque<(usize, VecDeque<T>)>,
    /// How many jobs are being done, by tenant.
    under_way: BTreeMap<usize, usize>,
    /// The most of them that one tenant may have.
    share: usize,
    closed: bool,
}

/// What a worker is told.
#[derive(Debug)]
pub enum Next {
    /// Do this.
    Job(Box<Job>),
    /// There was nothing to do for a while.
    Idle,
    /// The host ends.
    Closed,
}

impl Jobs {
    /// Adds a job.
    pub fn add(&self, job: Job) {
        let tenant = job.plugin.tenant.index;
        self.lock().add(tenant, job);
        self.changed.notify_one();
    }

    /// Forgets the jobs of an instance that wait; the one that is being done is given up at its next slice.
    pub fn give_up(&self, alive: &Arc<()>) {
        let is_theirs = |job: &Job| std::ptr::eq(job.alive.as_ptr(), Arc::as_ptr(alive));
        let mut given_up = Vec::new();
        let mut waiting = self.lock();
        for (_, jobs) in &mut waiting.tenants {
            let (theirs, others): (VecDeque<Job>, _) = jobs.drain(..).partition(is_theirs);
            *jobs = others;
            given_up.extend(theirs);
        }
        waiting.tenants.retain(|(_, jobs)| !jobs.is_empty());
        drop(waiting);
        // What they hold is given back without the lock.
        drop(given_up);
    }

    /// The next job; waits for it, for so long at most.
    pub fn next(&self, patience: Option<Duration>) -> Next {
        let nothing = |waiting: &mut Waiting| waiting.place().is_none() && !waiting.closed;
        let waiting = self.lock();
        let mut waiting = match patience {
            None => {
                self.changed.wait_while(waiting, nothing).unwrap_or_else(PoisonError::into_inner)
            }
            Some(patience) => {
                let waited = self.changed.wait_timeout_while(waiting, patience, nothing);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        if waiting.closed {
            return Next::Closed;
        }
        waiting.take().map_or(Next::Idle, |job| Next::Job(Box::new(job)))
    }

    /// No tenant has more than so many workers.
    pub fn set_share(&self, share: usize) {
        self.lock().share = share;
    }

    /// A job of a tenant that [`Jobs::next`] handed out is done.
    pub fn done(&self, tenant: usize) {
        self.lock().done(tenant);
    }

    pub fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.tenants.clear();
        drop(waiting);
        self.changed.notify_all();
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Each change is whole before anything can panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Waiting<T> {
    fn default() -> Waiting<T> {
        let (tenants, under_way) = (VecDeque::new(), BTreeMap::new());
        Waiting { tenants, under_way, share: usize::MAX, closed: false }
    }
}

impl<T> Waiting<T> {
    fn add(&mut self, tenant: usize, job: T) {
        match self.tenants.iter_mut().find(|(known, _)| *known == tenant) {
            Some((_, jobs)) => jobs.push_back(job),
            None => self.tenants.push_back((tenant, VecDeque::from([job]))),
        }
    }

    /// The place of the tenant whose job is next.
    fn place(&self) -> Option<usize> {
        let may = |(tenant, _): &(usize, VecDeque<T>)| {
            self.under_way.get(tenant).is_none_or(|count| *count < self.share)
        };
        self.tenants.iter().position(may)
    }

    fn take(&mut self) -> Option<T> {
        let (tenant, mut jobs) = self.tenants.remove(self.place()?)?;
        let job = jobs.pop_front()?;
        if !jobs.is_empty() {
            self.tenants.push_back((tenant, jobs));
        }
        *self.under_way.entry(tenant).or_default() += 1;
        Some(job)
    }

    pub fn done(&mut self, tenant: usize) {
        if let Some(count) = self.under_way.get_mut(&tenant) {
            *count -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_take_turns_and_none_has_all_the_workers() {
        let mut waiting = Waiting { share: 1, ..Waiting::default() };
        for job in ["first", "second", "third"] {
            waiting.add(1, job);
        }
        assert_eq!(waiting.take(), Some("first"));
        assert_eq!(waiting.take(), None, "the other worker is for others");
        waiting.add(2, "of another");
        assert_eq!(waiting.take(), Some("of another"));
        waiting.done(1);
        assert_eq!((waiting.take(), waiting.take()), (Some("second"), None));
    }

    #[test]
    fn who_is_alone_has_all_the_workers() {
        let mut waiting = Waiting::default();
        (0..3).for_each(|job| waiting.add(1, job));
        assert_eq!([waiting.take(), waiting.take(), waiting.take()], [Some(0), Some(1), Some(2)]);
    }
}
