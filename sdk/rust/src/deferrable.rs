//! Deferrables: something that will succeed or fail, and what is to be done then.
//!
//! The rules are EventMachine's:
//!
//! - callbacks run in the order in which they were added, all of them before the call that sets the status returns;
//! - a callback added to a deferrable that has succeeded runs at once; an errback added to it is dropped, and the
//!   other way round;
//! - setting the status ends the timeout, and drops what waits for the other outcome once the callbacks have run;
//! - a callback may set the status anew: those that have not run yet get the new value, or none if it is a failure;
//! - setting it to unknown opens the deferrable again.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, time::Duration};

use crate::timers::{Timer, add_timer};

/// Something that will succeed with a `Value` or fail with an `Error`.
///
/// A type of the author's own becomes one by holding a [`DefaultDeferrable`]:
///
/// ```
/// use sandloop::{DefaultDeferrable, Deferrable};
///
/// #[derive(Default)]
/// struct Lookup {
///     deferrable: DefaultDeferrable<String>,
/// }
///
/// impl Deferrable for Lookup {
///     type Value = String;
///     type Error = ();
///
///     fn deferrable(&self) -> &DefaultDeferrable<String> {
///         &self.deferrable
///     }
/// }
///
/// let lookup = Lookup::default();
/// lookup.callback(|name| println!("found {name}")).errback(|_| println!("not found"));
/// lookup.succeed("SpeedRacer".to_owned());
/// ```
pub trait Deferrable {
    /// What it succeeds with.
    type Value: 'static;
    /// What it fails with.
    type Error: 'static;

    /// The one that does the work.
    fn deferrable(&self) -> &DefaultDeferrable<Self::Value, Self::Error>;

    /// Calls `action` with the value: now if it has succeeded, never if it has failed, else when it succeeds.
    fn callback(&self, action: impl FnOnce(&Self::Value) + 'static) -> &Self {
        self.add_callback(action);
        self
    }

    /// Calls `action` with the error: now if it has failed, never if it has succeeded, else when it fails.
    fn errback(&self, action: impl FnOnce(&Self::Error) + 'static) -> &Self {
        self.add_errback(action);
        self
    }

    /// As [`callback`](Self::callback); the answer is for [`cancel_callback`](Self::cancel_callback).
    fn add_callback(&self, action: impl FnOnce(&Self::Value) + 'static) -> Waiting {
        self.deferrable().0.wait_for_value(Box::new(action))
    }

    /// As [`errback`](Self::errback); the answer is for [`cancel_errback`](Self::cancel_errback).
    fn add_errback(&self, action: impl FnOnce(&Self::Error) + 'static) -> Waiting {
        self.deferrable().0.wait_for_error(Box::new(action))
    }

    /// Forgets a callback that has not run.
    fn cancel_callback(&self, waiting: Waiting) {
        let cancelled = self.deferrable().0.state.borrow_mut().callbacks.remove(waiting);
        drop(cancelled);
    }

    /// Forgets an errback that has not run.
    fn cancel_errback(&self, waiting: Waiting) {
        let cancelled = self.deferrable().0.state.borrow_mut().errbacks.remove(waiting);
        drop(cancelled);
    }

    /// Sets the status and runs what waits for it before it returns. May be done again, also from a callback.
    fn set_deferred_status(&self, status: Status<Self::Value, Self::Error>) {
        self.deferrable().0.set(status);
    }

    /// The status is success.
    fn succeed(&self, value: Self::Value) {
        self.set_deferred_status(Status::Succeeded(value));
    }

    /// The status is failure.
    fn fail(&self, error: Self::Error) {
        self.set_deferred_status(Status::Failed(error));
    }

    /// Fails with `error` after this time, unless the status is set before. A second call replaces the first.
    fn timeout(&self, after: Duration, error: Self::Error) {
        self.deferrable().0.set_timeout(after, error);
    }

    /// No timeout any more.
    fn cancel_timeout(&self) {
        self.deferrable().0.cancel_timeout();
    }
}

/// What [`Deferrable::set_deferred_status`] sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status<T, E> {
    /// Open: callbacks and errbacks wait.
    Unknown,
    /// It has a value.
    Succeeded(T),
    /// It has an error.
    Failed(E),
}

/// A callback or an errback that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting(u64);

/// A deferrable and nothing else. Clones are the same one.
pub struct DefaultDeferrable<T = (), E = ()>(Rc<Inner<T, E>>);

struct Inner<T, E> {
    state: RefCell<State<T, E>>,
}

struct State<T, E> {
    status: Status<Rc<T>, Rc<E>>,
    callbacks: Line<T>,
    errbacks: Line<E>,
    timeout: Option<Timer>,
}

type Action<T> = Box<dyn FnOnce(&T)>;

/// What waits for one outcome, in order.
struct Line<T> {
    actions: VecDeque<(u64, Action<T>)>,
    last: u64,
}

impl<T> Line<T> {
    fn push(&mut self, action: Action<T>) -> Waiting {
        self.last += 1;
        self.actions.push_back((self.last, action));
        Waiting(self.last)
    }

    fn pop(&mut self) -> Option<Action<T>> {
        self.actions.pop_front().map(|(_, action)| action)
    }

