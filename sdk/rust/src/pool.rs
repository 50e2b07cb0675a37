//! Pools: a few resources, more work than resources, first come, first served.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use crate::deferrable::Deferrable;

/// Resources that are lent for one piece of work at a time. Clones are the same pool.
///
/// Work is a function of a resource that returns a deferrable: when that succeeds the resource is lent again; when
/// it fails too, unless [`on_error`](Self::on_error) says otherwise. Resources are known by their equality, as
/// connections in a pool are by their [`Socket`](crate::Socket).
///
/// ```
/// use sandloop::{DefaultDeferrable, Pool};
///
/// let pool = Pool::new();
/// pool.add("connection 1");
/// pool.perform(|connection| {
///     println!("asking {connection}");
///     DefaultDeferrable::<u16, ()>::succeeded(301)
/// });
/// ```
pub struct Pool<R>(Rc<RefCell<Inner<R>>>);

struct Inner<R> {
    contents: Vec<R>,
    idle: VecDeque<R>,
    /// Taken out while they were lent.
    removed: Vec<R>,
    waiting: VecDeque<Work<R>>,
    on_error: Option<Rc<dyn Fn(R)>>,
    /// Whether work is being begun, further up the stack.
    beginning: bool,
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
            beginning: false,
        })))
    }

    /// Adds a resource, which the work that has waited longest gets at once.
    pub fn add(&self, resource: R) {
        self.0.borrow_mut().contents.push(resource.clone());
        self.lend(resource);
    }

    /// Removes a resource: at once, or when its work is done.
    pub fn remove(&self, resource: &R) {
        let taken_out = {
            let inner = &mut *self.0.borrow_mut();
            let idle = take_equal(&mut inner.idle, resource);
            let known = take_all_equal(&mut inner.contents, resource);
            if idle.is_none() && !known.is_empty() {
                inner.removed.push(resource.clone());
            }
            (idle, known)
        };
        drop(taken_out);
    }

    /// The resources, lent ones included.
    #[must_use]
    pub fn contents(&self) -> Vec<R> {
        self.0.borrow().contents.clone()
    }

    /// Whether a resource was taken out while it was lent, and has not come back yet.
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

    /// Does `work` with a resource: at once if one is idle, else when its turn has come. Inside other work of this pool
    /// it waits at least until that has returned.
    pub fn perform<D: Deferrable>(&self, work: impl FnOnce(R) -> D + 'static) {
        let pool = self.clone();
        self.0.borrow_mut().waiting.push_back(Box::new(move |resource: R| {
            let deferrable = work(resource.clone());
            let (same, again) = (pool.clone(), resource.clone());
            deferrable.callback(move |_| same.come_back(again));
            deferrable.errback(move |_| pool.failed(resource));
        }));
        self.begin();
    }

    /// Pieces of work that wait for a resource.
    #[must_use]
    pub fn num_waiting(&self) -> usize {
        self.0.borrow().waiting.len()
    }

    // Below, nothing is borrowed while work is called or dropped, or a resource is dropped.

    /// Begins what can be begun. Not inside itself: thousands of pieces that are done at once need no deep stack, and
    /// stay in their order.
    fn begin(&self) {
        if std::mem::replace(&mut self.0.borrow_mut().beginning, true) {
            return;
        }
        while let Some((work, resource)) = self.next() {
            work(resource);
        }
        self.0.borrow_mut().beginning = false;
    }

    fn next(&self) -> Option<(Work<R>, R)> {
        let inner = &mut *self.0.borrow_mut();
        if inner.idle.is_empty() || inner.waiting.is_empty() {
            return None;
        }
        inner.waiting.pop_front().zip(inner.idle.pop_front())
    }

    fn lend(&self, resource: R) {
        self.0.borrow_mut().idle.push_back(resource);
        self.begin();
    }

    fn come_back(&self, resource: R) {
        let removed = self.forget_removed(&resource);
        if removed.is_none() {
            self.lend(resource);
        }
    }

    fn failed(&self, resource: R) {
        let on_error = self.0.borrow().on_error.clone();
        let Some(on_error) = on_error else { return self.come_back(resource) };
        let taken_out = take_all_equal(&mut self.0.borrow_mut().contents, &resource);
        drop(taken_out);
        let removed = self.forget_removed(&resource);
        drop(removed);
        on_error(resource);
    }

    fn forget_removed(&self, resource: &R) -> Option<R> {
        let removed = &mut self.0.borrow_mut().removed;
        let place = removed.iter().position(|known| known == resource)?;
        Some(removed.swap_remove(place))
    }
}

