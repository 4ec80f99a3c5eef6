//! Very many files in one directory: made, looked at in random order, listed, removed.
//! Each is done once to all of them: a sample is the mean of that.
//!
//! Files are made and removed once before they are measured. A guest's memory is what its
//! host has free, and who touches it first may pay many times what a call costs, the more
//! so where the host is a virtual machine itself; Linux makes files in memory that it
//! used a moment ago. What the first time costs is a row of its own. The second time
//! no page is new, of a million files either: under the kernel's allocator a process of the
//! host did the same, and its pages were counted.

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::hint::black_box;

use anchorite_syscalls::Errno;

use super::bench::{Bench, Samples};
use super::single::{CREATE, all, create, remove_directory, told};
use super::{Calls, Group, rows};
use crate::io::{Failure, ToDo};

/// Where they are.
pub const DIRECTORY: &CStr = c"many";
/// Bytes of one listing.
const LISTING_BYTES: usize = 64 * 1024;
/// Where a record of `getdents64(2)` has its length.
const RECLEN_AT: usize = 16;
/// Bytes of a file with a little data.
const SMALL_BYTES: usize = 100;

/// Empty files, [`files`](super::Options::files) of them.
///
/// # Errors
/// A call fails, or the console.
pub fn one_directory<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if !bench.options.wants_any(Group::OneDirectory) {
        return Ok(());
    }
    let (calls, files) = (bench.calls, bench.options.files);
    let order = shuffled(files)?;
    calls.mkdir(DIRECTORY, 0o755).to_do("make a directory")?;
    let before = calls.used_bytes();
    each(bench, rows::MANY_CREATE_NEW, 0..files, |path| create(calls, path))?;
    let bytes = per_file(before, calls.used_bytes(), files);
    let mut path = Path::new();
    (0..files).try_for_each(|at| calls.unlink(path.to(at)).to_do("remove a file"))?;
    remove_directory(calls, DIRECTORY)?;

    // Where directories cannot be removed, this one is still there.
    match calls.mkdir(DIRECTORY, 0o755) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno).to_do("make a directory"),
    }
    each(bench, rows::MANY_CREATE, 0..files, |path| create(calls, path))?;
    each(bench, rows::MANY_STAT, order.iter().copied(), |path| {
        let stat = calls.stat(path);
        all(black_box(told(&stat)?).st_mode as usize, (libc::S_IFREG | 0o644) as usize)
    })?;
    list(bench, files)?;
    each(bench, rows::MANY_UNLINK, 0..files, |path| calls.unlink(path).to_do("remove a file"))?;
    tell_bytes(bench, rows::EMPTY_BYTES, bytes)?;
    remove_directory(calls, DIRECTORY)
}

/// Files with 100 bytes each, a tenth as many.
///
/// # Errors
/// A call fails, or the console.
pub fn small_files<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if !bench.options.wants_any(Group::SmallFiles) {
        return Ok(());
    }
    let (calls, files) = (bench.calls, bench.options.files / 10);
    calls.mkdir(DIRECTORY, 0o755).to_do("make a directory")?;
    let mut path = Path::new();
    let before = calls.used_bytes();
    for at in 0..files {
        let fd = calls.open(path.to(at), CREATE, 0o644).to_do("make a file")?;
        all(calls.write(fd, &[1; SMALL_BYTES]).to_do("write a file")?, SMALL_BYTES)?;
        calls.close(fd).to_do("close a file")?;
    }
    let bytes = per_file(before, calls.used_bytes(), files);
    for at in 0..files {
        calls.unlink(path.to(at)).to_do("remove a file")?;
    }
    tell_bytes(bench, rows::SMALL_BYTES, bytes)?;
    remove_directory(calls, DIRECTORY)
}

/// Does `deed` to each of the files `order`, and tells how long that took, each.
fn each<C: Calls>(
    bench: &mut Bench<'_, C>,
    name: &'static str,
    order: impl ExactSizeIterator<Item = u32>,
    mut deed: impl FnMut(&CStr) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut path = Path::new();
    let count = order.len() as u64;
    let elapsed = bench.clocked(|| {
        for at in order {
            deed(black_box(path.to(at)))?;
        }
        Ok(())
    })?;
    bench.tell(name, &Samples::of(elapsed, count))
}

