//! Deferred work: what takes long is done by a worker, off the loop, in an instance of its own.
//!
//! Nothing is shared with the worker's instance, so nothing is locked: what the operation needs goes in as a
//! value, what it found comes back as one. Both are encoded on the way.

use std::{cell::RefCell, collections::BTreeMap, fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    bindings::{exports::sandloop::plugin::deferred_handler, sandloop::plugin::deferred as host},
    deferrable::{DefaultDeferrable, Deferrable},
    types::ErrorCode,
};

/// What a worker is to do: a function without a memory of its own, and the value it works on.
///
/// Anything that can be called without arguments is one; [`Operation::with`] makes one of a function and its
/// argument. The function captures nothing: its instance is another one, where what it captured would not be.
pub struct Operation<R> {
    id: u32,
    argument: Result<Vec<u8>, String>,
    result: PhantomData<fn() -> R>,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The operation returned an error; its text.
    Failed(String),
    /// It trapped, by a panic for example; the host's log has the backtrace.
    Trapped,
    /// It used up its time.
    TooLong,
    /// The result is larger than a message may be.
    TooLarge,
    /// The workers have no room for it, now.
    Unavailable,
}

impl<R: Serialize + DeserializeOwned + 'static> Operation<R> {
    /// `function` of `argument`.
    #[expect(clippy::needless_pass_by_value, reason = "from here on it is the worker's")]
    pub fn with<A, F>(argument: A, function: F) -> Self
    where
        A: Serialize + DeserializeOwned + 'static,
        F: Fn(A) -> crate::Result<R> + Copy + 'static,
    {
        const {
            assert!(
                size_of::<F>() == 0,
                "an operation captures nothing: give it what it needs with Operation::with"
            );
        }
        // The value shows that there is one, which `run` relies on.
        let _ = function;
        let argument = postcard::to_stdvec(&argument).map_err(|error| error.to_string());
        Operation { id: id_of(run::<A, R, F>), argument, result: PhantomData }
    }
}

impl<R, F> From<F> for Operation<R>
where
    R: Serialize + DeserializeOwned + 'static,
    F: Fn() -> crate::Result<R> + Copy + 'static,
{
    fn from(_: F) -> Self {
        const {
            assert!(
                size_of::<F>() == 0,
                "an operation captures nothing: give it what it needs with Operation::with"
            );
        }
        Operation { id: id_of(run_alone::<R, F>), argument: Ok(Vec::new()), result: PhantomData }
    }
}

/// Has a worker do `operation`, then calls `callback` with its result or `errback` with why there is none, in this
/// instance, in the order in which operations end.
///
/// # Panics
/// When too many jobs of this plugin are under way, as EventMachine's pool never says; see [`try_defer`].
pub fn defer<R: DeserializeOwned + 'static>(
    operation: impl Into<Operation<R>>,
    callback: impl FnOnce(R) + 'static,
    errback: impl FnOnce(Failure) + 'static,
) {
    if let Err(error) = try_defer(operation, callback, errback) {
        panic!("defer: {error}");
    }
}

