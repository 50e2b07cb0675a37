//! How far the end of a reactor has come.

use std::time::Duration;

use crate::clock::Moment;
use crate::mail::post::Post;
use crate::reactor::exit::Exit;
use crate::reactor::table::deadline::DeadlineKey;

/// The end of a reactor: how far it is, and how long it may take.
#[derive(Debug)]
pub(in crate::reactor) struct Stopping {
    pub(in crate::reactor) stop: Stop,
    /// When it may take no longer; known once it has begun.
    pub(in crate::reactor) until: Moment,
    /// How often what was left has been cut.
    pub(in crate::reactor) cuts: u32,
    /// Until when the present step may take.
    pub(in crate::reactor) deadline: Option<DeadlineKey>,
    pub(in crate::reactor) exit: Exit,
    /// Every reactor of the host, to pass the stop on.
    pub(in crate::reactor) peers: Vec<Post>,
}

impl Default for Stopping {
    fn default() -> Stopping {
        Stopping {
            stop: Stop::No,
            until: Moment::default(),
            cuts: 0,
            deadline: None,
            exit: Exit::Stopped,
            peers: Vec::new(),
        }
    }
}

/// The time in which guests are told of their ends is the last tenth of what a stop may take, within these bounds, and half
/// of it at most: a guest that is told a moment late must not count as one that hangs.
const TELLING_MIN: Duration = Duration::from_millis(250);
const TELLING_MAX: Duration = Duration::from_millis(500);

impl Stopping {
    /// Begins, with `longest` for all of it.
    pub(in crate::reactor) fn begin(&mut self, now: Moment, longest: Duration) {
        self.until = now + longest;
    }

    /// How long the present step may take, where `longest` is for all of them.
    ///
    /// Each cut leaves half of the time for what follows it, so that the last words are over at the deadline.
    pub(in crate::reactor) fn left(&self, now: Moment, longest: Duration) -> Duration {
        let telling = (longest / 10).clamp(TELLING_MIN, TELLING_MAX).min(longest / 2);
        let reserved = match (self.stop, self.cuts) {
            (Stop::Hooks, _) | (Stop::Draining, 0) => telling,
            (Stop::Draining, 1) => telling / 2,
            (Stop::Draining, _) => telling / 4,
            _ => Duration::ZERO,
        };
        self.until.since(now).saturating_sub(reserved)
    }

    /// Whether the reactor has stopped beginning things.
    pub(in crate::reactor) fn has_begun(&self) -> bool {
        !matches!(self.stop, Stop::No | Stop::Wanted)
    }
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Stop {
    /// Not asked for.
    No,
    /// Asked for: this turn is completed first.
    Wanted,
    /// Listeners are closed, `lifecycle.stopping` is under way.
    Hooks,
    /// Output drains, each connection gets its `unbind`.
    Draining,
    /// The deadline has passed: what is left is cut.
    Cutting,
    /// `lifecycle.stopped` is under way.
    LastWords,
    /// Nothing is left.
    Done,
}

impl Stop {
    /// Asks for it; asking twice is asking once.
    pub(in crate::reactor) fn want(&mut self) {
        if *self == Stop::No {
            *self = Stop::Wanted;
        }
    }

    /// The deadline has passed.
    pub(in crate::reactor) fn deadline_passed(&mut self) {
        match self {
            Stop::Hooks | Stop::Draining => *self = Stop::Cutting,
            Stop::LastWords => *self = Stop::Done,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When each step is over at the latest, of a stop in which everything hangs.
    #[track_caller]
    fn check(longest: u64, expected: [u64; 4]) {
        let at = |milliseconds| Moment::from_start(Duration::from_millis(milliseconds));
        let mut stopping = Stopping::default();
        stopping.begin(at(0), Duration::from_millis(longest));
        let mut now = Duration::ZERO;
        let steps =
            [(Stop::Hooks, 0), (Stop::Draining, 1), (Stop::Draining, 2), (Stop::LastWords, 2)];
        let ends = steps.map(|(stop, cuts)| {
            (stopping.stop, stopping.cuts) = (stop, cuts);
            now += stopping.left(Moment::from_start(now), Duration::from_millis(longest));
            now.as_millis()
        });
        assert_eq!(ends, expected.map(u128::from), "{longest} ms");
    }

    #[test]
    fn all_steps_together_have_the_deadline() {
        check(5000, [4500, 4750, 4875, 5000]);
        check(60_000, [59_500, 59_750, 59_875, 60_000]);
        check(1000, [750, 875, 937, 1000]);
        // Half of a short deadline is for guests to be told.
        check(100, [50, 75, 87, 100]);
        check(0, [0, 0, 0, 0]);
    }
}
