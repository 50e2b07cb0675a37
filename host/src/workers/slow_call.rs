//! One call on the slow lane.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::base::thread::thread_cpu_time;
use crate::clock::Moment;
use crate::engine::sandbox::Call;
use crate::mail::post::{Mail, Post};
use crate::plugin::Plugin;
use crate::quota::instances::InstanceSlot;
use crate::workers::returns::{Returned, Returns};
use crate::workers::slow_lane::SlowLane;

/// What a call takes along.
pub struct Start {
    /// The call.
    pub call: Call,
    /// Whose it is.
    pub plugin: Arc<Plugin>,
    /// Whose of its reactor's instances it is.
    pub instance: InstanceId,
    /// Its reactor.
    pub post: Post,
    /// Where it goes when it has ended.
    pub returns: Returns,
    /// How many more slices its callback may have, as its sandbox counts.
    pub slices_left: Arc<AtomicU32>,
    /// How many that are now.
    pub slices: u32,
}

/// A call that goes on in the slow lane.
pub struct SlowCall {
    state: Mutex<SlowState>,
    plugin: Arc<Plugin>,
    instance: InstanceId,
    post: Post,
    returns: Returns,
    lane: SlowLane,
    slices_left: Arc<AtomicU32>,
    /// What was left when it came here.
    slices: u32,
}

struct SlowState {
    /// None while it runs, and when it has ended.
    call: Option<Call>,
    phase: CallPhase,
    /// CPU time that it has had here.
    used: Duration,
    /// How long it has waited for something, and since when it does.
    waited: Duration,
    waits_since: Option<Moment>,
    /// Given back when a call that nobody wants any more has been dropped.
    room: Option<InstanceSlot>,
}

/// Where a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CallPhase {
    /// In the lane's queue.
    Queued,
    /// On a thread.
    Running,
    /// On a thread, and it can go on afterwards.
    RunningAndWoken,
    /// Waits for something, such as the end of a sleep.
    Waiting,
    /// Nobody wants it any more.
    Abandoned,
    /// It has come to its end.
    Ended,
}

impl SlowCall {
    pub(super) fn new(start: Start, lane: SlowLane) -> SlowCall {
        let Start { call, plugin, instance, post, returns, slices_left, slices } = start;
        let state = SlowState {
            call: Some(call),
            phase: CallPhase::Queued,
            used: Duration::ZERO,
            waited: Duration::ZERO,
            waits_since: None,
            room: None,
        };
        SlowCall {
            state: Mutex::new(state),
            plugin,
            instance,
            post,
            returns,
            lane,
            slices_left,
            slices,
        }
    }

    /// Whose it is.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// CPU time that it has had here.
    pub fn used(&self) -> Duration {
        self.lock().used
    }

    /// How long it has waited for something else than its turn, until `now`.
    pub fn waited(&self, now: Moment) -> Duration {
        let state = self.lock();
        state.waited + state.waits_since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Nobody wants it any more: the guest ends where it stands, at the latest when its slice does, and `room` is given
    /// back then.
    pub fn abandon(&self, room: InstanceSlot) {
        let mut state = self.lock();
        let runs = matches!(state.phase, CallPhase::Running | CallPhase::RunningAndWoken);
        state.phase = CallPhase::Abandoned;
        if runs {
            state.room = Some(room);
            return;
        }
        let call = state.call.take();
        drop(state);
        // The guest first: whoever gets its place needs its memory.
        drop(call);
        drop(room);
    }

    /// One slice, on the thread that calls.
    pub(super) fn go_on(slow_call: &Arc<SlowCall>, slice: Duration) {
        let mut state = slow_call.lock();
        if state.phase != CallPhase::Queued {
            return;
        }
        let Some(mut call) = state.call.take() else { return };
        state.phase = CallPhase::Running;
        drop(state);
        let waker = Waker::from(slow_call.clone());
        let before = thread_cpu_time();
        let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
        slow_call.account(thread_cpu_time().saturating_sub(before), slice);
        match polled {
            Poll::Ready(finished) => {
                let mut state = slow_call.lock();
                let wanted = state.phase != CallPhase::Abandoned;
                state.phase = CallPhase::Ended;
                let room = state.room.take();
                drop(state);
                if wanted {
                    let (instance, finished) = (slow_call.instance, Box::new(finished));
                    slow_call.returns.send(Returned { instance, finished });
                } else {
                    drop(finished);
                    slow_call.gone(room);
                }
            }
            Poll::Pending => slow_call.stop_running(call),
        }
    }

    /// What it has used: of its tenant's CPU time, and of its budget, where a thread that has to wait for a core does not
    /// count.
    fn account(&self, used: Duration, slice: Duration) {
        self.plugin.use_cpu(used, self.lane.now(), || None);
        let mut state = self.lock();
        state.used += used;
        let slices = state.used.as_nanos() / slice.as_nanos().max(1);
        let slices = u32::try_from(slices).unwrap_or(u32::MAX);
        self.slices_left.store(self.slices.saturating_sub(slices), Ordering::Relaxed);
    }

    fn stop_running(self: &Arc<SlowCall>, call: Call) {
        let mut state = self.lock();
        let woken = state.phase == CallPhase::RunningAndWoken;
        if state.phase == CallPhase::Abandoned {
            let room = state.room.take();
            drop(state);
            drop(call);
            return self.gone(room);
        }
        state.call = Some(call);
        state.phase = if woken { CallPhase::Queued } else { CallPhase::Waiting };
        state.waits_since = (!woken).then(|| self.lane.now());
        drop(state);
        if woken {
            self.lane.push(self.clone());
        }
    }

    /// There is room for another instance.
    fn gone(&self, room: Option<InstanceSlot>) {
        drop(room);
        self.post.send(Mail::SlotFreed);
    }

    fn lock(&self) -> MutexGuard<'_, SlowState> {
        // Each change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for SlowCall {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.lock();
        match state.phase {
            CallPhase::Running => state.phase = CallPhase::RunningAndWoken,
            CallPhase::Waiting => {
                state.phase = CallPhase::Queued;
                if let Some(since) = state.waits_since.take() {
                    state.waited += self.lane.now().since(since);
                }
                drop(state);
                self.lane.push(self.clone());
            }
            CallPhase::Queued
            | CallPhase::RunningAndWoken
            | CallPhase::Abandoned
            | CallPhase::Ended => {}
        }
    }
}

impl fmt::Debug for SlowCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlowCall").field("plugin", &self.plugin.name()).finish_non_exhaustive()
    }
}
