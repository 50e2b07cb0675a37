//! Counters of a plugin: denials, reached limits, traps.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::base::lock::{Mutex, MutexGuard};
use crate::clock::Moment;
use crate::config::bound::Limit;
use crate::plugin::incidents::Incidents;
use crate::plugin::service::{Service, ServiceCell};
use crate::plugin::stats::PluginStats;
use crate::quota::token_bucket::TokenBucket;

/// The shortest time between two log lines about the same thing.
pub(crate) const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// The most traps that are logged in a second, each with its backtrace.
const TRAP_LINES_PER_SECOND: u64 = 20;

/// The counters of a plugin, and when each was last logged.
#[derive(Debug)]
pub struct Counters {
    pub(super) told: Mutex<BTreeMap<CounterKey, Told>>,
    pub(super) traps: AtomicU64,
    pub(super) trap_lines: TokenBucket,
    pub(super) window: Mutex<Window>,
    pub(super) service: ServiceCell,
    /// The generation of the current version: traps of earlier ones do not put it in quarantine.
    served: AtomicU32,
    /// Measurements of the loops, kept if there is an `[admin]` section.
    pub stats: PluginStats,
    /// The last traps and denials, kept if there is an `[admin]` section.
    pub incidents: Incidents,
}

/// What is counted separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CounterKey {
    /// A denied call, by its name in the contract.
    Denial(&'static str),
    /// A reached limit.
    Limit(Limit),
    /// A call whose results need an export that the component lacks, by its name in the contract.
    Missing(&'static str),
    /// A connection whose PROXY protocol header was rejected, by the reason.
    Proxy(&'static str),
}

#[derive(Debug, Default)]
pub(crate) struct Told {
    count: u64,
    last: Option<Moment>,
}

/// The traps of the current window.
#[derive(Debug, Default)]
pub(crate) struct Window {
    begun: Moment,
    count: u32,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters {
            told: Mutex::default(),
            traps: AtomicU64::new(0),
            trap_lines: TokenBucket::new(TRAP_LINES_PER_SECOND),
            window: Mutex::default(),
            service: ServiceCell::default(),
            served: AtomicU32::new(0),
            stats: PluginStats::default(),
            incidents: Incidents::default(),
        }
    }
}

impl Counters {
    /// Counters with measurements of `loops` loops; 0 if there is no `[admin]` section.
    pub fn watched(loops: usize) -> Counters {
        Counters {
            stats: PluginStats::new(loops),
            incidents: Incidents::new(0 < loops),
            ..Counters::default()
        }
    }

    /// Counts one more without a log line; returns the count.
    pub fn add(&self, what: CounterKey) -> u64 {
        self.add_many(what, 1)
    }

    /// Adds `more` to a counter.
    pub fn add_many(&self, what: CounterKey, more: u64) -> u64 {
        let mut told = lock(&self.told);
        let told = told.entry(what).or_default();
        told.count += more;
        told.count
    }

    /// Counts one more; returns the count if a log line is due.
    pub fn count(&self, what: CounterKey, now: Moment) -> Option<u64> {
        let mut told = lock(&self.told);
        let told = told.entry(what).or_default();
        told.count += 1;
        let again = told.last.is_none_or(|last| TOLD_AGAIN_AFTER <= now.since(last));
        again.then(|| {
            told.last = Some(now);
            told.count
        })
    }

    /// The number of traps.
    pub fn traps(&self) -> u64 {
        self.traps.load(Ordering::Relaxed)
    }

    /// Every counter that is not zero, except that of traps.
    pub fn all(&self) -> Vec<(CounterKey, u64)> {
        lock(&self.told).iter().map(|(what, told)| (*what, told.count)).collect()
    }

    /// The state of service.
    pub fn service(&self) -> Service {
        self.service.get()
    }

    /// Whether it gets no new instances.
    pub fn is_held_back(&self) -> bool {
        self.service.get() != Service::Serving
    }

    /// Notes the generation that is current from now on.
    pub(super) fn serve(&self, generation: u32) {
        self.served.store(generation, Ordering::Relaxed);
    }

    /// Counts a trap of a version in the window; true if the plugin is quarantined by it.
    pub(super) fn strike(
        &self,
        now: Moment,
        traps: u32,
        window: Duration,
        generation: u32,
    ) -> bool {
        if generation < self.served.load(Ordering::Relaxed) {
            return false;
        }
        let mut late = lock(&self.window);
        if window < now.since(late.begun) {
            *late = Window { begun: now, count: 0 };
        }
        late.count = late.count.saturating_add(1);
        traps <= late.count && self.service.quarantine()
    }

    /// Ends quarantine, parking and draining; true if one of them applied.
    pub(super) fn resume(&self) -> bool {
        *lock(&self.window) = Window::default();
        self.service.set(Service::Serving)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::limits;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_start(Duration::from_millis(milliseconds))
    }

    #[test]
    fn what_is_repeated_is_told_once_a_second_with_its_count() {
        let counters = Counters::default();
        let limit = |bound| CounterKey::Limit(Limit::Of(bound));
        let (timers, ticks) = (limit(&limits::TIMERS), limit(&limits::TICKS));
        let (log_line, denial) = (limit(&limits::LOG_LINE), CounterKey::Denial("timers"));
        let count = |what, milliseconds| counters.count(what, at(milliseconds));
        assert_eq!(count(timers, 0), Some(1));
        assert_eq!((1..100).filter_map(|time| count(timers, time)).count(), 0);
        assert_eq!(count(ticks, 50), Some(1));
        assert_eq!(count(denial, 50), Some(1));
        assert_eq!(count(timers, 1000), Some(101));
        assert_eq!(counters.add_many(log_line, 2), 2);
        let expected = [(denial, 1), (log_line, 2), (ticks, 1), (timers, 101)];
        assert_eq!(counters.all(), expected);
    }

    #[test]
    fn so_many_traps_in_the_window_park_it_once() {
        let counters = Counters::default();
        let strike_of = |seconds: u64, generation| {
            counters.strike(at(seconds * 1000), 3, Duration::from_secs(60), generation)
        };
        let strike = |seconds| strike_of(seconds, 0);
        assert!(!strike(0) && !strike(59));
        // The window has passed, so the count starts again.
        assert!(!strike(61) && !strike(62) && !counters.is_held_back());
        assert!(strike(63) && counters.is_held_back());
        assert!(!strike(64), "told once");
        assert!(counters.resume() && !counters.is_held_back() && !counters.resume());
        assert!(!strike(65) && !strike(66));
        assert!(strike(67));
        counters.resume();
        counters.serve(1);
        assert!((68..80).all(|seconds| !strike_of(seconds, 0)), "an earlier version");
        assert!(!strike_of(80, 1) && !strike_of(81, 1) && strike_of(82, 1));
    }
}
