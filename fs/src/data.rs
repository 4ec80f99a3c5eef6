//! [`FileData`]: the content of a regular file.
//!
//! A file of up to one page is a single buffer that doubles as it grows, from 64
//! bytes; a larger one is a radix tree of pages, 64 slots to a node ([`tree`]), whose height
//! follows the file's size. Pages never move, so a file that grows is not copied
//! again; what was never written is a null slot, so a file may be sparse up to
//! [`MAX_FILE_BYTES`](crate::MAX_FILE_BYTES).
//!
//! Content may be *lent* ([`crate::loan`]): whole, then the root is where it lies; or page
//! by page, then the slot of a page has [`LENT`] in its address. Before a byte of it changes
//! it is copied, a page at a time; content of up to a page, whole.
//!
//! Invariants: a byte before `size` is in its page, or zero where there is none. A
//! byte at or after `size`, in the page that `size` falls into, is undefined; the
//! call that makes the file larger zeroes it. Any page wholly after `size` is all
//! zeros. Each node leads to a page. All of a lent page is before `size` or was once. The
//! quota counts pages, lent ones too, so a write to one finds room; a small buffer as one.
//!
//! The inode's lock protects all of it.

mod check;
mod lent;
mod ranges;
mod tree;

use alloc::alloc::{Layout, alloc, dealloc, realloc};
use core::cmp::{max, min};
use core::ops::Range;
use core::ptr;

use crate::cold::Filled;
use crate::mem::prefetch_line;
use crate::ramdisk::Superblock;
use crate::{Errno, MAX_FILE_BYTES, PAGE_BYTES, Result, Sink, Source, planted};

pub use lent::{Content, Piece};
use lent::{bytes_of, is_lent, own_page};
pub use ranges::Region;
use tree::{
    Branch, FEW_SLOT_BITS, Lowest, Node, Pages, SLOT_BITS, free_node, new_node, slot_of, tree_for,
};

const PAGE: u64 = PAGE_BYTES as u64;
const SMALLEST_BUFFER: usize = 64;
/// The height of content that is lent whole.
const LENT_WHOLE: u8 = u8::MAX;
/// The bit in a slot of the lowest level that tells a lent page, whose address is even, from
/// one of the file's own.
const LENT: usize = 1;

/// A file's bytes.
pub(crate) struct FileData {
    size: u64,
    /// Null; or, by `height`, a buffer, a [`Node`], or lent bytes.
    root: *mut u8,
    /// Pages that the quota was charged for.
    pages: u32,
    /// Levels of nodes; 0 for a single buffer; or [`LENT_WHOLE`].
    height: u8,
    /// Base-2 logarithm of the buffer's bytes, or of how many pages the tree covers.
    reach_log2: u8,
    /// When the page was allocated that it was last, or a buffer as large.
    filled: Filled,
}

// SAFETY: the pointers are this file's own; the lock around it hands them on whole.
unsafe impl Send for FileData {}
// SAFETY: shared access only reads.
unsafe impl Sync for FileData {}

impl FileData {
    pub(crate) const EMPTY: FileData = FileData {
        size: 0,
        root: ptr::null_mut(),
        pages: 0,
        height: 0,
        reach_log2: 0,
        filled: Filled::NEVER,
    };

    /// The file's length in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Allocated pages.
    pub(crate) fn pages(&self) -> u64 {
        self.pages.into()
    }

    /// Starts to fetch what leads to the bytes, or the first of them.
    #[inline(always)]
    pub(crate) fn fetch(&self) {
        prefetch_line(self.root.addr());
    }

    /// Copies bytes from `offset` on to `sink`, until it is full or the file ends;
    /// returns how many.
    #[inline(always)] // in both of its places: a call is a tenth of a short read
    pub(crate) fn read(&self, offset: u64, sink: &mut Sink<'_>) -> usize {
        let len = min(self.size.saturating_sub(offset), sink.remaining() as u64) as usize;
        if len == 0 {
            return 0;
        }
        if self.is_lent_whole() {
            // SAFETY: `size` bytes are lent; the sink has room for `len`.
            unsafe { sink.put_raw(self.root.add(offset as usize), len) };
            return len;
        }
        if len <= PAGE_BYTES - (offset % PAGE) as usize {
            self.read_page(offset, len, sink, &mut Lowest::none());
        } else {
            self.read_pages(offset, len, sink);
        }
        len
    }

