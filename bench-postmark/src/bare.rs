//! [`Bare`]: files that are nothing but their bytes, for what PostMark takes by itself.
//!
//! A file is found by the number that its path ends in, and has its bytes in pages of its own,
//! which are used again, the last one freed first. There are no names, directories, permissions
//! and times. So what a run takes is PostMark's own work, with the copying of the bytes and the
//! waiting for the memory that they lie in: what a file system's calls come on top of. Measured, not
//! proven, to be the least: pages are kept here by the simplest means.

use core::cell::RefCell;

use alloc::vec::Vec;

use anchorite_syscalls::cold::{self, Filled, Warmth};

use crate::calls::{Calls, Stat};
use crate::{Errno, Result};

/// Bytes of a page, and the size of stdio's buffer.
const PAGE: usize = 4096;
/// The first descriptor; those below are of the calls outside.
const FIRST_FD: i32 = 1 << 20;
/// How many files can be open; PostMark has one.
const MOST_OPEN: usize = 4;

/// Files in memory; the console, the clock, and what is read but was not made here are of
/// the calls outside.
pub struct Bare<'a, C> {
    outside: &'a C,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    /// By their numbers.
    files: Vec<Option<File>>,
    open: [Option<Open>; MOST_OPEN],
    /// Pages that nothing has, the last one freed at the end.
    free: Vec<Page>,
    /// Which of those are in a cache: the others are filled past the caches, as the ramdisk's are.
    warmth: Warmth,
}

/// Up to [`PAGE`] bytes, and room for as many.
type Page = Vec<u8>;

struct File {
    size: usize,
    pages: Vec<Page>,
    filled: Filled,
}

#[derive(Clone, Copy)]
struct Open {
    number: usize,
    offset: usize,
}

impl<C: Calls> Bare<'_, C> {
    /// No files, beside those of `outside`.
    pub fn new(outside: &C) -> Bare<'_, C> {
        Bare { outside, state: RefCell::default() }
    }
}

impl State {
    fn open(&mut self, number: usize, flags: i32) -> Result<i32> {
        if flags & libc::O_CREAT != 0 {
            self.make(number, flags & libc::O_TRUNC != 0)?;
        }
        let offset = match flags & libc::O_APPEND {
            0 => 0,
            _ => self.file(number)?.size,
        };
        let at = self.open.iter().position(Option::is_none).ok_or(Errno::EMFILE)?;
        self.open[at] = Some(Open { number, offset });
        Ok(FIRST_FD + at as i32)
    }

    /// Makes a file that is missing, or empties one.
    fn make(&mut self, number: usize, empty: bool) -> Result<()> {
        if number >= self.files.len() {
            let count = number.checked_add(1).ok_or(Errno::ENOMEM)?;
            self.files.try_reserve(count - self.files.len()).map_err(|_| Errno::ENOMEM)?;
            self.files.resize_with(count, || None);
        }
        if empty {
            self.remove(number);
        }
        let new = || File { size: 0, pages: Vec::new(), filled: Filled::NEVER };
        self.files[number].get_or_insert_with(new);
        Ok(())
    }

    /// Removes a file; whether there was one.
    fn remove(&mut self, number: usize) -> bool {
        let Some(file) = self.files.get_mut(number).and_then(Option::take) else { return false };
        self.warmth.free(file.filled, file.pages.len() as u32);
        for mut page in file.pages.into_iter().rev() {
            page.clear();
            self.free.push(page);
        }
        true
    }

    fn file(&self, number: usize) -> Result<&File> {
        self.files.get(number).and_then(Option::as_ref).ok_or(Errno::ENOENT)
    }

    fn opened(&self, fd: i32) -> Result<(usize, Open)> {
        let at = fd.checked_sub(FIRST_FD).and_then(|at| usize::try_from(at).ok());
        let at = at.ok_or(Errno::EBADF)?;
        self.open.get(at).copied().flatten().map(|open| (at, open)).ok_or(Errno::EBADF)
    }

    fn read(&mut self, fd: i32, buffer: &mut [u8]) -> Result<usize> {
        let (at, Open { number, offset }) = self.opened(fd)?;
        let file = self.file(number)?;
        let mut done = 0;
        while done < buffer.len() && offset + done < file.size {
            let from = offset + done;
            let bytes = &file.pages[from / PAGE][from % PAGE..];
            let run = bytes.len().min(buffer.len() - done);
            buffer[done..done + run].copy_from_slice(&bytes[..run]);
            done += run;
        }
        self.open[at] = Some(Open { number, offset: offset + done });
        Ok(done)
    }

