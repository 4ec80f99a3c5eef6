//! `postmark`: commands of the benchmark, typed and from files that load each other.
//!
//! What is tried is how commands are read. Workloads are run if they are small: a line that
//! runs one becomes a line that shows it where a large number is set anywhere, and a
//! benchmark that makes too many calls is left.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anchorite_postmark::{Calls, Stat};
use anchorite_syscalls::{Limits, Result, System};
use arbitrary::Arbitrary;

use crate::ground::{PAGE_BYTES, Way, end, system};

/// Calls that one benchmark makes, at most.
const MOST_CALLS: u32 = 600;
/// A setting of more digits is large.
const DIGITS: usize = 3;
/// Files of commands, the first of which is read unless another is named.
const FILES: [&str; 3] = ["/.pmrc", "/a", "/b"];
/// A file that there is not.
const MISSING: &[u8] = b"/missing";

/// What is typed, and what is in files.
#[derive(Arbitrary)]
pub struct Input<'a> {
    /// How the benchmark is called.
    options: u8,
    /// Standard input and the files, each up to a byte 0xff.
    texts: &'a [u8],
}

impl Input<'_> {
    /// What is typed, and each file's text.
    fn texts(&self) -> [Vec<u8>; 1 + FILES.len()] {
        let mut texts = self.texts.splitn(1 + FILES.len(), |byte| *byte == 0xff);
        let texts = std::array::from_fn(|_| texts.next().unwrap_or_default().to_vec());
        let large = texts.iter().any(|text: &Vec<u8>| {
            text.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() > DIGITS)
        });
        if large { texts.map(|text| without_runs(&text)) } else { texts }
    }

    fn args(&self) -> Vec<&'static [u8]> {
        let json = (self.options & 1 != 0).then_some(&b"--json"[..]);
        let file = match self.options >> 1 {
            0 => Some(&b"/a"[..]),
            1 => Some(&b"/d"[..]),
            2 => Some(MISSING),
            _ => None,
        };
        json.into_iter().chain(file).collect()
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["standard input"].into_iter().chain(FILES);
        writeln!(f, "postmark {}", self.args().join(&b' ').escape_ascii())?;
        for (name, text) in names.zip(self.texts()) {
            writeln!(f, "{name}: \"{}\"", text.escape_ascii())?;
        }
        Ok(())
    }
}

/// Calls the benchmark.
pub fn run(input: Input<'_>) {
    let [typed, files @ ..] = input.texts();
    let limits = Limits { size_bytes: 4096 * PAGE_BYTES, inodes: 4096 };
    let system = system(Vec::new(), typed, limits);
    system.mkdir(b"/d", 0o755).expect("there is room for a directory");
    for (path, text) in FILES.iter().zip(&files) {
        let fd = system.creat(path.as_bytes(), 0o644).expect("there is room for a file");
        assert_eq!(system.write(fd, text), Ok(text.len()));
        system.close(fd).expect("a descriptor can be closed");
    }
    let args = input.args();
    let calls = Bounded { system: &system, left: Cell::new(MOST_CALLS) };
    match catch_unwind(AssertUnwindSafe(|| anchorite_postmark::main(&calls, &args))) {
        Ok(status) => {
            let unread = matches!(args[..], [b"--json", file] if file == MISSING);
            assert_eq!(status, i32::from(unread));
        }
        Err(reason) if reason.is::<OutOfCalls>() => {}
        Err(reason) => resume_unwind(reason),
    }
    end(&system, Way::Open);
}

/// `text` with each `run` turned into a `show`.
fn without_runs(text: &[u8]) -> Vec<u8> {
    let mut rest = text;
    let mut changed = Vec::with_capacity(text.len());
    while let Some(first) = rest.first() {
        if rest.starts_with(b"run") {
            changed.extend_from_slice(b"show");
            rest = &rest[3..];
        } else {
            changed.push(*first);
            rest = &rest[1..];
        }
    }
    changed
}

/// The benchmark made as many calls as it may.
struct OutOfCalls;

/// The system's calls, so many of them.
struct Bounded<'a> {
    system: &'a System,
    left: Cell<u32>,
}

impl Bounded<'_> {
    fn system(&self) -> &System {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            // Not a panic, which would be a finding.
            None => resume_unwind(Box::new(OutOfCalls)),
        }
        self.system
    }
}

impl Calls for Bounded<'_> {
    fn open(&self, path: &[u8], flags: i32, mode: u32) -> Result<i32> {
        self.system().open(path, flags, mode)
    }

    fn close(&self, fd: i32) -> Result<()> {
        self.system().close(fd)
    }

    fn read(&self, fd: i32, buffer: &mut [u8]) -> Result<usize> {
        self.system().read(fd, buffer)
    }

    fn write(&self, fd: i32, bytes: &[u8]) -> Result<usize> {
        self.system().write(fd, bytes)
    }

    fn lseek(&self, fd: i32, offset: i64, whence: i32) -> Result<u64> {
        self.system().lseek(fd, offset, whence)
    }

    fn fstat(&self, fd: i32) -> Result<Stat> {
        let stat = self.system().fstat(fd)?;
        Ok(Stat { mode: stat.st_mode, block_size: stat.st_blksize })
    }

    fn unlink(&self, path: &[u8]) -> Result<()> {
        self.system().unlink(path)
    }

    fn mkdir(&self, path: &[u8], mode: u32) -> Result<()> {
        self.system().mkdir(path, mode)
    }

    fn rmdir(&self, path: &[u8]) -> Result<()> {
        self.system().rmdir(path)
    }

    fn getcwd(&self, buffer: &mut [u8]) -> Result<usize> {
        // The system counts the NUL, the benchmark does not.
        self.system().getcwd(buffer).map(|len| len.saturating_sub(1))
    }

    fn now_ns(&self) -> u64 {
        let now = self.system().clock_gettime(libc::CLOCK_MONOTONIC);
        now.map_or(0, |now| now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
    }
}
