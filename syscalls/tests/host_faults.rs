//! A forwarded directory over a host that fails or lies at any of its calls: each error, short
//! and empty transfers, counts and offsets that cannot be, listings that are none. The call
//! that meets it answers that error or does less; nothing panics or goes on forever; each
//! descriptor of the host's is closed; the ramdisk stays whole.
//!
//! What this found: copy_file_range and sendfile forgot what they had copied if a later read
//! failed; an offset of the host's above the largest looked like an error's number; `..` as a
//! part of a listed name led remove_dir_all out of its directory; a listing could have records
//! of no length, over which a program walks forever; a file that was said to be large was
//! given memory before a byte of it was read.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::sync::{Arc, Mutex};

use anchorite_syscalls::api::{self, OpenOptions};
use anchorite_syscalls::{Errno, HostFd, HostFiles, Result, System};
use host_fs_sim::worlds::{ROOMY, assert_whole, system};

/// What a host does instead of what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    /// Fails.
    Error(Errno),
    /// Transfers this much at most.
    Short(usize),
    /// Says that it transferred this much more, or is that much further.
    More(u64),
    /// Says that this is what there is: sizes, positions, descriptors.
    Number(i64),
    /// Says that this is the room that a file takes.
    Blocks(i64),
    /// Says that this is a file's type and mode.
    Mode(u32),
    /// Lists this.
    Listing(&'static [u8]),
}

/// When it does so.
#[derive(Clone, Copy, Debug)]
enum When {
    Never,
    /// At its call with this number.
    Nth(usize),
    /// From that call on.
    From(usize),
}

/// A host with files in memory.
struct Host {
    state: Mutex<State>,
}

struct State {
    /// Content by path; none for a directory.
    files: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Path and offset of what is open.
    open: BTreeMap<i32, (Vec<u8>, u64)>,
    next: i32,
    when: When,
    lie: Lie,
    calls: usize,
    /// Whether the lie was told.
    told: bool,
}

impl Host {
    fn new(when: When, lie: Lie) -> Arc<Host> {
        let directory = |path: &[u8]| (path.to_vec(), None);
        let file = (b"/mnt/d/file".to_vec(), Some(CONTENT.to_vec()));
        let files = [directory(b"/mnt"), directory(b"/mnt/d"), directory(b"/mnt/d/e"), file];
        let (files, open) = (files.into(), BTreeMap::new());
        let state = State { files, open, next: 3, when, lie, calls: 0, told: false };
        Arc::new(Host { state: Mutex::new(state) })
    }

    /// Counts a call; the lie, if it is time for it.
    fn ask(&self) -> Result<(std::sync::MutexGuard<'_, State>, Option<Lie>)> {
        let mut state = self.state.lock().unwrap();
        let lies = match state.when {
            When::Never => false,
            When::Nth(nth) => state.calls == nth,
            When::From(first) => state.calls >= first,
        };
        state.calls += 1;
        let lie = lies.then_some(state.lie);
        state.told |= lies;
        match lie {
            Some(Lie::Error(errno)) => Err(errno),
            lie => Ok((state, lie)),
        }
    }
}

impl State {
    fn opened(&mut self, fd: HostFd) -> Result<&mut (Vec<u8>, u64)> {
        self.open.get_mut(&fd.0).ok_or(Errno::EBADF)
    }

    fn content(&mut self, path: &[u8]) -> Result<&mut Vec<u8>> {
        let file = self.files.get_mut(path).ok_or(Errno::ENOENT)?;
        file.as_mut().ok_or(Errno::EISDIR)
    }

