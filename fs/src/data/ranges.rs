//! Ranges of a file: allocated ahead, punched out, searched for data and holes.

use alloc::alloc::{Layout, dealloc};
use core::cmp::{max, min};
use core::ptr;

use super::{Branch, FileData, Lowest, PAGE, SLOT_BITS, allocate, page_layout, slot_of};
use crate::ramdisk::Superblock;
use crate::{MAX_FILE_BYTES, PAGE_BYTES, Result};

/// What a search in a file is for. The unit is the page: a page that is there is data,
/// written or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Allocated pages.
    Data,
    /// Pages that were never allocated, and what follows the end.
    Hole,
}

impl FileData {
    /// The first offset from `offset` on that is in a `region`; the file ends in a hole.
    /// None if there is none before the end, or if `offset` is not before the end.
    pub(crate) fn find(&self, offset: u64, region: Region) -> Option<u64> {
        if offset >= self.size {
            return None;
        }
        let first = offset / PAGE;
        let page = if self.is_lent_whole() {
            match region {
                Region::Data => Some(first),
                Region::Hole => Some(self.size.div_ceil(PAGE)),
            }
        } else if self.height == 0 {
            let in_buffer = first == 0 && !self.root.is_null();
            match region {
                Region::Data => in_buffer.then_some(0),
                Region::Hole => Some(if in_buffer { 1 } else { first }),
            }
        } else if self.reaches(first) {
            // SAFETY: this file's tree, which is borrowed.
            let found = unsafe { search(self.tree(), first, region) };
            match region {
                Region::Data => found,
                Region::Hole => Some(found.unwrap_or(self.first_unreached())),
            }
        } else {
            (region == Region::Hole).then_some(first)
        };
        let found = page?.saturating_mul(PAGE).max(offset);
        match region {
            Region::Data => (found < self.size).then_some(found),
            Region::Hole => Some(found.min(self.size)),
        }
    }

    /// Allocates the pages of `[offset, end)` that are missing, zeroed; the size stays.
    /// `end` is above `offset` and at most [`MAX_FILE_BYTES`].
    ///
    /// # Errors
    /// ENOSPC, ENOMEM: then no page was allocated.
    pub(crate) fn allocate(
        &mut self,
        superblock: &Superblock,
        offset: u64,
        end: u64,
    ) -> Result<()> {
        debug_assert!(offset < end && end <= MAX_FILE_BYTES);
        let (first, last) = (offset / PAGE, (end - 1) / PAGE);
        let missing = last + 1 - first - self.count(first, last + 1);
        superblock.charge(missing)?;
        let taken = self.own_all(superblock, first, last).and_then(|()| {
            let pages = self.take_pages(missing)?;
            let placed = self.make_nodes(superblock, end, first, last);
            placed.map(|()| pages).inspect_err(|_| free_chain(pages))
        });
        let mut pages = taken.inspect_err(|_| {
            self.free_empty_nodes(first, last + 1);
            superblock.uncharge(missing);
        })?;
        let mut lowest = Lowest::none();
        for index in first..=last {
            if !self.page(index, &mut lowest).0.is_null() {
                continue;
            }
            // SAFETY: there are as many pages in the chain as are missing; each begins with
            // the address of the next.
            let page = unsafe {
                let page = pages;
                pages = page.cast::<*mut u8>().read();
                page.write_bytes(0, PAGE_BYTES);
                page
            };
            // `make_nodes` made the node; a look-up that found no page left it here.
            // SAFETY: a node of the lowest level.
            unsafe { *slot_of(lowest.get(index), index, 0) = page };
        }
        self.pages += missing as u32;
        Ok(())
    }

    /// Makes `[offset, end)` a hole: frees whole pages, zeroes parts of others. The size
    /// stays.
    ///
    /// # Errors
    /// ENOMEM if a part of lent content is to be zeroed: then nothing changed.
    pub(crate) fn punch(&mut self, superblock: &Superblock, offset: u64, end: u64) -> Result<()> {
        let end = if end >= self.size { end.next_multiple_of(PAGE) } else { end };
        let (whole, whole_end) = (offset.div_ceil(PAGE), end / PAGE);
        if self.is_lent_whole() && offset >= self.size {
            return Ok(());
        }
        self.prepare_for_change(superblock)?;
        if !offset.is_multiple_of(PAGE) {
            self.own(superblock, offset / PAGE)?;
        }
        if !end.is_multiple_of(PAGE) {
            self.own(superblock, whole_end)?;
        }
        if whole > whole_end {
            // Inside one page.
            self.zero(offset, end);
            return Ok(());
        }
        self.zero(offset, whole * PAGE);
        self.zero(whole_end * PAGE, end);
        if self.height > 0 {
            self.free_pages(superblock, whole, whole_end);
        } else if whole == 0 && whole_end > 0 {
            let size = self.size;
            self.free(superblock);
            self.size = size;
        }
        Ok(())
    }

