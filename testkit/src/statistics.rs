//! What can be said of a few values of which nothing is known: their median, and between which values it lies.

use std::time::Duration;

/// Fewer rounds say nothing about the median with this confidence.
pub const ROUNDS_MIN: usize = 6;

/// How often the interval may miss the median.
const ERROR_MAX: f64 = 0.05;

/// Where the median of a quantity lies, after some rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// The median of the values.
    pub median: f64,
    /// Its upper end.
    pub high: f64,
}

/// The median of these values, and the interval that has the quantity's median in it with a confidence of 95 %.
///
/// It is the sign test turned round: each value is above the quantity's median or below it by the toss of a coin, so the
/// k-th value from either end is on the wrong side only where fewer than k of n tosses went one way. This needs no normal
/// distribution, and one round that was disturbed moves neither end far.
///
/// # Panics
/// There are fewer than [`ROUNDS_MIN`] values.
pub fn interval(values: &[f64]) -> Interval {
    assert!(ROUNDS_MIN <= values.len(), "{} rounds say nothing", values.len());
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let aside = set_aside(values.len());
    let (low, high) = (values[aside], values[values.len() - 1 - aside]);
    Interval { low, median: median(values), high }
}

/// How many values at each end are outside the interval: the most with which it still misses rarely enough.
fn set_aside(count: usize) -> usize {
    // The chance of exactly so many heads in `count` tosses, and of at most so many.
    let mut exactly = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut at_most = exactly;
    let mut aside = 0;
    while 2.0 * at_most <= ERROR_MAX {
        aside += 1;
        exactly *= (count - aside + 1) as f64 / aside as f64;
        at_most += exactly;
    }
    aside.saturating_sub(1)
}

/// The value in the middle, or the mean of the two in the middle; no number where there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len() / 2, values.len() % 2) {
        (0, 0) => f64::NAN,
        (half, 0) => f64::midpoint(values[half - 1], values[half]),
        (half, _) => values[half],
    }
}

/// The 99th percentile of some times; the longest of fewer than a hundred.
pub fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let place = (times.len() * 99 / 100).min(times.len().saturating_sub(1));
    times.get(place).copied().unwrap_or(Duration::MAX)
}

/// The median of some times.
pub fn median_time(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the sign test for a confidence of 95 %.
    #[test]
    fn as_many_are_set_aside_as_the_sign_test_says() {
        let table = [(6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5), (25, 7)];
        for (count, aside) in table {
            assert_eq!(set_aside(count), aside, "{count} rounds");
        }
    }

    #[test]
    fn one_disturbed_round_of_nine_changes_nothing() {
        let mut values = vec![1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 100.0];
        let found = interval(&values);
        assert_eq!(found, Interval { low: 1.1, median: 1.4, high: 1.7 });
        values.swap(0, 8);
        assert_eq!(interval(&values), found);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert!(median(vec![]).is_nan());
        assert_eq!(median(vec![7.0]), 7.0);
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(vec![9.0, 1.0, 5.0, 6.0]), 5.5);
    }

    #[test]
    fn percentiles_of_few_and_of_many() {
        let times = |count| (0..count).map(Duration::from_millis).collect::<Vec<_>>();
        assert_eq!(p99(times(1000)), Duration::from_millis(990));
        assert_eq!(p99(times(3)), Duration::from_millis(2));
        assert_eq!(median_time(times(3)), Duration::from_millis(1));
    }
}
