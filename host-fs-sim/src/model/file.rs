//! [`Content`]: the bytes of a regular file, as a map from page numbers to pages.

use std::collections::BTreeMap;

/// Bytes in a page.
pub const PAGE: u64 = 4096;

/// The largest size of a file: one offset further would be no `off_t`.
pub const MAX_SIZE: u64 = i64::MAX as u64;

/// What is in a regular file. A page that is missing is a hole; of one that is there the
/// bytes not kept are zeros. Nothing but zeros is behind the end.
#[derive(Clone, Debug, Default)]
pub struct Content {
    size: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl Content {
    /// Bytes up to the end.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many pages are allocated.
    pub fn pages(&self) -> u64 {
        self.pages.len() as u64
    }

    /// Up to `len` bytes from `offset` on; fewer at the end.
    pub fn read(&self, offset: u64, len: usize) -> Vec<u8> {
        let end = self.size.min(offset.saturating_add(len as u64));
        if offset >= end {
            return Vec::new();
        }
        let mut bytes = vec![0; (end - offset) as usize];
        for (&number, page) in self.pages.range(offset / PAGE..=(end - 1) / PAGE) {
            let start = number * PAGE;
            let (from, to) = (offset.max(start), end.min(start + page.len() as u64));
            if from < to {
                let found = &page[(from - start) as usize..(to - start) as usize];
                bytes[(from - offset) as usize..(to - offset) as usize].copy_from_slice(found);
            }
        }
        bytes
    }

    /// Writes `bytes` at `offset`, page by page, as long as there are pages: `free` may be
    /// added. Returns how many bytes were written.
    pub fn write(&mut self, offset: u64, bytes: &[u8], mut free: u64) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let in_page = (at % PAGE) as usize;
            let run = (PAGE as usize - in_page).min(bytes.len() - done);
            if !self.pages.contains_key(&(at / PAGE)) {
                if free == 0 {
                    break;
                }
                free -= 1;
            }
            let page = self.pages.entry(at / PAGE).or_default();
            if page.len() < in_page + run {
                page.resize(in_page + run, 0);
            }
            page[in_page..in_page + run].copy_from_slice(&bytes[done..done + run]);
            done += run;
            self.size = self.size.max(at + run as u64);
        }
        done
    }

    /// Makes the file `size` bytes long. A file that does not become longer loses all that
    /// is behind its new end, also what was allocated there.
    pub fn truncate(&mut self, size: u64) {
        if size <= self.size {
            self.pages.split_off(&size.div_ceil(PAGE));
            if let Some(page) = self.pages.get_mut(&(size / PAGE)) {
                page.truncate((size % PAGE) as usize);
            }
        }
        self.size = size;
    }

    /// How many pages of `[offset, end)` are not allocated.
    pub fn missing(&self, offset: u64, end: u64) -> u64 {
        let pages = offset / PAGE..end.div_ceil(PAGE);
        pages.end - pages.start - self.pages.range(pages).count() as u64
    }

    /// Allocates the pages of `[offset, end)`; the size stays.
    pub fn allocate(&mut self, offset: u64, end: u64) {
        for number in offset / PAGE..end.div_ceil(PAGE) {
            self.pages.entry(number).or_default();
        }
    }

    /// Makes `[offset, end)` a hole; the size stays. Pages that are wholly inside are freed;
    /// so is the page of an `end` that is not before the file's end.
    pub fn punch(&mut self, offset: u64, end: u64) {
        let end = if end >= self.size { end.next_multiple_of(PAGE) } else { end };
        let touched: Vec<u64> = self
            .pages
            .range(offset / PAGE..end.div_ceil(PAGE))
            .map(|(number, _)| *number)
            .collect();
        for number in touched {
            let start = number * PAGE;
            if offset <= start && start + PAGE <= end {
                self.pages.remove(&number);
            } else if let Some(page) = self.pages.get_mut(&number) {
                let (from, to) = (offset.max(start) - start, end.min(start + PAGE) - start);
                let kept = page.len();
                page[kept.min(from as usize)..kept.min(to as usize)].fill(0);
            }
        }
    }

    /// The first allocated byte from `offset` on, before the end: SEEK_DATA.
    pub fn data(&self, offset: u64) -> Option<u64> {
        let (number, _) = self.pages.range(offset / PAGE..).next()?;
        Some(offset.max(number * PAGE)).filter(|&found| found < self.size)
    }

    /// The first byte from `offset` on that is not allocated; the end is a hole: SEEK_HOLE.
    pub fn hole(&self, offset: u64) -> Option<u64> {
        if offset >= self.size {
            return None;
        }
        let mut number = offset / PAGE;
        while self.pages.contains_key(&number) {
            number += 1;
        }
        Some(offset.max(number * PAGE).min(self.size))
    }
}
