//! Rates: limits per second, of CPU time, bytes or connections.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// A token bucket, on any thread. Tokens are taken after use, so the level may be negative; the user then waits until it is
/// positive again.
#[derive(Debug)]
pub struct TokenBucket {
    left: AtomicI64,
    /// The time of the last refill, in nanoseconds of the clock.
    filled: AtomicU64,
    /// The tokens added per second, which is also the capacity.
    per_second: AtomicI64,
}

/// The rate of a bucket without a limit.
const UNBOUNDED: i64 = i64::MAX;

/// The maximum number of wake-ups per second of a user that waits for tokens.
const WAKES_PER_SECOND: u32 = 8;
/// How long an empty bucket takes, without a debt, until it is worth waiting for.
pub(crate) const WORTH_AFTER: Duration = Duration::from_millis(1000 / WAKES_PER_SECOND as u64);

const SECOND: i128 = 1_000_000_000;

impl TokenBucket {
    /// A full bucket; the rate is at least 1, since an empty bucket would otherwise stay empty.
    pub fn new(per_second: u64) -> TokenBucket {
        let bucket = TokenBucket {
            left: AtomicI64::new(0),
            filled: AtomicU64::new(0),
            per_second: AtomicI64::new(UNBOUNDED),
        };
        bucket.set(Some(per_second));
        bucket.left.store(bucket.per_second(), Ordering::Relaxed);
        bucket
    }

    /// Like [`TokenBucket::new`]; none means no limit.
    pub fn maybe(per_second: Option<u64>) -> TokenBucket {
        let bucket = TokenBucket::new(per_second.unwrap_or(1));
        bucket.set(per_second);
        bucket
    }

    /// Sets the rate; none means no limit. Used tokens stay used.
    pub fn set(&self, per_second: Option<u64>) {
        let per_second =
            per_second.map_or(UNBOUNDED, |it| i64::try_from(it).unwrap_or(UNBOUNDED - 1).max(1));
        self.per_second.store(per_second, Ordering::Relaxed);
        self.left.fetch_min(per_second, Ordering::Relaxed);
    }

    /// Whether it has a limit.
    pub fn is_bounded(&self) -> bool {
        self.per_second() != UNBOUNDED
    }

    fn per_second(&self) -> i64 {
        self.per_second.load(Ordering::Relaxed)
    }

