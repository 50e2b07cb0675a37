//! The calls of the slow lane: those that wait, and those in progress.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::plugin::tenant::Tenant;
use crate::quota::calls_by_tenant::CallsByTenant;
use crate::quota::semaphore::Permit;

/// What the queue needs of a call.
pub(super) trait LaneCall {
    fn tenant(&self) -> &Tenant;
    /// Whether its result is still wanted.
    fn is_wanted(&self) -> bool;
    /// Notes that it is in progress, with a permit of its tenant.
    fn begins(&self, permit: Option<Permit>);
}

#[derive(Debug)]
pub(super) struct LaneQueue<C> {
    waiting: CallsByTenant<Arc<C>>,
    /// Calls in progress, by address.
    under_way: HashMap<usize, Arc<C>>,
    /// The number of threads that wait for calls.
    pub idle: usize,
    /// The number of all threads.
    pub threads: usize,
    pub is_closed: bool,
}

impl<C> Default for LaneQueue<C> {
    fn default() -> LaneQueue<C> {
        LaneQueue {
            waiting: CallsByTenant::default(),
            under_way: HashMap::new(),
            idle: 0,
            threads: 0,
            is_closed: false,
        }
    }
}

impl<C: LaneCall> LaneQueue<C> {
    /// Whether a call may begin as soon as its tenant has CPU time.
    pub(super) fn something_may_start(&self) -> bool {
        self.waiting.any(|_, call| may_start(call))
    }

    /// Adds a call; may return abandoned ones, to be dropped.
    pub(super) fn add(&mut self, call: Arc<C>) -> VecDeque<Arc<C>> {
        if self.is_closed {
            return VecDeque::from([call]);
        }
        let tenant = call.tenant().index;
        self.waiting.add(tenant, call, |call| call.is_wanted())
    }

    /// Takes the next call that may begin now.
    pub(super) fn take(&mut self, may_run: impl Fn(usize) -> bool) -> Option<Arc<C>> {
        let may = |tenant, call: &Arc<C>| may_start(call) && may_run(tenant);
        let (_, call) = self.waiting.take(may)?;
        self.begins(call.clone());
        Some(call)
    }

    /// Adds a call in progress. One that was running before it came to the lane may exceed the bound of its tenant.
    pub(super) fn begins(&mut self, call: Arc<C>) {
        call.begins(call.tenant().slow_calls.try_acquire());
        self.under_way.insert(address(&call), call);
    }

    /// Removes a call that has ended, and returns it to be dropped.
    pub(super) fn ended(&mut self, call: &C) -> Option<Arc<C>> {
        self.under_way.remove(&address(call))
    }

    /// Closes the queue. Returns the calls that wait, and those in progress.
    pub(super) fn close(&mut self) -> (Vec<Arc<C>>, Vec<Arc<C>>) {
        self.is_closed = true;
        let unstarted = std::mem::take(&mut self.waiting).into_calls();
        (unstarted, self.under_way.values().cloned().collect())
    }
}

/// Whether another call of this tenant may begin.
fn may_start<C: LaneCall>(call: &Arc<C>) -> bool {
    call.tenant().slow_calls.has_permits()
}

/// Identifies a call while it exists.
fn address<C>(call: &C) -> usize {
    std::ptr::from_ref(call).addr()
}
