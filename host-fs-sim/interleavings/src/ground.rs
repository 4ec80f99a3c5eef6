//! [`system`]: a system without a machine, the same each time.

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use anchorite_syscalls::{Limits, Platform, Result, Stream, System};
#[cfg(anchorite_model = "loom")]
use loom::{
    sync::{Condvar, Mutex},
    thread_local,
};
#[cfg(anchorite_model = "shuttle")]
use shuttle::{
    sync::{Condvar, Mutex},
    thread_local,
};
#[cfg(not(anchorite_model))]
use std::{
    sync::{Condvar, Mutex},
    thread_local,
};

/// Threads that there can be.
const THREADS: usize = 3;

thread_local! {
    #[allow(clippy::missing_const_for_thread_local)] // loom's macro takes no `const`
    static NUMBER: Cell<u32> = Cell::new(1);
}

/// Says which thread this is, counted from 1; the first needs not.
pub fn be_thread(number: u32) {
    NUMBER.with(|mine| mine.set(number));
}

/// No limit that a scenario meets.
pub const ROOMY: Limits = Limits { size_bytes: 1 << 40, inodes: 1 << 40 };

/// A new system with these limits, whose clock moves on by a millisecond a look.
pub fn system(limits: Limits) -> System {
    let tokens = [(); THREADS].map(|()| (Mutex::new(false), Condvar::new()));
    let milliseconds = AtomicI64::new(1_000_000);
    System::new(Arc::new(Ground { milliseconds, tokens }), limits).expect("a new system")
}

struct Ground {
    /// The clock. Of the standard library: no model is to branch at it.
    milliseconds: AtomicI64,
    /// Each thread's token. Who is never given one waits for ever, and the model says so.
    tokens: [(Mutex<bool>, Condvar); THREADS],
}

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

    fn yield_now(&self) {}

    fn thread_id(&self) -> u32 {
        NUMBER.with(Cell::get)
    }

    fn park(&self) {
        let (token, given) = &self.tokens[self.thread_id() as usize - 1];
        let mut token = token.lock().expect("no panic before");
        while !*token {
            token = given.wait(token).expect("no panic before");
        }
        *token = false;
    }

    fn unpark(&self, thread: u32) {
        let (token, given) = &self.tokens[thread as usize - 1];
        *token.lock().expect("no panic before") = true;
        given.notify_one();
    }

    fn exit(&self, status: i32) -> ! {
        panic!("the program ended with {status}")
    }
}
