//! The global allocator: [`crate::memory::Heap`] behind one lock.
//!
//! Locking: the heap's lock is a leaf.
//!
//! An allocation that finds no room is null, which fallible callers handle. For
//! the others, stable Rust panics with "memory allocation of N bytes failed";
//! [`last_failure`] lets the panic handler tell that from a program's own panic.

use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use spin::Mutex;

use crate::memory::Heap;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator(Mutex::new(Heap::new()));

/// The size of the last allocation that failed, or 0.
static LAST_FAILURE: AtomicUsize = AtomicUsize::new(0);

struct Allocator(Mutex<Heap>);

/// Adds a range of memory to the heap.
///
/// # Safety
/// The range is mapped, writable, and the heap's alone from now on.
pub unsafe fn claim(range: Range<usize>) {
    // SAFETY: by this function's contract.
    unsafe { ALLOCATOR.0.lock().claim(range) };
}

/// Bytes that the heap was given.
pub fn claimed_bytes() -> usize {
    ALLOCATOR.0.lock().claimed_bytes()
}

/// Bytes that allocated blocks take.
pub fn used_bytes() -> usize {
    ALLOCATOR.0.lock().used_bytes()
}

/// The size of the last allocation that failed, or 0.
pub fn last_failure() -> usize {
    LAST_FAILURE.load(Ordering::Relaxed)
}

// SAFETY: blocks come from `Heap`, which never hands out memory twice.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: `GlobalAlloc`'s caller guarantees a size.
        match unsafe { self.0.lock().allocate(layout) } {
            Some(block) => block.as_ptr(),
            None => {
                LAST_FAILURE.store(layout.size(), Ordering::Relaxed);
                ptr::null_mut()
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `GlobalAlloc`'s caller guarantees where the block is from.
        unsafe { self.0.lock().deallocate(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: `GlobalAlloc`'s caller guarantees where the block is from.
        if unsafe { self.0.lock().resize(block, layout, size) } {
            return block;
        }
        let Ok(wanted) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        // SAFETY: as for `alloc` and `dealloc`; two blocks do not overlap.
        unsafe {
            let new = self.alloc(wanted);
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}