    /// As [`read`](FileData::read), if all that it copies is in one page that is there; none otherwise, and at the
    /// end.
    #[inline(always)] // what most reads need
    pub(crate) fn read_in_place(&self, offset: u64, sink: &mut Sink<'_>) -> Option<usize> {
        let len = min(self.size.checked_sub(offset)?, sink.remaining() as u64) as usize;
        let in_page = (offset % PAGE) as usize;
        if len == 0 || self.is_lent_whole() || len > PAGE_BYTES - in_page {
            return None;
        }
        let (page, held) = self.page(offset / PAGE, &mut Lowest::none());
        if in_page + len > held {
            return None;
        }
        // SAFETY: the page holds `held` bytes; the sink has room for `len`.
        unsafe { sink.put_raw(page.add(in_page), len) };
        Some(len)
    }

    /// Copies `len` bytes of the file to `sink`, which has room for them.
    #[inline(never)]
    fn read_pages(&self, offset: u64, len: usize, sink: &mut Sink<'_>) {
        let (mut at, end) = (offset, offset + len as u64);
        let mut lowest = Lowest::none();
        while at < end {
            let run = min(PAGE_BYTES - (at % PAGE) as usize, (end - at) as usize);
            self.read_page(at, run, sink, &mut lowest);
            at += run as u64;
        }
    }

    /// [`read_pages`](FileData::read_pages), of bytes that are all in one page; there is one at least.
    #[inline(always)]
    fn read_page(&self, at: u64, len: usize, sink: &mut Sink<'_>, lowest: &mut Lowest) {
        let in_page = (at % PAGE) as usize;
        let (page, held) = self.page(at / PAGE, lowest);
        let there = min(held.saturating_sub(in_page), len);
        if there > 0 {
            // SAFETY: the page holds `held` bytes; the sink has room for `len`.
            unsafe { sink.put_raw(page.add(in_page), there) };
        }
        if there < len {
            sink.put_zeros(len - there);
        }
    }

    /// Copies `source` to `offset` on, making the file longer where it must; returns
    /// how many bytes were written, which is less than asked if room ran out.
    ///
    /// # Errors
    /// EFBIG if `offset` is not below [`MAX_FILE_BYTES`]; ENOSPC or ENOMEM if not even
    /// one byte found room: then the content is as it was.
    #[inline(always)] // in its one place, for what a write over old content needs
    pub(crate) fn write(
        &mut self,
        superblock: &Superblock,
        offset: u64,
        source: &mut Source<'_>,
    ) -> Result<usize> {
        if source.remaining() == 0 {
            return Ok(0);
        }
        if offset >= MAX_FILE_BYTES {
            return Err(Errno::EFBIG);
        }
        if let Some(len) = self.write_in_place(offset, source) {
            return Ok(len);
        }
        let len = min(MAX_FILE_BYTES - offset, source.remaining() as u64);
        self.write_elsewhere(superblock, offset..offset + len, source)
    }

    /// Writes `source`, which is not empty, over bytes that are there; none, with nothing done, if
    /// they are not in one page that is the file's own.
    #[inline(always)]
    pub(crate) fn overwrite(&mut self, offset: u64, source: &mut Source<'_>) -> Option<usize> {
        let end = offset.checked_add(source.remaining() as u64)?;
        if end > self.size { None } else { self.write_in_place(offset, source) }
    }

    /// Writes `source`, which is not empty, to what is there: over bytes of the file, or right behind
    /// them. None, with nothing done, if that is not in one page that is the file's own.
    #[inline(always)]
    fn write_in_place(&mut self, offset: u64, source: &mut Source<'_>) -> Option<usize> {
        let len = source.remaining();
        let end = offset.checked_add(len as u64)?;
        // Behind the last byte of a page there seldom is one.
        let begins_page = offset == self.size && offset.is_multiple_of(PAGE);
        if offset > self.size || begins_page || end > MAX_FILE_BYTES {
            return None;
        }
        let place = self.place_in_own_page(offset, len)?;
        // SAFETY: the page has room for `len` bytes there.
        unsafe { self.take(source, offset, place, len) };
        Some(len)
    }

