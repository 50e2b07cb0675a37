//! A queue of work for a pool of threads: tenants take turns, and no tenant uses all threads at once.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::base::lock::{Condvar, Mutex, MutexGuard};

/// The queue. The items of each tenant are taken in order.
#[derive(Debug)]
pub(crate) struct FairQueue<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
}

/// The next action of a thread.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// Execute this item, then call [`FairQueue::done`].
    Item(T),
    /// Nothing: no item came within the timeout.
    Nothing,
    /// End: the queue is closed.
    Closed,
}

#[derive(Debug)]
struct Waiting<T> {
    /// The tenants with waiting items, in the order of their turns.
    tenants: VecDeque<(usize, VecDeque<T>)>,
    /// The number of items being executed, by tenant.
    under_way: BTreeMap<usize, usize>,
    /// The maximum number of items of one tenant that are executed at once.
    share: usize,
    /// The maximum number of waiting items of one tenant.
    length_max: usize,
    /// The number of idle threads.
    idle: usize,
    is_closed: bool,
}

impl<T> FairQueue<T> {
    /// An empty queue for `length_max` waiting items of each tenant, of which `share` are executed at once.
    pub(crate) fn new(share: usize, length_max: usize) -> FairQueue<T> {
        let waiting = Waiting {
            tenants: VecDeque::new(),
            under_way: BTreeMap::new(),
            share,
            length_max,
            idle: 0,
            is_closed: false,
        };
        FairQueue { waiting: Mutex::new(waiting), changed: Condvar::new() }
    }

    /// The number of waiting items.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().tenants.iter().map(|(_, items)| items.len()).sum()
    }

    /// Whether no item waits or is being executed.
    pub(crate) fn is_idle(&self) -> bool {
        let waiting = self.lock();
        waiting.tenants.is_empty() && waiting.under_way.is_empty()
    }

    /// Sets the maximum number of items of one tenant that are executed at once.
    pub(crate) fn set_share(&self, share: usize) {
        self.lock().share = share;
    }

    /// Adds an item.
    ///
    /// # Errors
    /// Returns the item if too many of its tenant's wait, or if the queue is closed.
    pub(crate) fn add(&self, tenant: usize, item: T) -> Result<(), T> {
        self.lock().add(tenant, item)?;
        self.changed.notify_one();
        Ok(())
    }

    /// Lets the last waiting item of a tenant take something up, or adds an item that begins with it.
    ///
    /// # Errors
    /// As [`FairQueue::add`].
    pub(crate) fn join_or_add<A>(
        &self,
        tenant: usize,
        added: A,
        join: impl FnOnce(&mut T, A) -> Result<(), A>,
        begin: impl FnOnce(A) -> T,
    ) -> Result<(), T> {
        let mut waiting = self.lock();
        let joined = match waiting.last_of(tenant) {
            Some(last) => join(last, added),
            None => Err(added),
        };
        let Err(added) = joined else { return Ok(()) };
        waiting.add(tenant, begin(added))?;
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// The next item; waits for it for at most `patience`, or without a limit if none is given.
    pub(crate) fn take(&self, patience: Option<Duration>) -> Taken<T> {
        let nothing = |waiting: &mut Waiting<T>| waiting.place().is_none() && !waiting.is_closed;
        let mut waiting = self.lock();
        waiting.idle += 1;
        match patience {
            None => self.changed.wait_while(&mut waiting, nothing),
            Some(patience) => {
                self.changed.wait_while_for(&mut waiting, nothing, patience);
            }
        }
        waiting.idle -= 1;
        if waiting.is_closed {
            return Taken::Closed;
        }
        waiting.take().map_or(Taken::Nothing, Taken::Item)
    }

    /// The next item, if there is one.
    pub(crate) fn try_take(&self) -> Taken<T> {
        let mut waiting = self.lock();
        if waiting.is_closed {
            return Taken::Closed;
        }
        waiting.take().map_or(Taken::Nothing, Taken::Item)
    }

    /// To be called when an item of a tenant was executed.
    pub(crate) fn done(&self, tenant: usize) {
        self.lock().done(tenant);
        self.changed.notify_one();
    }

    /// Whether an item waits of a tenant with none being executed, while every thread is busy with those of others.
    pub(crate) fn is_kept_from(&self, tenant: usize) -> bool {
        let waiting = self.lock();
        let has_none = waiting.under_way.get(&tenant).is_none_or(|count| *count == 0);
        waiting.idle == 0 && has_none && waiting.tenants.iter().any(|(known, _)| *known == tenant)
    }

    /// Removes the unwanted items of a tenant.
    pub(crate) fn remove(&self, tenant: usize, is_unwanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut waiting = self.lock();
        let Some(place) = waiting.tenants.iter().position(|(known, _)| *known == tenant) else {
            return Vec::new();
        };
        let items = std::mem::take(&mut waiting.tenants[place].1);
        let (unwanted, others): (Vec<T>, Vec<T>) = items.into_iter().partition(is_unwanted);
        if others.is_empty() {
            waiting.tenants.remove(place);
        } else {
            waiting.tenants[place].1 = others.into();
        }
        unwanted
    }

    /// Closes the queue. Returns the waiting items, so that the caller drops them without holding the queue's lock.
    pub(crate) fn close(&self) -> Vec<T> {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        let left = std::mem::take(&mut waiting.tenants);
        drop(waiting);
        self.changed.notify_all();
        left.into_iter().flat_map(|(_, items)| items).collect()
    }

    /// Whether it is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock()
    }
}

