//! [`TestPlatform`]: a [`Platform`] without a machine.

use std::ops::Range;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};

use anchorite_syscalls::{Errno, Memory, Platform, Result, Stream};

/// Where clocks begin, in milliseconds since 1970: in the 21st century, as everybody's do, so
/// that times which tests set are before or after it alike.
const START: i64 = 1_700_000_000_000;

/// What a call panics with that waits.
pub const WAITS: &str = "the call waits, and there is nobody to wake it";

/// A console that swallows, a clock that only moves when it is looked at. There is nobody who
/// could wake a thread that parks, so that is a panic; and for who yields because it waits for a
/// time, the monotonic clock moves on faster and faster.
pub struct TestPlatform {
    memory: Vec<Range<usize>>,
    milliseconds: AtomicI64,
    /// How often somebody yielded.
    yields: AtomicU32,
    /// What is read from the console, and how much of it was.
    input: Vec<u8>,
    read: AtomicUsize,
    /// Bytes that the console takes before it fails, and how many it was given.
    room: usize,
    written: AtomicUsize,
}

impl TestPlatform {
    /// A platform whose programs may name `memory`.
    pub fn new(memory: Vec<Range<usize>>) -> TestPlatform {
        TestPlatform {
            memory,
            milliseconds: AtomicI64::new(START),
            yields: AtomicU32::new(0),
            input: Vec::new(),
            read: AtomicUsize::new(0),
            room: usize::MAX,
            written: AtomicUsize::new(0),
        }
    }

    /// The same, but from its console `input` is read, and after `room` bytes it fails.
    pub fn with_console(self, input: Vec<u8>, room: usize) -> TestPlatform {
        TestPlatform { input, room, ..self }
    }
}

impl Platform for TestPlatform {
    fn user_memory(&self) -> &[Range<usize>] {
        &self.memory
    }

    fn write_console(&self, _: Stream, bytes: &[u8]) -> Result<()> {
        let written = self.written.fetch_add(bytes.len(), Ordering::Relaxed);
        if written < self.room { Ok(()) } else { Err(Errno::EIO) }
    }

    fn read_console(&self, buf: &mut [u8]) -> Result<usize> {
        let read = self.read.fetch_add(buf.len(), Ordering::Relaxed).min(self.input.len());
        let left = &self.input[read..];
        let len = left.len().min(buf.len());
        buf[..len].copy_from_slice(&left[..len]);
        Ok(len)
    }

    fn realtime(&self) -> libc::timespec {
        let now = self.milliseconds.fetch_add(1, Ordering::Relaxed);
        libc::timespec { tv_sec: now / 1000, tv_nsec: now % 1000 * 1_000_000 }
    }

    fn monotonic(&self) -> libc::timespec {
        let skipped = (1u64 << self.yields.load(Ordering::Relaxed).min(63)) - 1;
        let now = self.realtime();
        libc::timespec { tv_sec: now.tv_sec.saturating_add_unsigned(skipped), ..now }
    }

    fn memory(&self) -> Result<Memory> {
        Ok(Memory { total_bytes: 1 << 30, free_bytes: 1 << 29 })
    }

    fn fill_random(&self, buf: &mut [u8]) -> Result<()> {
        buf.fill(4);
        Ok(())
    }

    fn yield_now(&self) {
        self.yields.fetch_add(1, Ordering::Relaxed);
        std::thread::yield_now();
    }

    fn park(&self) {
        panic!("{WAITS}");
    }

    fn thread_id(&self) -> u32 {
        1
    }

    fn exit(&self, status: i32) -> ! {
        panic!("the program ended with {status}")
    }
}
