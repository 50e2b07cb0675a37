//! What the heap keeps of what was freed.
//!
//! Left to itself the C library's heap learns from the first large block that is freed to keep blocks as large, and twice as
//! much at the end of each of its arenas, of which there are eight for each core. On a host whose outboxes grow to 16 MiB that
//! is hundreds of megabytes which nobody uses, and which are no tenant's. Fixed thresholds end that learning (mallopt(3)).

/// A block from here on is the system's own mapping and goes back to it at once, in bytes. Below it is what is handed around
/// all the time: read buffers, and outboxes of peers that keep up.
const OWN_MAPPING_FROM: i32 = 4 << 20;
/// What is free at the end of an arena goes back when it is more, in bytes.
const KEPT_AT_THE_END: i32 = 1 << 20;

/// Has the heap give large blocks back when they are freed. Before the first of them is taken.
#[cfg(target_env = "gnu")]
pub fn give_back_what_is_large() {
    use nix::libc::{M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, mallopt};

    for (parameter, value) in
        [(M_MMAP_THRESHOLD, OWN_MAPPING_FROM), (M_TRIM_THRESHOLD, KEPT_AT_THE_END)]
    {
        // SAFETY: It takes numbers, changes nothing but how the heap is kept, and holds the heap's own lock meanwhile. One
        // that it does not know it refuses, and the heap works as before.
        let _ = unsafe { mallopt(parameter, value) };
    }
}

/// Other C libraries do not learn.
#[cfg(not(target_env = "gnu"))]
pub fn give_back_what_is_large() {}
