//! Making and ending descriptors: open, openat, creat, close, close_range; dup, dup2,
//! dup3; fcntl.

use anchorite_fs::mem::{Arc, Room};
use anchorite_fs::{Caller, Created, EntryName, FileType, Inode, InodeRef, Linkable};

use crate::calls::locks::is_about_locks;
use crate::calls::metadata::is_special;
use crate::calls::names::is_closed;
use crate::descriptors::OnExec;
use crate::file::{Object, OpenFile};
use crate::mounts::MountRef;
use crate::mounts::options::MountFlags;
use crate::node::{Files, Node};
use crate::notify::Given;
use crate::ramdisk::{check_to_open, find_or_make, wanted_access};
use crate::system::{Parent, System};
use crate::walk::{Last, LastLink, Path, Place, Walk};
use crate::{Errno, Result, in_place};

/// The bit of O_TMPFILE that is not O_DIRECTORY.
const TMPFILE: i32 = libc::O_TMPFILE & !libc::O_DIRECTORY;
/// Flags that mean something beside O_PATH: `open(2)`.
const PATH_FLAGS: i32 = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC;

impl System {
    /// `open(2)`: opens the file at `path`; returns the lowest free descriptor.
    /// `mode` is for a file that O_CREAT makes, and masked. Of the flags, O_APPEND,
    /// O_CREAT, O_DIRECTORY, O_EXCL, O_NOATIME, O_NOFOLLOW, O_PATH, O_TMPFILE, O_TRUNC and the access
    /// mode have their effect; others are kept for F_GETFL, as on a file system that has no use for them.
    ///
    /// A fifo waits until its other end is open too, `fifo(7)`; with O_NONBLOCK it does not.
    ///
    /// # Errors
    /// POSIX.1-2024 open(), ERRORS, in this order: EINVAL for O_CREAT with O_DIRECTORY, or
    /// O_TMPFILE with O_CREAT or not for writing; ENOENT for an empty path, ENAMETOOLONG for a
    /// long one; EMFILE; ENOMEM; those of the walk (ENOENT, ENOTDIR, EACCES, ENAMETOOLONG,
    /// ELOOP); EISDIR for O_CREAT with a slash at the end; EEXIST; EISDIR; ENOTDIR; ELOOP
    /// for O_NOFOLLOW; EACCES; EPERM for O_NOATIME on somebody else's file; EINVAL for O_DIRECT on a directory, a device or a fifo; ENXIO for a socket, a device that has no
    /// driver (those of `null(4)`, `full(4)`, `random(4)`, `tty(4)` and `console(4)` have),
    /// or a fifo to be written with O_NONBLOCK while nobody reads it; ENOSPC;
    /// EOPNOTSUPP for O_TMPFILE on the host.
    pub fn open(&self, path: &[u8], flags: i32, mode: u32) -> Result<i32> {
        self.openat(libc::AT_FDCWD, path, flags, mode)
    }

    /// `openat(2)`: as [`open`](System::open), a relative path from the directory that
    /// `at` is a descriptor of.
    ///
    /// # Errors
    /// Those of [`open`](System::open); EBADF and ENOTDIR for `at` before those of the walk.
    pub fn openat(&self, at: i32, path: &[u8], flags: i32, mode: u32) -> Result<i32> {
        let flags = if flags & libc::O_PATH != 0 { flags & PATH_FLAGS } else { flags };
        check_flags(flags)?;
        let path = Path::new(path)?;
        let fd = self.descriptors.reserve(self.limits.descriptors())?;
        let opened = match self.notified() {
            None => self.open_described(at, path, flags, mode).and_then(|file| self.opened(file)),
            Some(notified) => {
                let given = Given::to_open(at, path, flags);
                let open = &mut || self.open_described(at, path, flags, mode);
                notified.open(self, given, flags, open)
            }
        };
        match opened {
            Ok(file) => self.descriptors.install(fd, file, on_exec(flags)),
            Err(errno) => {
                self.descriptors.release(fd);
                return Err(errno);
            }
        }
        Ok(fd)
    }

