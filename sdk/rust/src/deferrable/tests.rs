//! Each rule of EventMachine's Deferrable once.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::testing::advance;

type D = DefaultDeferrable<&'static str, &'static str>;
type Log = Rc<RefCell<Vec<String>>>;

/// Runs a script and compares what was noted.
#[track_caller]
fn check(expected: &[&str], script: impl FnOnce(&D, &Log)) {
    let (deferrable, log) = (D::new(), Log::default());
    script(&deferrable, &log);
    assert_eq!(*log.borrow(), expected);
}

fn note(log: &Log, name: &'static str) -> impl FnOnce(&&'static str) + use<> {
    let log = log.clone();
    move |value: &&'static str| log.borrow_mut().push(format!("{name} {value}"))
}

#[test]
fn callbacks_run_in_the_order_they_were_added() {
    check(&["c1 x", "c2 x", "c3 x"], |d, log| {
        d.callback(note(log, "c1")).callback(note(log, "c2")).callback(note(log, "c3"));
        d.succeed("x");
    });
    check(&["e1 x", "e2 x"], |d, log| {
        d.errback(note(log, "e1")).errback(note(log, "e2"));
        d.fail("x");
    });
}

#[test]
fn late_ones_run_at_once_or_never() {
    check(&["c x"], |d, log| {
        d.succeed("x");
        d.callback(note(log, "c")).errback(note(log, "e"));
    });
    check(&["e x"], |d, log| {
        d.fail("x");
        d.callback(note(log, "c")).errback(note(log, "e"));
    });
}

#[test]
fn setting_it_twice() {
    // succeed; fail; succeed: one callback, no errback.
    check(&["c 1"], |d, log| {
        d.callback(note(log, "c")).errback(note(log, "e"));
        d.succeed("1");
        d.fail("2");
        d.succeed("3");
    });
    // A new errback after succeed; fail does fire.
    check(&["e 2"], |d, log| {
        d.succeed("1");
        d.fail("2");
        d.errback(note(log, "e"));
    });
}

#[test]
fn a_callback_may_succeed_anew() {
    check(&["c1 a", "c2 b", "c3 b"], |d, log| {
        let (again, noted) = (d.clone(), log.clone());
        d.callback(move |value| {
            noted.borrow_mut().push(format!("c1 {value}"));
            again.succeed("b");
        });
        d.callback(note(log, "c2")).callback(note(log, "c3"));
        d.succeed("a");
    });
}

#[test]
fn a_callback_may_fail() {
    check(&["c1", "e1 no", "late no"], |d, log| {
        let (again, noted) = (d.clone(), log.clone());
        d.callback(move |_| {
            noted.borrow_mut().push("c1".to_owned());
            again.fail("no");
        });
        d.callback(note(log, "c2")).errback(note(log, "e1"));
        d.succeed("a");
        d.errback(note(log, "late"));
    });
}

#[test]
fn a_callback_added_inside_runs_before_the_others() {
    check(&["c1", "inside x", "c2 x"], |d, log| {
        let (same, noted) = (d.clone(), log.clone());
        d.callback(move |_| {
            noted.borrow_mut().push("c1".to_owned());
            same.callback(note(&noted, "inside"));
        });
        d.callback(note(log, "c2"));
        d.succeed("x");
    });
}

/// succeed in a callback, by the values alone: EventMachine's own test.
#[test]
fn values_chain_through_callbacks() {
    let deferrable = DefaultDeferrable::<u32>::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    for next in [101, 102, 103] {
        let (same, seen) = (deferrable.clone(), seen.clone());
        deferrable.callback(move |value| {
            seen.borrow_mut().push(*value);
            same.succeed(next);
        });
    }
    deferrable.succeed(100);
    assert_eq!(*seen.borrow(), [100, 101, 102]);
}

#[test]
fn an_errback_may_succeed() {
    check(&["e1", "c ok"], |d, log| {
        let (again, noted) = (d.clone(), log.clone());
        d.errback(move |_| {
            noted.borrow_mut().push("e1".to_owned());
            again.succeed("ok");
        });
        d.errback(note(log, "e2")).callback(note(log, "c"));
        d.fail("no");
    });
}

#[test]
fn the_others_are_dropped() {
    check(&["c x"], |d, log| {
        d.callback(note(log, "c")).errback(note(log, "e"));
        d.succeed("x");
        // Neither the errback from before nor one that came too late.
        d.errback(note(log, "late"));
        d.fail("y");
    });
}

/// Unwinding passes through `succeed`; what has not run stays for the next time. In a sandbox a panic ends the instance.
#[test]
fn a_panic_leaves_the_rest() {
    check(&["c2 y"], |d, log| {
        d.callback(|_| panic!("on purpose")).callback(note(log, "c2"));
        assert!(catch_unwind(AssertUnwindSafe(|| d.succeed("x"))).is_err());
        assert!(d.is_settled(), "the status is set");
        d.succeed("y");
    });
}

