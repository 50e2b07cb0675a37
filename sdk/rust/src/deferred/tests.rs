//! Deferred work without a host: what is encoded, in which order callbacks run, what a refusal does.

use std::rc::Rc;

use serde::{Deserialize, Serialize, Serializer, ser};

use super::*;
use crate::testing::turn;

type Log = Rc<RefCell<Vec<String>>>;

fn note<T: fmt::Display>(log: &Log, name: &'static str) -> impl FnOnce(T) + use<T> {
    let log = log.clone();
    move |value| log.borrow_mut().push(format!("{name} {value}"))
}

fn length(text: String) -> crate::Result<usize> {
    let bytes = text.into_bytes();
    if bytes.is_empty() { Err("nothing".into()) } else { Ok(bytes.len()) }
}

#[test]
fn a_closure_a_function_and_an_argument() {
    let log = Log::default();
    let count = 21_u64;
    let noted = note(&log, "list");
    defer(|| Ok(vec!['a', 'b']), move |list| noted(list.len()), |_| {});
    defer(Operation::with(count, |count| Ok(count * 2)), note(&log, "twice"), |_| {});
    defer(Operation::with("four".to_owned(), length), note(&log, "length"), |_| {});
    assert!(log.borrow().is_empty(), "never before this callback has returned");
    turn();
    assert_eq!(*log.borrow(), ["list 2", "twice 42", "length 4"]);
}

#[test]
fn an_error_reaches_the_errback() {
    let log = Log::default();
    defer(Operation::with(String::new(), length), |_| unreachable!(), note(&log, "failed"));
    let parsed = || -> crate::Result<u16> { Ok("many".parse()?) };
    defer(parsed, |_| unreachable!(), note(&log, "failed"));
    turn();
    assert_eq!(*log.borrow(), ["failed nothing", "failed invalid digit found in string"]);
}

#[test]
fn results_come_before_ticks() {
    let log = Log::default();
    let noted = note(&log, "a");
    next_tick(move || noted("tick"));
    defer(|| Ok(1), note(&log, "result"), |_| {});
    turn();
    assert_eq!(*log.borrow(), ["result 1", "a tick"]);
}

#[test]
fn a_callback_may_defer_more() {
    let log = Log::default();
    let inner = log.clone();
    let more = move |number: u32| {
        let noted = note(&inner, "second");
        defer(Operation::with(number, |number| Ok(number + 1)), noted, |_| {});
    };
    defer(|| Ok(1_u32), more, |_| {});
    turn();
    assert!(log.borrow().is_empty());
    turn();
    assert_eq!(*log.borrow(), ["second 2"]);
}

#[test]
fn as_a_deferrable() {
    let log = Log::default();
    let (well, ill) = (note(&log, "well"), note(&log, "ill"));
    deferred(|| Ok(7_u8)).callback(move |result| well(*result));
    let fails = || -> crate::Result<u8> { Err("no".into()) };
    deferred(fails).errback(move |failure| ill(failure.clone()));
    turn();
    assert_eq!(*log.borrow(), ["well 7", "ill no"]);
}

/// The loop of `testing` takes as many jobs as a host does by default.
#[test]
fn beyond_the_bound_a_job_is_refused() {
    const JOBS: usize = 1_000;
    let log = Log::default();
    for _ in 0..JOBS {
        assert_eq!(try_defer(|| Ok(()), |()| {}, |_| {}), Ok(()));
    }
    assert_eq!(try_defer(|| Ok(()), |()| {}, |_| unreachable!()), Err(ErrorCode::Limit));
    defer(|| Ok(()), |()| unreachable!(), note(&log, "refused"));
    assert!(log.borrow().is_empty(), "not inside this callback");
    turn();
    assert_eq!(*log.borrow(), [format!("refused {}", Failure::Refused(ErrorCode::Limit))]);
    assert_eq!(try_defer(|| Ok(()), |()| {}, |_| {}), Ok(()), "the others have ended");
}

/// A value whose encoding fails, or whose decoding does.
#[derive(Debug, PartialEq)]
struct Odd(bool);

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 { serializer.serialize_u8(2) } else { Err(ser::Error::custom("odd")) }
    }
}

impl<'de> Deserialize<'de> for Odd {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // 2 is no boolean.
        bool::deserialize(deserializer).map(Odd)
    }
}

#[test]
fn a_value_without_encoding_is_a_failure() {
    let log = Log::default();
    let unit = |_: Odd| Ok(());
    let refused = try_defer(Operation::with(Odd(false), unit), |()| {}, |_| unreachable!());
    assert_eq!(refused, Err(ErrorCode::InvalidArgument));
    defer(Operation::with(Odd(false), unit), |()| unreachable!(), note(&log, "argument:"));
    defer(Operation::with(Odd(true), unit), |()| unreachable!(), note(&log, "argument:"));
    defer(|| Ok(Odd(false)), |_| unreachable!(), note(&log, "result:"));
    defer(|| Ok(Odd(true)), |_| unreachable!(), note(&log, "result:"));
    turn();
    let log = log.borrow();
    assert_eq!(log.len(), 4);
    for (line, start) in log.iter().zip([
        "argument: the argument is not what was encoded",
        "result: the result has no encoding",
        "result: the result is not what was encoded",
        "argument: the argument has no encoding",
    ]) {
        assert!(line.starts_with(start), "{line}");
    }
}
