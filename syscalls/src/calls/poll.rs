//! Waiting for several files: poll, ppoll, select, pselect6.
//!
//! Who waits without a limit parks, in the lists of all pipes and instances of inotify that it asked for; who waits up to
//! a point in time looks again and again, and lets others run in between, since nothing wakes a
//! thread at a time.

use alloc::vec::Vec;

use anchorite_fs::mem::Arc;
use libc::{pollfd, timespec};

use crate::file::OpenFile;
use crate::pipe::Parking;
use crate::system::System;
use crate::{Errno, Result};

/// What is told of a file though nobody asked.
const ALWAYS: i16 = libc::POLLERR | libc::POLLHUP | libc::POLLNVAL;
/// What makes a file one that can be read, written, or has urgent data: `select(2)`.
const SETS: [i16; 3] = [
    libc::POLLIN | libc::POLLRDNORM | libc::POLLRDBAND | ALWAYS,
    libc::POLLOUT | libc::POLLWRNORM | libc::POLLWRBAND | libc::POLLERR | libc::POLLNVAL,
    libc::POLLPRI | libc::POLLNVAL,
];
/// Bits in a word of a set.
const BITS: usize = u64::BITS as usize;
const NANOSECONDS: i64 = 1_000_000_000;

/// A set of descriptors, 64 to a word.
type Set<'a> = Option<&'a mut [u64]>;

impl System {
    /// `poll(2)`: waits until something of what is asked is true of one of `files`, or for
    /// `timeout_ms` milliseconds, below zero for ever; how many have something told. Files,
    /// directories and devices are always ready to be read and written, whatever they
    /// are open for.
    ///
    /// # Errors
    /// EINVAL for more files than there can be descriptors; ENOMEM.
    pub fn poll(&self, files: &mut [pollfd], timeout_ms: i32) -> Result<usize> {
        self.poll_until(files, self.deadline_in(timeout_ms)?)
    }

    /// `ppoll(2)`: as [`poll`](System::poll), with a time of nanoseconds; for ever without one. There
    /// are no signals, so there is no mask of them.
    ///
    /// # Errors
    /// EINVAL for a time below zero or not in seconds and nanoseconds; those of
    /// [`poll`](System::poll).
    pub fn ppoll(&self, files: &mut [pollfd], timeout: Option<timespec>) -> Result<usize> {
        let deadline = timeout.map(|timeout| self.deadline(timeout)).transpose()?;
        self.poll_until(files, deadline)
    }

    /// [`ppoll`](System::ppoll) up to a point in time.
    ///
    /// # Errors
    /// EINVAL for more files than there can be descriptors; ENOMEM.
    fn poll_until(&self, files: &mut [pollfd], deadline: Option<timespec>) -> Result<usize> {
        if files.len() > self.limits.descriptors() {
            return Err(Errno::EINVAL);
        }
        let mut asked = Vec::new();
        asked.try_reserve_exact(files.len()).map_err(|_| Errno::ENOMEM)?;
        for file in &*files {
            let found = if file.fd < 0 { None } else { self.file(file.fd).ok() };
            asked.push(Asked { file: found, wanted: file.events | ALWAYS, told: 0 });
        }
        // What is no descriptor is told at once.
        for (asked, file) in asked.iter_mut().zip(&*files) {
            if file.fd >= 0 && asked.file.is_none() {
                asked.told = libc::POLLNVAL;
            }
        }
        let count = self.wait_for(&mut asked, deadline)?;
        for (file, asked) in files.iter_mut().zip(&asked) {
            file.revents = asked.told;
        }
        Ok(count)
    }

    /// `select(2)`: waits until a descriptor below `count` that is in one of `sets` can be
    /// read, can be written, or has urgent data (which none ever has), or for `timeout`, without
    /// one for ever. Leaves in the sets those of which that is true; how many bits that are. A set is
    /// of 64 descriptors a word; what is missing at its end is not in it.
    ///
    /// # Errors
    /// EINVAL for a time below zero or a `count` below zero; EBADF for what is no descriptor;
    /// ENOMEM.
    pub fn select(
        &self,
        count: i32,
        sets: [Option<&mut [u64]>; 3],
        timeout: Option<timespec>,
    ) -> Result<usize> {
        let deadline = timeout.map(|timeout| self.deadline(timeout)).transpose()?;
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        self.select_until(count.min(self.limits.descriptors()), sets, deadline)
    }

