//! How much freed memory the heap keeps.
//!
//! By default the C library's heap adapts to the first large block that is freed: it keeps blocks of that size, and twice as
//! much at the end of each of its arenas, of which there are eight per core. On a host whose outboxes grow to 16 MiB that is
//! hundreds of megabytes of unused memory, which is counted for no tenant. Fixed thresholds disable this (mallopt(3)).

/// The size in bytes from which a block is a mapping of its own, which is unmapped when freed. A smaller one may stay with the heap
/// for as long as any block behind it lives. Read buffers and the outboxes of fast peers, which are allocated all the time, are
/// smaller; what piles up for a slow one is in pieces of this size.
pub(crate) const OWN_MAPPING_FROM: usize = 512 << 10;
/// The size in bytes of the free memory at the end of an arena from which it is returned to the kernel.
const KEPT_AT_THE_END: i32 = 1 << 20;

/// Makes the heap return large blocks when they are freed. To be called before the first large allocation.
#[cfg(target_env = "gnu")]
pub fn give_back_what_is_large() {
    use nix::libc::{M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};

    for (parameter, value) in
        [(M_MMAP_THRESHOLD, OWN_MAPPING_FROM as i32), (M_TRIM_THRESHOLD, KEPT_AT_THE_END)]
    {
        // SAFETY: mallopt takes numbers, changes the heap's parameters only, and holds the heap's own lock. An unknown
        // parameter is refused, and the heap works as before.
        let _ = unsafe { mallopt(parameter, value) };
    }
}

/// Other C libraries do not adapt.
#[cfg(not(target_env = "gnu"))]
pub fn give_back_what_is_large() {}