/// Lists the directory twice: counts, then measures the same without looking.
fn list<C: Calls>(bench: &mut Bench<'_, C>, files: u32) -> Result<(), Failure> {
    if !bench.wants(rows::MANY_LIST) {
        return Ok(());
    }
    let calls = bench.calls;
    let mut listing = vec![0; LISTING_BYTES];
    let (mut entries, mut counted) = (0, 0);
    let mut fd = open_directory(calls)?;
    loop {
        let len = calls.getdents64(fd, &mut listing).to_do("list a directory")?;
        if len == 0 {
            break;
        }
        counted += len;
        entries += records(&listing[..len])?;
    }
    calls.close(fd).to_do("close a directory")?;
    // With `.` and `..`.
    if entries != u64::from(files) + 2 {
        return Err(Failure::Wrong("a listing has not as many entries as were made"));
    }

    fd = open_directory(calls)?;
    let mut listed = 0;
    let elapsed = bench.clocked(|| {
        loop {
            let got = calls.getdents64(black_box(fd), black_box(&mut listing));
            match got.to_do("list a directory")? {
                0 => return Ok(()),
                len => listed += len,
            }
        }
    })?;
    calls.close(fd).to_do("close a directory")?;
    all(listed, counted)?;
    bench.tell(rows::MANY_LIST, &Samples::of(elapsed, entries))
}

fn open_directory(calls: &impl Calls) -> Result<i32, Failure> {
    calls.open(DIRECTORY, libc::O_RDONLY | libc::O_DIRECTORY, 0).to_do("open a directory")
}

/// The number of records in a listing.
fn records(mut listing: &[u8]) -> Result<u64, Failure> {
    let mut count = 0;
    while !listing.is_empty() {
        let len = listing.get(RECLEN_AT..).and_then(|bytes| bytes.first_chunk());
        let len = len.map_or(0, |bytes| usize::from(u16::from_ne_bytes(*bytes)));
        let rest = listing.get(len.max(1)..);
        listing = rest.ok_or(Failure::Wrong("a record of a listing is cut off"))?;
        count += 1;
    }
    Ok(count)
}

/// A file's share of what memory was taken.
fn per_file(
    before: Result<u64, Errno>,
    after: Result<u64, Errno>,
    files: u32,
) -> Result<f64, Failure> {
    let before = before.to_do("count the memory in use")?;
    let after = after.to_do("count the memory in use")?;
    Ok((after as f64 - before as f64) / f64::from(files))
}

fn tell_bytes<C: Calls>(
    bench: &mut Bench<'_, C>,
    name: &'static str,
    bytes: Result<f64, Failure>,
) -> Result<(), Failure> {
    match bytes {
        Ok(bytes) => bench.tell_value(name, "bytes", bytes),
        Err(failure) => bench.absent(name, failure),
    }
}

/// The numbers below `count` in an order that is random, and always the same.
///
/// # Errors
/// There is no memory for them.
fn shuffled(count: u32) -> Result<Vec<u32>, Failure> {
    let mut order = Vec::new();
    order.try_reserve_exact(count as usize).map_err(|_| Errno::ENOMEM).to_do("shuffle numbers")?;
    order.extend(0..count);
    // Fisher and Yates' shuffle.
    let mut random = Random::new();
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at as u64 + 1) as usize);
    }
    Ok(order)
}

/// Numbers that are random, and always the same: Marsaglia's xorshift.
pub struct Random(u64);

impl Random {
    /// The first number comes next.
    pub fn new() -> Random {
        Random(0x9e37_79b9_7f4a_7c15)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The upper bits, without a division.
        ((u128::from(self.0) * u128::from(bound)) >> 64) as u64
    }

    /// Lets `number`, which is small, have a part in all that follow.
    pub fn stir(&mut self, number: u64) {
        self.0 = (self.0 ^ number).max(1);
    }
}

/// The path of a numbered file, written over for each.
pub struct Path([u8; 14]);

impl Path {
    /// The first file's.
    pub fn new() -> Path {
        Path(*b"many/00000000\0")
    }

    /// File `at`'s.
    pub fn to(&mut self, mut at: u32) -> &CStr {
        for digit in self.0[5..13].iter_mut().rev() {
            *digit = b'0' + (at % 10) as u8;
            at /= 10;
        }
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}
