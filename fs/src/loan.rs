//! [`Loan`]: memory that is not the ramdisk's own, and that files refer to.
//!
//! An archive that was read into memory holds the content of files already. Instead of
//! copying it, files are made to refer to it, and a page is copied when it is written to. The
//! memory is *lent*: the superblock knows its range, and counts the references to it, one for
//! each page of a file's tree and one for each file that is whole. With the last it is given
//! back to whoever lent it.
//!
//! A reference says nothing of what it belongs to: its address lies in the range. So a file
//! whose content is lent takes no more memory than one that is empty.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Range;
use core::slice;

use crate::mem::Arc;
use crate::ramdisk::Superblock;
use crate::sync::{Class, Mutex};
use crate::{Errno, Result};

/// Memory that can be lent to a ramdisk. Dropping it gives it back.
///
/// # Safety
/// [`bytes`](Lender::bytes) is always the same memory, and until the lender is dropped nobody
/// writes to it. To drop it calls nothing of this crate, nor of one above it: that may be in the
/// middle of a call.
pub unsafe trait Lender: Send + Sync {
    /// The memory.
    fn bytes(&self) -> &[u8];
}

// SAFETY: who owns a vector that is never borrowed for writing has its bytes unchanged, and
// moving the vector does not move them.
unsafe impl Lender for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

// SAFETY: shared for ever.
unsafe impl Lender for &'static [u8] {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// All that is lent to one ramdisk.
pub(crate) struct Loans(Mutex<Vec<Lent>>);

struct Lent {
    range: Range<usize>,
    /// References of files.
    files: u64,
    /// Whether a [`Loan`] refers to it.
    is_open: bool,
    lender: Box<dyn Lender>,
}

impl Loans {
    pub(crate) fn new() -> Loans {
        Loans(Mutex::new(Class::Last, Vec::new()))
    }

    /// Counts a reference to the memory that all of `bytes` lie in; false if they lie in
    /// none that is lent.
    pub(crate) fn take(&self, bytes: &[u8]) -> bool {
        let start = bytes.as_ptr().addr();
        let mut loans = self.0.lock();
        let found = loans
            .iter_mut()
            .find(|lent| lent.range.contains(&start) && bytes.len() <= lent.range.end - start);
        found.map(|lent| lent.files += 1).is_some()
    }

    /// Counts one more reference to the memory at an address that is referred to.
    pub(crate) fn take_more(&self, address: usize) {
        if let Some(lent) = self.0.lock().iter_mut().find(|lent| lent.range.contains(&address)) {
            lent.files += 1;
        }
    }

    /// Counts a reference to the memory at an address less; gives it back with the last.
    pub(crate) fn give(&self, address: usize) {
        let mut loans = self.0.lock();
        let Some(at) = loans.iter().position(|lent| lent.range.contains(&address)) else { return };
        loans[at].files -= 1;
        let returned = Self::returned(&mut loans, at);
        drop(loans);
        drop(returned); // its memory may be large, and its owner's drop anything
    }

    /// Takes out what nobody refers to any more.
    fn returned(loans: &mut Vec<Lent>, at: usize) -> Option<Lent> {
        let is_done = loans[at].files == 0 && !loans[at].is_open;
        // In order: where memory is lent twice, the first counts.
        is_done.then(|| loans.remove(at))
    }

    /// References of files to all that is lent.
    pub(crate) fn references(&self) -> u64 {
        self.0.lock().iter().map(|lent| lent.files).sum()
    }

    /// Bytes of all that is lent.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        self.0.lock().iter().map(|lent| lent.range.len() as u64).sum()
    }

    /// Counts one reference that there is not.
    #[cfg(test)]
    pub(crate) fn miscount(&self) {
        self.0.lock()[0].files += 1;
    }
}

/// Lent memory that files may be made to refer to: contents that lie in it are not copied.
/// Dropping it leaves it to the files that do.
pub struct Loan {
    superblock: Arc<Superblock>,
    bytes: *const [u8],
}

impl Loan {
    /// # Errors
    /// ENOMEM; the lender is dropped.
    pub(crate) fn new(superblock: &Arc<Superblock>, lender: Box<dyn Lender>) -> Result<Loan> {
        let superblock = superblock.clone();
        let bytes: *const [u8] = lender.bytes();
        let start = bytes.addr();
        let range = start..start + bytes.len();
        let mut loans = superblock.loans.0.lock();
        if loans.try_reserve(1).is_err() {
            drop(loans);
            return Err(Errno::ENOMEM);
        }
        loans.push(Lent { range, files: 0, is_open: true, lender });
        drop(loans);
        Ok(Loan { superblock, bytes })
    }

    /// The memory.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the lender lives at least as long as this reference to it, and its bytes
        // stay.
        unsafe { slice::from_raw_parts(self.bytes.cast(), self.bytes.len()) }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        let mut loans = self.superblock.loans.0.lock();
        let is_this = |lent: &Lent| lent.is_open && core::ptr::eq(lent.lender.bytes(), self.bytes);
        let returned = loans.iter().position(is_this).and_then(|at| {
            loans[at].is_open = false;
            Loans::returned(&mut loans, at)
        });
        drop(loans);
        drop(returned);
    }
}

// SAFETY: the bytes are shared for reading, by a lender that is `Send` and `Sync`.
unsafe impl Send for Loan {}
// SAFETY: as above.
unsafe impl Sync for Loan {}
