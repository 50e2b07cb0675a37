//! The state of a reactor's stop.

use std::time::Duration;

use crate::base::arena::InstanceId;
use crate::clock::Moment;
use crate::mail::post::{Post, StopManner};
use crate::reactor::exit::Exit;
use crate::reactor::table::deadline::DeadlineKey;

/// The state of a reactor's stop, and its deadlines.
#[derive(Debug)]
pub(in crate::reactor) struct Stopping {
    pub(in crate::reactor) stop: Stop,
    /// How connections in progress are treated.
    pub(in crate::reactor) manner: StopManner,
    /// The programs whose `stopping` is waited for.
    pub(in crate::reactor) told: Vec<InstanceId>,
    /// The progress of the sweep over connections and instances.
    pub(in crate::reactor) sweep: Option<Sweep>,
    /// Which connections are being drained.
    pub(in crate::reactor) drained: DrainedKind,
    /// Whether this reactor has announced that it has no accepted connection left.
    pub(in crate::reactor) has_told: bool,
    /// The number of reactors that have announced that, including this one.
    pub(in crate::reactor) have_none_accepted: usize,
    /// The deadline of the whole stop, set when it begins.
    pub(in crate::reactor) until: Moment,
    /// The time at which connections that are being drained are cut off.
    pub(in crate::reactor) drained_until: Moment,
    /// The number of cuts so far.
    pub(in crate::reactor) cuts: u32,
    /// The deadline of the current step.
    pub(in crate::reactor) deadline: Option<DeadlineKey>,
    pub(in crate::reactor) exit: Exit,
    /// All reactors of the host, to pass the stop on.
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

/// The last tenth of a stop is for delivering ends to guests, within these bounds and at most half of the stop: a guest that
/// is called a little late must not count as one that hangs.
const TELLING_MIN: Duration = Duration::from_millis(250);
const TELLING_MAX: Duration = Duration::from_millis(500);

fn time_to_tell(longest: Duration) -> Duration {
    (longest / 10).clamp(TELLING_MIN, TELLING_MAX).min(longest / 2)
}

impl Stopping {
    /// Begins the stop, which may take `longest`.
    pub(in crate::reactor) fn begin(&mut self, now: Moment, longest: Duration) {
        self.until = now + longest;
        self.drained_until = now + longest.saturating_sub(time_to_tell(longest));
    }

    /// How long the current step may take, if the whole stop may take `longest`.
    ///
    /// Each cut leaves half of the remaining time for what follows it, so that `stopped` has returned at the deadline.
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

    /// Requests the stop in this manner. Further requests have no effect.
    pub(in crate::reactor) fn want(&mut self, manner: StopManner) {
        if self.stop == Stop::No {
            self.stop = Stop::Wanted;
            self.manner = manner;
        }
    }

    /// Whether it has begun, so that nothing new is accepted.
    pub(in crate::reactor) fn has_begun(&self) -> bool {
        !matches!(self.stop, Stop::No | Stop::Wanted)
    }

    /// Whether connections in progress continue.
    pub(in crate::reactor) fn drains(&self) -> bool {
        self.manner != StopManner::Close
    }

    /// Whether the last kind of connections is being drained.
    pub(in crate::reactor) fn drains_the_last(&self) -> bool {
        !self.drains() || 0 < self.cuts || self.drained == DrainedKind::AskedFor
    }

    /// Whether timers, ticks and mail of guests are no longer served.
    pub(in crate::reactor) fn has_ended_guests(&self) -> bool {
        match self.stop {
            Stop::No | Stop::Wanted => false,
            Stop::Hooks | Stop::Draining => !self.drains() || 0 < self.cuts,
            Stop::Cutting | Stop::LastWords | Stop::Done => true,
        }
    }

    /// Whether every reactor has announced that it has no accepted connection left.
    pub(in crate::reactor) fn none_is_accepted(&self) -> bool {
        self.peers.len() <= self.have_none_accepted
    }
}

/// Connections that are drained together. Accepted ones go first, since they may depend on the outgoing ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum DrainedKind {
    /// Accepted connections.
    Accepted,
    /// Connections that plugins have opened.
    AskedFor,
}

/// A sweep over the instances and connections of a reactor, some of them in each turn.
#[derive(Debug, Clone, Copy)]
pub(in crate::reactor) struct Sweep {
    pub(in crate::reactor) purpose: SweepPurpose,
    /// The slot of the next instance; none when all were visited.
    pub(in crate::reactor) instance: Option<usize>,
    /// The slot of the next connection; none when all were visited.
    pub(in crate::reactor) connection: Option<usize>,
}

/// What a sweep does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum SweepPurpose {
    /// Drains connections of this kind.
    Drain(DrainedKind),
    /// Closes connections, idle or not.
    Close,
    /// Cuts connections off and ends instances that are in a call.
    Cut,
}

impl Sweep {
    pub(in crate::reactor) fn new(purpose: SweepPurpose) -> Sweep {
        let instance = (purpose == SweepPurpose::Cut).then_some(0);
        Sweep { purpose, instance, connection: Some(0) }
    }
}

/// The steps of the stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reactor) enum Stop {
    /// Not requested.
    No,
    /// Requested: this turn is completed first.
    Wanted,
    /// Listeners are closed, `lifecycle.stopping` runs.
    Hooks,
    /// Connections end, and each gets its `unbind`.
    Draining,
    /// The deadline has passed: remaining connections and calls are cut.
    Cutting,
    /// `lifecycle.stopped` runs.
    LastWords,
    Done,
}

impl Stop {
    /// Moves on because the deadline of the step has passed.
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

    /// The latest end of each step, for a stop in which everything hangs.
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
        // Half of a short deadline is for delivering ends to guests.
        check(100, [50, 75, 87, 100]);
        check(0, [0, 0, 0, 0]);
    }
}
