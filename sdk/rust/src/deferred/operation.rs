//! Operations: functions that are called in another instance, and how they are named on the way.

use std::{fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

/// A job for a worker: a function without captured state, and its argument.
///
/// Whatever can be called without arguments is one; [`Operation::with`] makes one of a function and its argument.
/// The function captures nothing, since it is called in another instance.
///
/// ```compile_fail,E0080
/// let limit = 10_u64;
/// sandloop::defer(move || Ok(limit), |_| {}, |_| {});
/// ```
///
/// ```
/// use sandloop::{Operation, defer};
///
/// let limit = 10_u64;
/// defer(Operation::with(limit, |limit| Ok((0..limit).sum::<u64>())), |sum| println!("{sum}"), |_| {});
/// ```
pub struct Operation<R> {
    pub(super) id: u32,
    pub(super) argument: Result<Vec<u8>, String>,
    result: PhantomData<fn() -> R>,
}

impl<R: Serialize + DeserializeOwned + 'static> Operation<R> {
    /// `function` of `argument`. It is called with a copy that has been [encoded](mod@crate::deferred#values).
    #[expect(clippy::needless_pass_by_value, reason = "from here on it is the worker's")]
    pub fn with<A, F>(argument: A, function: F) -> Self
    where
        A: Serialize + DeserializeOwned + 'static,
        F: Fn(A) -> crate::Result<R> + Copy + 'static,
    {
        let argument = postcard::to_stdvec(&argument);
        let argument = argument.map_err(|error| format!("the argument has no encoding: {error}"));
        Operation { id: id_of(run::<A, R, F>, function), argument, result: PhantomData }
    }
}

impl<R, F> From<F> for Operation<R>
where
    R: Serialize + DeserializeOwned + 'static,
    F: Fn() -> crate::Result<R> + Copy + 'static,
{
    fn from(function: F) -> Self {
        let id = id_of(run_alone::<R, F>, function);
        Operation { id, argument: Ok(Vec::new()), result: PhantomData }
    }
}

impl<R> fmt::Debug for Operation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An operation as the worker's instance calls it.
type Trampoline = fn(&[u8]) -> Result<Vec<u8>, String>;

/// The number by which another instance knows the trampoline of `_function`.
///
/// That there is a value of `F` to be given is what [`function`] relies on.
fn id_of<F: Copy + 'static>(trampoline: Trampoline, _function: F) -> u32 {
    const {
        assert!(
            size_of::<F>() == 0,
            "an operation captures nothing: give it what it needs with Operation::with"
        );
    }
    table::id_of(trampoline)
}

/// Does the operation with this id: the export `operations`.
pub(crate) fn run_operation(operation: u32, argument: &[u8]) -> Result<Vec<u8>, String> {
    table::get(operation)(argument)
}

fn run<A, R, F>(argument: &[u8]) -> Result<Vec<u8>, String>
where
    A: DeserializeOwned,
    R: Serialize,
    F: Fn(A) -> crate::Result<R> + Copy + 'static,
{
    let argument = postcard::from_bytes(argument)
        .map_err(|error| format!("the argument is not what was encoded: {error}"))?;
    encode(&function::<F>()(argument))
}

fn run_alone<R, F>(_: &[u8]) -> Result<Vec<u8>, String>
where
    R: Serialize,
    F: Fn() -> crate::Result<R> + Copy + 'static,
{
    encode(&function::<F>()())
}

fn encode<R: Serialize>(result: &crate::Result<R>) -> Result<Vec<u8>, String> {
    let result = result.as_ref().map_err(ToString::to_string)?;
    postcard::to_stdvec(result).map_err(|error| format!("the result has no encoding: {error}"))
}

/// The only value of the type of a function that captures nothing.
fn function<F: Copy + 'static>() -> F {
    const { assert!(size_of::<F>() == 0, "`id_of` has refused it") }
    // SAFETY: `F` has no size, so nothing is read and the pointer need only be aligned, which `dangling` is. The value
    // is a copy of the one that `id_of` was given when this trampoline was named: `F` is `Copy`, and without bytes
    // one copy is like the other, in whichever instance.
    unsafe { std::ptr::NonNull::<F>::dangling().read() }
}

/// Functions by number, where the component's own table has them.
#[cfg(target_arch = "wasm32")]
mod table {
    use super::Trampoline;

    /// A function pointer is its place in the component's table of functions, which is the same in each of its
    /// instances. So nothing needs to be registered.
    pub(super) fn id_of(trampoline: Trampoline) -> u32 {
        trampoline as usize as u32
    }

    pub(super) fn get(id: u32) -> Trampoline {
        let address = id as usize as *const ();
        // SAFETY: on this target a `fn` pointer is an index into the component's only function table, which is filled
        // from the component's file when an instance is made and which neither Rust nor the host changes afterwards: an
        // index means one function in all instances. The contract has the host call `operations.run` with what
        // `defer` was given by an instance of this component, and in this crate only `id_of` gives it numbers, so this
        // is a `Trampoline`. Were the number wrong all the same, WebAssembly checks the type of each call through
        // the table and traps rather than run code at a place that is none.
        unsafe { std::mem::transmute::<*const (), Trampoline>(address) }
    }
}

/// Functions by number on the developer's own machine, where a pointer does not fit into one.
#[cfg(not(target_arch = "wasm32"))]
mod table {
    use std::cell::RefCell;

    use super::Trampoline;

    thread_local! {
        static TRAMPOLINES: RefCell<Vec<Trampoline>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn id_of(trampoline: Trampoline) -> u32 {
        TRAMPOLINES.with_borrow_mut(|all| {
            let known = all.iter().position(|known| std::ptr::fn_addr_eq(*known, trampoline));
            let place = known.unwrap_or_else(|| {
                all.push(trampoline);
                all.len() - 1
            });
            u32::try_from(place).expect("a program has fewer functions")
        })
    }

    pub(super) fn get(id: u32) -> Trampoline {
        TRAMPOLINES.with_borrow(|all| all[id as usize])
    }
}
