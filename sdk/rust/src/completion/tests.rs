//! Each rule of EventMachine's Completion once.

use super::*;
use crate::testing::advance;

type C = Completion<&'static str>;
type Log = Rc<RefCell<Vec<String>>>;

const MAGIC: State = State::Other("magic");

/// Runs a script and compares what was noted.
#[track_caller]
fn check(expected: &[&str], script: impl FnOnce(&C, &Log)) {
    let (completion, log) = (C::new(), Log::default());
    script(&completion, &log);
    assert_eq!(*log.borrow(), expected);
}

fn note(log: &Log, name: &'static str) -> impl FnOnce(&&'static str) + use<> {
    let log = log.clone();
    move |value: &&'static str| log.borrow_mut().push(format!("{name} {value}"))
}

/// Notes that it is called, then enters a state.
fn enter(
    c: &C,
    log: &Log,
    state: State,
    value: &'static str,
) -> impl FnOnce(&&'static str) + use<> {
    let (c, log) = (c.clone(), log.clone());
    move |seen: &&'static str| {
        log.borrow_mut().push(format!("enter {seen}"));
        c.change_state(state, value);
    }
}

#[test]
fn it_has_a_state_and_a_value() {
    let completion = C::new();
    assert_eq!((completion.state(), completion.value()), (State::Unknown, None));
    assert_eq!(completion.completion_states(), [State::Succeeded, State::Failed]);
    completion.succeed("x");
    assert_eq!((completion.state(), completion.value()), (State::Succeeded, Some(Rc::new("x"))));
    assert!(completion.is_completed());
    completion.fail("y");
    assert!(completion.is_completed());
    completion.change_state(MAGIC, "z");
    assert!(!completion.is_completed());
}

#[test]
fn callbacks_of_the_state_then_of_completion() {
    check(&["c1 x", "c2 x", "done x"], |c, log| {
        c.completion(note(log, "done")).callback(note(log, "c1")).errback(note(log, "e"));
        c.callback(note(log, "c2"));
        c.succeed("x");
    });
    check(&["e x", "done x"], |c, log| {
        c.completion(note(log, "done")).callback(note(log, "c")).errback(note(log, "e"));
        c.fail("x");
    });
}

#[test]
fn late_ones_run_at_once_or_never() {
    check(&["c x", "done x"], |c, log| {
        c.succeed("x");
        c.callback(note(log, "c")).errback(note(log, "e")).completion(note(log, "done"));
        c.fail("y");
    });
}

#[test]
fn what_waits_for_a_completion_state_is_dropped() {
    check(&["c 1"], |c, log| {
        c.callback(note(log, "c")).errback(note(log, "e"));
        c.succeed("1");
        c.fail("2");
        c.succeed("3");
    });
    // What waits for another state is not.
    check(&["magic 2"], |c, log| {
        c.stateback(MAGIC, note(log, "magic"));
        c.succeed("1");
        c.change_state(MAGIC, "2");
    });
}

#[test]
fn it_may_be_completed_again() {
    check(&["first 1", "second 3"], |c, log| {
        c.completion(note(log, "first"));
        c.succeed("1");
        c.change_state(State::Unknown, "2");
        c.completion(note(log, "second"));
        c.fail("3");
    });
}

#[test]
fn states_of_ones_own() {
    check(&["magic 1", "again 2", "c 3"], |c, log| {
        c.stateback(MAGIC, note(log, "magic")).callback(note(log, "c"));
        c.change_state(MAGIC, "1");
        c.change_state(MAGIC, "2");
        c.stateback(MAGIC, note(log, "again"));
        c.succeed("3");
    });
    let own = C::with_completion_states(&[MAGIC]);
    own.succeed("x");
    assert!(!own.is_completed());
    own.change_state(MAGIC, "y");
    assert!(own.is_completed());
}

#[test]
fn a_callback_may_succeed_anew() {
    check(&["enter 1", "enter 2", "c 3"], |c, log| {
        c.callback(enter(c, log, State::Succeeded, "2"));
        c.callback(enter(c, log, State::Succeeded, "3"));
        c.callback(note(log, "c"));
        c.succeed("1");
    });
}

#[test]
fn a_callback_may_fail() {
    check(&["enter 1", "e 2", "done 2"], |c, log| {
        c.callback(enter(c, log, State::Failed, "2")).callback(note(log, "c"));
        c.errback(note(log, "e")).completion(note(log, "done"));
        c.succeed("1");
    });
}

/// EventMachine goes on with the callbacks of the state that was entered, and gives them the newest value.
#[test]
fn a_callback_may_leave() {
    check(&["enter 1", "magic 2", "c 2"], |c, log| {
        c.callback(enter(c, log, MAGIC, "2")).callback(note(log, "c"));
        c.stateback(MAGIC, note(log, "magic")).completion(note(log, "done"));
        c.succeed("1");
        assert!(!c.is_completed());
    });
}

#[test]
fn cancelled_ones_do_not_run() {
    check(&["c2 x"], |c, log| {
        let first = c.add_stateback(State::Succeeded, note(log, "c1"));
        c.callback(note(log, "c2"));
        c.cancel_stateback(first);
        c.succeed("x");
    });
}

#[test]
fn a_timeout_fails_unless_it_is_completed() {
    check(&["e late", "done late"], |c, log| {
        c.errback(note(log, "e")).completion(note(log, "done"));
        c.timeout(Duration::from_millis(10), "late");
        advance(Duration::from_millis(9));
        assert!(!c.is_completed(), "never early");
        advance(Duration::from_millis(1));
    });
    check(&["c x"], |c, log| {
        c.callback(note(log, "c")).errback(note(log, "e"));
        c.timeout(Duration::from_millis(10), "late");
        c.succeed("x");
        advance(Duration::from_millis(10));
        assert_eq!(c.state(), State::Succeeded);
    });
    check(&["e second"], |c, log| {
        c.errback(note(log, "e"));
        c.timeout(Duration::from_millis(10), "first").timeout(Duration::from_millis(30), "second");
        c.change_state(MAGIC, "");
        advance(Duration::from_millis(30));
    });
    check(&[], |c, log| {
        c.errback(note(log, "e")).timeout(Duration::from_millis(10), "late").cancel_timeout();
        advance(Duration::from_millis(10));
    });
}
