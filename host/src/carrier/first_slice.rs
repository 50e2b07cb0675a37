//! The slot of a thread that carries a loop: while the thread is inside a guest, the loop lies here and may be taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::base::thread::{ThreadId, look_at, lower_priority_of};
use crate::engine::ticker::Watched;
use crate::host_api::call::Pace;
use crate::reactor::Reactor;
use crate::workers::slow_call::SlowCall;

/// Threads that wait for a loop.
pub(super) trait Relief: Send + Sync {
    /// How long a first slice is.
    fn slice(&self) -> Duration;
    /// Whether one could be given a loop.
    fn has_one(&self) -> bool;
    /// Reserves one for a loop that is given next, or given back.
    fn reserve(&self) -> bool;
    /// It was not needed.
    fn give_back(&self);
    /// The one that was reserved carries this.
    fn give(&self, the_loop: Box<Reactor>);
}

/// The slot of one thread, and what the thread does in the first slice of a guest.
#[derive(Default)]
pub(super) struct FirstSlice {
    slot: Mutex<LoopSlot>,
    /// Who gets the loop, and the thread whose slot this is; none where nobody can get it.
    relief: Option<(Arc<dyn Relief>, ThreadId)>,
}

/// Looks after which the loop is taken from a guest: by then it has been inside for half a slice to a slice and a half,
/// depending on when the first look came.
const LOOKS_MAX: u32 = 2;

#[derive(Default)]
struct LoopSlot {
    /// The loop, and the instance whose guest is inside.
    the_loop: Option<(Box<Reactor>, InstanceId)>,
    /// The call, once the loop was taken.
    call: Option<Arc<SlowCall>>,
    /// Whether the loop was taken; it is known until the thread carries another.
    was_relieved: bool,
    /// How often the ticker has seen the guest inside.
    looks: u32,
    /// CPU time that the thread had when it was looked at for the first time after the slice.
    cpu_seen: Option<Duration>,
}

impl FirstSlice {
    /// The slot of the calling thread, which can be relieved by these.
    pub(super) fn new(spares: Arc<dyn Relief>) -> FirstSlice {
        FirstSlice { slot: Mutex::default(), relief: Some((spares, ThreadId::current())) }
    }

    /// The thread begins to carry a loop.
    pub(super) fn begin(&self) {
        *self.lock() = LoopSlot::default();
    }

    /// Whether the loop that the thread has carried went to another thread.
    pub(super) fn was_relieved(&self) -> bool {
        self.lock().was_relieved
    }

    /// Whether somebody waits to get the loop.
    pub(super) fn can_be_relieved(&self) -> bool {
        self.relief.as_ref().is_none_or(|(spares, _)| spares.has_one())
    }

    /// The guest of this instance is entered.
    pub(super) fn put(&self, the_loop: Box<Reactor>, instance: InstanceId) {
        let mut slot = self.lock();
        *slot = LoopSlot { the_loop: Some((the_loop, instance)), ..LoopSlot::default() };
    }

    /// The guest has returned: the loop, or the call if the loop was taken.
    pub(super) fn take(&self) -> Result<Box<Reactor>, Arc<SlowCall>> {
        let mut slot = self.lock();
        if let Some((the_loop, _)) = slot.the_loop.take() {
            return Ok(the_loop);
        }
        match slot.call.take() {
            Some(call) => Err(call),
            None => unreachable!("who takes the loop leaves the call"),
        }
    }

    /// Gives the loop to a thread that waits for one, if the guest is still in its first slice. Called on the guest's thread;
    /// the call, if the loop is away now.
    fn leave(&self) -> Option<Arc<SlowCall>> {
        let slot = self.lock();
        if slot.the_loop.is_none() {
            return slot.call.clone();
        }
        self.hand_on(slot, SlowCall::goes_on)
    }

    fn hand_on(
        &self,
        mut slot: MutexGuard<'_, LoopSlot>,
        goes_on: impl FnOnce(&SlowCall),
    ) -> Option<Arc<SlowCall>> {
        let (spares, _) = self.relief.as_ref()?;
        if !spares.reserve() {
            return None;
        }
        let (mut the_loop, instance) = slot.the_loop.take()?;
        let Some(call) = the_loop.left_behind(instance) else {
            debug_assert!(false, "an instance lives while its guest is inside");
            slot.the_loop = Some((the_loop, instance));
            spares.give_back();
            return None;
        };
        slot.call = Some(call.clone());
        slot.was_relieved = true;
        goes_on(&call);
        drop(slot);
        spares.give(the_loop);
        Some(call)
    }

    fn lock(&self) -> MutexGuard<'_, LoopSlot> {
        // Each change is whole before anything can panic.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace for FirstSlice {
    fn slice_over(&self, used: Duration) {
        // Where the thread had to wait for a core, the slice is not over.
        let is_first = self.lock().the_loop.is_some();
        let slice = self.relief.as_ref().map(|(spares, _)| spares.slice());
        if is_first && slice.is_none_or(|slice| used < slice / 2) {
            return;
        }
        if let Some(call) = self.leave() {
            call.slice_over(used);
        }
    }

    fn wait_begins(&self) {
        if let Some(call) = self.leave() {
            call.wait_begins();
        }
    }

    fn wait_ends(&self) {
        let call = self.lock().call.clone();
        if let Some(call) = call {
            call.wait_ends();
        }
    }
}

impl Watched for FirstSlice {
    /// A guest that is in a host function does not notice the end of its slice: then the loop is taken from here. One whose
    /// thread waits for a core has had no slice yet.
    fn look(&self) -> bool {
        // Its thread is about to take the loop, or to leave it.
        let Ok(mut slot) = self.slot.try_lock() else { return false };
        let Some((spares, thread)) = self.relief.as_ref().filter(|_| slot.the_loop.is_some())
        else {
            return false;
        };
        slot.looks += 1;
        if slot.looks < LOOKS_MAX {
            return true;
        }
        let Some(seen) = look_at(*thread) else { return true };
        let before = *slot.cpu_seen.get_or_insert(seen.cpu);
        // Half a slice since then, if the ticker woke in time.
        let computes = spares.slice() * 2 / 5 <= seen.cpu.saturating_sub(before);
        if !computes && !seen.waits {
            return true;
        }
        let is_low = computes && lower_priority_of(*thread).is_ok();
        self.hand_on(slot, |call| call.goes_on_elsewhere(before, is_low));
        false
    }
}
