//! Each rule of EventMachine's Deferrable once.

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
}

#[test]
fn a_timeout_fails() {
    check(&["e late"], |d, log| {
        d.callback(note(log, "c")).errback(note(log, "e"));
        d.timeout(Duration::from_millis(20), "late");
        advance(Duration::from_millis(19));
        assert!(!d.is_settled(), "never early");
        advance(Duration::from_millis(1));
        // The old callbacks are gone; new ones fire.
        d.succeed("x");
    });
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
