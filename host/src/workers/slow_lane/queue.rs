//! The calls of the slow lane: those that wait, and those in progress.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::plugin::tenant::Tenant;
use crate::quota::semaphore::Permit;

/// The length of a tenant's queue at which abandoned calls are removed.
const LOOK_AT: usize = 16;

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
    /// The tenants with calls that wait, the next one first.
    tenants: VecDeque<(usize, VecDeque<Arc<C>>)>,
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
            tenants: VecDeque::new(),
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
        self.tenants.iter().any(|(_, calls)| may_start(calls))
    }

    /// Adds a call; may return abandoned ones, to be dropped.
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
        // Searching whenever the length has doubled costs O(1) per call.
        if LOOK_AT <= calls.len() && calls.len().is_power_of_two() {
            (*calls, given_up) = calls.drain(..).partition(|call| call.is_wanted());
        }
        calls.push_back(call);
        given_up
    }

    /// Takes the next call that may begin now.
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
        let unstarted = std::mem::take(&mut self.tenants).into_iter().flat_map(|(_, calls)| calls);
        (unstarted.collect(), self.under_way.values().cloned().collect())
    }
}

/// Whether another call of this tenant may begin.
fn may_start<C: LaneCall>(calls: &VecDeque<Arc<C>>) -> bool {
    calls.front().is_some_and(|call| call.tenant().slow_calls.has_permits())
}

/// Identifies a call while it exists.
fn address<C>(call: &C) -> usize {
    std::ptr::from_ref(call).addr()
}
