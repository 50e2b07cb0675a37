//! Ticks and timers in one order, turn by turn. Where the machine stands still for a whole slice it is another one, so that
//! one round proves nothing; most of them must have it.

use sandloop_tests::programs::printed_by;

use crate::finding::Finding;

const TICKS: &[&str] =
    &["start", "first", "second", "timer of a tick", "tick of a tick", "stop", "after stop"];

const TIMERS: &[&str] = &[
    "a10",
    "b20",
    "tie 1",
    "tie 2",
    "tie 3",
    "late 10",
    "late 20",
    "nested 0",
    "cancels",
    "periodic 1",
    "periodic 2",
    "periodic 3",
    "end",
];

/// With one reactor and with two: a program without a listener is on one of them.
pub fn ticks_and_timers(rounds: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (guest, expected) in [("ticks_order", TICKS), ("timers_order", TIMERS)] {
        for reactors in ["1", "2"] {
            let is_wrong = |_| f64::from(u8::from(printed_by(guest, reactors) != expected));
            let values: Vec<f64> = (0..rounds).map(is_wrong).collect();
            let what = format!("{guest}, {reactors} reactors");
            findings.push(Finding::new(what, &values, 0.0, "runs in another order"));
        }
    }
    findings
}
