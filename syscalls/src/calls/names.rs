//! Making, removing and changing names: mkdir, rmdir, unlink, link, symlink, readlink,
//! rename; and listing them: getdents64; and the working directory: chdir, getcwd.

use anchorite_fs::{Access, Caller, EntryName, FileType, New, RenameMode, Sink};

use crate::node::{Files, Node};
use crate::system::System;
use crate::user::PATH_MAX;
use crate::walk::{Last, LastLink, Place, Walk};
use crate::{Errno, Result};

impl System {
    /// `mkdir(2)`: makes a directory with permissions `mode`, masked.
    ///
    /// # Errors
    /// Those of the path; EEXIST; EACCES; ENOENT in a removed directory; ENOSPC; ENOMEM.
    pub fn mkdir(&self, path: &[u8], mode: u32) -> Result<()> {
        // The set-ID bits cannot be asked for: `mkdir(2)`, VERSIONS.
        self.create(path, New::Directory, self.masked(mode) & 0o1777)
    }

    /// `symlink(2)`: makes a symbolic link at `path` that leads to `target`.
    ///
    /// # Errors
    /// ENOENT for an empty target; ENAMETOOLONG; EINVAL for a NUL inside; those of the
    /// path; EEXIST; ENOENT for a slash at the end; EACCES; ENOSPC; ENOMEM.
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> Result<()> {
        match target {
            b"" => Err(Errno::ENOENT),
            _ if target.len() >= PATH_MAX => Err(Errno::ENAMETOOLONG),
            _ if target.contains(&0) => Err(Errno::EINVAL),
            _ => self.create(path, New::Symlink(target), 0o777),
        }
    }

    /// `rmdir(2)`: removes an empty directory.
    ///
    /// # Errors
    /// Those of the path; ENOTEMPTY for `..` in last place, EINVAL for `.`, EBUSY for
    /// `/`; ENOENT; EACCES; EPERM; ENOTDIR; EBUSY for a mount point; ENOTEMPTY; ENOSYS
    /// on the host.
    pub fn rmdir(&self, path: &[u8]) -> Result<()> {
        self.as_caller(|caller| {
            let walk = self.walk_to_parent(caller, path)?;
            match walk.last() {
                Last::Name(name) => walk.place.node.rmdir(caller, name.bytes),
                Last::DotDot => Err(Errno::ENOTEMPTY),
                Last::Dot => Err(Errno::EINVAL),
                Last::Root => Err(Errno::EBUSY),
            }
        })
    }

    /// `unlink(2)`: removes a name that is no directory's. The file lives on while it is
    /// open.
    ///
    /// # Errors
    /// Those of the path; EISDIR for `.`, `..` and `/` in last place; ENOENT; ENOTDIR
    /// for a file with a slash at the end; EACCES; EPERM; EISDIR.
    pub fn unlink(&self, path: &[u8]) -> Result<()> {
        self.as_caller(|caller| {
            let walk = self.walk_to_parent(caller, path)?;
            let Last::Name(name) = walk.last() else { return Err(Errno::EISDIR) };
            if name.directory_only {
                let child = walk.child(name)?.node;
                return match child.attributes(LastLink::Stay)?.file_type {
                    FileType::Directory => Err(Errno::EISDIR),
                    _ => Err(Errno::ENOTDIR),
                };
            }
            walk.place.node.unlink(caller, name.bytes)
        })
    }

    /// `link(2)`: gives the file at `old` the further name `new`. A symbolic link in last
    /// place of `old` is itself linked, as on Linux.
    ///
    /// # Errors
    /// Those of the paths; EEXIST; ENOENT for a slash at the end of `new`; EXDEV; EACCES;
    /// EPERM for a directory; EMLINK; ENOMEM; ENOSYS on the host.
    pub fn link(&self, old: &[u8], new: &[u8]) -> Result<()> {
        self.as_caller(|caller| {
            let start = self.start(libc::AT_FDCWD, old)?;
            let target = self.walk(caller, start, old)?.finish(LastLink::Stay)?;
            let walk = self.walk_to_parent(caller, new)?;
            let name = new_name(&walk, Slash::OnlyIfDirectory)?;
            if walk.place.mount != target.mount {
                return match walk.child(name) {
                    Ok(_) => Err(Errno::EEXIST),
                    Err(Errno::ENOENT) => Err(Errno::EXDEV),
                    Err(errno) => Err(errno),
                };
            }
            walk.place.node.link(caller, name.bytes, &target.node)
        })
    }

