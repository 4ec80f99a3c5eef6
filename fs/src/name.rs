//! [`Name`]: the name in a directory entry, in 27 bytes if it is short.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::{Errno, Result};

/// Bytes in the longest name.
pub const NAME_MAX: usize = 255;

const INLINE: usize = 26;

/// A name of 1 to [`NAME_MAX`] bytes. Up to 26 are stored in place, more in a
/// block of exactly their length, whose address then stands in `bytes`.
pub(crate) struct Name {
    len: u8,
    bytes: [u8; INLINE],
}

impl Name {
    /// No name, in an entry that is to get one.
    pub(crate) const NONE: Name = Name { len: 0, bytes: [0; INLINE] };

    /// Becomes `name`, having been none. In place: a name that is moved right after it was
    /// written byte by byte waits until it is in the cache.
    ///
    /// # Errors
    /// ENAMETOOLONG, ENOMEM; then it is still none.
    #[inline]
    pub(crate) fn set(&mut self, name: &[u8]) -> Result<()> {
        debug_assert!(self.len == 0, "a name is set once");
        let len = u8::try_from(name.len()).map_err(|_| Errno::ENAMETOOLONG)?;
        if name.len() <= INLINE {
            self.bytes[..name.len()].copy_from_slice(name);
        } else {
            let mut copy = Vec::new();
            copy.try_reserve_exact(name.len()).map_err(|_| Errno::ENOMEM)?;
            copy.extend_from_slice(name);
            let block: *mut u8 = Box::into_raw(copy.into_boxed_slice()).cast();
            self.bytes[..8].copy_from_slice(&block.expose_provenance().to_ne_bytes());
        }
        self.len = len;
        Ok(())
    }

    /// # Errors
    /// Those of [`set`](Name::set).
    #[cfg(test)]
    pub(crate) fn new(name: &[u8]) -> Result<Name> {
        let mut new = Name::NONE;
        new.set(name).map(|()| new)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self.block() {
            None => &self.bytes[..self.len.into()],
            // SAFETY: the block is this name's alone, `len` bytes long, and lives
            // until the name is dropped.
            Some(block) => unsafe { core::slice::from_raw_parts(block, self.len.into()) },
        }
    }

    /// Whether it is this name.
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        if usize::from(self.len) != name.len() {
            return false;
        }
        // By words that overlap: to call a function for so few bytes takes longer than to compare them.
        match name.len() {
            0..4 => self.bytes.iter().zip(name).all(|(a, b)| a == b),
            4..8 => has_ends_of::<4>(&self.bytes, name),
            8..=16 => has_ends_of::<8>(&self.bytes, name),
            _ => self.as_bytes() == name,
        }
    }

    /// Becomes another name, or stays what it was.
    ///
    /// # Errors
    /// Those of [`set`](Name::set).
    pub(crate) fn replace(&mut self, name: &[u8]) -> Result<()> {
        if self.block().is_none() && name.len() <= INLINE {
            self.len = 0;
            return self.set(name);
        }
        let mut new = Name::NONE;
        new.set(name)?;
        *self = new;
        Ok(())
    }

    fn block(&self) -> Option<*mut u8> {
        if usize::from(self.len) <= INLINE {
            return None;
        }
        let [a, b, c, d, e, f, g, h, ..] = self.bytes;
        let address = usize::from_ne_bytes([a, b, c, d, e, f, g, h]);
        Some(core::ptr::with_exposed_provenance_mut(address))
    }
}

/// Whether what `bytes` begin with, as long as `name`, has the same first and last `N` bytes as that.
fn has_ends_of<const N: usize>(bytes: &[u8; INLINE], name: &[u8]) -> bool {
    let ends = |piece: &[u8]| Some((*piece.first_chunk::<N>()?, *piece.last_chunk::<N>()?));
    bytes.get(..name.len()).is_some_and(|own| ends(own) == ends(name))
}

impl Drop for Name {
    fn drop(&mut self) {
        if let Some(block) = self.block() {
            let slice = core::ptr::slice_from_raw_parts_mut(block, self.len.into());
            // SAFETY: `set` made the block as a boxed slice of this length.
            drop(unsafe { Box::from_raw(slice) });
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().escape_ascii().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_length_come_back() {
        let long = [b'x'; NAME_MAX + 1];
        for len in 1..=NAME_MAX {
            assert_eq!(Name::new(&long[..len]).unwrap().as_bytes(), &long[..len]);
        }
        assert_eq!(Name::new(&long).unwrap_err(), Errno::ENAMETOOLONG);
    }

    #[test]
    fn a_name_is_none_that_differs_in_any_byte() {
        for len in 1..=NAME_MAX {
            let bytes: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let name = Name::new(&bytes).unwrap();
            assert!(name.is(&bytes), "{len}");
            assert!(!name.is(&bytes[1..]) && !name.is(&[&bytes[..], b"x"].concat()), "{len}");
            for at in 0..len {
                let mut other = bytes.clone();
                other[at] ^= 0x80;
                assert!(!name.is(&other), "{len}, {at}");
            }
        }
    }

    #[test]
    fn a_name_becomes_another_or_stays() {
        let long = [b'x'; NAME_MAX + 1];
        let mut name = Name::new(b"short").unwrap();
        for other in [&long[..INLINE + 1], b"y", &long[..NAME_MAX], &long[..INLINE]] {
            name.replace(other).unwrap();
            assert_eq!(name.as_bytes(), other);
            assert_eq!(name.replace(&long), Err(Errno::ENAMETOOLONG));
            assert_eq!(name.as_bytes(), other);
        }
    }

    #[test]
    fn a_name_takes_27_bytes() {
        assert_eq!(size_of::<Name>(), 27);
    }
}
