//! The working directory: chdir, fchdir, getcwd.

use anchorite_fs::{Access, Caller, FileType, Sink};

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
        let mut place = self.working_directory();
        loop {
            let parent = match &place.node {
                Node::Ramdisk(inode) => inode.name_in_parent(&mut |name| path.prepend(name))?,
                Node::Host(node) => {
                    path.prepend_path(node.below_root())?;
                    None
                }
            };
            place = match parent {
                Some(parent) => Place { mount: place.mount, node: Node::Ramdisk(parent) },
                None => match self.mount_point(place.mount) {
                    Some(mount_point) => mount_point,
                    None => break,
                },
            };
        }
        let path = path.ended_by_nul();
        if sink.remaining() < path.len() {
            return Err(Errno::ERANGE);
        }
        Ok(sink.put(path))
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

/// A path that is written from its end.
struct BackwardPath {
    bytes: [u8; PATH_MAX],
    start: usize,
}

impl BackwardPath {
    /// Only the NUL at the end.
    fn new() -> BackwardPath {
        BackwardPath { bytes: [0; PATH_MAX], start: PATH_MAX - 1 }
    }

    fn prepend(&mut self, name: &[u8]) -> Result<()> {
        self.prepend_path(name)?;
        self.prepend_path(b"/")
    }

    fn prepend_path(&mut self, path: &[u8]) -> Result<()> {
        let start = self.start.checked_sub(path.len()).ok_or(Errno::ENAMETOOLONG)?;
        self.bytes[start..self.start].copy_from_slice(path);
        self.start = start;
        Ok(())
    }

    fn ended_by_nul(&mut self) -> &[u8] {
        if self.start == PATH_MAX - 1 {
            self.start -= 1;
            self.bytes[self.start] = b'/';
        }
        &self.bytes[self.start..]
    }
}
