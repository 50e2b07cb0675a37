//! An allocator that counts, for tests of what is held. The test binary declares it:
//!
//! ```
//! use sandloop_testkit::heap::{self, Counting};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! let peak = heap::peak_of(|| drop(vec![0_u8; 1000]));
//! assert!((1000..2000).contains(&peak));
//!
//! let before = heap::traffic();
//! drop(vec![0_u8; 1000]);
//! let done = heap::traffic().since(before);
//! assert!(done.pieces == 2 && done.bytes == 2000);
//! ```

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

/// The system's allocator, with a count for each thread.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
    static TRAFFIC: Cell<Traffic> = const { Cell::new(Traffic { pieces: 0, bytes: 0 }) };
}

/// What went to and fro between a thread and the heap: each piece counts when it is taken and when it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Pieces.
    pub pieces: usize,
    /// And their bytes.
    pub bytes: usize,
}

impl Traffic {
    /// What came behind what had been before.
    #[must_use]
    pub fn since(self, before: Traffic) -> Traffic {
        Traffic { pieces: self.pieces - before.pieces, bytes: self.bytes - before.bytes }
    }

    /// The most of each.
    #[must_use]
    pub fn max(self, other: Traffic) -> Traffic {
        Traffic { pieces: self.pieces.max(other.pieces), bytes: self.bytes.max(other.bytes) }
    }
}

/// All that the present thread has taken and given back.
#[must_use]
pub fn traffic() -> Traffic {
    TRAFFIC.try_with(Cell::get).unwrap_or_default()
}

/// Bytes that the present thread holds; below zero if it frees what others have allocated.
#[must_use]
pub fn held() -> isize {
    HELD.get()
}

/// The most bytes that `work` held at once, beyond what the thread held before.
pub fn peak_of(work: impl FnOnce()) -> isize {
    let before = HELD.get();
    PEAK.set(before);
    work();
    PEAK.get() - before
}

fn count(change: isize) {
    // Neither has a destructor, so that both still work while the thread ends.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
    let _ = TRAFFIC.try_with(|traffic| {
        let Traffic { pieces, bytes } = traffic.get();
        traffic.set(Traffic { pieces: pieces + 1, bytes: bytes + change.unsigned_abs() });
    });
}

// SAFETY: every call goes to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promise about `layout` is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    // Large blocks come from the kernel as zeros, and untouched: writing zeros would make them resident.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: `pointer` came from `alloc` above, so from `System`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}
