//! Deferrables: values that will succeed or fail, and the callbacks for both.
//!
//! The rules are EventMachine's:
//!
//! - callbacks run in the order in which they were added, all of them before the call that sets the status returns;
//! - a callback added to a deferrable that has succeeded runs at once; an errback added to it is dropped, and the
//!   other way round;
//! - setting the status ends the timeout, runs what waits for it, and drops what waits for the other outcome;
//! - a callback may set the status anew: those that have not run yet get the new value, or none if it is a failure;
//! - setting it to unknown opens the deferrable again, and what has not run waits on.

pub(crate) mod line;

use std::{cell::RefCell, rc::Rc, time::Duration};

pub use self::line::Waiting;
use self::line::{Action, Line};
use crate::timers::{Timer, add_timer};

/// Something that will succeed with a `Value` or fail with an `Error`.
///
/// A type of the author's own becomes one by holding a [`DefaultDeferrable`]:
///
/// ```
/// use sandloop::{DefaultDeferrable, Deferrable};
///
/// #[derive(Clone, Default)]
/// struct Lookup(DefaultDeferrable<String>);
///
/// impl Deferrable for Lookup {
///     type Value = String;
///     type Error = ();
///     fn deferrable(&self) -> &DefaultDeferrable<String> {
///         &self.0
///     }
/// }
///
/// let lookup = Lookup::default();
/// lookup.callback(|name| println!("found {name}")).errback(|()| println!("not found"));
/// lookup.succeed("SpeedRacer".to_owned());
/// ```
pub trait Deferrable {
    /// The value of success.
    type Value: 'static;
    /// The value of failure.
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
        self.deferrable().wait_for_value(Box::new(action))
    }

    /// As [`errback`](Self::errback); the answer is for [`cancel_errback`](Self::cancel_errback).
    fn add_errback(&self, action: impl FnOnce(&Self::Error) + 'static) -> Waiting {
        self.deferrable().wait_for_error(Box::new(action))
    }

    /// Forgets a callback that has not run.
    fn cancel_callback(&self, waiting: Waiting) {
        let cancelled = self.deferrable().0.borrow_mut().callbacks.remove(waiting);
        drop(cancelled);
    }

    /// Forgets an errback that has not run.
    fn cancel_errback(&self, waiting: Waiting) {
        let cancelled = self.deferrable().0.borrow_mut().errbacks.remove(waiting);
        drop(cancelled);
    }

    /// Sets the status and runs what waits for it before it returns. May be done again, also from a callback.
    fn set_deferred_status(&self, status: Status<Self::Value, Self::Error>) {
        self.deferrable().set(status);
    }

    /// Sets the status to [`Status::Succeeded`].
    fn succeed(&self, value: Self::Value) {
        self.set_deferred_status(Status::Succeeded(value));
    }

    /// Sets the status to [`Status::Failed`].
    fn fail(&self, error: Self::Error) {
        self.set_deferred_status(Status::Failed(error));
    }

    /// Fails with `error` after this time, unless the status is set before. A second call replaces the first.
    ///
    /// # Panics
    /// As [`add_timer`].
    fn timeout(&self, after: Duration, error: Self::Error) -> &Self {
        self.deferrable().set_timeout(after, error);
        self
    }

    /// No timeout any more.
    fn cancel_timeout(&self) {
        self.deferrable().end_timeout();
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

/// A deferrable and nothing else. Clones are the same one.
pub struct DefaultDeferrable<T = (), E = ()>(Rc<RefCell<State<T, E>>>);

struct State<T, E> {
    status: Status<Rc<T>, Rc<E>>,
    callbacks: Line<T>,
    errbacks: Line<E>,
    timeout: Option<Timer>,
}

impl<T: 'static, E: 'static> DefaultDeferrable<T, E> {
    /// One that is open.
    #[must_use]
    pub fn new() -> Self {
        DefaultDeferrable(Rc::new(RefCell::new(State {
            status: Status::Unknown,
            callbacks: Line::default(),
            errbacks: Line::default(),
            timeout: None,
        })))
    }

    /// One that has succeeded.
    #[must_use]
    pub fn succeeded(value: T) -> Self {
        let deferrable = Self::new();
        deferrable.succeed(value);
        deferrable
    }

    /// One that has failed.
    #[must_use]
    pub fn failed(error: E) -> Self {
        let deferrable = Self::new();
        deferrable.fail(error);
        deferrable
    }

    /// Whether it has succeeded or failed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self.0.borrow().status, Status::Unknown)
    }

    // Below, nothing is borrowed while a closure or a value of the author's is called or dropped: either may do
    // anything with the deferrable.

    fn wait_for_value(&self, action: Action<T>) -> Waiting {
        let value = match &mut *self.0.borrow_mut() {
            State { status: Status::Unknown, callbacks, .. } => return callbacks.push(action),
            State { status: Status::Succeeded(value), .. } => Some(value.clone()),
            State { status: Status::Failed(_), .. } => None,
        };
        if let Some(value) = value {
            action(&value);
        }
        Waiting::NOTHING
    }

    fn wait_for_error(&self, action: Action<E>) -> Waiting {
        let error = match &mut *self.0.borrow_mut() {
            State { status: Status::Unknown, errbacks, .. } => return errbacks.push(action),
            State { status: Status::Failed(error), .. } => Some(error.clone()),
            State { status: Status::Succeeded(_), .. } => None,
        };
        if let Some(error) = error {
            action(&error);
        }
        Waiting::NOTHING
    }

    fn set(&self, status: Status<T, E>) {
        self.end_timeout();
        let status = match status {
            Status::Unknown => Status::Unknown,
            Status::Succeeded(value) => Status::Succeeded(Rc::new(value)),
            Status::Failed(error) => Status::Failed(Rc::new(error)),
        };
        let old = std::mem::replace(&mut self.0.borrow_mut().status, status);
        drop(old);
        while let Some((action, value)) = self.next_callback() {
            action(&value);
        }
        while let Some((action, error)) = self.next_errback() {
            action(&error);
        }
        self.drop_the_others();
    }

    /// Read again each time, since the previous callback may have changed the status.
    fn next_callback(&self) -> Option<(Action<T>, Rc<T>)> {
        let state = &mut *self.0.borrow_mut();
        let Status::Succeeded(value) = &state.status else { return None };
        Some((state.callbacks.pop()?, value.clone()))
    }

    fn next_errback(&self) -> Option<(Action<E>, Rc<E>)> {
        let state = &mut *self.0.borrow_mut();
        let Status::Failed(error) = &state.status else { return None };
        Some((state.errbacks.pop()?, error.clone()))
    }

    fn drop_the_others(&self) {
        let (callbacks, errbacks) = {
            let state = &mut *self.0.borrow_mut();
            match state.status {
                Status::Unknown => (None, None),
                Status::Succeeded(_) => (None, Some(state.errbacks.take())),
                Status::Failed(_) => (Some(state.callbacks.take()), None),
            }
        };
        drop(callbacks);
        drop(errbacks);
    }

    /// Holds the deferrable until then: what waits is told, even where nobody else knows it any more.
    fn set_timeout(&self, after: Duration, error: E) {
        self.end_timeout();
        let same = self.clone();
        let timer = add_timer(after, move || same.fail(error));
        self.0.borrow_mut().timeout = Some(timer);
    }

    fn end_timeout(&self) {
        let timeout = self.0.borrow_mut().timeout.take();
        if let Some(timeout) = timeout {
            timeout.cancel();
        }
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

/// Calls `callback` or `errback` when `deferrable` is settled, and answers it: EventMachine's `future`.
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
