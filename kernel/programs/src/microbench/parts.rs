//! Calls that do ever more, so that their differences tell where the time of a read, and of a
//! file made, goes. [`rows::STEPS`] has them all.
//!
//! What cannot be repeated alone (a file is made once) is done to a batch of files, one call
//! after the other, each with its time.

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::hint::black_box;

use anchorite_syscalls::Errno;

use super::bench::{Bench, Elapsed, Samples};
use super::single::{CREATE, all, create};
use super::{Calls, rows};
use crate::io::{Failure, ToDo};

/// Files of a batch: descriptors that a process may have at once, with room to spare.
const BATCH: usize = 256;
const FILE: &CStr = c"part";
const NEW: &CStr = c"new";
const DATA_BYTES: usize = 4096;
const BAD: i32 = 1000;

/// All steps.
///
/// # Errors
/// A call fails, or the console.
pub fn parts<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let calls = bench.calls;
    let mut buffer = vec![1; DATA_BYTES];
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_RDWR;
    let fd = calls.open(FILE, flags, 0o644).to_do("make a file")?;
    all(calls.pwrite(fd, &buffer, 0).to_do("write a file")?, DATA_BYTES)?;

    bench.repeat(rows::GETPID, || {
        black_box(black_box(calls).getpid());
        Ok(())
    })?;
    bench.repeat(rows::PREAD_BAD, || {
        match calls.pread(black_box(BAD), black_box(&mut buffer[..1]), black_box(0)) {
            Err(Errno::EBADF) => Ok(()),
            Err(errno) => Err(errno).to_do("read by a descriptor that is none"),
            Ok(_) => Err(Failure::Wrong("a descriptor that is none can be read")),
        }
    })?;
    for (name, len) in [
        (rows::PREAD_0, 0),
        (rows::PREAD_1, 1),
        (rows::PREAD_64, 64),
        (rows::PREAD_512, 512),
        (rows::PREAD_4K, DATA_BYTES),
    ] {
        let bytes = &mut buffer[..len];
        bench.repeat(name, || {
            let got = calls.pread(black_box(fd), black_box(&mut *bytes), black_box(0));
            all(got.to_do("read a file")?, len)
        })?;
    }
    bench.repeat(rows::STAT_NONE, || match calls.stat(black_box(NEW)) {
        Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(errno).to_do("look for a missing name"),
        Ok(_) => Err(Failure::Wrong("a missing name is there")),
    })?;
    bench.repeat(rows::STAT_FILE, || {
        let stat = calls.stat(black_box(FILE)).to_do("look at a file")?;
        all(black_box(&stat).st_size as usize, DATA_BYTES)
    })?;
    batches(bench)?;
    bench.repeat(rows::MAKE, || {
        create(calls, black_box(NEW))?;
        calls.unlink(black_box(NEW)).to_do("remove a file")
    })?;
    calls.close(fd).to_do("close a file")?;
    calls.unlink(FILE).to_do("remove a file")
}

/// The steps of a batch, in order.
const STEPS: [&str; 4] = [rows::OPEN_EXISTING, rows::MAKE_OPEN, rows::CLOSE, rows::REMOVE];

fn batches<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let names: Vec<[u8; 5]> =
        (0..BATCH).map(|at| [b'p', hex(at >> 8), hex(at >> 4), hex(at), 0]).collect();
    let mut descriptors = vec![0; BATCH];
    let mut samples = STEPS.map(|_| Samples::default());
    // What warms everything up.
    batch(bench, &names, &mut descriptors)?;
    for _ in 0..bench.options.samples {
        let mut spent = STEPS.map(|_| Elapsed { ns: 0, cycles: 0 });
        let mut count = 0;
        while spent.iter().map(|spent| spent.ns).sum::<u64>() < bench.options.sample_ns {
            let elapsed = batch(bench, &names, &mut descriptors)?;
            for (spent, elapsed) in spent.iter_mut().zip(elapsed) {
                spent.ns += elapsed.ns;
                spent.cycles += elapsed.cycles;
            }
            count += BATCH as u64;
        }
        for (samples, spent) in samples.iter_mut().zip(spent) {
            samples.push(spent, count);
        }
    }
    STEPS.iter().zip(&samples).try_for_each(|(name, samples)| bench.tell(name, samples))
}

/// Opens a file so many times, makes as many, closes and removes them: how long each took.
fn batch<C: Calls>(
    bench: &Bench<'_, C>,
    names: &[[u8; 5]],
    descriptors: &mut [i32],
) -> Result<[Elapsed; 4], Failure> {
    let calls = bench.calls;
    let opened = bench.clocked(|| {
        descriptors.iter_mut().try_for_each(|fd| {
            *fd = calls.open(black_box(FILE), libc::O_RDONLY, 0).to_do("open a file")?;
            Ok(())
        })
    })?;
    let close = |descriptors: &[i32]| {
        descriptors.iter().try_for_each(|fd| calls.close(black_box(*fd)).to_do("close a file"))
    };
    close(descriptors)?;
    let made = bench.clocked(|| {
        descriptors.iter_mut().zip(names).try_for_each(|(fd, name)| {
            *fd = calls.open(black_box(c_str(name)), CREATE, 0o644).to_do("make a file")?;
            Ok(())
        })
    })?;
    let closed = bench.clocked(|| close(descriptors))?;
    let removed = bench.clocked(|| {
        names
            .iter()
            .try_for_each(|name| calls.unlink(black_box(c_str(name))).to_do("remove a file"))
    })?;
    Ok([opened, made, closed, removed])
}

fn c_str(name: &[u8; 5]) -> &CStr {
    CStr::from_bytes_until_nul(name).unwrap_or_default()
}

/// The last hexadecimal digit.
fn hex(number: usize) -> u8 {
    b"0123456789abcdef"[number & 0xf]
}
