//! Pipes: pipe, pipe2; the opening of fifos; the size of both.

use anchorite_fs::mem::{Arc, Room};
use anchorite_fs::{Access, Caller, FileType, Inode, InodeRef, Linkable, New};

use crate::calls::descriptors::on_exec;
use crate::file::{Object, OpenFile};
use crate::mounts::{Mount, MountRef};
use crate::node::Node;
use crate::pipe::Pipes;
use crate::system::System;
use crate::walk::Place;
use crate::{Errno, Result};

impl System {
    /// `pipe(2)`: a new pipe, of 64 KiB; the descriptors of the end to read and of that to
    /// write.
    ///
    /// # Errors
    /// EMFILE; ENOMEM.
    pub fn pipe(&self) -> Result<[i32; 2]> {
        self.pipe2(0)
    }

    /// `pipe2(2)`: as [`pipe`](System::pipe), with O_CLOEXEC, O_NONBLOCK, or O_DIRECT for
    /// writes that are read one by one.
    ///
    /// # Errors
    /// EINVAL for other flags (notifications included, which there are none of); EMFILE;
    /// ENOMEM.
    pub fn pipe2(&self, flags: i32) -> Result<[i32; 2]> {
        if flags & !(libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_DIRECT) != 0 {
            return Err(Errno::EINVAL);
        }
        let rooms = [Room::try_new()?, Room::try_new()?];
        let (mount, inode) = self.new_pipe_inode()?;
        let place = || {
            let mount = MountRef::from(mount);
            Some(Place { mount, node: Node::Ramdisk(inode.clone()) })
        };
        let [output, input] = Pipes::create(self.pipes(), inode.clone())?;
        let kept = [flags & libc::O_NONBLOCK, flags & (libc::O_NONBLOCK | libc::O_DIRECT)];
        let output = OpenFile::with_flags(Object::Pipe(output), place(), libc::O_RDONLY | kept[0]);
        let input = OpenFile::with_flags(Object::Pipe(input), place(), libc::O_WRONLY | kept[1]);
        let limit = self.limits.descriptors();
        let first = self.descriptors.reserve(limit)?;
        let second = self.descriptors.reserve(limit);
        let second = second.inspect_err(|_| self.descriptors.release(first))?;
        let [one, other] = rooms;
        self.descriptors.install(first, one.fill(output), on_exec(flags));
        self.descriptors.install(second, other.fill(input), on_exec(flags));
        Ok([first, second])
    }

    /// Finds the pipe of a fifo that was just opened, for which it waits unless told not to by
    /// O_NONBLOCK: nothing may be held.
    ///
    /// # Errors
    /// EINVAL for the access mode that is neither reading nor writing; ENXIO to write with
    /// O_NONBLOCK and without readers; EINVAL for O_DIRECT; ENOMEM.
    #[cold]
    pub(crate) fn find_pipe(&self, file: &mut Arc<OpenFile>) -> Result<()> {
        let Object::Inode(inode) = &file.object else { return Ok(()) };
        let inode = inode.clone();
        let access = match file.flags() & libc::O_ACCMODE {
            libc::O_RDONLY => Access::READ,
            libc::O_WRONLY => Access::WRITE,
            libc::O_RDWR => Access::READ | Access::WRITE,
            _ => return Err(Errno::EINVAL),
        };
        let end = Pipes::open(self.pipes(), inode, access, file.waits())?;
        if file.flags() & libc::O_DIRECT != 0 {
            return Err(Errno::EINVAL);
        }
        let opened = Arc::get_mut(file).expect("what was just opened has one reference");
        opened.object = Object::Pipe(end);
        Ok(())
    }

    /// `fcntl(2)` with F_GETPIPE_SZ or F_SETPIPE_SZ.
    ///
    /// # Errors
    /// EBADF for what is no pipe; those of [`End::resize`](crate::pipe::End::resize).
    pub(crate) fn pipe_size(&self, file: &OpenFile, new: Option<u32>) -> Result<i32> {
        let Object::Pipe(end) = &file.object else { return Err(Errno::EBADF) };
        let size = match new {
            None => end.size(),
            Some(new) => end.resize(new as usize, self.identity.read().is_privileged())?,
        };
        i32::try_from(size).map_err(|_| Errno::EINVAL)
    }

    /// A fifo without a name, the caller's own.
    fn new_pipe_inode(&self) -> Result<(&Arc<Mount>, InodeRef)> {
        self.as_caller(|caller| {
            let mount = self.pipe_files(caller)?;
            let Node::Ramdisk(root) = &mount.root else { return Err(Errno::ENOMEM) };
            let caller = Caller { umask: 0, ..*caller };
            let new = New::Node(FileType::Fifo, 0);
            let inode = Inode::create_unnamed(root, &caller, new, 0o600, Linkable::No)?;
            Ok((mount, inode))
        })
    }
}
