//! Completions: a deferrable's big sister, a small state machine with callbacks for each state.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use crate::timers::{Timer, add_timer};

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
///
/// Callbacks of a state run when it is entered, in the order they were added, then, if it is one of the completion
/// states, those of [`completion`](Self::completion); all others are dropped then. One that is added for the
/// present state runs at once.
pub struct Completion<V = ()>(Rc<RefCell<Inner<V>>>);

type Action<V> = Box<dyn FnOnce(&V)>;

struct Inner<V> {
    state: State,
    value: Option<Rc<V>>,
    completion_states: Vec<State>,
    callbacks: HashMap<State, VecDeque<Action<V>>>,
    completed: VecDeque<Action<V>>,
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
            completed: VecDeque::new(),
            timeout: None,
        })))
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.0.borrow().state
    }

    /// What the present state was entered with; nothing in `Unknown`.
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

    /// Calls `action` when `state` is entered, at once if it is the present one.
    pub fn stateback(&self, state: State, action: impl FnOnce(&V) + 'static) -> &Self {
        let dead = self.is_completed() && self.state() != state;
        if !dead {
            let mut inner = self.0.borrow_mut();
            inner.callbacks.entry(state).or_default().push_back(Box::new(action));
        }
        self.run();
        self
    }

    /// Calls `action` when it is completed, whichever way, after the callbacks of that state.
    pub fn completion(&self, action: impl FnOnce(&V) + 'static) -> &Self {
        self.0.borrow_mut().completed.push_back(Box::new(action));
        self.run();
        self
    }

    /// Fails with `value` after this time unless it is completed before. A second call replaces the first.
    pub fn timeout(&self, after: Duration, value: V) {
        self.cancel_timeout();
        let inner = Rc::downgrade(&self.0);
        let timer = add_timer(after, move || {
            if let Some(inner) = inner.upgrade() {
                let completion = Completion(inner);
                if !completion.is_completed() {
                    completion.fail(value);
                }
            }
        });
        self.0.borrow_mut().timeout = Some(timer);
    }

    /// No timeout any more.
    pub fn cancel_timeout(&self) {
        let timeout = self.0.borrow_mut().timeout.take();
        if let Some(timeout) = timeout {
            timeout.cancel();
        }
    }

    // Nothing is borrowed while a closure runs or is dropped.
    fn run(&self) {
        while let Some((action, value)) = self.next_of_state() {
            action(&value);
        }
        if !self.is_completed() {
            return;
        }
        while let Some((action, value)) = self.next_of_completion() {
            action(&value);
        }
        let dead = std::mem::take(&mut self.0.borrow_mut().callbacks);
        drop(dead);
        self.cancel_timeout();
    }

    fn next_of_state(&self) -> Option<(Action<V>, Rc<V>)> {
        let inner = &mut *self.0.borrow_mut();
        let value = inner.value.clone()?;
        Some((inner.callbacks.get_mut(&inner.state)?.pop_front()?, value))
    }

    fn next_of_completion(&self) -> Option<(Action<V>, Rc<V>)> {
        let inner = &mut *self.0.borrow_mut();
        Some((inner.completed.pop_front()?, inner.value.clone()?))
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
mod tests {
    use super::*;
    use crate::testing::advance;

    type Log = Rc<RefCell<Vec<String>>>;

    #[track_caller]
    fn check(expected: &[&str], script: impl FnOnce(&Completion<&'static str>, &Log)) {
        let (completion, log) = (Completion::new(), Log::default());
        script(&completion, &log);
        assert_eq!(*log.borrow(), expected);
    }

    fn note(log: &Log, name: &'static str) -> impl FnOnce(&&'static str) + use<> {
        let log = log.clone();
        move |value: &&'static str| log.borrow_mut().push(format!("{name} {value}"))
    }

    #[test]
    fn callbacks_of_the_state_then_of_completion() {
        check(&["c x", "done x"], |c, log| {
            c.completion(note(log, "done")).callback(note(log, "c")).errback(note(log, "e"));
            c.succeed("x");
        });
        check(&["e x", "done x"], |c, log| {
            c.completion(note(log, "done")).callback(note(log, "c")).errback(note(log, "e"));
            c.fail("x");
        });
    }

    #[test]
    fn late_ones() {
        check(&["c x", "done x"], |c, log| {
            c.succeed("x");
            c.callback(note(log, "c")).errback(note(log, "e")).completion(note(log, "done"));
        });
    }

    #[test]
    fn states_of_ones_own_complete_nothing() {
        let half = State::Other("half");
        check(&["half 1", "half 2", "c 3"], |c, log| {
            c.stateback(half, note(log, "half"));
            c.change_state(half, "1");
            assert!(!c.is_completed());
            c.change_state(half, "2");
            c.stateback(half, note(log, "half")).callback(note(log, "c"));
            c.succeed("3");
            // The others were dropped.
            c.change_state(half, "4");
        });
    }

    #[test]
    fn a_callback_may_go_on() {
        check(&["half", "c x"], |c, log| {
            let (again, noted) = (c.clone(), log.clone());
            c.stateback(State::Other("half"), move |_| {
                noted.borrow_mut().push("half".to_owned());
                again.succeed("x");
            });
            c.callback(note(log, "c"));
            c.change_state(State::Other("half"), "");
        });
    }

    #[test]
    fn a_timeout_fails_unless_it_is_completed() {
        check(&["e late"], |c, log| {
            c.errback(note(log, "e"));
            c.timeout(Duration::from_millis(10), "late");
            advance(Duration::from_millis(10));
        });
        check(&["c x"], |c, log| {
            c.callback(note(log, "c")).errback(note(log, "e"));
            c.timeout(Duration::from_millis(10), "late");
            c.succeed("x");
            advance(Duration::from_millis(10));
            assert_eq!(c.state(), State::Succeeded);
        });
    }
}
