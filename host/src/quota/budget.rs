//! Host memory that is held for guests, within a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Waker;

use crate::base::lock::{Mutex, MutexGuard};

/// A sum of bytes within a limit. Clones share it, on any thread.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Sum>);

#[derive(Debug)]
struct Sum {
    held: AtomicU64,
    max: AtomicU64,
    /// Whether a thread waits for room.
    is_awaited: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

/// Bytes reserved in a [`ByteBudget`], released when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    bytes: u64,
    budget: ByteBudget,
}

impl ByteBudget {
    /// An empty budget with the limit `max`.
    pub fn new(max: u64) -> ByteBudget {
        ByteBudget(Arc::new(Sum {
            held: AtomicU64::new(0),
            max: AtomicU64::new(max),
            is_awaited: AtomicBool::new(false),
            waiting: Mutex::default(),
        }))
    }

    /// Reserves `bytes`, if they fit.
    pub fn reserve(&self, bytes: u64) -> Option<Reservation> {
        self.add(bytes).then(|| Reservation { bytes, budget: self.clone() })
    }

    fn add(&self, bytes: u64) -> bool {
        let max = self.0.max();
        let with = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= max);
        self.0.held.fetch_update(Ordering::SeqCst, Ordering::Relaxed, with).is_ok()
    }

    /// Sets the limit. Existing reservations stay; further ones fail until enough is released.
    pub fn set_max(&self, max: u64) {
        self.0.max.store(max, Ordering::SeqCst);
        // Wakes the waiting threads, which check again.
        self.0.give_back(0);
    }

    /// The limit in bytes.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// The reserved bytes.
    pub fn held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Whether `bytes` more bytes would fit now.
    pub fn has_room(&self, bytes: u64) -> bool {
        let held = self.0.held.load(Ordering::Relaxed);
        held.checked_add(bytes).is_some_and(|sum| sum <= self.0.max())
    }

    /// Whether new work should wait: from a quarter on, since work that has begun still reserves more.
    pub fn is_nearly_full(&self) -> bool {
        self.0.max() / 4 < self.0.held.load(Ordering::SeqCst)
    }

    /// Whether it is nearly full; if so, the next release of bytes calls `waker` once.
    pub fn awaits_room(&self, waker: &Waker) -> bool {
        if !self.is_nearly_full() {
            return false;
        }
        let mut waiting = self.0.lock();
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        self.0.is_awaited.store(true, Ordering::SeqCst);
        drop(waiting);
        // A release before `is_awaited` was set has woken no thread.
        self.is_nearly_full()
    }

    /// Whether the two are the same budget.
    pub fn is(&self, other: &ByteBudget) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Sum {
    fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// Releases bytes, and wakes the waiting threads.
    fn give_back(&self, bytes: u64) {
        let before = self.held.fetch_sub(bytes, Ordering::SeqCst);
        let is_nearly_full = self.max() / 4 < before - bytes;
        if !is_nearly_full && self.is_awaited.load(Ordering::SeqCst) {
            let waiting = {
                let mut waiting = self.lock();
                self.is_awaited.store(false, Ordering::SeqCst);
                std::mem::take(&mut *waiting)
            };
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock()
    }
}

impl Reservation {
    /// Reserves more bytes, if they fit.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let fits = self.budget.add(bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }
}

impl Reservation {
    /// Whether the budget has room for `bytes` more bytes now.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.budget.has_room(bytes)
    }

    /// Sets it to `bytes`, whether they fit or not: for memory that is in use already.
    pub fn set(&mut self, bytes: u64) {
        if self.bytes < bytes {
            self.budget.0.held.fetch_add(bytes - self.bytes, Ordering::SeqCst);
        } else if bytes < self.bytes {
            self.budget.0.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_grows_and_is_given_back_whole() {
        let budget = ByteBudget::new(10);
        let mut reservation = budget.reserve(0).unwrap();
        assert!(reservation.grow(6) && reservation.grow(4) && !reservation.grow(1));
        drop(reservation);
        assert!(budget.reserve(10).is_some());
    }

    #[test]
    fn a_charge_is_what_it_is_set_to() {
        let budget = ByteBudget::new(10);
        let mut reservation = budget.reserve(0).unwrap();
        reservation.set(8);
        assert!(reservation.has_room(2) && !reservation.has_room(3) && !budget.has_room(u64::MAX));
        reservation.set(12);
        assert!(!reservation.has_room(0), "it may be over for a moment");
        reservation.set(3);
        assert!(budget.reserve(7).is_some());
        drop(reservation);
        assert!(budget.reserve(10).is_some());
    }

    #[test]
    fn who_waits_for_room_is_woken_once_by_who_makes_it() {
        struct Count(AtomicU64);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let count = Arc::new(Count(AtomicU64::new(0)));
        let (waker, woken) = (Waker::from(count.clone()), || count.0.load(Ordering::SeqCst));
        let budget = ByteBudget::new(40);
        assert!(!budget.awaits_room(&waker), "there is room");
        let (most, rest) = (budget.reserve(20), budget.reserve(10));
        assert!(budget.awaits_room(&waker) && budget.awaits_room(&waker));
        drop(rest);
        assert_eq!(woken(), 0, "20 of 40 are more than a quarter");
        drop(most);
        assert_eq!(woken(), 1);
        drop(budget.reserve(20));
        assert_eq!(woken(), 1, "nobody waits any more");
    }

    #[test]
    fn another_limit_takes_nothing_away() {
        let budget = ByteBudget::new(10);
        let eight = budget.reserve(8);
        budget.set_max(4);
        assert!(eight.is_some() && budget.held() == 8 && budget.reserve(1).is_none());
        drop(eight);
        assert!(budget.reserve(5).is_none() && budget.reserve(4).is_some());
        budget.set_max(20);
        assert!(budget.reserve(20).is_some());
    }

    #[test]
    fn a_sum_stays_within_its_limit() {
        let budget = ByteBudget::new(10);
        let six = budget.reserve(6);
        assert!(six.is_some() && budget.reserve(5).is_none());
        assert!(budget.reserve(u64::MAX).is_none(), "no overflow");
        assert!(budget.is_nearly_full());
        drop(six);
        assert!(!budget.is_nearly_full());
        assert!(budget.reserve(10).is_some());
    }
}
