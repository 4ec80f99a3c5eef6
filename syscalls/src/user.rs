//! [`UserMemory`]: a program's pointers are allegations; here they are checked.

use alloc::vec::Vec;
use core::ops::Range;

use anchorite_fs::{Sink, Source};
use arrayvec::ArrayVec;

use crate::{Errno, Result};

/// Bytes in the longest path, its terminating NUL included.
pub const PATH_MAX: usize = 4096;

/// The addresses that a program may name.
pub(crate) struct UserMemory {
    /// Immutable; ascending, and with a gap between any two.
    ranges: Vec<Range<usize>>,
}

impl UserMemory {
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(given: &[Range<usize>]) -> Result<UserMemory> {
        // As many as there are: a machine has a few, and two more for each core.
        let mut ranges = Vec::new();
        ranges.try_reserve_exact(given.len()).map_err(|_| Errno::ENOMEM)?;
        for range in given.iter().filter(|range| !range.is_empty()) {
            let at = ranges.partition_point(|before: &Range<usize>| before.start <= range.start);
            ranges.insert(at, range.clone());
        }
        ranges.dedup_by(|range, before| {
            // A buffer may lie across the border.
            let touch = before.end >= range.start;
            if touch {
                before.end = before.end.max(range.end);
            }
            touch
        });
        Ok(UserMemory { ranges })
    }

    /// Bytes from `address` to the end of the range that it is in; 0 if it is in none.
    fn reach(&self, address: usize) -> usize {
        let at = self.ranges.partition_point(|range| range.end <= address);
        match self.ranges.get(at) {
            Some(range) if range.start <= address => range.end - address,
            _ => 0,
        }
    }

    /// # Errors
    /// EFAULT.
    pub(crate) fn check(&self, address: usize, len: usize) -> Result<()> {
        if len == 0 || self.reach(address) >= len { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// The `len` bytes at `address`, to be read.
    ///
    /// # Errors
    /// EFAULT.
    pub(crate) fn source(&self, address: usize, len: usize) -> Result<Source<'_>> {
        self.check(address, len)?;
        // SAFETY: the range is mapped for as long as the system lives, by the contract
        // of `Platform::user_memory`.
        Ok(unsafe { Source::from_raw(core::ptr::with_exposed_provenance(address), len) })
    }

    /// The `len` bytes at `address`, to be written.
    ///
    /// # Errors
    /// EFAULT.
    pub(crate) fn sink(&self, address: usize, len: usize) -> Result<Sink<'_>> {
        self.check(address, len)?;
        // SAFETY: as in `source`.
        Ok(unsafe { Sink::from_raw(core::ptr::with_exposed_provenance_mut(address), len) })
    }

    /// Copies a string that ends in NUL.
    ///
    /// # Errors
    /// EFAULT if it leaves mapped memory; ENAMETOOLONG without a NUL in the first
    /// [`PATH_MAX`] bytes.
    pub(crate) fn string(&self, address: usize) -> Result<ArrayVec<u8, PATH_MAX>> {
        self.bounded_string(address, Errno::ENAMETOOLONG)
    }

    /// Copies a string that ends in NUL.
    ///
    /// # Errors
    /// EFAULT if it leaves mapped memory; `too_long` without a NUL in the first `ROOM` bytes.
    pub(crate) fn bounded_string<const ROOM: usize>(
        &self,
        address: usize,
        too_long: Errno,
    ) -> Result<ArrayVec<u8, ROOM>> {
        let reach = self.reach(address);
        let string = self.copied(address, reach);
        if string.len() < reach.min(ROOM) {
            return Ok(string);
        }
        Err(if reach < ROOM { Errno::EFAULT } else { too_long })
    }

    /// Copies what is at `address` up to a NUL, or to the end of mapped memory, but at most as
    /// much as a page can have before a NUL.
    ///
    /// # Errors
    /// EFAULT if nothing is mapped there.
    #[cold]
    pub(crate) fn page(&self, address: usize) -> Result<ArrayVec<u8, PATH_MAX>> {
        match self.reach(address).min(PATH_MAX - 1) {
            0 => Err(Errno::EFAULT),
            reach => Ok(self.copied(address, reach)),
        }
    }