    fn stat(&mut self, path: &[u8], lie: Option<Lie>) -> Result<libc::stat> {
        let file = self.files.get(path).ok_or(Errno::ENOENT)?;
        // SAFETY: zeros are a `struct stat`.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        stat.st_mode = if file.is_some() { libc::S_IFREG | 0o644 } else { libc::S_IFDIR | 0o755 };
        stat.st_nlink = 1;
        stat.st_ino = path.iter().fold(5, |sum, byte| sum * 31 % 65521 + u64::from(*byte));
        stat.st_size = file.as_ref().map_or(0, |content| content.len() as i64);
        match lie {
            Some(Lie::Number(number)) => {
                (stat.st_size, stat.st_blocks) = (number, number);
                (stat.st_mtime, stat.st_mtime_nsec) = (number, number);
                (stat.st_nlink, stat.st_uid) = (number as u64, number as u32);
            }
            Some(Lie::More(more)) => stat.st_size = stat.st_size.wrapping_add(more as i64),
            Some(Lie::Blocks(blocks)) => stat.st_blocks = blocks,
            Some(Lie::Mode(mode)) => stat.st_mode = mode,
            _ => {}
        }
        Ok(stat)
    }
}

fn told(done: usize, lie: Option<Lie>) -> usize {
    match lie {
        Some(Lie::More(more)) => done.wrapping_add(more as usize),
        Some(Lie::Number(number)) => number as usize,
        _ => done,
    }
}

fn asked(len: usize, lie: Option<Lie>) -> usize {
    match lie {
        Some(Lie::Short(most)) => len.min(most),
        _ => len,
    }
}

fn key(path: &CStr) -> Vec<u8> {
    path.to_bytes().strip_suffix(b"/").unwrap_or(path.to_bytes()).to_vec()
}

impl HostFiles for Host {
    fn open(&self, path: &CStr, flags: i32, _: u32) -> Result<HostFd> {
        let (mut state, lie) = self.ask()?;
        if let Some(Lie::Number(number)) = lie {
            return Ok(HostFd(number as i32));
        }
        let path = key(path);
        let state = &mut *state;
        match state.files.get_mut(&path) {
            None if flags & libc::O_CREAT == 0 => return Err(Errno::ENOENT),
            None => drop(state.files.insert(path.clone(), Some(Vec::new()))),
            Some(None) if flags & libc::O_ACCMODE != 0 => return Err(Errno::EISDIR),
            Some(Some(_)) if flags & libc::O_DIRECTORY != 0 => return Err(Errno::ENOTDIR),
            Some(Some(content)) if flags & libc::O_TRUNC != 0 => content.clear(),
            Some(_) => {}
        }
        let fd = state.next;
        state.next += 1;
        state.open.insert(fd, (path, 0));
        Ok(HostFd(fd))
    }

    unsafe fn read(&self, fd: HostFd, buf: *mut u8, len: usize) -> Result<usize> {
        let (mut state, lie) = self.ask()?;
        let (path, at) = state.opened(fd)?.clone();
        let content = state.content(&path)?;
        let from = content.get(at as usize..).unwrap_or_default();
        let done = asked(len, lie).min(from.len());
        // SAFETY: there is room for `len` bytes.
        unsafe { buf.copy_from(from.as_ptr(), done) };
        state.opened(fd)?.1 += done as u64;
        Ok(told(done, lie))
    }

    unsafe fn write(&self, fd: HostFd, buf: *const u8, len: usize) -> Result<usize> {
        let (mut state, lie) = self.ask()?;
        let (path, at) = state.opened(fd)?.clone();
        let done = asked(len, lie);
        // SAFETY: `buf` is as long.
        let bytes = unsafe { std::slice::from_raw_parts(buf, done) };
        let (content, at) = (state.content(&path)?, at as usize);
        content.resize(content.len().max(at + done), 0);
        content[at..at + done].copy_from_slice(bytes);
        state.opened(fd)?.1 += done as u64;
        Ok(told(done, lie))
    }

    fn lseek(&self, fd: HostFd, offset: i64, whence: i32) -> Result<u64> {
        let (mut state, lie) = self.ask()?;
        let path = state.opened(fd)?.0.clone();
        let end = state.content(&path).map_or(0, |content| content.len() as i64);
        let base = match whence {
            libc::SEEK_SET => 0,
            libc::SEEK_CUR => state.opened(fd)?.1 as i64,
            _ => end,
        };
        let to = base.checked_add(offset).filter(|&to| (0..1 << 30).contains(&to));
        let to = to.ok_or(Errno::EINVAL)?;
        state.opened(fd)?.1 = to as u64;
        Ok(told(to as usize, lie) as u64)
    }

