//! From a call's number and six words to the call: Linux's interface on x86-64,
//! `syscalls(2)`. Pointers are checked here, before anything is done with them, and after
//! whatever Linux checks without looking at memory.

use crate::abi::Dirent;
use anchorite_fs::{XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX, XattrName};
use arrayvec::ArrayVec;

use crate::calls::{
    XattrsOf, check_flags, check_random_flags, check_umount_flags, check_value_len, new_node,
    position, position_or_offset, set_xattr,
};
use crate::file::{Append, At};
use crate::system::System;
use crate::walk::LastLink;
use crate::{Errno, PATH_MAX, Result};

impl System {
    /// Does the call with Linux's `number`; returns its result, or an error's number
    /// below zero. A pointer that leads outside the program's memory is EFAULT.
    pub fn syscall(&self, number: i64, arguments: [u64; 6]) -> i64 {
        match self.dispatch(number, arguments) {
            Ok(value) => value,
            Err(errno) => -i64::from(errno.raw()),
        }
    }

    fn dispatch(&self, number: i64, [a, b, c, d, e, f]: [u64; 6]) -> Result<i64> {
        // Linux takes the low half of a word for what is an `int` in C.
        let int = |word: u64| word as i32;
        let memory = self.user_memory();
        let address = |word: u64| word as usize;
        let string = |word: u64| memory.string(address(word));
        let put_stat = |to: u64, stat: libc::stat| memory.put(address(to), &stat).map(|()| 0);
        // A path may be missing where it is not needed: `fstatat(2)`, AT_EMPTY_PATH.
        let path_or_empty = |word: u64, flags: i32| match word {
            0 if flags & libc::AT_EMPTY_PATH != 0 => Ok(Default::default()),
            _ => string(word),
        };
        let rlimit = |word: u64| {
            let [soft, hard] = memory.get(address(word))?;
            Ok(libc::rlimit { rlim_cur: soft as u64, rlim_max: hard as u64 })
        };
        match number {
            libc::SYS_read => self.read_at(int(a), At::Offset, b, c),
            libc::SYS_pread64 => self.read_at(int(a), position(d as i64)?, b, c),
            libc::SYS_write => self.write_at(int(a), At::Offset, b, c),
            libc::SYS_pwrite64 => self.write_at(int(a), position(d as i64)?, b, c),
            libc::SYS_readv => self.readv_raw(int(a), At::Offset, (b, c), 0).map(length),
            libc::SYS_writev => self.writev_raw(int(a), At::Offset, (b, c), 0).map(length),
            // The kernel's interface has the offset in one word; the next is for others.
            libc::SYS_preadv => self.readv_raw(int(a), position(d as i64)?, (b, c), 0).map(length),
            libc::SYS_pwritev => {
                self.writev_raw(int(a), position(d as i64)?, (b, c), 0).map(length)
            }
            libc::SYS_preadv2 => {
                self.readv_raw(int(a), position_or_offset(d as i64)?, (b, c), f).map(length)
            }
            libc::SYS_pwritev2 => {
                self.writev_raw(int(a), position_or_offset(d as i64)?, (b, c), f).map(length)
            }
            libc::SYS_fallocate => self.fallocate(int(a), int(b), c as i64, d as i64).map(|()| 0),
            libc::SYS_copy_file_range => {
                let (mut input_at, mut output_at) = (self.position_at(b)?, self.position_at(d)?);
                let (input, output) = ((int(a), input_at.as_mut()), (int(c), output_at.as_mut()));
                let done = self.copy_file_range(input, output, e as usize, f as u32)?;
                self.put_position(b, input_at)?;
                self.put_position(d, output_at)?;
                Ok(length(done))
            }
            libc::SYS_sendfile => {
                let mut position = self.position_at(c)?;
                let done = self.sendfile(int(a), int(b), position.as_mut(), d as usize)?;
                self.put_position(c, position)?;
                Ok(length(done))
            }
            libc::SYS_fadvise64 => self.fadvise(int(a), b as i64, c as i64, int(d)).map(|()| 0),
            libc::SYS_readahead => self.readahead(int(a), c as usize).map(|()| 0),
            libc::SYS_lseek => self.lseek(int(a), b as i64, int(c)).map(|offset| offset as i64),
            libc::SYS_open => {
                check_flags(int(b))?;
                self.open(&string(a)?, int(b), c as u32).map(i64::from)
            }
            libc::SYS_openat => {
                check_flags(int(c))?;
                self.openat(int(a), &string(b)?, int(c), d as u32).map(i64::from)
            }
            libc::SYS_creat => self.creat(&string(a)?, b as u32).map(i64::from),
            libc::SYS_close => self.close(int(a)).map(|()| 0),
            libc::SYS_close_range => self.close_range(a as u32, b as u32, c as u32).map(|()| 0),
            libc::SYS_dup => self.dup(int(a)).map(i64::from),
            libc::SYS_dup2 => self.dup2(int(a), int(b)).map(i64::from),
            libc::SYS_dup3 => self.dup3(int(a), int(b), int(c)).map(i64::from),
            libc::SYS_pipe => self.put_pipe(a, 0),
            libc::SYS_pipe2 => self.put_pipe(a, int(b)),
            libc::SYS_poll => self.poll_raw((a, b), self.deadline_in(int(c))?).map(length),
            libc::SYS_ppoll => {
                let deadline = self.deadline_at(c, 1)?;
                self.check_signal_mask(d, e)?;
                let told = self.poll_raw((a, b), deadline);
                self.put_time_left(c, deadline, 1);
                told.map(length)
            }
            libc::SYS_select => {
                let deadline = self.deadline_at(e, 1000)?;
                let told = self.select_raw(int(a), [b, c, d], deadline);
                self.put_time_left(e, deadline, 1000);
                told.map(length)
            }
            libc::SYS_pselect6 => {
                let deadline = self.deadline_at(e, 1)?;
                let [mask, len] = if f == 0 { [0; 2] } else { memory.get(address(f))? };
                self.check_signal_mask(mask as u64, len as u64)?;
                let told = self.select_raw(int(a), [b, c, d], deadline);
                self.put_time_left(e, deadline, 1);
                told.map(length)
            }
            libc::SYS_inotify_init => self.inotify_init().map(i64::from),
            libc::SYS_inotify_init1 => self.inotify_init1(int(a)).map(i64::from),
            libc::SYS_inotify_add_watch => {
                self.inotify_add_watch_by(int(a), || string(b), c as u32).map(i64::from)
            }
            libc::SYS_inotify_rm_watch => self.inotify_rm_watch(int(a), int(b)).map(|()| 0),
            libc::SYS_ioctl => self.ioctl_raw(int(a), b as u32, c).map(|()| 0),
            libc::SYS_fcntl => self.fcntl(int(a), int(b), c).map(i64::from),
            libc::SYS_flock => self.flock(int(a), int(b)).map(|()| 0),
            libc::SYS_stat => put_stat(b, self.stat(&string(a)?)?),
            libc::SYS_lstat => put_stat(b, self.lstat(&string(a)?)?),
            libc::SYS_fstat => put_stat(b, self.fstat(int(a))?),
            libc::SYS_newfstatat => {
                let path = path_or_empty(b, int(d))?;
                put_stat(c, self.fstatat(int(a), &path, int(d))?)
            }
            libc::SYS_statx => {
                let path = path_or_empty(b, int(c))?;
                memory.put(address(e), &self.statx(int(a), &path, int(c), d as u32)?).map(|()| 0)
            }
            libc::SYS_access => self.access(&string(a)?, b as u32).map(|()| 0),
            libc::SYS_faccessat => self.faccessat(int(a), &string(b)?, c as u32, 0).map(|()| 0),
            libc::SYS_faccessat2 => {
                self.faccessat(int(a), &string(b)?, c as u32, int(d)).map(|()| 0)
            }
            libc::SYS_statfs => memory.put(address(b), &self.statfs(&string(a)?)?).map(|()| 0),
            libc::SYS_fstatfs => memory.put(address(b), &self.fstatfs(int(a))?).map(|()| 0),
            libc::SYS_fsync | libc::SYS_fdatasync => self.fsync(int(a)).map(|()| 0),
            libc::SYS_syncfs => self.syncfs(int(a)).map(|()| 0),
            libc::SYS_sync => {
                self.sync();
                Ok(0)
            }
            libc::SYS_mkdir => self.mkdir(&string(a)?, b as u32).map(|()| 0),
            libc::SYS_mknod => {
                // Linux looks at the type before the path.
                new_node(b as u32, c as u32)?;
                self.mknod(&string(a)?, b as u32, c as u32).map(|()| 0)
            }
            libc::SYS_mknodat => {
                new_node(c as u32, d as u32)?;
                self.mknodat(int(a), &string(b)?, c as u32, d as u32).map(|()| 0)
            }
            libc::SYS_rmdir => self.rmdir(&string(a)?).map(|()| 0),
            libc::SYS_unlink => self.unlink(&string(a)?).map(|()| 0),
            libc::SYS_link => self.link(&string(a)?, &string(b)?).map(|()| 0),
            libc::SYS_symlink => self.symlink(&string(a)?, &string(b)?).map(|()| 0),
            libc::SYS_rename => self.rename(&string(a)?, &string(b)?).map(|()| 0),
            libc::SYS_readlink => {
                if int(c) <= 0 {
                    return Err(Errno::EINVAL);
                }
                let sink = || memory.sink(address(b), int(c) as usize);
                self.readlink_into(libc::AT_FDCWD, &string(a)?, sink).map(length)
            }
            libc::SYS_readlinkat => {
                if int(d) <= 0 {
                    return Err(Errno::EINVAL);
                }
                let sink = || memory.sink(address(c), int(d) as usize);
                self.readlink_into(int(a), &string(b)?, sink).map(length)
            }
            libc::SYS_mkdirat => self.mkdirat(int(a), &string(b)?, c as u32).map(|()| 0),
            libc::SYS_symlinkat => self.symlinkat(&string(a)?, int(b), &string(c)?).map(|()| 0),
            libc::SYS_unlinkat => self.unlinkat(int(a), &string(b)?, int(c)).map(|()| 0),
            libc::SYS_linkat => {
                self.linkat(int(a), &string(b)?, int(c), &string(d)?, int(e)).map(|()| 0)
            }
            libc::SYS_renameat => {
                self.renameat2(int(a), &string(b)?, int(c), &string(d)?, 0).map(|()| 0)
            }
            libc::SYS_renameat2 => {
                self.renameat2(int(a), &string(b)?, int(c), &string(d)?, e as u32).map(|()| 0)
            }
            libc::SYS_fchdir => self.fchdir(int(a)).map(|()| 0),
            libc::SYS_getdents64 => self.list(int(a), Dirent::Dirent64, b, c),
            libc::SYS_getdents => self.list(int(a), Dirent::Dirent, b, c),
            libc::SYS_getcwd => {
                let mut sink = memory.sink(address(a), address(b))?;
                self.getcwd_into(&mut sink).map(length)
            }
            libc::SYS_chroot => self.chroot(&string(a)?).map(|()| 0),
            libc::SYS_mount => self.mount_raw([a, b, c, d, e]).map(|()| 0),
            libc::SYS_umount2 => {
                check_umount_flags(int(b))?;
                self.umount2(&string(a)?, int(b)).map(|()| 0)
            }
            libc::SYS_chdir => self.chdir(&string(a)?).map(|()| 0),
            libc::SYS_truncate => {
                position(b as i64)?;
                self.truncate(&string(a)?, b as i64).map(|()| 0)
            }
            libc::SYS_ftruncate => self.ftruncate(int(a), b as i64).map(|()| 0),
            libc::SYS_chmod => self.chmod(&string(a)?, b as u32).map(|()| 0),
            libc::SYS_fchmod => self.fchmod(int(a), b as u32).map(|()| 0),
            libc::SYS_fchmodat => self.fchmodat(int(a), &string(b)?, c as u32, 0).map(|()| 0),
            libc::SYS_fchmodat2 => self.fchmodat(int(a), &string(b)?, c as u32, int(d)).map(|()| 0),
            libc::SYS_fchownat => {
                self.fchownat(int(a), &string(b)?, c as u32, d as u32, int(e)).map(|()| 0)
            }
            libc::SYS_chown => self.chown(&string(a)?, b as u32, c as u32).map(|()| 0),
            libc::SYS_lchown => self.lchown(&string(a)?, b as u32, c as u32).map(|()| 0),
            libc::SYS_fchown => self.fchown(int(a), b as u32, c as u32).map(|()| 0),
            libc::SYS_umask => Ok(self.umask(a as u32).into()),
            libc::SYS_utimensat => self.utimensat_raw(int(a), b, c, int(d)).map(|()| 0),
            libc::SYS_futimesat => self.utimes_raw(int(a), b, c).map(|()| 0),
            libc::SYS_utimes => self.utimes_raw(libc::AT_FDCWD, a, b).map(|()| 0),
            libc::SYS_utime => self.utime_raw(a, b).map(|()| 0),
            libc::SYS_getrlimit => memory.put(address(b), &self.getrlimit(a as u32)?).map(|()| 0),
            libc::SYS_setrlimit => self.setrlimit(a as u32, rlimit(b)?).map(|()| 0),
            libc::SYS_prlimit64 => {
                if a != 0 && a != u64::from(self.getpid()) {
                    return Err(Errno::ESRCH);
                }
                let new = if c == 0 { None } else { Some(rlimit(c)?) };
                let old = self.getrlimit(b as u32)?;
                new.map_or(Ok(()), |new| self.setrlimit(b as u32, new))?;
                if d == 0 { Ok(0) } else { memory.put(address(d), &old).map(|()| 0) }
            }
            libc::SYS_getpid => Ok(self.getpid().into()),
            libc::SYS_gettid => Ok(self.gettid().into()),
            libc::SYS_sched_yield => {
                self.sched_yield();
                Ok(0)
            }
            libc::SYS_clock_gettime => {
                memory.put(address(b), &self.clock_gettime(int(a))?).map(|()| 0)
            }
            libc::SYS_getrandom => self.random(a, b, c as u32),
            libc::SYS_sysinfo => memory.put(address(a), &self.sysinfo()?).map(|()| 0),
            libc::SYS_uname => memory.put(address(a), &self.uname()).map(|()| 0),
            libc::SYS_exit | libc::SYS_exit_group => self.exit_group(int(a)),
            _ => self.dispatch_xattrs(number, [a, b, c, d, e]),
        }
    }