    /// Where `offset` is in memory, if the `len` bytes from there on are in one page that is
    /// there and the file's own.
    #[inline(always)] // what most writes over old content need
    fn place_in_own_page(&self, offset: u64, len: usize) -> Option<*mut u8> {
        let in_page = (offset % PAGE) as usize;
        if self.is_lent_whole() || len > PAGE_BYTES - in_page {
            return None;
        }
        let (page, held) = self.slot(offset / PAGE, &mut Lowest::none());
        // SAFETY: the page holds `held` bytes.
        (!is_lent(page) && in_page + len <= held).then(|| unsafe { page.add(in_page) })
    }

    /// Writes to `range` where the file becomes longer, or a page is missing, lent, or not
    /// the only one.
    fn write_elsewhere(
        &mut self,
        superblock: &Superblock,
        Range { start: offset, end }: Range<u64>,
        source: &mut Source<'_>,
    ) -> Result<usize> {
        self.prepare_for_change(superblock)?;
        if offset > self.size {
            self.own_last_page(superblock)?;
        }
        self.make_height_for(superblock, end)?;
        let mut at = offset;
        let mut lowest = Lowest::none();
        while at < end {
            let in_page = (at % PAGE) as usize;
            let run = min(PAGE_BYTES - in_page, (end - at) as usize);
            let page = match self.page_for_write(superblock, at / PAGE, in_page, run, &mut lowest) {
                Ok(page) => page,
                Err(errno) => {
                    self.free_empty_nodes(at / PAGE, at / PAGE + 1);
                    if at == offset {
                        return Err(errno);
                    }
                    break;
                }
            };
            if at == offset && offset > self.size {
                self.zero_up_to(offset);
            }
            // SAFETY: the page has room for `run` bytes from `in_page` on.
            unsafe { self.take(source, at, page.add(in_page), run) };
            at += run as u64;
        }
        Ok((at - offset) as usize)
    }

    /// Moves the next `len` bytes to `place`, where `offset` is; the file is then that long, at
    /// least.
    ///
    /// # Safety
    /// There is room for them, and they are left in `source`.
    #[inline(always)]
    unsafe fn take(&mut self, source: &mut Source<'_>, offset: u64, place: *mut u8, len: usize) {
        let end = offset + len as u64;
        if end <= self.size {
            // SAFETY: the caller's promise.
            return unsafe { source.take(place, len) };
        }
        // What a page has behind the end of the file nobody has touched.
        // SAFETY: the caller's promise.
        unsafe { source.take_to(self.filled.is_cold(), place, len) };
        self.size = end;
    }

    /// Makes the file `size` bytes long: cuts off the rest, also what was allocated behind
    /// the end, or adds a hole.
    /// `size` is at most [`MAX_FILE_BYTES`].
    ///
    /// # Errors
    /// ENOMEM if a hole is added to lent content: then nothing changed.
    pub(crate) fn truncate(&mut self, superblock: &Superblock, size: u64) -> Result<()> {
        debug_assert!(size <= MAX_FILE_BYTES);
        if size > self.size {
            self.prepare_for_change(superblock)?;
            self.own_last_page(superblock)?;
            self.zero_up_to(size);
        } else if size == 0 {
            self.free(superblock);
        } else if self.is_lent_whole() {
            self.shrink_lent(superblock, size);
        } else if self.height > 0 {
            self.free_pages(superblock, size.div_ceil(PAGE), u64::MAX);
        }
        self.size = size;
        Ok(())
    }

    /// Frees everything; the file is empty.
    pub(crate) fn free(&mut self, superblock: &Superblock) {
        if self.is_lent_whole() {
            self.give_back(superblock);
        } else if self.height > 0 {
            self.free_pages(superblock, 0, u64::MAX);
        } else if !self.root.is_null() {
            // SAFETY: a buffer of this capacity is what the root is.
            unsafe { dealloc(self.root, buffer_layout(1 << self.reach_log2)) };
            if 1 << self.reach_log2 == PAGE_BYTES {
                superblock.pages_freed(self.filled, 1);
            }
            superblock.uncharge(1);
            (self.root, self.pages) = (ptr::null_mut(), 0);
        }
        self.size = 0;
    }

