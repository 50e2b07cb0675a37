//! Bytes of host memory that are held for guests, within a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A sum of bytes that stays within a limit. Clones are the same sum, on whichever thread.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Sum>);

#[derive(Debug)]
struct Sum {
    held: AtomicU64,
    max: u64,
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
        ByteBudget(Arc::new(Sum { held: AtomicU64::new(0), max }))
    }

    /// Adds `bytes`, if they fit.
    pub fn reservation(&self, bytes: u64) -> Option<Reservation> {
        self.add(bytes).then(|| Reservation { bytes, budget: self.clone() })
    }

    fn add(&self, bytes: u64) -> bool {
        let with = |held: u64| held.checked_add(bytes).filter(|sum| *sum <= self.0.max);
        self.0.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with).is_ok()
    }

    /// Whether so many bytes would fit right now.
    pub fn has_room(&self, bytes: u64) -> bool {
        let held = self.0.held.load(Ordering::Relaxed);
        held.checked_add(bytes).is_some_and(|sum| sum <= self.0.max)
    }

    /// Whether so much is held that whoever adds to it should wait: a quarter, since those that have begun still
    /// add theirs.
    pub fn is_downstream_full(&self) -> bool {
        self.0.max / 4 < self.0.held.load(Ordering::Relaxed)
    }

    /// Whether the two are one sum.
    pub fn is(&self, other: &ByteBudget) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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
    /// Whether the budget has room for so many bytes more right now.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.budget.has_room(bytes)
    }

    /// Makes it so many bytes, whether they fit or not: for what is there already.
    pub fn set(&mut self, bytes: u64) {
        let held = &self.budget.0.held;
        if self.bytes < bytes {
            held.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            held.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_grows_and_is_given_back_whole() {
        let budget = ByteBudget::new(10);
        let mut reservation = budget.reservation(0).unwrap();
        assert!(reservation.grow(6) && reservation.grow(4) && !reservation.grow(1));
        drop(reservation);
        assert!(budget.reservation(10).is_some());
    }

    #[test]
    fn a_charge_is_what_it_is_set_to() {
        let budget = ByteBudget::new(10);
        let mut reservation = budget.reservation(0).unwrap();
        reservation.set(8);
        assert!(reservation.has_room(2) && !reservation.has_room(3) && !budget.has_room(u64::MAX));
        reservation.set(12);
        assert!(!reservation.has_room(0), "it may be over for a moment");
        reservation.set(3);
        assert!(budget.reservation(7).is_some());
        drop(reservation);
        assert!(budget.reservation(10).is_some());
    }

    #[test]
    fn a_sum_stays_within_its_limit() {
        let budget = ByteBudget::new(10);
        let six = budget.reservation(6);
        assert!(six.is_some() && budget.reservation(5).is_none());
        assert!(budget.reservation(u64::MAX).is_none(), "no overflow");
        assert!(budget.is_downstream_full());
        drop(six);
        assert!(!budget.is_downstream_full());
        assert!(budget.reservation(10).is_some());
    }
}