    fn write(&mut self, fd: i32, mut bytes: &[u8]) -> Result<usize> {
        let (at, Open { number, mut offset }) = self.opened(fd)?;
        let file = self.files.get_mut(number).and_then(Option::as_mut).ok_or(Errno::ENOENT)?;
        let len = bytes.len();
        while !bytes.is_empty() {
            if offset == file.pages.len() * PAGE {
                file.pages.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                file.pages.push(page(&mut self.free)?);
                file.filled = self.warmth.allocate();
            }
            let page = &mut file.pages[offset / PAGE];
            let (now, later) = bytes.split_at(bytes.len().min(PAGE - offset % PAGE));
            let (over, behind) = now.split_at(now.len().min(page.len() - offset % PAGE));
            page[offset % PAGE..][..over.len()].copy_from_slice(over);
            cold::extend(page, behind, file.filled.is_cold());
            offset += now.len();
            file.size = file.size.max(offset);
            bytes = later;
        }
        self.open[at] = Some(Open { number, offset });
        Ok(len)
    }

    /// To a place in the file or at its end: there are no holes.
    fn seek(&mut self, fd: i32, offset: i64, whence: i32) -> Result<u64> {
        let (at, open) = self.opened(fd)?;
        let size = self.file(open.number)?.size;
        let from = match whence {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => open.offset,
            libc::SEEK_END => size,
            _ => return Err(Errno::EINVAL),
        };
        let to = i64::try_from(from).ok().and_then(|from| from.checked_add(offset));
        let to = to.and_then(|to| usize::try_from(to).ok()).filter(|&to| to <= size);
        let offset = to.ok_or(Errno::EINVAL)?;
        self.open[at] = Some(Open { offset, ..open });
        Ok(offset as u64)
    }
}

/// A page without any bytes.
fn page(free: &mut Vec<Page>) -> Result<Page> {
    if let Some(page) = free.pop() {
        return Ok(page);
    }
    let mut page = Vec::new();
    page.try_reserve_exact(PAGE).map_err(|_| Errno::ENOMEM)?;
    Ok(page)
}

/// The number that a path's last component is, as PostMark calls its files.
fn number_of(path: &[u8]) -> Option<usize> {
    let name = path.rsplit(|&byte| byte == b'/').next().filter(|name| !name.is_empty())?;
    name.iter().try_fold(0, |number: usize, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

impl<C: Calls> Calls for Bare<'_, C> {
    fn open(&self, path: &[u8], flags: i32, mode: u32) -> Result<i32> {
        let mut state = self.state.borrow_mut();
        match number_of(path) {
            Some(number) if flags & libc::O_CREAT != 0 || state.file(number).is_ok() => {
                state.open(number, flags)
            }
            _ => self.outside.open(path, flags, mode),
        }
    }

    fn close(&self, fd: i32) -> Result<()> {
        if fd < FIRST_FD {
            return self.outside.close(fd);
        }
        let mut state = self.state.borrow_mut();
        let (at, _) = state.opened(fd)?;
        state.open[at] = None;
        Ok(())
    }

    fn read(&self, fd: i32, buffer: &mut [u8]) -> Result<usize> {
        if fd < FIRST_FD {
            return self.outside.read(fd, buffer);
        }
        self.state.borrow_mut().read(fd, buffer)
    }

    fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize> {
        if fd < FIRST_FD {
            return self.outside.write(fd, bytes);
        }
        self.state.borrow_mut().write(fd, bytes)
    }

    fn lseek(&self, fd: i32, offset: i64, whence: i32) -> Result<u64> {
        if fd < FIRST_FD {
            return self.outside.lseek(fd, offset, whence);
        }
        self.state.borrow_mut().seek(fd, offset, whence)
    }

    fn fstat(&self, fd: i32) -> Result<Stat> {
        if fd < FIRST_FD {
            return self.outside.fstat(fd);
        }
        self.state.borrow().opened(fd)?;
        Ok(Stat { mode: libc::S_IFREG | 0o666, block_size: PAGE as i64 })
    }

    fn unlink(&self, path: &[u8]) -> Result<()> {
        let number = number_of(path).ok_or(Errno::ENOENT)?;
        if self.state.borrow_mut().remove(number) { Ok(()) } else { Err(Errno::ENOENT) }
    }

    fn mkdir(&self, _: &[u8], _: u32) -> Result<()> {
        Ok(())
    }

    fn rmdir(&self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn getcwd(&self, buffer: &mut [u8]) -> Result<usize> {
        self.outside.getcwd(buffer)
    }

    fn now_ns(&self) -> u64 {
        self.outside.now_ns()
    }
}
