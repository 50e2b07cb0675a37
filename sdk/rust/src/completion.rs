//! Completions: a deferrable's big sister, a small state machine with callbacks for each state.
//!
//! The rules are EventMachine's:
//!
//! - entering a state runs the callbacks of that state, first come, first served, before the call returns;
//! - if it is a completion state, those of [`completion`](Completion::completion) run next, and what waits for any
//!   completion state is dropped, and the timeout ends;
//! - a callback that is added for the present state runs at once; one for another state is dropped if it is completed;
//! - nothing is final: a completed one may enter any state again.

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

use crate::{
    deferrable::line::{Action, Line, Waiting},
    timers::{Timer, add_timer},
};

/// A state of a [`Completion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// The first.
    Unknown,
    /// It went well.
    Succeeded,
    /// It went wrong.
    Failed,
    /// One of the author's own.
    Other(&'static str),
}

/// Something that goes from state to state until it is completed. Clones are the same one.
pub struct Completion<V = ()>(Rc<RefCell<Inner<V>>>);

struct Inner<V> {
    state: State,
    value: Option<Rc<V>>,
    completion_states: Vec<State>,
    callbacks: HashMap<State, Line<V>>,
    completed: Line<V>,
    timeout: Option<Timer>,
}

impl<V: 'static> Completion<V> {
    /// One in the state `Unknown`, which `Succeeded` and `Failed` complete.
    #[must_use]
    pub fn new() -> Self {
        Self::with_completion_states(&[State::Succeeded, State::Failed])
    }

    /// One that these states complete.
    #[must_use]
    pub fn with_completion_states(states: &[State]) -> Self {
        Completion(Rc::new(RefCell::new(Inner {
            state: State::Unknown,
            value: None,
            completion_states: states.to_vec(),
            callbacks: HashMap::new(),
            completed: Line::default(),
            timeout: None,
        })))
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.borrow().state
    }

    /// What the present state was entered with; nothing before it has entered any.
    #[must_use]
    pub fn value(&self) -> Option<Rc<V>> {
        self.0.borrow().value.clone()
    }

    /// The states that complete it.
    #[must_use]
    pub fn completion_states(&self) -> Vec<State> {
        self.0.borrow().completion_states.clone()
    }

    /// Whether it is in one of them.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        let inner = self.0.borrow();
        inner.completion_states.contains(&inner.state)
    }

    /// Enters `Succeeded`.
    pub fn succeed(&self, value: V) {
        self.change_state(State::Succeeded, value);
    }

    /// Enters `Failed`.
    pub fn fail(&self, value: V) {
        self.change_state(State::Failed, value);
    }

    /// Enters a state and runs its callbacks before it returns.
    pub fn change_state(&self, state: State, value: V) {
        let old = {
            let inner = &mut *self.0.borrow_mut();
            inner.state = state;
            inner.value.replace(Rc::new(value))
        };
        drop(old);
        self.run();
    }

    /// Calls `action` when it succeeds.
    pub fn callback(&self, action: impl FnOnce(&V) + 'static) -> &Self {
        self.stateback(State::Succeeded, action)
    }

    /// Calls `action` when it fails.
    pub fn errback(&self, action: impl FnOnce(&V) + 'static) -> &Self {
        self.stateback(State::Failed, action)
    }

    /// Calls `action` when `state` is entered, at once if it is the present one and was entered with a value.
    pub fn stateback(&self, state: State, action: impl FnOnce(&V) + 'static) -> &Self {
        self.add_stateback(state, action);
        self
    }

    /// As [`stateback`](Self::stateback); the answer is for [`cancel_stateback`](Self::cancel_stateback).
    pub fn add_stateback(&self, state: State, action: impl FnOnce(&V) + 'static) -> Waiting {
        let mut waiting = Waiting::NOTHING;
        if !self.is_completed() || self.state() == state {
            let inner = &mut *self.0.borrow_mut();
            waiting = inner.callbacks.entry(state).or_default().push(Box::new(action));
        }
        self.run();
        waiting
    }

    /// Calls `action` when it is completed, whichever way, after the callbacks of that state.
    pub fn completion(&self, action: impl FnOnce(&V) + 'static) -> &Self {
        self.0.borrow_mut().completed.push(Box::new(action));
        self.run();
        self
    }

    /// Forgets a callback that waits for a state and has not run: EventMachine's `cancel_callback`, `cancel_errback`.
    pub fn cancel_stateback(&self, waiting: Waiting) {
        let cancelled =
            self.0.borrow_mut().callbacks.values_mut().find_map(|line| line.remove(waiting));
        drop(cancelled);
    }

    /// Fails with `value` after this time unless it is completed then. A second call replaces the first.
    ///
    /// # Panics
    /// As [`add_timer`].
    pub fn timeout(&self, after: Duration, value: V) -> &Self {
        self.cancel_timeout();
        let same = self.clone();
        let timer = add_timer(after, move || {
            if !same.is_completed() {
                same.fail(value);
            }
        });
        self.0.borrow_mut().timeout = Some(timer);
        self
    }

    /// No timeout any more.
    pub fn cancel_timeout(&self) {
        let timeout = self.0.borrow_mut().timeout.take();
        if let Some(timeout) = timeout {
            timeout.cancel();
        }
    }

    // Nothing is borrowed while a closure or a value of the author's is called or dropped.
    fn run(&self) {
        let state = self.state();
        while let Some((action, value)) = self.next_of_state(state) {
            action(&value);
        }
        if self.is_completed() {
            while let Some((action, value)) = self.next_of_completion() {
                action(&value);
            }
            let dead = self.take_dead();
            drop(dead);
            self.cancel_timeout();
        }
    }

    fn next_of_state(&self, state: State) -> Option<(Action<V>, Rc<V>)> {
        let inner = &mut *self.0.borrow_mut();
        let value = inner.value.clone()?;
        Some((inner.callbacks.get_mut(&state)?.pop()?, value))
    }

    fn next_of_completion(&self) -> Option<(Action<V>, Rc<V>)> {
        let inner = &mut *self.0.borrow_mut();
        let value = inner.value.clone()?;
        Some((inner.completed.pop()?, value))
    }

    fn take_dead(&self) -> Vec<Line<V>> {
        let Inner { completion_states, callbacks, .. } = &mut *self.0.borrow_mut();
        completion_states.iter().filter_map(|state| callbacks.remove(state)).collect()
    }
}

impl<V> Clone for Completion<V> {
    fn clone(&self) -> Self {
        Completion(self.0.clone())
    }
}

impl<V: 'static> Default for Completion<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> std::fmt::Debug for Completion<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Completion").field("state", &self.0.borrow().state).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