fn take_equal<R: PartialEq>(all: &mut VecDeque<R>, one: &R) -> Option<R> {
    let place = all.iter().position(|known| known == one)?;
    all.remove(place)
}

fn take_all_equal<R: PartialEq>(all: &mut Vec<R>, one: &R) -> Vec<R> {
    all.extract_if(.., |known| known == one).collect()
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

impl<R> std::fmt::Debug for Pool<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let inner = self.0.borrow();
        f.debug_struct("Pool")
            .field("contents", &inner.contents.len())
            .field("waiting", &inner.waiting.len())
            .finish_non_exhaustive()
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
        assert_eq!(pool.contents(), ["a", "b"]);
    }

    #[test]
    fn a_resource_that_is_added_is_lent_at_once() {
        let (pool, lent, perform) = pool(&[]);
        perform();
        assert_eq!((names(&lent), pool.num_waiting()), (vec![], 1));
        pool.add("a");
        assert_eq!((names(&lent), pool.num_waiting()), (vec!["a"], 0));
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
    fn without_another_resource_work_waits_on() {
        let (pool, lent, perform) = pool(&["a"]);
        let errors = Rc::new(RefCell::new(Vec::new()));
        let noted = errors.clone();
        pool.on_error(move |resource| noted.borrow_mut().push(resource));
        perform();
        perform();
        pool.remove(&"a");
        nth(&lent, 0).fail(());
        assert_eq!((names(&lent), pool.num_waiting()), (vec!["a"], 1));
        assert_eq!(*errors.borrow(), ["a"]);
        assert!(pool.contents().is_empty() && !pool.is_removed(&"a"), "nothing is left behind");
    }

    /// Which is not needed, and leaves nothing behind.
    #[test]
    fn one_that_is_removed_when_its_work_fails_is_forgotten() {
        let (pool, lent, perform) = pool(&["a"]);
        let same = pool.clone();
        pool.on_error(move |resource| same.remove(&resource));
        perform();
        nth(&lent, 0).fail(());
        assert!(pool.contents().is_empty() && !pool.is_removed(&"a"));
        pool.add("a");
        perform();
        assert_eq!(names(&lent), ["a", "a"], "it may come again");
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
        pool.remove(&"stranger");
        assert!(!pool.is_removed(&"a") && !pool.is_removed(&"stranger"));
        perform();
        assert_eq!(names(&lent), ["b"]);
        pool.add("a");
        perform();
        assert_eq!(names(&lent), ["b", "a"], "it may come again");
    }

    /// In EventMachine each piece of work is begun inside the one before, until the stack is full.
    #[test]
    fn much_work_that_is_done_at_once() {
        const PIECES: usize = 100_000;
        let (pool, done) = (Pool::new(), Rc::new(RefCell::new(Vec::new())));
        for piece in 0..PIECES {
            let done = done.clone();
            pool.perform(move |()| {
                done.borrow_mut().push(piece);
                D::succeeded(())
            });
        }
        pool.add(());
        assert!(done.borrow().iter().copied().eq(0..PIECES));
    }

    #[test]
    fn work_inside_work_waits_until_that_has_returned() {
        let (pool, log) = (Pool::new(), Rc::new(RefCell::new(Vec::new())));
        ["a", "b"].iter().for_each(|resource| pool.add(*resource));
        let (same, outer, inner) = (pool.clone(), log.clone(), log.clone());
        pool.perform(move |resource| {
            same.perform(move |resource| {
                inner.borrow_mut().push(format!("inner {resource}"));
                D::succeeded(())
            });
            outer.borrow_mut().push(format!("outer {resource}"));
            D::succeeded(())
        });
        assert_eq!(*log.borrow(), ["outer a", "inner b"]);
    }
}
