//! The heap, which counts this thread's bytes and can be told to fail.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's heap, but for what [`failing`] asks.
struct Heap;

#[global_allocator]
static HEAP: Heap = Heap;

/// Which allocations fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// The one with this number, from 0 on.
    Nth(usize),
    /// The one with this number and each that follows.
    From(usize),
}

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static FAILS: Cell<Option<Fails>> = const { Cell::new(None) };
    static MADE: Cell<usize> = const { Cell::new(0) };
    static FAILED: Cell<bool> = const { Cell::new(false) };
}

/// Bytes that this thread allocated and did not free.
pub fn live() -> isize {
    LIVE.get()
}

/// Does `call` while these allocations fail; and whether any did.
pub fn failing<T>(fails: Fails, call: impl FnOnce() -> T) -> (T, bool) {
    MADE.set(0);
    FAILED.set(false);
    FAILS.set(Some(fails));
    let told = call();
    FAILS.set(None);
    (told, FAILED.get())
}

fn fails() -> bool {
    let Some(fails) = FAILS.get() else { return false };
    let number = MADE.replace(MADE.get() + 1);
    let fails = match fails {
        Fails::Nth(nth) => number == nth,
        Fails::From(first) => number >= first,
    };
    FAILED.set(FAILED.get() || fails);
    fails
}

// SAFETY: hands on to the system's heap, or fails as an allocator may.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return std::ptr::null_mut();
        }
        LIVE.set(LIVE.get() + layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if fails() {
            return std::ptr::null_mut();
        }
        LIVE.set(LIVE.get() + size as isize - layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}
