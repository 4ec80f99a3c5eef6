//! [`NameRef`]: one of the names of a file, which a mount may cover.
//!
//! A directory has one name, so that its inode says all. A file that is none may have several, and
//! something that is mounted over it covers one of them. It is known by its directory and
//! the cookie of its entry, which keeps it when it is renamed there, so that a hash of the name tells
//! that before it is covered. After that it is neither removed nor renamed, and cookies are not used
//! again.

use alloc::vec::Vec;

use crate::inode::{Inode, InodeNo, InodeRef};
use crate::mem::Arc;
use crate::sync::{Class, Mutex};
use crate::{Errno, Result};

/// One of the names of a file that is no directory.
#[derive(Clone)]
pub struct NameRef {
    directory: InodeRef,
    cookie: u64,
    /// Of the bytes that it had when it was found.
    hash: u32,
}

impl NameRef {
    /// The name `name` in `directory`; none if that is not one of `file`'s.
    pub fn find(directory: &InodeRef, name: &[u8], file: &Inode) -> Option<NameRef> {
        let state = directory.state.read();
        let entries = state.directory().ok()?;
        let hash = directory.superblock.hash(name);
        let slot = entries.find(|| hash, name)?;
        let is_its = core::ptr::eq::<Inode>(&**entries.child(slot), file);
        let cookie = entries.cookie(slot);
        is_its.then(|| NameRef { directory: directory.clone(), cookie, hash })
    }

    /// The directory that it is in.
    pub fn directory(&self) -> &InodeRef {
        &self.directory
    }

    /// A number that no other name in its directory has, nor will have but for this one's next if it
    /// is renamed there.
    pub fn number(&self) -> u64 {
        self.cookie
    }

    /// Gives its bytes to `copy`.
    ///
    /// # Errors
    /// ENOENT if it was removed or moved to another directory; what `copy` says.
    pub fn copy(&self, copy: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let state = self.directory.state.read();
        let (name, _) = state.directory()?.at_cookie(self.cookie).ok_or(Errno::ENOENT)?;
        copy(name)
    }

    /// Lets `mount` mount something over this name of `file`, which
    /// [counts](Inode::count_mount) it. The name is neither removed nor renamed meanwhile.
    ///
    /// # Errors
    /// ENOENT if it is not the file's any more, or was renamed; what `mount` says.
    pub fn cover<T>(&self, file: &InodeRef, mount: impl FnOnce() -> Result<T>) -> Result<T> {
        let state = self.directory.state.read();
        match state.directory()?.at_cookie(self.cookie) {
            Some((name, child))
                if Arc::ptr_eq(child, file)
                    && self.directory.superblock.hash(name) == self.hash =>
            {
                mount()
            }
            _ => Err(Errno::ENOENT),
        }
    }

    fn entry(&self) -> (InodeNo, u64) {
        (self.directory.number(), self.cookie)
    }
}

/// The names of files that are covered in any mount of a ramdisk, each as often as it is.
pub(crate) struct CoveredNames(Mutex<Vec<Covered>>);

#[derive(PartialEq, Eq)]
struct Covered {
    file: InodeNo,
    /// The directory and the cookie of the entry. None for a mount over what is mounted already,
    /// which is by no name: all are busy then.
    entry: Option<(InodeNo, u64)>,
}

impl CoveredNames {
    pub(crate) fn new() -> CoveredNames {
        CoveredNames(Mutex::new(Class::Last, Vec::new()))
    }

    /// # Errors
    /// ENOMEM.
    #[cold]
    pub(crate) fn add(&self, file: InodeNo, name: Option<&NameRef>) -> Result<()> {
        let mut names = self.0.lock();
        names.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        names.push(Covered { file, entry: name.map(NameRef::entry) });
        Ok(())
    }

    #[cold]
    pub(crate) fn remove(&self, file: InodeNo, name: Option<&NameRef>) {
        let covered = Covered { file, entry: name.map(NameRef::entry) };
        let mut names = self.0.lock();
        if let Some(at) = names.iter().position(|other| *other == covered) {
            names.swap_remove(at);
        }
    }

    /// Whether the name of `file` with this cookie in `directory` is covered.
    #[cold]
    pub(crate) fn include(&self, directory: InodeNo, cookie: u64, file: InodeNo) -> bool {
        let is_it = |covered: &Covered| {
            covered.file == file && covered.entry.is_none_or(|entry| entry == (directory, cookie))
        };
        self.0.lock().iter().any(is_it)
    }
}
