//! How long a tenant's handlers have held the loops.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a tenant's handlers have held the loops. Measured if there are several tenants or the CPU time is bounded; a
/// handler that exceeds its slice is counted in any case.
#[derive(Debug, Default)]
pub struct LoopHolds {
    hand_ons: AtomicU64,
    /// In nanoseconds.
    longest: AtomicU64,
}

impl LoopHolds {
    /// Notes that a handler has held its loop for `time`.
    pub fn held(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // A load is cheaper than `fetch_max`, and few calls are the longest so far.
        if self.longest.load(Ordering::Relaxed) < nanoseconds {
            self.longest.fetch_max(nanoseconds, Ordering::Relaxed);
        }
    }

    /// Notes that a handler has held its loop for a slice and the loop was handed on.
    pub fn handed_on(&self, slice: Duration) {
        self.hand_ons.fetch_add(1, Ordering::Relaxed);
        self.held(slice);
    }

    /// The number of times that a loop was handed on.
    pub fn hand_ons(&self) -> u64 {
        self.hand_ons.load(Ordering::Relaxed)
    }

    /// The longest time that a loop was held for.
    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_kept_and_each_hand_on_counts() {
        let holds = LoopHolds::default();
        for milliseconds in [2, 9, 3] {
            holds.held(Duration::from_millis(milliseconds));
        }
        holds.handed_on(Duration::from_millis(1));
        assert_eq!((holds.longest(), holds.hand_ons()), (Duration::from_millis(9), 1));
        holds.handed_on(Duration::from_millis(10));
        assert_eq!((holds.longest(), holds.hand_ons()), (Duration::from_millis(10), 2));
    }
}
