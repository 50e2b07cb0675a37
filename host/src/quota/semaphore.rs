//! A number that stays within a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Hands out a limited number of permits. Clones share them, on whichever thread.
///
/// Nobody waits at it: whoever gets no permit decides what that means.
#[derive(Debug, Clone)]
pub struct Semaphore {
    acquired: Arc<AtomicU32>,
    limit: u32,
}

/// One permit of a [`Semaphore`], given back when it is dropped.
#[derive(Debug)]
pub struct Permit(Arc<AtomicU32>);

impl Semaphore {
    /// A semaphore with all its permits. The limit is part of it, so that no two places disagree about it.
    pub fn new(limit: u32) -> Semaphore {
        Semaphore { acquired: Arc::default(), limit }
    }

    /// A permit, if one is left.
    pub fn try_acquire(&self) -> Option<Permit> {
        let one_more = |acquired: u32| (acquired < self.limit).then_some(acquired + 1);
        let before = self.acquired.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        before.ok().map(|_| Permit(self.acquired.clone()))
    }

    /// How many permits are out.
    pub fn acquired(&self) -> u32 {
        self.acquired.load(Ordering::Relaxed)
    }

    /// Whether a permit is left at this moment.
    pub fn has_permits(&self) -> bool {
        self.acquired() < self.limit
    }

    /// How many permits there are.
    pub fn limit(&self) -> u32 {
        self.limit
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
}
