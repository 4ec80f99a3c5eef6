//! A file that grows by 4 KiB at a time: twice, since the first time is the first use of
//! the memory too, for which a guest's host may take many times what a call costs (see
//! [`many`](super::many)).

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
    let count = bench.options.append_bytes / BYTES as u64 / TENTHS;
    let new = grow(bench, count)?;
    let used = grow(bench, count)?;
    let [first, .., last] = used;
    bench.tell(rows::APPEND, &Samples::of(whole(&used), count * TENTHS))?;
    bench.tell(rows::APPEND_FIRST, &Samples::of(first, count))?;
    bench.tell(rows::APPEND_LAST, &Samples::of(last, count))?;
    bench.tell(rows::APPEND_NEW, &Samples::of(whole(&new), count * TENTHS))
}

/// Makes a file, appends to it ten times `count` times, removes it.
fn grow<C: Calls>(bench: &Bench<'_, C>, count: u64) -> Result<[Elapsed; TENTHS as usize], Failure> {
    let calls = bench.calls;
    let page = vec![1; BYTES];
    let fd = calls.open(FILE, CREATE | libc::O_APPEND, 0o644).to_do("make a file")?;
    let mut tenths = [Elapsed { ns: 0, cycles: 0 }; TENTHS as usize];
    for tenth in &mut tenths {
        *tenth = bench.clocked(|| {
            for _ in 0..count {
                let put = calls.write(black_box(fd), black_box(&page));
                all(put.to_do("append to a file")?, BYTES)?;
            }
            Ok(())
        })?;
    }
    let stat = calls.fstat(fd).to_do("look at an open file")?;
    all(stat.st_size as usize, (count * TENTHS) as usize * BYTES)?;
    calls.close(fd).to_do("close a file")?;
    calls.unlink(FILE).to_do("remove a file")?;
    Ok(tenths)
}

/// All tenths together.
fn whole(tenths: &[Elapsed]) -> Elapsed {
    Elapsed {
        ns: tenths.iter().map(|tenth| tenth.ns).sum(),
        cycles: tenths.iter().map(|tenth| tenth.cycles).sum(),
    }
}
