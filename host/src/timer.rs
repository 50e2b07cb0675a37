//! Deadlines in order. Takes the time as an argument; waits for nothing.

use std::collections::BTreeMap;

use crate::clock::Moment;

/// Names one pending deadline of a [`TimerQueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey {
    deadline: Moment,
    /// Breaks ties: first made, first due.
    order: u64,
}

impl TimerKey {
    /// When it is due.
    pub(crate) fn deadline(self) -> Moment {
        self.deadline
    }

    /// Whether it is due at `now`.
    pub(crate) fn is_due(self, now: Moment) -> bool {
        self.deadline <= now
    }
}

/// Pending deadlines, each with what it is for. A cancelled one is gone at once.
#[derive(Debug)]
pub(crate) struct TimerQueue<T> {
    pending: BTreeMap<TimerKey, T>,
    made: u64,
}

/// The deadlines that one turn may run: those that are due and were made before the turn began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    now: Moment,
    made: u64,
}

impl<T> TimerQueue<T> {
    /// An empty queue.
    pub(crate) fn new() -> TimerQueue<T> {
        TimerQueue { pending: BTreeMap::new(), made: 0 }
    }

    /// Adds a deadline.
    pub(crate) fn insert(&mut self, deadline: Moment, purpose: T) -> TimerKey {
        let key = TimerKey { deadline, order: self.made };
        self.made += 1;
        self.pending.insert(key, purpose);
        key
    }

    /// Removes a deadline that has not been popped yet.
    pub(crate) fn cancel(&mut self, key: TimerKey) -> Option<T> {
        self.pending.remove(&key)
    }

    /// Begins a pass at `now`: deadlines added from here on wait for the next.
    pub(crate) fn begin_pass(&self, now: Moment) -> Pass {
        Pass { now, made: self.made }
    }

    /// The next deadline of the pass, earliest first, ties in the order they were made.
    pub(crate) fn pop_due(&mut self, pass: Pass) -> Option<T> {
        let (&key, _) = self
            .pending
            .iter()
            .take_while(|(key, _)| key.deadline <= pass.now)
            .find(|(key, _)| key.order < pass.made)?;
        self.pending.remove(&key)
    }

    /// The one that is due first.
    pub(crate) fn first(&self) -> Option<TimerKey> {
        self.pending.keys().next().copied()
    }
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        TimerQueue::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_start(Duration::from_millis(milliseconds))
    }

    fn check(deadlines: &[u64], now: u64, expected: &[usize]) {
        let mut queue = TimerQueue::new();
        for (index, &deadline) in deadlines.iter().enumerate() {
            queue.insert(at(deadline), index);
        }
        let pass = queue.begin_pass(at(now));
        let due: Vec<usize> = std::iter::from_fn(|| queue.pop_due(pass)).collect();
        assert_eq!(due, expected);
    }

    #[test]
    fn due_in_deadline_order_with_fifo_ties() {
        check(&[30, 10, 20, 10], 30, &[1, 3, 2, 0]);
        check(&[5, 5, 5], 5, &[0, 1, 2]);
    }

    #[test]
    fn never_early() {
        check(&[10, 11], 10, &[0]);
        check(&[10], 9, &[]);
    }

    #[test]
    fn one_made_during_a_pass_waits_for_the_next() {
        let mut queue = TimerQueue::new();
        queue.insert(at(1), "first");
        let pass = queue.begin_pass(at(5));
        assert_eq!(queue.pop_due(pass), Some("first"));
        queue.insert(at(0), "nested");
        assert_eq!(queue.pop_due(pass), None);
        assert_eq!(queue.pop_due(queue.begin_pass(at(5))), Some("nested"));
    }

    #[test]
    fn cancelling_frees_at_once() {
        let mut queue = TimerQueue::new();
        for round in 0..10_000 {
            let key = queue.insert(at(1_000_000 + round), ());
            assert_eq!(queue.cancel(key), Some(()));
            assert_eq!(queue.cancel(key), None);
        }
        assert!(queue.first().is_none());
        assert_eq!(queue.first(), None);
    }
}
