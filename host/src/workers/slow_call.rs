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
use crate::workers::slow_lane::Lane;

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
pub struct Ride {
    state: Mutex<State>,
    plugin: Arc<Plugin>,
    instance: InstanceId,
    post: Post,
    returns: Returns,
    lane: Lane,
    slices_left: Arc<AtomicU32>,
    /// What was left when it came here.
    slices: u32,
}

struct State {
    /// None while it runs, and when it has ended.
    call: Option<Call>,
    phase: Phase,
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
enum Phase {
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

impl Ride {
    pub(super) fn new(start: Start, lane: Lane) -> Ride {
        let Start { call, plugin, instance, post, returns, slices_left, slices } = start;
        let state = State {
            call: Some(call),
            phase: Phase::Queued,
            used: Duration::ZERO,
            waited: Duration::ZERO,
            waits_since: None,
            room: None,
        };
        Ride {
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
        let runs = matches!(state.phase, Phase::Running | Phase::RunningAndWoken);
        state.phase = Phase::Abandoned;
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
    pub(super) fn go_on(ride: &Arc<Ride>, slice: Duration) {
        let mut state = ride.lock();
        if state.phase != Phase::Queued {
            return;
        }
        let Some(mut call) = state.call.take() else { return };
        state.phase = Phase::Running;
        drop(state);
        let waker = Waker::from(ride.clone());
        let before = thread_cpu_time();
        let polled = call.as_mut().poll(&mut Context::from_waker(&waker));
        ride.account(thread_cpu_time().saturating_sub(before), slice);
        match polled {
            Poll::Ready(finished) => {
                let mut state = ride.lock();
                let wanted = state.phase != Phase::Abandoned;
                state.phase = Phase::Ended;
                let room = state.room.take();
                drop(state);
                if wanted {
                    let (instance, finished) = (ride.instance, Box::new(finished));
                    ride.returns.send(Returned { instance, finished });
                } else {
                    drop(finished);
                    ride.gone(room);
                }
            }
            Poll::Pending => ride.stop_running(call),
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

    fn stop_running(self: &Arc<Ride>, call: Call) {
        let mut state = self.lock();
        let woken = state.phase == Phase::RunningAndWoken;
        if state.phase == Phase::Abandoned {
            let room = state.room.take();
            drop(state);
            drop(call);
            return self.gone(room);
        }
        state.call = Some(call);
        state.phase = if woken { Phase::Queued } else { Phase::Waiting };
        state.waits_since = (!woken).then(|| self.lane.now());
        drop(state);
        if woken {
            self.lane.push(self.clone());
        }
    }

    /// There is room for another instance.
    fn gone(&self, room: Option<InstanceSlot>) {
        drop(room);
        self.post.send(Mail::Room);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Ride {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.lock();
        match state.phase {
            Phase::Running => state.phase = Phase::RunningAndWoken,
            Phase::Waiting => {
                state.phase = Phase::Queued;
                if let Some(since) = state.waits_since.take() {
                    state.waited += self.lane.now().since(since);
                }
                drop(state);
                self.lane.push(self.clone());
            }
            Phase::Queued | Phase::RunningAndWoken | Phase::Abandoned | Phase::Ended => {}
        }
    }
}

impl fmt::Debug for Ride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ride").field("plugin", &self.plugin.name()).finish_non_exhaustive()
    }
}
