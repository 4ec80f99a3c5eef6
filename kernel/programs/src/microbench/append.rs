//! A file that grows by 4 KiB at a time.

use alloc::vec;
use core::ffi::CStr;
use core::hint::black_box;

use super::bench::{Bench, Elapsed, Samples};
use super::single::{CREATE, all};
use super::{Calls, Group, rows};
use crate::io::{Failure, ToDo};

const FILE: &CStr = c"growing";
const BYTES: usize = 4096;
const TENTHS: u64 = 10;

/// Appends until the file has [`append_bytes`](super::Options::append_bytes), each tenth
/// of them timed.
///
/// # Errors
/// A call fails, or the console.
pub fn append<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if !bench.options.wants_any(Group::Append) {
        return Ok(());
    }
    let calls = bench.calls;
    let count = bench.options.append_bytes / BYTES as u64 / TENTHS;
    let page = vec![1; BYTES];
    let fd = calls.open(FILE, CREATE | libc::O_APPEND, 0o644).to_do("make a file")?;
    let (mut first, mut last) = (Samples::default(), Samples::default());
    let mut whole = Elapsed { ns: 0, cycles: 0 };
    for tenth in 0..TENTHS {
        let elapsed = bench.clocked(|| {
            for _ in 0..count {
                let put = calls.write(black_box(fd), black_box(&page));
                all(put.to_do("append to a file")?, BYTES)?;
            }
            Ok(())
        })?;
        whole.ns += elapsed.ns;
        whole.cycles += elapsed.cycles;
        match tenth {
            0 => first.push(elapsed, count),
            9 => last.push(elapsed, count),
            _ => {}
        }
    }
    let stat = calls.fstat(fd).to_do("look at an open file")?;
    all(stat.st_size as usize, (count * TENTHS) as usize * BYTES)?;
    calls.close(fd).to_do("close a file")?;
    calls.unlink(FILE).to_do("remove a file")?;
    bench.tell(rows::APPEND, &Samples::of(whole, count * TENTHS))?;
    bench.tell(rows::APPEND_FIRST, &first)?;
    bench.tell(rows::APPEND_LAST, &last)
}
