//! Four-level page tables that map memory to itself.
//!
//! [`PageTables::map`] takes any range of whole pages anywhere in the lower half
//! of the address space: it uses 2 MiB pages where it can, 4 KiB pages at the
//! ends, and splits a 2 MiB page when a part of it is mapped otherwise (a guard
//! page, the image's code). Every page is a user page, since everything but the
//! boot and trap stubs runs in ring 3.
//!
//! Tables come from a [`Frames`], and are read and written at their physical
//! addresses: whoever edits live tables must have them mapped to themselves.
//! Changing an entry that was in use needs a flush, which only ring 0 can do
//! (`cpu` asks the trap stub for it); adding one does not.

use core::ops::Range;
use core::sync::atomic::{Ordering, compiler_fence};

/// Bytes of a large page.
pub const LARGE_PAGE_BYTES: u64 = 2 << 20;
const PAGE_BYTES: u64 = 4096;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
/// Accessed, and dirty, from the start: nobody asks which pages were. Where KVM is page-table
/// virtualised, it maps neighbours of a page that is touched along with it only if they have
/// these, and lets who writes first read first.
const USED: u64 = 1 << 5 | 1 << 6;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What may be done with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: not mapped.
    None,
    /// Read.
    Read,
    /// Read and executed.
    ReadExecute,
    /// Read and written.
    ReadWrite,
}

impl Access {
    fn flags(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Read => PRESENT | USED | USER | NO_EXECUTE,
            Self::ReadExecute => PRESENT | USED | USER,
            Self::ReadWrite => PRESENT | USED | USER | WRITABLE | NO_EXECUTE,
        }
    }
}

/// Where page tables come from.
pub trait Frames {
    /// The address of a page that nothing else uses, all zeros, mapped to
    /// itself; `None` if there is no more.
    fn take(&mut self) -> Option<u64>;
}

/// There were no more frames; what was mapped so far stays mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfFrames;

/// A tree of page tables.
#[derive(Debug)]
pub struct PageTables {
    /// The address of the top table.
    root: u64,
}

/// A table of 512 entries.
type Table = [u64; 512];

impl PageTables {
    /// An empty tree.
    ///
    /// # Errors
    /// If there is no frame.
    pub fn new(frames: &mut impl Frames) -> Result<Self, OutOfFrames> {
        Ok(Self { root: frames.take().ok_or(OutOfFrames)? })
    }

    /// What CR3 is to be.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Maps `range` (whole pages) to itself for `access`.
    ///
    /// # Errors
    /// If the frames run out.
    pub fn map(
        &mut self,
        range: Range<u64>,
        access: Access,
        frames: &mut impl Frames,
    ) -> Result<(), OutOfFrames> {
        debug_assert!(
            range.start.is_multiple_of(PAGE_BYTES) && range.end.is_multiple_of(PAGE_BYTES)
        );
        let mut at = range.start;
        while at < range.end {
            // The rest of the large page, or of the range.
            let end =
                (at & !(LARGE_PAGE_BYTES - 1)).saturating_add(LARGE_PAGE_BYTES).min(range.end);
            let large = end - at == LARGE_PAGE_BYTES;
            let directory = self.directory(at, frames)?;
            let entry = &mut directory[index(at, 21)];
            if large && (*entry & PRESENT == 0 || *entry & LARGE != 0) {
                *entry = match access {
                    Access::None => 0,
                    _ => at | LARGE | access.flags(),
                };
            } else {
                let table = split(entry, frames)?;
                for page in (at..end).step_by(PAGE_BYTES as usize) {
                    table[index(page, 12)] = match access {
                        Access::None => 0,
                        _ => page | access.flags(),
                    };
                }
            }
            at = end;
        }
        Ok(())
    }

    /// The page directory for `address`, made if missing.
    fn directory(
        &mut self,
        address: u64,
        frames: &mut impl Frames,
    ) -> Result<&mut Table, OutOfFrames> {
        let mut table = self.root;
        for shift in [39, 30] {
            // SAFETY: a table of this tree: a page from `Frames`, which is
            // mapped to itself and used by this tree only, which is borrowed.
            let entry = unsafe { &mut (*(table as *mut Table))[index(address, shift)] };
            table = next(entry, frames)?;
        }
        // SAFETY: as above.
        Ok(unsafe { &mut *(table as *mut Table) })
    }
}

/// The table below an entry of the two upper levels, made if missing.
fn next(entry: &mut u64, frames: &mut impl Frames) -> Result<u64, OutOfFrames> {
    if *entry & PRESENT == 0 {
        *entry = frames.take().ok_or(OutOfFrames)? | PRESENT | WRITABLE | USER;
    }
    Ok(*entry & ADDRESS)
}

/// The table of 4 KiB pages below a page directory's entry; made of the large
/// page that the entry was, if it was one.
fn split<'a>(entry: &mut u64, frames: &mut impl Frames) -> Result<&'a mut Table, OutOfFrames> {
    let was = *entry;
    if was & PRESENT == 0 || was & LARGE != 0 {
        let frame = frames.take().ok_or(OutOfFrames)?;
        // SAFETY: a page of ours alone, mapped to itself.
        let table = unsafe { &mut *(frame as *mut Table) };
        if was & PRESENT != 0 {
            for (page, entry) in (0..).zip(table.iter_mut()) {
                *entry = (was & !LARGE) + page * PAGE_BYTES;
            }
        }
        // The tables may be in use, so the new one is whole before it is.
        compiler_fence(Ordering::Release);
        *entry = frame | PRESENT | WRITABLE | USER;
    }
    // SAFETY: the entry names a table of this tree, whose tree `map` borrows.
    Ok(unsafe { &mut *((*entry & ADDRESS) as *mut Table) })
}

