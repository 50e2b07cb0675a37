//! The call that an instance is in: its budget, its use of time, its waits and its cancellation.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::base::cancel::CancelToken;
use crate::base::thread::{thread_cpu_time, waker};
use crate::clock::{Clock, Moment};
use crate::config::bound::Bound;
use crate::config::limits;
use crate::host_api::alarm::Alarm;

/// What one call may use, and the bounds that set it.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// CPU time of its thread, host functions included.
    pub cpu: Duration,
    /// The bound that sets `cpu`.
    pub cpu_limit: &'static Bound,
    /// How long the call may take.
    pub deadline: Duration,
    /// The bound that sets `deadline`.
    pub deadline_limit: &'static Bound,
    /// The time that counts for the deadline.
    pub counts: Counts,
}

/// The time that counts for the deadline of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Wall-clock time.
    Everything,
    /// CPU time and time of waits; not the time spent waiting for a turn or a core.
    ItsOwn,
}

/// Hooks of the thread that runs a call.
pub trait Pace: Send + Sync {
    /// A time slice of the guest is over: the hook may let others run first. `used` is the CPU time since the first call of
    /// this method for the same call.
    fn slice_over(&self, used: Duration);
    /// The call begins to wait for something.
    fn wait_begins(&self);
    /// The wait is over, or the call was cancelled: the hook may wait for a turn.
    fn wait_ends(&self);
}

/// No hooks.
#[derive(Debug)]
pub(crate) struct Unpaced;

impl Pace for Unpaced {
    fn slice_over(&self, _: Duration) {}
    fn wait_begins(&self) {}
    fn wait_ends(&self) {}
}

/// Why a call was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallEnded {
    /// It has used up its CPU time.
    #[error("it has used its CPU time")]
    OutOfCpu(&'static Bound),
    /// It has exceeded its deadline.
    #[error("it took too long")]
    TooLong(&'static Bound),
    /// Its result is not wanted any more.
    #[error("it was ended: nobody wants it any more")]
    Cancelled,
}

impl CallEnded {
    /// The bound that was exceeded, if any.
    pub fn bound(self) -> Option<&'static Bound> {
        match self {
            CallEnded::OutOfCpu(bound) | CallEnded::TooLong(bound) => Some(bound),
            CallEnded::Cancelled => None,
        }
    }
}

/// Measures and bounds the call that an instance is in.
pub struct CallMeter {
    cancel: CancelToken,
    clock: Clock,
    budget: Budget,
    /// None before the first call.
    pace: Option<Arc<dyn Pace>>,
    /// The start of the call, set if wall-clock time counts.
    begun: Moment,
    /// CPU time of the thread at the end of the first slice; the first slice does not count.
    cpu_before: Option<Duration>,
    /// The time of its waits.
    waited: Duration,
    pub(super) alarm: Alarm,
}

impl CallMeter {
    /// For an instance that is in no call.
    pub fn new(clock: &Clock) -> CallMeter {
        CallMeter {
            cancel: CancelToken::default(),
            clock: clock.clone(),
            budget: Budget::NONE,
            pace: None,
            begun: Moment::default(),
            cpu_before: None,
            waited: Duration::ZERO,
            alarm: Alarm::new(clock),
        }
    }

    /// The token that cancels this instance's calls from any thread.
    pub fn cancel_token(&self) -> &CancelToken {
        &self.cancel
    }

    /// Begins a call, on the thread that will end it.
    pub fn begin(&mut self, budget: Budget, pace: Arc<dyn Pace>) {
        (self.budget, self.pace) = (budget, Some(pace));
        // Reading the clock costs a tenth of a short call.
        if budget.counts == Counts::Everything {
            self.begun = self.clock.now();
        }
        // Reading the thread's CPU time costs as much as a short call.
        self.cpu_before = None;
        self.waited = Duration::ZERO;
    }

    /// Ends the call; returns the CPU time that it has used after its first slice.
    pub fn end(&mut self) -> Duration {
        self.pace = None;
        self.used()
    }

