//! [`Descriptors`]: the table from descriptor numbers to open file descriptions.

use alloc::vec::Vec;

use anchorite_fs::mem::Arc;

use crate::file::OpenFile;
use crate::{Errno, Result};

/// Whether a descriptor is closed when the process starts another program. There is
/// no such call; the flag is kept for F_GETFD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnExec {
    Keep,
    Close,
}

enum Slot {
    Free,
    /// Promised to an open that is under way.
    Reserved,
    Open(Arc<OpenFile>, OnExec),
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
        match self.slot(fd) {
            Some(Slot::Open(file, _)) => Ok(file),
            _ => Err(Errno::EBADF),
        }
    }

    /// Reserves the lowest free number, which must be below `limit`.
    ///
    /// # Errors
    /// EMFILE, ENOMEM.
    pub(crate) fn reserve(&mut self, limit: usize) -> Result<i32> {
        self.reserve_from(0, limit)
    }

    /// Reserves the lowest free number that is not below `least`; it must be below `limit`.
    ///
    /// # Errors
    /// EMFILE, ENOMEM.
    pub(crate) fn reserve_from(&mut self, least: usize, limit: usize) -> Result<i32> {
        let from = self.first_free.max(least);
        let slots = self.slots.get(from..).unwrap_or_default();
        let free = slots.iter().position(|slot| matches!(slot, Slot::Free));
        let fd = free.map_or(self.slots.len().max(from), |at| from + at);
        if fd >= limit {
            return Err(Errno::EMFILE);
        }
        self.make_room(fd)?;
        self.slots[fd] = Slot::Reserved;
        if least <= self.first_free {
            self.first_free = fd + 1;
        }
        Ok(fd as i32)
    }

    /// Gives a reserved number back.
    pub(crate) fn release(&mut self, fd: i32) {
        self.set(fd, Slot::Free);
    }

    /// Makes a reserved number a descriptor of `file`.
    pub(crate) fn install(&mut self, fd: i32, file: Arc<OpenFile>, on_exec: OnExec) {
        self.set(fd, Slot::Open(file, on_exec));
    }

    /// Makes the number `fd` a descriptor of `file`; returns what it was one of.
    ///
    /// # Errors
    /// EBADF for a number that no descriptor can have; EBUSY for one that is promised to
    /// an open under way, as on Linux (`dup2(2)`); ENOMEM.
    pub(crate) fn replace(
        &mut self,
        fd: i32,
        file: Arc<OpenFile>,
        on_exec: OnExec,
        limit: usize,
    ) -> Result<Option<Arc<OpenFile>>> {
        let at = usize::try_from(fd).ok().filter(|&at| at < limit).ok_or(Errno::EBADF)?;
        self.make_room(at)?;
        if matches!(self.slots[at], Slot::Reserved) {
            return Err(Errno::EBUSY);
        }
        match self.set(fd, Slot::Open(file, on_exec)) {
            Slot::Open(former, _) => Ok(Some(former)),
            _ => Ok(None),
        }
    }

    /// Takes a descriptor out of the table.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn remove(&mut self, fd: i32) -> Result<Arc<OpenFile>> {
        self.get(fd)?;
        match self.set(fd, Slot::Free) {
            Slot::Open(file, _) => Ok(file),
            _ => Err(Errno::EBADF),
        }
    }

    /// The lowest descriptor from `first` to `last`.
    pub(crate) fn next_open(&self, first: u32, last: u32) -> Option<i32> {
        let end = self.slots.len().min(last as usize + 1);
        let slots = self.slots.get(first as usize..end)?;
        let at = slots.iter().position(|slot| matches!(slot, Slot::Open(..)))?;
        Some(first as i32 + at as i32)
    }

    /// The open file description of each descriptor.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Arc<OpenFile>> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Open(file, _) => Some(file),
            Slot::Free | Slot::Reserved => None,
        })
    }

    /// What happens to a descriptor when another program is started.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn on_exec(&mut self, fd: i32) -> Result<&mut OnExec> {
        let at = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        match self.slots.get_mut(at) {
            Some(Slot::Open(_, on_exec)) => Ok(on_exec),
            _ => Err(Errno::EBADF),
        }
    }

    fn slot(&self, fd: i32) -> Option<&Slot> {
        self.slots.get(usize::try_from(fd).ok()?)
    }

    /// Makes the table long enough for number `fd`.
    fn make_room(&mut self, fd: usize) -> Result<()> {
        if fd >= self.slots.len() {
            self.slots.try_reserve(fd + 1 - self.slots.len()).map_err(|_| Errno::ENOMEM)?;
            self.slots.resize_with(fd + 1, || Slot::Free);
        }
        Ok(())
    }

    fn set(&mut self, fd: i32, slot: Slot) -> Slot {
        let fd = fd as usize;
        if matches!(slot, Slot::Free) {
            self.first_free = self.first_free.min(fd);
        }
        core::mem::replace(&mut self.slots[fd], slot)
    }
}