    /// `readlink(2)`: copies the target of the symbolic link at `path`, without a NUL and
    /// cut off where `buf` ends; returns how many bytes were copied.
    ///
    /// # Errors
    /// EINVAL for an empty `buf`; those of the path; EINVAL if it is no symbolic link;
    /// ENOSYS on the host.
    pub fn readlink(&self, path: &[u8], buf: &mut [u8]) -> Result<usize> {
        self.readlink_into(path, &mut Sink::from(buf))
    }

    pub(crate) fn readlink_into(&self, path: &[u8], sink: &mut Sink<'_>) -> Result<usize> {
        if sink.remaining() == 0 {
            return Err(Errno::EINVAL);
        }
        self.as_caller(|caller| {
            let start = self.start(libc::AT_FDCWD, path)?;
            let place = self.walk(caller, start, path)?.finish(LastLink::Stay)?;
            place.node.read_link(caller, sink)
        })
    }

    /// `rename(2)`: lets the file at `old` be named `new`, in one step; what `new` named
    /// before is removed.
    ///
    /// # Errors
    /// Those of the paths; EXDEV; EBUSY for `.`, `..` and `/` in last place; ENOENT;
    /// ENOTDIR for a file with a slash at the end; EINVAL if a directory would be moved
    /// below itself; ENOTEMPTY if `new` is an ancestor of `old`; EACCES; EPERM; ENOTDIR
    /// and EISDIR if one is a directory and the other is not; EBUSY for mount points;
    /// ENOTEMPTY; ENOMEM; ENOSYS on the host.
    pub fn rename(&self, old: &[u8], new: &[u8]) -> Result<()> {
        self.as_caller(|caller| {
            let old = self.walk_to_parent(caller, old)?;
            let new = self.walk_to_parent(caller, new)?;
            if old.place.mount != new.place.mount {
                return Err(Errno::EXDEV);
            }
            let (Last::Name(old_name), Last::Name(new_name)) = (old.last(), new.last()) else {
                return Err(Errno::EBUSY);
            };
            let (old_dir, new_dir) = (&old.place.node, &new.place.node);
            old_dir.rename(caller, old_name, new_dir, new_name, RenameMode::Replace)
        })
    }

    /// `getdents64(2)`: fills `buf` with `struct linux_dirent64` records from the file
    /// offset on; returns their bytes, 0 at the end.
    ///
    /// # Errors
    /// EBADF; ENOTDIR; ENOENT if the directory was removed; EINVAL if not one record has
    /// room.
    pub fn getdents64(&self, fd: i32, buf: &mut [u8]) -> Result<usize> {
        self.getdents64_into(fd, || Ok(Sink::from(buf)))
    }

    pub(crate) fn getdents64_into<'a>(
        &self,
        fd: i32,
        sink: impl FnOnce() -> Result<Sink<'a>>,
    ) -> Result<usize> {
        let file = self.file(fd)?;
        let mut sink = sink()?;
        self.as_caller(|caller| file.list(caller, &mut sink))
    }

    /// `chdir(2)`.
    ///
    /// # Errors
    /// Those of the path; ENOTDIR; EACCES without search permission.
    pub fn chdir(&self, path: &[u8]) -> Result<()> {
        self.as_caller(|caller| {
            let start = self.start(libc::AT_FDCWD, path)?;
            let place = self.walk(caller, start, path)?.finish(LastLink::Follow)?;
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
        })
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

    fn create(&self, path: &[u8], new: New<'_>, mode: u32) -> Result<()> {
        self.as_caller(|caller| {
            let walk = self.walk_to_parent(caller, path)?;
            let slash = if new == New::Directory { Slash::Allowed } else { Slash::OnlyIfDirectory };
            let name = new_name(&walk, slash)?;
            walk.place.node.create(caller, name.bytes, new, mode)
        })
    }

    fn walk_to_parent<'a>(&'a self, caller: &'a Caller<'a>, path: &'a [u8]) -> Result<Walk<'a>> {
        let mut walk = self.walk(caller, self.start(libc::AT_FDCWD, path)?, path)?;
        walk.reach_parent()?;
        Ok(walk)
    }
}

/// Whether a new name may be followed by a slash.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slash {
    Allowed,
    OnlyIfDirectory,
}

/// The last component, as the name of something new.
///
/// # Errors
/// EEXIST for `.`, `..` and `/`; for a slash that is not allowed EEXIST if the name is
/// taken, else ENOENT.
fn new_name<'a>(walk: &'a Walk<'_>, slash: Slash) -> Result<EntryName<'a>> {
    let Last::Name(name) = walk.last() else { return Err(Errno::EEXIST) };
    if name.directory_only && slash == Slash::OnlyIfDirectory {
        return match walk.child(name) {
            Ok(_) => Err(Errno::EEXIST),
            Err(errno) => Err(errno),
        };
    }
    Ok(name)
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
