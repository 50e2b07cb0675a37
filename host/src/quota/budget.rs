//! Bytes of host memory that are held for guests, within a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A sum of bytes that stays within a limit. Clones are the same sum, on whichever thread.
#[derive(Debug, Clone)]
pub struct Meter(Arc<Sum>);

#[derive(Debug)]
struct Sum {
    held: AtomicU64,
    max: u64,
}

/// Bytes that were added to a [`Meter`], taken off when it is dropped.
#[derive(Debug)]
pub struct Charge {
    bytes: u64,
    meter: Meter,
}

impl Meter {
    /// Nothing yet, and never more than `max`.
    pub fn new(max: u64) -> Meter {
        Meter(Arc::new(Sum { held: AtomicU64::new(0), max }))
    }

    /// Adds `bytes`, if they fit.
    pub fn charge(&self, bytes: u64) -> Option<Charge> {
        self.add(bytes).then(|| Charge { bytes, meter: self.clone() })
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
    pub fn is_pressed(&self) -> bool {
        self.0.max / 4 < self.0.held.load(Ordering::Relaxed)
    }

    /// Whether the two are one sum.
    pub fn is(&self, other: &Meter) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Charge {
    /// Adds more, if it fits.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let fits = self.meter.add(bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }
}

impl Charge {
    /// Whether the meter has room for so many bytes more right now.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.meter.has_room(bytes)
    }

    /// Makes it so many bytes, whether they fit or not: for what is there already.
    pub fn set(&mut self, bytes: u64) {
        let held = &self.meter.0.held;
        if self.bytes < bytes {
            held.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            held.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.meter.0.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_grows_and_is_given_back_whole() {
        let meter = Meter::new(10);
        let mut charge = meter.charge(0).unwrap();
        assert!(charge.grow(6) && charge.grow(4) && !charge.grow(1));
        drop(charge);
        assert!(meter.charge(10).is_some());
    }

    #[test]
    fn a_charge_is_what_it_is_set_to() {
        let meter = Meter::new(10);
        let mut charge = meter.charge(0).unwrap();
        charge.set(8);
        assert!(charge.has_room(2) && !charge.has_room(3) && !meter.has_room(u64::MAX));
        charge.set(12);
        assert!(!charge.has_room(0), "it may be over for a moment");
        charge.set(3);
        assert!(meter.charge(7).is_some());
        drop(charge);
        assert!(meter.charge(10).is_some());
    }

    #[test]
    fn a_sum_stays_within_its_limit() {
        let meter = Meter::new(10);
        let six = meter.charge(6);
        assert!(six.is_some() && meter.charge(5).is_none());
        assert!(meter.charge(u64::MAX).is_none(), "no overflow");
        assert!(meter.is_pressed());
        drop(six);
        assert!(!meter.is_pressed());
        assert!(meter.charge(10).is_some());
    }
}