    /// The bound of its CPU time.
    pub fn cpu_limit(&self) -> &'static Bound {
        self.budget.cpu_limit
    }

    /// The CPU time that the call has used since the end of its first slice.
    fn used(&self) -> Duration {
        self.cpu_before.map_or(Duration::ZERO, |before| thread_cpu_time().saturating_sub(before))
    }

    /// Called at the end of each time slice of the guest; waits for the call's next turn.
    ///
    /// # Errors
    /// When the call has used up its budget or was cancelled.
    pub fn slice_over(&mut self) -> Result<(), CallEnded> {
        // One look at the thread's CPU time, which costs a system call. Waiting for a turn uses none.
        let now = thread_cpu_time();
        let used = now.saturating_sub(*self.cpu_before.get_or_insert(now));
        self.may_go_on(used)?;
        if let Some(pace) = self.pace.clone() {
            pace.slice_over(used);
        }
        self.may_go_on(used)
    }

    fn may_go_on(&self, used: Duration) -> Result<(), CallEnded> {
        if self.cancel.is_cancelled() {
            return Err(CallEnded::Cancelled);
        }
        if self.budget.cpu <= used {
            return Err(CallEnded::OutOfCpu(self.budget.cpu_limit));
        }
        if self.budget.deadline <= self.taken(used) {
            return Err(CallEnded::TooLong(self.budget.deadline_limit));
        }
        Ok(())
    }

    /// The time that counts for the deadline, for a call that has used this CPU time.
    fn taken(&self, used: Duration) -> Duration {
        match self.budget.counts {
            Counts::Everything => self.clock.now().since(self.begun),
            Counts::ItsOwn => used + self.waited,
        }
    }

    /// Blocks this thread until `future` is ready; other calls may have its turn meanwhile.
    ///
    /// # Errors
    /// When the call is cancelled or exceeds its deadline first.
    pub fn wait<F: Future>(&mut self, future: F) -> Result<F::Output, CallEnded> {
        let mut future = pin!(future);
        let waker = waker();
        let mut context = Context::from_waker(&waker);
        self.alarm.reset();
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Ok(value);
        }
        let pace = self.pace.clone();
        if let Some(pace) = &pace {
            pace.wait_begins();
        }
        let since = self.clock.now();
        self.cancel.wake_when_cancelled(&waker);
        let result = loop {
            if self.cancel.is_cancelled() {
                break Err(CallEnded::Cancelled);
            }
            self.alarm.reset();
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                break Ok(value);
            }
            let now = self.clock.now();
            let left = self.left(now.since(since));
            if left.is_zero() {
                break Err(CallEnded::TooLong(self.budget.deadline_limit));
            }
            match self.alarm.earliest() {
                Some(at) if self.clock.sleeps_until(at.min(now + left)) => {}
                Some(at) => self.clock.park(at.since(now).min(left)),
                None => self.clock.park(left),
            }
        };
        self.cancel.forget_waker();
        self.waited += self.clock.now().since(since);
        if let Some(pace) = &pace {
            pace.wait_ends();
        }
        result
    }

    /// How much longer it may wait, after it has waited for `waiting`.
    fn left(&self, waiting: Duration) -> Duration {
        let taken = match self.budget.counts {
            Counts::Everything => self.taken(Duration::ZERO),
            Counts::ItsOwn => self.taken(self.used()) + waiting,
        };
        self.budget.deadline.saturating_sub(taken)
    }
}

impl Budget {
    /// A placeholder: every call sets a budget of its own.
    const NONE: Budget = Budget {
        cpu: Duration::ZERO,
        cpu_limit: &limits::CPU_PER_EVENT,
        deadline: Duration::ZERO,
        deadline_limit: &limits::EVENT_DEADLINE,
        counts: Counts::Everything,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    const SECOND: Duration = Duration::from_secs(1);
    const CPU: &Bound = &limits::CPU_PER_OPERATION;
    const DEADLINE: &Bound = &limits::OPERATION_DEADLINE;

    fn budget(cpu: Duration, deadline: Duration, counts: Counts) -> Budget {
        Budget { cpu, cpu_limit: CPU, deadline, deadline_limit: DEADLINE, counts }
    }

    fn meter(clock: &Clock, budget: Budget) -> CallMeter {
        let mut meter = CallMeter::new(clock);
        meter.begin(budget, Arc::new(Unpaced));
        meter
    }

    #[test]
    fn each_bound_ends_a_call_under_its_name() {
        let (clock, hand) = Clock::manual();
        let of = |cpu, deadline, counts| meter(&clock, budget(cpu, deadline, counts)).slice_over();
        for counts in [Counts::Everything, Counts::ItsOwn] {
            assert_eq!(of(SECOND * 60, SECOND * 60, counts), Ok(()));
            assert_eq!(of(Duration::ZERO, SECOND, counts), Err(CallEnded::OutOfCpu(CPU)));
            let none = of(SECOND * 60, Duration::ZERO, counts);
            assert_eq!(none, Err(CallEnded::TooLong(DEADLINE)));
        }
        let mut everything = meter(&clock, budget(SECOND * 60, SECOND, Counts::Everything));
        let mut its_own = meter(&clock, budget(SECOND * 60, SECOND, Counts::ItsOwn));
        hand.advance(SECOND);
        assert_eq!(everything.slice_over(), Err(CallEnded::TooLong(DEADLINE)));
        assert_eq!(its_own.slice_over(), Ok(()), "it had no turn meanwhile");
        its_own.cancel_token().cancel();
        assert_eq!(its_own.slice_over(), Err(CallEnded::Cancelled));
    }

    #[test]
    fn a_wait_ends_with_what_it_is_for_or_with_its_call() {
        let clock = Clock::system();
        let long = budget(SECOND, SECOND * 60, Counts::ItsOwn);
        assert_eq!(meter(&clock, long).wait(ready(7)), Ok(7));
        let short = budget(SECOND, Duration::from_millis(1), Counts::ItsOwn);
        let ended = meter(&clock, short).wait(pending::<()>());
        assert_eq!(ended, Err(CallEnded::TooLong(DEADLINE)));
        let mut waiting = meter(&clock, long);
        let token = waiting.cancel_token().clone();
        std::thread::scope(|scope| {
            scope.spawn(|| token.cancel());
            assert_eq!(waiting.wait(pending::<()>()), Err(CallEnded::Cancelled));
        });
    }

    #[test]
    fn waits_of_one_call_are_counted_together() {
        let clock = Clock::system();
        let mut meter = meter(&clock, budget(SECOND, Duration::from_millis(60), Counts::ItsOwn));
        let mut nap = || {
            let at = clock.now() + Duration::from_millis(20);
            let sleep = meter.alarm.sleep_until(Some(at));
            meter.wait(sleep)
        };
        let naps: Vec<_> = (0..4).map(|_| nap()).collect();
        assert_eq!(naps.last(), Some(&Err(CallEnded::TooLong(DEADLINE))), "{naps:?}");
    }
}