impl<T> Waiting<T> {
    fn add(&mut self, tenant: usize, item: T) -> Result<(), T> {
        if self.is_closed {
            return Err(item);
        }
        match self.tenants.iter_mut().find(|(known, _)| *known == tenant) {
            Some((_, items)) if self.length_max <= items.len() => return Err(item),
            Some((_, items)) => items.push_back(item),
            None => self.tenants.push_back((tenant, VecDeque::from([item]))),
        }
        Ok(())
    }

    /// The item that a tenant has added last, if it still waits.
    fn last_of(&mut self, tenant: usize) -> Option<&mut T> {
        let (_, items) = self.tenants.iter_mut().find(|(known, _)| *known == tenant)?;
        items.back_mut()
    }

    /// The position of the tenant whose item is next.
    fn place(&self) -> Option<usize> {
        let may = |(tenant, _): &(usize, VecDeque<T>)| {
            self.under_way.get(tenant).is_none_or(|count| *count < self.share)
        };
        self.tenants.iter().position(may)
    }

    fn take(&mut self) -> Option<T> {
        let (tenant, mut items) = self.tenants.remove(self.place()?)?;
        let item = items.pop_front()?;
        if !items.is_empty() {
            self.tenants.push_back((tenant, items));
        }
        *self.under_way.entry(tenant).or_default() += 1;
        Some(item)
    }

    fn done(&mut self, tenant: usize) {
        if let Some(count) = self.under_way.get_mut(&tenant) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of<const N: usize>(
        share: usize,
        items: [(usize, &'static str); N],
    ) -> FairQueue<&'static str> {
        let queue = FairQueue::new(share, usize::MAX);
        items.into_iter().for_each(|(tenant, item)| queue.add(tenant, item).unwrap());
        queue
    }

    fn now<T>(queue: &FairQueue<T>) -> Taken<T> {
        queue.take(Some(Duration::ZERO))
    }

    #[test]
    fn tenants_take_turns_and_each_keeps_its_order() {
        let queue = of(9, [(1, "a"), (1, "b"), (1, "c"), (2, "A"), (2, "B")]);
        let taken: Vec<_> = (0..5).map(|_| now(&queue)).collect();
        assert_eq!(taken, ["a", "A", "b", "B", "c"].map(Taken::Item));
        assert_eq!(now(&queue), Taken::Nothing);
    }

    #[test]
    fn a_tenant_has_no_more_than_its_share_at_once() {
        let queue = of(1, [(1, "first"), (1, "second")]);
        assert_eq!(now(&queue), Taken::Item("first"));
        assert_eq!(now(&queue), Taken::Nothing, "the other threads are for others");
        queue.add(2, "of another").unwrap();
        assert_eq!(now(&queue), Taken::Item("of another"));
        queue.done(1);
        assert_eq!(now(&queue), Taken::Item("second"));
    }

    #[test]
    fn a_tenant_has_no_more_than_so_many_that_wait() {
        let queue = FairQueue::new(1, 2);
        assert_eq!([1, 2, 3].map(|item| queue.add(1, item)), [Ok(()), Ok(()), Err(3)]);
        assert_eq!(queue.add(2, 4), Ok(()));
    }

    #[test]
    fn only_the_last_item_of_the_same_tenant_that_waits_is_added_to() {
        let queue = FairQueue::new(9, usize::MAX);
        let join = |last: &mut String, added: &'static str| {
            let is_alike = last.starts_with(&added[..1]);
            is_alike.then(|| last.push_str(added)).ok_or(added)
        };
        let add = |tenant, item| queue.join_or_add(tenant, item, join, str::to_owned).unwrap();
        for (tenant, item) in [(1, "a1"), (1, "a2"), (2, "a3"), (1, "b1"), (1, "a4"), (2, "a5")] {
            add(tenant, item);
        }
        let taken: Vec<_> = (0..4).map(|_| now(&queue)).collect();
        assert_eq!(taken, ["a1a2", "a3a5", "b1", "a4"].map(|it| Taken::Item(it.to_owned())));
        add(1, "a6");
        assert_eq!(now(&queue), Taken::Item("a6".to_owned()), "what is taken takes no more");
        queue.close();
        let closed = queue.join_or_add(1, "c", |_, it| Err(it), str::to_owned);
        assert_eq!(closed, Err("c".to_owned()));
    }

    #[test]
    fn what_is_unwanted_is_taken_out() {
        let queue = of(9, [(1, "a"), (1, "b"), (2, "a")]);
        assert_eq!(queue.remove(1, |item| *item == "a"), ["a"]);
        assert_eq!(queue.remove(1, |item| *item == "b"), ["b"]);
        assert_eq!((now(&queue), now(&queue)), (Taken::Item("a"), Taken::Nothing));
    }

    #[test]
    fn a_closed_queue_gives_back_what_waits_and_takes_nothing() {
        let queue = of(9, [(1, "a"), (2, "b")]);
        assert_eq!(queue.close(), ["a", "b"]);
        assert_eq!((queue.add(1, "c"), queue.take(None)), (Err("c"), Taken::Closed));
    }

    #[test]
    fn a_tenant_is_kept_from_the_threads_by_others_only() {
        let queue = of(2, [(1, "a"), (1, "b")]);
        assert!(queue.is_kept_from(1), "nobody has taken anything yet");
        assert_eq!(now(&queue), Taken::Item("a"));
        assert!(!queue.is_kept_from(1), "it has one under way");
        queue.add(2, "c").unwrap();
        assert!(queue.is_kept_from(2) && !queue.is_kept_from(3));
    }
}
