//! Locks on files: flock, and fcntl with F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK and
//! F_OFD_SETLKW.

use anchorite_fs::mem::Arc;
use anchorite_fs::planted;

use crate::file::OpenFile;
use crate::locks::{Held, Holder, Key, Kind, LAST_BYTE, Owner, Range};
use crate::pipe::Waits;
use crate::system::System;
use crate::{Errno, Result};

/// What an open file description's locks have for a process, to F_OFD_GETLK and F_GETLK.
const NO_PROCESS: i32 = -1;
/// Locks that `flock(2)` had once. Linux takes no notice of them.
const LOCK_MAND: i32 = 32;

/// Whether `fcntl(2)` is asked for a lock.
pub(crate) fn is_about_locks(command: i32) -> bool {
    use libc::{F_GETLK, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_SETLK, F_SETLKW};
    matches!(command, F_GETLK | F_SETLK | F_SETLKW | F_OFD_GETLK | F_OFD_SETLK | F_OFD_SETLKW)
}

impl System {
    /// `flock(2)`: locks the whole file for the open file description of `fd`, or gives its lock
    /// up: LOCK_SH, LOCK_EX or LOCK_UN, with LOCK_NB so as not to wait. Of a lock of the other kind
    /// the description lets go first, even if it does not get the new one. All descriptors that
    /// were duplicated have one lock, which the last of them that is closed gives up.
    ///
    /// # Errors
    /// EINVAL for another operation; EBADF, also if it is open for neither reading nor writing;
    /// EAGAIN (which is EWOULDBLOCK) if somebody has a lock that excludes this one, with LOCK_NB;
    /// ENOLCK for a file of the host, and if there are as many locks as there can be (8192);
    /// ENOMEM.
    pub fn flock(&self, fd: i32, operation: i32) -> Result<()> {
        if operation & LOCK_MAND != 0 {
            return Ok(());
        }
        let kind = match operation & !libc::LOCK_NB {
            libc::LOCK_SH => Some(Kind::Read),
            libc::LOCK_EX => Some(Kind::Write),
            libc::LOCK_UN => None,
            _ => return Err(Errno::EINVAL),
        };
        let waits = if operation & libc::LOCK_NB == 0 { Waits::Yes } else { Waits::No };
        let file = self.file(fd)?;
        if kind.is_some() {
            file.check_readable().or(file.check_writable())?;
        }
        let key = file.lock_key()?;
        match kind {
            Some(kind) => {
                self.locks().lock_whole(key, self.holder(&file, key).owner(), kind, waits)
            }
            None => {
                if let Some(holder) = file.holder.get() {
                    self.locks().unlock_whole(key, holder.owner());
                }
                Ok(())
            }
        }
    }

    /// `fcntl(2)` with F_GETLK, F_SETLK, F_SETLKW, F_OFD_GETLK, F_OFD_SETLK or F_OFD_SETLKW: tells
    /// which lock is in the way of `lock`, which becomes that one, or F_UNLCK if none is; or locks
    /// the bytes that it names; or, with F_UNLCK, gives them up. The first three are about locks of
    /// the process, which all threads have together, and which the close of any descriptor of the
    /// file gives up; the others about those of the open file description.
    ///
    /// # Errors
    /// POSIX.1-2024 fcntl(), ERRORS, in this order: EBADF; EINVAL for another command; EINVAL for
    /// an unknown `l_whence`; EOVERFLOW for a byte behind the last that there can be; EINVAL for
    /// one before the first; EINVAL for an unknown `l_type`; EBADF for a lock to read (to write)
    /// and a file that is not open for that; EINVAL for the locks of a description with an `l_pid`
    /// that is not 0; ENOLCK for a file of the host; EAGAIN if somebody is in the way, and waiting
    /// is not asked for; EDEADLK to wait for a description for which, by F_OFD_SETLKW, another
    /// thread waits for the process; ENOLCK if there are as many locks as there can be; ENOMEM.
    pub fn fcntl_lock(&self, fd: i32, command: i32, lock: &mut libc::flock) -> Result<()> {
        let file = self.file(fd)?;
        if is_about_locks(command) {
            self.lock_ranges(fd, &file, command, lock)
        } else {
            Err(Errno::EINVAL)
        }
    }

    /// [`fcntl_lock`](System::fcntl_lock) by the address of a `struct flock`.
    ///
    /// # Errors
    /// EFAULT; those of [`fcntl_lock`](System::fcntl_lock).
    pub(crate) fn lock_ranges_raw(
        &self,
        fd: i32,
        file: &Arc<OpenFile>,
        command: i32,
        address: u64,
    ) -> Result<()> {
        let memory = self.user_memory();
        let [kinds, l_start, l_len, l_pid] = memory.get(address as usize)?;
        let mut lock = libc::flock {
            l_type: kinds as i16,
            l_whence: (kinds >> 16) as i16,
            l_start: l_start as i64,
            l_len: l_len as i64,
            l_pid: l_pid as i32,
        };
        self.lock_ranges(fd, file, command, &mut lock)?;
        if matches!(command, libc::F_GETLK | libc::F_OFD_GETLK) {
            memory.put(address as usize, &lock)?;
        }
        Ok(())
    }

