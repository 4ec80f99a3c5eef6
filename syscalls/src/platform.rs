//! [`Platform`]: the one door through which the call layer reaches the ground
//! below it — console, clocks, entropy, threads, the end of the program.

use alloc::boxed::Box;
use core::ops::Range;

use libc::timespec;

use crate::{Errno, Result};

/// A console stream that a program may write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The machine's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All that programs and files can be given.
    pub total_bytes: u64,
    /// Of it, what nothing uses now.
    pub free_bytes: u64,
}

/// What differs between bare metal and a host process. It is asked in the middle of calls, and makes
/// none itself.
pub trait Platform: Send + Sync {
    /// The address ranges that a program's pointers may name: mapped, readable,
    /// writable, disjoint, for as long as the system lives. A raw call answers
    /// EFAULT for a pointer outside them. Asked once.
    fn user_memory(&self) -> &[Range<usize>];

    /// Writes all of `bytes` to the console.
    ///
    /// # Errors
    /// EIO if the console failed.
    fn write_console(&self, stream: Stream, bytes: &[u8]) -> Result<()>;

    /// Reads from the console's input; 0 at its end, and always where there is
    /// no input.
    ///
    /// # Errors
    /// EIO if the console failed.
    fn read_console(&self, buf: &mut [u8]) -> Result<usize>;

    /// Wall-clock time since 1970, UTC.
    fn realtime(&self) -> timespec;

    /// Time since some fixed point, never set back.
    fn monotonic(&self) -> timespec;

    /// How much memory there is, and how much of it is free.
    ///
    /// # Errors
    /// ENOSYS, by default, where the memory is not this system's to count.
    fn memory(&self) -> Result<Memory> {
        Err(Errno::ENOSYS)
    }

    /// Fills `buf` with unpredictable bytes.
    ///
    /// # Errors
    /// ENOSYS where the machine has no source of entropy.
    fn fill_random(&self, buf: &mut [u8]) -> Result<()>;

    /// Lets the other threads on this core run, if there are any.
    fn yield_now(&self);

    /// The calling thread's number, from 1 for the first.
    fn thread_id(&self) -> u32;

    /// How many cores there are to start threads on; 1 by default.
    fn cores(&self) -> u32 {
        1
    }

    /// The frequency at which cores count time, in kHz; none, by default, where it is not known.
    fn processor_khz(&self) -> Option<u32> {
        None
    }

    /// The core that the calling thread runs on, from 0; 0 by default.
    fn core(&self) -> u32 {
        0
    }

    /// Starts a thread that runs `run` on core `core`, and stays there; its number. All
    /// that was done before is seen by it.
    ///
    /// # Errors
    /// `run` is dropped. EINVAL: there is no such core. ENOMEM, EAGAIN: there is no room
    /// for another thread. ENOSYS, by default: no thread can be started here.
    fn spawn(&self, core: u32, run: Box<dyn FnOnce() + Send>) -> Result<u32> {
        let _ = (core, run);
        Err(Errno::ENOSYS)
    }

    /// Waits until thread `thread` has ended and what it took is given back; at once if
    /// there is none. All that it did is seen after that.
    ///
    /// # Errors
    /// EDEADLK for the calling thread, and for the first, which ends with the program.
    /// ENOSYS, by default.
    fn join(&self, thread: u32) -> Result<()> {
        let _ = thread;
        Err(Errno::ENOSYS)
    }

    /// Waits until the calling thread's token is there, and takes it. May return without
    /// it too, as it does by default, after [`yield_now`](Platform::yield_now).
    fn park(&self) {
        self.yield_now();
    }

    /// Gives thread `thread` its token, if it is there and has none. All that was done
    /// before is seen by it when it has taken the token. Nothing, by default.
    fn unpark(&self, thread: u32) {
        let _ = thread;
    }

    /// Ends the program with `status` (0 to 255).
    fn exit(&self, status: i32) -> !;
}
