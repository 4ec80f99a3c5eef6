//! What an instrumented kernel leaves of a training run: how often each block of its code was
//! executed, for the compiler to build other images by. `kernel/training` has the rest.

use alloc::vec;

use anchorite_syscalls::{Errno, Result, System};

/// Where the counts are left; the training takes it out as an archive.
const DIRECTORY: &[u8] = b"/counts";
const FILE: &[u8] = b"/counts/raw";

// LLVM's compiler-rt, `InstrProfiling.h`: what a program calls that has no C library to do so when
// it ends.
unsafe extern "C" {
    safe fn __llvm_profile_get_size_for_buffer() -> u64;
    fn __llvm_profile_write_buffer(buffer: *mut u8) -> i32;
}

/// Writes the counts into the ramdisk.
///
/// # Errors
/// Those of the calls; EIO if there are no counts.
pub fn leave(system: &System) -> Result<()> {
    let mut counts = vec![0; __llvm_profile_get_size_for_buffer() as usize];
    // SAFETY: as long as was asked for.
    if unsafe { __llvm_profile_write_buffer(counts.as_mut_ptr()) } != 0 {
        return Err(Errno::EIO);
    }
    system.mkdir(DIRECTORY, 0o755)?;
    let fd = system.open(FILE, libc::O_CREAT | libc::O_WRONLY, 0o644)?;
    let mut rest = &counts[..];
    while !rest.is_empty() {
        rest = &rest[system.write(fd, rest)?..];
    }
    system.close(fd)
}