    /// Takes the used tokens.
    pub fn take(&self, amount: u64) {
        if !self.is_bounded() {
            return;
        }
        let amount = i64::try_from(amount).unwrap_or(i64::MAX);
        let less = |left: i64| Some(left.saturating_sub(amount));
        // The closure always returns a value.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Takes used time, in nanoseconds.
    pub fn take_time(&self, used: Duration) {
        self.take(u64::try_from(used.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Whether it has no tokens at `now`.
    pub fn is_empty(&self, now: Moment) -> bool {
        self.left(now) == 0
    }

    /// The tokens at `now`.
    pub fn left(&self, now: Moment) -> u64 {
        if !self.is_bounded() {
            return u64::MAX;
        }
        self.fill(now);
        u64::try_from(self.left.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// When it will hold an eighth of a second's tokens. It has some earlier, but a user that took each token as it comes would
    /// be woken for each.
    pub fn worth_waiting_for(&self, now: Moment) -> Moment {
        if !self.is_bounded() {
            return now;
        }
        self.fill(now);
        let per_second = self.per_second();
        let wanted = (per_second / i64::from(WAKES_PER_SECOND)).max(1);
        let missing = i128::from(wanted) - i128::from(self.left.load(Ordering::Relaxed));
        let filled = Moment::from_start(Duration::from_nanos(self.filled.load(Ordering::Relaxed)));
        let wait = (missing.max(0) * SECOND + i128::from(per_second) - 1) / i128::from(per_second);
        filled + Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
    }

    /// The debt at `now`: the tokens to be added before the level is positive.
    pub fn owed(&self, now: Moment) -> u64 {
        if !self.is_bounded() {
            return 0;
        }
        self.fill(now);
        u64::try_from(self.left.load(Ordering::Relaxed).saturating_neg()).unwrap_or(0)
    }

    fn fill(&self, now: Moment) {
        let now = u64::try_from(now.since(Moment::default()).as_nanos()).unwrap_or(u64::MAX);
        let before = self.filled.load(Ordering::Relaxed);
        let passed = i128::from(now.saturating_sub(before));
        let per_second = self.per_second();
        let more = passed * i128::from(per_second) / SECOND;
        // The time of a fraction of a token is kept for the next refill.
        let used = more * SECOND / i128::from(per_second);
        let filled = u64::try_from(i128::from(before) + used).unwrap_or(now);
        // The first thread refills for all.
        let swap =
            |new| self.filled.compare_exchange(before, new, Ordering::Relaxed, Ordering::Relaxed);
        if more <= 0 || swap(filled).is_err() {
            return;
        }
        let filled = |left: i64| {
            let sum = i128::from(left) + more;
            i64::try_from(sum.min(i128::from(per_second))).ok()
        };
        // The closure always returns a value: the level is at most the capacity.
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
        let bucket = TokenBucket::new(100);
        assert_eq!(bucket.left(at(0)), 100, "full at first");
        bucket.take(150);
        assert!(bucket.is_empty(at(0)));
        // The level is -50: half a second refills that.
        assert_eq!(bucket.owed(at(0)), 50);
        assert!(bucket.is_empty(at(499)));
        assert_eq!((bucket.left(at(511)), bucket.owed(at(511))), (1, 0));
    }

    #[test]
    fn it_holds_no_more_than_a_second() {
        let bucket = TokenBucket::new(100);
        assert!(!bucket.is_empty(at(60_000)));
        bucket.take(101);
        assert!(bucket.is_empty(at(60_000)), "an hour of rest is not an hour of work");
    }

    #[test]
    fn who_waits_is_woken_a_few_times_a_second() {
        for per_second in [1, 7, 8, 1000, 1 << 40] {
            let bucket = TokenBucket::new(per_second);
            let (mut now, mut wakes) = (at(0), 0);
            while now < at(8000) {
                bucket.take(bucket.left(now).max(1));
                let then = bucket.worth_waiting_for(now);
                assert!(now < then && 0 < bucket.left(then), "{per_second} a second at {now:?}");
                (now, wakes) = (then, wakes + 1);
            }
            assert!(wakes <= 65, "{per_second} a second: {wakes}");
        }
    }

    /// Frequent queries must not prevent the refill.
    #[test]
    fn it_fills_however_often_it_is_asked() {
        let bucket = TokenBucket::new(3);
        bucket.take(3);
        let full_at = (1..2000).find(|milliseconds| bucket.left(at(*milliseconds)) == 3);
        assert_eq!(full_at, Some(1000));
    }

    #[test]
    fn another_rate_keeps_what_was_used() {
        let bucket = TokenBucket::maybe(None);
        bucket.take(u64::MAX);
        assert!(!bucket.is_bounded() && !bucket.is_empty(at(0)) && bucket.owed(at(0)) == 0);
        bucket.set(Some(100));
        assert_eq!(bucket.left(at(0)), 1, "it was used up when it had no bound");
        assert_eq!(bucket.left(at(1000)), 100);
        bucket.take(150);
        bucket.set(Some(10));
        assert_eq!(bucket.owed(at(1000)), 50);
        bucket.set(None);
        assert_eq!(bucket.left(at(1000)), u64::MAX);
    }

    #[test]
    fn time_is_taken_in_nanoseconds() {
        let bucket = TokenBucket::new(1_000_000_000);
        bucket.take_time(Duration::from_millis(999));
        assert_eq!(bucket.left(at(0)), 1_000_000);
        bucket.take(u64::MAX);
        bucket.take(u64::MAX);
        assert!(bucket.is_empty(at(1000)), "it does not wrap around");
    }
}
