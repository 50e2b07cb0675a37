//! Who carries a reactor: it is asked what is next, and each guest is entered here, at the top of the thread's stack.
//!
//! While a guest runs, the loop lies in the thread's slot (`FirstSlice`). The thread takes it back when the guest returns
//! within its slice; otherwise it is relieved: another thread gets the loop, and this one goes on with the guest in the slow
//! lane.

mod first_slice;
pub(crate) mod spares;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::base::thread::{ThreadId, thread_cpu_time};
use crate::clock::{Clock, Moment};
use crate::engine::call::{enter, event_budget};
use crate::engine::ticker::Activity;
use crate::reactor::exit::Exit;
use crate::reactor::table::guest_entry::{GuestEntry, GuestReturn, Measure};
use crate::reactor::{Reactor, Step};
use crate::workers::slow_call::SlowCall;

/// A reactor and the thread that carries it.
pub struct Carrier {
    the_loop: Box<Reactor>,
    first_slice: Arc<FirstSlice>,
    activity: Activity,
    clock: Clock,
}

/// What has become of one that carried.
pub(crate) enum Carried {
    /// The reactor has ended.
    Ended(io::Result<Exit>),
    /// Another thread carries the loop; whether this one has a low priority by now.
    Relieved {
        /// So it cannot carry a loop again.
        is_low: bool,
    },
}

impl Carrier {
    /// Carries this reactor from its next turn on. Nobody relieves it: a guest has the thread for as long as it takes.
    pub fn new(reactor: Reactor) -> Carrier {
        Carrier::with(Box::new(reactor), Arc::new(FirstSlice::default()))
    }

    fn with(the_loop: Box<Reactor>, first_slice: Arc<FirstSlice>) -> Carrier {
        first_slice.begin();
        let (activity, clock) = the_loop.entered_with();
        Carrier { the_loop, first_slice, activity, clock }
    }

    /// Turns until the reactor is stopped or the thread is relieved.
    fn carry(mut self) -> Carried {
        loop {
            match self.the_loop.next_step() {
                Ok(Step::Enter(entry)) => match self.enter(entry) {
                    Ok(carrier) => self = carrier,
                    Err(is_low) => return Carried::Relieved { is_low },
                },
                Ok(Step::TurnIsOver { goes_on: true }) => {}
                Ok(Step::TurnIsOver { goes_on: false }) => {
                    return Carried::Ended(Ok(self.the_loop.how_it_ended()));
                }
                Err(error) => return Carried::Ended(Err(error)),
            }
        }
    }

    /// One turn of a reactor that nobody else can carry; false when it was the last.
    ///
    /// # Errors
    /// When the poll fails.
    pub fn turn(&mut self) -> io::Result<bool> {
        loop {
            match self.the_loop.next_step()? {
                Step::Enter(entry) => {
                    let pace = self.first_slice.clone();
                    let returned = make(entry, pace, &self.activity, &self.clock);
                    self.the_loop.returned(returned);
                }
                Step::TurnIsOver { goes_on } => return Ok(goes_on),
            }
        }
    }

    /// Whether the last turn found nothing to do, and nothing is left for the next one at this time.
    pub fn is_idle(&self) -> bool {
        self.the_loop.is_idle()
    }

    /// The next moment at which something is due by the clock.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.the_loop.next_deadline()
    }

    /// How many pieces of bounded work the last turn did: a turn that does what has piled up in one go would do as many as there
    /// is.
    pub fn units_of_turn(&self) -> usize {
        self.the_loop.units_of_turn()
    }

    /// Enters a guest with the loop in the slot. An error is a thread that was relieved, and whether it has a low priority.
    fn enter(mut self, entry: GuestEntry) -> Result<Carrier, bool> {
        if !self.first_slice.can_be_relieved() {
            self.the_loop.begin_in_the_lane(entry);
            return Ok(self);
        }
        let Carrier { the_loop, first_slice, activity, clock } = self;
        first_slice.put(the_loop, entry.instance);
        let returned = make(entry, first_slice.clone(), &activity, &clock);
        match first_slice.take() {
            Ok(mut the_loop) => {
                the_loop.returned(returned);
                Ok(Carrier { the_loop, first_slice, activity, clock })
            }
            Err(call) => {
                call.end(returned.finished);
                Err(call.is_low())
            }
        }
    }
}

/// Makes the call of an entry on this thread.
fn make(
    entry: GuestEntry,
    pace: Arc<FirstSlice>,
    activity: &Activity,
    clock: &Clock,
) -> GuestReturn {
    let GuestEntry { instance, seat, event, measure } = entry;
    let budget = event_budget(&seat.plugin().config.limits);
    let clock = |measure| match measure {
        Measure::Nothing => None,
        Measure::Time => Some(clock.now().since(Moment::default())),
        Measure::CpuTime => Some(thread_cpu_time()),
    };
    let begun = clock(measure);
    let finished = enter(seat, event, budget, pace, activity);
    let used = clock(measure).zip(begun).map(|(now, begun)| now.saturating_sub(begun));
    GuestReturn { instance, finished, used }
}

/// Threads that wait for a loop.
trait Relief: Send + Sync {
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
struct FirstSlice {
    slot: Mutex<LoopSlot>,
    /// Who gets the loop, and the thread whose slot this is; none where nobody can get it.
    relief: Option<(Arc<dyn Relief>, ThreadId)>,
}

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
    fn new(spares: Arc<dyn Relief>) -> FirstSlice {
        FirstSlice { slot: Mutex::default(), relief: Some((spares, ThreadId::current())) }
    }

    /// The thread begins to carry a loop.
    fn begin(&self) {
        *self.lock() = LoopSlot::default();
    }

    /// Whether the loop that the thread has carried went to another thread.
    fn was_relieved(&self) -> bool {
        self.lock().was_relieved
    }

    /// Whether somebody waits to get the loop.
    fn can_be_relieved(&self) -> bool {
        self.relief.as_ref().is_none_or(|(spares, _)| spares.has_one())
    }

    /// The guest of this instance is entered.
    fn put(&self, the_loop: Box<Reactor>, instance: InstanceId) {
        let mut slot = self.lock();
        *slot = LoopSlot { the_loop: Some((the_loop, instance)), ..LoopSlot::default() };
    }

    /// The guest has returned: the loop, or the call if the loop was taken.
    fn take(&self) -> Result<Box<Reactor>, Arc<SlowCall>> {
        let mut slot = self.lock();
        if let Some((the_loop, _)) = slot.the_loop.take() {
            return Ok(the_loop);
        }
        match slot.call.take() {
            Some(call) => Err(call),
            None => unreachable!("who takes the loop leaves the call"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, LoopSlot> {
        // Each change is whole before anything can panic.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
