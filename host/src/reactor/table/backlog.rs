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
#[derive(Debug, Default)]
pub(in crate::reactor) struct RateWait<W> {
    pub(in crate::reactor) waiting: W,
    pub(in crate::reactor) deadline: Option<DeadlineKey>,
}

/// Instances whose events wait. One that has events without end is behind those of its tenant that had none of the last turn.
#[derive(Debug, Default)]
pub(in crate::reactor) struct WaitingLine {
    unserved: Vec<InstanceId>,
    served: Vec<InstanceId>,
}

impl WaitingLine {
    /// Adds one, which was served since it waited last or was not.
    pub(in crate::reactor) fn push(&mut self, id: InstanceId, is_served: bool) {
        let waiting = if is_served { &mut self.served } else { &mut self.unserved };
        waiting.push(id);
    }

    /// All of them, in the order in which they have their turn.
    pub(in crate::reactor) fn take(&mut self) -> impl Iterator<Item = InstanceId> + use<> {
        let WaitingLine { unserved, served } = std::mem::take(self);
        unserved.into_iter().chain(served)
    }

    fn is_empty(&self) -> bool {
        self.unserved.is_empty() && self.served.is_empty()
    }
}

/// What waits of one tenant.
#[derive(Debug, Default)]
pub(in crate::reactor) struct TenantWaits {
    /// Instances with events, until there is CPU time.
    pub(in crate::reactor) cpu: RateWait<WaitingLine>,
    /// Instances with connections to read, until there is CPU time or something may be read.
    pub(in crate::reactor) reading: RateWait<Vec<InstanceId>>,
    /// Connections with output, until something may be written.
    pub(in crate::reactor) writing: RateWait<Vec<ConnectionId>>,
}

/// What waits for the next turn, for a deadline, or for room.
#[derive(Debug)]
pub(in crate::reactor) struct Backlog {
    /// Instances with events, whose tenants have had their share of this turn.
    pub(in crate::reactor) next_turn: WaitingLine,
    /// Instances that are not read because what they fill is full.
    downstream_full: Vec<InstanceId>,
    /// By tenant.
    rates: Vec<TenantWaits>,
}

impl Backlog {
    /// An empty one, for that many tenants.
    pub(in crate::reactor) fn new(tenants: usize) -> Backlog {
        let rates = std::iter::repeat_with(TenantWaits::default).take(tenants).collect();
        Backlog { next_turn: WaitingLine::default(), downstream_full: Vec::new(), rates }
    }

    /// Whether something in it needs nothing but the next turn.
    pub(in crate::reactor) fn is_due(&self) -> bool {
        !self.next_turn.is_empty()
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
    use crate::base::arena::Arena;

    /// Where each turn serves one only, all are served one after the other.
    #[test]
    fn who_was_served_waits_behind_those_that_were_not() {
        let mut arena = Arena::new();
        let ids: Vec<InstanceId> = (0..4).map(|it| arena.insert(it)).collect();
        let mut line = WaitingLine::default();
        ids.iter().for_each(|id| line.push(*id, false));
        let mut served = Vec::new();
        for _ in 0..8 {
            for (place, id) in line.take().enumerate() {
                served.extend((place == 0).then_some(id));
                line.push(id, place == 0);
            }
        }
        assert!(!line.is_empty());
        assert_eq!(served, [&ids[..], &ids[..]].concat());
    }
}
