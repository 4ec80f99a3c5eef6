//! One call, or a few that belong together, repeated.

use alloc::vec;
use core::ffi::CStr;
use core::hint::black_box;

use anchorite_syscalls::Errno;

use super::bench::Bench;
use super::{Calls, Group, rows};
use crate::io::{Failure, ToDo};

const KIB: usize = 1024;
/// Bytes of the file that is read and written over; the longest transfer.
const DATA_BYTES: usize = 64 * KIB;
const DATA: &CStr = c"data";
const DIRECTORIES: [&CStr; 3] = [c"a", c"a/b", c"a/b/c"];
const FILE: &CStr = c"a/b/c/f";
const NEW: &CStr = c"new";
const OTHER: &CStr = c"other";
const LINK: &CStr = c"link";

/// Flags of a file that is made.
pub const CREATE: i32 = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;

/// Calls that are not about files.
///
/// # Errors
/// A call fails, or the console.
pub fn machine<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let calls = bench.calls;
    bench.repeat(rows::GETPID, || {
        black_box(black_box(calls).getpid());
        Ok(())
    })?;
    bench.repeat(rows::SCHED_YIELD, || {
        black_box(calls).sched_yield();
        Ok(())
    })?;
    let (from, mut to) = (vec![1u8; DATA_BYTES], vec![0u8; DATA_BYTES]);
    for (name, len) in [(rows::MEMCPY_4K, 4 * KIB), (rows::MEMCPY, DATA_BYTES)] {
        bench.repeat(name, || {
            black_box(&mut to[..len]).copy_from_slice(black_box(&from[..len]));
            black_box(to.as_slice());
            Ok(())
        })?;
    }
    Ok(())
}

/// Calls on one file, or on a few.
///
/// # Errors
/// A call fails, or the console.
pub fn files<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if !bench.options.wants_any(Group::Files) {
        return Ok(());
    }
    let calls = bench.calls;
    for path in DIRECTORIES {
        calls.mkdir(path, 0o755).to_do("make a directory")?;
    }
    create(calls, FILE)?;
    data(bench)?;
    names(bench)?;
    links(bench)?;
    calls.unlink(FILE).to_do("remove a file")?;
    DIRECTORIES.iter().rev().try_for_each(|path| remove_directory(calls, path))
}

/// Calls on an open file.
fn data<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let calls = bench.calls;
    let mut buffer = vec![1; DATA_BYTES];
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
    let fd = calls.open(DATA, flags, 0o644).to_do("make a file")?;
    all(calls.pwrite(fd, &buffer, 0).to_do("write a file")?, DATA_BYTES)?;

    bench.repeat(rows::LSEEK, || {
        let at = calls.lseek(black_box(fd), black_box(42), libc::SEEK_SET).to_do("seek")?;
        all(at as usize, 42)
    })?;
    for (name, len) in [(rows::PWRITE_1, 1), (rows::PWRITE_512, 512), (rows::PWRITE_64K, 64 * KIB)]
    {
        let bytes = &buffer[..len];
        bench.repeat(name, || {
            let put = calls.pwrite(black_box(fd), black_box(bytes), black_box(0));
            all(put.to_do("write a file")?, len)
        })?;
    }
    for (name, len) in
        [(rows::PREAD_512, 512), (rows::PREAD_4K, 4 * KIB), (rows::PREAD_64K, 64 * KIB)]
    {
        let bytes = &mut buffer[..len];
        bench.repeat(name, || {
            let got = calls.pread(black_box(fd), black_box(bytes), black_box(0));
            all(got.to_do("read a file")?, len)
        })?;
        if buffer.iter().any(|&byte| byte != 1) {
            return Err(Failure::Wrong("a file has not what was written"));
        }
    }
    bench.repeat(rows::FSTAT, || {
        let stat = calls.fstat(black_box(fd));
        all(black_box(told(&stat)?).st_size as usize, DATA_BYTES)
    })?;
    calls.close(fd).to_do("close a file")?;
    calls.unlink(DATA).to_do("remove a file")
}

