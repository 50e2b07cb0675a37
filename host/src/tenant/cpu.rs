//! CPU time that a tenant may use in each second, over all reactors and workers.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// A bucket of CPU time that fills as time passes. What has been used is taken out afterwards, so it may go below
/// nothing; then the tenant waits until it is full enough again.
#[derive(Debug)]
pub struct Cpu {
    /// Nanoseconds in the bucket.
    left: AtomicI64,
    /// When it was filled last, in nanoseconds of the clock.
    filled: AtomicU64,
    /// Nanoseconds that one second adds, and the most the bucket holds.
    per_second: i64,
}

const SECOND: i128 = 1_000_000_000;

impl Cpu {
    /// A full bucket.
    pub fn new(per_second: Duration) -> Cpu {
        let per_second = i64::try_from(per_second.as_nanos()).unwrap_or(i64::MAX);
        Cpu { left: AtomicI64::new(per_second), filled: AtomicU64::new(0), per_second }
    }

    /// Takes what was used.
    pub fn spend(&self, used: Duration) {
        let used = i64::try_from(used.as_nanos()).unwrap_or(i64::MAX);
        self.left.fetch_sub(used, Ordering::Relaxed);
    }

    /// Whether the tenant has to wait, at `now`.
    pub fn is_empty(&self, now: Moment) -> bool {
        self.fill(now);
        self.left.load(Ordering::Relaxed) <= 0
    }

    fn fill(&self, now: Moment) {
        let now = u64::try_from(now.since(Moment::default()).as_nanos()).unwrap_or(u64::MAX);
        let before = self.filled.load(Ordering::Relaxed);
        let passed = now.saturating_sub(before);
        let more = i128::from(passed) * i128::from(self.per_second) / SECOND;
        // Less than a nanosecond's worth is kept for the next time; whoever comes first fills for all.
        if more <= 0
            || self
                .filled
                .compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        let filled = |left: i64| {
            let sum = i128::from(left) + more;
            i64::try_from(sum.min(i128::from(self.per_second))).ok()
        };
        // It always fits: it is at most what a second adds.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, filled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn it_empties_by_use_and_fills_by_time() {
        let cpu = Cpu::new(Duration::from_millis(100));
        assert!(!cpu.is_empty(at(0)), "full at first");
        cpu.spend(Duration::from_millis(150));
        assert!(cpu.is_empty(at(0)));
        // 50 below nothing: a tenth of the time fills it.
        assert!(cpu.is_empty(at(499)));
        assert!(!cpu.is_empty(at(501)));
    }

    #[test]
    fn it_holds_no_more_than_a_second() {
        let cpu = Cpu::new(Duration::from_millis(100));
        assert!(!cpu.is_empty(at(60_000)));
        cpu.spend(Duration::from_millis(101));
        assert!(cpu.is_empty(at(60_000)), "an hour of rest is not an hour of work");
    }
}
