//! The working directory: chdir, fchdir, getcwd.

use anchorite_fs::{Access, Caller, FileType, Sink};

use crate::calls::names::is_removed;
use crate::mounts::MountRef;
use crate::node::{Files, Node};
use crate::system::System;
use crate::user::PATH_MAX;
use crate::walk::{LastLink, Place};
use crate::{Errno, Result};

impl System {
    /// `chdir(2)`.
    ///
    /// # Errors
    /// Those of the path; ENOTDIR; EACCES without search permission.
    pub fn chdir(&self, path: &[u8]) -> Result<()> {
        self.as_caller(|caller| {
            let place = self.place_at(caller, libc::AT_FDCWD, path, LastLink::Follow, 0)?;
            self.change_directory(caller, place)
        })
    }

    /// `fchdir(2)`.
    ///
    /// # Errors
    /// EBADF; ENOTDIR; EACCES without search permission.
    pub fn fchdir(&self, fd: i32) -> Result<()> {
        let file = self.file_or_path(fd)?;
        let place = file.place.as_ref().ok_or(Errno::ENOTDIR)?;
        self.as_caller(|caller| self.change_directory(caller, place.clone()))
    }

    /// `getcwd(2)`: copies the absolute path of the working directory, ended by NUL;
    /// returns its bytes, the NUL included.
    ///
    /// # Errors
    /// ENOENT if the directory was removed; ENAMETOOLONG for more than [`PATH_MAX`]
    /// bytes; ERANGE if `buf` is too small.
    pub fn getcwd(&self, buf: &mut [u8]) -> Result<usize> {
        self.getcwd_into(&mut Sink::from(buf))
    }

    pub(crate) fn getcwd_into(&self, sink: &mut Sink<'_>) -> Result<usize> {
        let mut path = BackwardPath::new();
        let place = self.working_directory();
        if is_removed(&place.node) {
            return Err(Errno::ENOENT);
        }
        let reached = self.path_of(place, &mut path)?;
        let path = path.ended_by_nul(reached)?;
        if sink.remaining() < path.len() {
            return Err(Errno::ERANGE);
        }
        Ok(sink.put(path))
    }

    /// Writes the path of `place` from the root directory, without a slash for that itself; or,
    /// if it is not below that, from the root of the tree.
    ///
    /// # Errors
    /// ENOENT for what was removed; ENAMETOOLONG.
    pub(crate) fn path_of(&self, mut place: Place, path: &mut BackwardPath) -> Result<Reached> {
        let root = self.root().clone();
        loop {
            if place.is(&root) {
                return Ok(Reached::Root);
            }
            if place.mount.begins_at(&place.node) {
                let Some(covered) = place.mount.covers() else { return Ok(Reached::Outside) };
                place = covered.place;
                if let Some(name) = covered.name {
                    name.copy(&mut |name| path.prepend(name))?;
                    place.node = Node::Ramdisk(name.directory().clone());
                }
                continue;
            }
            match &place.node {
                Node::Ramdisk(inode) => {
                    match inode.name_in_parent(&mut |name| path.prepend(name))? {
                        Some(parent) => place.node = Node::Ramdisk(parent),
                        None => {
                            if let MountRef::Further(_) = place.mount {
                                // It was moved out of what is mounted: it has no path.
                                path.clear();
                            }
                            return Ok(Reached::Outside);
                        }
                    }
                }
                Node::Proc(node) => {
                    path.prepend(node.name(&mut Default::default()))?;
                    match node.above() {
                        Some(directory) => place.node = Node::Proc(directory),
                        None => return Ok(Reached::Outside),
                    }
                }
                Node::Host(node) => {
                    let root = self.mount_of(&place.mount).root.clone();
                    let Node::Host(top) = &root else { return Ok(Reached::Outside) };
                    let below = node.below_root();
                    path.prepend_path(below.strip_prefix(top.below_root()).unwrap_or(below))?;
                    place.node = root;
                }
            }
        }
    }

    fn change_directory(&self, caller: &Caller<'_>, place: Place) -> Result<()> {
        let file_type = match place.node.file_type() {
            Some(known) => known,
            None => place.node.attributes(LastLink::Follow)?.file_type,
        };
        if file_type != FileType::Directory {
            return Err(Errno::ENOTDIR);
        }
        place.node.check(caller, Access::EXECUTE)?;
        self.set_working_directory(place);
        Ok(())
    }
}

/// Where a path begins that was written from its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// At the root directory.
    Root,
    /// Elsewhere: the root directory is not above.
    Outside,
}

/// A path that is written from its end.
pub(crate) struct BackwardPath {
    bytes: [u8; PATH_MAX],
    start: usize,
}

impl BackwardPath {
    /// Only the NUL at the end.
    pub(crate) fn new() -> BackwardPath {
        BackwardPath { bytes: [0; PATH_MAX], start: PATH_MAX - 1 }
    }

    /// The name that was put first last.
    pub(crate) fn last(&self) -> &[u8] {
        let path = &self.bytes[self.start..PATH_MAX - 1];
        path.strip_prefix(b"/").unwrap_or(path)
    }

    fn clear(&mut self) {
        self.start = PATH_MAX - 1;
    }

    pub(crate) fn prepend(&mut self, name: &[u8]) -> Result<()> {
        self.prepend_path(name)?;
        self.prepend_path(b"/")
    }

    fn prepend_path(&mut self, path: &[u8]) -> Result<()> {
        let start = self.start.checked_sub(path.len()).ok_or(Errno::ENAMETOOLONG)?;
        self.bytes[start..self.start].copy_from_slice(path);
        self.start = start;
        Ok(())
    }

    /// The path, and a NUL. As Linux does, one that does not begin at the root directory says
    /// so first.
    ///
    /// # Errors
    /// ENAMETOOLONG.
    pub(crate) fn ended_by_nul(&mut self, reached: Reached) -> Result<&[u8]> {
        if self.start == PATH_MAX - 1 {
            self.prepend_path(b"/")?;
        }
        if reached == Reached::Outside {
            self.prepend_path(b"(unreachable)")?;
        }
        Ok(&self.bytes[self.start..])
    }
}