/// Calls on names.
fn names<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let calls = bench.calls;
    bench.repeat(rows::STAT, || {
        let stat = calls.stat(black_box(FILE));
        all(black_box(told(&stat)?).st_mode as usize, (libc::S_IFREG | 0o644) as usize)
    })?;
    bench.repeat(rows::STAT_MISSING, || match calls.stat(black_box(c"a/b/c/missing")) {
        Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno).to_do("look for a missing name"),
        Ok(_) => Err(Failure::Wrong("a missing name is there")),
    })?;
    bench.repeat(rows::OPEN, || {
        let fd = calls.open(black_box(FILE), libc::O_RDONLY, 0).to_do("open a file")?;
        calls.close(black_box(fd)).to_do("close a file")
    })?;
    bench.repeat(rows::CREATE, || {
        create(calls, black_box(NEW))?;
        calls.unlink(black_box(NEW)).to_do("remove a file")
    })?;
    let page = vec![1; 4 * KIB];
    bench.repeat(rows::CREATE_4K, || {
        let fd = calls.open(black_box(NEW), CREATE, 0o644).to_do("make a file")?;
        all(calls.write(black_box(fd), black_box(&page)).to_do("write a file")?, 4 * KIB)?;
        calls.close(black_box(fd)).to_do("close a file")?;
        calls.unlink(black_box(NEW)).to_do("remove a file")
    })?;
    // Where directories cannot be removed, the first stays behind.
    bench.repeat(rows::MKDIR, || {
        calls.mkdir(black_box(NEW), 0o755).to_do("make a directory")?;
        calls.rmdir(black_box(NEW)).to_do("remove a directory")
    })
}

/// Renames and symbolic links, of a file with a name that nothing else uses.
fn links<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let calls = bench.calls;
    if bench.wants(rows::RENAMES) {
        create(calls, OTHER)?;
        bench.repeat(rows::RENAMES, || {
            calls.rename(black_box(OTHER), black_box(c"another")).to_do("rename a file")?;
            calls.rename(black_box(c"another"), black_box(OTHER)).to_do("rename a file")
        })?;
        calls.unlink(OTHER).to_do("remove a file")?;
    }
    if bench.wants(rows::READLINK) {
        if let Err(failure) = calls.symlink(FILE, LINK).to_do("make a symbolic link") {
            return bench.absent(rows::READLINK, failure);
        }
        let mut target = [0; 256];
        bench.repeat(rows::READLINK, || {
            let got = calls.readlink(black_box(LINK), black_box(&mut target));
            all(got.to_do("read a symbolic link")?, FILE.count_bytes())
        })?;
        calls.unlink(LINK).to_do("remove a symbolic link")?;
    }
    Ok(())
}

/// What was told of a file, where it is: to move it right after it was written takes as long as the
/// call that wrote it.
///
/// # Errors
/// The call's.
pub fn told(stat: &Result<libc::stat, Errno>) -> Result<&libc::stat, Failure> {
    stat.as_ref().map_err(|&errno| errno).to_do("look at a file")
}

/// Makes an empty file.
///
/// # Errors
/// A call fails.
pub fn create(calls: &impl Calls, path: &CStr) -> Result<(), Failure> {
    let fd = calls.open(path, CREATE, 0o644).to_do("make a file")?;
    calls.close(black_box(fd)).to_do("close a file")
}

/// Removes a directory, where directories can be removed: the host's cannot.
///
/// # Errors
/// The call fails.
pub fn remove_directory(calls: &impl Calls, path: &CStr) -> Result<(), Failure> {
    match calls.rmdir(path) {
        Ok(()) | Err(Errno::ENOSYS) => Ok(()),
        Err(errno) => Err(errno).to_do("remove a directory"),
    }
}

/// Checks what a call returned.
///
/// # Errors
/// It is something else than what was to be.
pub fn all(got: usize, wanted: usize) -> Result<(), Failure> {
    if got == wanted { Ok(()) } else { Err(Failure::Wrong("a call did not do all of its work")) }
}