    /// The open file description of a file that is opened. It is the file's own of a fifo too, to which
    /// its pipe is still to come: nothing waits here.
    ///
    /// # Errors
    /// Those of [`open`](System::open), without EMFILE.
    #[inline]
    fn open_described(
        &self,
        at: i32,
        path: Path<'_>,
        flags: i32,
        mode: u32,
    ) -> Result<Arc<OpenFile>> {
        self.as_caller(|caller| {
            // Taken before a file is made or emptied: that cannot be undone.
            let room = Room::try_new()?;
            if flags & (libc::O_CREAT | TMPFILE) == 0 {
                let place = self.place_of(caller, at, path, last_link(flags));
                return self.open_place(caller, room, place, flags);
            }
            let mode = mode & 0o7777;
            if flags & TMPFILE == 0
                && let Some(parent) = self.parent_alone(caller, at, path)?
            {
                let is_exclusive = flags & libc::O_EXCL != 0;
                let Parent { mount, directory, name } = parent;
                let made = find_or_make(&directory, caller, name, is_exclusive, mode);
                let (inode, created) = made?;
                if created == Created::Yes {
                    return Ok(self.describe_made(room, mount.clone(), inode, flags));
                }
                if Inode::file_type(&inode) == FileType::Regular && !inode.is_mount_point() {
                    let place = Place { mount: mount.clone(), node: Node::Ramdisk(inode) };
                    return self.open_place(caller, room, Ok(place), flags);
                }
            }
            let mut walk = self.walk(caller, at, path);
            let walk = in_place(&mut walk)?;
            match flags & TMPFILE {
                0 => self.open_or_make(caller, room, walk, flags, mode),
                _ => self.open_unnamed(caller, room, walk, flags, mode),
            }
        })
    }

    /// What was opened, with the pipe of a fifo, for which it may have to wait. Nothing is held then.
    ///
    /// # Errors
    /// Those of [`find_pipe`](System::find_pipe).
    #[inline]
    fn opened(&self, mut file: Arc<OpenFile>) -> Result<Arc<OpenFile>> {
        if file.is_fifo() {
            self.find_pipe(&mut file)?;
        }
        Ok(file)
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
        let file = self.descriptors.remove(fd)?;
        self.end_use(&file);
        match &file.object {
            Object::Host(_) => Arc::into_inner(file).map_or(Ok(()), OpenFile::close),
            // Dropped where it is.
            _ => Ok(()),
        }
    }

    /// `close_range(2)`: closes each descriptor from `first` to `last`; with
    /// CLOSE_RANGE_CLOEXEC only marks it. CLOSE_RANGE_UNSHARE has nothing to unshare.
    ///
    /// # Errors
    /// EINVAL for unknown flags, or if `last` is below `first`.
    pub fn close_range(&self, first: u32, last: u32, flags: u32) -> Result<()> {
        if flags & !(libc::CLOSE_RANGE_CLOEXEC | libc::CLOSE_RANGE_UNSHARE) != 0 || last < first {
            return Err(Errno::EINVAL);
        }
        if flags & libc::CLOSE_RANGE_CLOEXEC != 0 {
            self.descriptors.set_on_exec_of_all(first, last, OnExec::Close);
            return Ok(());
        }
        let mut next = first;
        // One by one: the last reference may have much to free.
        while let Some((fd, closed)) = self.descriptors.remove_first(next, last) {
            self.end_use(&closed.into_file());
            next = fd as u32 + 1;
        }
        Ok(())
    }

    /// `dup(2)`: the lowest free descriptor, for the same open file description.
    ///
    /// # Errors
    /// EBADF; EMFILE; ENOMEM.
    pub fn dup(&self, fd: i32) -> Result<i32> {
        self.duplicate(fd, 0, OnExec::Keep)
    }

    /// `dup2(2)`: makes `new` a descriptor of the same open file description; closes what
    /// it was before. Nothing happens if both are the same.
    ///
    /// # Errors
    /// EBADF.
    pub fn dup2(&self, old: i32, new: i32) -> Result<i32> {
        if old == new {
            return self.file_or_path(old).map(|_| new);
        }
        self.dup3(old, new, 0)
    }

    /// `dup3(2)`: as [`dup2`](System::dup2), with O_CLOEXEC where wanted.
    ///
    /// # Errors
    /// EINVAL for other flags, or if both are the same; EBADF.
    pub fn dup3(&self, old: i32, new: i32, flags: i32) -> Result<i32> {
        if flags & !libc::O_CLOEXEC != 0 || old == new {
            return Err(Errno::EINVAL);
        }
        let limit = self.limits.descriptors();
        if let Some(former) = self.descriptors.replace(old, new, on_exec(flags), limit)? {
            self.end_use(&former.into_file());
        }
        Ok(new)
    }

