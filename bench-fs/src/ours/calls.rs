//! [`Methods`] and [`Numbers`]: the crate `anchorite-syscalls`, called in two ways: as Rust
//! programs do, and by Linux's numbers, with a word for each argument and pointers checked.

use std::ffi::{CStr, CString};
use std::hint::black_box;
use std::io::{Write, stderr, stdout};
use std::ops::Range;
use std::process::exit;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Instant;

use anchorite_syscalls::{Errno, Platform, Result, Stream, System};

use super::LIMITS;
use crate::others::now_ns;
use crate::subject::{Operation, Subject};
use crate::work::{
    APPEND_BYTES, DEEP_DIRECTORIES, DEEP_FILE, DIRECTORY, FILE, FILE_BYTES, GROWING, GROWN_BYTES,
    LINK, MANY, NEW, NEW_BYTE, OLD_BYTE, ONE_OF_MANY, Work, name_of,
};

const CREATE: i32 = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL;
const MODE: u32 = 0o755;
/// Bytes that one listing may take.
const LISTING_BYTES: usize = 64 * 1024;
/// Bytes that it takes: records of 19 bytes and the name with its NUL, in words of eight,
/// and so `.` and `..` too.
const LISTED_BYTES: usize = MANY * 32 + 2 * 24;

/// A system, by its methods.
pub struct Methods(System);

/// A system, by numbers.
pub struct Numbers(System);

impl Methods {
    /// With the files.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn new() -> Methods {
        Methods(system())
    }
}

impl Default for Methods {
    fn default() -> Self {
        Self::new()
    }
}

impl Subject for Methods {
    fn prepare(&self, work: Work) -> Option<Operation<'_>> {
        let sys = &self.0;
        let open = |path: &str, flags| sys.open(path.as_bytes(), flags, MODE).expect("a file");
        Some(match work {
            Work::Getpid => Box::new(move || assert_eq!(black_box(sys).getpid(), 1)),
            Work::Lseek => {
                let fd = open(FILE, libc::O_RDONLY);
                Box::new(move || assert_eq!(sys.lseek(black_box(fd), 512, libc::SEEK_SET), Ok(512)))
            }
            Work::Fstat => {
                let fd = open(FILE, libc::O_RDONLY);
                Box::new(move || {
                    let stat = sys.fstat(black_box(fd)).expect("attributes");
                    assert_eq!(stat.st_size, FILE_BYTES as i64);
                })
            }
            Work::Lookup | Work::Stat => {
                let (path, len) = match work {
                    Work::Stat => (DEEP_FILE.to_owned(), FILE_BYTES),
                    _ => (inside(ONE_OF_MANY), 0),
                };
                Box::new(move || {
                    let stat = sys.stat(black_box(path.as_bytes())).expect("a file");
                    assert_eq!(stat.st_size, len as i64);
                })
            }
            Work::OpenClose => Box::new(move || {
                let path = black_box(DEEP_FILE.as_bytes());
                let fd = sys.open(path, libc::O_RDONLY, 0).expect("a file");
                sys.close(fd).expect("an open file");
            }),
            Work::Read(bytes) => {
                let fd = open(FILE, libc::O_RDONLY);
                let mut buffer = vec![0; bytes];
                Box::new(move || assert_eq!(sys.pread(fd, black_box(&mut buffer), 0), Ok(bytes)))
            }
            Work::Write(bytes) => {
                let fd = open(FILE, libc::O_WRONLY);
                let buffer = vec![NEW_BYTE; bytes];
                Box::new(move || assert_eq!(sys.pwrite(fd, black_box(&buffer), 0), Ok(bytes)))
            }
            Work::Append => {
                let fd = open(GROWING, CREATE | libc::O_APPEND);
                let buffer = [NEW_BYTE; APPEND_BYTES];
                let mut len = 0;
                Box::new(move || {
                    if len == GROWN_BYTES {
                        sys.ftruncate(fd, 0).expect("an empty file");
                        len = 0;
                    }
                    assert_eq!(sys.write(fd, black_box(&buffer)), Ok(APPEND_BYTES));
                    len += APPEND_BYTES as u64;
                })
            }
            Work::CreateUnlink => {
                let path = inside(NEW);
                Box::new(move || {
                    let path = black_box(path.as_bytes());
                    let fd = sys.open(path, CREATE, MODE).expect("a file");
                    sys.close(fd).expect("an open file");
                    sys.unlink(path).expect("a file");
                })
            }
            Work::MkdirRmdir => {
                let path = inside(NEW);
                Box::new(move || {
                    let path = black_box(path.as_bytes());
                    sys.mkdir(path, MODE).expect("a directory");
                    sys.rmdir(path).expect("a directory");
                })
            }
            Work::Renames => {
                let (old, new) = (inside(ONE_OF_MANY), inside(NEW));
                Box::new(move || {
                    let (old, new) = black_box((old.as_bytes(), new.as_bytes()));
                    sys.rename(old, new).expect("a file");
                    sys.rename(new, old).expect("a file");
                })
            }
            Work::Readlink => {
                let mut buffer = [0; 64];
                Box::new(move || {
                    let done = sys.readlink(black_box(LINK.as_bytes()), &mut buffer);
                    assert_eq!(done, Ok(FILE.len()));
                })
            }
            Work::List => {
                let fd = open(DIRECTORY, libc::O_RDONLY | libc::O_DIRECTORY);
                let mut listing = vec![0; LISTING_BYTES];
                Box::new(move || {
                    sys.lseek(fd, 0, libc::SEEK_SET).expect("an offset");
                    assert_eq!(sys.getdents64(fd, black_box(&mut listing)), Ok(LISTED_BYTES));
                    assert_eq!(sys.getdents64(fd, black_box(&mut listing)), Ok(0));
                })
            }
        })
    }

    fn content(&self) -> Vec<u8> {
        content(&self.0)
    }
}

