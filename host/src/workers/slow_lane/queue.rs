//! Which calls wait in the slow lane, and which are under way.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::plugin::tenant::Tenant;
use crate::quota::semaphore::Permit;

/// Calls of a tenant that may wait before those that nobody wants any more are removed.
const LOOK_AT: usize = 16;

/// A call, as the queue needs to know it.
pub(super) trait LaneCall {
    /// Whose it is.
    fn tenant(&self) -> &Tenant;
    /// Whether it is still to be made.
    fn is_wanted(&self) -> bool;
    /// It is under way, with this of its tenant's permits.
    fn begins(&self, permit: Option<Permit>);
}

/// The calls of the lane.
#[derive(Debug)]
pub(super) struct LaneQueue<C> {
    /// The tenants with calls that have not begun, the one whose turn it is in front.
    tenants: VecDeque<(usize, VecDeque<Arc<C>>)>,
    /// Those that are under way, by address.
    under_way: HashMap<usize, Arc<C>>,
    /// Threads that wait for calls.
    pub idle: usize,
    /// All threads.
    pub threads: usize,
    pub is_closed: bool,
}

impl<C> Default for LaneQueue<C> {
    fn default() -> LaneQueue<C> {
        LaneQueue {
            tenants: VecDeque::new(),
            under_way: HashMap::new(),
            idle: 0,
            threads: 0,
            is_closed: false,
        }
    }
}

impl<C: LaneCall> LaneQueue<C> {
    /// Whether one of those that wait may begin, if its tenant has CPU time.
    pub(super) fn something_may_start(&self) -> bool {
        self.tenants.iter().any(|(_, calls)| may_start(calls))
    }

    /// Adds one that waits; those that nobody wants any more may come back.
    pub(super) fn add(&mut self, call: Arc<C>) -> VecDeque<Arc<C>> {
        if self.is_closed {
            return VecDeque::from([call]);
        }
        let tenant = call.tenant().index;
        let Some((_, calls)) = self.tenants.iter_mut().find(|(known, _)| *known == tenant) else {
            self.tenants.push_back((tenant, VecDeque::from([call])));
            return VecDeque::new();
        };
        let mut given_up = VecDeque::new();
        // Looking when the number has doubled costs each call a few looks.
        if LOOK_AT <= calls.len() && calls.len().is_power_of_two() {
            (*calls, given_up) = calls.drain(..).partition(|call| call.is_wanted());
        }
        calls.push_back(call);
        given_up
    }

    /// The next one that begins now.
    pub(super) fn take(&mut self, may_run: impl Fn(usize) -> bool) -> Option<Arc<C>> {
        let may = |(tenant, calls): &(usize, VecDeque<_>)| may_start(calls) && may_run(*tenant);
        let place = self.tenants.iter().position(may)?;
        let (tenant, mut calls) = self.tenants.remove(place)?;
        let call = calls.pop_front()?;
        if !calls.is_empty() {
            self.tenants.push_back((tenant, calls));
        }
        self.begins(call.clone());
        Some(call)
    }

    /// A call is under way in the lane. One that is already has no choice: its tenant may be one over its bound.
    pub(super) fn begins(&mut self, call: Arc<C>) {
        call.begins(call.tenant().slow_calls.try_acquire());
        self.under_way.insert(address(&call), call);
    }

    /// A call of the lane has ended; it comes back to be dropped.
    pub(super) fn ended(&mut self, call: &C) -> Option<Arc<C>> {
        self.under_way.remove(&address(call))
    }

    /// No more calls begin. Those that wait, and those that are under way.
    pub(super) fn close(&mut self) -> (Vec<Arc<C>>, Vec<Arc<C>>) {
        self.is_closed = true;
        let unstarted = std::mem::take(&mut self.tenants).into_iter().flat_map(|(_, calls)| calls);
        (unstarted.collect(), self.under_way.values().cloned().collect())
    }
}

/// Whether another call of these calls' tenant may be under way.
fn may_start<C: LaneCall>(calls: &VecDeque<Arc<C>>) -> bool {
    calls.front().is_some_and(|call| call.tenant().slow_calls.has_permits())
}

/// What tells one call from another while both live.
fn address<C>(call: &C) -> usize {
    std::ptr::from_ref(call).addr()
}