    /// `fcntl(2)` with F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL,
    /// F_GETPIPE_SZ or F_SETPIPE_SZ; and with the commands of
    /// [`fcntl_lock`](System::fcntl_lock), for which the argument is the address of a `struct flock`
    /// in the program's memory.
    ///
    /// # Errors
    /// EBADF, also for what O_PATH does not allow; EINVAL for another command, or to
    /// F_DUPFD for a number that no descriptor can have; EMFILE; EPERM to set O_NOATIME
    /// on somebody else's file; EINVAL to set O_DIRECT on a directory or a device. Of F_SETPIPE_SZ and
    /// F_GETPIPE_SZ: EBADF for what is no pipe; EINVAL above 1 GiB; EPERM above 1 MiB without
    /// privilege; EBUSY if more is in the pipe. Of locks: EFAULT; those of
    /// [`fcntl_lock`](System::fcntl_lock).
    pub fn fcntl(&self, fd: i32, command: i32, argument: u64) -> Result<i32> {
        let file = self.file_or_path(fd)?;
        match command {
            libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => {
                let least = argument as u32 as usize;
                if least >= self.limits.descriptors() {
                    return Err(Errno::EINVAL);
                }
                let close = command == libc::F_DUPFD_CLOEXEC;
                self.duplicate(fd, least, if close { OnExec::Close } else { OnExec::Keep })
            }
            libc::F_GETFD => Ok(match self.descriptors.on_exec(fd)? {
                OnExec::Keep => 0,
                OnExec::Close => libc::FD_CLOEXEC,
            }),
            libc::F_SETFD => {
                let close = argument as i32 & libc::FD_CLOEXEC != 0;
                let on_exec = if close { OnExec::Close } else { OnExec::Keep };
                self.descriptors.set_on_exec(fd, on_exec)?;
                Ok(0)
            }
            libc::F_GETFL => Ok(file.flags()),
            libc::F_GETPIPE_SZ => self.pipe_size(&file, None),
            libc::F_SETPIPE_SZ => self.pipe_size(&file, Some(argument as u32)),
            _ if file.flags() & libc::O_PATH != 0 => Err(Errno::EBADF),
            libc::F_SETFL => {
                let flags = argument as i32;
                if flags & !file.flags() & libc::O_NOATIME != 0 {
                    self.as_caller(|caller| file.check_owner(caller))?;
                }
                if flags & libc::O_DIRECT != 0 && !file.can_be_direct() {
                    return Err(Errno::EINVAL);
                }
                file.set_flags(flags);
                Ok(0)
            }
            _ if is_about_locks(command) => {
                self.lock_ranges_raw(fd, &file, command, argument).map(|()| 0)
            }
            _ => Err(Errno::EINVAL),
        }
    }

    /// The open file description of `fd`.
    ///
    /// # Errors
    /// EBADF, also for a descriptor that O_PATH made.
    pub(crate) fn file(&self, fd: i32) -> Result<Arc<OpenFile>> {
        let file = self.descriptors.get(fd)?;
        file.check_not_path()?;
        Ok(file)
    }

    /// The open file description of `fd`, which may be one that O_PATH made.
    ///
    /// # Errors
    /// EBADF.
    #[inline]
    pub(crate) fn file_or_path(&self, fd: i32) -> Result<Arc<OpenFile>> {
        self.descriptors.get(fd)
    }

    /// What is to be done when a descriptor of `file` was closed.
    #[inline]
    fn end_use(&self, file: &Arc<OpenFile>) {
        self.unlock_at_close(file);
        if let Some(notified) = self.notified() {
            notified.closed(self, file);
        }
    }

    fn duplicate(&self, fd: i32, least: usize, on_exec: OnExec) -> Result<i32> {
        self.descriptors.duplicate(fd, least, on_exec, self.limits.descriptors())
    }

    /// Opens a file that exists.
    ///
    /// # Errors
    /// That of `place`; those of [`open`](System::open) after the walk.
    fn open_place(
        &self,
        caller: &Caller<'_>,
        room: Room<OpenFile>,
        place: Result<Place>,
        flags: i32,
    ) -> Result<Arc<OpenFile>> {
        let (mount, inode) = match place {
            Ok(Place { mount, node: Node::Ramdisk(inode) }) if flags & libc::O_PATH == 0 => {
                (mount, inode)
            }
            Ok(place) => return self.open_other_place(caller, room, place, flags),
            Err(errno) => return Err(errno),
        };
        if flags & libc::O_DIRECTORY != 0 && !inode.is_directory() {
            return Err(Errno::ENOTDIR);
        }
        if self.restricts_opens(&mount) {
            let place = Place { mount: mount.clone(), node: Node::Ramdisk(inode.clone()) };
            self.check_restricted_open(caller, &place, flags)?;
        }
        let object = match check_to_open(&inode, caller, flags)? {
            None => Object::Inode(inode.clone()),
            Some(device) => Object::Device(device),
        };
        Ok(self.describe(room, Place { mount, node: Node::Ramdisk(inode) }, object, flags))
    }

