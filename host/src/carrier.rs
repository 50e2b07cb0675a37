//! The thread that runs a reactor: it asks the reactor for the next step, and enters guests itself, at the top of its stack.
//!
//! While a guest runs, the reactor is in the thread's slot (`FirstSlice`). If the guest returns within its slice the
//! thread takes the reactor back; otherwise the thread is relieved: another thread gets the reactor, and this one continues
//! with the guest in the slow lane.

#[cfg(test)]
pub(crate) mod apart;
mod first_slice;
pub(crate) mod spares;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::base::lock::{Mutex, MutexGuard};
use crate::base::thread::{ThreadId, thread_cpu_time};
use crate::clock::{Clock, Moment};
use crate::engine::call::{enter, event_budget};
use crate::engine::ticker::Activity;
#[cfg(test)]
use crate::mail::post::Post;
use crate::reactor::exit::Exit;
use crate::reactor::table::guest_entry::{GuestEntry, GuestReturn, Measure};
use crate::reactor::{Reactor, Step};
use crate::workers::slow_call::SlowCall;

/// A reactor and the thread that runs it.
pub struct Carrier {
    the_loop: Box<Reactor>,
    first_slice: Arc<FirstSlice>,
    activity: Activity,
    clock: Clock,
}

/// How running a reactor has ended on a thread.
pub(crate) enum Carried {
    /// The reactor has ended.
    Ended(io::Result<Exit>),
    /// Another thread runs the reactor.
    Relieved {
        /// Whether this thread has a low priority now, and so cannot run a reactor again.
        is_low: bool,
    },
}

impl Carrier {
    /// Runs this reactor from its next turn on, without relief: a guest keeps the thread for as long as it takes.
    pub fn new(reactor: Reactor) -> Carrier {
        Carrier::with(Box::new(reactor), Arc::new(FirstSlice::default()))
    }

    fn with(the_loop: Box<Reactor>, first_slice: Arc<FirstSlice>) -> Carrier {
        first_slice.begin();
        let (activity, clock) = the_loop.entered_with();
        Carrier { the_loop, first_slice, activity, clock }
    }

    /// Runs turns until the reactor stops or the thread is relieved.
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

    /// Runs one turn of a reactor without relief; false if it was the last.
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

    /// Whether the last turn had nothing to do, and nothing is left for the next one.
    pub fn is_idle(&self) -> bool {
        self.the_loop.is_idle()
    }

    /// The next deadline of the reactor.
    pub fn next_deadline(&self) -> Option<Moment> {
        self.the_loop.next_deadline()
    }

    /// The number of work units of the last turn. It shows whether a turn is bounded: one that processed its whole backlog
    /// would have as many units as the backlog.
    pub fn units_of_turn(&self) -> usize {
        self.the_loop.units_of_turn()
    }

    /// The same of each part of the turn that serves tenants, with its name.
    #[cfg(test)]
    pub(crate) fn units_of_parts(&self) -> impl Iterator<Item = (String, usize)> {
        self.the_loop.units_of_parts()
    }

    /// The number of instances of a plugin.
    #[cfg(test)]
    pub(crate) fn instances_of(&self, plugin: &str) -> usize {
        self.the_loop.instances_of(plugin)
    }

    /// Where others reach the loop.
    #[cfg(test)]
    pub(crate) fn post(&self) -> Post {
        self.the_loop.post()
    }

    /// Enters a guest with the reactor in the slot. The error means that the thread was relieved: whether it has a low priority.
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

/// Threads that wait for a reactor.
trait Relief: Send + Sync {
    /// The length of the first slice.
    fn slice(&self) -> Duration;
    /// Whether a thread is free.
    fn has_one(&self) -> bool;
    /// Reserves a thread, to be followed by `give` or `give_back`.
    fn reserve(&self) -> bool;
    /// Releases the reservation.
    fn give_back(&self);
    /// Runs this reactor on the reserved thread.
    fn give(&self, the_loop: Box<Reactor>);
}

/// The slot of one thread for the first slice of a guest.
#[derive(Default)]
struct FirstSlice {
    slot: Mutex<LoopSlot>,
    /// The threads that may take the reactor, and the owner of this slot; none without relief.
    relief: Option<(Arc<dyn Relief>, ThreadId)>,
}

#[derive(Default)]
struct LoopSlot {
    /// The reactor, and the instance whose guest runs.
    the_loop: Option<(Box<Reactor>, InstanceId)>,
    /// The call, after the reactor was taken.
    call: Option<Arc<SlowCall>>,
    /// Whether the reactor was taken; kept until the thread runs another.
    was_relieved: bool,
    /// The number of ticks at which the ticker has seen the guest run.
    looks: u32,
    /// The CPU time of the thread at the first tick after the slice.
    cpu_seen: Option<Duration>,
}

impl FirstSlice {
    /// The slot of the calling thread, which these threads may relieve.
    fn new(spares: Arc<dyn Relief>) -> FirstSlice {
        FirstSlice { slot: Mutex::default(), relief: Some((spares, ThreadId::current())) }
    }

    /// The thread begins to run a reactor.
    fn begin(&self) {
        *self.lock() = LoopSlot::default();
    }

    /// Whether the thread's reactor was given to another thread.
    fn was_relieved(&self) -> bool {
        self.lock().was_relieved
    }

    /// Whether a thread is free to take the reactor.
    fn can_be_relieved(&self) -> bool {
        self.relief.as_ref().is_none_or(|(spares, _)| spares.has_one())
    }

    /// Puts the reactor into the slot before the guest of this instance is entered.
    fn put(&self, the_loop: Box<Reactor>, instance: InstanceId) {
        let mut slot = self.lock();
        *slot = LoopSlot { the_loop: Some((the_loop, instance)), ..LoopSlot::default() };
    }

    /// Takes the reactor back after the guest has returned; the call, if the reactor was taken meanwhile.
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
        self.slot.lock()
    }
}