impl Numbers {
    /// With the files.
    ///
    /// # Panics
    /// They cannot be made.
    pub fn new() -> Numbers {
        Numbers(system())
    }

    /// A call with up to four words.
    #[inline]
    fn call<const WORDS: usize>(&self, number: i64, words: [u64; WORDS]) -> i64 {
        let mut all = [0; 6];
        all[..WORDS].copy_from_slice(&words);
        self.0.syscall(black_box(number), all)
    }

    fn open(&self, path: &str, flags: i32) -> u64 {
        let path = c_string(path);
        let fd = self.call(libc::SYS_open, [at(&path), flags as u64, MODE.into()]);
        u64::try_from(fd).expect("a file")
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Self::new()
    }
}

impl Subject for Numbers {
    fn prepare(&self, work: Work) -> Option<Operation<'_>> {
        /// Words of a `struct stat`, and which of them has the size.
        const STAT_WORDS: usize = size_of::<libc::stat>() / 8;
        const SIZE_AT: usize = std::mem::offset_of!(libc::stat, st_size) / 8;
        Some(match work {
            Work::Getpid => Box::new(|| assert_eq!(self.call(libc::SYS_getpid, []), 1)),
            Work::Lseek => {
                let words = [self.open(FILE, libc::O_RDONLY), 512, libc::SEEK_SET as u64];
                Box::new(move || assert_eq!(self.call(libc::SYS_lseek, words), 512))
            }
            Work::Fstat => {
                let fd = self.open(FILE, libc::O_RDONLY);
                let mut stat = [0u64; STAT_WORDS];
                Box::new(move || {
                    let to = stat.as_mut_ptr() as u64;
                    assert_eq!(self.call(libc::SYS_fstat, [fd, to]), 0);
                    assert_eq!(black_box(&stat)[SIZE_AT], FILE_BYTES as u64);
                })
            }
            Work::Lookup | Work::Stat => {
                let (path, len) = match work {
                    Work::Stat => (c_string(DEEP_FILE), FILE_BYTES),
                    _ => (c_string(&inside(ONE_OF_MANY)), 0),
                };
                let mut stat = [0u64; STAT_WORDS];
                Box::new(move || {
                    let to = stat.as_mut_ptr() as u64;
                    assert_eq!(self.call(libc::SYS_stat, [at(&path), to]), 0);
                    assert_eq!(black_box(&stat)[SIZE_AT], len as u64);
                })
            }
            Work::OpenClose => {
                let path = c_string(DEEP_FILE);
                Box::new(move || {
                    let fd = self.call(libc::SYS_open, [at(&path), libc::O_RDONLY as u64]);
                    assert_eq!(self.call(libc::SYS_close, [fd as u64]), 0);
                })
            }
            Work::Read(bytes) => {
                let fd = self.open(FILE, libc::O_RDONLY);
                let mut buffer = vec![0u8; bytes];
                Box::new(move || {
                    let words = [fd, buffer.as_mut_ptr() as u64, bytes as u64, 0];
                    assert_eq!(self.call(libc::SYS_pread64, words), bytes as i64);
                    black_box(&buffer);
                })
            }
            Work::Write(bytes) => {
                let fd = self.open(FILE, libc::O_WRONLY);
                let buffer = vec![NEW_BYTE; bytes];
                Box::new(move || {
                    let words = [fd, black_box(&buffer).as_ptr() as u64, bytes as u64, 0];
                    assert_eq!(self.call(libc::SYS_pwrite64, words), bytes as i64);
                })
            }
            Work::Append => {
                let fd = self.open(GROWING, CREATE | libc::O_APPEND);
                let buffer = [NEW_BYTE; APPEND_BYTES];
                let mut len = 0;
                Box::new(move || {
                    if len == GROWN_BYTES {
                        assert_eq!(self.call(libc::SYS_ftruncate, [fd, 0]), 0);
                        len = 0;
                    }
                    let words = [fd, black_box(&buffer).as_ptr() as u64, APPEND_BYTES as u64];
                    assert_eq!(self.call(libc::SYS_write, words), APPEND_BYTES as i64);
                    len += APPEND_BYTES as u64;
                })
            }
            Work::CreateUnlink => {
                let path = c_string(&inside(NEW));
                Box::new(move || {
                    let words = [at(&path), CREATE as u64, MODE.into()];
                    let fd = self.call(libc::SYS_open, words);
                    assert_eq!(self.call(libc::SYS_close, [fd as u64]), 0);
                    assert_eq!(self.call(libc::SYS_unlink, [at(&path)]), 0);
                })
            }
            Work::MkdirRmdir => {
                let path = c_string(&inside(NEW));
                Box::new(move || {
                    assert_eq!(self.call(libc::SYS_mkdir, [at(&path), MODE.into()]), 0);
                    assert_eq!(self.call(libc::SYS_rmdir, [at(&path)]), 0);
                })
            }
            Work::Renames => {
                let (old, new) = (c_string(&inside(ONE_OF_MANY)), c_string(&inside(NEW)));
                Box::new(move || {
                    assert_eq!(self.call(libc::SYS_rename, [at(&old), at(&new)]), 0);
                    assert_eq!(self.call(libc::SYS_rename, [at(&new), at(&old)]), 0);
                })
            }
            Work::Readlink => {
                let path = c_string(LINK);
                let mut buffer = [0u8; 64];
                Box::new(move || {
                    let words = [at(&path), buffer.as_mut_ptr() as u64, buffer.len() as u64];
                    assert_eq!(self.call(libc::SYS_readlink, words), FILE.len() as i64);
                    black_box(&buffer);
                })
            }
            Work::List => {
                let fd = self.open(DIRECTORY, libc::O_RDONLY | libc::O_DIRECTORY);
                let mut listing = vec![0u8; LISTING_BYTES];
                Box::new(move || {
                    assert_eq!(self.call(libc::SYS_lseek, [fd, 0, libc::SEEK_SET as u64]), 0);
                    let words = [fd, listing.as_mut_ptr() as u64, LISTING_BYTES as u64];
                    assert_eq!(self.call(libc::SYS_getdents64, words), LISTED_BYTES as i64);
                    assert_eq!(self.call(libc::SYS_getdents64, words), 0);
                    black_box(&listing);
                })
            }
        })
    }

    fn content(&self) -> Vec<u8> {
        content(&self.0)
    }
}

