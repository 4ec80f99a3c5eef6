//! SHA-256 of a file's content, read in pieces.
//!
//! The crate `sha2` asks the processor once whether it has instructions for it (CPUID, which
//! a hypervisor answers), and does without where not.

use alloc::vec::Vec;
use core::fmt;

use anchorite_syscalls::Result;
use anchorite_syscalls::api::File;
use sha2::{Digest as _, Sha256};

use crate::io::{Failure, piece};

/// A SHA-256, displayed as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What hashes files, one after the other, through one buffer.
pub struct Hasher(Vec<u8>);

impl Hasher {
    /// # Errors
    /// There is no memory for the buffer.
    pub fn new() -> core::result::Result<Hasher, Failure> {
        piece().map(Hasher)
    }

    /// The SHA-256 of what is in `file` from its offset to its end.
    ///
    /// # Errors
    /// Those of `read(2)`.
    pub fn of(&mut self, file: &File<'_>) -> Result<Digest> {
        let mut hash = Sha256::new();
        loop {
            match file.read(&mut self.0)? {
                0 => return Ok(Digest(hash.finalize().into())),
                len => hash.update(&self.0[..len]),
            }
        }
    }
}
