//! What waits for one outcome, in order.

use std::{cell::Cell, collections::VecDeque};

/// Something to be done with a value, once.
pub(crate) type Action<T> = Box<dyn FnOnce(&T)>;

/// A callback or an errback that was added, to cancel it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Waiting(u64);

impl Waiting {
    /// One of nothing: what was done at once, or dropped.
    pub(crate) const NOTHING: Waiting = Waiting(0);

    fn next() -> Waiting {
        thread_local! {
            // One count for all, so that what waits in one place never cancels something in another.
            static LAST: Cell<u64> = const { Cell::new(0) };
        }
        LAST.set(LAST.get() + 1);
        Waiting(LAST.get())
    }
}

/// First in, first out. Its methods hand back what they take out: nothing of an author's is called or dropped while
/// a line is borrowed.
pub(crate) struct Line<T>(VecDeque<(Waiting, Action<T>)>);

impl<T> Line<T> {
    pub(crate) fn push(&mut self, action: Action<T>) -> Waiting {
        let waiting = Waiting::next();
        self.0.push_back((waiting, action));
        waiting
    }

    pub(crate) fn pop(&mut self) -> Option<Action<T>> {
        self.0.pop_front().map(|(_, action)| action)
    }

    pub(crate) fn remove(&mut self, waiting: Waiting) -> Option<Action<T>> {
        let place = self.0.iter().position(|(known, _)| *known == waiting)?;
        self.0.remove(place).map(|(_, action)| action)
    }

    pub(crate) fn take(&mut self) -> Line<T> {
        std::mem::take(self)
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Line(VecDeque::new())
    }
}
