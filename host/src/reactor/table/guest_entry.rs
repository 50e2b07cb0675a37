//! A guest on its way in, and on its way back.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::clock::Clock;
use crate::engine::sandbox::{Call, Finished};
use crate::engine::ticker::Activity;

/// A guest that is entered next: whoever carries the loop does so, at the top of its stack.
pub struct GuestEntry {
    pub(in crate::reactor) instance: InstanceId,
    pub(in crate::reactor) call: Call,
    /// Whether it has to be known how long it takes.
    pub(in crate::reactor) is_measured: bool,
}

/// A guest that was entered, and has returned or used up its slice.
pub struct GuestReturn {
    pub(in crate::reactor) instance: InstanceId,
    /// The call, if it is not over.
    pub(in crate::reactor) call: Result<Finished, Call>,
    pub(in crate::reactor) used: Option<Duration>,
}

impl GuestEntry {
    /// Enters the guest, for a slice at most.
    pub fn enter(mut self, activity: &Activity, clock: &Clock) -> GuestReturn {
        let begun = self.is_measured.then(|| clock.now());
        let polled = {
            let _entered = activity.enter();
            self.call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        let call = match polled {
            Poll::Ready(finished) => Ok(finished),
            Poll::Pending => Err(self.call),
        };
        let used = begun.map(|begun| clock.now().since(begun));
        GuestReturn { instance: self.instance, call, used }
    }
}