    /// Zeroes `[start, end)`, which is inside one page, as far as that is allocated. It is not
    /// lent.
    fn zero(&mut self, start: u64, end: u64) {
        let in_page = (start % PAGE) as usize;
        let (page, held) = self.page(start / PAGE, &mut Lowest::none());
        let stop = min(in_page + (end - start) as usize, held);
        if stop > in_page {
            // SAFETY: the page holds `held` bytes.
            unsafe { page.add(in_page).write_bytes(0, stop - in_page) };
        }
    }

    /// How many pages numbered `first` to `end` there are.
    fn count(&self, first: u64, end: u64) -> u64 {
        if self.is_lent_whole() {
            return min(end, self.pages()).saturating_sub(first);
        }
        if self.height == 0 {
            return u64::from(first == 0 && !self.root.is_null());
        }
        // SAFETY: this file's tree, which is borrowed.
        unsafe { count(self.tree(), first, end) }
    }

    /// Copies those of the pages `first` to `last` that are lent, since what is allocated
    /// ahead is there to be written to, and the last, for a file that is to grow.
    fn own_all(&mut self, superblock: &Superblock, first: u64, last: u64) -> Result<()> {
        self.prepare_for_change(superblock)?;
        self.own_last_page(superblock)?;
        (first..=last).try_for_each(|index| self.own(superblock, index))
    }

    /// Allocates a chain of `count` pages; each begins with the address of the next.
    fn take_pages(&self, count: u64) -> Result<*mut u8> {
        let mut chain = ptr::null_mut();
        for _ in 0..count {
            match allocate(page_layout()) {
                // SAFETY: a new page has room for an address.
                Ok(page) => unsafe {
                    page.cast::<*mut u8>().write(chain);
                    chain = page;
                },
                Err(errno) => {
                    free_chain(chain);
                    return Err(errno);
                }
            }
        }
        Ok(chain)
    }

    /// Makes the file a tree high enough for `end`, with all nodes that lead to the pages
    /// `first` to `last`.
    fn make_nodes(
        &mut self,
        superblock: &Superblock,
        end: u64,
        first: u64,
        last: u64,
    ) -> Result<()> {
        self.make_height_for(superblock, max(end, PAGE + 1))?;
        let groups = (first >> SLOT_BITS)..=(last >> SLOT_BITS);
        groups
            .map(|group| group << SLOT_BITS)
            .try_for_each(|index| self.lowest_node(index).map(drop))
    }

    /// The number of the first page that the tree does not cover.
    fn first_unreached(&self) -> u64 {
        1 << self.reach_log2
    }
}

fn free_chain(mut chain: *mut u8) {
    while !chain.is_null() {
        // SAFETY: each page of a chain begins with the address of the next, and was
        // allocated with this layout.
        unsafe {
            let next = chain.cast::<*mut u8>().read();
            dealloc(chain, page_layout());
            chain = next;
        }
    }
    const { assert!(size_of::<*mut u8>() <= PAGE_BYTES && Layout::new::<*mut u8>().align() <= 16) };
}

/// Counts the pages numbered `first` to `end` below a node.
///
/// # Safety
/// The branch is a tree's, and nobody changes that.
unsafe fn count(branch: Branch, first: u64, end: u64) -> u64 {
    let mut pages = 0;
    for number in 0..branch.slots() {
        // SAFETY: a node's slot, by the caller's promise.
        let child = unsafe { *branch.slot(number) };
        let held = branch.pages(number);
        if child.is_null() || held.start >= end || held.end <= first {
            continue;
        }
        pages += if branch.is_lowest() {
            1
        } else {
            // SAFETY: above the lowest level, what is not null is a node.
            unsafe { count(branch.below(number, child), first, end) }
        };
    }
    pages
}

