//! [`Platform`]: the one door through which the call layer reaches the ground
//! below it — console, clocks, entropy, the end of the program.

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

/// What differs between bare metal and a host process.
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

    /// Lets another thread on this core run.
    fn yield_now(&self);

    /// The calling thread's number, from 1 for the first.
    fn thread_id(&self) -> u32;

    /// Ends the program with `status` (0 to 255).
    fn exit(&self, status: i32) -> !;
}
