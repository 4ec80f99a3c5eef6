//! Making, removing and changing names: mkdir, mknod, rmdir, unlink, link, symlink, readlink,
//! rename, each also relative to a directory's descriptor; listing them: getdents64.

use anchorite_fs::{Caller, EntryName, FileType, Inode, Left, New, RenameMode, Sink};

use crate::abi::Dirent;
use crate::node::{Files, Node};
use crate::system::{Parent, System};
use crate::user::PATH_MAX;
use crate::walk::{Last, LastLink, Path, Place, Walk};
use crate::{Errno, Result, in_place};

impl System {
    /// `mkdir(2)`: makes a directory with permissions `mode`, masked.
    ///
    /// # Errors
    /// Those of the path; EEXIST; EACCES; ENOENT in a removed directory; ENOSPC; ENOMEM.
    pub fn mkdir(&self, path: &[u8], mode: u32) -> Result<()> {
        self.mkdirat(libc::AT_FDCWD, path, mode)
    }

    /// `mkdirat(2)`: as [`mkdir`](System::mkdir), a relative path from the directory `at`.
    ///
    /// # Errors
    /// Those of [`mkdir`](System::mkdir); EBADF and ENOTDIR for `at`.
    pub fn mkdirat(&self, at: i32, path: &[u8], mode: u32) -> Result<()> {
        // The set-ID bits cannot be asked for: `mkdir(2)`, VERSIONS.
        self.create(at, path, New::Directory, mode & 0o1777)
    }

    /// `mknod(2)`: makes an empty file, a fifo, a socket or a device, as the type in `mode`
    /// says (none means a file), with the permissions there, masked. `device` is the number
    /// of a device, packed as `makedev(3)` does.
    ///
    /// A socket is a name and attributes, and so is a device that has no driver: to open it is
    /// ENXIO. [`open`](System::open) tells of which devices there are.
    ///
    /// # Errors
    /// EPERM for a directory, EINVAL for another type; those of the path; EEXIST; ENOENT for a
    /// slash at the end; EACCES; EPERM for a device unless the user is root, but for the
    /// whiteout, the character device 0; ENOSPC; ENOMEM; ENOSYS on the host.
    pub fn mknod(&self, path: &[u8], mode: u32, device: u32) -> Result<()> {
        self.mknodat(libc::AT_FDCWD, path, mode, device)
    }

    /// `mknodat(2)`: as [`mknod`](System::mknod), a relative path from the directory `at`.
    ///
    /// # Errors
    /// Those of [`mknod`](System::mknod); EBADF and ENOTDIR for `at`.
    pub fn mknodat(&self, at: i32, path: &[u8], mode: u32, device: u32) -> Result<()> {
        self.create(at, path, new_node(mode, device)?, mode & 0o7777)
    }

    /// `symlink(2)`: makes a symbolic link at `path` that leads to `target`.
    ///
    /// # Errors
    /// ENOENT for an empty target; ENAMETOOLONG; EINVAL for a NUL inside; those of the
    /// path; EEXIST; ENOENT for a slash at the end; EACCES; ENOSPC; ENOMEM.
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> Result<()> {
        self.symlinkat(target, libc::AT_FDCWD, path)
    }

    /// `symlinkat(2)`: as [`symlink`](System::symlink), a relative path from `at`.
    ///
    /// # Errors
    /// Those of [`symlink`](System::symlink); EBADF and ENOTDIR for `at`.
    pub fn symlinkat(&self, target: &[u8], at: i32, path: &[u8]) -> Result<()> {
        match target {
            b"" => Err(Errno::ENOENT),
            _ if target.len() >= PATH_MAX => Err(Errno::ENAMETOOLONG),
            _ if target.contains(&0) => Err(Errno::EINVAL),
            _ => self.create(at, path, New::Symlink(target), 0o777),
        }
    }

    /// `rmdir(2)`: removes an empty directory.
    ///
    /// # Errors
    /// Those of the path; ENOTEMPTY for `..` in last place, EINVAL for `.`, EBUSY for
    /// `/`; ENOENT; EACCES; EPERM; ENOTDIR; EBUSY for a mount point; ENOTEMPTY; ENOSYS
    /// on the host.
    pub fn rmdir(&self, path: &[u8]) -> Result<()> {
        self.unlinkat(libc::AT_FDCWD, path, libc::AT_REMOVEDIR)
    }

