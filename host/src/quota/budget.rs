//! Bytes of host memory that are held for guests, within a bound.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// A sum of bytes that stays within a limit. Clones are the same sum, on whichever thread.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Sum>);

#[derive(Debug)]
struct Sum {
    held: AtomicU64,
    max: AtomicU64,
    /// Whether somebody waits for room.
    is_awaited: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

/// Bytes that were added to a [`ByteBudget`], taken off when it is dropped.
#[derive(Debug)]
pub struct Reservation {
    bytes: u64,
    budget: ByteBudget,
}

impl ByteBudget {
    /// Nothing yet, and never more than `max`.
    pub fn new(max: u64) -> ByteBudget {
        ByteBudget(Arc::new(Sum {
            held: AtomicU64::new(0),
            max: AtomicU64::new(max),
            is_awaited: AtomicBool::new(false),
            waiting: Mutex::default(),
        }))
    }

    /// Adds `bytes`, if they fit.
    pub fn reserve(&self, bytes: u64) -> Option<Reservation> {
        self.add(bytes).then(|| Reservation { bytes, budget: self.clone() })
    }

    fn add(&self, bytes: u64) -> bool {
        let max = self.0.max();
        let with = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= max);
        self.0.held.fetch_update(Ordering::SeqCst, Ordering::Relaxed, with).is_ok()
    }

    /// From now on it is never more than `max`. What is held already stays; nothing is added until enough was taken off.
    pub fn set_max(&self, max: u64) {
        self.0.max.store(max, Ordering::SeqCst);
        // Whoever waits for room looks again.
        self.0.give_back(0);
    }

    /// How many there may be.
    pub fn max(&self) -> u64 {
        self.0.max()
    }

    /// How many bytes there are at this moment.
    pub fn held(&self) -> u64 {
        self.0.held.load(Ordering::Relaxed)
    }

    /// Whether `bytes` more bytes would fit right now.
    pub fn has_room(&self, bytes: u64) -> bool {
        let held = self.0.held.load(Ordering::Relaxed);
        held.checked_add(bytes).is_some_and(|sum| sum <= self.0.max())
    }

    /// Whether whoever adds to it should wait: from a quarter on, since those that have begun still add theirs.
    pub fn is_nearly_full(&self) -> bool {
        self.0.max() / 4 < self.0.held.load(Ordering::SeqCst)
    }

    /// Whether it is nearly full; if so, whoever makes room calls `waker` once.
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
        // Whoever made room before it was said that somebody waits has woken nobody.
        self.is_nearly_full()
    }

    /// Whether the two are one sum.
    pub fn is(&self, other: &ByteBudget) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Sum {
    fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    /// Takes bytes off, and wakes those that wait for that.
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
        // Each change is whole before anything can panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Adds more, if it fits.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let fits = self.budget.add(bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }
}

impl Reservation {
    /// Whether the budget has room for `bytes` more bytes right now.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.budget.has_room(bytes)
    }

    /// Sets it to `bytes`, whether they fit or not: for what is there already.
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
