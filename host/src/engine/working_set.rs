//! The memory that a sandbox is made of, so that the processor can fetch it before the sandbox is entered.
//!
//! A thousand sandboxes are more than the near caches hold, and a call reads a hundred lines of its own on a dozen pages, most
//! of them one after the other: each is found by an address that is read from the one before. Fetched together they take a
//! fraction of the time.
//!
//! The engine does not say where its structures are. So they are found from outside: the blocks of the heap by recording
//! what is allocated while the sandbox is made; its linear memories and tables by looking for their addresses in these
//! blocks; the pages that a guest uses by asking the kernel, once for each template. All of it are hints. A wrong one costs
//! a useless fetch, and nothing is read through it.

use std::cmp::Reverse;
use std::ops::RangeInclusive;
use std::sync::OnceLock;

use rustix::param::page_size;

use crate::base::allocations::HeapBlock;
use crate::base::own_memory::{self, OwnMemory};
use crate::base::prefetch;

/// The most spans of the heap, and the most bytes between two blocks of one span: most blocks are next to each other.
const SPANS_MAX: usize = 8;
const GAP_BYTES: usize = 192;
/// The most bytes of one block: what is larger is a list of all functions of a large guest.
const BLOCK_BYTES_MAX: usize = 8 * 1024;
/// The most bytes of all spans. Fetching more takes longer than it saves.
const HEAP_BYTES_MAX: usize = 32 * 1024;

/// The most linear memories and tables.
const AREAS_MAX: usize = 6;
/// The most bytes of an area that are looked at for pages in use.
const AREA_BYTES_MAX: u64 = 4 << 20;
/// The most pages that are fetched for one area. Of a guest that uses more it is not known which of them the next event needs.
const PAGES_MAX: usize = 8;

/// The number of events after which a sandbox is looked through for its areas. Many connections end before.
pub(crate) const LASTS_AFTER: u64 = 4;
/// The number of events after which a guest uses the pages that it goes on using.
pub(crate) const SETTLED_AFTER: u64 = 16;

/// Where a sandbox's memory is.
#[derive(Debug, Default)]
pub(crate) struct WorkingSet {
    heap: [Span; SPANS_MAX],
    areas: [Area; AREAS_MAX],
}

/// A part of the heap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Span {
    address: usize,
    bytes: usize,
}

/// A linear memory, with its size in bytes, or a table, with its number of elements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Area {
    address: usize,
    size: u64,
}

/// The pages that the guests of a template use, which is known when the first of them has settled.
#[derive(Debug, Default)]
pub(crate) struct PagesInUse(OnceLock<Vec<PagesOfArea>>);

/// The pages of all areas with this size, as distances from the area's address.
#[derive(Debug)]
struct PagesOfArea {
    size: u64,
    pages: Vec<usize>,
}

impl WorkingSet {
    /// Of a sandbox that was made of these blocks, in the order of their addresses.
    pub(crate) fn of(blocks: &[HeapBlock]) -> WorkingSet {
        let mut working_set = WorkingSet::default();
        let spans = spans(blocks);
        working_set.heap.iter_mut().zip(spans).for_each(|(span, found)| *span = found);
        working_set
    }

    /// Looks for the areas.
    #[cold]
    pub(crate) fn find_areas(&mut self) {
        let areas = areas(&self.heap);
        self.areas.iter_mut().zip(areas).for_each(|(area, found)| *area = found);
    }

    /// Has the processor fetch it, with these pages of its areas.
    pub(crate) fn prefetch(&self, in_use: &PagesInUse) {
        self.heap.iter().for_each(|span| prefetch::bytes(span.address, span.bytes));
        let Some(known) = in_use.0.get() else { return };
        for area in &self.areas {
            let pages = known.iter().find(|known| known.size == area.size);
            for page in pages.into_iter().flat_map(|known| &known.pages) {
                // The first line is enough: most of the time goes into finding the page.
                prefetch::line(area.address + page);
            }
        }
    }
}

impl PagesInUse {
    /// Takes those that this sandbox has written to, if they are not known yet.
    #[cold]
    pub(crate) fn learn(&self, of: &WorkingSet) {
        self.0.get_or_init(|| of.areas.iter().filter_map(|area| area.pages_in_use()).collect());
    }
}

#[cfg(test)]
impl PagesInUse {
    /// The number of areas with pages in use, and of these pages, if they are known.
    pub(crate) fn known(&self) -> Option<(usize, usize)> {
        let areas = self.0.get()?;
        Some((areas.len(), areas.iter().map(|area| area.pages.len()).sum()))
    }
}

impl Area {
    /// None if it has none, or too many.
    fn pages_in_use(self) -> Option<PagesOfArea> {
        let bytes = usize::try_from(self.size.min(AREA_BYTES_MAX)).ok()?;
        let pages = own_memory::written_pages(self.address, bytes)?;
        let is_useful = !pages.is_empty() && pages.len() <= PAGES_MAX;
        is_useful.then_some(PagesOfArea { size: self.size, pages })
    }
}