    /// The page with number `index` and how many bytes it holds; null and 0 for none. It is
    /// not to be written to if it is lent. The content is not lent whole.
    fn page(&self, index: u64, lowest: &mut Lowest) -> (*mut u8, usize) {
        let (slot, held) = self.slot(index, lowest);
        (bytes_of(slot), held)
    }

    /// As [`page`](FileData::page), with [`LENT`] still in the address of a lent one.
    fn slot(&self, index: u64, lowest: &mut Lowest) -> (*mut u8, usize) {
        if self.height == 0 {
            let held = if self.root.is_null() || index > 0 { 0 } else { 1 << self.reach_log2 };
            return (self.root, held);
        }
        let node = lowest.find(index, || {
            if !self.reaches(index) {
                return (ptr::null_mut(), 0);
            }
            let mut node: Node = self.root.cast();
            for level in (1..self.height).rev() {
                // SAFETY: above the lowest level, a slot that is not null is a node.
                node = unsafe { *slot_of(node, index, level) }.cast();
                if node.is_null() {
                    break;
                }
            }
            (node, self.lowest_slot_bits())
        });
        if node.is_null() {
            return (ptr::null_mut(), 0);
        }
        // SAFETY: `find` gave the node of the lowest level that leads to it.
        let page = unsafe { *slot_of(node, index, 0) };
        (page, if page.is_null() { 0 } else { PAGE_BYTES })
    }

    /// The page with number `index`, made if it is missing or lent; of a new one, what lies
    /// outside `[start, start + len)` and inside the file is zeroed.
    fn page_for_write(
        &mut self,
        superblock: &Superblock,
        index: u64,
        start: usize,
        len: usize,
        lowest: &mut Lowest,
    ) -> Result<*mut u8> {
        if self.height == 0 {
            return self.buffer_for_write(superblock, start, len);
        }
        let mut node = lowest.get(index);
        if node.is_null() {
            node = self.lowest_node(index)?;
            lowest.set(index, node, self.lowest_slot_bits());
        }
        // SAFETY: the node of the lowest level that leads to it.
        let page = unsafe { &mut *slot_of(node, index, 0) };
        if page.is_null() {
            let new = superblock.charged(|| allocate(page_layout()))?;
            self.filled = superblock.page_allocated();
            let end = start + len;
            let in_file = min(self.size.saturating_sub(index * PAGE), PAGE) as usize;
            // SAFETY: both ranges are in the new page.
            unsafe {
                new.write_bytes(0, start);
                if in_file > end {
                    new.add(end).write_bytes(0, in_file - end);
                }
            }
            *page = new;
            self.pages += 1;
        } else if is_lent(*page) {
            // SAFETY: a lent page is readable as a whole.
            unsafe { own_page(superblock, page, start..start + len)? };
        }
        Ok(*page)
    }

    /// The node of the lowest level that leads to the page with number `index`, made if it
    /// is missing, with those above it. The tree is high enough for it.
    ///
    /// # Errors
    /// ENOMEM: then nodes that lead nowhere may be left.
    fn lowest_node(&mut self, index: u64) -> Result<Node> {
        let mut node: Node = self.root.cast();
        for level in (1..self.height).rev() {
            // SAFETY: above the lowest level, slots are nodes or null.
            let child = unsafe { &mut *slot_of(node, index, level) };
            if child.is_null() {
                *child = new_node(SLOT_BITS)?.cast();
            }
            node = child.cast();
        }
        Ok(node)
    }

