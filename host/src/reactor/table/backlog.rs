//! The backlog: work that waits for a rate or for room, and not for the poll.

use std::collections::VecDeque;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::reactor::table::deadline::DeadlineKey;

/// Whether a connection may have input, and which list holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::reactor) enum ReadState {
    /// No input is known; the poll reports it.
    #[default]
    Quiet,
    /// There may be input, and no list holds it.
    Readable,
    /// On the agenda of the next phase of the sockets.
    Ready,
    /// In its instance's queue, behind other events.
    QueuedBehindEvents,
    /// In its instance's list: the instance or its tenant may not read now.
    Stalled,
}

impl ReadState {
    /// Whether a list holds it.
    pub(in crate::reactor) fn is_listed(self) -> bool {
        !matches!(self, ReadState::Quiet | ReadState::Readable)
    }

    /// The poll reports input.
    pub(in crate::reactor) fn found(&mut self) {
        if *self == ReadState::Quiet {
            *self = ReadState::Readable;
        }
    }
}

/// The rates of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Rate {
    /// CPU time of its handlers.
    Cpu,
    /// Bytes that its connections read.
    Reading,
    /// Bytes that its connections write.
    Writing,
}

/// The work that waits for a rate of a tenant, and the deadline at which that is replenished.
#[derive(Debug)]
pub(in crate::reactor) struct RateWait<T> {
    pub(in crate::reactor) waiting: Vec<T>,
    pub(in crate::reactor) deadline: Option<DeadlineKey>,
}

impl<T> Default for RateWait<T> {
    fn default() -> RateWait<T> {
        RateWait { waiting: Vec::new(), deadline: None }
    }
}

impl<T> RateWait<T> {
    /// Takes everything that has waited, in the order in which it continues. The first in the list goes last: it got the
    /// previous replenishment, and may use up all of this one.
    pub(in crate::reactor) fn take(&mut self) -> Vec<T> {
        self.deadline = None;
        let mut waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            waiting.rotate_left(1);
        }
        waiting
    }
}

/// The waits of one tenant.
#[derive(Debug, Default)]
pub(in crate::reactor) struct TenantWaits {
    /// Instances with events that wait for CPU time.
    pub(in crate::reactor) cpu: RateWait<InstanceId>,
    /// Instances with stalled connections that wait for CPU time or the read rate.
    pub(in crate::reactor) reading: RateWait<InstanceId>,
    /// Connections with output that wait for the write rate.
    pub(in crate::reactor) writing: RateWait<ConnectionId>,
}

/// Everything that waits for a rate or for room.
#[derive(Debug)]
pub(in crate::reactor) struct Backlog {
    /// Instances that are not read because their downstream is full.
    downstream_full: VecDeque<InstanceId>,
    /// How many of them are still to be checked in this round.
    unlooked: usize,
    /// By tenant.
    rates: Vec<TenantWaits>,
}

impl Backlog {
    /// An empty backlog for this number of tenants.
    pub(in crate::reactor) fn new(tenants: usize) -> Backlog {
        let rates = std::iter::repeat_with(TenantWaits::default).take(tenants).collect();
        Backlog { downstream_full: VecDeque::new(), unlooked: 0, rates }
    }

    /// Makes room for at least `tenants` tenants.
    pub(in crate::reactor) fn grow(&mut self, tenants: usize) {
        let tenants = tenants.max(self.rates.len());
        self.rates.resize_with(tenants, TenantWaits::default);
    }

    pub(in crate::reactor) fn wait_for_room(&mut self, id: InstanceId) {
        self.downstream_full.push_back(id);
    }

    /// Takes up to `most` of them: each is checked once, some in each turn, before the next round begins.
    pub(in crate::reactor) fn take_waiting_for_room(&mut self, most: usize) -> Vec<InstanceId> {
        if self.downstream_full.is_empty() {
            return Vec::new();
        }
        if self.unlooked == 0 {
            self.unlooked = self.downstream_full.len();
        }
        let some = self.unlooked.min(most);
        self.unlooked -= some;
        self.downstream_full.drain(..some).collect()
    }

    /// Whether some are still to be checked in this round.
    pub(in crate::reactor) fn has_unlooked(&self) -> bool {
        0 < self.unlooked
    }

    /// The waits of a tenant.
    pub(in crate::reactor) fn of(&mut self, tenant: usize) -> Option<&mut TenantWaits> {
        self.rates.get_mut(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If the first one uses up each replenishment, all are first in turn.
    #[test]
    fn who_wants_all_that_there_is_has_it_in_turn() {
        let mut waits = RateWait { waiting: vec!['a', 'b', 'c'], deadline: None };
        let mut served = Vec::new();
        for _ in 0..6 {
            let order = waits.take();
            served.extend(order.first().copied());
            waits.waiting = order;
        }
        assert_eq!(served, ['b', 'c', 'a', 'b', 'c', 'a']);
        assert!(RateWait::<char>::default().take().is_empty());
    }
}
