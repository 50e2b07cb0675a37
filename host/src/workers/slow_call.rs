//! A call in the slow lane: one that has exceeded its first slice, or that begins there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::base::cancel::CancelToken;
use crate::base::lock::{Mutex, MutexGuard};
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

/// The origin of a call.
pub struct CallOf {
    pub plugin: Arc<Plugin>,
    /// Cancels the call.
    pub cancel: CancelToken,
    pub instance: InstanceId,
    /// The mail of its reactor.
    pub post: Post,
    /// The way back to its reactor.
    pub returns: Returns,
}

/// A call in progress, or one that waits to begin.
pub struct SlowCall {
    state: Mutex<SlowState>,
    of: CallOf,
    lane: SlowLane,
    thread: OfThread,
}

/// State that only the thread of the call changes.
#[derive(Debug, Default)]
struct OfThread {
    /// Whether it has a turn.
    has_turn: AtomicBool,
    /// Whether the thread is one of the lane's, which takes the next call when this one has ended.
    is_of_the_lane: AtomicBool,
    /// Whether the thread has lowered its priority, which cannot be raised again.
    is_low: AtomicBool,
    cpu: CpuAccount,
    /// When the guest was last seen to make progress, in nanoseconds of the lane's clock; 0 while it waits.
    seen: AtomicU64,
}

struct SlowState {
    phase: CallPhase,
    /// The sandbox and the event, until it begins.
    unstarted: Option<(Seat, Event)>,
    /// The slot of an abandoned call, released when the call has been dropped.
    room: Option<InstanceSlot>,
    /// The permit of its tenant, held while it is in progress.
    permit: Option<Permit>,
}

/// The state of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallPhase {
    /// It waits for a thread, or is in progress.
    Wanted,
    /// Its result is not wanted any more.
    Abandoned,
    Ended,
}

impl SlowCall {
    pub(super) fn new(of: CallOf, unstarted: Option<(Seat, Event)>, lane: SlowLane) -> SlowCall {
        let state = SlowState { phase: CallPhase::Wanted, unstarted, room: None, permit: None };
        SlowCall { state: Mutex::new(state), of, lane, thread: OfThread::default() }
    }

    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.of.plugin
    }

    /// How long its guest has made no progress outside of WASI's waits: its thread is in a host function or has no core.
    pub fn unseen(&self, now: Moment) -> Duration {
        match self.thread.seen.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            seen => now.since(Moment::from_start(Duration::from_nanos(seen))),
        }
    }

    /// Abandons it: a guest that waits ends at once, one that computes at the end of its slice, and `room` is released
    /// then.
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
        // The sandbox first: whoever gets the slot needs the memory.
        drop(unstarted);
        drop(room);
    }

    /// Cancels it, for the end of the host.
    pub(super) fn cancel(&self) {
        self.of.cancel.cancel();
    }

    /// Whether its result is still wanted.
    pub(super) fn is_wanted(&self) -> bool {
        self.lock().phase != CallPhase::Abandoned
    }

    /// Notes that it is in progress, with a permit of its tenant.
    pub(super) fn begins(&self, permit: Option<Permit>) {
        self.lock().permit = permit;
    }

    /// Runs it from beginning to end on the current thread, which has a low priority.
    pub(super) fn make(self: &Arc<SlowCall>) {
        self.thread.is_of_the_lane.store(true, Ordering::Relaxed);
        let unstarted = self.lock().unstarted.take();
        let Some((seat, event)) = unstarted else {
            // It was abandoned before it began.
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

    /// The current thread continues the call in the lane; its reactor has charged the CPU time so far.
    pub fn goes_on(&self) {
        self.thread.cpu.begin();
        self.is_seen();
    }

    /// The thread of the call, which is in a host function and has used this CPU time before, continues it in the lane.
    pub fn goes_on_elsewhere(&self, cpu: Duration, is_low: bool) {
        self.thread.cpu.begin_at(cpu);
        self.thread.is_low.store(is_low, Ordering::Relaxed);
        self.is_seen();
    }

    /// Whether its thread is one of the lane's, which takes the next call when this one has ended.
    pub(super) fn comes_back_to_the_lane(&self) -> bool {
        self.thread.is_of_the_lane.load(Ordering::Relaxed)
    }

    /// Whether its thread has lowered its priority.
    pub fn is_low(&self) -> bool {
        self.thread.is_low.load(Ordering::Relaxed)
    }

    /// Ends it on the current thread.
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
            // A slot is free for another instance.
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

    /// Lowers the priority of the thread, so that the reactors come first.
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
        self.state.lock()
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
