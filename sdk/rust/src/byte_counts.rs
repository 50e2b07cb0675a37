//! Large numbers of bytes, as the contract has them: in two halves.

use crate::bindings::sandloop::plugin::byte_counts::ByteCount;

impl From<u64> for ByteCount {
    fn from(bytes: u64) -> Self {
        let half = |bytes: u64| u32::try_from(bytes & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        ByteCount { high: half(bytes >> 32), low: half(bytes) }
    }
}

impl From<ByteCount> for u64 {
    fn from(count: ByteCount) -> Self {
        Self::from(count.high) << 32 | Self::from(count.low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_make_the_whole() {
        for bytes in [0, 1, 4_294_967_295, 4_294_967_296, 123_456_789_012_345, u64::MAX] {
            assert_eq!(u64::from(ByteCount::from(bytes)), bytes);
        }
        assert_eq!(ByteCount::from(4_294_967_298), ByteCount { high: 1, low: 2 });
    }
}
