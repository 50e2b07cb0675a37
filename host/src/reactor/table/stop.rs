//! How far the end of a reactor has come.

use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::clock::Moment;
use crate::mail::post::{Post, StopManner};
use crate::reactor::exit::Exit;
use crate::reactor::table::deadline::DeadlineKey;

/// The end of a reactor: how far it is, and how long it may take.
#[derive(Debug)]
pub(in crate::reactor) struct Stopping {
    pub(in crate::reactor) stop: Stop,
    /// What becomes of what is under way.
    pub(in crate::reactor) manner: StopManner,
    /// The programs that were told, whose `stopping` is waited for.
    pub(in crate::reactor) told: Vec<InstanceId>,
    /// How far the walk has come that finds what is drained, closed or cut.
    pub(in crate::reactor) sweep: Option<Sweep>,
    /// Whose turn it is to be drained.
    pub(in crate::reactor) drained: DrainedKind,
    /// Whether the others were told that this one has no accepted connection left.
    pub(in crate::reactor) has_told: bool,
    /// How many have told that, this one among them.
    pub(in crate::reactor) have_none_accepted: usize,
    /// When it may take no longer; known once it has begun.
    pub(in crate::reactor) until: Moment,
    /// When what is drained is cut off.
    pub(in crate::reactor) drained_until: Moment,
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
            manner: StopManner::Close,
            told: Vec::new(),
            sweep: None,
            drained: DrainedKind::Accepted,
            has_told: false,
            have_none_accepted: 0,
            until: Moment::default(),
            drained_until: Moment::default(),
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

fn time_to_tell(longest: Duration) -> Duration {
    (longest / 10).clamp(TELLING_MIN, TELLING_MAX).min(longest / 2)
}

impl Stopping {
    /// Begins, with `longest` for all of it.
    pub(in crate::reactor) fn begin(&mut self, now: Moment, longest: Duration) {
        self.until = now + longest;
        self.drained_until = now + longest.saturating_sub(time_to_tell(longest));
    }

    /// How long the present step may take, where `longest` is for all of them.
    ///
    /// Each cut leaves half of the time for what follows it, so that the last words are over at the deadline.
    pub(in crate::reactor) fn left(&self, now: Moment, longest: Duration) -> Duration {
        let telling = time_to_tell(longest);
        let reserved = match (self.stop, self.cuts) {
            (Stop::Hooks, _) | (Stop::Draining, 0) => telling,
            (Stop::Draining, 1) => telling / 2,
            (Stop::Draining, _) => telling / 4,
            _ => Duration::ZERO,
        };
        self.until.since(now).saturating_sub(reserved)
    }

    /// Asks for it, in this manner; asking twice is asking once.
    pub(in crate::reactor) fn want(&mut self, manner: StopManner) {
        if self.stop == Stop::No {
            self.stop = Stop::Wanted;
            self.manner = manner;
        }
    }

    /// Whether it has begun: nobody new is let in.
    pub(in crate::reactor) fn has_begun(&self) -> bool {
        !matches!(self.stop, Stop::No | Stop::Wanted)
    }

    /// Whether what is under way goes on.
    pub(in crate::reactor) fn drains(&self) -> bool {
        self.manner != StopManner::Close
    }

    /// Whether nothing is drained that something else is to be drained after.
    pub(in crate::reactor) fn drains_the_last(&self) -> bool {
        !self.drains() || 0 < self.cuts || self.drained == DrainedKind::AskedFor
    }

    /// Whether what guests have asked for is not done any more: their timers, their ticks, their mail.
    pub(in crate::reactor) fn has_ended_guests(&self) -> bool {
        match self.stop {
            Stop::No | Stop::Wanted => false,
            Stop::Hooks | Stop::Draining => !self.drains() || 0 < self.cuts,
            Stop::Cutting | Stop::LastWords | Stop::Done => true,
        }
    }

    /// Whether every reactor has told that it has no accepted connection left.
    pub(in crate::reactor) fn none_is_accepted(&self) -> bool {
        self.peers.len() <= self.have_none_accepted
    }
}

/// Which connections are drained together. Those that plugins have made may be what the others wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum DrainedKind {
    /// Those that were accepted.
    Accepted,
    /// Those that plugins have asked for.
    AskedFor,
}

/// A walk through what a reactor has, some of it in each turn.
#[derive(Debug, Clone, Copy)]
pub(in crate::reactor) struct Sweep {
    pub(in crate::reactor) purpose: SweepPurpose,
    /// The slot of the next instance; none when all have been seen.
    pub(in crate::reactor) instance: Option<usize>,
    /// The slot of the next connection; none when all have been seen.
    pub(in crate::reactor) connection: Option<usize>,
}

/// What is done with what a walk finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum SweepPurpose {
    /// Connections of this kind are drained.
    Drain(DrainedKind),
    /// Connections are closed, idle or not.
    Close,
    /// Connections are cut off, instances that run are ended.
    Cut,
}

impl Sweep {
    /// From the beginning.
    pub(in crate::reactor) fn new(purpose: SweepPurpose) -> Sweep {
        let instance = (purpose == SweepPurpose::Cut).then_some(0);
        Sweep { purpose, instance, connection: Some(0) }
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
