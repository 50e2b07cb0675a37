//! Durations as the contract counts them: milliseconds in a `u32`.

use std::time::Duration;

/// Whole milliseconds, rounded up so that nothing is early; none beyond `u32::MAX` (49 days).
pub(crate) fn to_milliseconds(duration: Duration) -> Option<u32> {
    u32::try_from(duration.as_nanos().div_ceil(1_000_000)).ok()
}

/// As [`to_milliseconds`], for timeouts, where 49 days and for ever are the same.
pub(crate) fn to_milliseconds_saturating(duration: Duration) -> u32 {
    to_milliseconds(duration).unwrap_or(u32::MAX)
}

/// The other way.
pub(crate) fn from_milliseconds(milliseconds: u32) -> Duration {
    Duration::from_millis(milliseconds.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_millisecond_are_rounded_up() {
        let check = |duration, expected| assert_eq!(to_milliseconds(duration), expected);
        check(Duration::ZERO, Some(0));
        check(Duration::from_nanos(1), Some(1));
        check(Duration::from_millis(20), Some(20));
        check(Duration::from_micros(20_001), Some(21));
        check(Duration::from_millis(u32::MAX.into()), Some(u32::MAX));
    }

    #[test]
    fn more_than_the_contract_can_say_is_refused_or_saturates() {
        assert_eq!(to_milliseconds(Duration::MAX), None);
        assert_eq!(to_milliseconds_saturating(Duration::MAX), u32::MAX);
    }
}
