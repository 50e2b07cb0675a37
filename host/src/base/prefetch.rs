//! Asking the processor for memory that is needed soon.

/// The bytes that the processor fetches at once.
const LINE_BYTES: usize = 64;

/// Fetches a value.
pub(crate) fn value<T>(value: &T) {
    bytes(std::ptr::from_ref(value).addr(), size_of_val(value));
}

/// Fetches the bytes at an address, which need not be there any more.
pub(crate) fn bytes(address: usize, bytes: usize) {
    let first = address & !(LINE_BYTES - 1);
    (first..address.saturating_add(bytes)).step_by(LINE_BYTES).for_each(line);
}

/// Fetches the line at an address into all caches.
#[cfg(target_arch = "x86_64")]
pub(crate) fn line(address: usize) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

    // SAFETY: a prefetch is a hint. It changes no register and no memory, and an address that has no memory is ignored.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) }
}

/// As on x86-64.
#[cfg(target_arch = "aarch64")]
pub(crate) fn line(address: usize) {
    use std::arch::asm;

    // SAFETY: as on x86-64.
    unsafe {
        asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
}

/// On other processors nothing is fetched ahead.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn line(_address: usize) {}

#[cfg(test)]
mod tests {
    #[test]
    fn any_address_may_be_fetched() {
        for address in [0, 1, 4095, usize::MAX / 2, usize::MAX - 100, usize::MAX] {
            super::bytes(address, 200);
        }
        super::value(&[0_u64; 100]);
    }
}