    /// The calls on extended attributes. The file is looked for last, as on Linux.
    fn dispatch_xattrs(&self, number: i64, [a, b, c, d, e]: [u64; 5]) -> Result<i64> {
        let memory = self.user_memory();
        let (name, path) = (&mut ArrayVec::new(), &mut ArrayVec::new());
        match number {
            libc::SYS_setxattr | libc::SYS_lsetxattr | libc::SYS_fsetxattr => {
                let set = set_xattr(e as i32)?;
                let name = self.xattr_name(b, name)?;
                check_value_len(d as usize)?;
                let value = memory.source(c as usize, d as usize)?;
                self.set_xattr(self.xattrs_of(number, a, path)?, name, value, set).map(|()| 0)
            }
            libc::SYS_getxattr | libc::SYS_lgetxattr | libc::SYS_fgetxattr => {
                let room = (d as usize).min(XATTR_SIZE_MAX);
                let name = self.xattr_name(b, name)?;
                self.get_xattr(self.xattrs_of(number, a, path)?, name, || {
                    memory.sink(c as usize, room)
                })
                .map(length)
            }
            libc::SYS_listxattr | libc::SYS_llistxattr | libc::SYS_flistxattr => {
                let room = (c as usize).min(XATTR_LIST_MAX);
                self.list_xattrs(self.xattrs_of(number, a, path)?, || memory.sink(b as usize, room))
                    .map(length)
            }
            libc::SYS_removexattr | libc::SYS_lremovexattr | libc::SYS_fremovexattr => {
                let name = self.xattr_name(b, name)?;
                self.remove_xattr(self.xattrs_of(number, a, path)?, name).map(|()| 0)
            }
            _ => self.dispatch_identity(number, [a, b, c]),
        }
    }