/// The blocks as spans, the largest ones if they are too many or too large.
fn spans(blocks: &[HeapBlock]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for block in blocks {
        let bytes = block.bytes.min(BLOCK_BYTES_MAX);
        match spans.last_mut() {
            Some(last) if block.address <= last.address + last.bytes + GAP_BYTES => {
                last.bytes = block.address + bytes - last.address;
            }
            Some(_) | None => spans.push(Span { address: block.address, bytes }),
        }
    }
    spans.sort_by_key(|span| Reverse(span.bytes));
    spans.truncate(SPANS_MAX);
    let mut left = HEAP_BYTES_MAX;
    for span in &mut spans {
        span.bytes = span.bytes.min(left);
        left -= span.bytes;
    }
    spans
}

/// The areas that these spans point to: the engine keeps the address of each, which begins a page, and its size behind it.
fn areas(spans: &[Span]) -> Vec<Area> {
    const WORD_BYTES: usize = size_of::<u64>();
    /// A 32-bit memory has no more bytes.
    const SIZES: RangeInclusive<u64> = 1..=1 << 32;

    let mut areas = Vec::new();
    let Some(memory) = OwnMemory::open() else { return areas };
    for span in spans {
        let first = span.address.next_multiple_of(WORD_BYTES);
        let bytes = (span.address + span.bytes).saturating_sub(first);
        let Some(words) = memory.read(first, bytes) else { continue };
        for pair in words.as_chunks::<WORD_BYTES>().0.windows(2) {
            let [address, size] = *pair else { continue };
            let [address, size] = [address, size].map(u64::from_ne_bytes);
            let Ok(address) = usize::try_from(address) else { continue };
            let area = Area { address, size };
            let is_known = areas.iter().any(|known: &Area| known.address == address);
            if is_mapped(address) && SIZES.contains(&size) && !is_known {
                areas.push(area);
            }
        }
    }
    areas
}

/// Whether it may be the address of a mapping of this process. The kernel puts them into the upper part of what addresses a process
/// has; a word with two small numbers is below it, or has none in its lower half.
fn is_mapped(address: usize) -> bool {
    const ADDRESSES: RangeInclusive<usize> = 1 << 44..=1 << 48;
    const LOWER_HALF: usize = u32::MAX as usize;

    let is_page = address.is_multiple_of(page_size());
    is_page && ADDRESSES.contains(&address) && address & LOWER_HALF != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(address: usize, bytes: usize) -> HeapBlock {
        HeapBlock { address, bytes }
    }

    fn span(address: usize, bytes: usize) -> Span {
        Span { address, bytes }
    }

    #[test]
    fn neighbours_are_one_span() {
        let blocks = [block(1000, 100), block(1116, 84), block(1300, 8), block(9000, 50)];
        assert_eq!(spans(&blocks), [span(1000, 308), span(9000, 50)]);
    }

    #[test]
    fn spans_are_bounded_in_number_and_bytes() {
        let scattered: Vec<HeapBlock> = (1..100).map(|at| block(at * 10_000, 8 + at)).collect();
        let bytes: Vec<usize> = spans(&scattered).iter().map(|span| span.bytes).collect();
        assert_eq!(bytes, [107, 106, 105, 104, 103, 102, 101, 100], "the largest ones");
        let large = [block(10_000, 1 << 20), block(4 << 20, 1 << 20)];
        assert_eq!(spans(&large), [span(10_000, BLOCK_BYTES_MAX), span(4 << 20, BLOCK_BYTES_MAX)]);
        let many: Vec<HeapBlock> = (1..100).map(|at| block(at * 8192, 8192)).collect();
        assert_eq!(spans(&many), [span(8192, HEAP_BYTES_MAX)]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn areas_are_found_where_they_are_pointed_to_and_learned_once() {
        let mut memory = vec![0_u8; 1 << 26];
        let first = memory.as_ptr().addr().next_multiple_of(page_size());
        // An address whose lower half is zero is not taken for one.
        let first = if is_mapped(first) { first } else { first + page_size() };
        let skipped = first - memory.as_ptr().addr();
        memory[skipped + 5 * page_size()] = 1;
        let size = 3 << 20;
        let vmctx =
            [7_u64, first as u64, size, 1 << 44, 5, 0x1234_5000, 0, 4096, u64::MAX - 4095, 7];
        let blocks = [block(vmctx.as_ptr().addr(), size_of_val(&vmctx))];
        let mut working_set = WorkingSet::of(&blocks);
        working_set.find_areas();
        assert_eq!(working_set.areas[0], Area { address: first, size });
        assert_eq!(working_set.areas[1..], [Area::default(); AREAS_MAX - 1], "the others are none");
        let in_use = PagesInUse::default();
        working_set.prefetch(&in_use);
        in_use.learn(&working_set);
        let learned = in_use.0.get().unwrap();
        // With huge pages its neighbours are written, too, or too many.
        assert!(learned.iter().all(|it| it.size == size && it.pages.contains(&(5 * page_size()))));
        in_use.learn(&WorkingSet::default());
        assert_eq!(in_use.0.get().unwrap().len(), learned.len(), "the first ones stay");
        working_set.prefetch(&in_use);
    }

    #[test]
    fn a_sandbox_without_a_record_has_no_working_set() {
        let mut working_set = WorkingSet::of(&[]);
        working_set.find_areas();
        assert!(working_set.heap.iter().all(|span| span.bytes == 0));
        PagesInUse::default().learn(&working_set);
        working_set.prefetch(&PagesInUse::default());
    }
}
