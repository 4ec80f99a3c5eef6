//! `malloc` and its kin, over the kernel's allocator, which wants to be told a block's size when
//! it is freed: so that is kept in front of each block.

use alloc::alloc::{alloc, alloc_zeroed, dealloc, realloc as grow};
use core::alloc::Layout;
use core::ffi::c_void;
use core::ptr::null_mut;

use super::posix::set_errno;

/// What every type is content with; and what is kept in front of a block.
const ALIGN: usize = 16;

/// The layout of a block with `len` bytes for the program.
fn layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.checked_add(ALIGN)?, ALIGN).ok()
}

/// Hands out `block`, whose layout is `layout`.
fn hand_out(block: *mut u8, layout: Layout) -> *mut c_void {
    if block.is_null() {
        set_errno(libc::ENOMEM);
        return null_mut();
    }
    // SAFETY: the block is larger than `ALIGN`, and aligned to it.
    unsafe {
        block.cast::<usize>().write(layout.size());
        block.add(ALIGN).cast()
    }
}

/// The block that was handed out as `memory`, and its layout.
///
/// # Safety
/// It was, and was not freed since.
unsafe fn taken_back(memory: *mut c_void) -> (*mut u8, Layout) {
    // SAFETY: in front of what was handed out its size is kept; both were checked then.
    unsafe {
        let block = memory.cast::<u8>().sub(ALIGN);
        (block, Layout::from_size_align_unchecked(block.cast::<usize>().read(), ALIGN))
    }
}

/// `malloc(3)`.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(len: usize) -> *mut c_void {
    let Some(layout) = layout(len) else { return too_much() };
    // SAFETY: no layout here is empty.
    hand_out(unsafe { alloc(layout) }, layout)
}

/// `calloc(3)`.
#[unsafe(no_mangle)]
extern "C" fn calloc(count: usize, len: usize) -> *mut c_void {
    let Some(layout) = count.checked_mul(len).and_then(layout) else { return too_much() };
    // SAFETY: no layout here is empty.
    hand_out(unsafe { alloc_zeroed(layout) }, layout)
}

/// `realloc(3)`.
///
/// # Safety
/// `memory` is null or was handed out and not freed since.
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(memory: *mut c_void, len: usize) -> *mut c_void {
    if memory.is_null() {
        return malloc(len);
    }
    let Some(layout) = layout(len) else { return too_much() };
    // SAFETY: by the caller; the new size was checked.
    unsafe {
        let (block, former) = taken_back(memory);
        hand_out(grow(block, former, layout.size()), layout)
    }
}

/// `free(3)`.
///
/// # Safety
/// `memory` is null or was handed out and not freed since.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(memory: *mut c_void) {
    if memory.is_null() {
        return;
    }
    // SAFETY: by the caller.
    unsafe {
        let (block, layout) = taken_back(memory);
        dealloc(block, layout);
    }
}

fn too_much() -> *mut c_void {
    set_errno(libc::ENOMEM);
    null_mut()
}
