//! The slow lane: a handler that has outlived its slice goes on here, on threads of a lower priority, so that a reactor
//! pays for first slices only.
//!
//! What goes on is a `SlowCall`: a call, which owns its sandbox, so that nobody else can touch the guest meanwhile. It comes
//! back to its reactor as mail when it has ended. Tenants take turns, one slice each.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::thread::{Threads, lower_priority};
use crate::clock::{Clock, Moment};
use crate::engine::ticker::Activity;
use crate::workers::LONGEST_END;
use crate::workers::slow_call::{SlowCall, Start};

/// How often it is looked whether a tenant has CPU time again.
const CPU_WAIT: Duration = Duration::from_millis(1);

/// Where reactors send calls. Clones are the same lane.
#[derive(Debug, Clone)]
pub struct SlowLane(Arc<SlowLaneShared>);

/// The lane's threads. Dropping it drops the calls that wait and waits a little for the threads to end.
#[derive(Debug)]
pub struct SlowLaneThreads {
    lane: SlowLane,
    threads: Threads,
}

#[derive(Debug)]
struct SlowLaneShared {
    waiting: Mutex<WaitingCall>,
    changed: Condvar,
    clock: Clock,
    activity: Activity,
    slice: Duration,
}

/// Calls that can go on.
#[derive(Debug, Default)]
struct WaitingCall {
    /// The tenants that have some, the one whose turn it is in front.
    tenants: VecDeque<(usize, VecDeque<Arc<SlowCall>>)>,
    closed: bool,
}

impl SlowLaneThreads {
    /// Starts so many threads. Guests that sleep through WASI wait on `runtime`.
    ///
    /// # Errors
    /// When the operating system has no more threads.
    pub fn spawn(
        count: usize,
        lane: &SlowLane,
        runtime: &tokio::runtime::Handle,
    ) -> io::Result<SlowLaneThreads> {
        let mut threads = SlowLaneThreads { lane: lane.clone(), threads: Threads::new() };
        for index in 0..count {
            let (lane, runtime) = (lane.clone(), runtime.clone());
            let name = format!("slow-lane-{index}");
            threads.threads.spawn(name, move || {
                let _guard = runtime.enter();
                lane.drive();
            })?;
        }
        Ok(threads)
    }
}

impl Drop for SlowLaneThreads {
    fn drop(&mut self) {
        let mut waiting = self.lane.lock();
        waiting.closed = true;
        let left = std::mem::take(&mut waiting.tenants);
        drop(waiting);
        self.lane.0.changed.notify_all();
        drop(left);
        if !std::mem::take(&mut self.threads).join_within(LONGEST_END) {
            tracing::warn!("the slow lane is still busy: left");
        }
    }
}

impl SlowLane {
    /// A lane without threads.
    pub fn new(clock: &Clock, activity: Activity, slice: Duration) -> SlowLane {
        let clock = clock.for_reactor();
        let (waiting, changed) = (Mutex::default(), Condvar::new());
        SlowLane(Arc::new(SlowLaneShared { waiting, changed, clock, activity, slice }))
    }

    /// Takes a call that can go on.
    pub fn take(&self, start: Start) -> Arc<SlowCall> {
        let slow_call = Arc::new(SlowCall::new(start, self.clone()));
        self.push(slow_call.clone());
        slow_call
    }

    pub(super) fn now(&self) -> Moment {
        self.0.clock.now()
    }

    pub(super) fn push(&self, slow_call: Arc<SlowCall>) {
        let mut waiting = self.lock();
        if waiting.closed {
            return;
        }
        let tenant = slow_call.plugin().tenant.index;
        match waiting.tenants.iter_mut().find(|(known, _)| *known == tenant) {
            Some((_, rides)) => rides.push_back(slow_call),
            None => waiting.tenants.push_back((tenant, VecDeque::from([slow_call]))),
        }
        drop(waiting);
        self.0.changed.notify_one();
    }

    fn drive(&self) {
        if let Err(error) = lower_priority() {
            tracing::warn!(%error, "the slow lane keeps the priority of the reactors");
        }
        while let Some(slow_call) = self.next() {
            let _entered = self.0.activity.enter();
            SlowCall::go_on(&slow_call, self.0.slice);
        }
    }

    /// The next call whose tenant has CPU time; waits for it. None when the host ends.
    fn next(&self) -> Option<Arc<SlowCall>> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(slow_call) = waiting.take(&self.0.clock) {
                return Some(slow_call);
            }
            let changed = &self.0.changed;
            waiting = if waiting.tenants.is_empty() {
                changed.wait(waiting).unwrap_or_else(PoisonError::into_inner)
            } else {
                // Nothing tells when a tenant has CPU time again.
                changed.wait_timeout(waiting, CPU_WAIT).unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, WaitingCall> {
        // Each change is whole before anything can panic.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WaitingCall {
    fn take(&mut self, clock: &Clock) -> Option<Arc<SlowCall>> {
        let may_run = |(_, rides): &(usize, VecDeque<Arc<SlowCall>>)| {
            rides.front().is_none_or(|slow_call| !slow_call.plugin().tenant.must_wait(clock))
        };
        let place = self.tenants.iter().position(may_run)?;
        let (tenant, mut rides) = self.tenants.remove(place)?;
        let next = rides.pop_front();
        if !rides.is_empty() {
            self.tenants.push_back((tenant, rides));
        }
        next
    }
}
