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

/// What waits of one tenant.
#[derive(Debug, Default)]
pub(in crate::reactor) struct TenantWaits {
    /// Instances with events, until there is CPU time.
    pub(in crate::reactor) cpu: RateWait<Vec<InstanceId>>,
    /// Instances with connections to read, until there is CPU time or something may be read.
    pub(in crate::reactor) reading: RateWait<Vec<InstanceId>>,
    /// Connections with output, until something may be written.
    pub(in crate::reactor) writing: RateWait<Vec<ConnectionId>>,
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