    /// [`select`](System::select) up to a point in time.
    ///
    /// # Errors
    /// EBADF; ENOMEM.
    fn select_until(
        &self,
        count: usize,
        mut sets: [Set<'_>; 3],
        deadline: Option<timespec>,
    ) -> Result<usize> {
        let mut asked = Vec::new();
        let mut numbers = Vec::new();
        for fd in 0..count {
            let wanted = sets.iter().zip(SETS).filter(|(set, _)| contains(set, fd));
            let wanted = wanted.fold(0, |all, (_, events)| all | events);
            if wanted == 0 {
                continue;
            }
            // One that O_PATH made is there, but no call is for it.
            let (file, told) = match self.file_or_path(fd as i32)? {
                file if file.flags() & libc::O_PATH != 0 => (None, libc::POLLNVAL),
                file => (Some(file), 0),
            };
            asked.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            numbers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            asked.push(Asked { file, wanted, told });
            numbers.push(fd);
        }
        self.wait_for(&mut asked, deadline)?;
        let mut bits = 0;
        for (set, events) in sets.iter_mut().zip(SETS) {
            let Some(set) = set else { continue };
            let words = count.div_ceil(BITS).min(set.len());
            let mut found = numbers.iter().zip(&asked).peekable();
            for (at, word) in set[..words].iter_mut().enumerate() {
                let former = core::mem::take(word);
                while let Some((fd, asked)) = found.next_if(|(fd, _)| **fd < (at + 1) * BITS) {
                    let bit = 1 << (fd % BITS);
                    if former & bit != 0 && asked.told & events != 0 {
                        *word |= bit;
                        bits += 1;
                    }
                }
            }
        }
        Ok(bits)
    }

    /// `pselect6(2)` is [`select`](System::select): there is no mask of signals.
    ///
    /// # Errors
    /// Those of [`select`](System::select).
    pub fn pselect(
        &self,
        count: i32,
        sets: [Option<&mut [u64]>; 3],
        timeout: Option<timespec>,
    ) -> Result<usize> {
        self.select(count, sets, timeout)
    }

    /// Waits until there is something to tell of one of `asked`; of how many there is.
    ///
    /// # Errors
    /// ENOMEM.
    fn wait_for(&self, asked: &mut [Asked], deadline: Option<timespec>) -> Result<usize> {
        let mut parking = Parking::new(self.platform());
        let watch = deadline.is_none().then_some(parking.thread);
        let count = loop {
            let count = match look(asked, watch) {
                Ok(0) => 0,
                count => break count,
            };
            match deadline {
                None => parking.park(),
                Some(deadline) if is_over(deadline, self.platform().monotonic()) => {
                    break Ok(count);
                }
                Some(_) => self.platform().yield_now(),
            }
        };
        if let Some(thread) = watch {
            for asked in &*asked {
                if let Some(file) = &asked.file {
                    file.forget(thread);
                }
            }
        }
        count
    }

    /// When `timeout` is over, by the clock that is never set back.
    ///
    /// # Errors
    /// EINVAL for a time below zero, or not in seconds and nanoseconds.
    pub(crate) fn deadline(&self, timeout: timespec) -> Result<timespec> {
        if timeout.tv_sec < 0 || !(0..NANOSECONDS).contains(&timeout.tv_nsec) {
            return Err(Errno::EINVAL);
        }
        let now = self.platform().monotonic();
        let nanoseconds = now.tv_nsec + timeout.tv_nsec;
        let seconds = now.tv_sec.saturating_add(timeout.tv_sec);
        Ok(timespec {
            tv_sec: seconds.saturating_add(nanoseconds / NANOSECONDS),
            tv_nsec: nanoseconds % NANOSECONDS,
        })
    }

    /// When so many milliseconds are over; never if they are below zero.
    ///
    /// # Errors
    /// None: the time is one.
    pub(crate) fn deadline_in(&self, timeout_ms: i32) -> Result<Option<timespec>> {
        let milliseconds = i64::from(timeout_ms);
        let timeout = (milliseconds >= 0).then(|| timespec {
            tv_sec: milliseconds / 1000,
            tv_nsec: milliseconds % 1000 * 1_000_000,
        });
        timeout.map(|timeout| self.deadline(timeout)).transpose()
    }

    /// What is left of the time up to `deadline`: what select leaves in place of its timeout.
    pub(crate) fn left_until(&self, deadline: timespec) -> timespec {
        let now = self.platform().monotonic();
        if is_over(deadline, now) {
            return timespec { tv_sec: 0, tv_nsec: 0 };
        }
        let borrows = deadline.tv_nsec < now.tv_nsec;
        timespec {
            tv_sec: deadline.tv_sec - now.tv_sec - i64::from(borrows),
            tv_nsec: deadline.tv_nsec - now.tv_nsec + if borrows { NANOSECONDS } else { 0 },
        }
    }

    /// `poll(2)` and `ppoll(2)` by the addresses of a program. Of each file what is told is
    /// written, and no more.
    ///
    /// # Errors
    /// EINVAL for too many files; EFAULT; those of [`ppoll`](System::ppoll).
    pub(crate) fn poll_raw(
        &self,
        (to, count): (u64, u64),
        deadline: Option<timespec>,
    ) -> Result<usize> {
        /// Where `revents` is in a `struct pollfd`, which is of eight bytes.
        const TOLD: usize = 6;
        let count = count as u32 as usize;
        if count > self.limits.descriptors() {
            return Err(Errno::EINVAL);
        }
        let memory = self.user_memory();
        let address = |at: usize| to as usize + at * size_of::<pollfd>();
        memory.check(to as usize, count * size_of::<pollfd>())?;
        let mut files = Vec::new();
        files.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        for at in 0..count {
            let [word] = memory.get(address(at))?;
            let (fd, events) = (word as i32, (word >> 32) as i16);
            files.push(pollfd { fd, events, revents: 0 });
        }
        let told = self.poll_until(&mut files, deadline)?;
        for (at, file) in files.iter().enumerate() {
            memory.put(address(at) + TOLD, &file.revents)?;
        }
        Ok(told)
    }

    /// `select(2)` and `pselect6(2)` by the addresses of a program.
    ///
    /// # Errors
    /// EINVAL for a count below zero; EFAULT; those of [`select`](System::select).
    pub(crate) fn select_raw(
        &self,
        count: i32,
        addresses: [u64; 3],
        deadline: Option<timespec>,
    ) -> Result<usize> {
        let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
        let count = count.min(self.limits.descriptors());
        let memory = self.user_memory();
        let words = count.div_ceil(BITS);
        let address = |at: usize, word: usize| addresses[at] as usize + word * size_of::<u64>();
        let mut sets = [const { Vec::new() }; 3];
        for (at, set) in sets.iter_mut().enumerate() {
            if addresses[at] == 0 {
                continue;
            }
            memory.check(address(at, 0), words * size_of::<u64>())?;
            set.try_reserve_exact(words).map_err(|_| Errno::ENOMEM)?;
            for word in 0..words {
                let [word] = memory.get(address(at, word))?;
                set.push(word as u64);
            }
        }
        let told =
            self.select_until(count, sets.each_mut().map(|set| Some(&mut **set)), deadline)?;
        for (at, set) in sets.iter().enumerate() {
            for (word, bits) in set.iter().enumerate() {
                memory.put(address(at, word), bits)?;
            }
        }
        Ok(told)
    }

    /// Checks a mask of signals, of which there are none.
    ///
    /// # Errors
    /// EINVAL for one of another size than Linux has; EFAULT.
    pub(crate) fn check_signal_mask(&self, mask: u64, len: u64) -> Result<()> {
        const BYTES: u64 = 8;
        match (mask, len) {
            (0, _) => Ok(()),
            (_, BYTES) => self.user_memory().check(mask as usize, BYTES as usize),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// A file that is asked for.
struct Asked {
    /// None if there is none.
    file: Option<Arc<OpenFile>>,
    /// What to wait for.
    wanted: i16,
    /// What of it is true.
    told: i16,
}

/// Looks at each; of how many there is something to tell. Where there is nothing, `watch` is
/// unparked at the next change.
///
/// # Errors
/// ENOMEM.
fn look(asked: &mut [Asked], watch: Option<u32>) -> Result<usize> {
    let mut count = 0;
    for asked in asked {
        if let Some(file) = &asked.file {
            // Once there is something to tell, nobody is to be woken.
            let watch = watch.filter(|_| count == 0);
            asked.told = file.poll(asked.wanted, watch)? & asked.wanted;
        }
        count += usize::from(asked.told != 0);
    }
    Ok(count)
}

fn is_over(deadline: timespec, now: timespec) -> bool {
    (now.tv_sec, now.tv_nsec) >= (deadline.tv_sec, deadline.tv_nsec)
}

fn contains(set: &Set<'_>, fd: usize) -> bool {
    let word = set.as_ref().and_then(|set| set.get(fd / BITS));
    word.is_some_and(|word| word & 1 << (fd % BITS) != 0)
}
