//! Of a test: guests that the loop goes on without from the first moment, as if each had outlived its slice.

use std::io;
use std::sync::Arc;

use crate::carrier::{Carrier, FirstSlice, make};
use crate::engine::call::{enter, event_budget};
use crate::engine::ticker::Activity;
use crate::plugin::Plugin;
use crate::reactor::Step;
use crate::reactor::table::guest_entry::GuestEntry;
use crate::workers::slow_call::SlowCall;

/// A call that the loop goes on without. It is made by whoever has this.
pub(crate) struct CallApart {
    entry: GuestEntry,
    call: Arc<SlowCall>,
    activity: Activity,
}

impl CallApart {
    /// Makes it on the thread that calls; it comes back to the loop as mail.
    pub(crate) fn make(self) {
        let CallApart { entry: GuestEntry { seat, event, .. }, call, activity } = self;
        let budget = event_budget(&seat.plugin().config.limits);
        call.goes_on();
        let finished = enter(seat, event, budget, call.clone(), &activity);
        call.end(finished);
    }
}

impl Carrier {
    /// As [`Carrier::turn`], but calls of the plugins that `is_apart` picks are given to `take`.
    pub(crate) fn turn_apart(
        &mut self,
        is_apart: impl Fn(&Plugin) -> bool,
        mut take: impl FnMut(CallApart),
    ) -> io::Result<bool> {
        loop {
            let entry = match self.the_loop.next_step()? {
                Step::TurnIsOver { goes_on } => return Ok(goes_on),
                Step::Enter(entry) => entry,
            };
            if !is_apart(entry.seat.plugin()) {
                let pace: Arc<FirstSlice> = self.first_slice.clone();
                let returned = make(entry, pace, &self.activity, &self.clock);
                self.the_loop.returned(returned);
            } else if let Some(call) = self.the_loop.left_behind(entry.instance) {
                take(CallApart { entry, call, activity: self.activity.clone() });
            }
        }
    }
}
