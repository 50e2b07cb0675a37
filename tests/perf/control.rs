//! Echoes of two hosts in turn: the one that is measured, and a control that has the same machine at the same time and
//! nothing to do. What slows both is the machine.

use std::time::Duration;

use sandloop_tests::{Host, Peer};

use sandloop_testkit::statistics::{median_time, p99};

use crate::finding::Finding;

/// Two slices.
const SLICES: Duration = Duration::from_millis(2);

/// A connection to the plugin `echo` of each.
pub struct Pair {
    measured: Peer,
    control: Peer,
}

/// The 99th percentiles of one round.
#[derive(Clone, Copy, Debug)]
pub struct P99 {
    pub measured: Duration,
    pub control: Duration,
    /// How many echoes of each it is about.
    pub count: usize,
}

impl P99 {
    /// How many times as long the measured one takes.
    pub fn ratio(&self) -> f64 {
        self.measured.as_secs_f64() / self.control.as_secs_f64()
    }
}

impl Pair {
    /// Connects to both and asks each until the first echoes are over, which are slower.
    pub fn connect(measured: &Host, control: &Host) -> Pair {
        let mut pair =
            Pair { measured: measured.connect("echo"), control: control.connect("echo") };
        pair.while_(|done| done < 400);
        pair
    }

    /// Echoes of each, in turn, as long as `goes_on` says so of their number.
    pub fn while_(&mut self, mut goes_on: impl FnMut(usize) -> bool) -> P99 {
        let (mut measured, mut control) = (Vec::new(), Vec::new());
        while goes_on(measured.len()) {
            measured.push(self.measured.time_echo(b"how long does this take?"));
            control.push(self.control.time_echo(b"how long does this take?"));
        }
        let count = measured.len();
        P99 { measured: p99(measured), control: p99(control), count }
    }
}

/// At most twice the control, or two slices: a neighbour that waits for a handler waits for slices of it.
pub fn beside_control(name: &str, found: &[P99]) -> Finding {
    let of_allowed = |round: &P99| {
        let allowed = (round.control * 2).max(SLICES);
        round.measured.as_secs_f64() / allowed.as_secs_f64()
    };
    let values: Vec<f64> = found.iter().map(of_allowed).collect();
    Finding::new(name, &values, 1.0, "of twice the control or 2 ms").note(told(found))
}

/// The figures of all rounds in words.
pub fn told(rounds: &[P99]) -> String {
    let middle = |time: fn(&P99) -> Duration| median_time(rounds.iter().map(time).collect());
    let (measured, control) = (middle(|round| round.measured), middle(|round| round.control));
    format!("p99 {measured:.1?}, control {control:.1?}")
}
