//! What the phases of this turn and the next have to do.

use std::collections::VecDeque;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::reactor::table::pending::Pending;

/// What the phases of this turn and the next have to do.
#[derive(Debug, Default)]
pub(in crate::reactor) struct Agenda {
    /// Instances that were told something: each is entered before the phase goes on.
    pub(in crate::reactor) runnable: VecDeque<InstanceId>,
    /// What is begun in the phase after the sockets.
    pub(in crate::reactor) pending: VecDeque<Pending>,
    /// Ticks of guests.
    pub(in crate::reactor) ticks: VecDeque<(InstanceId, u32)>,
    /// Connections that have ended and whose `unbind` is due.
    pub(in crate::reactor) unbinds: VecDeque<ConnectionId>,
}

impl Agenda {
    pub(in crate::reactor) fn is_empty(&self) -> bool {
        self.runnable.is_empty()
            && self.pending.is_empty()
            && self.ticks.is_empty()
            && self.unbinds.is_empty()
    }
}
