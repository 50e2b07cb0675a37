//! A counting semaphore that never blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Hands out a limited number of permits, on any thread. Clones share the permits.
///
/// It never blocks: the caller decides what a missing permit means.
#[derive(Debug, Clone)]
pub struct Semaphore(Arc<Count>);

#[derive(Debug)]
struct Count {
    acquired: AtomicU32,
    limit: AtomicU32,
}

/// One permit of a [`Semaphore`], released when it is dropped.
#[derive(Debug)]
pub struct Permit(Arc<Count>);

/// A variable number of permits of a [`Semaphore`], released when it is dropped.
#[derive(Debug)]
pub struct Permits {
    semaphore: Semaphore,
    count: u32,
}

impl Semaphore {
    /// A semaphore with `limit` permits.
    pub fn new(limit: u32) -> Semaphore {
        Semaphore(Arc::new(Count { acquired: AtomicU32::new(0), limit: AtomicU32::new(limit) }))
    }

    /// Acquires a permit, if one is left.
    pub fn try_acquire(&self) -> Option<Permit> {
        self.take_one().then(|| Permit(self.0.clone()))
    }

    fn take_one(&self) -> bool {
        let limit = self.limit();
        let one_more = |acquired: u32| (acquired < limit).then_some(acquired + 1);
        self.0.acquired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// An empty set of its permits.
    pub fn no_permits(&self) -> Permits {
        Permits { semaphore: self.clone(), count: 0 }
    }

    /// The number of acquired permits.
    pub fn acquired(&self) -> u32 {
        self.0.acquired.load(Ordering::Relaxed)
    }

    /// Whether a permit is left.
    pub fn has_permits(&self) -> bool {
        self.acquired() < self.limit()
    }

    /// The number of permits.
    pub fn limit(&self) -> u32 {
        self.0.limit.load(Ordering::Relaxed)
    }

    /// Sets the number of permits. If more are acquired, they stay valid, and no further one is handed out until enough are
    /// released.
    pub fn set_limit(&self, limit: u32) {
        self.0.limit.store(limit, Ordering::Relaxed);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.acquired.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Permits {
    /// Acquires one more, if one is left.
    pub fn grow(&mut self) -> bool {
        let grown = self.semaphore.take_one();
        self.count += u32::from(grown);
        grown
    }

    /// Acquires or releases permits until it has `count`, or as many as there are.
    pub fn set(&mut self, count: usize) {
        self.shrink_to(count);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        while self.count < count && self.grow() {}
    }

    /// The number of permits that are left in the semaphore.
    pub fn left(&self) -> u32 {
        self.semaphore.limit().saturating_sub(self.semaphore.acquired())
    }

    /// Releases all but `count`.
    pub fn shrink_to(&mut self, count: usize) {
        let kept = u32::try_from(count).map_or(self.count, |count| count.min(self.count));
        if kept < self.count {
            self.semaphore.0.acquired.fetch_sub(self.count - kept, Ordering::Relaxed);
            self.count = kept;
        }
    }
}

impl Drop for Permits {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_permits_as_the_limit() {
        let semaphore = Semaphore::new(2);
        let (first, second) = (semaphore.try_acquire(), semaphore.clone().try_acquire());
        assert!(first.is_some() && second.is_some());
        assert!(semaphore.try_acquire().is_none() && !semaphore.has_permits());
        drop(first);
        assert_eq!(semaphore.acquired(), 1);
        assert!(semaphore.try_acquire().is_some());
    }

    #[test]
    fn a_limit_below_what_is_out_takes_nothing_away() {
        let semaphore = Semaphore::new(3);
        let permits: Vec<_> = (0..3).map_while(|_| semaphore.try_acquire()).collect();
        semaphore.set_limit(1);
        assert_eq!((permits.len(), semaphore.acquired(), semaphore.limit()), (3, 3, 1));
        drop(permits);
        let one = semaphore.clone().try_acquire();
        assert!(one.is_some() && semaphore.try_acquire().is_none());
        semaphore.set_limit(2);
        assert!(semaphore.try_acquire().is_some());
    }

    #[test]
    fn permits_grow_one_by_one_and_are_given_back() {
        let semaphore = Semaphore::new(3);
        let (mut one, mut other) = (semaphore.no_permits(), semaphore.no_permits());
        assert!(one.grow() && one.grow() && other.grow());
        assert!(!one.grow() && !other.grow());
        one.shrink_to(5);
        assert_eq!(semaphore.acquired(), 3);
        one.shrink_to(1);
        assert!(other.grow() && !other.grow());
        drop(other);
        assert_eq!(semaphore.acquired(), 1);
    }

    #[test]
    fn permits_are_set_as_far_as_there_are_some() {
        let semaphore = Semaphore::new(5);
        let (mut one, mut other) = (semaphore.no_permits(), semaphore.no_permits());
        one.set(3);
        assert_eq!((semaphore.acquired(), other.left()), (3, 2));
        other.set(4);
        assert_eq!((semaphore.acquired(), one.left()), (5, 0));
        one.set(1);
        other.set(4);
        assert_eq!(semaphore.acquired(), 5);
    }
}
