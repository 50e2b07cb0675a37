//! Pools: a few resources, more work than resources, first come, first served.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use crate::deferrable::Deferrable;

/// Resources that are lent for one piece of work at a time. Clones are the same pool.
///
/// Work is a function of a resource that answers a deferrable: when that succeeds the resource is lent again; when
/// it fails too, unless [`on_error`](Self::on_error) says otherwise.
pub struct Pool<R>(Rc<RefCell<Inner<R>>>);

struct Inner<R> {
    contents: Vec<R>,
    idle: VecDeque<R>,
    /// Taken out while they were lent or idle.
    removed: Vec<R>,
    waiting: VecDeque<Work<R>>,
    on_error: Option<Rc<dyn Fn(R)>>,
}

type Work<R> = Box<dyn FnOnce(R)>;

impl<R: Clone + PartialEq + 'static> Pool<R> {
    /// A pool without resources.
    #[must_use]
    pub fn new() -> Self {
        Pool(Rc::new(RefCell::new(Inner {
            contents: Vec::new(),
            idle: VecDeque::new(),
            removed: Vec::new(),
            waiting: VecDeque::new(),
            on_error: None,
        })))
    }

    /// Puts a resource in, which the work that has waited longest gets at once.
    pub fn add(&self, resource: R) {
        self.0.borrow_mut().contents.push(resource.clone());
        self.lend(resource);
    }

    /// Takes a resource out: at once, or when its work is done.
    pub fn remove(&self, resource: &R) {
        let inner = &mut *self.0.borrow_mut();
        inner.contents.retain(|known| known != resource);
        inner.removed.push(resource.clone());
    }

    /// The resources, lent ones included.
    #[must_use]
    pub fn contents(&self) -> Vec<R> {
        self.0.borrow().contents.clone()
    }

    /// Whether a resource was taken out and has not come back yet.
    #[must_use]
    pub fn is_removed(&self, resource: &R) -> bool {
        self.0.borrow().removed.contains(resource)
    }

    /// What happens to a resource whose work has failed, instead of lending it again: it is out of the pool, and
    /// `action` may add it or another one.
    pub fn on_error(&self, action: impl Fn(R) + 'static) {
        let old = self.0.borrow_mut().on_error.replace(Rc::new(action));
        drop(old);
    }

    /// Does `work` with a resource: at once if one is idle, else when its turn has come.
    pub fn perform<D: Deferrable>(&self, work: impl FnOnce(R) -> D + 'static) {
        let pool = self.clone();
        let work: Work<R> = Box::new(move |resource| {
            let deferrable = work(resource.clone());
            let (same, again) = (pool.clone(), resource.clone());
            deferrable.callback(move |_| same.lend(again));
            deferrable.errback(move |_| pool.failed(resource));
        });
        let resource = self.next_idle();
        match resource {
            Some(resource) => work(resource),
            None => self.0.borrow_mut().waiting.push_back(work),
        }
    }

    /// Pieces of work that wait for a resource.
    #[must_use]
    pub fn num_waiting(&self) -> usize {
        self.0.borrow().waiting.len()
    }

    /// An idle resource that has not been taken out.
    fn next_idle(&self) -> Option<R> {
        loop {
            let inner = &mut *self.0.borrow_mut();
            let resource = inner.idle.pop_front()?;
            if !inner.forget_removed(&resource) {
                return Some(resource);
            }
        }
    }

    // Nothing is borrowed while work runs.
    fn lend(&self, resource: R) {
        let work = {
            let inner = &mut *self.0.borrow_mut();
            if inner.forget_removed(&resource) {
                return;
            }
            inner.waiting.pop_front()
        };
        match work {
            Some(work) => work(resource),
            None => self.0.borrow_mut().idle.push_back(resource),
        }
    }

    fn failed(&self, resource: R) {
        let on_error = {
            let inner = &mut *self.0.borrow_mut();
            let on_error = inner.on_error.clone();
            if on_error.is_some() {
                inner.contents.retain(|known| *known != resource);
                inner.forget_removed(&resource);
            }
            on_error
        };
        match on_error {
            Some(on_error) => on_error(resource),
            None => self.lend(resource),
        }
    }
}

impl<R: PartialEq> Inner<R> {
    fn forget_removed(&mut self, resource: &R) -> bool {
        let place = self.removed.iter().position(|removed| removed == resource);
        if let Some(place) = place {
            self.removed.remove(place);
        }
        place.is_some()
    }
}

impl<R> Clone for Pool<R> {
    fn clone(&self) -> Self {
        Pool(self.0.clone())
    }
}

impl<R: Clone + PartialEq + 'static> Default for Pool<R> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DefaultDeferrable;

    type D = DefaultDeferrable<(), ()>;
    type Lent = Rc<RefCell<Vec<(&'static str, D)>>>;

    /// A pool of these, and work that stays under way until the test ends it.
    fn pool(resources: &[&'static str]) -> (Pool<&'static str>, Lent, impl Fn()) {
        let (pool, lent) = (Pool::new(), Lent::default());
        resources.iter().for_each(|resource| pool.add(*resource));
        let (same, noted) = (pool.clone(), lent.clone());
        let perform = move || {
            let noted = noted.clone();
            same.perform(move |resource| {
                let deferrable = D::new();
                noted.borrow_mut().push((resource, deferrable.clone()));
                deferrable
            });
        };
        (pool, lent, perform)
    }

    fn names(lent: &Lent) -> Vec<&'static str> {
        lent.borrow().iter().map(|(name, _)| *name).collect()
    }

    fn nth(lent: &Lent, index: usize) -> D {
        lent.borrow()[index].1.clone()
    }

    #[test]
    fn work_waits_for_a_resource() {
        let (pool, lent, perform) = pool(&["a", "b"]);
        (0..4).for_each(|_| perform());
        assert_eq!((names(&lent), pool.num_waiting()), (vec!["a", "b"], 2));
        nth(&lent, 1).succeed(());
        assert_eq!(names(&lent), ["a", "b", "b"]);
        // A failure gives it back too.
        nth(&lent, 0).fail(());
        assert_eq!((names(&lent), pool.num_waiting()), (vec!["a", "b", "b", "a"], 0));
    }

    #[test]
    fn on_error_decides() {
        let (pool, lent, perform) = pool(&["a"]);
        let same = pool.clone();
        pool.on_error(move |_| same.add("fresh"));
        perform();
        perform();
        nth(&lent, 0).fail(());
        assert_eq!(names(&lent), ["a", "fresh"]);
        assert_eq!(pool.contents(), ["fresh"]);
    }

    #[test]
    fn one_that_is_removed_while_it_is_lent_does_not_come_back() {
        let (pool, lent, perform) = pool(&["a"]);
        perform();
        perform();
        pool.remove(&"a");
        assert!(pool.is_removed(&"a"));
        nth(&lent, 0).succeed(());
        assert_eq!((names(&lent), pool.num_waiting()), (vec!["a"], 1));
        assert!(pool.contents().is_empty() && !pool.is_removed(&"a"));
    }

    #[test]
    fn one_that_is_removed_while_it_is_idle_is_not_lent() {
        let (pool, lent, perform) = pool(&["a", "b"]);
        pool.remove(&"a");
        perform();
        assert_eq!(names(&lent), ["b"]);
    }
}