    /// The single buffer, made or grown so that it holds `[start, start + len)`.
    fn buffer_for_write(
        &mut self,
        superblock: &Superblock,
        start: usize,
        len: usize,
    ) -> Result<*mut u8> {
        let wanted = max(start + len, SMALLEST_BUFFER).next_power_of_two();
        if self.root.is_null() {
            let new = superblock.charged(|| allocate(buffer_layout(wanted)))?;
            self.pages = 1;
            let in_file = min(self.size, wanted as u64) as usize;
            // SAFETY: the buffer has `wanted` bytes.
            unsafe { new.write_bytes(0, max(in_file, start)) };
            self.root = new;
            self.reach_log2 = wanted.trailing_zeros() as u8;
            self.note_page(superblock, wanted);
        } else {
            self.grow_buffer(superblock, wanted)?;
        }
        Ok(self.root)
    }

    /// Makes the single buffer, which is there, at least `wanted` bytes large.
    fn grow_buffer(&mut self, superblock: &Superblock, wanted: usize) -> Result<()> {
        let capacity = 1usize << self.reach_log2;
        if wanted <= capacity {
            return Ok(());
        }
        // SAFETY: the root is a buffer of `capacity` bytes; `wanted` is at most a page.
        let new = unsafe { realloc(self.root, buffer_layout(capacity), wanted) };
        if new.is_null() {
            return Err(Errno::ENOMEM);
        }
        let in_file = min(self.size, wanted as u64) as usize;
        if in_file > capacity {
            // SAFETY: the new part of the buffer; the file has a hole there.
            unsafe { new.add(capacity).write_bytes(0, in_file - capacity) };
        }
        self.root = new;
        self.reach_log2 = wanted.trailing_zeros() as u8;
        self.note_page(superblock, wanted);
        Ok(())
    }

    /// Notes that a buffer of so many bytes was allocated, if that is a page.
    fn note_page(&mut self, superblock: &Superblock, bytes: usize) {
        if bytes == PAGE_BYTES {
            self.filled = superblock.page_allocated();
        }
    }

    /// How many slots a node of the lowest level has, as a base-2 logarithm.
    fn lowest_slot_bits(&self) -> u32 {
        if self.height == 1 { self.root_slot_bits() } else { SLOT_BITS }
    }

    /// Makes the tree high and wide enough for a file of `end` bytes.
    fn make_height_for(&mut self, superblock: &Superblock, end: u64) -> Result<()> {
        if self.height == 0 && end <= PAGE {
            return Ok(());
        }
        if self.height == 0 && !self.root.is_null() {
            self.grow_buffer(superblock, PAGE_BYTES)?;
        }
        let last = (end - 1) / PAGE;
        while !self.reaches(last) {
            if self.root.is_null() {
                // Nodes between this one and nothing would lead nowhere.
                let (height, slot_bits) = tree_for(last);
                self.set_root(new_node(slot_bits)?, slot_bits, height);
            } else if self.height > 0 && self.root_slot_bits() < SLOT_BITS {
                self.widen_root()?;
            } else {
                let below = u32::from(self.height) * SLOT_BITS;
                let is_near = last >> (below + FEW_SLOT_BITS) == 0;
                let slot_bits = if is_near { FEW_SLOT_BITS } else { SLOT_BITS };
                let node = new_node(slot_bits)?;
                // SAFETY: just made, this file's alone.
                unsafe { *node = self.root };
                self.set_root(node, slot_bits, self.height + 1);
            }
        }
        Ok(())
    }

    /// Gives the root of a tree, which has few slots, all that a node has.
    fn widen_root(&mut self) -> Result<()> {
        let (few, all): (Node, Node) = (self.root.cast(), new_node(SLOT_BITS)?);
        let slot_bits = self.root_slot_bits();
        // SAFETY: both are nodes with as many slots; the old one is named here alone.
        unsafe {
            all.copy_from_nonoverlapping(few, 1 << slot_bits);
            free_node(few, slot_bits);
        }
        self.set_root(all, SLOT_BITS, self.height);
        Ok(())
    }

    fn set_root(&mut self, node: Node, slot_bits: u32, height: u8) {
        let below = u32::from(height - 1) * SLOT_BITS;
        (self.root, self.height, self.reach_log2) =
            (node.cast(), height, (below + slot_bits) as u8);
    }

