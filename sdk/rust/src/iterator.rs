//! Iterators: a list worked through by callbacks, a bounded number of items at a time.
//!
//! ```
//! use std::time::Duration;
//!
//! use sandloop::{add_timer, iterator::Iterator};
//!
//! Iterator::new(1..=10, 3).map(
//!     |number: u64, back| {
//!         add_timer(Duration::from_millis(number), move || back.r#return(number * number));
//!     },
//!     |squares| println!("{squares:?}"),
//! );
//! ```
//!
//! It has the name that EventMachine gives it. A module that also needs the standard library's trait of that name calls this
//! one `iterator::Iterator`.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use crate::reactor::next_tick;

/// Works through items, `concurrency` at a time. Clones are the same one.
///
/// Each item is handed out with something that says when it is done; the next is handed out a tick later.
pub struct Iterator<T>(Rc<Inner<T>>);

struct Inner<T> {
    /// Where items come from; none is the end. It is out while it runs, as `foreach` is.
    source: RefCell<Option<Source<T>>>,
    concurrency: Cell<usize>,
    workers: Cell<usize>,
    pending: Cell<usize>,
    started: Cell<bool>,
    ended: Cell<bool>,
    foreach: RefCell<Option<Foreach<T>>>,
    after: RefCell<Option<Box<dyn FnOnce()>>>,
}

type Source<T> = Box<dyn FnMut() -> Option<T>>;
type Foreach<T> = Box<dyn FnMut(T, Next<T>)>;

/// Says that an item of [`Iterator::each`] is done. While it is kept the item is under way; one that is dropped leaves
/// its item under way for ever, and `after` is never called.
#[must_use = "the iterator waits until `next` is called"]
pub struct Next<T>(Rc<Inner<T>>);

/// Returns the result of an item of [`Iterator::map`] or [`Iterator::inject`], and ends it: see [`Next`].
#[must_use = "the iterator waits until `return` is called"]
pub struct Return<R>(Box<dyn FnOnce(R)>);

impl<T: 'static> Iterator<T> {
    /// Of these items.
    ///
    /// # Panics
    /// For a concurrency of 0, as EventMachine raises.
    pub fn new(items: impl IntoIterator<Item = T, IntoIter: 'static>, concurrency: usize) -> Self {
        let mut items = items.into_iter();
        Self::from_fn(move || items.next(), concurrency)
    }

    /// Of what `source` answers, until it answers none.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    pub fn from_fn(source: impl FnMut() -> Option<T> + 'static, concurrency: usize) -> Self {
        assert!(0 < concurrency, "the concurrency must be greater than zero");
        Iterator(Rc::new(Inner {
            source: RefCell::new(Some(Box::new(source))),
            concurrency: Cell::new(concurrency),
            workers: Cell::new(0),
            pending: Cell::new(0),
            started: Cell::new(false),
            ended: Cell::new(false),
            foreach: RefCell::new(None),
            after: RefCell::new(None),
        }))
    }

    /// The number of items that are processed at a time.
    #[must_use]
    pub fn concurrency(&self) -> usize {
        self.0.concurrency.get()
    }

    /// Sets the concurrency, also while it runs; with 0 no further items are started until it is changed again.
    pub fn set_concurrency(&self, concurrency: usize) {
        let old = self.0.concurrency.replace(concurrency);
        if old < concurrency && self.0.started.get() && !self.0.ended.get() {
            self.0.spawn_worker();
        }
    }

    /// Calls `foreach` with each item, and `after` once when all are done.
    ///
    /// # Panics
    /// When it has been used before, as EventMachine raises.
    pub fn each(&self, foreach: impl FnMut(T, Next<T>) + 'static, after: impl FnOnce() + 'static) {
        assert!(!self.0.started.replace(true), "an iterator is used once");
        self.0.foreach.replace(Some(Box::new(foreach)));
        self.0.after.replace(Some(Box::new(after)));
        self.0.spawn_worker();
    }

    /// Like [`each`](Self::each); the results of the items are passed to `after` in their order.
    ///
    /// # Panics
    /// As [`each`](Self::each).
    pub fn map<R: 'static>(
        &self,
        mut foreach: impl FnMut(T, Return<R>) + 'static,
        after: impl FnOnce(Vec<R>) + 'static,
    ) {
        let results = Rc::new(RefCell::new(Vec::new()));
        let all = results.clone();
        self.each(
            move |item, next| {
                let index = results.borrow().len();
                results.borrow_mut().push(None);
                let results = results.clone();
                let done = move |result| {
                    results.borrow_mut()[index] = Some(result);
                    next.next();
                };
                foreach(item, Return(Box::new(done)));
            },
            move || after(all.take().into_iter().flatten().collect()),
        );
    }

    /// As [`each`](Self::each), with a value that goes from item to item: `foreach` gets the present one and
    /// returns the next, `after` gets the last.
    ///
    /// Each item gets what came of the one before, so they are worked on one after the other, whatever the concurrency:
    /// what two made of the same value would be one result less. In Ruby the value is one object that all share, and
    /// there they may run side by side; for that, [`map`](Self::map) and put the results together in `after`.
    ///
    /// # Panics
    /// As [`each`](Self::each).
    pub fn inject<R: 'static>(
        &self,
        first: R,
        foreach: impl FnMut(R, T, Return<R>) + 'static,
        after: impl FnOnce(R) + 'static,
    ) {
        let fold = Rc::new(Fold {
            value: RefCell::new(Some(first)),
            waiting: RefCell::default(),
            foreach: RefCell::new(Some(Box::new(foreach))),
        });
        let last = fold.clone();
        self.each(
            move |item, next| {
                fold.waiting.borrow_mut().push_back((item, next));
                fold.go_on();
            },
            move || {
                let value = last.value.take();
                let gone = last.foreach.take();
                drop(gone);
                if let Some(value) = value {
                    after(value);
                }
            },
        );
    }
}

