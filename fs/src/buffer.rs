//! [`Source`] and [`Sink`]: the caller's side of a transfer.
//!
//! A program's buffer is memory that the program may change at any time, from
//! another core too, so it is never a Rust slice here: only address ranges that
//! bytes are copied from or to, front to back. There is one range, or several for
//! the calls that scatter and gather.

use core::marker::PhantomData;
use core::ptr;

use crate::cold;

/// One of several ranges that a call reads from or writes to: `struct iovec`.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    start: *mut u8,
    len: usize,
}

impl Segment {
    /// The `len` bytes at `start`.
    pub const fn new(start: *mut u8, len: usize) -> Segment {
        Segment { start, len }
    }
}

/// Where a transfer is in the caller's ranges.
struct Cursor<'a> {
    next: *mut u8,
    /// Bytes left in the current range.
    here: usize,
    /// Bytes left in all.
    left: usize,
    later: &'a [Segment],
}

impl Cursor<'_> {
    /// Skips to a range with something left, if the current one is used up.
    fn settle(&mut self) {
        while self.here == 0
            && let [first, later @ ..] = self.later
        {
            (self.next, self.here, self.later) = (first.start, first.len, later);
        }
    }

    /// Calls `copy` for pieces that are `len` bytes together, with the place of each and
    /// how many bytes came before it.
    #[inline]
    fn advance(&mut self, len: usize, mut copy: impl FnMut(*mut u8, usize, usize)) {
        debug_assert!(len <= self.left);
        if len <= self.here {
            copy(self.next, 0, len);
            self.next = self.next.wrapping_add(len);
            self.here -= len;
            self.left -= len;
        } else {
            self.advance_over_ranges(len, &mut copy);
        }
    }

    /// [`advance`](Cursor::advance) beyond the current range.
    #[cold]
    #[inline(never)]
    fn advance_over_ranges(&mut self, len: usize, copy: &mut dyn FnMut(*mut u8, usize, usize)) {
        let mut done = 0;
        while done < len {
            self.settle();
            let piece = self.here.min(len - done);
            copy(self.next, done, piece);
            self.next = self.next.wrapping_add(piece);
            self.here -= piece;
            done += piece;
        }
        self.left -= len;
    }

    fn truncate(&mut self, len: usize) {
        self.left = self.left.min(len);
    }
}

/// Bytes that a call takes from its caller.
pub struct Source<'a> {
    cursor: Cursor<'a>,
    borrowed: PhantomData<&'a [u8]>,
}

/// Room that a call fills for its caller.
pub struct Sink<'a> {
    cursor: Cursor<'a>,
    borrowed: PhantomData<&'a mut [u8]>,
}

impl<'a> From<&'a [u8]> for Source<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        // SAFETY: a slice is readable while it is borrowed.
        unsafe { Source::from_raw(bytes.as_ptr(), bytes.len()) }
    }
}

impl<'a> From<&'a mut [u8]> for Sink<'a> {
    fn from(bytes: &'a mut [u8]) -> Self {
        // SAFETY: a slice is writable while it is borrowed.
        unsafe { Sink::from_raw(bytes.as_mut_ptr(), bytes.len()) }
    }
}

impl<'a> Source<'a> {
    /// The `len` bytes at `start`.
    ///
    /// # Safety
    /// They are readable for as long as the source lives. They may change meanwhile.
    pub unsafe fn from_raw(start: *const u8, len: usize) -> Self {
        let cursor = Cursor { next: start.cast_mut(), here: len, left: len, later: &[] };
        Source { cursor, borrowed: PhantomData }
    }

    /// The bytes of all `segments`, one after another.
    ///
    /// # Safety
    /// As for [`from_raw`](Source::from_raw), of each; their lengths add up to no more
    /// than `isize::MAX`.
    pub unsafe fn from_segments(segments: &'a [Segment]) -> Self {
        let left = segments.iter().map(|segment| segment.len).sum();
        let cursor = Cursor { next: ptr::null_mut(), here: 0, left, later: segments };
        Source { cursor, borrowed: PhantomData }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.cursor.left
    }

