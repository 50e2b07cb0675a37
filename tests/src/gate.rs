//! One host that is measured has the machine for itself.
//!
//! Tests run side by side, and on two cores a neighbour's hostile guest is a latency. A test that measures
//! takes [`alone`] first: it waits until no host of another test runs and keeps others from starting.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Attempts of [`once_undisturbed`].
const ATTEMPTS: usize = 8;

/// Measures until it is good once: what disturbs a measurement from outside this suite is not the host's fault, and
/// a host that is slow is slow every time. What must never happen is asserted in `attempt` itself.
#[track_caller]
pub fn once_undisturbed(mut attempt: impl FnMut() -> Result<(), String>) {
    let mut failures = Vec::new();
    for _ in 0..ATTEMPTS {
        match attempt() {
            Ok(()) => return,
            Err(failure) => failures.push(failure),
        }
    }
    panic!("never once in {ATTEMPTS} attempts:\n{}", failures.join("\n"));
}

struct State {
    running: usize,
    alone: bool,
}

static STATE: Mutex<State> = Mutex::new(State { running: 0, alone: false });
static CHANGED: Condvar = Condvar::new();

thread_local! {
    /// Hosts of this thread's test, and whether it is alone: such a test passes without waiting.
    static OWN: Cell<usize> = const { Cell::new(0) };
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// A failed test must not fail the others.
fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running host's place. Not `Send`: it belongs to the test's thread.
#[derive(Debug)]
pub(crate) struct Running {
    thread: PhantomData<*const ()>,
}

/// Waits until no test is alone, unless this one has passed already.
pub(crate) fn enter() -> Running {
    let mut state = state();
    if OWN.get() == 0 && !ALONE.get() {
        state =
            CHANGED.wait_while(state, |state| state.alone).unwrap_or_else(PoisonError::into_inner);
    }
    state.running += 1;
    OWN.set(OWN.get() + 1);
    Running { thread: PhantomData }
}

impl Drop for Running {
    fn drop(&mut self) {
        state().running -= 1;
        OWN.set(OWN.get() - 1);
        CHANGED.notify_all();
    }
}

/// Held by a test that measures.
#[derive(Debug)]
pub struct Alone {
    thread: PhantomData<*const ()>,
}

/// Waits until the machine is quiet and keeps it so. Taken before the test's first host.
pub fn alone() -> Alone {
    assert_eq!(OWN.get(), 0, "alone() comes before the first host");
    let mut state =
        CHANGED.wait_while(state(), |state| state.alone).unwrap_or_else(PoisonError::into_inner);
    state.alone = true;
    drop(
        CHANGED
            .wait_while(state, |state| state.running > 0)
            .unwrap_or_else(PoisonError::into_inner),
    );
    ALONE.set(true);
    Alone { thread: PhantomData }
}

impl Drop for Alone {
    fn drop(&mut self) {
        state().alone = false;
        ALONE.set(false);
        CHANGED.notify_all();
    }
}
