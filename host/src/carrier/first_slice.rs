//! The slot of a thread that carries a loop: while the thread is inside a guest, the loop lies here and may be taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::carrier::spares::Spares;
use crate::host_api::call::Pace;
use crate::reactor::Reactor;
use crate::workers::slow_call::SlowCall;

/// The slot of one thread, and what the thread does in the first slice of a guest.
#[derive(Default)]
pub(super) struct FirstSlice {
    slot: Mutex<Slot>,
    /// Who gets the loop; none where nobody can.
    spares: Option<Spares>,
}

#[derive(Default)]
struct Slot {
    /// The loop, and the instance whose guest is inside.
    the_loop: Option<(Box<Reactor>, InstanceId)>,
    /// The call, once the loop was taken.
    call: Option<Arc<SlowCall>>,
}

impl FirstSlice {
    /// The slot of a thread that can be relieved by these.
    pub(super) fn new(spares: Spares) -> FirstSlice {
        FirstSlice { slot: Mutex::default(), spares: Some(spares) }
    }

    /// Whether somebody waits to get the loop.
    pub(super) fn can_be_relieved(&self) -> bool {
        self.spares.as_ref().is_none_or(Spares::has_one)
    }

    /// The guest of this instance is entered.
    pub(super) fn put(&self, the_loop: Box<Reactor>, instance: InstanceId) {
        let mut slot = self.lock();
        slot.the_loop = Some((the_loop, instance));
        slot.call = None;
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

    /// Gives the loop to a thread that waits for one, if the guest is still in its first slice. Called on the guest's thread.
    fn hand_on(&self) -> Option<Arc<SlowCall>> {
        let mut slot = self.lock();
        if slot.the_loop.is_none() {
            return slot.call.clone();
        }
        let spares = self.spares.as_ref()?;
        let place = spares.reserve()?;
        let (mut the_loop, instance) = slot.the_loop.take()?;
        let Some(call) = the_loop.left_behind(instance) else {
            debug_assert!(false, "an instance lives while its guest is inside");
            slot.the_loop = Some((the_loop, instance));
            place.give_back();
            return None;
        };
        slot.call = Some(call.clone());
        drop(slot);
        call.goes_on();
        place.fill(the_loop);
        Some(call)
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        // Each change is whole before anything can panic.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pace for FirstSlice {
    fn slice_over(&self, used: Duration) {
        // Where the thread had to wait for a core, the slice is not over.
        let is_first = self.lock().the_loop.is_some();
        if is_first && self.spares.as_ref().is_none_or(|spares| used < spares.slice() / 2) {
            return;
        }
        if let Some(call) = self.hand_on() {
            call.slice_over(used);
        }
    }

    fn wait_begins(&self) {
        if let Some(call) = self.hand_on() {
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
