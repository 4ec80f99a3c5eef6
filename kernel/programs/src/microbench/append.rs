//! A file that grows by 4 KiB at a time: twice, since the first time is the first use of
//! the memory too, for which a guest's host may take many times what a call costs (see
//! [`many`](super::many)).
//!
//! The first file ends a tenth longer than the second. An allocator need not find all that
//! was freed: `talc` passes over a free block that is barely large enough (the kernel's
//! `memory` says why), here one of each 64 in a half of the file. As long as both files were
//! equally long, the last tenth of the second began to use new memory, 6 MiB of a GiB,
//! and the host's work for that was over a half of what an append seemed to take there.

use alloc::vec;
use core::ffi::CStr;
use core::hint::black_box;

use super::bench::{Bench, Elapsed, Samples};
use super::single::{CREATE, all};
use super::{Calls, Group, rows};
use crate::io::{Failure, ToDo};

const FILE: &CStr = c"growing";
const BYTES: usize = 4096;
const TENTHS: usize = 10;

/// Appends until the file has [`append_bytes`](super::Options::append_bytes), each tenth
/// of them timed.
///
/// # Errors
/// A call fails, or the console.
pub fn append<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if !bench.options.wants_any(Group::Append) {
        return Ok(());
    }
    let count = bench.options.append_bytes / BYTES as u64 / TENTHS as u64;
    let new = grow::<{ TENTHS + 1 }, _>(bench, count)?;
    let used = grow::<TENTHS, _>(bench, count)?;
    let [first, .., last] = used;
    bench.tell(rows::APPEND, &mean(&used, count))?;
    bench.tell(rows::APPEND_FIRST, &mean(&[first], count))?;
    bench.tell(rows::APPEND_LAST, &mean(&[last], count))?;
    bench.tell(rows::APPEND_NEW, &mean(&new[..TENTHS], count))
}

/// Makes a file, appends to it `PARTS` times `count` times, removes it.
fn grow<const PARTS: usize, C: Calls>(
    bench: &Bench<'_, C>,
    count: u64,
) -> Result<[Elapsed; PARTS], Failure> {
    let calls = bench.calls;
    let page = vec![1; BYTES];
    let fd = calls.open(FILE, CREATE | libc::O_APPEND, 0o644).to_do("make a file")?;
    let mut parts = [Elapsed { ns: 0, cycles: 0 }; PARTS];
    for part in &mut parts {
        *part = bench.clocked(|| {
            for _ in 0..count {
                let put = calls.write(black_box(fd), black_box(&page));
                all(put.to_do("append to a file")?, BYTES)?;
            }
            Ok(())
        })?;
    }
    let stat = calls.fstat(fd).to_do("look at an open file")?;
    all(stat.st_size as usize, count as usize * PARTS * BYTES)?;
    calls.close(fd).to_do("close a file")?;
    calls.unlink(FILE).to_do("remove a file")?;
    Ok(parts)
}

/// All parts together, of `count` appends each.
fn mean(parts: &[Elapsed], count: u64) -> Samples {
    let all = Elapsed {
        ns: parts.iter().map(|part| part.ns).sum(),
        cycles: parts.iter().map(|part| part.cycles).sum(),
    };
    Samples::of(all, count * parts.len() as u64)
}
