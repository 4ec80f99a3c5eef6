//! [`system`]: a system without a machine, the same each time.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anchorite_syscalls::{Limits, Platform, Result, Stream, System};

/// No limit that a scenario meets.
pub const ROOMY: Limits = Limits { size_bytes: 1 << 40, inodes: 1 << 40 };

/// A new system with these limits, whose clock moves on by a millisecond a look.
pub fn system(limits: Limits) -> System {
    System::new(Arc::new(Ground(AtomicI64::new(1_000_000))), limits).expect("a new system")
}

/// The clock, in milliseconds. Of the standard library: no model is to branch at it.
struct Ground(AtomicI64);

impl Platform for Ground {
    fn user_memory(&self) -> &[Range<usize>] {
        &[]
    }

    fn write_console(&self, _: Stream, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn read_console(&self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn realtime(&self) -> libc::timespec {
        let now = self.0.fetch_add(1, Ordering::Relaxed);
        libc::timespec { tv_sec: now / 1000, tv_nsec: now % 1000 * 1_000_000 }
    }

    fn monotonic(&self) -> libc::timespec {
        self.realtime()
    }

    fn fill_random(&self, buf: &mut [u8]) -> Result<()> {
        buf.fill(4);
        Ok(())
    }

    fn yield_now(&self) {}

    fn thread_id(&self) -> u32 {
        1
    }

    fn exit(&self, status: i32) -> ! {
        panic!("the program ended with {status}")
    }
}
