//! [`Source`] and [`Sink`]: the caller's side of a transfer.
//!
//! A program's buffer is memory that the program may change at any time, from
//! another core too, so it is never a Rust slice here: only an address range that
//! bytes are copied from or to, front to back.

use core::marker::PhantomData;
use core::ptr;

/// Bytes that a call takes from its caller.
pub struct Source<'a> {
    next: *const u8,
    left: usize,
    borrowed: PhantomData<&'a [u8]>,
}

/// Room that a call fills for its caller.
pub struct Sink<'a> {
    next: *mut u8,
    left: usize,
    borrowed: PhantomData<&'a mut [u8]>,
}

impl<'a> From<&'a [u8]> for Source<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Source { next: bytes.as_ptr(), left: bytes.len(), borrowed: PhantomData }
    }
}

impl<'a> From<&'a mut [u8]> for Sink<'a> {
    fn from(bytes: &'a mut [u8]) -> Self {
        Sink { next: bytes.as_mut_ptr(), left: bytes.len(), borrowed: PhantomData }
    }
}

impl Source<'_> {
    /// The `len` bytes at `start`.
    ///
    /// # Safety
    /// They are readable for as long as the source lives. They may change meanwhile.
    pub unsafe fn from_raw(start: *const u8, len: usize) -> Self {
        Source { next: start, left: len, borrowed: PhantomData }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.left
    }

    /// Where the next byte is, for a host that copies by itself.
    pub fn as_ptr(&self) -> *const u8 {
        self.next
    }

    /// Drops all but the first `len` bytes of what is left.
    pub fn truncate(&mut self, len: usize) {
        self.left = self.left.min(len);
    }

    /// Moves as much as is left to `to`, or as fits; returns how much that was.
    pub fn copy_to(&mut self, to: &mut [u8]) -> usize {
        let len = self.left.min(to.len());
        // SAFETY: `to` has room for `len` bytes.
        unsafe { self.take(to.as_mut_ptr(), len) };
        len
    }

    /// Moves the next `len` bytes to `to`.
    ///
    /// # Safety
    /// `to` is valid for writes of `len` bytes, and `len` is at most what is left.
    pub(crate) unsafe fn take(&mut self, to: *mut u8, len: usize) {
        debug_assert!(len <= self.left);
        // SAFETY: the source is readable by its maker's promise, `to` is writable by
        // the caller's. A program may name the same memory twice, hence `copy`.
        unsafe {
            ptr::copy(self.next, to, len);
            self.next = self.next.add(len);
        }
        self.left -= len;
    }
}

impl Sink<'_> {
    /// The `len` bytes at `start`.
    ///
    /// # Safety
    /// They are writable for as long as the sink lives.
    pub unsafe fn from_raw(start: *mut u8, len: usize) -> Self {
        Sink { next: start, left: len, borrowed: PhantomData }
    }

    /// How many bytes there is still room for.
    pub fn remaining(&self) -> usize {
        self.left
    }

    /// Where the next byte goes, for a host that copies by itself.
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.next
    }

    /// Leaves room for at most `len` bytes more.
    pub fn truncate(&mut self, len: usize) {
        self.left = self.left.min(len);
    }

    /// Copies as much of `bytes` as there is room for; returns how much that was.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.left);
        // SAFETY: `bytes` is readable, and the room was checked.
        unsafe { self.put_raw(bytes.as_ptr(), len) };
        len
    }

    /// Copies the `len` bytes at `from`.
    ///
    /// # Safety
    /// They are readable, and there is room for them.
    pub(crate) unsafe fn put_raw(&mut self, from: *const u8, len: usize) {
        debug_assert!(len <= self.left);
        // SAFETY: readable by the caller's promise, writable by the maker's. A
        // program may name the same memory twice, hence `copy`.
        unsafe {
            ptr::copy(from, self.next, len);
            self.next = self.next.add(len);
        }
        self.left -= len;
    }

    /// Puts `len` zero bytes, or as many as there is room for.
    pub fn put_zeros(&mut self, len: usize) {
        let len = len.min(self.left);
        // SAFETY: there is room.
        unsafe {
            ptr::write_bytes(self.next, 0, len);
            self.next = self.next.add(len);
        }
        self.left -= len;
    }
}
