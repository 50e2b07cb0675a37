//! Which blocks of the heap a piece of work leaves behind.
//!
//! [`Recording`] is the allocator of the program. While a thread records, it notes the blocks that this thread allocates and
//! does not free, and sets them to zero first; at other times it adds one load to each allocation.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, RefCell};

/// The most blocks of one recording; the others are not noted. A sandbox is made of about forty.
const BLOCKS_MAX: usize = 128;

/// A block of the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HeapBlock {
    /// Its first address.
    pub(crate) address: usize,
    /// Its length in bytes.
    pub(crate) bytes: usize,
}

/// The blocks that are noted.
struct Noted {
    count: usize,
    blocks: [HeapBlock; BLOCKS_MAX],
}

// Neither has a destructor, so that both work as long as the thread allocates.
thread_local! {
    static IS_RECORDING: Cell<bool> = const { Cell::new(false) };
    static NOTED: RefCell<Noted> = const {
        RefCell::new(Noted { count: 0, blocks: [HeapBlock { address: 0, bytes: 0 }; BLOCKS_MAX] })
    };
}

/// An allocator that notes what the calling thread allocates while it records.
#[derive(Debug)]
pub struct Recording<A>(
    /// The allocator that does the work.
    pub A,
);

// SAFETY: every call is passed on with its arguments, and its result is returned as it is; the notes are numbers, and
// noting neither allocates nor panics.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Recording<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller has promised what the inner allocator asks for.
        let block = unsafe { self.0.alloc(layout) };
        if IS_RECORDING.get() && !block.is_null() {
            // What is recorded is looked through: it must not have words of what was there before. The C library's own way to
            // a block of zeros passes by its cache of small ones.
            // SAFETY: the block is new and has this size.
            unsafe { block.write_bytes(0, layout.size()) };
            note(block, layout.size());
        }
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as for `alloc`.
        let block = unsafe { self.0.alloc_zeroed(layout) };
        note(block, layout.size());
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        forget(block);
        // SAFETY: as for `alloc`.
        unsafe { self.0.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as for `alloc`.
        let moved = unsafe { self.0.realloc(block, layout, bytes) };
        if !moved.is_null() {
            forget(block);
            note(moved, bytes);
        }
        moved
    }
}

fn note(block: *mut u8, bytes: usize) {
    if !block.is_null() {
        with_notes(|noted| {
            if let Some(free) = noted.blocks.get_mut(noted.count) {
                *free = HeapBlock { address: block.addr(), bytes };
                noted.count += 1;
            }
        });
    }
}

fn forget(block: *mut u8) {
    with_notes(|noted| {
        let known = noted.blocks.iter().take(noted.count);
        if let Some(place) = known.map(|known| known.address).position(|it| it == block.addr()) {
            noted.count -= 1;
            noted.blocks.swap(place, noted.count);
        }
    });
}

fn with_notes(change: impl FnOnce(&mut Noted)) {
    if IS_RECORDING.get() {
        NOTED.with(|noted| {
            if let Ok(mut noted) = noted.try_borrow_mut() {
                change(&mut noted);
            }
        });
    }
}

/// A recording of this thread, which ends when it is dropped. A thread has one at a time.
#[derive(Debug)]
pub(crate) struct Record {
    /// It belongs to its thread.
    _of_this_thread: std::marker::PhantomData<*const ()>,
}

impl Record {
    /// Begins to record.
    pub(crate) fn begin() -> Record {
        NOTED.with(|noted| noted.borrow_mut().count = 0);
        IS_RECORDING.set(true);
        Record { _of_this_thread: std::marker::PhantomData }
    }

    /// The blocks that were allocated since the beginning and not freed, in the order of their addresses. Empty in a program
    /// that has another allocator.
    pub(crate) fn end(self) -> Vec<HeapBlock> {
        drop(self);
        NOTED.with(|noted| {
            let noted = noted.borrow();
            let mut blocks: Vec<HeapBlock> =
                noted.blocks.iter().take(noted.count).copied().collect();
            blocks.sort_unstable();
            blocks
        })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        IS_RECORDING.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_recorded_and_nothing_else() {
        let before = Box::new([0_u8; 100]);
        let record = Record::begin();
        let (kept, mut grown) = (Box::new([0_u64; 10]), vec![0_u8; 1000]);
        drop((before, vec![0_u8; 5000], Box::new(0_u16)));
        grown.resize(100_000, 0);
        let other = std::thread::spawn(|| Box::new([0_u8; 777])).join().unwrap();
        let blocks = record.end();
        let later = Box::new([0_u8; 333]);
        let block = |address: usize, bytes| HeapBlock { address, bytes };
        assert!(blocks.contains(&block(std::ptr::from_ref(&*kept).addr(), 80)), "{blocks:?}");
        let now = block(grown.as_ptr().addr(), grown.capacity());
        assert!(blocks.contains(&now), "it has moved: {blocks:?}, not {now:?}");
        let is_there = |bytes| blocks.iter().any(|block| block.bytes == bytes);
        assert!(![100, 1000, 5000, 2, 777, 333].into_iter().any(is_there), "{blocks:?}");
        drop((other, later));
    }

    #[test]
    fn a_recording_is_bounded_and_the_next_one_begins_empty() {
        let record = Record::begin();
        let many: Vec<Box<u32>> = (0..1000).map(Box::new).collect();
        assert_eq!(record.end().len(), BLOCKS_MAX);
        drop(many);
        assert_eq!(Record::begin().end(), []);
    }
}
