//! The only place that reads the time.
//!
//! A [`Clock`] is either the system's monotonic clock or one that a test moves by hand, so that everything that depends on time
//! can be tested without waiting. A reactor reads it when a turn begins and again after its poll has waited; everything until
//! the next reading sees [`Clock::turn`].

use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The system's monotonic clock, for comparison with that of another process.
pub fn monotonic() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// The calendar time, for messages only. Nothing is measured by it.
pub fn calendar() -> SystemTime {
    SystemTime::now()
}

/// How often a waiting thread checks a manual clock.
const LOOK_AT_THE_HAND: Duration = Duration::from_millis(1);

/// A point on a [`Clock`], in nanoseconds since the clock was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(u64);

impl Moment {
    /// The nanoseconds of a millisecond, the unit of plugins.
    const MILLISECOND: u64 = 1_000_000;

    /// A point this long after the clock was made.
    pub fn from_start(elapsed: Duration) -> Moment {
        Moment(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The nanoseconds since the clock was made.
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// The first whole millisecond that is not before this.
    ///
    /// Timers of guests are rounded up to it, since they and the poll count in milliseconds. It also makes the drift of a
    /// fixed-delay periodic timer at least a whole millisecond, so that a one-shot timer that falls on the same moment comes
    /// first, as in EventMachine.
    pub fn on_grid(self) -> Moment {
        Moment(self.0.div_ceil(Self::MILLISECOND).saturating_mul(Self::MILLISECOND))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Moment(self.0.saturating_add(nanoseconds))
    }
}

/// The clock of a reactor and its sandboxes. Clones show the same time.
#[derive(Debug, Clone)]
pub struct Clock {
    source: TimeSource,
    turn: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum TimeSource {
    System(Instant),
    Manual(Arc<ManualTime>),
}

/// A time that is moved by hand.
#[derive(Debug, Default)]
struct ManualTime {
    now: AtomicU64,
    /// Nanoseconds that a poll waits for the work of another thread.
    patience: AtomicU64,
    /// Whether a sleeping guest moves the time instead of waiting.
    moves_by_sleeping: bool,
}

/// Moves a manual [`Clock`].
#[derive(Debug, Clone)]
pub struct Hand(Arc<ManualTime>);

impl Hand {
    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.0.now.fetch_add(nanoseconds, Ordering::SeqCst);
    }

    /// Moves the clock to this moment, unless it is past it.
    pub fn advance_to(&self, moment: Moment) {
        self.0.now.fetch_max(moment.0, Ordering::SeqCst);
    }

    /// Sets how long a poll waits, in real time, for the work of another thread.
    pub fn let_polls_wait(&self, at_most: Duration) {
        let nanoseconds = u64::try_from(at_most.as_nanos()).unwrap_or(u64::MAX);
        self.0.patience.store(nanoseconds, Ordering::Relaxed);
    }
}

impl Clock {
    /// The first time of a scripted clock: Go's runtime takes 0 for a clock that has stopped.
    pub const SCRIPT_BEGINS: Moment = Moment(1_000_000_000);

    /// The system's monotonic clock.
    pub fn system() -> Clock {
        Clock { source: TimeSource::System(Instant::now()), turn: Arc::default() }
    }

    /// A clock that stands still until its [`Hand`] moves it.
    pub fn manual() -> (Clock, Hand) {
        Clock::moved(ManualTime::default())
    }

    /// A manual clock that a sleeping guest moves to the end of its sleep.
    pub fn scripted() -> (Clock, Hand) {
        let now = AtomicU64::new(Clock::SCRIPT_BEGINS.0);
        Clock::moved(ManualTime { now, moves_by_sleeping: true, ..ManualTime::default() })
    }

    fn moved(time: ManualTime) -> (Clock, Hand) {
        let time = Arc::new(time);
        (Clock { source: TimeSource::Manual(time.clone()), turn: Arc::default() }, Hand(time))
    }

    /// A clock with the same source and a turn of its own, for another reactor.
    pub fn for_reactor(&self) -> Clock {
        Clock { source: self.source.clone(), turn: Arc::default() }
    }

    /// The time right now.
    pub fn now(&self) -> Moment {
        match &self.source {
            TimeSource::System(start) => Moment::from_start(start.elapsed()),
            TimeSource::Manual(time) => Moment(time.now.load(Ordering::SeqCst)),
        }
    }

    /// Begins a turn, or its part after the wait: reads the time and keeps it for [`Clock::turn`].
    pub fn begin_turn(&self) -> Moment {
        let now = self.now();
        self.turn.store(now.0, Ordering::Relaxed);
        now
    }

    /// The time of the last [`Clock::begin_turn`].
    pub fn turn(&self) -> Moment {
        Moment(self.turn.load(Ordering::Relaxed))
    }

    /// Parks the calling thread for `at_most`; the caller then checks its condition again. The hand of a manual clock wakes no
    /// thread, so with one the checks are frequent.
    pub fn park(&self, at_most: Duration) {
        let at_most = match self.source {
            TimeSource::System(_) => at_most,
            TimeSource::Manual(_) => at_most.min(LOOK_AT_THE_HAND),
        };
        std::thread::park_timeout(at_most);
    }

    /// Moves the clock to the end of a sleep if it is scripted; false if the guest has to wait.
    pub fn sleeps_until(&self, end: Moment) -> bool {
        match &self.source {
            TimeSource::Manual(time) if time.moves_by_sleeping => {
                time.now.fetch_max(end.0, Ordering::SeqCst);
                true
            }
            TimeSource::System(_) | TimeSource::Manual(_) => false,
        }
    }

    /// How long a poll may wait for `deadline`. With a manual clock it waits for no deadline: the test that runs the turns
    /// moves the hand.
    pub fn wait_until(&self, deadline: Option<Moment>) -> Option<Duration> {
        match &self.source {
            TimeSource::System(_) => deadline.map(|deadline| deadline.since(self.now())),
            TimeSource::Manual(time) => {
                Some(Duration::from_nanos(time.patience.load(Ordering::Relaxed)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_by_hand_only() {
        let (clock, hand) = Clock::manual();
        assert!(!clock.sleeps_until(Moment(1)), "nor by a sleep");
        let before = clock.begin_turn();
        hand.advance(Duration::from_millis(5));
        assert_eq!(clock.now().since(before), Duration::from_millis(5));
        assert_eq!(clock.turn(), before, "the turn keeps the time it began with");
        assert_eq!(clock.wait_until(None), Some(Duration::ZERO));
    }

    #[test]
    fn a_sleep_moves_a_scripted_clock() {
        let (clock, hand) = Clock::scripted();
        let at = |nanoseconds| Clock::SCRIPT_BEGINS + Duration::from_nanos(nanoseconds);
        assert_eq!(clock.now(), at(0));
        assert!(clock.sleeps_until(at(5)) && clock.sleeps_until(at(3)));
        assert_eq!(clock.now(), at(5), "never back");
        hand.advance_to(at(4));
        assert_eq!(clock.now(), at(5));
        hand.let_polls_wait(Duration::from_millis(1));
        assert_eq!(clock.wait_until(None), Some(Duration::from_millis(1)));
    }

    #[test]
    fn the_grid_rounds_up() {
        let check = |nanoseconds, expected| {
            let moment = Moment::from_start(Duration::from_nanos(nanoseconds));
            assert_eq!(moment.on_grid(), Moment::from_start(Duration::from_millis(expected)));
        };
        check(0, 0);
        check(1, 1);
        check(1_000_000, 1);
        check(1_000_001, 2);
    }
}