/// A system with the files.
fn system() -> System {
    let sys = System::new(Arc::new(Ground(Instant::now())), LIMITS).expect("a system");
    for path in DEEP_DIRECTORIES.into_iter().chain([DIRECTORY]) {
        sys.mkdir(path.as_bytes(), MODE).expect("a directory");
    }
    let create = |path: &str, content: &[u8]| {
        let fd = sys.open(path.as_bytes(), CREATE, MODE).expect("a file");
        assert_eq!(sys.write(fd, content), Ok(content.len()));
        sys.close(fd).expect("an open file");
    };
    for path in [FILE, DEEP_FILE] {
        create(path, &[OLD_BYTE; FILE_BYTES]);
    }
    for at in 0..MANY {
        create(&inside(&name_of(at)), &[]);
    }
    sys.symlink(FILE.as_bytes(), LINK.as_bytes()).expect("a symbolic link");
    sys
}

fn content(sys: &System) -> Vec<u8> {
    let fd = sys.open(FILE.as_bytes(), libc::O_RDONLY, 0).expect("a file");
    let mut content = vec![0; FILE_BYTES + 1];
    let len = sys.read(fd, &mut content).expect("content");
    sys.close(fd).expect("an open file");
    content.truncate(len);
    content
}

fn inside(name: &str) -> String {
    format!("{DIRECTORY}/{name}")
}

fn c_string(path: &str) -> CString {
    CString::new(path).expect("no NUL in a path")
}

/// A string's address, as a word.
fn at(path: &CStr) -> u64 {
    black_box(path).as_ptr() as u64
}

/// This process as the ground under the calls; since when there is one.
struct Ground(Instant);

/// Where a process of Linux on x86-64 can have memory.
static USER_MEMORY: Range<usize> = 4096..0x7fff_ffff_f000;

impl Platform for Ground {
    fn user_memory(&self) -> &[Range<usize>] {
        from_ref(&USER_MEMORY)
    }

    fn write_console(&self, stream: Stream, bytes: &[u8]) -> Result<()> {
        let written = match stream {
            Stream::Stdout => stdout().write_all(bytes),
            Stream::Stderr => stderr().write_all(bytes),
        };
        written.map_err(|_| Errno::EIO)
    }

    fn read_console(&self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn realtime(&self) -> libc::timespec {
        timespec(now_ns())
    }

    fn monotonic(&self) -> libc::timespec {
        timespec(self.0.elapsed().as_nanos() as u64)
    }

    fn fill_random(&self, _: &mut [u8]) -> Result<()> {
        Err(Errno::ENOSYS)
    }

    fn yield_now(&self) {
        std::thread::yield_now();
    }

    fn thread_id(&self) -> u32 {
        1
    }

    fn exit(&self, status: i32) -> ! {
        exit(status)
    }
}

fn timespec(ns: u64) -> libc::timespec {
    const SECOND: u64 = 1_000_000_000;
    libc::timespec { tv_sec: (ns / SECOND) as i64, tv_nsec: (ns % SECOND) as i64 }
}
