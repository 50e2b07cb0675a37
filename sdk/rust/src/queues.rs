//! Queues: what one pushes, one other gets, in whichever instance of the tenant it waits.
//!
//! ```
//! use sandloop::Queue;
//!
//! let jobs = Queue::new("jobs");
//! jobs.pop(|job| println!("{}", String::from_utf8_lossy(job)));
//! jobs.push("wash up");
//! ```

use std::{cell::RefCell, fmt, rc::Rc};

use crate::{
    callbacks::{Key, Table},
    host::queues as host,
    types::ErrorCode,
};

/// A queue, by its name. All instances of all plugins of a tenant mean the same one by the same name.
///
/// Items wait for pops and pops for items, first come, first served on both sides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Queue(Rc<str>);

/// A pop that waits for its item. Copies are the same one; dropping them does not end it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pop(Key);

impl Queue {
    /// The queue `name`: 1 to 255 bytes without control characters.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Queue(name.into())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Adds an item at the end, or hands it to the pop that has waited longest.
    ///
    /// # Panics
    /// When the queue is full or its name is none: whoever pushes work that is not taken must not go on as if it were.
    /// A plugin that can wait or refuse uses [`try_push`](Self::try_push).
    pub fn push(&self, item: impl AsRef<[u8]>) {
        if let Err(error) = self.try_push(item) {
            panic!("push to {:?}: {error}", self.0);
        }
    }

    /// As [`push`](Self::push).
    ///
    /// # Errors
    /// `limit` (the queue is full, there are too many queues, or the item is too large: it was not taken),
    /// `invalid-argument` (the name).
    pub fn try_push(&self, item: impl AsRef<[u8]>) -> Result<(), ErrorCode> {
        host::push(&self.0, item.as_ref())
    }

    /// Calls `action` with one item, once: after this callback has returned, as soon as there is one.
    ///
    /// # Panics
    /// At the limits of pops or queues, and for a name that is none.
    pub fn pop(&self, action: impl FnOnce(&[u8]) + 'static) -> Pop {
        self.try_pop(action).unwrap_or_else(|error| panic!("pop from {:?}: {error}", self.0))
    }

    /// As [`pop`](Self::pop).
    ///
    /// # Errors
    /// `limit` (pops of this instance, queues of the tenant), `invalid-argument` (the name).
    pub fn try_pop(&self, action: impl FnOnce(&[u8]) + 'static) -> Result<Pop, ErrorCode> {
        let id = host::pop(&self.0)?;
        let key = TABLE.with_borrow_mut(|table| table.key(id));
        let stale = TABLE.with_borrow_mut(|table| table.insert(key, Box::new(action)));
        drop(stale);
        Ok(Pop(key))
    }

    /// Items that wait.
    #[must_use]
    pub fn size(&self) -> u32 {
        host::size(&self.0)
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// Pops that wait, in all instances.
    #[must_use]
    pub fn num_waiting(&self) -> u32 {
        host::num_waiting(&self.0)
    }
}

impl Pop {
    /// Forgets it; an item that was on its way goes back to the front of the queue. Does nothing once it has its item.
    pub fn cancel(self) {
        let known = TABLE.with_borrow_mut(|table| table.remove(self.0));
        if known.is_some() {
            host::cancel_pop(self.0.id);
        }
    }
}

impl fmt::Debug for Pop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pop").field(&self.0.id).finish()
    }
}

type Action = Box<dyn FnOnce(&[u8])>;

thread_local! {
    /// The pops that wait.
    static TABLE: RefCell<Table<Action>> = const { RefCell::new(Table::new()) };
}

/// An item for a pop.
pub(crate) fn popped(pop: u32, item: &[u8]) {
    // Nothing is borrowed while the closure runs: it may pop again.
    let action = TABLE.with_borrow_mut(|table| table.take(pop));
    if let Some(action) = action {
        action(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::turn;

    type Log = Rc<RefCell<Vec<String>>>;

    fn note(log: &Log, name: &'static str) -> impl FnOnce(&[u8]) + use<> {
        let log = log.clone();
        move |item: &[u8]| {
            log.borrow_mut().push(format!("{name} {}", String::from_utf8_lossy(item)));
        }
    }

    fn pop_each(jobs: &Queue, log: &Log, names: &[&'static str]) {
        for name in names {
            jobs.pop(note(log, name));
        }
    }

    #[test]
    fn first_come_first_served_on_both_sides() {
        let (log, jobs) = (Log::default(), Queue::new("jobs"));
        assert!(jobs.is_empty());
        ["1", "2"].iter().for_each(|item| jobs.push(item));
        assert_eq!((jobs.size(), jobs.num_waiting()), (2, 0));
        pop_each(&jobs, &log, &["a", "b", "c", "d"]);
        assert_eq!((jobs.size(), jobs.num_waiting()), (0, 2));
        assert!(log.borrow().is_empty(), "never inside this callback");
        ["3", "4", "5"].iter().for_each(|item| jobs.push(item));
        turn();
        assert_eq!(*log.borrow(), ["a 1", "b 2", "c 3", "d 4"]);
        assert_eq!((jobs.size(), jobs.num_waiting()), (1, 0));
    }

    /// EventMachine loses 2 and 3 here.
    #[test]
    fn a_push_from_a_callback_comes_after() {
        let (log, jobs) = (Log::default(), Queue::new("jobs"));
        let (noted, same) = (note(&log, "a"), jobs.clone());
        jobs.pop(move |item| {
            noted(item);
            same.push("x");
        });
        jobs.pop(note(&log, "b"));
        ["1", "2", "3"].iter().for_each(|item| jobs.push(item));
        turn();
        pop_each(&jobs, &log, &["c", "d"]);
        turn();
        assert_eq!(*log.borrow(), ["a 1", "b 2", "c 3", "d x"]);
    }

    #[test]
    fn a_cancelled_pop_gives_its_item_back() {
        let (log, jobs) = (Log::default(), Queue::new("jobs"));
        let first = jobs.pop(note(&log, "a"));
        ["1", "2"].iter().for_each(|item| jobs.push(item));
        first.cancel();
        first.cancel();
        assert_eq!(jobs.size(), 2);
        pop_each(&jobs, &log, &["b", "c"]);
        turn();
        assert_eq!(*log.borrow(), ["b 1", "c 2"]);
    }

    #[test]
    fn a_name_that_is_none() {
        let nameless = Queue::new("a\nb");
        assert_eq!(nameless.try_push("x"), Err(ErrorCode::InvalidArgument));
        assert_eq!(nameless.try_pop(|_| {}), Err(ErrorCode::InvalidArgument));
    }
}