    /// Copies `len` bytes, which are mapped, but only up to a NUL.
    #[inline]
    fn copied<const ROOM: usize>(&self, address: usize, len: usize) -> ArrayVec<u8, ROOM> {
        let mut string = ArrayVec::new();
        for at in 0..len.min(ROOM) {
            // SAFETY: inside the mapped range. Another core may write it meanwhile: the
            // volatile read takes whatever byte is there, once.
            let byte = unsafe {
                core::ptr::with_exposed_provenance::<u8>(address).add(at).read_volatile()
            };
            if byte == 0 {
                break;
            }
            string.push(byte);
        }
        string
    }

    /// Reads words at `address`.
    ///
    /// # Errors
    /// EFAULT.
    pub(crate) fn get<const N: usize>(&self, address: usize) -> Result<[usize; N]> {
        self.check(address, size_of::<[usize; N]>())?;
        let from = core::ptr::with_exposed_provenance::<[usize; N]>(address);
        // SAFETY: mapped, as in `source`; any bytes are words; a program need not align
        // them.
        Ok(unsafe { from.read_unaligned() })
    }

    /// Writes `value` at `address`.
    ///
    /// # Errors
    /// EFAULT.
    pub(crate) fn put<T: Copy>(&self, address: usize, value: &T) -> Result<()> {
        self.check(address, size_of::<T>())?;
        let to = core::ptr::with_exposed_provenance_mut::<T>(address);
        // SAFETY: mapped, as in `source`; a program need not align it.
        unsafe { to.write_unaligned(*value) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(arena: &[u8]) -> UserMemory {
        let start = arena.as_ptr().expose_provenance();
        UserMemory::new(core::slice::from_ref(&(start..start + arena.len()))).unwrap()
    }

    #[test]
    fn ranges_are_checked_to_the_byte() {
        let arena = [0u8; 64];
        let memory = memory(&arena);
        let start = arena.as_ptr() as usize;
        assert_eq!(memory.check(start, 64), Ok(()));
        assert_eq!(memory.check(start, 65), Err(Errno::EFAULT));
        assert_eq!(memory.check(start + 64, 1), Err(Errno::EFAULT));
        assert_eq!(memory.check(start - 1, 1), Err(Errno::EFAULT));
        assert_eq!(memory.check(usize::MAX, 2), Err(Errno::EFAULT));
        assert_eq!(memory.check(start, usize::MAX), Err(Errno::EFAULT));
        assert_eq!(memory.check(0, 0), Ok(()));
    }

    /// Ranges that touch were kept apart: a buffer across their border was EFAULT.
    #[test]
    fn ranges_that_touch_are_one() {
        let memory = UserMemory::new(&[300..400, 100..200, 200..300, 500..600]).unwrap();
        assert_eq!(memory.check(100, 300), Ok(()));
        assert_eq!(memory.check(100, 301), Err(Errno::EFAULT));
        assert_eq!(memory.check(150, 100), Ok(()));
        assert_eq!(memory.check(450, 1), Err(Errno::EFAULT));
        assert_eq!(memory.check(500, 100), Ok(()));
    }

    /// More than eight ranges were E2BIG, so no machine of three cores started: each has
    /// two guards.
    #[test]
    fn any_number_of_ranges_is_known() {
        let given: Vec<_> = (1..=200).rev().map(|n| n * 100..n * 100 + 50).collect();
        let memory = UserMemory::new(&given).unwrap();
        for start in (100..=20000).step_by(100) {
            assert_eq!(memory.check(start, 50), Ok(()), "{start}");
            assert_eq!(memory.check(start + 49, 1), Ok(()), "{start}");
            assert_eq!(memory.check(start + 49, 2), Err(Errno::EFAULT), "{start}");
            assert_eq!(memory.check(start + 50, 1), Err(Errno::EFAULT), "{start}");
            assert_eq!(memory.check(start - 1, 1), Err(Errno::EFAULT), "{start}");
        }
        assert_eq!(UserMemory::new(&[]).unwrap().check(1, 1), Err(Errno::EFAULT));
    }

    #[test]
    fn strings_end_at_nul_or_fail() {
        let mut arena = [b'a'; PATH_MAX + 10];
        arena[3] = 0;
        let memory = memory(&arena);
        let start = arena.as_ptr() as usize;
        assert_eq!(memory.string(start).unwrap().as_slice(), b"aaa");
        assert_eq!(memory.string(start + 4).unwrap_err(), Errno::ENAMETOOLONG);
        assert_eq!(memory.string(start + 20).unwrap_err(), Errno::EFAULT);
        assert_eq!(memory.string(0).unwrap_err(), Errno::EFAULT);
    }
}
