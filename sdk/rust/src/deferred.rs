//! Deferred work: long operations, executed by a worker, off the loop, in a separate instance.
//!
//! ```
//! use sandloop::{Operation, defer};
//!
//! fn heavy(count: u64) -> sandloop::Result<u64> {
//!     (0..count).reduce(|sum, number| sum ^ number).ok_or_else(|| "nothing to do".into())
//! }
//!
//! defer(|| heavy(1_000_000), |result| println!("{result}"), |failure| println!("{failure}"));
//! defer(Operation::with(7, heavy), |result| println!("{result}"), |failure| println!("{failure}"));
//! ```
//!
//! Nothing is shared with the worker's instance, so nothing is locked: what the operation needs goes in as a
//! value, what it found comes back as one. A worker's instance has no connections and may not set timers, ticks,
//! subscriptions or pops; it may log, read the options, push to channels and queues and notify processes. What an
//! operation leaves in a `static` may or may not be there for the next one.
//!
//! # Values
//! Arguments and results are encoded with serde, in a compact form that both sides know: the host sees bytes. One that
//! is larger than the operator's limit `message` is refused.

mod operation;

use std::{cell::RefCell, fmt};

use serde::de::DeserializeOwned;

pub use self::operation::Operation;
pub(crate) use self::operation::run_operation;
use crate::{
    bindings::exports::sandloop::plugin::deferred_handler as contract,
    callbacks::Table,
    deferrable::{DefaultDeferrable, Deferrable},
    host::deferred as host,
    reactor::next_tick,
    types::ErrorCode,
};

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The operation returned an error; its text. Or its value could not be encoded or decoded.
    Failed(String),
    /// It trapped, by a panic for example; the host's log has the backtrace.
    Trapped,
    /// It used up its CPU time (`cpu_per_operation`) or its time (`operation_deadline`).
    TooLong,
    /// The result is larger than a message may be.
    TooLarge,
    /// No instance could be made for it.
    Unavailable,
    /// It was not begun: [`try_defer`] would have answered this.
    Refused(ErrorCode),
}

/// Has a worker do `operation`, then calls `callback` with its result or `errback` with why there is none: in this
/// instance, in the order in which operations end, before the ticks of that turn.
///
/// Neither is called before this callback has returned: a job that is refused, which [`try_defer`] would have said at
/// once, reaches `errback` in a tick, as [`Failure::Refused`].
///
/// # Panics
/// As [`next_tick`], for a job that is refused.
pub fn defer<R: DeserializeOwned + 'static>(
    operation: impl Into<Operation<R>>,
    callback: impl FnOnce(R) + 'static,
    errback: impl FnOnce(Failure) + 'static,
) {
    let done = done(callback, errback);
    if let Err((failure, done)) = begin(operation.into(), done) {
        next_tick(move || done(Err(failure)));
    }
}

/// As [`defer`].
///
/// # Errors
/// `limit` (jobs of this plugin that have not ended, or an argument that is too large), `denied` (the reactor does not
/// run, or this is an operation), `invalid-argument` for an argument that has no encoding.
pub fn try_defer<R: DeserializeOwned + 'static>(
    operation: impl Into<Operation<R>>,
    callback: impl FnOnce(R) + 'static,
    errback: impl FnOnce(Failure) + 'static,
) -> Result<(), ErrorCode> {
    begin(operation.into(), done(callback, errback)).map_err(|(failure, _)| match failure {
        Failure::Refused(error) => error,
        _ => ErrorCode::InvalidArgument,
    })
}

/// As [`defer`], with the result as a deferrable.
///
/// # Panics
/// As [`defer`].
pub fn deferred<R: DeserializeOwned + 'static>(
    operation: impl Into<Operation<R>>,
) -> DefaultDeferrable<R, Failure> {
    let deferrable = DefaultDeferrable::new();
    let (well, ill) = (deferrable.clone(), deferrable.clone());
    defer(operation, move |result| well.succeed(result), move |failure| ill.fail(failure));
    deferrable
}

/// What waits for a job.
type Done = Box<dyn FnOnce(Result<Vec<u8>, Failure>)>;

fn done<R: DeserializeOwned + 'static>(
    callback: impl FnOnce(R) + 'static,
    errback: impl FnOnce(Failure) + 'static,
) -> Done {
    Box::new(move |outcome| match outcome.and_then(|bytes| decode(&bytes)) {
        Ok(result) => callback(result),
        Err(failure) => errback(failure),
    })
}

fn begin<R>(operation: Operation<R>, done: Done) -> Result<(), (Failure, Done)> {
    let argument = match operation.argument {
        Ok(argument) => argument,
        Err(text) => return Err((Failure::Failed(text), done)),
    };
    match host::defer(operation.id, &argument) {
        Ok(job) => {
            let stale = JOBS.with_borrow_mut(|jobs| {
                let key = jobs.key(job);
                jobs.insert(key, done)
            });
            drop(stale);
            Ok(())
        }
        Err(error) => Err((Failure::Refused(error), done)),
    }
}

fn decode<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, Failure> {
    let result = postcard::from_bytes(bytes);
    result.map_err(|error| Failure::Failed(format!("the result is not what was encoded: {error}")))
}

thread_local! {
    /// What waits for the jobs that are under way.
    static JOBS: RefCell<Table<Done>> = const { RefCell::new(Table::new()) };
}

/// A job has ended.
pub(crate) fn completed(job: u32, outcome: Result<Vec<u8>, contract::Failure>) {
    // Nothing is borrowed while the closure runs: it may defer more.
    let done = JOBS.with_borrow_mut(|jobs| jobs.take(job));
    if let Some(done) = done {
        done(outcome.map_err(Failure::from));
    }
}

impl From<contract::Failure> for Failure {
    fn from(failure: contract::Failure) -> Self {
        match failure {
            contract::Failure::Failed(text) => Failure::Failed(text),
            contract::Failure::Trapped => Failure::Trapped,
            contract::Failure::TooLong => Failure::TooLong,
            contract::Failure::TooLarge => Failure::TooLarge,
            contract::Failure::Unavailable => Failure::Unavailable,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Failed(text) => f.write_str(text),
            Failure::Trapped => f.write_str("the operation trapped"),
            Failure::TooLong => f.write_str("the operation took too long"),
            Failure::TooLarge => f.write_str("the result is too large"),
            Failure::Unavailable => f.write_str("no worker has room for the operation"),
            Failure::Refused(error) => write!(f, "the operation was refused: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests;