    fn close(&self, fd: HostFd) -> Result<()> {
        // Closed whatever is said.
        self.state.lock().unwrap().open.remove(&fd.0);
        self.ask().map(drop)
    }

    fn unlink(&self, path: &CStr) -> Result<()> {
        let (mut state, _) = self.ask()?;
        let path = key(path);
        state.content(&path)?;
        state.files.remove(&path);
        Ok(())
    }

    fn mkdir(&self, path: &CStr, _: u32) -> Result<()> {
        let (mut state, _) = self.ask()?;
        match state.files.insert(key(path), None) {
            None => Ok(()),
            Some(_) => Err(Errno::EEXIST),
        }
    }

    fn stat(&self, path: &CStr) -> Result<libc::stat> {
        let (mut state, lie) = self.ask()?;
        state.stat(&key(path), lie)
    }

    fn lstat(&self, path: &CStr) -> Result<libc::stat> {
        self.stat(path)
    }

    fn fstat(&self, fd: HostFd) -> Result<libc::stat> {
        let (mut state, lie) = self.ask()?;
        let path = state.opened(fd)?.0.clone();
        state.stat(&path, lie)
    }

    fn getdents64(&self, fd: HostFd, buf: &mut [u8]) -> Result<usize> {
        let (mut state, lie) = self.ask()?;
        if let Some(Lie::Listing(listing)) = lie {
            let len = listing.len().min(buf.len());
            buf[..len].copy_from_slice(&listing[..len]);
            return Ok(len);
        }
        let (path, at) = state.opened(fd)?.clone();
        let below = [&path[..], b"/"].concat();
        let names = state.files.keys().filter_map(|path| path.strip_prefix(&below[..]));
        let names: Vec<Vec<u8>> =
            names.filter(|name| !name.contains(&b'/')).map(Into::into).collect();
        let mut done = 0;
        let mut listed = at as usize;
        for name in names.iter().skip(listed) {
            let record = record(name, 0);
            if done + record.len() > asked(buf.len(), lie) {
                break;
            }
            buf[done..done + record.len()].copy_from_slice(&record);
            done += record.len();
            listed += 1;
        }
        state.opened(fd)?.1 = listed as u64;
        Ok(told(done, lie))
    }
}

/// A record of a listing; its length is off by `wrong`.
fn record(name: &[u8], wrong: i16) -> Vec<u8> {
    let len = (19 + name.len() + 1).next_multiple_of(8);
    let mut record = vec![0; len];
    record[0] = 9;
    record[16..18].copy_from_slice(&(len as u16).wrapping_add_signed(wrong).to_ne_bytes());
    record[19..19 + name.len()].copy_from_slice(name);
    record
}

static CONTENT: [u8; 20_000] = [b'x'; 20_000];
const RW: i32 = libc::O_RDWR | libc::O_CREAT;

/// What a step may answer when the host fails.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    /// The host's error.
    Error,
    /// That, or as much as was done before.
    Some,
    /// That, or success: not everything is of consequence.
    Any,
}
use Answer::{Any, Error, Some as Part};

