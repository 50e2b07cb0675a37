//! What the deadlines of a reactor are for.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::base::arena::{ConnectionId, InstanceId};
use crate::clock::Moment;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A timer of a guest.
    Guest(InstanceId, u32),
    /// A call into a guest has taken too long.
    Overdue(InstanceId),
    /// A connection may have been idle for too long.
    Inactivity(ConnectionId),
    /// A connection has not been made in time.
    PendingConnect(ConnectionId),
    /// A close after writing has waited long enough.
    CloseDeadline(ConnectionId),
    /// A listener that could not accept tries again.
    Accept(usize),
    /// A program that failed is started again.
    Restart(usize),
    /// The host has waited for output long enough.
    StopDeadline,
}

/// The wait before a failed program is started again; doubled with each failure.
pub const RESTART_AFTER: Duration = Duration::from_secs(1);
/// The doubling ends here: about a minute.
pub const DOUBLINGS_MAX: u32 = 6;

/// How often a program has failed of late.
#[derive(Debug, Clone, Copy, Default)]
pub struct Failures {
    pub count: u32,
    pub last: Moment,
}

impl Failures {
    /// Counts a failure at `now` and tells how long to wait. One that ran well for longer than the longest
    /// wait begins anew.
    pub fn wait(&mut self, now: Moment) -> Duration {
        let longest = RESTART_AFTER * (1 << DOUBLINGS_MAX);
        if longest * 2 < now.since(self.last) {
            self.count = 0;
        }
        let after = RESTART_AFTER * (1 << self.count.min(DOUBLINGS_MAX));
        *self = Failures { count: self.count.saturating_add(1), last: now };
        after
    }
}

/// So much longer, at most, does a wait become by chance: hosts that failed together do not come back together.
pub const JITTER: u32 = 4;

/// A wait and up to a quarter of it.
pub fn spread(wait: Duration, chance: u64) -> Duration {
    let thousandths = u32::try_from(chance % 1000).unwrap_or(0);
    wait + wait / JITTER / 1000 * thousandths
}

/// Some number. What the standard library seeds its maps with is random enough for that.
pub fn chance() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_minute_and_is_forgotten() {
        let at = |seconds| Moment::from_start(Duration::from_secs(seconds));
        let mut failures = Failures::default();
        let waits: Vec<u64> = (0..8).map(|time| failures.wait(at(time)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64]);
        assert_eq!(failures.wait(at(1000)).as_secs(), 1);
    }

    #[test]
    fn a_wait_becomes_longer_by_less_than_a_quarter() {
        let second = Duration::from_secs(1);
        assert_eq!(spread(second, 0), second);
        assert_eq!(spread(second, 1500), Duration::from_millis(1125));
        assert!(spread(second, 999) < Duration::from_millis(1250));
    }
}