    /// Base-2 logarithm of the slots of a tree's root.
    fn root_slot_bits(&self) -> u32 {
        u32::from(self.reach_log2).wrapping_sub(u32::from(self.height - 1) * SLOT_BITS)
    }

    /// Whether the tree covers the page with number `index`.
    #[inline]
    fn reaches(&self, index: u64) -> bool {
        self.height > 0 && index >> self.reach_log2 == 0
    }

    /// The tree, of which there is one.
    fn tree(&self) -> Branch {
        // SAFETY: the root of a tree of this height.
        unsafe { Branch::whole(self.root, self.root_slot_bits(), self.height) }
    }

    /// Zeroes what follows the file's end in its last page, up to `offset`.
    fn zero_up_to(&mut self, offset: u64) {
        let start = (self.size % PAGE) as usize;
        let (page, held) = self.page(self.size / PAGE, &mut Lowest::none());
        let page_start = self.size - start as u64;
        let end = min(offset - page_start, held as u64) as usize;
        if end > start {
            // SAFETY: the page holds `held` bytes.
            unsafe { page.add(start).write_bytes(0, end - start) };
        }
    }

    /// Frees the pages with numbers from `first` up to, not including, `end`, and the
    /// nodes that are left empty. The file is a tree.
    fn free_pages(&mut self, superblock: &Superblock, first: u64, end: u64) {
        let freed = self.prune(first..end, Pages::Free(superblock));
        self.pages -= freed;
        superblock.pages_freed(self.filled, freed);
        if end == u64::MAX || !planted!("punched_pages_stay_charged") {
            superblock.uncharge(freed.into());
        }
    }

    /// Frees the nodes that were made for the pages numbered `first` to `end`, if these
    /// found no room.
    fn free_empty_nodes(&mut self, first: u64, end: u64) {
        if self.height > 0 && !self.is_lent_whole() {
            self.prune(first..end, Pages::Keep);
        }
    }

    /// Prunes the whole tree, of which there is one; returns how many pages were freed.
    fn prune(&mut self, range: Range<u64>, pages: Pages<'_>) -> u32 {
        let mut freed = 0;
        // SAFETY: this file's tree, which is borrowed.
        let empty = unsafe { self.tree().prune(&range, pages, &mut freed) };
        if empty {
            // SAFETY: an empty node with as many slots, which nothing else names.
            unsafe { free_node(self.root.cast(), self.root_slot_bits()) };
            (self.root, self.height, self.reach_log2) = (ptr::null_mut(), 0, 0);
        }
        freed
    }
}

impl Drop for FileData {
    fn drop(&mut self) {
        debug_assert!(self.root.is_null(), "freed through its superblock before");
    }
}

/// A page's layout. It is not aligned to its size: an allocator would lose up to a
/// page for each; copies run from any multiple of 16 at full speed.
fn page_layout() -> Layout {
    buffer_layout(PAGE_BYTES)
}

/// The layout of a buffer of `bytes`, a power of two from 64 to a page.
fn buffer_layout(bytes: usize) -> Layout {
    debug_assert!(bytes.is_power_of_two() && bytes <= PAGE_BYTES);
    // SAFETY: the alignment is a power of two and the size far below isize::MAX.
    unsafe { Layout::from_size_align_unchecked(bytes, 16) }
}

fn allocate(layout: Layout) -> Result<*mut u8> {
    // SAFETY: no layout here has size zero.
    let block = unsafe { alloc(layout) };
    if block.is_null() { Err(Errno::ENOMEM) } else { Ok(block) }
}

#[cfg(test)]
pub(crate) mod tests_support {
    use crate::mem::Arc;
    use crate::ramdisk::Superblock;
    use crate::{Caller, Credentials, Limits, Ramdisk, Timestamp};

    /// The superblock of a ramdisk that may hold `size_bytes`.
    pub(crate) fn superblock(size_bytes: u64) -> Arc<Superblock> {
        let credentials = Credentials::default();
        let caller = Caller::new(&credentials, Timestamp::default());
        let limits = Limits { size_bytes, inodes: 100 };
        Ramdisk::new(&caller, 0o755, limits, 1, 0).unwrap().superblock.clone()
    }
}

#[cfg(test)]
mod tests;
