//! The reactor's entry of an instance.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::base::cancel::CancelToken;
use crate::clock::{Clock, Moment};
use crate::engine::call::Seat;
use crate::engine::sandbox::Sandbox;
use crate::plugin::Plugin;
use crate::quota::instances::{InstanceSlot, QuotaExceeded};
use crate::quota::term::Term;
use crate::reactor::UNITS_PER_PHASE;
use crate::reactor::table::asked::Asked;
use crate::reactor::table::deadline::DeadlineKey;
use crate::reactor::table::instance_queue::{InstanceQueue, QueueItem};
use crate::reactor::table::process::Role;
use crate::reactor::table::watches::Watch;
use crate::workers::slow_call::SlowCall;

pub(crate) enum InstanceState {
    /// It waits for events.
    Idle(Seat),
    /// It is in a callback in the slow lane.
    Away(Arc<SlowCall>),
    /// It is in a callback on the carrier.
    Entered,
}

/// The reactor's entry of an instance.
pub(crate) struct Instance {
    pub plugin: Arc<Plugin>,
    pub state: InstanceState,
    /// The commands of its last callback, until they are applied; meanwhile it gets no event.
    pub asked: Option<Box<Asked>>,
    queue: InstanceQueue,
    /// The number of commands and events of this turn.
    pub in_turn: InTurn,
    /// Its connections; each entry has its position here.
    pub connections: Vec<ConnectionId>,
    /// The number of those that it has not opened itself.
    pub accepted: usize,
    /// Set if its version is not served any more: the drain deadline of its connections.
    pub retires: Option<Moment>,
    /// Connections with input that wait until it, or its tenant, may read.
    pub stalled: Vec<ConnectionId>,
    /// The lists that it is in.
    pub waits: Waits,
    /// While its downstream is full: the deadline of the next read.
    pub reprieve: Option<DeadlineKey>,
    /// Whether that has passed, so that one read is allowed.
    pub is_reprieved: bool,
    pub timers: HashMap<u32, GuestTimer>,
    /// Its watches, by its ids.
    pub watches: HashMap<u32, Watch>,
    /// The number of outgoing connections that are pending.
    pub pending_connects: u32,
    /// The slots of its listeners, by their ids.
    pub listeners: HashMap<u32, usize>,
    /// Set if it is a process.
    pub role: Option<Role>,
    /// Processes that it has spawned.
    pub children: HashSet<InstanceId>,
    /// Its slot of the instance quota.
    pub slot: InstanceSlot,
    /// Cancels its call.
    pub cancel: CancelToken,
    /// The deadline at which a call in the slow lane is given up.
    pub overdue: Option<DeadlineKey>,
    pub started: bool,
    /// Connections that are being drained and wait until it is idle.
    pub held: Vec<ConnectionId>,
    /// The cached answer of [`Instance::awaits_something`] for a time, valid until it is entered again.
    pub awaits: Option<(Moment, bool)>,
    /// When its last call was due and when it began, if measurements are kept.
    pub measured_from: (Moment, Moment),
    /// Whether it is about to end, so that it is not entered again.
    pub is_ending: bool,
    /// The term in which it runs, if it is of a singleton.
    pub term: Option<Arc<Term>>,
}

/// The lists that an instance is in, each at most once.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Waits {
    /// Its events wait for CPU time or for the next turn.
    pub events: bool,
    /// Its connections wait until the tenant may read.
    pub reading: bool,
    /// Its connections wait until its downstream has room.
    pub room: bool,
}

/// The number of commands and events of one instance in a turn.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct InTurn {
    turn: u64,
    done: usize,
}

impl InTurn {
    /// Counts `done` more in this turn.
    pub(crate) fn count(&mut self, turn: u64, done: usize) {
        self.done = self.done_in(turn) + done;
        self.turn = turn;
    }

    /// Whether the bound of this turn is reached.
    pub(crate) fn is_full(&self, turn: u64) -> bool {
        UNITS_PER_PHASE <= self.done_in(turn)
    }

    fn done_in(&self, turn: u64) -> usize {
        if self.turn == turn { self.done } else { 0 }
    }
}

