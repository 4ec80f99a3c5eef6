//! [`Descriptors`]: the table from descriptor numbers to open file descriptions.

use alloc::vec::Vec;

use anchorite_fs::mem::Arc;

use crate::file::OpenFile;
use crate::{Errno, Result};

/// Descriptors that a process may have: Linux's default of RLIMIT_NOFILE.
pub(crate) const LIMIT: usize = 1024;

enum Slot {
    Free,
    /// Promised to an open that is under way.
    Reserved,
    Open(Arc<OpenFile>),
}

/// A process's descriptors. Protected by the system's lock of the same name.
pub(crate) struct Descriptors {
    slots: Vec<Slot>,
    /// No slot below this one is free.
    first_free: usize,
}

impl Descriptors {
    pub(crate) fn new() -> Descriptors {
        Descriptors { slots: Vec::new(), first_free: 0 }
    }

    /// The open file description of descriptor `fd`.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn get(&self, fd: i32) -> Result<&Arc<OpenFile>> {
        match usize::try_from(fd).ok().and_then(|fd| self.slots.get(fd)) {
            Some(Slot::Open(file)) => Ok(file),
            _ => Err(Errno::EBADF),
        }
    }

    /// Reserves the lowest free number.
    ///
    /// # Errors
    /// EMFILE, ENOMEM.
    pub(crate) fn reserve(&mut self) -> Result<i32> {
        let from = self.first_free.min(self.slots.len());
        let free = self.slots[from..].iter().position(|slot| matches!(slot, Slot::Free));
        let fd = free.map_or(self.slots.len(), |at| from + at);
        if fd >= LIMIT {
            return Err(Errno::EMFILE);
        }
        if fd == self.slots.len() {
            self.slots.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.slots.push(Slot::Reserved);
        } else {
            self.slots[fd] = Slot::Reserved;
        }
        self.first_free = fd + 1;
        Ok(fd as i32)
    }

    /// Gives a reserved number back.
    pub(crate) fn release(&mut self, fd: i32) {
        self.set(fd, Slot::Free);
    }

    /// Makes a reserved number a descriptor of `file`.
    pub(crate) fn install(&mut self, fd: i32, file: Arc<OpenFile>) {
        self.set(fd, Slot::Open(file));
    }

    /// Takes a descriptor out of the table.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn remove(&mut self, fd: i32) -> Result<Arc<OpenFile>> {
        self.get(fd)?;
        match self.set(fd, Slot::Free) {
            Slot::Open(file) => Ok(file),
            _ => Err(Errno::EBADF),
        }
    }

    fn set(&mut self, fd: i32, slot: Slot) -> Slot {
        let fd = fd as usize;
        if matches!(slot, Slot::Free) {
            self.first_free = self.first_free.min(fd);
        }
        core::mem::replace(&mut self.slots[fd], slot)
    }
}