    /// Drops all but the first `len` bytes of what is left.
    pub fn truncate(&mut self, len: usize) {
        self.cursor.truncate(len);
    }

    /// Where the next bytes are and how many lie there together, for a host that
    /// copies by itself.
    pub fn piece(&mut self) -> (*const u8, usize) {
        self.cursor.settle();
        (self.cursor.next, self.cursor.here.min(self.cursor.left))
    }

    /// Passes over the next `len` bytes, or as many as are left.
    pub fn skip(&mut self, len: usize) {
        self.cursor.advance(len.min(self.cursor.left), |_, _, _| {});
    }

    /// Moves as much as is left to `to`, or as fits; returns how much that was.
    pub fn copy_to(&mut self, to: &mut [u8]) -> usize {
        let len = self.remaining().min(to.len());
        // SAFETY: `to` has room for `len` bytes.
        unsafe { self.take(to.as_mut_ptr(), len) };
        len
    }

    /// Moves the next `len` bytes to `to`.
    ///
    /// # Safety
    /// `to` is valid for writes of `len` bytes, and `len` is at most what is left.
    pub(crate) unsafe fn take(&mut self, to: *mut u8, len: usize) {
        self.cursor.advance(len, |from, done, piece| {
            // SAFETY: the source is readable by its maker's promise, `to` is writable by
            // the caller's. A program may name the same memory twice, hence `copy`.
            unsafe { ptr::copy(from, to.add(done), piece) };
        });
    }

    /// [`take`](Source::take) to memory that is in no cache, if it `is_cold`.
    ///
    /// # Safety
    /// That of `take`.
    #[inline(never)]
    pub(crate) unsafe fn take_to(&mut self, is_cold: bool, to: *mut u8, len: usize) {
        if !is_cold {
            // SAFETY: by this function's contract.
            return unsafe { self.take(to, len) };
        }
        self.cursor.advance(len, |from, done, piece| {
            // SAFETY: as there.
            unsafe { cold::copy(from, to.add(done), piece) };
        });
    }
}

impl<'a> Sink<'a> {
    /// The `len` bytes at `start`.
    ///
    /// # Safety
    /// They are writable for as long as the sink lives.
    pub unsafe fn from_raw(start: *mut u8, len: usize) -> Self {
        let cursor = Cursor { next: start, here: len, left: len, later: &[] };
        Sink { cursor, borrowed: PhantomData }
    }

    /// The bytes of all `segments`, one after another.
    ///
    /// # Safety
    /// As for [`from_raw`](Sink::from_raw), of each; their lengths add up to no more than
    /// `isize::MAX`.
    pub unsafe fn from_segments(segments: &'a [Segment]) -> Self {
        let left = segments.iter().map(|segment| segment.len).sum();
        let cursor = Cursor { next: ptr::null_mut(), here: 0, left, later: segments };
        Sink { cursor, borrowed: PhantomData }
    }

    /// How many bytes there is still room for.
    pub fn remaining(&self) -> usize {
        self.cursor.left
    }

    /// Leaves room for at most `len` bytes more.
    pub fn truncate(&mut self, len: usize) {
        self.cursor.truncate(len);
    }

    /// Where the next bytes go and how many fit there together, for a host that copies
    /// by itself.
    pub fn piece(&mut self) -> (*mut u8, usize) {
        self.cursor.settle();
        (self.cursor.next, self.cursor.here.min(self.cursor.left))
    }

    /// Takes the next `len` bytes, or as many as there is room for, as filled.
    pub fn skip(&mut self, len: usize) {
        self.cursor.advance(len.min(self.cursor.left), |_, _, _| {});
    }

