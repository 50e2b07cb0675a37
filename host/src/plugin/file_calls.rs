//! Calls into file systems, queued for the file threads. A file system may block for any time, so a call is made on a
//! thread on which nothing else depends, and counts for its tenant until it has returned.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::base::lock::{Condvar, Mutex, MutexGuard};
use crate::base::panics;
use crate::base::panics::Panicked;
use crate::quota::calls_by_tenant::CallsByTenant;

/// The most threads of one tenant.
const THREADS_OF_A_TENANT: usize = 4;

/// The calls of all tenants. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct FileCalls(Arc<FileCallsShared>);

#[derive(Debug, Default)]
struct FileCallsShared {
    queue: Mutex<FileQueue<Box<dyn Call>>>,
    changed: Condvar,
}

/// A call for a file thread.
pub struct FileCall {
    tenant: usize,
    call: Box<dyn Call>,
}

/// The pending answer of a call. Dropping it cancels the call if it has not begun.
#[derive(Debug)]
pub struct FileAnswer<T>(oneshot::Receiver<T>);

/// A call with any type of answer.
trait Call: Send {
    /// Whether the answer is still wanted.
    fn is_wanted(&self) -> bool;
    fn make(self: Box<Self>);
}

impl std::fmt::Debug for dyn Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Call")
    }
}

struct Typed<T, F> {
    answer: oneshot::Sender<T>,
    work: F,
}

impl<T: Send, F: FnOnce() -> T + Send> Call for Typed<T, F> {
    fn is_wanted(&self) -> bool {
        !self.answer.is_closed()
    }

    fn make(self: Box<Self>) {
        // Fails if the call was cancelled meanwhile, and nobody waits for the answer.
        let _ = self.answer.send((self.work)());
    }
}

/// The calls, and the threads for them.
#[derive(Debug)]
struct FileQueue<T> {
    waiting: CallsByTenant<T>,
    /// The number of calls in progress, by tenant that may make calls.
    under_way: BTreeMap<usize, usize>,
    /// The number of idle threads.
    idle: usize,
    closed: bool,
}

impl FileCalls {
    /// Sets the tenants that may make calls.
    pub fn admit(&self, tenants: impl IntoIterator<Item = usize>) {
        let mut queue = self.lock();
        for tenant in tenants {
            queue.under_way.entry(tenant).or_insert(0);
        }
    }

    /// Queues a call of a tenant.
    pub fn add<T: Send + 'static>(
        &self,
        tenant: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> FileAnswer<T> {
        let (answer, receiver) = oneshot::channel();
        let call: Box<dyn Call> = Box::new(Typed { answer, work });
        let mut queue = self.lock();
        // The threads have ended, so the call would never be made.
        let given_up = if queue.closed {
            VecDeque::from([call])
        } else {
            queue.waiting.add(tenant, call, |call| call.is_wanted())
        };
        drop(queue);
        // Dropped after the lock is released: this may release resources.
        drop(given_up);
        self.0.changed.notify_one();
        FileAnswer(receiver)
    }

    /// Waits for the next call. None when the host ends.
    pub fn next(&self) -> Option<FileCall> {
        let mut queue = self.lock();
        queue.idle += 1;
        loop {
            if queue.closed {
                return None;
            }
            if let Some((tenant, call)) = queue.take() {
                return Some(FileCall { tenant, call });
            }
            self.0.changed.wait(&mut queue);
        }
    }

    /// Makes a call, which may block. A cancelled one is dropped.
    pub fn make(&self, call: FileCall) {
        let FileCall { tenant, call } = call;
        let made = panics::catch(|| {
            if call.is_wanted() {
                call.make();
            }
        });
        if let Err(panicked) = made {
            // The answer becomes an error.
            let Panicked { thread, cause } = &panicked;
            tracing::error!(thread, cause, "a call into a file system panicked");
            panics::survive(&panicked);
        }
        self.lock().returned(tenant);
        // A call of this tenant may be next, on any thread.
        self.0.changed.notify_all();
    }

    /// Whether no call waits or is in progress; then all answers are there.
    pub fn is_idle(&self) -> bool {
        let queue = self.lock();
        queue.waiting.is_empty() && queue.under_way.values().all(|count| *count == 0)
    }

