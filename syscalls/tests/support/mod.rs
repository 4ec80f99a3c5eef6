//! What all of these tests share: a [`Platform`] without a machine, and memory whose
//! ends are known, so that a pointer can be made to lead outside.
#![allow(dead_code)] // each test binary uses a part

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anchorite_syscalls::{Limits, Platform, Result, Stream, System};

/// No limit that a test meets.
pub const ROOMY: Limits = Limits { size_bytes: 1 << 40, inodes: 1 << 40 };

/// A system with these limits, whose clock moves on by a millisecond a look.
pub fn system(limits: Limits) -> System {
    System::new(Arc::new(TestPlatform::new(Vec::new())), limits).expect("a new system")
}

/// A console that swallows, a clock that only moves when it is looked at.
pub struct TestPlatform {
    memory: Vec<Range<usize>>,
    milliseconds: AtomicI64,
}

impl TestPlatform {
    /// A platform whose programs may name `memory`.
    pub fn new(memory: Vec<Range<usize>>) -> TestPlatform {
        TestPlatform { memory, milliseconds: AtomicI64::new(1_000_000) }
    }
}

impl Platform for TestPlatform {
    fn user_memory(&self) -> &[Range<usize>] {
        &self.memory
    }

    fn write_console(&self, _: Stream, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn read_console(&self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn realtime(&self) -> libc::timespec {
        let now = self.milliseconds.fetch_add(1, Ordering::Relaxed);
        libc::timespec { tv_sec: now / 1000, tv_nsec: now % 1000 * 1_000_000 }
    }

    fn monotonic(&self) -> libc::timespec {
        self.realtime()
    }

    fn fill_random(&self, buf: &mut [u8]) -> Result<()> {
        buf.fill(4);
        Ok(())
    }

    fn yield_now(&self) {
        std::thread::yield_now();
    }

    fn thread_id(&self) -> u32 {
        1
    }

    fn exit(&self, status: i32) -> ! {
        panic!("the program ended with {status}")
    }
}

/// Mapped memory between two pages that are not.
pub struct Arena {
    start: *mut u8,
}

// SAFETY: the pages are the arena's own, and it hands out plain addresses.
unsafe impl Send for Arena {}

impl Arena {
    /// Bytes in an arena.
    pub const LEN: usize = 1 << 20;
    const GUARD: usize = 4096;

    /// A new one.
    pub fn new() -> Arena {
        let len = Arena::LEN + 2 * Arena::GUARD;
        // SAFETY: a new mapping; then two changes inside it.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let base = libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(base, libc::MAP_FAILED);
            let start = base.cast::<u8>().add(Arena::GUARD);
            let access = libc::PROT_READ | libc::PROT_WRITE;
            assert_eq!(libc::mprotect(start.cast(), Arena::LEN, access), 0);
            start.expose_provenance();
            Arena { start }
        }
    }

    /// The address of the first byte.
    pub fn start(&self) -> usize {
        self.start as usize
    }

    /// The address behind the last byte.
    pub fn end(&self) -> usize {
        self.start() + Arena::LEN
    }

    /// Writes `bytes` from the address `at` on.
    pub fn put(&self, at: usize, bytes: &[u8]) {
        assert!(at >= self.start() && at + bytes.len() <= self.end());
        // SAFETY: inside the arena, which nobody borrows.
        unsafe { self.start.add(at - self.start()).copy_from(bytes.as_ptr(), bytes.len()) };
    }

    /// The `len` bytes from the address `at` on.
    pub fn get(&self, at: usize, len: usize) -> Vec<u8> {
        assert!(at >= self.start() && at + len <= self.end());
        let mut bytes = vec![0; len];
        // SAFETY: inside the arena, which nobody borrows.
        unsafe { bytes.as_mut_ptr().copy_from(self.start.add(at - self.start()), len) };
        bytes
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping that `new` made, whole.
        unsafe {
            let base = self.start.sub(Arena::GUARD);
            libc::munmap(base.cast(), Arena::LEN + 2 * Arena::GUARD);
        }
    }
}