    /// `unlink(2)`: removes a name that is no directory's. The file lives on while it is
    /// open.
    ///
    /// # Errors
    /// Those of the path; EISDIR for `.`, `..` and `/` in last place; ENOENT; ENOTDIR
    /// for a file with a slash at the end; EACCES; EPERM; EISDIR.
    pub fn unlink(&self, path: &[u8]) -> Result<()> {
        self.unlinkat(libc::AT_FDCWD, path, 0)
    }

    /// `unlinkat(2)`: as [`unlink`](System::unlink), or as [`rmdir`](System::rmdir) with
    /// AT_REMOVEDIR, a relative path from `at`.
    ///
    /// # Errors
    /// EINVAL for other flags; EBADF and ENOTDIR for `at`; those of the other two.
    pub fn unlinkat(&self, at: i32, path: &[u8], flags: i32) -> Result<()> {
        match flags {
            0 => self.unlink_from(at, path),
            libc::AT_REMOVEDIR => self.rmdir_from(at, path),
            _ => Err(Errno::EINVAL),
        }
    }

    /// `link(2)`: gives the file at `old` the further name `new`. A symbolic link in last
    /// place of `old` is itself linked, as on Linux.
    ///
    /// # Errors
    /// Those of the paths; EEXIST; ENOENT for a slash at the end of `new`; EXDEV; EACCES;
    /// EPERM for a directory; EMLINK; ENOMEM; ENOSYS on the host.
    pub fn link(&self, old: &[u8], new: &[u8]) -> Result<()> {
        self.linkat(libc::AT_FDCWD, old, libc::AT_FDCWD, new, 0)
    }

    /// `linkat(2)`: as [`link`](System::link), relative paths from `old_at` and `new_at`;
    /// with AT_SYMLINK_FOLLOW a symbolic link is followed, with AT_EMPTY_PATH an empty
    /// `old` means what `old_at` is a descriptor of.
    ///
    /// # Errors
    /// EINVAL for other flags; EBADF and ENOTDIR for the descriptors; those of
    /// [`link`](System::link).
    pub fn linkat(
        &self,
        old_at: i32,
        old: &[u8],
        new_at: i32,
        new: &[u8],
        flags: i32,
    ) -> Result<()> {
        if flags & !(libc::AT_SYMLINK_FOLLOW | libc::AT_EMPTY_PATH) != 0 {
            return Err(Errno::EINVAL);
        }
        let last_link = match flags & libc::AT_SYMLINK_FOLLOW {
            0 => LastLink::Stay,
            _ => LastLink::Follow,
        };
        let notified = self.notified_in_order();
        self.as_caller(|caller| {
            let target = self.place_at(caller, old_at, old, last_link, flags)?;
            let mut walk = self.walk(caller, new_at, Path::new(new)?);
            let walk = at_parent(&mut walk)?;
            let name = new_name(walk, Slash::OnlyIfDirectory)?;
            self.check_creatable(walk)?;
            if !walk.place.mount.is(&target.mount) {
                return Err(would_create(walk, Errno::EXDEV));
            }
            let node = &walk.place.node;
            match &notified {
                None => node.link(caller, name.bytes, &target.node),
                Some(told) => told.notified.link(caller, node, name.bytes, &target.node),
            }
        })
    }

    /// `readlink(2)`: copies the target of the symbolic link at `path`, without a NUL and
    /// cut off where `buf` ends; returns how many bytes were copied.
    ///
    /// # Errors
    /// EINVAL for an empty `buf`; those of the path; EINVAL if it is no symbolic link;
    /// ENOSYS on the host.
    pub fn readlink(&self, path: &[u8], buf: &mut [u8]) -> Result<usize> {
        self.readlinkat(libc::AT_FDCWD, path, buf)
    }