#[test]
fn unknown_opens_it_again() {
    check(&["c1 1", "c2 2"], |d, log| {
        d.callback(note(log, "c1"));
        d.succeed("1");
        d.set_deferred_status(Status::Unknown);
        d.callback(note(log, "c2"));
        d.succeed("2");
    });
}

#[test]
fn a_callback_may_open_it_again() {
    check(&["c1", "c2 y"], |d, log| {
        let (same, noted) = (d.clone(), log.clone());
        d.callback(move |_| {
            noted.borrow_mut().push("c1".to_owned());
            same.set_deferred_status(Status::Unknown);
        });
        d.callback(note(log, "c2")).errback(note(log, "e"));
        d.succeed("x");
        assert!(!d.is_settled());
        d.succeed("y");
    });
}

#[test]
fn cancelled_ones_do_not_run() {
    check(&["c2 x"], |d, log| {
        let first = d.add_callback(note(log, "c1"));
        d.callback(note(log, "c2"));
        d.cancel_callback(first);
        d.succeed("x");
    });
    check(&[], |d, log| {
        let only = d.add_errback(note(log, "e"));
        d.cancel_errback(only);
        d.fail("x");
    });
    check(&["c x"], |d, log| {
        let (callback, other) = (d.add_callback(note(log, "c")), D::new());
        d.cancel_errback(callback);
        other.cancel_callback(callback);
        d.succeed("x");
        // It has run; there is nothing left to cancel.
        d.cancel_callback(callback);
    });
}

/// What a closure owned may use the deferrable when it is dropped.
#[test]
fn a_closure_may_do_anything_when_it_is_dropped() {
    struct Adds(D, Log);
    impl Drop for Adds {
        fn drop(&mut self) {
            self.0.callback(note(&self.1, "dropped"));
        }
    }
    check(&["c x", "dropped x", "dropped x"], |d, log| {
        let (first, second) = (Adds(d.clone(), log.clone()), Adds(d.clone(), log.clone()));
        let cancelled = d.add_callback(move |_| drop(first));
        d.errback(move |_| drop(second)).callback(note(log, "c"));
        d.cancel_callback(cancelled);
        d.succeed("x");
    });
}

#[test]
fn a_timeout_fails() {
    check(&["e late", "new x"], |d, log| {
        d.callback(note(log, "c")).errback(note(log, "e"));
        d.timeout(Duration::from_millis(20), "late");
        advance(Duration::from_millis(19));
        assert!(!d.is_settled(), "never early");
        advance(Duration::from_millis(1));
        // The old callbacks are gone; new ones fire.
        d.succeed("x");
        d.callback(note(log, "new"));
    });
}

#[test]
fn a_timeout_needs_nobody_else() {
    let log = Log::default();
    D::new().errback(note(&log, "e")).timeout(Duration::from_millis(10), "late");
    advance(Duration::from_millis(10));
    assert_eq!(*log.borrow(), ["e late"]);
}

#[test]
fn the_second_timeout_replaces_the_first() {
    check(&["e second"], |d, log| {
        d.errback(note(log, "e"));
        d.timeout(Duration::from_millis(10), "first");
        d.timeout(Duration::from_millis(30), "second");
        advance(Duration::from_millis(29));
        assert!(!d.is_settled());
        advance(Duration::from_millis(1));
    });
}

#[test]
fn setting_the_status_ends_the_timeout() {
    check(&["c x"], |d, log| {
        d.callback(note(log, "c")).errback(note(log, "e"));
        d.timeout(Duration::from_millis(10), "late");
        d.succeed("x");
        advance(Duration::from_millis(10));
        d.errback(note(log, "e2"));
    });
    check(&[], |d, log| {
        d.errback(note(log, "e"));
        d.timeout(Duration::from_millis(10), "late");
        d.set_deferred_status(Status::Unknown);
        advance(Duration::from_millis(10));
        assert!(!d.is_settled());
        d.timeout(Duration::from_millis(10), "late");
        d.cancel_timeout();
        advance(Duration::from_millis(10));
    });
}

#[test]
fn one_leads_to_another() {
    check(&["second x"], |first, log| {
        let second = D::new();
        second.callback(note(log, "second"));
        first.callback(move |value| second.succeed(value));
        first.succeed("x");
    });
}

#[test]
fn a_future_calls_one_of_two() {
    check(&["c x", "e y"], |_, log| {
        future(D::succeeded("x"), note(log, "c"), note(log, "e"));
        future(D::failed("y"), note(log, "c"), note(log, "e"));
    });
}