/// As [`defer`].
///
/// # Errors
/// `limit` (jobs of this plugin, or an argument that is too large), `denied` while the reactor does not run and
/// inside an operation, `invalid-argument` for an argument that cannot be encoded.
pub fn try_defer<R: DeserializeOwned + 'static>(
    operation: impl Into<Operation<R>>,
    callback: impl FnOnce(R) + 'static,
    errback: impl FnOnce(Failure) + 'static,
) -> Result<(), ErrorCode> {
    let operation = operation.into();
    let argument = operation.argument.map_err(|_| ErrorCode::InvalidArgument)?;
    let job = host::defer(operation.id, &argument)?;
    let done: Done = Box::new(move |outcome| match outcome.and_then(|bytes| decode(&bytes)) {
        Ok(result) => callback(result),
        Err(failure) => errback(failure),
    });
    JOBS.with_borrow_mut(|jobs| jobs.insert(job, done));
    Ok(())
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

fn decode<R: DeserializeOwned>(bytes: &[u8]) -> Result<R, Failure> {
    postcard::from_bytes(bytes).map_err(|error| Failure::Failed(error.to_string()))
}

type Done = Box<dyn FnOnce(Result<Vec<u8>, Failure>)>;

thread_local! {
    /// What waits for the jobs that are under way.
    static JOBS: RefCell<BTreeMap<u32, Done>> = const { RefCell::new(BTreeMap::new()) };
}

/// A job has ended.
pub(crate) fn completed(job: u32, outcome: Result<Vec<u8>, deferred_handler::Failure>) {
    // Nothing is borrowed while the closure runs: it may defer more.
    let done = JOBS.with_borrow_mut(|jobs| jobs.remove(&job));
    if let Some(done) = done {
        done(outcome.map_err(Failure::from));
    }
}

impl From<deferred_handler::Failure> for Failure {
    fn from(failure: deferred_handler::Failure) -> Self {
        match failure {
            deferred_handler::Failure::Failed(text) => Failure::Failed(text),
            deferred_handler::Failure::Trapped => Failure::Trapped,
            deferred_handler::Failure::TooLong => Failure::TooLong,
            deferred_handler::Failure::TooLarge => Failure::TooLarge,
            deferred_handler::Failure::Unavailable => Failure::Unavailable,
        }
    }
}

/// An operation as the worker's instance calls it.
type Trampoline = fn(&[u8]) -> Result<Vec<u8>, String>;

/// Closures do not cross to another instance, but a function has the same place in the table of every instance of
/// a component, and that place is its address.
fn id_of(trampoline: Trampoline) -> u32 {
    // An address in WebAssembly has 32 bits; elsewhere nobody runs operations.
    trampoline as usize as u32
}

/// Does the operation with this id: the export `operations`.
pub(crate) fn run_operation(operation: u32, argument: &[u8]) -> Result<Vec<u8>, String> {
    let address = operation as usize as *const ();
    // SAFETY: a `fn` pointer is an index into the instance's only function table, which neither Rust nor the host
    // changes, so it means the same function in every instance of this component. The host hands `operations.run`
    // only what this component's `id_of` has given to `defer`. A wrong number could still only call a function
    // of this type or trap: WebAssembly checks the type of every call through the table.
    let trampoline = unsafe { std::mem::transmute::<*const (), Trampoline>(address) };
    trampoline(argument)
}

fn run<A, R, F>(argument: &[u8]) -> Result<Vec<u8>, String>
where
    A: DeserializeOwned,
    R: Serialize,
    F: Fn(A) -> crate::Result<R> + Copy + 'static,
{
    let argument = postcard::from_bytes(argument).map_err(|error| error.to_string())?;
    encode((function::<F>())(argument))
}

fn run_alone<R, F>(_: &[u8]) -> Result<Vec<u8>, String>
where
    R: Serialize,
    F: Fn() -> crate::Result<R> + Copy + 'static,
{
    encode((function::<F>())())
}

/// The only value of a function's type.
fn function<F: Copy + 'static>() -> F {
    const { assert!(size_of::<F>() == 0, "checked where the operation was made") }
    // SAFETY: `F` has no size, so no bytes are read. Its only value was given to `Operation`, which is what names
    // this function, and `F` is `Copy`, so one more of it is not more than there may be.
    unsafe { std::ptr::NonNull::<F>::dangling().read() }
}

fn encode<R: Serialize>(result: crate::Result<R>) -> Result<Vec<u8>, String> {
    let result = result.map_err(|error| error.to_string())?;
    postcard::to_stdvec(&result).map_err(|error| error.to_string())
}

impl<R> fmt::Debug for Operation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("id", &self.id).finish_non_exhaustive()
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
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_goes_there_and_back_as_bytes() {
        let double = |number: u64| Ok(number * 2);
        let argument = postcard::to_stdvec(&21_u64).unwrap();
        fn call<
            A: DeserializeOwned,
            R: Serialize,
            F: Fn(A) -> crate::Result<R> + Copy + 'static,
        >(
            _: F,
            argument: &[u8],
        ) -> Result<Vec<u8>, String> {
            run::<A, R, F>(argument)
        }
        let bytes = call(double, &argument).unwrap();
        assert_eq!(decode::<u64>(&bytes), Ok(42));
        let fail = |(): ()| -> crate::Result<u64> { Err("no".into()) };
        assert_eq!(call(fail, &[]), Err("no".to_owned()));
        assert!(
            matches!(decode::<String>(&[5]), Err(Failure::Failed(_))),
            "bytes that mean nothing"
        );
    }
}