fn index(address: u64, shift: u32) -> usize {
    (address >> shift) as usize % 512
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::vec;
    use std::vec::Vec;

    #[repr(C, align(4096))]
    struct Page([u64; 512]);

    #[derive(Default)]
    struct Heap {
        pages: Vec<Box<Page>>,
        limit: Option<usize>,
    }

    impl Frames for Heap {
        fn take(&mut self) -> Option<u64> {
            if self.limit == Some(self.pages.len()) {
                return None;
            }
            self.pages.push(Box::new(Page([0; 512])));
            self.pages.last_mut().map(|page| &raw mut **page as u64)
        }
    }

    /// What the processor would find: the flags, if `address` is mapped to
    /// itself.
    fn walk(tables: &PageTables, address: u64) -> Option<u64> {
        let mut table = tables.root();
        for shift in [39, 30, 21, 12] {
            // SAFETY: the tests' tables are pages of a living `Heap`.
            let entry = unsafe { (*(table as *const Table))[index(address, shift)] };
            if entry & PRESENT == 0 {
                return None;
            }
            assert_ne!(entry & USER, 0);
            if shift == 12 || (shift == 21 && entry & LARGE != 0) {
                assert_eq!(entry & ADDRESS, address & ADDRESS & !((1 << shift) - 1));
                return Some(entry & !ADDRESS);
            }
            table = entry & ADDRESS;
        }
        unreachable!()
    }

    fn access(tables: &PageTables, address: u64) -> Access {
        match walk(tables, address) {
            None => Access::None,
            Some(flags) => [Access::Read, Access::ReadExecute, Access::ReadWrite]
                .into_iter()
                .find(|access| access.flags() == flags & !LARGE)
                .unwrap(),
        }
    }

    const M: u64 = 1 << 20;
    const G: u64 = 1 << 30;

    #[test]
    fn memory_anywhere_is_mapped_to_itself_and_nothing_else() {
        for base in [4 * G, 4 * G + 2 * M, 5 * G - 2 * M, 512 * G - 4 * M, 1536 * G + 0x3000] {
            for len in [4096, 2 * M, 2 * M + 4096, 16 * M, G + 6 * M - 4096] {
                let mut heap = Heap::default();
                let mut tables = PageTables::new(&mut heap).unwrap();
                tables.map(base..base + len, Access::ReadWrite, &mut heap).unwrap();
                for at in [0, 4096, len / 2, len - 4096] {
                    let at = base + at.min(len - 4096);
                    assert_eq!(access(&tables, at), Access::ReadWrite, "{base:x} {len:x} {at:x}");
                }
                for at in [0, base - 4096, base + len, base + len + 2 * M, base + 512 * G] {
                    assert_eq!(access(&tables, at), Access::None, "{base:x} {len:x} {at:x}");
                }
            }
        }
    }

    #[test]
    fn sixty_four_gib_take_a_frame_for_each_gib() {
        let mut heap = Heap::default();
        let mut tables = PageTables::new(&mut heap).unwrap();
        tables.map(4 * G..68 * G, Access::ReadWrite, &mut heap).unwrap();
        assert_eq!(heap.pages.len(), 2 + 64);
        assert_ne!(walk(&tables, 67 * G).unwrap() & LARGE, 0);
    }

    #[test]
    fn a_guard_page_splits_a_large_page_and_leaves_its_neighbours() {
        let mut heap = Heap::default();
        let mut tables = PageTables::new(&mut heap).unwrap();
        tables.map(4 * G..4 * G + 8 * M, Access::ReadWrite, &mut heap).unwrap();
        let guard = 4 * G + 3 * M;
        tables.map(guard..guard + 4096, Access::None, &mut heap).unwrap();
        assert_eq!(access(&tables, guard), Access::None);
        for at in [guard - 4096, guard + 4096, 4 * G + 2 * M, 4 * G + 4 * M - 4096, 4 * G + 4 * M] {
            assert_eq!(access(&tables, at), Access::ReadWrite);
        }
        // Across a large page's end, and over what is split already.
        tables.map(guard - 4096..guard + 2 * M, Access::ReadExecute, &mut heap).unwrap();
        for (at, want) in [
            (guard - 8192, Access::ReadWrite),
            (guard - 4096, Access::ReadExecute),
            (guard, Access::ReadExecute),
            (guard + 2 * M - 4096, Access::ReadExecute),
            (guard + 2 * M, Access::ReadWrite),
        ] {
            assert_eq!(access(&tables, at), want, "{at:x}");
        }
        tables.map(4 * G..4 * G + 8 * M, Access::Read, &mut heap).unwrap();
        assert_eq!(access(&tables, guard), Access::Read);
    }

    #[test]
    fn frames_that_run_out_are_an_error() {
        for limit in 0..5 {
            let mut heap = Heap { limit: Some(limit), ..Heap::default() };
            let got = PageTables::new(&mut heap)
                .and_then(|mut tables| tables.map(4 * G..4 * G + 3 * M, Access::Read, &mut heap));
            assert_eq!(got, if limit < 4 { Err(OutOfFrames) } else { Ok(()) }, "{limit}");
        }
        let _ = vec![0];
    }
}
