//! Making and ending descriptors: open, openat, creat, close.

use anchorite_fs::Caller;
use anchorite_fs::mem::Arc;

use crate::file::{Object, OpenFile};
use crate::node::{Files, OpenedOrLink};
use crate::system::System;
use crate::walk::{Last, Place, Walk};
use crate::{Errno, Result};

/// Flags that would change what an open means and are not there yet.
const MISSING_FLAGS: i32 = libc::O_PATH | (libc::O_TMPFILE & !libc::O_DIRECTORY);

impl System {
    /// `open(2)`: opens the file at `path`; returns the lowest free descriptor.
    /// `mode` is for a file that O_CREAT makes, and masked. Of the flags, O_APPEND,
    /// O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_TRUNC and the access mode have their
    /// effect; others are kept for F_GETFL, as on a file system that has no use for them.
    ///
    /// # Errors
    /// POSIX.1-2024 open(), ERRORS, in this order: ENOSYS for O_PATH and O_TMPFILE;
    /// EINVAL for O_CREAT with O_DIRECTORY; EMFILE; ENOMEM; those of the path (ENOENT,
    /// ENOTDIR, EACCES, ENAMETOOLONG, ELOOP); EISDIR for O_CREAT with a slash at the
    /// end; EEXIST; EISDIR; ENOTDIR; ELOOP for O_NOFOLLOW; EACCES; ENOSPC.
    pub fn open(&self, path: &[u8], flags: i32, mode: u32) -> Result<i32> {
        self.openat(libc::AT_FDCWD, path, flags, mode)
    }

    /// `openat(2)`: as [`open`](System::open), a relative path from the directory that
    /// `at` is a descriptor of.
    ///
    /// # Errors
    /// Those of [`open`](System::open); EBADF and ENOTDIR for `at` before those of the path.
    pub fn openat(&self, at: i32, path: &[u8], flags: i32, mode: u32) -> Result<i32> {
        if flags & MISSING_FLAGS != 0 {
            return Err(Errno::ENOSYS);
        }
        if flags & libc::O_CREAT != 0 && flags & libc::O_DIRECTORY != 0 {
            return Err(Errno::EINVAL);
        }
        let fd = self.descriptors.write().reserve()?;
        let opened = self.as_caller(|caller| {
            let walk = self.walk(caller, self.start(at, path)?, path)?;
            Arc::try_new(self.open_file(caller, walk, flags, self.masked(mode))?)
        });
        let mut descriptors = self.descriptors.write();
        match opened {
            Ok(file) => descriptors.install(fd, file),
            Err(errno) => {
                descriptors.release(fd);
                return Err(errno);
            }
        }
        Ok(fd)
    }

    /// `creat(2)`: opens for writing, makes the file or empties it.
    ///
    /// # Errors
    /// Those of [`open`](System::open).
    pub fn creat(&self, path: &[u8], mode: u32) -> Result<i32> {
        self.open(path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode)
    }

    /// `close(2)`.
    ///
    /// # Errors
    /// EBADF; what the host says at the last reference to a file of its own: the
    /// descriptor is closed all the same.
    pub fn close(&self, fd: i32) -> Result<()> {
        let file = self.descriptors.write().remove(fd)?;
        Arc::into_inner(file).map_or(Ok(()), OpenFile::close)
    }

    /// The open file description of `fd`.
    ///
    /// # Errors
    /// EBADF.
    pub(crate) fn file(&self, fd: i32) -> Result<Arc<OpenFile>> {
        self.descriptors.read().get(fd).cloned()
    }

    fn open_file(
        &self,
        caller: &Caller<'_>,
        mut walk: Walk<'_>,
        flags: i32,
        mode: u32,
    ) -> Result<OpenFile> {
        let create = flags & libc::O_CREAT != 0;
        let follow = flags & libc::O_NOFOLLOW == 0;
        let file = |place: Place, object: Object| {
            // Only a directory can be where another walk starts.
            let place = (!place.node.is_not_directory()).then_some(place);
            OpenFile::new(object, place, flags)
        };
        loop {
            walk.reach_parent()?;
            let name = match walk.last() {
                Last::Name(name) => name,
                Last::DotDot if !create => {
                    let place = self.parent(&walk.place)?;
                    let object = place.node.open(caller, flags)?;
                    return Ok(file(place, object));
                }
                _ if !create => {
                    let object = walk.place.node.open(caller, flags)?;
                    return Ok(file(walk.place, object));
                }
                _ if flags & libc::O_EXCL != 0 => return Err(Errno::EEXIST),
                _ => return Err(Errno::EISDIR),
            };
            if create {
                if name.directory_only {
                    return Err(Errno::EISDIR);
                }
                let mount = walk.place.mount;
                match walk.place.node.open_or_create(caller, name, flags, mode)? {
                    OpenedOrLink::Opened(node, object) => {
                        return Ok(file(Place { mount, node }, object));
                    }
                    OpenedOrLink::Link(link) if follow => walk.follow(&link)?,
                    OpenedOrLink::Link(_) => return Err(Errno::ELOOP),
                }
                continue;
            }
            let child = walk.child(name)?;
            if child.node.is_symlink() && (follow || name.directory_only) {
                walk.follow(&child.node)?;
                continue;
            }
            let directory_only = name.directory_only || flags & libc::O_DIRECTORY != 0;
            if directory_only && child.node.is_not_directory() {
                return Err(Errno::ENOTDIR);
            }
            let object = child.node.open(caller, flags)?;
            return Ok(file(child, object));
        }
    }
}