type Step = (&'static str, Answer, fn(&System) -> Result<usize>);

/// Every call that reaches the host, by method and through the API.
#[rustfmt::skip]
const STEPS: &[Step] = &[
    ("mkdir", Error, |sys| sys.mkdir(b"/mnt/d/new", 0o755).map(|()| 0)),
    ("open", Error, |sys| sys.open(b"/mnt/d/made", RW, 0o644).map(|fd| fd as usize)),
    ("write", Part, |sys| sys.write(3, &CONTENT)),
    ("writev", Part, |sys| sys.writev(3, &[&CONTENT[..10], &CONTENT[..9000]])),
    ("pwrite", Part, |sys| sys.pwrite(3, &CONTENT[..5000], 4000)),
    ("lseek", Error, |sys| sys.lseek(3, 5, libc::SEEK_SET).map(|at| at as usize)),
    ("lseek end", Error, |sys| sys.lseek(3, 0, libc::SEEK_END).map(|at| at as usize)),
    ("lseek start", Error, |sys| sys.lseek(3, 0, libc::SEEK_SET).map(|at| at as usize)),
    ("read", Part, |sys| sys.read(3, &mut [0; 10_000])),
    ("readv", Part, |sys| sys.readv(3, &mut [&mut [0; 100], &mut [0; 5000]])),
    ("pread", Part, |sys| sys.pread(3, &mut [0; 10_000], 100)),
    ("fstat", Error, |sys| sys.fstat(3).map(|_| 0)),
    ("stat", Error, |sys| sys.stat(b"/mnt/d/file").map(|_| 0)),
    ("lstat", Any, |sys| sys.lstat(b"/mnt/d/file").map(|_| 0)),
    ("statx", Error, |sys| sys.statx(libc::AT_FDCWD, b"/mnt/d/file", 0, libc::STATX_ALL).map(|_| 0)),
    ("access", Error, |sys| sys.access(b"/mnt/d/file", 4).map(|()| 0)),
    ("open directory", Error, |sys| {
        sys.open(b"/mnt/d", libc::O_RDONLY | libc::O_DIRECTORY, 0).map(|fd| fd as usize)
    }),
    ("getdents64", Error, |sys| sys.getdents64(4, &mut [0; 1000])),
    ("openat", Error, |sys| sys.openat(4, b"file", libc::O_RDONLY, 0).map(|fd| fd as usize)),
    ("dup", Error, |sys| sys.dup(5).map(|fd| fd as usize)),
    ("open in the ramdisk", Error, |sys| sys.open(b"/r", RW, 0o644).map(|fd| fd as usize)),
    ("copy_file_range in", Part, |sys| {
        sys.copy_file_range((5, Some(&mut 0)), (7, Some(&mut 0)), 20_000, 0)
    }),
    ("copy_file_range out", Part, |sys| {
        sys.copy_file_range((7, Some(&mut 0)), (3, Some(&mut 0)), 10_000, 0)
    }),
    ("sendfile in", Part, |sys| sys.sendfile(7, 5, Some(&mut 0), 20_000)),
    ("sendfile out", Part, |sys| sys.sendfile(3, 7, Some(&mut 0), 10_000)),
    ("chdir", Error, |sys| sys.chdir(b"/mnt/d/e").map(|()| 0)),
    ("getcwd", Error, |sys| sys.getcwd(&mut [0; 100])),
    ("chdir back", Error, |sys| sys.chdir(b"/").map(|()| 0)),
    ("close", Error, |sys| sys.close(3).map(|()| 0)),
    ("close_range", Any, |sys| sys.close_range(3, 20, 0).map(|()| 0)),
    ("unlink", Error, |sys| sys.unlink(b"/mnt/d/made").map(|()| 0)),
    ("api::write", Any, |sys| api::write(sys, "/mnt/d/a", CONTENT).map(|()| 0)),
    ("api::read", Any, |sys| api::read(sys, "/mnt/d/a").map(|_| 0)),
    ("api::copy", Any, |sys| api::copy(sys, "/mnt/d/a", "/copy").map(|_| 0)),
    ("api::copy out", Any, |sys| api::copy(sys, "/copy", "/mnt/d/b").map(|_| 0)),
    ("api::read_dir", Any, |sys| {
        // A host may list without end; a program need not.
        api::read_dir(sys, "/mnt/d")?.take(1000).try_for_each(|entry| entry.map(drop)).map(|()| 0)
    }),
    ("api append", Any, |sys| {
        OpenOptions::new().append(true).open(sys, "/mnt/d/a")?.write_all(b"more").map(|()| 0)
    }),
    ("api::exists", Any, |sys| api::exists(sys, "/mnt/d/a").map(|_| 0)),
    ("api::remove_file", Any, |sys| api::remove_file(sys, "/mnt/d/a").map(|()| 0)),
    ("api::remove_dir_all", Any, |sys| match api::remove_dir_all(sys, "/mnt/d") {
        Err(Errno::EISDIR | Errno::ENOSYS) => Ok(0), // a host has no rmdir
        told => told.map(|()| 0),
    }),
];

/// What came of the steps, with how many calls of the host each made.
type Told = Vec<(Result<usize>, usize)>;

/// Does all steps over a host that lies then; whether the lie was told. Everything is closed
/// at the end.
fn run(when: When, lie: Lie) -> (Told, bool) {
    run_steps(STEPS, when, lie)
}

fn run_steps(steps: &[Step], when: When, lie: Lie) -> (Told, bool) {
    let sys = system(ROOMY);
    let host = Host::new(When::Never, lie);
    sys.mount_host(b"/mnt", host.clone()).unwrap();
    // Where names of listings could lead to.
    sys.mkdir(b"/own", 0o755).unwrap();
    host.state.lock().unwrap().when = when;
    let mut told = Vec::new();
    for (_, _, step) in steps {
        let before = host.state.lock().unwrap().calls;
        let result = step(&sys);
        told.push((result, host.state.lock().unwrap().calls - before));
    }
    assert!(sys.stat(b"/own").is_ok(), "{when:?} {lie:?}: led out of the mount");
    assert_whole(&sys);
    let _ = sys.close_range(3, u32::MAX, 0);
    assert_eq!(host.state.lock().unwrap().open, BTreeMap::new(), "{when:?} {lie:?}: left open");
    drop(sys);
    assert_eq!(Arc::strong_count(&host), 1);
    let lied = host.state.lock().unwrap().told;
    (told, lied)
}

/// The number of the step in which the host's call `nth` is.
fn step_of(honest: &Told, nth: usize) -> usize {
    let mut calls = 0;
    honest
        .iter()
        .position(|(_, made)| {
            calls += made;
            calls > nth
        })
        .expect("a call of a step")
}

fn honest() -> (Told, usize) {
    let (told, lied) = run(When::Never, Lie::Short(0));
    for ((name, ..), (result, _)) in STEPS.iter().zip(&told) {
        assert!(result.is_ok(), "{name}: {result:?}");
    }
    assert!(!lied);
    let calls = told.iter().map(|(_, calls)| calls).sum();
    (told, calls)
}

/// Linux's numbers of errors: with `ANCHORITE_SWEEP=full` in the environment all of them, else
/// those that files meet.
fn errors() -> Vec<i32> {
    if std::env::var_os("ANCHORITE_SWEEP").is_some_and(|sweep| sweep == "full") {
        return (1..=133).collect();
    }
    use libc::*;
    let alike = [EPERM, EACCES, ENOMEM, ENOSPC, ENFILE, ETXTBSY, ESTALE, 133];
    [&alike[..], &[ENOENT, EINTR, EIO, EBADF, EAGAIN, EEXIST, ENOTDIR, EISDIR, EINVAL, ENOSYS]]
        .concat()
}

#[test]
fn each_error_at_each_call_of_the_host_is_answered() {
    let (honest, calls) = honest();
    for nth in 0..calls {
        for number in errors() {
            let errno = Errno::from_raw(number);
            let (told, lied) = run(When::Nth(nth), Lie::Error(errno));
            assert!(lied, "call {nth}");
            let at = step_of(&honest, nth);
            for (before, told) in honest[..at].iter().zip(&told) {
                assert_eq!(before, told, "before call {nth}");
            }
            let (name, answer, _) = STEPS[at];
            let (result, right) = (told[at].0, honest[at].0);
            let short = result.is_ok_and(|done| right.is_ok_and(|right| done <= right));
            let fits = match answer {
                Error => result == Err(errno),
                Part => result == Err(errno) || short,
                // What is not empty is taken for a directory, and then it is none.
                Any if errno == Errno::ENOTEMPTY => {
                    result.is_ok() || matches!(result, Err(Errno::ENOTEMPTY | Errno::ENOTDIR))
                }
                Any => result == Err(errno) || result.is_ok(),
            };
            assert!(fits, "{name}: {result:?} for {errno:?} at call {nth}");
        }
    }
}

#[test]
fn a_host_that_fails_from_some_call_on_is_no_more_than_that() {
    let (_, calls) = honest();
    for nth in 0..calls {
        // Not EINTR: who is interrupted tries again.
        for errno in [Errno::EIO, Errno::ENOSYS, Errno::ENOSPC, Errno::ENOENT, Errno::EBADF] {
            let (_, lied) = run(When::From(nth), Lie::Error(errno));
            assert!(lied, "call {nth}");
        }
    }
}

#[test]
fn short_and_empty_transfers_of_the_host_are_told_as_such() {
    let (honest, calls) = honest();
    let short = [0, 1, 2, 9, 10, 11, 100, 4095, 4096, 4097, 8999, 9000, 19_999];
    for length in short {
        for nth in 0..calls {
            let (told, _) = run(When::Nth(nth), Lie::Short(length));
            let at = step_of(&honest, nth);
            let (name, answer, _) = STEPS[at];
            if answer == Part {
                let (result, right) = (told[at].0, honest[at].0);
                let fits = result.is_ok_and(|done| right.is_ok_and(|right| done <= right));
                assert!(fits, "{name}: {result:?} where {right:?} at call {nth}, {length} bytes");
            }
        }
        // Always: each transfer makes some progress, or none at all.
        run(When::From(0), Lie::Short(length));
    }
}

#[test]
fn what_cannot_be_is_not_believed() {
    let (_, calls) = honest();
    let numbers = [-1, -2, -4096, i64::MIN, i64::MAX, i64::from(i32::MAX), 1 << 40, 0];
    let lies = numbers.map(Lie::Number);
    let more = [1, 4096, 1 << 40, i64::MAX as u64, u64::MAX].map(Lie::More);
    let modes = [0, 0o010_000, 0o040_000, 0o120_000, 0o170_000, u32::MAX].map(Lie::Mode);
    for lie in lies.into_iter().chain(more).chain(modes) {
        for nth in 0..calls {
            // A host whose files never end is one that is not read to the end.
            let calls_alone = STEPS.iter().position(|(name, ..)| *name == "api::write");
            let calls_alone = &STEPS[..calls_alone.expect("a step of the API")];
            for (steps, when) in [(STEPS, When::Nth(nth)), (calls_alone, When::From(nth))] {
                let (told, _) = run_steps(steps, when, lie);
                for ((name, answer, _), (result, _)) in STEPS.iter().zip(told) {
                    // No count is above what was asked for.
                    if *answer == Part {
                        assert!(
                            result.is_ok_and(|done| done <= 20_000) || result.is_err(),
                            "{name}: {result:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn listings_that_cannot_be_walked_are_eio() {
    let well = record(b"well", 0);
    let name = |name: &[u8]| record(name, 0);
    let without_end = {
        let mut record = record(b"name", 0);
        record[19..].fill(b'n');
        record
    };
    let wrong = [
        vec![0; 24],
        vec![0xff; 32],
        vec![0xff; 3],
        record(b"", 0),
        record(b"name", -24),
        record(b"name", -6),
        record(b"name", 8),
        record(b"name", 30_000),
        record(b"name", -20),
        without_end,
        name(b"../../own"),
        name(b"/own"),
        name(&[b'n'; 256]),
        name(b"cut off")[..20].to_vec(),
        name(b"cut off")[..17].to_vec(),
    ];
    for wrong in wrong {
        for listing in [wrong.clone(), [well.clone(), wrong].concat()] {
            let listing: &'static [u8] = listing.leak();
            let (told, lied) = run(When::From(0), Lie::Listing(listing));
            assert!(lied);
            for ((name, ..), (result, _)) in STEPS.iter().zip(told) {
                let lists = matches!(*name, "getdents64" | "api::read_dir" | "api::remove_dir_all");
                let expected = if lists { Err(Errno::EIO) } else { result };
                assert_eq!(result, expected, "{name}: {listing:?}");
                assert!(lists || result.is_ok(), "{name}: {result:?}");
            }
        }
    }
    // Bytes that are no text are a name like any other.
    let odd: &'static [u8] = [name(b"\xff\xfe\x80"), name(&[b'n'; 255])].concat().leak();
    let sys = system(ROOMY);
    let host = Host::new(When::Never, Lie::Listing(odd));
    sys.mount_host(b"/mnt", host.clone()).unwrap();
    host.state.lock().unwrap().when = When::Nth(2);
    let fd = sys.open(b"/mnt/d", libc::O_RDONLY, 0).unwrap();
    assert_eq!(sys.fstat(fd).map(|stat| stat.st_mode & libc::S_IFMT), Ok(libc::S_IFDIR));
    assert_eq!(sys.getdents64(fd, &mut [0; 1000]), Ok(odd.len()));
}

/// The first piece is copied, then the host fails: the call says how much it did.
#[test]
fn copies_tell_what_was_done_before_the_host_failed() {
    let sys = system(ROOMY);
    let host = Host::new(When::Never, Lie::Error(Errno::EIO));
    sys.mount_host(b"/mnt", host.clone()).unwrap();
    let from = sys.open(b"/mnt/d/file", libc::O_RDONLY, 0).unwrap();
    let to = sys.open(b"/r", RW, 0o644).unwrap();
    let reads = |sys: &System, first: usize| {
        let mut state = host.state.lock().unwrap();
        state.when = When::From(state.calls + first);
        drop(state);
        let done = sys.sendfile(to, from, Some(&mut 0), 20_000);
        host.state.lock().unwrap().when = When::Never;
        done
    };
    let outcomes: Vec<_> = (0..20).map(|first| reads(&sys, first)).collect();
    let done: Vec<usize> = outcomes.iter().filter_map(|told| told.ok()).collect();
    assert!(outcomes.starts_with(&[Err(Errno::EIO)]), "{outcomes:?}");
    assert!(done.len() > 8 && done.is_sorted() && done[0] < 20_000, "{outcomes:?}");
    let written: usize = done.iter().sum();
    assert_eq!(sys.fstat(to).unwrap().st_size as usize, written, "each byte is told");
}

#[test]
fn offsets_and_sizes_below_zero_are_eio() {
    let sys = system(ROOMY);
    let host = Host::new(When::Never, Lie::Number(-2));
    sys.mount_host(b"/mnt", host.clone()).unwrap();
    let fd = sys.open(b"/mnt/d/file", libc::O_RDONLY, 0).unwrap();
    host.state.lock().unwrap().when = When::From(0);
    // By number, an offset above the largest would be an error's number.
    let lseek = sys.syscall(libc::SYS_lseek, [fd as u64, 0, libc::SEEK_CUR as u64, 0, 0, 0]);
    assert_eq!(lseek, -i64::from(libc::EIO));
    assert_eq!(sys.pread(fd, &mut [0; 9], 0), Err(Errno::EIO));
    assert_eq!(sys.fstat(fd).map(drop), Err(Errno::EIO));
    assert_eq!(sys.stat(b"/mnt/d/file").map(drop), Err(Errno::EIO));
    assert_eq!(sys.lstat(b"/mnt/d/file").map(drop), Err(Errno::EIO));
    // Either alone.
    host.state.lock().unwrap().lie = Lie::Blocks(-1);
    assert_eq!(sys.stat(b"/mnt/d/file").map(drop), Err(Errno::EIO));
    host.state.lock().unwrap().lie = Lie::More(1 << 63);
    assert_eq!(sys.stat(b"/mnt/d/file").map(drop), Err(Errno::EIO));
}