    fn remove(&mut self, waiting: Waiting) -> Option<Action<T>> {
        let index = self.actions.iter().position(|(known, _)| *known == waiting.0)?;
        self.actions.remove(index).map(|(_, action)| action)
    }
}

impl<T: 'static, E: 'static> DefaultDeferrable<T, E> {
    /// One that is open.
    #[must_use]
    pub fn new() -> Self {
        let line = || VecDeque::new();
        let state = State {
            status: Status::Unknown,
            callbacks: Line { actions: line(), last: 0 },
            errbacks: Line { actions: VecDeque::new(), last: 0 },
            timeout: None,
        };
        DefaultDeferrable(Rc::new(Inner { state: RefCell::new(state) }))
    }

    /// One that has succeeded.
    pub fn succeeded(value: T) -> Self {
        let deferrable = Self::new();
        deferrable.succeed(value);
        deferrable
    }

    /// One that has failed.
    pub fn failed(error: E) -> Self {
        let deferrable = Self::new();
        deferrable.fail(error);
        deferrable
    }

    /// Whether it has succeeded or failed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self.0.state.borrow().status, Status::Unknown)
    }
}

// Nothing is borrowed while a closure runs or is dropped: it may do anything with the deferrable.
impl<T: 'static, E: 'static> Inner<T, E> {
    fn wait_for_value(&self, action: Action<T>) -> Waiting {
        let value = match &mut *self.state.borrow_mut() {
            State { status: Status::Unknown, callbacks, .. } => return callbacks.push(action),
            State { status: Status::Succeeded(value), .. } => value.clone(),
            State { status: Status::Failed(_), .. } => return Waiting(0),
        };
        action(&value);
        Waiting(0)
    }

    fn wait_for_error(&self, action: Action<E>) -> Waiting {
        let error = match &mut *self.state.borrow_mut() {
            State { status: Status::Unknown, errbacks, .. } => return errbacks.push(action),
            State { status: Status::Failed(error), .. } => error.clone(),
            State { status: Status::Succeeded(_), .. } => return Waiting(0),
        };
        action(&error);
        Waiting(0)
    }

    fn set(&self, status: Status<T, E>) {
        self.cancel_timeout();
        let (old, settled) = {
            let state = &mut *self.state.borrow_mut();
            let (status, settled) = match status {
                Status::Unknown => (Status::Unknown, None),
                Status::Succeeded(value) => (Status::Succeeded(Rc::new(value)), Some(true)),
                Status::Failed(error) => (Status::Failed(Rc::new(error)), Some(false)),
            };
            (std::mem::replace(&mut state.status, status), settled)
        };
        drop(old);
        match settled {
            Some(true) => {
                while let Some((action, value)) = self.next_callback() {
                    action(&value);
                }
                let dropped = std::mem::take(&mut self.state.borrow_mut().errbacks.actions);
                drop(dropped);
            }
            Some(false) => {
                while let Some((action, error)) = self.next_errback() {
                    action(&error);
                }
                let dropped = std::mem::take(&mut self.state.borrow_mut().callbacks.actions);
                drop(dropped);
            }
            None => {}
        }
    }

    /// Read anew each time: the callback before may have changed the status.
    fn next_callback(&self) -> Option<(Action<T>, Rc<T>)> {
        let state = &mut *self.state.borrow_mut();
        let Status::Succeeded(value) = &state.status else { return None };
        Some((state.callbacks.pop()?, value.clone()))
    }

    fn next_errback(&self) -> Option<(Action<E>, Rc<E>)> {
        let state = &mut *self.state.borrow_mut();
        let Status::Failed(error) = &state.status else { return None };
        Some((state.errbacks.pop()?, error.clone()))
    }

    fn cancel_timeout(&self) {
        let timeout = self.state.borrow_mut().timeout.take();
        if let Some(timeout) = timeout {
            timeout.cancel();
        }
    }

    fn set_timeout(self: &Rc<Self>, after: Duration, error: E) {
        self.cancel_timeout();
        // What nobody holds any more need not fail.
        let inner = Rc::downgrade(self);
        let timer = add_timer(after, move || {
            if let Some(inner) = inner.upgrade() {
                inner.set(Status::Failed(error));
            }
        });
        self.state.borrow_mut().timeout = Some(timer);
    }
}

impl<T: 'static, E: 'static> Deferrable for DefaultDeferrable<T, E> {
    type Value = T;
    type Error = E;

    fn deferrable(&self) -> &DefaultDeferrable<T, E> {
        self
    }
}

impl<T, E> Clone for DefaultDeferrable<T, E> {
    fn clone(&self) -> Self {
        DefaultDeferrable(self.0.clone())
    }
}

impl<T: 'static, E: 'static> Default for DefaultDeferrable<T, E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> std::fmt::Debug for DefaultDeferrable<T, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DefaultDeferrable").finish_non_exhaustive()
    }
}

/// Calls `callback` or `errback` when `deferrable` is settled and answers it: EventMachine's `future`.
pub fn future<D: Deferrable>(
    deferrable: D,
    callback: impl FnOnce(&D::Value) + 'static,
    errback: impl FnOnce(&D::Error) + 'static,
) -> D {
    deferrable.callback(callback).errback(errback);
    deferrable
}

#[cfg(test)]
mod tests;
