//! This process's memory as the kernel sees it, by proc(5).
//!
//! Whatever the address, reading is an error at worst: the kernel looks whether there is memory. Without `/proc`, and on
//! systems that have none, there is nothing to be read.

use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::param::page_size;

/// The bytes of an entry of `/proc/self/pagemap`.
const ENTRY_BYTES: usize = 8;
/// The bits of an entry: the page is in memory; it belongs to a file.
const IS_PRESENT: u64 = 1 << 63;
const IS_OF_A_FILE: u64 = 1 << 61;

/// The memory, open for reading. It is not kept open: a descriptor that comes and goes with the first use would be taken for
/// one that is lost.
#[derive(Debug)]
pub(crate) struct OwnMemory(File);

impl OwnMemory {
    /// None if it cannot be opened.
    pub(crate) fn open() -> Option<OwnMemory> {
        File::open("/proc/self/mem").ok().map(OwnMemory)
    }

    /// Reads `bytes` bytes at an address; none if they cannot be read.
    pub(crate) fn read(&self, address: usize, bytes: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        self.0.read_exact_at(&mut buffer, address as u64).ok()?;
        Some(buffer)
    }
}

/// The pages among `bytes` bytes at an address that were written to; the address begins a page. They are told as
/// distances from it in bytes.
pub(crate) fn written_pages(address: usize, bytes: usize) -> Option<Vec<usize>> {
    let map = File::open("/proc/self/pagemap").ok()?;
    let page_bytes = page_size();
    let mut entries = vec![0; bytes.div_ceil(page_bytes) * ENTRY_BYTES];
    map.read_exact_at(&mut entries, (address / page_bytes * ENTRY_BYTES) as u64).ok()?;
    let entries = entries.as_chunks::<ENTRY_BYTES>().0.iter().copied().map(u64::from_ne_bytes);
    let is_written = |entry: u64| entry & IS_PRESENT != 0 && entry & IS_OF_A_FILE == 0;
    let pages = entries.enumerate().filter(|(_, entry)| is_written(*entry));
    Some(pages.map(|(page, _)| page * page_bytes).collect())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn own_memory_is_read_and_foreign_addresses_are_refused() {
        let words: Vec<u64> = (0..1000).collect();
        let memory = OwnMemory::open().unwrap();
        let read_back = memory.read(words.as_ptr().addr(), 8000).unwrap();
        let (chunks, _) = read_back.as_chunks::<8>();
        assert!(chunks.iter().copied().map(u64::from_ne_bytes).eq(words));
        for address in [0, 8, usize::MAX / 2, usize::MAX - 8] {
            assert_eq!(memory.read(address, 16), None, "{address:x}");
        }
    }

    #[test]
    fn written_pages_are_told_from_the_others() {
        // So large that the heap takes it fresh from the kernel, whose pages may be larger than ours.
        const FAR: usize = 32 << 20;
        let mut memory = vec![0_u8; 2 * FAR];
        let first = memory.as_ptr().addr().next_multiple_of(page_size());
        let skipped = first - memory.as_ptr().addr();
        memory[skipped] = 1;
        memory[skipped + FAR] = 1;
        let written = written_pages(first, FAR + page_size()).unwrap();
        let is_written = [0, FAR / 2, FAR].map(|page| written.contains(&page));
        assert_eq!(is_written, [true, false, true]);
    }
}