    /// `readlinkat(2)`: as [`readlink`](System::readlink), a relative path from `at`; an
    /// empty one means what `at` is a descriptor of.
    ///
    /// # Errors
    /// Those of [`readlink`](System::readlink); EBADF and ENOTDIR for `at`; ENOENT for an
    /// empty path if that is no symbolic link.
    pub fn readlinkat(&self, at: i32, path: &[u8], buf: &mut [u8]) -> Result<usize> {
        if buf.is_empty() {
            return Err(Errno::EINVAL);
        }
        self.readlink_into(at, path, || Ok(Sink::from(buf)))
    }

    /// Copies the target to what `sink` gives, which is asked once there is a link.
    pub(crate) fn readlink_into<'a>(
        &self,
        at: i32,
        path: &[u8],
        sink: impl FnOnce() -> Result<Sink<'a>>,
    ) -> Result<usize> {
        self.as_caller(|caller| {
            if let Some((mount, inode)) = self.found_alone(caller, at, path, LastLink::Stay)? {
                if Inode::file_type(inode) != FileType::Symlink {
                    return Err(Errno::EINVAL);
                }
                let caller = self.caller_in(caller, mount, inode);
                return inode.read_link(&caller, &mut sink()?);
            }
            let flags = libc::AT_EMPTY_PATH;
            let mut place = self.place_at(caller, at, path, LastLink::Stay, flags);
            let place = in_place(&mut place)?;
            if path.is_empty() && !place.node.is_symlink() {
                return Err(Errno::ENOENT);
            }
            if place.node.file_type().is_some_and(|known| known != FileType::Symlink) {
                return Err(Errno::EINVAL);
            }
            if let Node::Proc(link) = &place.node {
                return link.target(self, caller, &mut sink()?);
            }
            let caller = self.caller_in(caller, &place.mount, &place.node);
            place.node.read_link(&caller, &mut sink()?)
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
        self.renameat2(libc::AT_FDCWD, old, libc::AT_FDCWD, new, 0)
    }

    /// `renameat2(2)`: as [`rename`](System::rename), relative paths from `old_at` and
    /// `new_at`; with RENAME_NOREPLACE `new` must not exist, with RENAME_EXCHANGE the two
    /// are exchanged, with RENAME_WHITEOUT a whiteout is left in the old place.
    ///
    /// # Errors
    /// EINVAL for other flags, or RENAME_EXCHANGE with another; EBADF and ENOTDIR for the descriptors; those of
    /// [`rename`](System::rename); EEXIST.
    pub fn renameat2(
        &self,
        old_at: i32,
        old: &[u8],
        new_at: i32,
        new: &[u8],
        flags: u32,
    ) -> Result<()> {
        let left = match flags & libc::RENAME_WHITEOUT {
            0 => Left::Nothing,
            _ => Left::Whiteout,
        };
        let mode = match flags & !libc::RENAME_WHITEOUT {
            0 => RenameMode::Replace,
            libc::RENAME_NOREPLACE => RenameMode::NoReplace,
            libc::RENAME_EXCHANGE if left == Left::Nothing => RenameMode::Exchange,
            _ => return Err(Errno::EINVAL),
        };
        let notified = self.notified_in_order();
        self.as_caller(|caller| {
            if notified.is_none()
                && let Some((old, new)) = self.parents_alone(caller, (old_at, old), (new_at, new))
            {
                let plain = |bytes| EntryName { bytes, directory_only: false };
                let (old_name, new_name) = (plain(old.name), plain(new.name));
                let (old, new) = (&old.directory, &new.directory);
                return anchorite_fs::rename(caller, old, old_name, new, new_name, mode, left);
            }
            let mut old = self.walk(caller, old_at, Path::new(old)?);
            let old = at_parent(&mut old)?;
            old.stay();
            // The rename checks it again; what is wrong with the new path comes after.
            old.check_name_searchable()?;
            let mut new = self.walk(caller, new_at, Path::new(new)?);
            let new = at_parent(&mut new)?;
            new.check_name_searchable()?;
            let (old_dir, new_dir): (&Place, &Place) = (&old.place, &new.place);
            if !old_dir.mount.is(&new_dir.mount) {
                return Err(Errno::EXDEV);
            }
            let Some(old_name) = old.last_name() else { return Err(Errno::EBUSY) };
            let Some(new_name) = new.last_name() else {
                let exists = mode == RenameMode::NoReplace;
                return Err(if exists { Errno::EEXIST } else { Errno::EBUSY });
            };
            self.check_writable(old_dir)?;
            let (old_dir, new_dir) = (&old_dir.node, &new_dir.node);
            match &notified {
                None => old_dir.rename(caller, old_name, new_dir, new_name, (mode, left)),
                Some(told) => {
                    let (old, new) = ((old_dir, old_name), (new_dir, new_name));
                    told.notified.rename(caller, old, new, (mode, left))
                }
            }
        })
    }

    /// `getdents64(2)`: fills `buf` with `struct linux_dirent64` records from the file
    /// offset on; returns their bytes, 0 at the end.
    ///
    /// # Errors
    /// EBADF; ENOTDIR; ENOENT if the directory was removed; EINVAL if not one record has
    /// room.
    pub fn getdents64(&self, fd: i32, buf: &mut [u8]) -> Result<usize> {
        self.getdents_into(fd, Dirent::Dirent64, || Ok(Sink::from(buf)))
    }

    pub(crate) fn getdents_into<'a>(
        &self,
        fd: i32,
        layout: Dirent,
        sink: impl FnOnce() -> Result<Sink<'a>>,
    ) -> Result<usize> {
        let file = self.file(fd)?;
        file.check_listable()?;
        let mut sink = sink()?;
        let listed = self.as_caller(|caller| file.list(self, caller, layout, &mut sink));
        // Linux tells so even of a record that found no room, but not of a removed directory.
        if listed != Err(Errno::ENOENT)
            && let Some(notified) = self.notified()
        {
            notified.transferred(&file, libc::IN_ACCESS);
        }
        listed
    }

    fn unlink_from(&self, at: i32, path: &[u8]) -> Result<()> {
        let notified = self.notified_in_order();
        self.as_caller(|caller| {
            let path = Path::new(path)?;
            if notified.is_none()
                && let Some(Parent { directory, name, .. }) = self.parent_alone(caller, at, path)?
            {
                return directory.unlink(caller, name);
            }
            let mut walk = self.walk(caller, at, path);
            let walk = at_parent(&mut walk)?;
            let Some(name) = walk.last_name() else { return Err(Errno::EISDIR) };
            self.check_removable(walk)?;
            if name.directory_only {
                let child = walk.child(name)?.node;
                return match child.attributes(LastLink::Stay)?.file_type {
                    FileType::Directory => Err(Errno::EISDIR),
                    _ => Err(Errno::ENOTDIR),
                };
            }
            match &notified {
                None => walk.place.node.unlink(caller, name.bytes),
                Some(told) => told.notified.unlink(caller, &walk.place.node, name.bytes),
            }
        })
    }

    fn rmdir_from(&self, at: i32, path: &[u8]) -> Result<()> {
        let notified = self.notified_in_order();
        self.as_caller(|caller| {
            let path = Path::new(path)?;
            if notified.is_none()
                && let Some(Parent { directory, name, .. }) = self.parent_alone(caller, at, path)?
            {
                return directory.rmdir(caller, name);
            }
            let mut walk = self.walk(caller, at, path);
            let walk = at_parent(&mut walk)?;
            let Some(name) = walk.last_name() else {
                return Err(match walk.last() {
                    Last::DotDot => Errno::ENOTEMPTY,
                    Last::Dot => Errno::EINVAL,
                    Last::Name(_) | Last::Root => Errno::EBUSY,
                });
            };
            self.check_removable(walk)?;
            match &notified {
                None => walk.place.node.rmdir(caller, name.bytes),
                Some(told) => told.notified.rmdir(caller, &walk.place.node, name.bytes),
            }
        })
    }

    fn create(&self, at: i32, path: &[u8], new: New<'_>, mode: u32) -> Result<()> {
        let notified = self.notified_in_order();
        self.as_caller(|caller| {
            let path = Path::new(path)?;
            if notified.is_none()
                && let Some(Parent { directory, name, .. }) = self.parent_alone(caller, at, path)?
            {
                return Inode::create(&directory, caller, name, new, mode).map(drop);
            }
            let mut walk = self.walk(caller, at, path);
            let walk = at_parent(&mut walk)?;
            let slash = if new == New::Directory { Slash::Allowed } else { Slash::OnlyIfDirectory };
            let name = new_name(walk, slash)?;
            self.check_creatable(walk)?;
            let node = &walk.place.node;
            match &notified {
                None => node.create(caller, name.bytes, new, mode),
                Some(told) => told.notified.create(caller, node, name.bytes, new, mode),
            }
        })
    }

    /// [`parent_alone`](System::parent_alone) of both names of a rename; none too if there is anything
    /// wrong with one of them, or they are not in one mount.
    fn parents_alone<'a>(
        &'a self,
        caller: &Caller<'_>,
        (old_at, old): (i32, &'a [u8]),
        (new_at, new): (i32, &'a [u8]),
    ) -> Option<(Parent<'a>, Parent<'a>)> {
        let parent = |at, path| self.parent_alone(caller, at, Path::new(path)?);
        let (old, new) = (parent(old_at, old).ok()??, parent(new_at, new).ok()??);
        old.mount.is(new.mount).then_some((old, new))
    }

    /// # Errors
    /// EROFS in a read-only mount; but what is wrong with the name comes first.
    #[inline]
    fn check_creatable(&self, walk: &Walk<'_>) -> Result<()> {
        let told = self.check_writable(&walk.place);
        told.map_err(|errno| would_create(walk, errno))
    }

    /// # Errors
    /// EROFS in a read-only mount; but EACCES comes first.
    #[inline]
    fn check_removable(&self, walk: &Walk<'_>) -> Result<()> {
        let told = self.check_writable(&walk.place);
        told.or_else(|errno| walk.check_name_searchable().and(Err(errno)))
    }
}

/// The walk, at the directory of the last component. Where it is, since to move it takes as long as
/// the walk of a short path.
///
/// # Errors
/// Those of the path.
#[inline]
fn at_parent<'w, 'a>(walk: &'w mut Result<Walk<'a>>) -> Result<&'w mut Walk<'a>> {
    let walk = in_place(walk)?;
    walk.reach_parent()?;
    Ok(walk)
}

/// What `mknod(2)` is to make.
///
/// # Errors
/// EPERM for a directory; EINVAL for another type.
pub(crate) fn new_node(mode: u32, device: u32) -> Result<New<'static>> {
    match mode & libc::S_IFMT {
        0 | libc::S_IFREG => Ok(New::Regular),
        libc::S_IFIFO => Ok(New::Node(FileType::Fifo, 0)),
        libc::S_IFSOCK => Ok(New::Node(FileType::Socket, 0)),
        libc::S_IFCHR => Ok(New::Node(FileType::CharDevice, device.into())),
        libc::S_IFBLK => Ok(New::Node(FileType::BlockDevice, device.into())),
        libc::S_IFDIR => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
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
#[inline]
fn new_name<'a>(walk: &'a Walk<'_>, slash: Slash) -> Result<EntryName<'a>> {
    let name = walk.last_name().ok_or(Errno::EEXIST)?;
    match name.directory_only && slash == Slash::OnlyIfDirectory {
        true => Err(would_create(walk, Errno::ENOENT)),
        false => Ok(name),
    }
}

/// Whether it is a directory of a ramdisk that was removed.
pub(crate) fn is_removed(node: &Node) -> bool {
    matches!(node, Node::Ramdisk(inode) if Inode::attributes(inode).nlink == 0)
}

/// Whether it is a directory in which nothing can be made, by anybody.
pub(crate) fn is_closed(node: &Node) -> bool {
    is_removed(node) || node.is_made_up()
}

/// What a call says that would make something with the last name, but for `errno`.
#[cold]
fn would_create(walk: &Walk<'_>, errno: Errno) -> Errno {
    match walk.last_name().map_or(Err(errno), |name| look(walk, name)) {
        Ok(()) => Errno::EEXIST,
        Err(Errno::ENOENT) if !is_closed(&walk.place.node) => errno,
        Err(told) => told,
    }
}

/// Whether there is something with this name. A host is asked: its children are named
/// without looking.
///
/// # Errors
/// ENOENT if there is nothing; those of the look-up.
fn look(walk: &Walk<'_>, name: EntryName<'_>) -> Result<()> {
    walk.child(name)?.node.attributes(LastLink::Stay).map(drop)
}
