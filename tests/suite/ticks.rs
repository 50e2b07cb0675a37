//! Ticks: in order, and never before the turn they belong to.

use sandloop_tests::programs::printed_by;

/// A timer that the tick `first` sets comes after it. Whether `second` comes before the timer, too, depends on how long the
/// machine stands still: a tick that exceeds its slice continues after the timers of the next turn. `cargo xtask perf order`
/// expects both in one order.
const TIMER: &str = "timer of a tick";

#[test]
fn ticks_run_in_order() {
    for reactors in ["1", "2"] {
        let mut printed = printed_by("ticks_order", reactors);
        let timer = printed.iter().position(|line| line == TIMER).expect("the timer has fired");
        let first = printed.iter().position(|line| line == "first").expect("the tick has run");
        assert!(first < timer, "{printed:?}");
        printed.remove(timer);
        let ticks = ["start", "first", "second", "tick of a tick", "stop", "after stop"];
        assert_eq!(printed, ticks);
    }
}
