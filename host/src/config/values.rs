//! The Rust types in which the host keeps bounds: counts, bytes and times.

use std::time::Duration;

use super::bound::Bound;
use super::error::ConfigError;
use super::quantity::Quantity;
use super::source::KeyPlace;

/// A bound and its amount, in its unit.
pub(crate) type Amount = (&'static Bound, u64);

/// The amount of `bound` for a `value`.
pub(crate) fn amount(bound: &'static Bound, value: &impl BoundValue) -> Amount {
    (bound, value.amount(bound))
}

/// A type for the values of bounds.
pub(crate) trait BoundValue: Sized {
    /// Whether the largest amount means that there is no bound.
    const MAX_IS_UNBOUNDED: bool = false;

    /// From an amount in the range of `bound`.
    fn of(amount: u64, bound: &Bound) -> Self;

    /// Back to the amount.
    fn amount(&self, bound: &Bound) -> u64;

    /// The value of `bound` in the section at `place`, or its default.
    fn read(
        bound: &Bound,
        place: &KeyPlace<'_>,
        written: Option<&Quantity>,
    ) -> Result<Self, ConfigError> {
        match bound.read(written) {
            Ok(amount) => Ok(Self::of(amount, bound)),
            Err(problem) => Err(place.key(bound.name).wrong(problem)),
        }
    }
}

impl BoundValue for u64 {
    fn of(amount: u64, _: &Bound) -> u64 {
        amount
    }

    fn amount(&self, _: &Bound) -> u64 {
        *self
    }
}

/// Only for a bound whose range fits.
impl BoundValue for u32 {
    fn of(amount: u64, _: &Bound) -> u32 {
        u32::try_from(amount).unwrap_or(u32::MAX)
    }

    fn amount(&self, _: &Bound) -> u64 {
        (*self).into()
    }
}

/// Only for a bound whose range fits.
impl BoundValue for usize {
    fn of(amount: u64, _: &Bound) -> usize {
        usize::try_from(amount).unwrap_or(usize::MAX)
    }

    fn amount(&self, _: &Bound) -> u64 {
        *self as u64
    }
}

/// For a bound in time.
impl BoundValue for Duration {
    fn of(amount: u64, _: &Bound) -> Duration {
        Duration::from_micros(amount)
    }

    fn amount(&self, _: &Bound) -> u64 {
        u64::try_from(self.as_micros()).unwrap_or(u64::MAX)
    }
}

/// None is the largest amount of the bound.
impl<T: BoundValue> BoundValue for Option<T> {
    const MAX_IS_UNBOUNDED: bool = true;

    fn of(amount: u64, bound: &Bound) -> Option<T> {
        (amount < bound.max).then(|| T::of(amount, bound))
    }

    fn amount(&self, bound: &Bound) -> u64 {
        self.as_ref().map_or(bound.max, |value| value.amount(bound))
    }
}
