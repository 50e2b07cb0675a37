//! The agenda: work of the phases of this turn and the next, by tenant.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::mail::post::Mail;
use crate::plugin::Plugin;
use crate::reactor::table::deadline::DeadlineKey;
use crate::reactor::table::leaving::Overstay;
use crate::reactor::table::pending::Pending;
use crate::reactor::table::turn_queue::TurnQueue;

/// The work of the phases of this turn and the next.
#[derive(Debug)]
pub(in crate::reactor) struct Agenda {
    /// Instances with new events, which are entered before the phase continues.
    pub(in crate::reactor) runnable: VecDeque<InstanceId>,
    /// Instances with events or commands that had to wait.
    pub(in crate::reactor) waiting: TurnQueue<InstanceId>,
    /// Instances with stalled connections that may be read now.
    pub(in crate::reactor) stalled: TurnQueue<InstanceId>,
    /// Mail to be dispatched.
    pub(in crate::reactor) mail: TurnQueue<Mail>,
    /// TLS handshakes with a step to do.
    pub(in crate::reactor) handshakes: TurnQueue<ConnectionId>,
    /// Connections with more input than their turn allowed.
    pub(in crate::reactor) reads: TurnQueue<ConnectionId>,
    /// Connections with more output than their turn allowed.
    pub(in crate::reactor) writes: TurnQueue<ConnectionId>,
    /// Actions of the phase after the sockets.
    pub(in crate::reactor) pending: TurnQueue<Pending>,
    /// Ticks of guests.
    pub(in crate::reactor) ticks: TurnQueue<(InstanceId, u32)>,
    /// Processes that end with the instance that spawned them.
    pub(in crate::reactor) ends: TurnQueue<InstanceId>,
    /// Connections of instances that have ended, with their plugins.
    pub(in crate::reactor) abandoned: TurnQueue<(ConnectionId, Arc<Plugin>)>,
    /// Instances and connections of earlier versions whose deadline has passed.
    pub(in crate::reactor) overstays: TurnQueue<Overstay>,
    /// Deadlines of instances that have ended.
    pub(in crate::reactor) cancelled: TurnQueue<Vec<DeadlineKey>>,
    /// Connections that are being drained, with a step to do.
    pub(in crate::reactor) draining: TurnQueue<ConnectionId>,
    /// Connections that have ended and whose `unbind` is due.
    pub(in crate::reactor) unbinds: TurnQueue<ConnectionId>,
}

impl Agenda {
    /// An empty agenda for this number of tenants.
    pub(in crate::reactor) fn new(tenants: usize) -> Agenda {
        Agenda {
            runnable: VecDeque::new(),
            waiting: TurnQueue::new(tenants),
            stalled: TurnQueue::new(tenants),
            mail: TurnQueue::new(tenants),
            handshakes: TurnQueue::new(tenants),
            reads: TurnQueue::new(tenants),
            writes: TurnQueue::new(tenants),
            pending: TurnQueue::new(tenants),
            ticks: TurnQueue::new(tenants),
            ends: TurnQueue::new(tenants),
            abandoned: TurnQueue::new(tenants),
            overstays: TurnQueue::new(tenants),
            cancelled: TurnQueue::new(tenants),
            draining: TurnQueue::new(tenants),
            unbinds: TurnQueue::new(tenants),
        }
    }

    /// Makes room for at least `tenants` tenants.
    pub(in crate::reactor) fn grow(&mut self, tenants: usize) {
        self.waiting.grow(tenants);
        self.stalled.grow(tenants);
        self.mail.grow(tenants);
        self.handshakes.grow(tenants);
        self.reads.grow(tenants);
        self.writes.grow(tenants);
        self.pending.grow(tenants);
        self.ticks.grow(tenants);
        self.ends.grow(tenants);
        self.abandoned.grow(tenants);
        self.draining.grow(tenants);
        self.overstays.grow(tenants);
        self.cancelled.grow(tenants);
        self.unbinds.grow(tenants);
    }

    pub(in crate::reactor) fn is_empty(&self) -> bool {
        self.runnable.is_empty()
            && self.waiting.is_empty()
            && self.stalled.is_empty()
            && self.mail.is_empty()
            && self.handshakes.is_empty()
            && self.reads.is_empty()
            && self.writes.is_empty()
            && self.pending.is_empty()
            && self.ticks.is_empty()
            && self.ends.is_empty()
            && self.abandoned.is_empty()
            && self.overstays.is_empty()
            && self.cancelled.is_empty()
            && self.draining.is_empty()
            && self.unbinds.is_empty()
    }
}
