//! A process to try the call layer in, over nothing but the standard library: what the
//! examples in the documentation of [`anchorite_syscalls`] run on, and the least that a
//! platform has to do.
//!
//! ```
//! let sys = anchorite_example::system();
//! sys.mkdir(b"/d", 0o755)?;
//! # Ok::<(), anchorite_syscalls::Errno>(())
//! ```
#![forbid(unsafe_code)]

use std::io::{Read, Write, stderr, stdin, stdout};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anchorite_syscalls::{Errno, Limits, Platform, Result, Stream, System, hosted};

/// Bytes that the files of an example may take.
const SIZE_BYTES: u64 = 64 << 20;
/// Files that there may be in an example.
const INODES: u64 = 1 << 16;

/// A process with an empty ramdisk.
///
/// # Panics
/// Without memory.
pub fn system() -> System {
    let ground = Ground { start: Instant::now() };
    System::new(Arc::new(ground), Limits { size_bytes: SIZE_BYTES, inodes: INODES })
        .expect("memory for an empty ramdisk")
}

/// This process as the ground under another.
struct Ground {
    start: Instant,
}

impl Platform for Ground {
    /// None: examples have references, no pointers.
    fn user_memory(&self) -> &[Range<usize>] {
        &[]
    }

    fn write_console(&self, stream: Stream, bytes: &[u8]) -> Result<()> {
        let written = match stream {
            Stream::Stdout => stdout().write_all(bytes),
            Stream::Stderr => stderr().write_all(bytes),
        };
        written.map_err(|_| Errno::EIO)
    }

    fn read_console(&self, buf: &mut [u8]) -> Result<usize> {
        stdin().read(buf).map_err(|_| Errno::EIO)
    }

    fn realtime(&self) -> libc::timespec {
        timespec(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    fn monotonic(&self) -> libc::timespec {
        timespec(self.start.elapsed())
    }

    fn fill_random(&self, _: &mut [u8]) -> Result<()> {
        Err(Errno::ENOSYS)
    }

    fn yield_now(&self) {
        std::thread::yield_now();
    }

    fn thread_id(&self) -> u32 {
        hosted::thread_id()
    }

    fn cores(&self) -> u32 {
        hosted::processors()
    }

    fn core(&self) -> u32 {
        hosted::core()
    }

    fn spawn(&self, core: u32, run: Box<dyn FnOnce() + Send>) -> Result<u32> {
        hosted::spawn(hosted::processors(), core, run)
    }

    fn join(&self, thread: u32) -> Result<()> {
        hosted::join(thread)
    }

    fn park(&self) {
        hosted::park();
    }

    fn unpark(&self, thread: u32) {
        hosted::unpark(thread);
    }

    fn exit(&self, status: i32) -> ! {
        std::process::exit(status)
    }
}

fn timespec(time: Duration) -> libc::timespec {
    libc::timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() }
}
