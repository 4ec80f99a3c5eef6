//! The global allocator: [`crate::memory::Heap`] behind one lock, and before it a
//! [`crate::cache::Cache`] for each core, which answers most calls without it.
//!
//! Locking: the heap's lock is a leaf.
//!
//! An allocation that finds no room is null, which fallible callers handle. For
//! the others, stable Rust panics with "memory allocation of N bytes failed";
//! [`last_failure`] lets the panic handler tell that from a program's own panic.

use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::cpu;
use crate::memory::{Heap, Shared};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

static HEAP: Shared = Shared::new(Heap::new());

/// The size of the last allocation that failed, or 0.
static LAST_FAILURE: AtomicUsize = AtomicUsize::new(0);

/// A block that grows to no more than this moves, by the core's cache, instead of asking
/// the shared heap whether it can stay.
const MOVED_BYTES_MAX: usize = 1024;

struct Allocator;

/// Adds a range of memory to the heap.
///
/// # Safety
/// The range is mapped, writable, and the heap's alone from now on.
pub unsafe fn claim(range: Range<usize>) {
    // SAFETY: by this function's contract.
    HEAP.with(|heap| unsafe { heap.claim(range) });
}

/// Adds a range of memory to the heap that is not touched before it is needed
/// ([`Heap::claim_later`]).
///
/// # Safety
/// That of [`claim`].
pub unsafe fn claim_later(range: Range<usize>) {
    // SAFETY: by this function's contract.
    HEAP.with(|heap| unsafe { heap.claim_later(range) });
}

/// Tells the heap how many cores have a cache of it.
pub fn set_cores(cores: usize) {
    HEAP.set_caches(cores);
}

/// Bytes that the heap was given.
pub fn claimed_bytes() -> usize {
    HEAP.with(|heap| heap.claimed_bytes())
}

/// Bytes that allocated blocks take; exact while other cores neither allocate nor free.
pub fn used_bytes() -> usize {
    let held: usize = cpu::all().map(|core| core.cache.held_bytes()).sum();
    HEAP.with(|heap| heap.used_bytes()).saturating_sub(held)
}

/// The size of the last allocation that failed, or 0.
pub fn last_failure() -> usize {
    LAST_FAILURE.load(Ordering::Relaxed)
}

/// Gives what this core keeps of the heap back to it, for the others.
pub fn give_back() {
    // SAFETY: this core's cache, which nothing uses in the middle of this.
    unsafe { cpu::current().cache.flush(&HEAP) };
}

// SAFETY: blocks come from `Heap`, which never hands out memory twice. A core uses its
// own cache only, from ring 3, where nothing interrupts it; a thread stays on its core.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: `GlobalAlloc`'s caller guarantees a size; see above.
        match unsafe { cpu::current().cache.allocate(layout, &HEAP) } {
            Some(block) => block.as_ptr(),
            None => {
                LAST_FAILURE.store(layout.size(), Ordering::Relaxed);
                ptr::null_mut()
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: `GlobalAlloc`'s caller guarantees where the block is from: it is not
        // null.
        unsafe {
            let block = NonNull::new_unchecked(block);
            cpu::current().cache.deallocate(block, layout, &HEAP);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: `GlobalAlloc`'s caller guarantees where the block is from.
        let stays = || HEAP.with(|heap| unsafe { heap.resize(block, layout, size) });
        let moves = layout.size() < size && size <= MOVED_BYTES_MAX;
        if !moves && stays() {
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
            } else if moves && stays() {
                return block;
            }
            new
        }
    }
}
