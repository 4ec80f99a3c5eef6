//! Copying a directory's files into the working directory, call by call: what a program does
//! that does not begin with its files.
//!
//! The files are named by numbers of seven digits, from zero on, until one is not there.

use alloc::string::String;
use alloc::vec;
use core::ffi::CStr;
use core::fmt::Write;

use anchorite_syscalls::Errno;

use super::Calls;
use super::bench::{Bench, Samples};
use super::single::{CREATE, all};
use crate::io::{Failure, ToDo};

/// Bytes that are read and written at once, as cp(1) does.
const PIECE_BYTES: usize = 256 << 10;

/// Copies all of them from `from`; the one sample is of one file.
///
/// # Errors
/// A call fails, or the console; there is no file.
pub fn copy<C: Calls>(bench: &mut Bench<'_, C>, from: &[u8]) -> Result<(), Failure> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut source = from.to_vec();
    source.extend_from_slice(b"/0000000\0");
    let calls = bench.calls;
    let mut files = 0;
    let elapsed = bench.clocked(|| {
        loop {
            number_in(&mut source, files);
            let input = match calls.open(c_str(&source), libc::O_RDONLY, 0) {
                Err(Errno::ENOENT) if files > 0 => return Ok(()),
                input => input.to_do("open a file to copy")?,
            };
            let name = &source[source.len() - DIGITS - 1..];
            copy_one(calls, input, c_str(name), &mut buffer)?;
            files += 1;
        }
    })?;
    let mut line = String::new();
    write!(line, "{{\"series\":\"copy\",\"size\":{files},\"unit\":\"ns\"")?;
    bench.tell_line(line, &Samples::of(elapsed, files.into()))
}

const DIGITS: usize = 7;

fn copy_one(calls: &impl Calls, input: i32, to: &CStr, buffer: &mut [u8]) -> Result<(), Failure> {
    let output = calls.open(to, CREATE, 0o644).to_do("make a file")?;
    let mut at = 0;
    loop {
        let got = calls.pread(input, buffer, at).to_do("read a file")?;
        if got == 0 {
            break;
        }
        at += got as i64;
        let bytes = buffer.get(..got).ok_or(Failure::Wrong("more was read than was asked for"))?;
        all(calls.write(output, bytes).to_do("write a file")?, got)?;
    }
    calls.close(input).to_do("close a file")?;
    calls.close(output).to_do("close a file")
}

/// Writes the number before the NUL at the end.
fn number_in(path: &mut [u8], mut number: u32) {
    for digit in path.iter_mut().rev().skip(1).take(DIGITS) {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

fn c_str(path: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(path).unwrap_or_default()
}