    /// Closes the queue: no more calls are made.
    pub fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        let left = std::mem::take(&mut queue.waiting);
        drop(queue);
        // Dropped after the lock is released: this may release resources.
        drop(left);
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, FileQueue<Box<dyn Call>>> {
        self.0.queue.lock()
    }
}

impl<T> FileAnswer<T> {
    /// The answer, if it is ready.
    ///
    /// # Errors
    /// When the call has panicked or the host ends.
    pub fn try_take(&mut self) -> Option<io::Result<T>> {
        match self.0.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(never())),
        }
    }
}

impl<T> Future for FileAnswer<T> {
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        Pin::new(&mut self.0).poll(context).map(|received| received.map_err(|_| never()))
    }
}

/// The error of a call that has panicked, or was dropped at the end of the host.
fn never() -> io::Error {
    io::Error::other("the call was not made")
}

impl<T> Default for FileQueue<T> {
    fn default() -> FileQueue<T> {
        let (waiting, under_way) = (CallsByTenant::default(), BTreeMap::new());
        FileQueue { waiting, under_way, idle: 0, closed: false }
    }
}

impl<T> FileQueue<T> {
    fn take(&mut self) -> Option<(usize, T)> {
        let (under_way, idle) = (&self.under_way, self.idle);
        let (tenant, call) = self.waiting.take(|tenant, _| may(under_way, idle, tenant))?;
        *self.under_way.entry(tenant).or_default() += 1;
        self.idle = self.idle.saturating_sub(1);
        Some((tenant, call))
    }

    /// A call of a tenant has returned.
    fn returned(&mut self, tenant: usize) {
        if let Some(count) = self.under_way.get_mut(&tenant) {
            *count = count.saturating_sub(1);
        }
    }
}

/// Whether a tenant may use another thread: the first one always, further ones if every other tenant can still get its first.
fn may(under_way: &BTreeMap<usize, usize>, idle: usize, tenant: usize) -> bool {
    let has = under_way.get(&tenant).copied().unwrap_or(0);
    let without = under_way.values().filter(|count| **count == 0).count();
    has == 0 || has < THREADS_OF_A_TENANT && without < idle
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue with `threads` threads for these tenants.
    fn queue(threads: usize, tenants: &[usize]) -> FileQueue<&'static str> {
        let under_way = tenants.iter().map(|tenant| (*tenant, 0)).collect();
        FileQueue { under_way, idle: threads, ..FileQueue::default() }
    }

    #[test]
    fn every_tenant_has_a_thread_however_many_are_stuck() {
        // The number of tenants, and the threads besides one for each.
        for (tenants, spare) in [(1, 0), (2, 0), (2, 3), (5, 3), (40, 3)] {
            let all: Vec<usize> = (0..tenants).collect();
            let mut queue = queue(tenants + spare, &all);
            for round in 0..10 {
                for tenant in &all[1..] {
                    queue.waiting.add(*tenant, "stuck for ever", |_| true);
                }
                while queue.take().is_some() {}
                assert!(
                    may(&queue.under_way, queue.idle, 0) && 0 < queue.idle,
                    "{tenants} + {spare}, round {round}"
                );
            }
            queue.waiting.add(0, "first", |_| true);
            assert_eq!(queue.take(), Some((0, "first")), "{tenants} + {spare}");
        }
    }

    #[test]
    fn who_is_alone_has_several_threads_but_not_all() {
        let mut queue = queue(8, &[0]);
        for _ in 0..8 {
            queue.waiting.add(0, "call", |_| true);
        }
        let taken = std::iter::from_fn(|| queue.take()).count();
        assert_eq!(taken, THREADS_OF_A_TENANT);
        queue.returned(0);
        assert!(queue.take().is_some());
    }

    #[test]
    fn a_call_that_was_given_up_is_not_made_and_a_panic_is_an_error() {
        let calls = FileCalls::default();
        calls.admit([0]);
        drop(calls.add(0, || unreachable!("nobody waits for it")));
        let mut panics = calls.add(0, || panic!("as a dependency might"));
        let mut answer = calls.add(0, || 7);
        for _ in 0..3 {
            let call = calls.next().expect("it is open");
            calls.make(call);
        }
        assert!(matches!(panics.try_take(), Some(Err(_))));
        assert!(matches!(answer.try_take(), Some(Ok(7))));
        calls.close();
        assert!(calls.next().is_none());
        assert!(matches!(calls.add(0, || 7).try_take(), Some(Err(_))));
    }
}