/// A value on its way from item to item.
struct Fold<T, R> {
    /// None while an item uses it.
    value: RefCell<Option<R>>,
    /// Items that wait for it; as many as the concurrency allows.
    waiting: RefCell<VecDeque<(T, Next<T>)>>,
    foreach: RefCell<Option<Folder<T, R>>>,
}

type Folder<T, R> = Box<dyn FnMut(R, T, Return<R>)>;

impl<T: 'static, R: 'static> Fold<T, R> {
    /// Gives the value to the next item, if it is there.
    fn go_on(self: &Rc<Self>) {
        if self.value.borrow().is_none() || self.foreach.borrow().is_none() {
            return;
        }
        let next = self.waiting.borrow_mut().pop_front();
        let (Some((item, next)), Some(value)) = (next, self.value.take()) else { return };
        let me = self.clone();
        let done = move |result| {
            me.value.replace(Some(result));
            next.next();
            if !me.waiting.borrow().is_empty() {
                next_tick(move || me.go_on());
            }
        };
        let Some(mut foreach) = self.foreach.take() else { return };
        foreach(value, item, Return(Box::new(done)));
        self.foreach.replace(Some(foreach));
    }
}

impl<T: 'static> Next<T> {
    /// The item is done.
    pub fn next(self) {
        let inner = self.0;
        inner.pending.set(inner.pending.get() - 1);
        if inner.ended.get() {
            inner.finish();
        } else {
            next_tick(move || inner.process());
        }
    }
}

impl<R> Return<R> {
    /// The item is done, with this result.
    pub fn r#return(self, result: R) {
        (self.0)(result);
    }
}

impl<T: 'static> Inner<T> {
    /// One worker each tick until there are enough.
    fn spawn_worker(self: &Rc<Self>) {
        let inner = self.clone();
        next_tick(move || {
            if inner.workers.get() < inner.concurrency.get() && !inner.ended.get() {
                inner.workers.set(inner.workers.get() + 1);
                inner.process();
                inner.spawn_worker();
            }
        });
    }

    /// A worker takes the next item, or leaves.
    fn process(self: &Rc<Self>) {
        if self.ended.get() || self.concurrency.get() < self.workers.get() {
            self.workers.set(self.workers.get() - 1);
            return;
        }
        // This is a tick and ticks never run inside one another, so both closures are in their places.
        let Some(item) = self.next_item() else {
            self.ended.set(true);
            self.workers.set(self.workers.get() - 1);
            self.finish();
            return;
        };
        self.pending.set(self.pending.get() + 1);
        let Some(mut foreach) = self.foreach.take() else { return };
        foreach(item, Next(self.clone()));
        self.foreach.replace(Some(foreach));
    }

    fn next_item(&self) -> Option<T> {
        let mut source = self.source.take()?;
        let item = source();
        self.source.replace(Some(source));
        item
    }

    fn finish(&self) {
        if self.ended.get() && self.pending.get() == 0 {
            // What they captured goes with the work.
            let done = (self.source.take(), self.foreach.take());
            let after = self.after.take();
            if let Some(after) = after {
                after();
            }
            drop(done);
        }
    }
}

