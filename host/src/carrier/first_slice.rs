//! A guest that exceeds its first slice: the reactor is given to another thread, and this one continues with the guest.

use std::sync::Arc;
use std::time::Duration;

use crate::base::lock::MutexGuard;
use crate::base::thread::{look_at, lower_priority_of};
use crate::carrier::{FirstSlice, LoopSlot};
use crate::engine::ticker::{Sight, Watched};
use crate::host_api::call::Pace;
use crate::workers::slow_call::SlowCall;

/// The number of ticks after which the reactor is taken from a guest: it has then run for 0.5 to 2 slices, depending on
/// when the first tick came and on how soon the second one followed.
const LOOKS_MAX: u32 = 2;

impl FirstSlice {
    /// Gives the reactor to a waiting thread, if the guest is still in its first slice. Called on the guest's thread;
    /// returns the call if the reactor was given away.
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
    fn look(&self) -> Sight {
        // Its thread is about to take the loop, or to leave it.
        let Some(mut slot) = self.slot.try_lock() else { return Sight::Nobody };
        let Some((spares, thread)) = self.relief.as_ref().filter(|_| slot.the_loop.is_some())
        else {
            return Sight::Nobody;
        };
        slot.looks += 1;
        if slot.looks < LOOKS_MAX {
            return Sight::Arrived;
        }
        let Some(seen) = look_at(*thread) else { return Sight::Stays };
        let before = *slot.cpu_seen.get_or_insert(seen.cpu);
        // Half a slice since then, if the ticker woke in time.
        let computes = spares.slice() * 2 / 5 <= seen.cpu.saturating_sub(before);
        if !computes && !seen.waits {
            return Sight::Stays;
        }
        let is_low = computes && lower_priority_of(*thread).is_ok();
        self.hand_on(slot, |call| call.goes_on_elsewhere(before, is_low));
        Sight::Stays
    }
}
