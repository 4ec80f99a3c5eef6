//! Being told what happens to files: inotify_init, inotify_init1, inotify_add_watch,
//! inotify_rm_watch; and ioctl, as far as it tells how much there is to be read.

use anchorite_fs::mem::Room;
use anchorite_fs::{Access, Inode};

use crate::calls::descriptors::on_exec;
use crate::descriptors::OnExec;
use crate::file::{Object, OpenFile};
use crate::inotify::new_instance;
use crate::node::Node;
use crate::system::System;
use crate::walk::{LastLink, Path};
use crate::{Errno, Result};

/// All bits that a mask can have.
const MASK: u32 = libc::IN_ALL_EVENTS
    | libc::IN_UNMOUNT
    | libc::IN_Q_OVERFLOW
    | libc::IN_IGNORED
    | libc::IN_ONLYDIR
    | libc::IN_DONT_FOLLOW
    | libc::IN_EXCL_UNLINK
    | libc::IN_MASK_CREATE
    | libc::IN_MASK_ADD
    | libc::IN_ISDIR
    | libc::IN_ONESHOT;

impl System {
    /// `inotify_init(2)`: a new instance of inotify, which watches nothing yet; its descriptor.
    /// Reading it waits for events, and so do `poll(2)` and its kin.
    ///
    /// # Errors
    /// EMFILE for more than 128 instances, or too many descriptors; ENOMEM.
    pub fn inotify_init(&self) -> Result<i32> {
        self.inotify_init1(0)
    }

    /// `inotify_init1(2)`: as [`inotify_init`](System::inotify_init), with IN_CLOEXEC and
    /// IN_NONBLOCK.
    ///
    /// # Errors
    /// EINVAL for other flags; those of [`inotify_init`](System::inotify_init).
    pub fn inotify_init1(&self, flags: i32) -> Result<i32> {
        if flags & !(libc::IN_CLOEXEC | libc::IN_NONBLOCK) != 0 {
            return Err(Errno::EINVAL);
        }
        let room = Room::try_new()?;
        let instance = new_instance(self)?;
        let fd = self.descriptors.reserve(self.limits.descriptors())?;
        let flags = (flags & libc::IN_NONBLOCK, on_exec(flags));
        let file = OpenFile::with_flags(Object::Inotify(instance), None, flags.0);
        self.descriptors.install(fd, room.fill(file), flags.1);
        Ok(fd)
    }

    /// `inotify_add_watch(2)`: lets the instance `fd` watch the file at `path` for the events in
    /// `mask`, all of whose other bits have their meaning too; the watch descriptor, which is the
    /// same for a file that is watched already.
    ///
    /// # Errors
    /// EINVAL for a mask without any bit, or with one that means nothing; EBADF; EINVAL for
    /// IN_MASK_ADD with IN_MASK_CREATE, or if `fd` is no instance; those of the path; ENOTDIR
    /// with IN_ONLYDIR; EACCES if the file cannot be read; EEXIST with IN_MASK_CREATE; ENOSPC for too
    /// many watches, a hundredth of memory's worth of them; ENOMEM; ENOSYS for a file of a host, EOPNOTSUPP for one of
    /// proc.
    pub fn inotify_add_watch(&self, fd: i32, path: &[u8], mask: u32) -> Result<i32> {
        self.inotify_add_watch_by(fd, || Ok(path), mask)
    }

    /// [`inotify_add_watch`](System::inotify_add_watch) of what `path` gives, which is asked
    /// when the rest was checked.
    pub(crate) fn inotify_add_watch_by<P: AsRef<[u8]>>(
        &self,
        fd: i32,
        path: impl FnOnce() -> Result<P>,
        mask: u32,
    ) -> Result<i32> {
        if mask & MASK == 0 || mask & !MASK != 0 {
            return Err(Errno::EINVAL);
        }
        let file = self.file(fd)?;
        if mask & libc::IN_MASK_ADD != 0 && mask & libc::IN_MASK_CREATE != 0 {
            return Err(Errno::EINVAL);
        }
        let Object::Inotify(instance) = &file.object else { return Err(Errno::EINVAL) };
        let path = path()?;
        let follow = mask & libc::IN_DONT_FOLLOW == 0;
        let last_link = if follow { LastLink::Follow } else { LastLink::Stay };
        let inode = self.as_caller(|caller| {
            let path = Path::new(path.as_ref())?;
            let place = self.walk(caller, libc::AT_FDCWD, path)?.finish(last_link)?;
            if mask & libc::IN_ONLYDIR != 0 && place.node.is_not_directory() {
                return Err(Errno::ENOTDIR);
            }
            let inode = match place.node {
                Node::Ramdisk(inode) => inode,
                Node::Host(_) => return Err(Errno::ENOSYS),
                Node::Proc(_) => return Err(Errno::EOPNOTSUPP),
            };
            Inode::check(&inode, caller, Access::READ)?;
            Ok(inode)
        })?;
        instance.add(self, &inode, mask)
    }

    /// `inotify_rm_watch(2)`: ends a watch, which an event tells: IN_IGNORED.
    ///
    /// # Errors
    /// EBADF; EINVAL if `fd` is no instance, or `wd` none of its watches.
    pub fn inotify_rm_watch(&self, fd: i32, wd: i32) -> Result<()> {
        match &self.file(fd)?.object {
            Object::Inotify(instance) => instance.remove(wd),
            _ => Err(Errno::EINVAL),
        }
    }

    /// `ioctl(2)` with FIONREAD: the bytes that there are to be read of an instance of inotify
    /// or a pipe, or in a regular file behind the offset, as many as an `int` can have.
    ///
    /// # Errors
    /// EBADF; ENOTTY for what has none.
    pub fn bytes_to_read(&self, fd: i32) -> Result<i32> {
        let file = self.file(fd)?;
        match &file.object {
            Object::Inotify(instance) => Ok(instance.bytes() as i32),
            Object::Pipe(end) => Ok(end.bytes() as i32),
            Object::Inode(inode) if !inode.is_directory() => {
                let size = Inode::attributes(inode).size;
                Ok((size as i64).wrapping_sub(file.seek(0, libc::SEEK_CUR)? as i64) as i32)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    /// `ioctl(2)` by the address of a program, with FIONREAD, FIONBIO, FIOCLEX and FIONCLEX.
    ///
    /// # Errors
    /// EBADF; EFAULT; ENOTTY for other requests, and for what has no such thing.
    pub(crate) fn ioctl_raw(&self, fd: i32, request: u32, address: u64) -> Result<()> {
        let file = self.file(fd)?;
        let memory = self.user_memory();
        match u64::from(request) {
            libc::FIOCLEX => self.descriptors.set_on_exec(fd, OnExec::Close),
            libc::FIONCLEX => self.descriptors.set_on_exec(fd, OnExec::Keep),
            libc::FIONBIO => {
                let mut on = [0; size_of::<i32>()];
                memory.source(address as usize, on.len())?.copy_to(&mut on);
                let others = file.flags() & !libc::O_NONBLOCK;
                let is_off = i32::from_ne_bytes(on) == 0;
                file.set_flags(if is_off { others } else { others | libc::O_NONBLOCK });
                Ok(())
            }
            libc::FIONREAD => memory.put(address as usize, &self.bytes_to_read(fd)?),
            _ => Err(Errno::ENOTTY),
        }
    }
}
