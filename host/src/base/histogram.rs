//! Counts and distributions that one loop writes and any thread reads, without locks and without locked instructions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A count that one thread at a time writes.
#[derive(Debug, Default)]
pub struct LoopCounter(AtomicU64);

impl LoopCounter {
    /// Adds `more`.
    pub fn add(&self, more: u64) {
        // There is no other writer.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    /// Sets the value, for a gauge.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The upper bounds of the buckets: in nanoseconds, and in seconds as Prometheus writes them.
pub(crate) const EDGES: [(u64, &str); 20] = [
    (5_000, "5e-06"),
    (10_000, "1e-05"),
    (25_000, "2.5e-05"),
    (50_000, "5e-05"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1.0"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5.0"),
    (10_000_000_000, "10.0"),
];
/// The number of buckets: one for each bound, and one for larger values.
pub(crate) const BUCKETS: usize = EDGES.len() + 1;

/// A distribution of durations. One thread at a time records.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [LoopCounter; BUCKETS],
    /// In nanoseconds.
    sum: LoopCounter,
}

/// The values of a histogram at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Distribution {
    /// The number of durations in each bucket, not cumulative.
    pub buckets: [u64; BUCKETS],
    /// The sum of all durations, in nanoseconds.
    pub sum: u64,
}

impl Histogram {
    /// Records a duration.
    pub fn note(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = EDGES.partition_point(|(edge, _)| *edge < nanoseconds);
        self.buckets[bucket].add(1);
        self.sum.add(nanoseconds);
    }

    /// Adds the values to `sum`.
    pub fn add_to(&self, sum: &mut Distribution) {
        for (all, own) in sum.buckets.iter_mut().zip(&self.buckets) {
            *all = all.wrapping_add(own.get());
        }
        sum.sum = sum.sum.wrapping_add(self.sum.get());
    }
}

impl Distribution {
    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_ascend_and_say_the_same_twice() {
        assert!(EDGES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (nanoseconds, seconds) in EDGES {
            let written: f64 = seconds.parse().expect("a number");
            let difference = (written * 1e9 - nanoseconds as f64).abs();
            assert!(difference < 1.0, "{seconds}");
        }
    }

    #[test]
    fn what_is_at_an_edge_is_below_it() {
        let histogram = Histogram::default();
        for microseconds in [0, 5, 6, 10_000_000, 10_000_001] {
            histogram.note(Duration::from_micros(microseconds));
        }
        let mut sum = Distribution::default();
        histogram.add_to(&mut sum);
        histogram.add_to(&mut sum);
        let last = BUCKETS - 1;
        let found = (sum.buckets[0], sum.buckets[1], sum.buckets[last - 1], sum.buckets[last]);
        assert_eq!(found, (4, 2, 2, 2));
        assert_eq!((sum.count(), sum.sum), (10, 2 * 20_000_012_000));
    }
}
