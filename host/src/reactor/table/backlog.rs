//! What waits in a reactor for something other than news from the poll, and for what it waits.

use crate::base::arena::{ConnectionId, InstanceId};
use crate::reactor::table::deadline::DeadlineKey;

/// Whether there is something to read from a connection, and where it waits for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::reactor) enum ReadState {
    /// Nothing is known to be there; the poll tells.
    #[default]
    Quiet,
    /// There may be something, and nobody has it in a list: it is read as soon as it may be.
    Readable,
    /// On the agenda: it is read in the next phase that does.
    Ready,
    /// In its instance's queue, behind other events.
    QueuedBehindEvents,
    /// With its instance, which takes nothing more for now.
    Stalled,
}

impl ReadState {
    /// Whether some list holds it.
    pub(in crate::reactor) fn is_listed(self) -> bool {
        !matches!(self, ReadState::Quiet | ReadState::Readable)
    }

    /// The poll says that there is something.
    pub(in crate::reactor) fn found(&mut self) {
        if *self == ReadState::Quiet {
            *self = ReadState::Readable;
        }
    }
}

/// What of a tenant is bounded by the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Rate {
    /// CPU time of its handlers.
    Cpu,
    /// Bytes that its connections read.
    Reading,
    /// Bytes that its connections write.
    Writing,
}

/// What waits until a tenant may use more, and the deadline at which it may.
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
    /// The tenant may use more: all that has waited, in the order in which it goes on. The one that came first is last: it had
    /// what there was before, and may want all that there is now.
    pub(in crate::reactor) fn take(&mut self) -> Vec<T> {
        self.deadline = None;
        let mut waiting = std::mem::take(&mut self.waiting);
        if !waiting.is_empty() {
            waiting.rotate_left(1);
        }
        waiting
    }
}

/// What waits of one tenant.
#[derive(Debug, Default)]
pub(in crate::reactor) struct TenantWaits {
    /// Instances with events, until there is CPU time.
    pub(in crate::reactor) cpu: RateWait<InstanceId>,
    /// Instances with connections to read, until there is CPU time or something may be read.
    pub(in crate::reactor) reading: RateWait<InstanceId>,
    /// Connections with output, until something may be written.
    pub(in crate::reactor) writing: RateWait<ConnectionId>,
}

/// What waits for a deadline, or for room.
#[derive(Debug)]
pub(in crate::reactor) struct Backlog {
    /// Instances that are not read because what they fill is full.
    downstream_full: Vec<InstanceId>,
    /// By tenant.
    rates: Vec<TenantWaits>,
}

impl Backlog {
    /// An empty one, for that many tenants.
    pub(in crate::reactor) fn new(tenants: usize) -> Backlog {
        let rates = std::iter::repeat_with(TenantWaits::default).take(tenants).collect();
        Backlog { downstream_full: Vec::new(), rates }
    }

    /// There are at least that many tenants from now on.
    pub(in crate::reactor) fn grow(&mut self, tenants: usize) {
        let tenants = tenants.max(self.rates.len());
        self.rates.resize_with(tenants, TenantWaits::default);
    }

    pub(in crate::reactor) fn wait_for_room(&mut self, id: InstanceId) {
        self.downstream_full.push(id);
    }

    pub(in crate::reactor) fn take_waiting_for_room(&mut self) -> Vec<InstanceId> {
        std::mem::take(&mut self.downstream_full)
    }

    /// What waits of a tenant.
    pub(in crate::reactor) fn of(&mut self, tenant: usize) -> Option<&mut TenantWaits> {
        self.rates.get_mut(tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the first has all that there is each time, all are first one after the other.
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
