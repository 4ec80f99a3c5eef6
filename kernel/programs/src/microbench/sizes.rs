//! Reading and writing by size, from a byte to a MiB, and the copy of as much memory.
//!
//! Prints a line for each operation and size, as [`growth`](super::growth) does.

use alloc::string::String;
use alloc::vec;
use core::ffi::CStr;
use core::fmt::Write;
use core::hint::black_box;

use super::Calls;
use super::bench::{Bench, Samples};
use super::single::all;
use crate::io::{Failure, ToDo};

/// The most that is read or written at once; the file's length.
const MOST_BYTES: usize = 1 << 20;
const FILE: &CStr = c"sizes";
const PREAD: &str = "pread";
const PWRITE: &str = "pwrite";
const MEMCPY: &str = "memcpy";

/// All series that are asked for.
///
/// # Errors
/// A call fails, or the console.
pub fn sizes<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let calls = bench.calls;
    let (mut buffer, from) = (vec![1u8; MOST_BYTES], vec![1u8; MOST_BYTES]);
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
    let fd = calls.open(FILE, flags, 0o644).to_do("make a file")?;
    all(calls.pwrite(fd, &from, 0).to_do("write a file")?, MOST_BYTES)?;
    for bits in 0..=MOST_BYTES.ilog2() {
        let len = 1usize << bits;
        let bytes = &mut buffer[..len];
        series(bench, PREAD, len, || {
            let got = calls.pread(black_box(fd), black_box(&mut *bytes), black_box(0));
            all(got.to_do("read a file")?, len)
        })?;
        let bytes = &from[..len];
        series(bench, PWRITE, len, || {
            let put = calls.pwrite(black_box(fd), black_box(bytes), black_box(0));
            all(put.to_do("write a file")?, len)
        })?;
        let to = &mut buffer[..len];
        series(bench, MEMCPY, len, || {
            black_box(&mut *to).copy_from_slice(black_box(bytes));
            black_box(&*to);
            Ok(())
        })?;
    }
    if buffer != from {
        return Err(Failure::Wrong("a file has not what was written"));
    }
    calls.close(fd).to_do("close a file")?;
    calls.unlink(FILE).to_do("remove a file")
}

/// One point of a series, if that is asked for.
fn series<C: Calls>(
    bench: &mut Bench<'_, C>,
    name: &str,
    len: usize,
    mut operation: impl FnMut() -> Result<(), Failure>,
) -> Result<(), Failure> {
    if !bench.wants(name) {
        return Ok(());
    }
    let samples: Samples = bench.take_samples(&mut operation)?;
    let mut line = String::new();
    write!(line, "{{\"series\":\"{name}\",\"size\":{len},\"unit\":\"ns\"")?;
    bench.tell_line(line, &samples)
}
