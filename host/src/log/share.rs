//! A tenant's rate of log lines, and the count of those that were left out.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::base::lock::{Mutex, MutexGuard};
use crate::clock::Moment;
use crate::config::bound::Bound;
use crate::config::limits;
use crate::log::queue;
use crate::quota::token_bucket::TokenBucket;

/// The least number of bytes by which the host's own lines about a tenant may exceed its rate: a tenant must not hide its faults
/// with its own lines.
const TOLD_AHEAD: u64 = 16 << 10;

/// A tenant's part of the log and of the host's standard output.
#[derive(Debug)]
pub struct LogShare {
    /// The tenant.
    pub name: String,
    /// The rate of its lines, in bytes as they are written.
    rate: TokenBucket,
    rate_max: AtomicU64,
    /// Lines above its rate.
    pub(super) above_rate: Tally,
    /// Its lines that wait to be written.
    pub(super) log: Account,
    /// Its output that waits to be written, for plugins with `stdout = "inherit"`.
    pub(super) output: Account,
}

/// The part of a queue that its host or a tenant uses.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// The bytes used of its own part.
    pub(super) held: AtomicU64,
    /// The lines that the queue had no room for.
    pub(super) lost: Tally,
}

/// A count, and the part of it that was not reported yet.
#[derive(Debug, Default)]
pub(super) struct Tally {
    untold: AtomicU64,
    total: AtomicU64,
}

impl Tally {
    /// Adds to the count; true if all before was reported.
    pub(super) fn add(&self, more: u64) -> bool {
        self.total.fetch_add(more, Ordering::Relaxed);
        0 < more && self.untold.fetch_add(more, Ordering::Relaxed) == 0
    }

    /// The part that was not reported; it counts as reported now.
    pub(super) fn tell(&self) -> u64 {
        self.untold.swap(0, Ordering::Relaxed)
    }

    /// The whole count.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

/// Every share, and their number.
static SHARES: Mutex<Vec<Weak<LogShare>>> = Mutex::new(Vec::new());
static COUNT: AtomicUsize = AtomicUsize::new(0);

impl LogShare {
    /// A share of the tenant `name`, with a rate of `per_second` bytes.
    pub fn new(name: &str, per_second: u64) -> Arc<LogShare> {
        let share = Arc::new(LogShare {
            name: name.to_owned(),
            rate: TokenBucket::new(per_second),
            rate_max: AtomicU64::new(per_second),
            above_rate: Tally::default(),
            log: Account::default(),
            output: Account::default(),
        });
        let mut shares = shares();
        shares.retain(|other| 0 < other.strong_count());
        shares.push(Arc::downgrade(&share));
        COUNT.store(shares.len(), Ordering::Relaxed);
        share
    }

    /// Changes the rate.
    pub fn set_rate(&self, per_second: u64) {
        self.rate.set(Some(per_second));
        self.rate_max.store(per_second, Ordering::Relaxed);
    }

    /// Every share in use.
    pub(super) fn all() -> Vec<Arc<LogShare>> {
        shares().iter().filter_map(Weak::upgrade).collect()
    }

    /// The number of shares.
    pub(super) fn count() -> usize {
        COUNT.load(Ordering::Relaxed)
    }

    /// Whether its plugins may write another line.
    pub fn may_write(&self, now: Moment) -> bool {
        !self.rate.is_empty(now)
    }

    /// Whether the host may write another line about its plugins: a denial, a limit, a trap. Such lines have priority over its
    /// own, and count for the same rate.
    pub fn may_be_told(&self, now: Moment) -> bool {
        self.rate.owed(now) < self.rate_max.load(Ordering::Relaxed).max(TOLD_AHEAD)
    }

    /// Charges a line that was written.
    pub(super) fn wrote(&self, bytes: usize) {
        self.rate.take(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Counts lines above its rate, which the log reports as soon as possible.
    pub fn leave_out(&self, lines: u64) {
        if self.above_rate.add(lines) {
            queue::wake_log();
        }
    }

    /// Logs the number of its lines and bytes of output that were left out since the start, if any.
    pub fn tell_left_out(&self) {
        for (bound, count) in self.left_out() {
            let is_output = *bound == limits::STDOUT_QUEUE;
            let what = if is_output { "bytes left out" } else { "lines left out" };
            if 0 < count {
                tracing::info!(tenant = self.name, what, of = bound.name, count, "counted");
            }
        }
    }

    /// The number left out since the start, by bound: lines of the log, and bytes of the output.
    pub fn left_out(&self) -> [(&'static Bound, u64); 3] {
        [
            (&limits::LOG_PER_SECOND, self.above_rate.total()),
            (&limits::LOG_QUEUE, self.log.lost.total()),
            (&limits::STDOUT_QUEUE, self.output.lost.total()),
        ]
    }
}

fn shares() -> MutexGuard<'static, Vec<Weak<LogShare>>> {
    SHARES.lock()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_told_of_a_tenant_comes_before_its_own_lines() {
        let at = |seconds| Moment::from_start(Duration::from_secs(seconds));
        let share = LogShare::new("noisy", 1000);
        assert!(share.may_write(at(0)) && share.may_be_told(at(0)));
        share.wrote(1500);
        assert!(!share.may_write(at(0)) && share.may_be_told(at(0)));
        share.wrote(17_000);
        assert!(!share.may_be_told(at(0)), "that has an end, too");
        assert!(share.may_be_told(at(2)) && !share.may_write(at(2)));
        assert!(share.may_write(at(30)));
    }

    #[test]
    fn a_tally_is_told_once() {
        let tally = Tally::default();
        assert!(!tally.add(0) && tally.add(2) && !tally.add(3));
        assert_eq!((tally.tell(), tally.tell(), tally.total()), (5, 0, 5));
        assert!(tally.add(1));
    }
}