    /// [`open_place`](System::open_place) of what is in no ramdisk, or is only named.
    #[cold]
    fn open_other_place(
        &self,
        caller: &Caller<'_>,
        room: Room<OpenFile>,
        place: Place,
        flags: i32,
    ) -> Result<Arc<OpenFile>> {
        if flags & libc::O_DIRECTORY != 0 && place.node.is_not_directory() {
            return Err(Errno::ENOTDIR);
        }
        let object = match flags & libc::O_PATH {
            0 => {
                if self.restricts_opens(&place.mount) {
                    self.check_restricted_open(caller, &place, flags)?;
                }
                // It is there, or is not to be made.
                place.node.open(caller, flags & !libc::O_CREAT)?
            }
            _ => Object::Path,
        };
        Ok(self.describe(room, place, object, flags))
    }

    /// The description of a file that was opened.
    #[inline(always)]
    fn describe(
        &self,
        room: Room<OpenFile>,
        place: Place,
        object: Object,
        flags: i32,
    ) -> Arc<OpenFile> {
        let access_time = self.mount_of(&place.mount).access_time(&place.node);
        room.fill(OpenFile::new(object, Some(place), flags, access_time))
    }

    /// Whether a mount does not let all files be opened: [`check_restricted_open`](System::check_restricted_open)
    /// then says which.
    #[inline]
    fn restricts_opens(&self, mount: &MountRef) -> bool {
        let mount = self.mount_of(mount);
        let restricts = MountFlags::READ_ONLY | MountFlags::NO_DEVICES;
        mount.flags().intersects(restricts) || mount.file_system.is_read_only()
    }