pub(crate) struct GuestTimer {
    pub key: Option<DeadlineKey>,
    pub every: Option<Duration>,
}

/// Why no instance can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// The instance quota of the host or the tenant is used up.
    NoRoom(QuotaExceeded),
    /// The plugin is quarantined.
    Quarantined,
    /// The plugin is not served any more.
    Gone,
}

impl Instance {
    pub(crate) fn new(plugin: Arc<Plugin>, seat: Seat, slot: InstanceSlot) -> Instance {
        Instance {
            cancel: seat.cancel_token().clone(),
            plugin,
            state: InstanceState::Idle(seat),
            asked: None,
            queue: InstanceQueue::default(),
            in_turn: InTurn::default(),
            connections: Vec::new(),
            accepted: 0,
            retires: None,
            stalled: Vec::new(),
            waits: Waits::default(),
            reprieve: None,
            is_reprieved: false,
            timers: HashMap::new(),
            watches: HashMap::new(),
            pending_connects: 0,
            listeners: HashMap::new(),
            role: None,
            children: HashSet::new(),
            slot,
            overdue: None,
            started: false,
            held: Vec::new(),
            awaits: None,
            measured_from: (Moment::default(), Moment::default()),
            is_ending: false,
            term: None,
        }
    }

    /// Runs it in a term, whose number the guest can query. To be called before its first event.
    pub(crate) fn run_in(&mut self, term: Arc<Term>) {
        if let InstanceState::Idle(Seat::Empty(_, state)) = &mut self.state {
            state.fencing = Some(term.fencing);
        }
        self.term = Some(term);
    }

    /// Whether its term is over, so that it is not entered again.
    pub(crate) fn has_lapsed(&self, clock: &Clock) -> bool {
        self.term.as_ref().is_some_and(|term| term.lapses() <= clock.now())
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, InstanceState::Idle(_)) && self.asked.is_none() && !self.is_ending
    }

    /// Whether its downstream is nearly full; if so, `waker` is called when there is room.
    pub(crate) fn awaits_room(&self, waker: &Waker) -> bool {
        self.sandbox().is_some_and(|sandbox| sandbox.store.data().awaits_room(waker))
    }

    /// Appends to its queue.
    pub(crate) fn push(&mut self, item: QueueItem) {
        self.queue.push(item);
    }

    /// Takes the next item of its queue.
    pub(crate) fn pop(&mut self) -> Option<QueueItem> {
        self.queue.pop()
    }

    /// The length of its queue.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether it is in no call and has no events and commands.
    pub(crate) fn is_quiet(&self) -> bool {
        self.is_idle() && self.queue.is_empty()
    }

    /// Whether it waits for something that may come before `until`: a connect, the result of deferred work, a one-shot timer.
    /// A periodic timer does not count, since it never ends.
    pub(crate) fn awaits_something(&mut self, until: Moment) -> bool {
        if let Some((then, known)) = self.awaits
            && then == until
        {
            return known;
        }
        let is_due = |timer: &GuestTimer| {
            timer.every.is_none() && timer.key.is_none_or(|key| key.deadline() <= until)
        };
        let awaits = 0 < self.pending_connects
            || self.sandbox().is_some_and(|sandbox| 0 < sandbox.store.data().jobs.len())
            || self.timers.values().any(is_due);
        self.awaits = Some((until, awaits));
        awaits
    }

    /// Whether `lifecycle.start` has been delivered.
    pub(crate) fn has_started(&self) -> bool {
        self.started
    }

    /// Whether it has started or is about to: then it is told of its end, too.
    pub(crate) fn is_program(&self) -> bool {
        self.started || self.queue.has_start()
    }

    /// Its sandbox, if it is idle and has one.
    pub(crate) fn sandbox(&self) -> Option<&Sandbox> {
        match &self.state {
            InstanceState::Idle(Seat::Ready(sandbox)) => Some(sandbox),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn sandbox_mut(&mut self) -> Option<&mut Sandbox> {
        match &mut self.state {
            InstanceState::Idle(Seat::Ready(sandbox)) => Some(sandbox),
            _ => None,
        }
    }
}