    fn lock_ranges(
        &self,
        fd: i32,
        file: &Arc<OpenFile>,
        command: i32,
        lock: &mut libc::flock,
    ) -> Result<()> {
        use libc::{F_GETLK, F_OFD_GETLK, F_OFD_SETLKW, F_SETLKW};
        let is_process = matches!(command, F_GETLK | libc::F_SETLK | F_SETLKW);
        let asks = matches!(command, F_GETLK | F_OFD_GETLK);
        // Of itself a description may ask what it has: F_UNLCK.
        let is_lock = matches!(i32::from(lock.l_type), libc::F_RDLCK | libc::F_WRLCK);
        if command == F_GETLK && !is_lock {
            return Err(Errno::EINVAL);
        }
        let range = range(file, lock)?;
        let kind = match i32::from(lock.l_type) {
            libc::F_RDLCK => Some(Kind::Read),
            libc::F_WRLCK => Some(Kind::Write),
            libc::F_UNLCK => None,
            _ => return Err(Errno::EINVAL),
        };
        match kind {
            Some(Kind::Read) if !asks => file.check_readable()?,
            Some(Kind::Write) if !asks => file.check_writable()?,
            _ => {}
        }
        if !is_process && lock.l_pid != 0 {
            return Err(Errno::EINVAL);
        }
        let key = file.lock_key()?;
        let locks = self.locks();
        // Also to ask: who looked for the number of an owner before there was one could be told of a
        // lock that another thread sets, for the same description, in between.
        let owner = if is_process { Owner::PROCESS } else { self.holder(file, key).owner() };
        match kind {
            Some(kind) if asks => {
                self.tell(locks.conflict(key, Held { owner, range, kind }), lock);
                Ok(())
            }
            None if asks => {
                self.tell(locks.own(key, owner, range), lock);
                Ok(())
            }
            Some(kind) => {
                let waits = matches!(command, F_SETLKW | F_OFD_SETLKW);
                let waits = if waits { Waits::Yes } else { Waits::No };
                locks.lock_range(key, Held { owner, range, kind }, waits)?;
                if is_process { self.check_still_open(fd, file, key) } else { Ok(()) }
            }
            None => locks.unlock_range(key, owner, range),
        }
    }

    /// Tells of a lock as F_GETLK does.
    fn tell(&self, held: Option<Held>, lock: &mut libc::flock) {
        let Some(Held { owner, range, kind }) = held else {
            lock.l_type = libc::F_UNLCK as i16;
            return;
        };
        let len = if range.last == LAST_BYTE { 0 } else { range.last - range.first + 1 };
        let l_type = if kind == Kind::Read { libc::F_RDLCK } else { libc::F_WRLCK };
        *lock = libc::flock {
            l_type: l_type as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: range.first as i64,
            l_len: len as i64,
            l_pid: if owner == Owner::PROCESS { self.getpid() as i32 } else { NO_PROCESS },
        };
    }

    /// Gives the process's locks up again if the descriptor by which they were set was closed
    /// meanwhile: who did so may not have seen them.
    ///
    /// # Errors
    /// EBADF then, as on Linux.
    fn check_still_open(&self, fd: i32, file: &Arc<OpenFile>, key: Key) -> Result<()> {
        match self.file_or_path(fd) {
            Ok(now) if Arc::ptr_eq(&now, file) => Ok(()),
            _ if planted!("closed_descriptor_keeps_locks") => Ok(()),
            _ => {
                self.locks().closed(key);
                Err(Errno::EBADF)
            }
        }
    }

    /// What makes an open file description an owner of locks.
    fn holder<'a>(&self, file: &'a OpenFile, key: Key) -> &'a Holder {
        if let Some(holder) = file.holder.get() {
            return holder;
        }
        // Made before: nobody is to be kept waiting by who makes it. One that came too late has
        // nothing to give up.
        let holder = Holder::new(self.locks(), key);
        file.holder.call_once(|| holder)
    }

    /// What the process has locked of a file is given up when a descriptor for it is closed.
    #[inline]
    pub(crate) fn unlock_at_close(&self, file: &OpenFile) {
        if let Ok(key) = file.lock_key() {
            self.locks().closed(key);
        }
    }
}

/// The bytes that a `struct flock` names.
///
/// # Errors
/// EINVAL, EOVERFLOW, in Linux' order (`fs/locks.c`, `flock64_to_posix_lock`).
fn range(file: &OpenFile, lock: &libc::flock) -> Result<Range> {
    let base = file.lock_base(lock.l_whence.into())?;
    let first = base.checked_add(lock.l_start).ok_or(Errno::EOVERFLOW)?;
    if first < 0 {
        return Err(Errno::EINVAL);
    }
    let (first, last) = match lock.l_len {
        0 => (first, i64::MAX),
        len @ 1.. => (first, first.checked_add(len - 1).ok_or(Errno::EOVERFLOW)?),
        // From so many bytes before it up to it.
        len if first + len < 0 => return Err(Errno::EINVAL),
        len => (first + len, first - 1),
    };
    Ok(Range { first: first as u64, last: last as u64 })
}
