//! Durations as the contract counts them: milliseconds in a `u32`.

use std::time::Duration;

/// Whole milliseconds, rounded up so that nothing is early; none beyond `u32::MAX` (49 days).
fn to_milliseconds(duration: Duration) -> Option<u32> {
    u32::try_from(whole_milliseconds(duration)).ok()
}

/// Like [`to_milliseconds`], for timeouts, where durations of more than 49 days count as unlimited.
pub(crate) fn to_milliseconds_saturating(duration: Duration) -> u32 {
    to_milliseconds(duration).unwrap_or(u32::MAX)
}

/// A duration as a number of rounds and the milliseconds of each, together not less and hardly more than it: one round up to 49
/// days, and a millisecond too much for each of more.
pub(crate) fn to_rounds(duration: Duration) -> (u64, u32) {
    let all = whole_milliseconds(duration);
    let rounds = all.div_ceil(u32::MAX.into()).max(1);
    let each = u32::try_from(all.div_ceil(rounds)).unwrap_or(u32::MAX);
    (u64::try_from(rounds).unwrap_or(u64::MAX), each)
}

fn whole_milliseconds(duration: Duration) -> u128 {
    duration.as_nanos().div_ceil(1_000_000)
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
    fn what_takes_longer_takes_more_rounds() {
        let check = |milliseconds: u64, expected| {
            assert_eq!(to_rounds(Duration::from_millis(milliseconds)), expected, "{milliseconds}");
        };
        let most = u64::from(u32::MAX);
        check(0, (1, 0));
        check(1, (1, 1));
        check(most, (1, u32::MAX));
        check(most + 1, (2, 1 << 31));
        check(2 * most, (2, u32::MAX));
        check(2 * most + 1, (3, 2_863_311_531));
        // EventMachine's tests have this one.
        let (rounds, each) = to_rounds(Duration::from_secs(11_948_602_000));
        assert!(11_948_602_000_000 <= rounds * u64::from(each));
        let (rounds, each) = to_rounds(Duration::MAX);
        assert!(Duration::MAX.as_millis() <= u128::from(rounds) * u128::from(each));
    }

    #[test]
    fn more_than_the_contract_can_say_is_refused_or_saturates() {
        assert_eq!(to_milliseconds(Duration::MAX), None);
        assert_eq!(to_milliseconds_saturating(Duration::MAX), u32::MAX);
    }
}
