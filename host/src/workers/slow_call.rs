//! One call in the slow lane: one that has outlived its first slice, or that begins there.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::base::cancel::CancelToken;
use crate::base::thread::lower_priority;
use crate::clock::Moment;
use crate::engine::call::{Finished, Seat, enter, event_budget};
use crate::engine::event::Event;
use crate::host_api::call::Pace;
use crate::mail::post::{Notice, Post};
use crate::plugin::Plugin;
use crate::quota::instances::InstanceSlot;
use crate::quota::semaphore::Permit;
use crate::workers::cpu_account::CpuAccount;
use crate::workers::returns::{Returned, Returns};
use crate::workers::slow_lane::SlowLane;

/// Whose call it is.
pub struct CallOf {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// Ends it.
    pub cancel: CancelToken,
    /// Whose of its reactor's instances it is.
    pub instance: InstanceId,
    /// Its reactor.
    pub post: Post,
    /// Where it goes when it has ended.
    pub returns: Returns,
}

/// A call under way, or one that waits to begin.
pub struct SlowCall {
    state: Mutex<SlowState>,
    of: CallOf,
    lane: SlowLane,
    thread: OfThread,
}

/// What only the thread of a call changes.
#[derive(Debug, Default)]
struct OfThread {
    /// Whether it has one of the lane's turns.
    has_turn: AtomicBool,
    /// Whether it is one of the lane's, which takes the next call when this one has ended.
    is_of_the_lane: AtomicBool,
    /// Whether it has lowered its priority, which it cannot raise again.
    is_low: AtomicBool,
    cpu: CpuAccount,
    /// When it was last seen to go on, in nanoseconds of the lane's clock; 0 while it waits for something.
    seen: AtomicU64,
}

struct SlowState {
    phase: CallPhase,
    /// Until it begins.
    unstarted: Option<(Seat, Event)>,
    /// Given back when a call that nobody wants any more has been dropped.
    room: Option<InstanceSlot>,
    /// Counts it among its tenant's while it is under way.
    permit: Option<Permit>,
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallPhase {
    /// It waits for a thread or has one.
    Wanted,
    /// Nobody wants it any more.
    Abandoned,
    /// It has come to its end.
    Ended,
}

impl SlowCall {
    pub(super) fn new(of: CallOf, unstarted: Option<(Seat, Event)>, lane: SlowLane) -> SlowCall {
        let state = SlowState { phase: CallPhase::Wanted, unstarted, room: None, permit: None };
        SlowCall { state: Mutex::new(state), of, lane, thread: OfThread::default() }
    }

    /// Whose it is.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.of.plugin
    }

