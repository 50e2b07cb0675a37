//! Echoes of two hosts in turn, so that both have the same machine at the same time.

use std::time::{Duration, Instant};

use sandloop_tests::{Host, Peer};
use serde::Serialize;

/// The first echoes are slower, and not counted.
const WARM_UP: usize = 400;
const MESSAGE: &[u8] = b"how long does this take?";

/// A connection to the plugin `echo` of each.
pub struct Pair {
    neighbour: Peer,
    control: Peer,
}

/// How long echoes took, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Of how many.
    pub count: usize,
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Pair {
    /// Connects to both, and asks until the first echoes are over.
    pub fn connect(neighbour: &Host, control: &Host) -> Pair {
        let (neighbour, control) = (neighbour.connect("echo"), control.connect("echo"));
        let mut pair = Pair { neighbour, control };
        for _ in 0..WARM_UP {
            pair.echo();
        }
        pair
    }

    /// Echoes of each in turn for this long: the neighbour's, then the control's.
    pub fn echo_for(&mut self, time: Duration) -> (Latency, Latency) {
        let begun = Instant::now();
        let (mut neighbour, mut control) = (Vec::new(), Vec::new());
        while begun.elapsed() < time {
            let (one, other) = self.echo();
            neighbour.push(one);
            control.push(other);
        }
        (Latency::of(neighbour), Latency::of(control))
    }

    fn echo(&mut self) -> (Duration, Duration) {
        (self.neighbour.time_echo(MESSAGE), self.control.time_echo(MESSAGE))
    }
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Latency {
        times.sort_unstable();
        let count = times.len();
        let at = |percent: usize| {
            let place = (count * percent / 100).min(count.saturating_sub(1));
            times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
        };
        Latency { count, p50: at(50), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_has_its_percentiles() {
        let times = (0..1000).rev().map(Duration::from_micros).collect();
        let expected = Latency { count: 1000, p50: 500.0, p99: 990.0, max: 999.0 };
        let found = Latency::of(times);
        let near = |one: f64, other: f64| (one - other).abs() < 0.001;
        assert_eq!(found.count, expected.count);
        assert!(near(found.p50, expected.p50) && near(found.p99, expected.p99), "{found:?}");
        assert!(near(found.max, expected.max), "{found:?}");
        assert!(Latency::of(Vec::new()).p50.is_nan());
    }
}
