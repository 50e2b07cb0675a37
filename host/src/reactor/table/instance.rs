//! One sandbox of a plugin, as its reactor sees it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::base::cancel::CancelToken;
use crate::clock::Moment;
use crate::engine::call::Seat;
use crate::engine::sandbox::Sandbox;
use crate::plugin::Plugin;
use crate::quota::instances::{InstanceSlot, QuotaExceeded};
use crate::reactor::UNITS_PER_PHASE;
use crate::reactor::table::asked::Asked;
use crate::reactor::table::deadline::DeadlineKey;
use crate::reactor::table::instance_queue::{InstanceQueue, QueueItem};
use crate::reactor::table::process::Role;
use crate::reactor::table::watches::Watch;
use crate::workers::slow_call::SlowCall;

pub enum InstanceState {
    /// Waits for events.
    Idle(Seat),
    /// In the middle of a callback, in the slow lane.
    Away(Arc<SlowCall>),
    /// Being polled right now, further up this stack.
    Entered,
}

/// One sandbox of a plugin, as its reactor sees it.
pub struct Instance {
    pub plugin: Arc<Plugin>,
    pub state: InstanceState,
    /// What its last callback has asked for, while that is not done; until then it is told nothing.
    pub asked: Option<Box<Asked>>,
    queue: InstanceQueue,
    /// What this turn has done of both.
    pub in_turn: InTurn,
    /// Its connections; each knows its place here.
    pub connections: Vec<ConnectionId>,
    /// Connections that have something to read and wait until it, or its tenant, may take more.
    pub stalled: Vec<ConnectionId>,
    /// The lists that it is in until it may go on.
    pub waits: Waits,
    /// While it is not read because what it fills is full: when it is read all the same.
    pub reprieve: Option<DeadlineKey>,
    /// Whether that has come, so that one read is due.
    pub is_reprieved: bool,
    pub timers: HashMap<u32, GuestTimer>,
    /// Files that it watches, by its own numbers.
    pub watches: HashMap<u32, Watch>,
    /// Outgoing connections that were asked for and not begun.
    pub pending_connects: u32,
    /// The places of its listeners, by their ids.
    pub listeners: HashMap<u32, usize>,
    /// What makes it a process, if it is one.
    pub role: Option<Role>,
    /// Processes that it has spawned.
    pub children: HashSet<InstanceId>,
    /// Its place among the instances of the host.
    pub slot: InstanceSlot,
    /// Ends the call that it is in.
    pub cancel: CancelToken,
    /// When a call that went into the slow lane has taken too long.
    pub overdue: Option<DeadlineKey>,
    pub started: bool,
    /// Connections that are being drained and wait until it is quiet.
    pub held: Vec<ConnectionId>,
    /// Whether it waits for something until then, if that is known and it has not been entered since.
    pub awaits: Option<(Moment, bool)>,
    /// When its last call was due and when it began, where somebody watches.
    pub measured_from: (Moment, Moment),
    /// Whether its end is decided, so that it is not entered any more.
    pub is_ending: bool,
}

/// The lists that an instance is in, each once.
#[derive(Debug, Default, Clone, Copy)]
pub struct Waits {
    /// Its events wait for its tenant's CPU time or its share of the next turn.
    pub events: bool,
    /// Its connections wait until its tenant may read.
    pub reading: bool,
    /// Its connections wait until what it fills has room.
    pub room: bool,
}

/// How much a turn has done for one instance: commands of its callbacks, and events from its queue.
#[derive(Debug, Default, Clone, Copy)]
pub struct InTurn {
    turn: u64,
    done: usize,
}

impl InTurn {
    /// So much more is done in this turn.
    pub fn count(&mut self, turn: u64, done: usize) {
        self.done = self.done_in(turn) + done;
        self.turn = turn;
    }

    /// Whether this turn has done as much as it may.
    pub fn is_full(&self, turn: u64) -> bool {
        UNITS_PER_PHASE <= self.done_in(turn)
    }

    fn done_in(&self, turn: u64) -> usize {
        if self.turn == turn { self.done } else { 0 }
    }
}

pub struct GuestTimer {
    pub key: Option<DeadlineKey>,
    pub every: Option<Duration>,
}

/// Why there is no instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The host, or its tenant, has as many as it may.
    NoRoom(QuotaExceeded),
    /// Its plugin is quarantined.
    Quarantined,
    /// Its plugin is not served any more.
    Gone,
}

impl Instance {
    pub fn new(plugin: Arc<Plugin>, seat: Seat, slot: InstanceSlot) -> Instance {
        Instance {
            cancel: seat.cancel_token().clone(),
            plugin,
            state: InstanceState::Idle(seat),
            asked: None,
            queue: InstanceQueue::default(),
            in_turn: InTurn::default(),
            connections: Vec::new(),
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
        }
    }

    pub fn is_idle(&self) -> bool {
        matches!(self.state, InstanceState::Idle(_)) && self.asked.is_none() && !self.is_ending
    }

    /// Whether what it fills is nearly full; if so, whoever makes room calls `waker`.
    pub fn awaits_room(&self, waker: &Waker) -> bool {
        match &self.state {
            InstanceState::Idle(Seat::Ready(sandbox)) => sandbox.store.data().awaits_room(waker),
            _ => false,
        }
    }

    /// Adds something behind what waits.
    pub fn push(&mut self, item: QueueItem) {
        self.queue.push(item);
    }

    /// Takes what is next.
    pub fn pop(&mut self) -> Option<QueueItem> {
        self.queue.pop()
    }

    /// How much waits.
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is under way and nothing waits.
    pub fn is_quiet(&self) -> bool {
        self.is_idle() && self.queue.is_empty()
    }

    /// Whether it has asked for something that comes before `until`: a connect, the result of deferred work, a timer that fires
    /// once. A periodic timer is for nothing in particular.
    pub fn awaits_something(&mut self, until: Moment) -> bool {
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
    pub fn has_started(&self) -> bool {
        self.started
    }

    pub fn sandbox(&mut self) -> Option<&mut Sandbox> {
        match &mut self.state {
            InstanceState::Idle(Seat::Ready(sandbox)) => Some(sandbox),
            _ => None,
        }
    }
}