    /// Whether the place's mount lets a file be opened so.
    ///
    /// # Errors
    /// EACCES for a device; EROFS to write to what is in its file system, after EACCES where
    /// the mount alone says so; but to empty a file is EROFS in any case.
    #[cold]
    fn check_restricted_open(&self, caller: &Caller<'_>, place: &Place, flags: i32) -> Result<()> {
        let mount = self.mount_of(&place.mount);
        let file_type = place.node.file_type();
        match file_type {
            Some(FileType::CharDevice | FileType::BlockDevice)
                if mount.flags().contains(MountFlags::NO_DEVICES) =>
            {
                return Err(Errno::EACCES);
            }
            // What it is comes first.
            Some(FileType::Symlink | FileType::Directory) => return Ok(()),
            _ if is_special(file_type) || !mount.is_read_only() => return Ok(()),
            _ => {}
        }
        let empties = flags & libc::O_TRUNC != 0;
        let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
        if writes && !empties && !mount.file_system.is_read_only() {
            place.node.check(caller, wanted_access(flags))?;
        }
        if writes || empties { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Makes a file without a name, and opens it: O_TMPFILE.
    #[cold]
    fn open_unnamed(
        &self,
        caller: &Caller<'_>,
        room: Room<OpenFile>,
        walk: &mut Walk<'_>,
        flags: i32,
        mode: u32,
    ) -> Result<Arc<OpenFile>> {
        let directory = walk.finish(last_link(flags))?;
        if !directory.node.is_not_directory() {
            self.check_writable(&directory)?;
        }
        let linkable = match flags & libc::O_EXCL {
            0 => Linkable::Yes,
            _ => Linkable::No,
        };
        let node = directory.node.create_unnamed(caller, mode, linkable)?;
        let Node::Ramdisk(inode) = &node else { return Err(Errno::EOPNOTSUPP) };
        let object = Object::Inode(inode.clone());
        Ok(self.describe(room, Place { mount: directory.mount, node }, object, flags))
    }

    /// The open file description of a file of a ramdisk that was just made. Its mode does not bind the
    /// open that makes it.
    fn describe_made(
        &self,
        room: Room<OpenFile>,
        mount: MountRef,
        inode: InodeRef,
        flags: i32,
    ) -> Arc<OpenFile> {
        let object = Object::Inode(inode.clone());
        self.describe(room, Place { mount, node: Node::Ramdisk(inode) }, object, flags)
    }

    /// Opens the file that the walk leads to, or makes it: O_CREAT.
    fn open_or_make(
        &self,
        caller: &Caller<'_>,
        room: Room<OpenFile>,
        walk: &mut Walk<'_>,
        flags: i32,
        mode: u32,
    ) -> Result<Arc<OpenFile>> {
        let is_exclusive = flags & libc::O_EXCL != 0;
        loop {
            walk.reach_parent()?;
            let Some(name) = walk.last_name() else {
                return match walk.last() {
                    // A link of proc led here.
                    Last::Root if walk.place.node.is_not_directory() => {
                        self.open_place(caller, room, Ok(walk.place.clone()), flags)
                    }
                    _ if is_exclusive => Err(Errno::EEXIST),
                    _ => Err(Errno::EISDIR),
                };
            };
            if name.directory_only {
                walk.check_search_permission()?;
                return Err(Errno::EISDIR);
            }
            let node = match (&walk.place.node, self.check_writable(&walk.place)) {
                (Node::Proc(directory), _) => {
                    let found = directory.find(self, caller, name)?;
                    if is_exclusive {
                        return Err(Errno::EEXIST);
                    }
                    Node::Proc(found)
                }
                (directory, Err(errno)) => find_to_open(caller, directory, name, flags, errno)?,
                (Node::Ramdisk(directory), Ok(())) => {
                    let made = find_or_make(directory, caller, name.bytes, is_exclusive, mode);
                    let (inode, created) = made?;
                    if created == Created::Yes {
                        let mount = walk.place.mount.clone();
                        return Ok(self.describe_made(room, mount, inode, flags));
                    }
                    Node::Ramdisk(inode)
                }
                (Node::Host(directory), Ok(())) => {
                    let (node, object) = directory.open_or_make(caller, name, flags, mode)?;
                    let place = Place { mount: walk.place.mount.clone(), node: Node::Host(node) };
                    return Ok(self.describe(room, place, object, flags));
                }
            };
            if node.is_symlink() {
                if flags & libc::O_NOFOLLOW != 0 {
                    return Err(Errno::ELOOP);
                }
                walk.follow(&node)?;
                continue;
            }
            // What covers a directory is one, too.
            if node.file_type() == Some(FileType::Directory) {
                return Err(Errno::EISDIR);
            }
            let place = walk.cross(name.bytes, Place { mount: walk.place.mount.clone(), node });
            return self.open_place(caller, room, Ok(place), flags);
        }
    }
}

/// What O_CREAT finds in a read-only mount, where it must not make anything.
///
/// # Errors
/// `errno` if there is nothing; those of the look-up; EEXIST.
#[cold]
fn find_to_open(
    caller: &Caller<'_>,
    directory: &Node,
    name: EntryName<'_>,
    flags: i32,
    errno: Errno,
) -> Result<Node> {
    let found = directory.child(caller, name).and_then(|found| match &found {
        // Named without looking.
        Node::Host(file) if file.attributes(LastLink::Stay) == Err(Errno::ENOENT) => {
            Err(Errno::ENOENT)
        }
        _ => Ok(found),
    });
    let found = found.map_err(|told| match told {
        Errno::ENOENT if !is_closed(directory) => errno,
        told => told,
    })?;
    if flags & libc::O_EXCL != 0 {
        return Err(Errno::EEXIST);
    }
    Ok(found)
}

/// Whether a link in last place is followed, by the flags of `open(2)`.
fn last_link(flags: i32) -> LastLink {
    if flags & libc::O_NOFOLLOW == 0 { LastLink::Follow } else { LastLink::Stay }
}

pub(crate) fn on_exec(flags: i32) -> OnExec {
    if flags & libc::O_CLOEXEC != 0 { OnExec::Close } else { OnExec::Keep }
}

/// # Errors
/// EINVAL for O_CREAT with O_DIRECTORY, or for O_TMPFILE without O_DIRECTORY, with O_CREAT or
/// not for writing. None with O_PATH.
#[inline]
pub(crate) fn check_flags(flags: i32) -> Result<()> {
    if flags & libc::O_PATH != 0 {
        return Ok(());
    }
    let has = |flag: i32| flags & flag != 0;
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
    let unnamed_wrongly = has(TMPFILE) && !(has(libc::O_DIRECTORY) && writes);
    if has(libc::O_CREAT) && has(libc::O_DIRECTORY | TMPFILE) || unnamed_wrongly {
        return Err(Errno::EINVAL);
    }
    Ok(())
}