impl<T> Clone for Iterator<T> {
    fn clone(&self) -> Self {
        Iterator(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::{advance, turn};

    type Log = Rc<RefCell<Vec<String>>>;

    #[test]
    fn each_hands_out_so_many_at_a_time() {
        let (log, waiting) = (Log::default(), Rc::new(RefCell::new(Vec::new())));
        let (noted, done, held) = (log.clone(), log.clone(), waiting.clone());
        Iterator::new(1..=5, 2).each(
            move |item, next| {
                noted.borrow_mut().push(item.to_string());
                held.borrow_mut().push(next);
            },
            move || done.borrow_mut().push("after".to_owned()),
        );
        (0..10).for_each(|_| turn());
        assert_eq!(*log.borrow(), ["1", "2"], "two are under way");
        while let Some(next) = { waiting.borrow_mut().pop() } {
            next.next();
            (0..10).for_each(|_| turn());
        }
        assert_eq!(*log.borrow(), ["1", "2", "3", "4", "5", "after"]);
    }

    #[test]
    fn the_concurrency_changes_while_it_runs() {
        let waiting = Rc::new(RefCell::new(Vec::new()));
        let held = waiting.clone();
        let iterator = Iterator::new(1..=9, 1);
        iterator.each(move |_, next| held.borrow_mut().push(next), || {});
        (0..10).for_each(|_| turn());
        assert_eq!(waiting.borrow().len(), 1);
        iterator.set_concurrency(3);
        (0..10).for_each(|_| turn());
        assert_eq!(waiting.borrow().len(), 3);
    }

    #[test]
    fn no_concurrency_is_a_pause() {
        let (count, waiting) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(None)));
        let (counted, held) = (count.clone(), waiting.clone());
        let iterator = Iterator::new(1..=3, 1);
        let work = move |_, next| {
            counted.set(counted.get() + 1);
            *held.borrow_mut() = Some(next);
        };
        iterator.each(work, || {});
        turn();
        iterator.set_concurrency(0);
        waiting.take().unwrap().next();
        (0..5).for_each(|_| turn());
        assert_eq!((count.get(), iterator.concurrency()), (1, 0));
        iterator.set_concurrency(1);
        (0..5).for_each(|_| turn());
        assert_eq!(count.get(), 2);
    }

    #[test]
    fn a_source_is_asked_until_it_has_none() {
        let (mut left, asked) = (3, Rc::new(Cell::new(0)));
        let (count, done) = (asked.clone(), Rc::new(Cell::new(false)));
        let source = move || {
            count.set(count.get() + 1);
            left -= 1;
            (0 < left).then_some(left)
        };
        let ended = done.clone();
        Iterator::from_fn(source, 5).each(|_, next| next.next(), move || ended.set(true));
        (0..20).for_each(|_| turn());
        assert_eq!((asked.get(), done.get()), (3, true));
    }

    #[test]
    fn map_keeps_the_order() {
        let result = Rc::new(RefCell::new(Vec::new()));
        let mapped = result.clone();
        Iterator::new(1..=4_u64, 4).map(
            |item, back: Return<u64>| {
                crate::add_timer(Duration::from_millis(50 - item * 10), move || {
                    back.r#return(item * item);
                });
            },
            move |all| *mapped.borrow_mut() = all,
        );
        advance(Duration::from_millis(100));
        assert_eq!(*result.borrow(), [1, 4, 9, 16]);
    }

    #[test]
    fn inject_carries_a_value() {
        let result = Rc::new(Cell::new(0));
        let sum = result.clone();
        Iterator::new(1..=4, 2).inject(
            0,
            |sum, item, back| back.r#return(sum + item),
            move |last| sum.set(last),
        );
        (0..20).for_each(|_| turn());
        assert_eq!(result.get(), 10);
    }

    #[test]
    fn inject_loses_nothing_whatever_the_concurrency() {
        let check = |items: usize, concurrency: usize, delays: fn(u64) -> u64| {
            let result = Rc::new(RefCell::new(None));
            let all = result.clone();
            Iterator::new(0..items as u64, concurrency).inject(
                Vec::new(),
                move |mut seen: Vec<u64>, item, back| {
                    seen.push(item);
                    let done = move || back.r#return(seen);
                    match delays(item) {
                        0 => done(),
                        delay => drop(crate::add_timer(Duration::from_millis(delay), done)),
                    }
                },
                move |seen| *all.borrow_mut() = Some(seen),
            );
            advance(Duration::from_secs(1));
            (0..100).for_each(|_| turn());
            let expected: Vec<u64> = (0..items as u64).collect();
            assert_eq!(result.take(), Some(expected), "{items} items, {concurrency} at a time");
        };
        for items in [0, 1, 2, 4, 9] {
            for concurrency in [1, 2, 3, 20] {
                check(items, concurrency, |_| 0);
                check(items, concurrency, |item| item % 3);
                check(items, concurrency, |item| 20 - item);
            }
        }
    }

    #[test]
    fn an_empty_list_is_done() {
        let done = Rc::new(Cell::new(0));
        let count = done.clone();
        Iterator::<u32>::new([], 3).each(|_, next| next.next(), move || count.set(count.get() + 1));
        (0..5).for_each(|_| turn());
        assert_eq!(done.get(), 1, "once");
    }

    #[test]
    #[should_panic(expected = "greater than zero")]
    fn no_concurrency_is_refused() {
        Iterator::new([1], 0);
    }

    #[test]
    #[should_panic(expected = "used once")]
    fn it_is_used_once() {
        let iterator = Iterator::new([1], 1);
        iterator.each(|_, next| next.next(), || {});
        iterator.each(|_, next| next.next(), || {});
    }
}