    /// How long its thread has been in a host function that is not one of WASI's waits, or without a core.
    pub fn unseen(&self, now: Moment) -> Duration {
        match self.thread.seen.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            seen => now.since(Moment::from_start(Duration::from_nanos(seen))),
        }
    }

    /// Nobody wants it any more: the guest ends where it waits, or at the latest when its slice does, and `room` is given
    /// back then.
    pub fn abandon(&self, room: InstanceSlot) {
        let mut state = self.lock();
        state.phase = CallPhase::Abandoned;
        let unstarted = state.unstarted.take();
        if unstarted.is_none() {
            state.room = Some(room);
            drop(state);
            return self.of.cancel.cancel();
        }
        drop(state);
        // The guest first: whoever gets its place needs its memory.
        drop(unstarted);
        drop(room);
    }

    /// Ends it where it stands, for the end of the host.
    pub(super) fn cancel(&self) {
        self.of.cancel.cancel();
    }

    /// Whether it is still to be made.
    pub(super) fn is_wanted(&self) -> bool {
        self.lock().phase != CallPhase::Abandoned
    }

    /// It is under way, with this of its tenant's permits.
    pub(super) fn begins(&self, permit: Option<Permit>) {
        self.lock().permit = permit;
    }

    /// Makes it, on the thread that calls, which has a low priority, from its begin to its end.
    pub(super) fn make(self: &Arc<SlowCall>) {
        self.thread.is_of_the_lane.store(true, Ordering::Relaxed);
        let unstarted = self.lock().unstarted.take();
        let Some((seat, event)) = unstarted else {
            // It was given up before it began.
            self.lane.ended(self);
            return;
        };
        self.thread.is_low.store(true, Ordering::Relaxed);
        self.thread.cpu.begin();
        self.take_turn();
        self.is_seen();
        let budget = event_budget(&self.of.plugin.config.limits);
        let finished = enter(seat, event, budget, self.clone(), self.lane.activity());
        self.end(finished);
    }

    /// The thread that calls goes on with it here; its reactor has accounted for what it has used so far.
    pub fn goes_on(&self) {
        self.thread.cpu.begin();
        self.is_seen();
    }

    /// The thread that made it goes on with it here: it is in a host function and has had this CPU time before.
    pub fn goes_on_elsewhere(&self, cpu: Duration, is_low: bool) {
        self.thread.cpu.begin_at(cpu);
        self.thread.is_low.store(is_low, Ordering::Relaxed);
        self.is_seen();
    }

    /// Whether its thread takes the next call of the lane when this one has ended.
    pub(super) fn comes_back_to_the_lane(&self) -> bool {
        self.thread.is_of_the_lane.load(Ordering::Relaxed)
    }

    /// Whether its thread has lowered its priority.
    pub fn is_low(&self) -> bool {
        self.thread.is_low.load(Ordering::Relaxed)
    }

    /// It has come to its end, on the thread that calls.
    pub fn end(&self, finished: Finished) {
        self.give_turn_back();
        let mut state = self.lock();
        let phase = std::mem::replace(&mut state.phase, CallPhase::Ended);
        let (room, permit) = (state.room.take(), state.permit.take());
        drop(state);
        drop(permit);
        self.thread.cpu.pay(&self.of.plugin, self.lane.now());
        self.lane.ended(self);
        if phase == CallPhase::Abandoned {
            drop(finished);
            drop(room);
            // There is room for another instance.
            self.of.post.tell(Notice::SlotFreed);
        } else {
            let (instance, finished) = (self.of.instance, Box::new(finished));
            self.of.returns.send(Returned { instance, finished });
        }
    }

    fn take_turn(&self) {
        let thread = &self.thread;
        if !thread.has_turn.load(Ordering::Relaxed) {
            thread.seen.store(0, Ordering::Relaxed);
            let has_turn =
                self.lane.turnstile().enter(self.of.plugin.tenant.index, &self.of.cancel);
            thread.has_turn.store(has_turn, Ordering::Relaxed);
        }
    }

    fn give_turn_back(&self) {
        if self.thread.has_turn.swap(false, Ordering::Relaxed) {
            self.lane.turnstile().leave();
        }
    }

    /// A thread that computes for long has a low priority: the reactors come first.
    fn lower_priority(&self) {
        if !self.thread.is_low.swap(true, Ordering::Relaxed)
            && let Err(error) = lower_priority()
        {
            tracing::warn!(%error, "a handler in the slow lane keeps the priority of the reactors");
        }
    }

    fn is_seen(&self) {
        self.thread.seen.store(self.lane.now().as_nanos().max(1), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, SlowState> {
        // Each change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace for SlowCall {
    fn slice_over(&self, _: Duration) {
        self.thread.cpu.pay(&self.of.plugin, self.lane.now());
        self.lower_priority();
        let turnstile = self.lane.turnstile();
        let pass = turnstile.is_wanted() || !turnstile.may_run(self.of.plugin.tenant.index);
        if pass {
            self.give_turn_back();
        }
        self.take_turn();
        self.is_seen();
    }

    fn wait_begins(&self) {
        self.thread.cpu.pay(&self.of.plugin, self.lane.now());
        self.give_turn_back();
        self.thread.seen.store(0, Ordering::Relaxed);
    }

    fn wait_ends(&self) {
        self.take_turn();
        self.is_seen();
    }
}

impl fmt::Debug for SlowCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowCall").field("plugin", &self.of.plugin.name()).finish_non_exhaustive()
    }
}
