//! The slow lane runs calls that have exceeded their first slice, so that a reactor is held for first slices only.
//!
//! A call continues on the thread that has entered the guest, with a low priority. Calls that begin in the lane are run by
//! the lane's threads. All return to their reactors as mail. Calls that compute take turns by tenant (`turnstile`); each
//! tenant has at most `slow_calls` calls in progress, and the others wait to begin.

mod queue;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::base::lock::{Condvar, Mutex, MutexGuard};
use crate::base::thread::lower_priority;
use crate::clock::{Clock, Moment};
use crate::config::limits;
use crate::engine::call::Seat;
use crate::engine::event::Event;
use crate::engine::ticker::Activity;
use crate::plugin::shared::HostShared;
use crate::plugin::tenant::Tenant;
use crate::quota::semaphore::Permit;
use crate::workers::LONGEST_END;
use crate::workers::slow_call::{CallOf, SlowCall};
use crate::workers::slow_lane::queue::{LaneCall, LaneQueue};
use crate::workers::turnstile::{CPU_WAIT_MAX, Turnstile};

/// The lane. Clones share it.
#[derive(Debug, Clone)]
pub struct SlowLane(Arc<SlowLaneShared>);

/// The lane's threads. Dropping it cancels the calls in progress, drops those that wait, and waits up to
/// `LONGEST_END` for the threads.
#[derive(Debug)]
pub struct SlowLaneThreads(SlowLane);

#[derive(Debug)]
struct SlowLaneShared {
    queue: Mutex<LaneQueue<SlowCall>>,
    changed: Condvar,
    turnstile: Turnstile,
    clock: Clock,
    activity: Activity,
    /// The most threads that wait for calls.
    kept: usize,
    names: AtomicUsize,
}

impl SlowLaneThreads {
    /// Starts the threads that always exist.
    ///
    /// # Errors
    /// When the operating system has no more threads.
    pub fn spawn(lane: &SlowLane) -> io::Result<SlowLaneThreads> {
        let threads = SlowLaneThreads(lane.clone());
        for _ in 0..lane.0.kept {
            lane.start()?;
        }
        Ok(threads)
    }
}

impl Drop for SlowLaneThreads {
    fn drop(&mut self) {
        let shared = &self.0.0;
        let (unstarted, under_way) = self.0.lock().close();
        shared.changed.notify_all();
        drop(unstarted);
        under_way.iter().for_each(|call| call.cancel());
        drop(under_way);
        let has_threads = |queue: &mut LaneQueue<SlowCall>| 0 < queue.threads;
        let mut queue = self.0.lock();
        let waited = shared.changed.wait_while_for(&mut queue, has_threads, LONGEST_END);
        drop(queue);
        if waited.timed_out() {
            // A thread that hangs in a host function ends with the process.
            tracing::warn!("the slow lane is still busy: left");
        }
    }
}

impl SlowLane {
    /// A lane without threads, in which at most `turns` calls compute at once.
    pub fn new(
        turns: usize,
        clock: &Clock,
        host: &Arc<HostShared>,
        activity: Activity,
    ) -> SlowLane {
        SlowLane(Arc::new(SlowLaneShared {
            queue: Mutex::default(),
            changed: Condvar::new(),
            turnstile: Turnstile::new(turns, clock, host.clone()),
            clock: clock.for_reactor(),
            activity,
            kept: turns,
            names: AtomicUsize::new(0),
        }))
    }

    /// Queues a call that begins in the lane.
    pub fn take(&self, of: CallOf, seat: Seat, event: Event) -> Arc<SlowCall> {
        let call = Arc::new(SlowCall::new(of, Some((seat, event)), self.clone()));
        let plugin = call.plugin();
        let waits = !plugin.tenant.slow_calls.has_permits();
        let mut queue = self.lock();
        let given_up = queue.add(call.clone());
        let lacks_thread = !waits && queue.idle == 0;
        drop(queue);
        drop(given_up);
        if waits {
            plugin.at_limit(self.now(), &limits::SLOW_CALLS, || None);
        }
        if lacks_thread && let Err(error) = self.start() {
            // It begins when a running thread is free.
            tracing::debug!(%error, "no more threads for the slow lane");
        }
        self.0.changed.notify_one();
        call
    }

    /// Takes over a call in progress, which its own thread continues.
    pub fn adopt(&self, of: CallOf) -> Arc<SlowCall> {
        let call = Arc::new(SlowCall::new(of, None, self.clone()));
        self.lock().begins(call.clone());
        call
    }

    fn start(&self) -> io::Result<()> {
        self.lock().threads += 1;
        let number = self.0.names.fetch_add(1, Ordering::Relaxed);
        let lane = self.clone();
        // Not joined: a thread that hangs must not delay the end of the host.
        let started = std::thread::Builder::new()
            .name(format!("slow-lane-{number}"))
            .spawn(move || lane.drive());
        if started.is_err() {
            self.lock().threads -= 1;
        }
        started.map(drop)
    }

    fn drive(&self) {
        let _counted = Counted(self);
        if let Err(error) = lower_priority() {
            tracing::warn!(%error, "the slow lane keeps the priority of the reactors");
        }
        while let Some(call) = self.next() {
            call.make();
        }
    }

    /// Waits for the next call that may begin; none if this thread is superfluous.
    fn next(&self) -> Option<Arc<SlowCall>> {
        let mut queue = self.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            if let Some(call) = queue.take(|tenant| self.0.turnstile.may_run(tenant)) {
                return Some(call);
            }
            let something_waits = queue.something_may_start();
            if self.0.kept <= queue.idle {
                return None;
            }
            queue.idle += 1;
            let changed = &self.0.changed;
            if something_waits {
                // There is no notification when a tenant has CPU time again.
                changed.wait_for(&mut queue, CPU_WAIT_MAX);
            } else {
                changed.wait(&mut queue);
            }
            queue.idle -= 1;
        }
    }

    /// Removes a call that has ended: another one of its tenant may begin.
    pub(super) fn ended(&self, call: &SlowCall) {
        let mut queue = self.lock();
        let removed = queue.ended(call);
        let may_start = queue.idle == 0 && queue.something_may_start() && !queue.is_closed;
        let lacks_thread = may_start && !call.comes_back_to_the_lane();
        drop(queue);
        drop(removed);
        if lacks_thread && let Err(error) = self.start() {
            tracing::debug!(%error, "no more threads for the slow lane");
        }
        self.0.changed.notify_one();
    }

    pub(super) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.0.activity
    }

    pub(super) fn turnstile(&self) -> &Turnstile {
        &self.0.turnstile
    }

    fn lock(&self) -> MutexGuard<'_, LaneQueue<SlowCall>> {
        self.0.queue.lock()
    }
}

impl LaneCall for SlowCall {
    fn tenant(&self) -> &Tenant {
        &self.plugin().tenant
    }

    fn is_wanted(&self) -> bool {
        SlowCall::is_wanted(self)
    }

    fn begins(&self, permit: Option<Permit>) {
        SlowCall::begins(self, permit);
    }
}

/// Counts a thread of the lane until it is dropped.
struct Counted<'a>(&'a SlowLane);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.0.changed.notify_all();
    }
}
