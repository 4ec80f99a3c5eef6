//! Stacks of threads: blocks of the heap whose lowest page is not mapped.
//!
//! Before a thread first runs on a block that is new, its core has to forget the mapping
//! of that page ([`cpu::forget_mappings`](crate::cpu::forget_mappings)). Other cores may
//! remember it, but do not run on the block. To map the page again needs nothing of the
//! kind: no core remembers that a page is missing.
//!
//! A large page that a guard was cut out of stays divided, for the next guard: the heap
//! is short of one page for each 2 MiB in which threads ever had a stack.
//!
//! Locking: the lock of the page tables comes before the heap's.

use alloc::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use core::ops::Range;
use core::ptr::NonNull;

use anchorite_syscalls::{Errno, Result};
use spin::Mutex;

use crate::paging::{Access, Frames, PageTables};

/// Bytes of a stack, its guard included.
pub const BYTES: usize = 256 << 10;
/// Bytes of a guard. Compilers touch each page of a frame in turn, so that one is enough.
pub const GUARD_BYTES: usize = 4096;

const PAGE_BYTES: usize = 4096;
const LAYOUT: Layout = match Layout::from_size_align(BYTES, PAGE_BYTES) {
    Ok(layout) => layout,
    Err(_) => panic!("a stack is whole pages"),
};

/// The page tables that all cores use.
static TABLES: Mutex<Option<PageTables>> = Mutex::new(None);

/// Keeps the page tables, for guards.
pub fn set_page_tables(tables: PageTables) {
    *TABLES.lock() = Some(tables);
}

/// Memory for a stack, and its guard, which this core may still remember as mapped.
///
/// # Errors
/// ENOMEM.
pub fn take() -> Result<NonNull<u8>> {
    // SAFETY: a layout with a size.
    let block = NonNull::new(unsafe { alloc(LAYOUT) }).ok_or(Errno::ENOMEM)?;
    map_guard(block, Access::None).map(|()| block).inspect_err(|_| {
        // SAFETY: allocated so, and still mapped as a whole.
        unsafe { dealloc(block.as_ptr(), LAYOUT) };
    })
}

/// Gives a stack back that nothing runs on any more.
pub fn give(block: NonNull<u8>) {
    // What was divided for the guard needs no memory to be mapped again.
    if map_guard(block, Access::ReadWrite).is_ok() {
        // SAFETY: `take` allocated it so, and all of it is mapped.
        unsafe { dealloc(block.as_ptr(), LAYOUT) };
    }
}

/// Where the guard of a stack lies.
pub fn guard(block: NonNull<u8>) -> Range<usize> {
    let start = block.addr().get();
    start..start + GUARD_BYTES
}

fn map_guard(block: NonNull<u8>, access: Access) -> Result<()> {
    let guard = guard(block);
    let mut tables = TABLES.lock();
    let tables = tables.as_mut().ok_or(Errno::ENOMEM)?;
    let range = guard.start as u64..guard.end as u64;
    tables.map(range, access, &mut Pages).map_err(|_| Errno::ENOMEM)
}

/// Page tables of the heap's memory, which is mapped to itself.
struct Pages;

impl Frames for Pages {
    fn take(&mut self) -> Option<u64> {
        // SAFETY: a layout with a size.
        let page = unsafe { alloc_zeroed(Layout::from_size_align(PAGE_BYTES, PAGE_BYTES).ok()?) };
        NonNull::new(page).map(|page| page.addr().get() as u64)
    }
}
