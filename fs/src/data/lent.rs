//! Lent content: referred to where it lies, and copied where it changes.

use core::cmp::{max, min};
use core::ops::Range;
use core::ptr;

use super::{
    FileData, LENT, LENT_WHOLE, Lowest, PAGE, Pages, SMALLEST_BUFFER, allocate, buffer_layout,
    page_layout, slot_of,
};
use crate::ramdisk::Superblock;
use crate::{Errno, MAX_FILE_BYTES, PAGE_BYTES, Result, Source};

/// The content that a file is made with. What lies in memory that is lent to the ramdisk
/// ([`Loan`](crate::Loan)) is referred to, a page at a time at least; all else is copied.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The file's length in bytes.
    pub size: u64,
    /// Its data, in ascending order and apart; what is between them is a hole.
    pub pieces: &'a [Piece<'a>],
}

/// A part of a file's content.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Where in the file it begins.
    pub offset: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl Content<'_> {
    /// # Errors
    /// EFBIG; EINVAL if a piece is not behind the one before it, or not before the end.
    fn check(&self) -> Result<()> {
        if self.size > MAX_FILE_BYTES {
            return Err(Errno::EFBIG);
        }
        let mut end = 0;
        for piece in self.pieces {
            if piece.offset < end {
                return Err(Errno::EINVAL);
            }
            end = piece.offset.checked_add(piece.bytes.len() as u64).ok_or(Errno::EINVAL)?;
        }
        if end > self.size { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

/// Whether a slot of the lowest level has a lent page.
pub(super) fn is_lent(slot: *mut u8) -> bool {
    slot.addr() & LENT != 0
}

/// The page that a slot of the lowest level has; null for none.
pub(super) fn bytes_of(slot: *mut u8) -> *mut u8 {
    slot.map_addr(|address| address & !LENT)
}

/// Puts a copy in the place of a lent page. What is `overwritten` in a moment is left out.
///
/// # Errors
/// ENOMEM: then nothing changed.
///
/// # Safety
/// `slot` has a lent page, and `overwritten` is in it.
pub(super) unsafe fn own_page(
    superblock: &Superblock,
    slot: &mut *mut u8,
    overwritten: Range<usize>,
) -> Result<()> {
    let (new, old) = (allocate(page_layout())?, bytes_of(*slot));
    // SAFETY: both are pages, and all of a lent one can be read.
    unsafe {
        new.copy_from_nonoverlapping(old, overwritten.start);
        let end = overwritten.end;
        new.add(end).copy_from_nonoverlapping(old.add(end), PAGE_BYTES - end);
    }
    *slot = new;
    superblock.loans.give(old.addr());
    Ok(())
}

impl FileData {
    pub(super) fn is_lent_whole(&self) -> bool {
        self.height == LENT_WHOLE
    }

    /// Gives an empty file its content.
    ///
    /// # Errors
    /// EFBIG, EINVAL for content that cannot be; ENOSPC, ENOMEM. The file is then empty.
    pub(crate) fn fill(&mut self, superblock: &Superblock, content: Content<'_>) -> Result<()> {
        debug_assert!(self.root.is_null() && self.size == 0);
        content.check()?;
        if let [Piece { offset: 0, bytes }] = *content.pieces
            && bytes.len() as u64 == content.size
            && content.size > 0
            && superblock.loans.take(bytes)
        {
            let pages = content.size.div_ceil(PAGE);
            superblock
                .charge(pages)
                .inspect_err(|_| superblock.loans.give(bytes.as_ptr().addr()))?;
            self.root = bytes.as_ptr().cast_mut();
            (self.size, self.pages, self.height) = (content.size, pages as u32, LENT_WHOLE);
            return Ok(());
        }
        let filled = content.pieces.iter().try_for_each(|piece| self.put(superblock, *piece));
        filled
            .and_then(|()| self.truncate(superblock, max(content.size, self.size)))
            .inspect_err(|_| self.free(superblock))
    }

    /// Adds a piece behind the end.
    fn put(&mut self, superblock: &Superblock, piece: Piece<'_>) -> Result<()> {
        let end = piece.offset + piece.bytes.len() as u64;
        let mut at = piece.offset;
        while at < end {
            let run = min(PAGE - at % PAGE, end - at);
            let bytes = &piece.bytes[(at - piece.offset) as usize..][..run as usize];
            if run < PAGE || !self.put_page(superblock, at / PAGE, bytes)? {
                let done = self.write(superblock, at, &mut Source::from(bytes))?;
                if done < bytes.len() {
                    return Err(Errno::ENOSPC);
                }
            }
            at += run;
        }
        Ok(())
    }

    /// Adds a page behind the end as a lent one; false if its bytes are not lent, or at an
    /// odd address.
    fn put_page(&mut self, superblock: &Superblock, index: u64, bytes: &[u8]) -> Result<bool> {
        if bytes.as_ptr().addr() & LENT != 0 || !superblock.loans.take(bytes) {
            return Ok(false);
        }
        let placed = superblock.charged(|| {
            // A tree even for a file of one page, since a lent page is no buffer.
            self.make_height_for(superblock, max((index + 1) * PAGE, PAGE + 1))?;
            self.place(index, bytes.as_ptr().cast_mut().map_addr(|address| address | LENT))
        });
        if let Err(errno) = placed {
            superblock.loans.give(bytes.as_ptr().addr());
            if self.height > 0 {
                self.free_empty_nodes(index, index + 1);
            }
            return Err(errno);
        }
        self.pages += 1;
        self.zero_up_to(index * PAGE);
        self.size = (index + 1) * PAGE;
        Ok(true)
    }

    /// Puts what the slot of the page `index`, which is empty, is to have there.
    fn place(&mut self, index: u64, page: *mut u8) -> Result<()> {
        let node = self.lowest_node(index)?;
        // SAFETY: a node of the lowest level.
        unsafe { *slot_of(node, index, 0) = page };
        Ok(())
    }

    /// Makes content that is lent whole a buffer or a tree, of which parts can be changed.
    ///
    /// # Errors
    /// ENOMEM: then nothing changed.
    pub(super) fn prepare_for_change(&mut self, superblock: &Superblock) -> Result<()> {
        if !self.is_lent_whole() {
            return Ok(());
        }
        let lent = self.root;
        let mut own = FileData::EMPTY;
        if self.size <= PAGE {
            let capacity = max(self.size as usize, SMALLEST_BUFFER).next_power_of_two();
            own.root = allocate(buffer_layout(capacity))?;
            own.reach_log2 = capacity.trailing_zeros() as u8;
            // SAFETY: `size` bytes are lent, and the buffer has room for them.
            unsafe { own.root.copy_from_nonoverlapping(lent, self.size as usize) };
        } else if let Err(errno) = own.refer_to(superblock, lent, self.size) {
            if own.height > 0 {
                own.prune(0..u64::MAX, Pages::Free(superblock));
            }
            return Err(errno);
        }
        (self.root, self.height, self.reach_log2) = (own.root, own.height, own.reach_log2);
        own.root = ptr::null_mut();
        superblock.loans.give(lent.addr());
        Ok(())
    }

    /// Makes an empty file a tree of the pages of `size` bytes at `lent`, which is more than
    /// a page; the last is copied where it is not whole.
    fn refer_to(&mut self, superblock: &Superblock, lent: *mut u8, size: u64) -> Result<()> {
        self.make_height_for(superblock, size)?;
        for index in 0..size.div_ceil(PAGE) {
            // SAFETY: it is in the `size` bytes.
            let bytes = unsafe { lent.add((index * PAGE) as usize) };
            let held = min(PAGE, size - index * PAGE) as usize;
            if held == PAGE_BYTES && bytes.addr() & LENT == 0 {
                self.place(index, bytes.map_addr(|address| address | LENT))?;
                superblock.loans.take_more(bytes.addr());
                continue;
            }
            let node = self.lowest_node(index)?;
            let page = allocate(page_layout())?;
            // SAFETY: the page has room; a node of the lowest level.
            unsafe {
                page.copy_from_nonoverlapping(bytes, held);
                *slot_of(node, index, 0) = page;
            }
        }
        Ok(())
    }

    /// Copies the page with number `index` if it is lent. The content is not lent whole.
    ///
    /// # Errors
    /// ENOMEM: then nothing changed.
    pub(super) fn own(&mut self, superblock: &Superblock, index: u64) -> Result<()> {
        let mut lowest = Lowest::none();
        if self.height == 0 || self.page(index, &mut lowest).0.is_null() {
            return Ok(());
        }
        // SAFETY: the look-up found a page, in this node of the lowest level.
        let page = unsafe { &mut *slot_of(lowest.get(index), index, 0) };
        if is_lent(*page) {
            // SAFETY: it is lent.
            unsafe { own_page(superblock, page, 0..0)? };
        }
        Ok(())
    }

    /// Copies the page that the file ends in, if it does not end with it and it is lent.
    ///
    /// # Errors
    /// ENOMEM: then nothing changed.
    pub(super) fn own_last_page(&mut self, superblock: &Superblock) -> Result<()> {
        if self.size.is_multiple_of(PAGE) {
            return Ok(());
        }
        self.own(superblock, self.size / PAGE)
    }

    /// Cuts content that is lent whole off at `size`, which is less than it has, and not 0.
    pub(super) fn shrink_lent(&mut self, superblock: &Superblock, size: u64) {
        let pages = size.div_ceil(PAGE) as u32;
        superblock.uncharge((self.pages - pages).into());
        (self.size, self.pages) = (size, pages);
    }

    /// Frees content that is lent whole.
    pub(super) fn give_back(&mut self, superblock: &Superblock) {
        superblock.loans.give(self.root.addr());
        superblock.uncharge(self.pages());
        (self.root, self.pages, self.height) = (ptr::null_mut(), 0, 0);
    }
}

#[cfg(test)]
mod tests;