    /// `mount(2)`. Strings that are none are only looked at where they are wanted; of the
    /// options at most a page is read, and as much of it as there is.
    #[cold]
    fn mount_raw(&self, [source, target, kind, flags, data]: [u64; 5]) -> Result<()> {
        let memory = self.user_memory();
        let string = |address: u64| match address {
            0 => Ok(None),
            address => memory.bounded_string::<PATH_MAX>(address as usize, Errno::EINVAL).map(Some),
        };
        let (kind, source) = (string(kind)?, string(source)?);
        let data = if data == 0 { None } else { Some(memory.page(data as usize)?) };
        let target = memory.string(target as usize)?;
        self.mount(source.as_deref(), &target, kind.as_deref(), flags, data.as_deref())
    }

    /// Copies the name of an extended attribute to `room`.
    ///
    /// # Errors
    /// EFAULT; ERANGE.
    fn xattr_name<'a>(
        &self,
        address: u64,
        room: &'a mut ArrayVec<u8, { XATTR_NAME_MAX + 1 }>,
    ) -> Result<XattrName<'a>> {
        *room = self.user_memory().bounded_string(address as usize, Errno::ERANGE)?;
        XattrName::new(room)
    }

    /// Whose extended attributes the call with this number is about, by its first word. A path
    /// is copied to `room`.
    ///
    /// # Errors
    /// EFAULT; ENAMETOOLONG.
    fn xattrs_of<'a>(
        &self,
        number: i64,
        word: u64,
        room: &'a mut ArrayVec<u8, PATH_MAX>,
    ) -> Result<XattrsOf<'a>> {
        let last_link = match number {
            libc::SYS_fsetxattr
            | libc::SYS_fgetxattr
            | libc::SYS_flistxattr
            | libc::SYS_fremovexattr => return Ok(XattrsOf::Descriptor(word as i32)),
            libc::SYS_lsetxattr
            | libc::SYS_lgetxattr
            | libc::SYS_llistxattr
            | libc::SYS_lremovexattr => LastLink::Stay,
            _ => LastLink::Follow,
        };
        *room = self.user_memory().string(word as usize)?;
        Ok(XattrsOf::Path(room, last_link))
    }

    /// The calls on users and groups.
    fn dispatch_identity(&self, number: i64, [a, b, c]: [u64; 3]) -> Result<i64> {
        let put_three = |ids: [u32; 3]| {
            for (address, id) in [a, b, c].into_iter().zip(ids) {
                self.user_memory().put(address as usize, &id)?;
            }
            Ok(0)
        };
        let [user, effective_user, _] = self.getresuid();
        let [group, effective_group, _] = self.getresgid();
        let (id, second, third) = (a as u32, b as u32, c as u32);
        match number {
            libc::SYS_getuid => Ok(user.into()),
            libc::SYS_geteuid => Ok(effective_user.into()),
            libc::SYS_getgid => Ok(group.into()),
            libc::SYS_getegid => Ok(effective_group.into()),
            libc::SYS_getresuid => put_three(self.getresuid()),
            libc::SYS_getresgid => put_three(self.getresgid()),
            libc::SYS_getgroups => self.getgroups_raw(a as i32, b).map(length),
            libc::SYS_setuid => self.setuid(id).map(|()| 0),
            libc::SYS_setgid => self.setgid(id).map(|()| 0),
            libc::SYS_setreuid => self.setreuid(id, second).map(|()| 0),
            libc::SYS_setregid => self.setregid(id, second).map(|()| 0),
            libc::SYS_setresuid => self.setresuid(id, second, third).map(|()| 0),
            libc::SYS_setresgid => self.setresgid(id, second, third).map(|()| 0),
            libc::SYS_setfsuid => Ok(self.setfsuid(id).into()),
            libc::SYS_setfsgid => Ok(self.setfsgid(id).into()),
            libc::SYS_setgroups => self.setgroups_raw(a as i32, b).map(|()| 0),
            _ => Err(Errno::ENOSYS),
        }
    }

    /// A file position that a program points to; none where it points nowhere.
    fn position_at(&self, address: u64) -> Result<Option<i64>> {
        if address == 0 {
            return Ok(None);
        }
        let [position] = self.user_memory().get(address as usize)?;
        Ok(Some(position as i64))
    }

    fn put_position(&self, address: u64, position: Option<i64>) -> Result<()> {
        position.map_or(Ok(()), |position| self.user_memory().put(address as usize, &position))
    }

    /// When the time at an address is over, of which the second word is so many nanoseconds a
    /// unit; none where there is no address.
    ///
    /// # Errors
    /// EFAULT; EINVAL.
    fn deadline_at(&self, address: u64, unit: i64) -> Result<Option<libc::timespec>> {
        if address == 0 {
            return Ok(None);
        }
        let [seconds, units] = self.user_memory().get(address as usize)?;
        let in_a_second = 1_000_000_000 / unit;
        // Linux takes any number of microseconds, but of nanoseconds only those of a second.
        let (more, units) = match unit {
            1 => (0, units as i64),
            _ => (units as i64 / in_a_second, units as i64 % in_a_second),
        };
        let seconds = (seconds as i64).checked_add(more).ok_or(Errno::EINVAL)?;
        let timeout = libc::timespec { tv_sec: seconds, tv_nsec: units * unit };
        self.deadline(timeout).map(Some)
    }

    /// Puts what is left of a time in its place, if the program lets it, as Linux does.
    fn put_time_left(&self, address: u64, deadline: Option<libc::timespec>, unit: i64) {
        if let Some(deadline) = deadline {
            let left = self.left_until(deadline);
            let _ = self.user_memory().put(address as usize, &[left.tv_sec, left.tv_nsec / unit]);
        }
    }

    /// Makes a pipe, and puts its descriptors where the program wants them.
    fn put_pipe(&self, to: u64, flags: i32) -> Result<i64> {
        let fds = self.pipe2(flags)?;
        self.user_memory().put(to as usize, &fds).map(|()| 0).inspect_err(|_| {
            for fd in fds {
                // It is there, unless another thread closed it.
                let _ = self.close(fd);
            }
        })
    }

    fn list(&self, fd: i32, layout: Dirent, to: u64, len: u64) -> Result<i64> {
        let sink = || self.user_memory().sink(to as usize, len as u32 as usize);
        self.getdents_into(fd, layout, sink).map(length)
    }

    fn read_at(&self, fd: i32, at: At, to: u64, len: u64) -> Result<i64> {
        let sink = || self.user_memory().sink(to as usize, len as usize);
        self.read_into(fd, at, sink).map(length)
    }

    fn write_at(&self, fd: i32, at: At, from: u64, len: u64) -> Result<i64> {
        let source = || self.user_memory().source(from as usize, len as usize);
        self.write_from(fd, (at, Append::AsOpened), source).map(length)
    }

    fn random(&self, to: u64, len: u64, flags: u32) -> Result<i64> {
        check_random_flags(flags)?;
        let mut sink = self.user_memory().sink(to as usize, len as usize)?;
        let mut piece = [0; 256];
        while sink.remaining() > 0 {
            self.platform().fill_random(&mut piece)?;
            sink.put(&piece);
        }
        Ok(len as i64)
    }
}

fn length(bytes: usize) -> i64 {
    bytes as i64
}