/// The first page from `first` on, below a node, that is there or is missing.
///
/// # Safety
/// The branch is a tree's, and nobody changes that.
unsafe fn search(branch: Branch, first: u64, region: Region) -> Option<u64> {
    for number in branch.first_slot(first)..branch.slots() {
        // SAFETY: a node's slot, by the caller's promise.
        let child = unsafe { *branch.slot(number) };
        let found = match (child.is_null(), branch.is_lowest(), region) {
            (true, _, Region::Hole) | (false, true, Region::Data) => {
                Some(max(branch.pages(number).start, first))
            }
            (true, _, Region::Data) | (false, true, Region::Hole) => None,
            // SAFETY: above the lowest level, what is not null is a node.
            _ => unsafe { search(branch.below(number, child), first, region) },
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::tests_support::superblock;
    use crate::{Errno, Source};

    fn write(data: &mut FileData, superblock: &Superblock, offset: u64, bytes: &[u8]) {
        let done = data.write(superblock, offset, &mut Source::from(bytes));
        assert_eq!(done, Ok(bytes.len()));
    }

    fn read(data: &FileData, offset: u64, len: usize) -> alloc::vec::Vec<u8> {
        let mut bytes = alloc::vec![0xee; len];
        let done = data.read(offset, &mut (&mut bytes[..]).into());
        bytes.truncate(done);
        bytes
    }

    #[test]
    fn data_and_holes_are_found_by_pages() {
        let superblock = superblock(1 << 30);
        let mut data = FileData::EMPTY;
        write(&mut data, &superblock, 3 * PAGE + 5, b"x");
        write(&mut data, &superblock, 1 << 40, b"y");
        assert_eq!(data.find(0, Region::Data), Some(3 * PAGE));
        assert_eq!(data.find(3 * PAGE + 7, Region::Data), Some(3 * PAGE + 7));
        assert_eq!(data.find(4 * PAGE, Region::Data), Some(1 << 40));
        assert_eq!(data.find((1 << 40) + 1, Region::Data), None);
        assert_eq!(data.find(0, Region::Hole), Some(0));
        assert_eq!(data.find(3 * PAGE + 1, Region::Hole), Some(4 * PAGE));
        assert_eq!(data.find(1 << 40, Region::Hole), Some((1 << 40) + 1));
        data.free(&superblock);
    }

    #[test]
    fn a_small_file_is_data_and_its_end_a_hole() {
        let superblock = superblock(1 << 20);
        let mut data = FileData::EMPTY;
        write(&mut data, &superblock, 0, b"abc");
        assert_eq!(data.find(1, Region::Data), Some(1));
        assert_eq!(data.find(1, Region::Hole), Some(3));
        assert_eq!(data.find(3, Region::Hole), None);
        assert_eq!(data.truncate(&superblock, 3 * PAGE), Ok(()));
        assert_eq!(data.find(1, Region::Hole), Some(PAGE));
        assert_eq!(data.find(PAGE, Region::Data), None);
        data.free(&superblock);
    }

    #[test]
    fn punched_ranges_read_as_zeros_and_give_their_pages_back() {
        for (offset, end) in
            [(0, 1), (1, 4095), (4095, 4097), (0, 8192), (4096, 8192), (5000, 20000), (1, 40000)]
        {
            let superblock = superblock(1 << 20);
            let mut data = FileData::EMPTY;
            let mut model = alloc::vec![7u8; 20000];
            write(&mut data, &superblock, 0, &model);
            assert_eq!(data.punch(&superblock, offset, end), Ok(()));
            let stop = (end as usize).min(model.len());
            model[offset as usize..stop].fill(0);
            assert_eq!(read(&data, 0, 30000), model, "{offset}..{end}");
            assert_eq!(data.size(), 20000);
            let pages = data.pages();
            assert_eq!(superblock.pages_charged(), pages, "{offset}..{end}");
            data.free(&superblock);
            assert_eq!(superblock.pages_charged(), 0);
        }
    }

    #[test]
    fn allocation_is_all_or_nothing() {
        let superblock = superblock(10 * PAGE);
        let mut data = FileData::EMPTY;
        write(&mut data, &superblock, 0, b"abc");
        assert_eq!(data.allocate(&superblock, 0, 11 * PAGE), Err(Errno::ENOSPC));
        assert_eq!(data.allocate(&superblock, 0, MAX_FILE_BYTES), Err(Errno::ENOSPC));
        assert_eq!((data.pages(), superblock.pages_charged()), (1, 1));
        assert_eq!(data.allocate(&superblock, 2 * PAGE, 4 * PAGE + 1), Ok(()));
        assert_eq!((data.pages(), data.size()), (4, 3));
        assert_eq!(data.allocate(&superblock, 0, 5 * PAGE), Ok(()));
        assert_eq!((data.pages(), superblock.pages_charged()), (5, 5));
        assert_eq!(data.truncate(&superblock, 5 * PAGE), Ok(()));
        let mut expected = alloc::vec![0; 5 * PAGE_BYTES];
        expected[..3].copy_from_slice(b"abc");
        assert_eq!(read(&data, 0, 6 * PAGE_BYTES), expected);
        data.free(&superblock);
        assert_eq!(superblock.pages_charged(), 0);
    }
}