    /// Copies as much of `bytes` as there is room for; returns how much that was.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.remaining());
        // SAFETY: `bytes` is readable, and the room was checked.
        unsafe { self.put_raw(bytes.as_ptr(), len) };
        len
    }

    /// Copies the `len` bytes at `from`.
    ///
    /// # Safety
    /// They are readable, and there is room for them.
    #[inline]
    pub(crate) unsafe fn put_raw(&mut self, from: *const u8, len: usize) {
        self.cursor.advance(len, |to, done, piece| {
            // SAFETY: readable by the caller's promise, writable by the maker's. A
            // program may name the same memory twice, hence `copy`.
            unsafe { ptr::copy(from.add(done), to, piece) };
        });
    }

    /// Puts `len` zero bytes, or as many as there is room for.
    pub fn put_zeros(&mut self, len: usize) {
        self.cursor.advance(len.min(self.cursor.left), |to, _, piece| {
            // SAFETY: writable by the maker's promise.
            unsafe { ptr::write_bytes(to, 0, piece) };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_filled_and_read_in_order() {
        let (mut a, mut b, mut c) = ([0u8; 3], [0u8; 0], [0u8; 5]);
        let segments = [
            Segment::new(a.as_mut_ptr(), a.len()),
            Segment::new(b.as_mut_ptr(), b.len()),
            Segment::new(c.as_mut_ptr(), c.len()),
        ];
        // SAFETY: the arrays outlive both.
        let (mut sink, mut source) =
            unsafe { (Sink::from_segments(&segments), Source::from_segments(&segments)) };
        assert_eq!(sink.remaining(), 8);
        assert_eq!(sink.put(b"ab"), 2);
        assert_eq!(sink.put(b"cdef"), 4);
        sink.put_zeros(1);
        assert_eq!(sink.piece().1, 1);
        assert_eq!(sink.put(b"xyz"), 1);
        assert_eq!(sink.remaining(), 0);

        let mut all = [0; 8];
        source.skip(1);
        assert_eq!(source.copy_to(&mut all), 7);
        assert_eq!(&all, b"bcdef\0x\0");
        assert_eq!((&a, &c), (b"abc", b"def\0x"));
    }

    #[test]
    fn a_truncated_sink_takes_no_more() {
        let mut room = [b'.'; 4];
        let mut sink = Sink::from(&mut room[..]);
        sink.truncate(2);
        assert_eq!(sink.put(b"abc"), 2);
        assert_eq!(sink.put(b"c"), 0);
        assert_eq!(&room, b"ab..");
    }

    /// A host that copies by itself is handed one run of bytes after the other.
    #[test]
    fn pieces_are_handed_over_run_by_run() {
        let (mut a, mut b) = ([1u8; 3], [2u8; 5]);
        let (first, second) = (a.as_mut_ptr(), b.as_mut_ptr());
        let segments = [Segment::new(first, a.len()), Segment::new(second, b.len())];
        // SAFETY: the arrays outlive both.
        let (mut sink, mut source) =
            unsafe { (Sink::from_segments(&segments), Source::from_segments(&segments)) };
        assert_eq!(sink.piece(), (first, 3));
        sink.skip(1);
        assert_eq!((sink.piece(), sink.remaining()), ((first.wrapping_add(1), 2), 7));
        sink.skip(2);
        assert_eq!(sink.piece(), (second, 5));
        sink.truncate(2);
        assert_eq!(sink.piece(), (second, 2));
        sink.skip(9);
        assert_eq!((sink.piece().1, sink.remaining()), (0, 0));

        assert_eq!(source.piece(), (first.cast_const(), 3));
        source.skip(3);
        assert_eq!(source.piece(), (second.cast_const(), 5));
        source.truncate(1);
        let mut rest = [0; 4];
        assert_eq!((source.piece().1, source.copy_to(&mut rest), rest), (1, 1, [2, 0, 0, 0]));
    }
}
