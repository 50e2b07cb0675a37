//! Sleeps of a guest: the thread that waits for futures parks until the earliest one ends.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock::{Clock, Moment};

/// No sleep is set.
const NEVER: u64 = u64::MAX;

/// The earliest end of the sleeps that one thread waits for. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Alarm {
    clock: Clock,
    /// On the clock, in nanoseconds.
    earliest: Arc<AtomicU64>,
}

impl Alarm {
    /// An alarm without a sleep.
    pub(crate) fn new(clock: &Clock) -> Alarm {
        Alarm { clock: clock.clone(), earliest: Arc::new(AtomicU64::new(NEVER)) }
    }

    /// Clears it. Every pending sleep sets it again when it is polled.
    pub(crate) fn reset(&self) {
        self.earliest.store(NEVER, Ordering::Relaxed);
    }

    /// The time at which the first sleep ends.
    pub(crate) fn earliest(&self) -> Option<Moment> {
        let earliest = self.earliest.load(Ordering::Relaxed);
        (earliest != NEVER).then(|| Moment::from_start(Duration::from_nanos(earliest)))
    }

    /// A future that is ready at this time, or never.
    pub(crate) fn sleep_until(&self, at: Option<Moment>) -> Sleep {
        Sleep { alarm: self.clone(), at }
    }
}

/// A future that is ready at its time.
#[derive(Debug, Clone)]
pub(crate) struct Sleep {
    alarm: Alarm,
    at: Option<Moment>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        if at <= self.alarm.clock.now() {
            return Poll::Ready(());
        }
        // The thread that polls is the one that parks.
        self.alarm.earliest.fetch_min(at.as_nanos(), Ordering::Relaxed);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn the_earliest_sleep_counts() {
        let (clock, hand) = Clock::manual();
        let alarm = Alarm::new(&clock);
        let at = |milliseconds| Some(Moment::from_start(Duration::from_millis(milliseconds)));
        let mut sleeps = [at(30), at(10), None, at(20)].map(|at| alarm.sleep_until(at));
        let mut look = |alarm: &Alarm| {
            alarm.reset();
            let context = &mut Context::from_waker(Waker::noop());
            sleeps.each_mut().map(|sleep| Pin::new(sleep).poll(context).is_ready())
        };
        assert_eq!(look(&alarm), [false; 4]);
        assert_eq!(alarm.earliest(), at(10));
        hand.advance(Duration::from_millis(20));
        assert_eq!(look(&alarm), [false, true, false, true]);
        assert_eq!(alarm.earliest(), at(30));
        hand.advance(Duration::from_millis(20));
        look(&alarm);
        assert_eq!(alarm.earliest(), None);
    }
}
