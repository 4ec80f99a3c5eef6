//! The same work on one core and on several at once: how much more they do together.
//!
//! Each core has a thread of its own that stays there. A sample is a stretch of
//! [`sample_ns`](super::Options::sample_ns) in which all of them work from one moment to
//! another; its value is that time for one of all their operations. Samples of one core
//! and of several alternate, so that a slow moment of the machine meets both. But several
//! need as many processors of the host for themselves: where other programs take one away
//! for a while, the least values tell more than the median. Removing files is not measured.
//!
//! Beside it, what the machine takes for what cores cannot do without: an atomic, and a line of
//! memory that goes from one to another ([`lines`]).

use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::hint::{black_box, spin_loop};
use core::sync::atomic::{AtomicU64, Ordering};

use super::bench::{Bench, Elapsed, Samples};
use super::single::{all, create, remove_directory};
use super::{Calls, Group, rows};
use crate::io::{Failure, ToDo};

/// The most cores that are asked for.
pub const MOST: u32 = 64;
/// Bytes of a transfer, and of the files that are read and written over.
const BYTES: usize = 4096;
/// Operations between two looks at the clock.
const BATCH: u32 = 32;
/// Instead of a turn: there are no more.
const OVER: u64 = u64::MAX;
/// Why a row is not there.
const ONE_CORE: &str = "there is one core only";
/// The directory that all cores share.
const SHARED: &CStr = c"cores";

/// What cores do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Make files.
    Create,
    /// Read a file from its beginning.
    Read,
    /// Write over a file.
    Write,
}

/// A piece of work: whether each core has a directory (for [`Work::Create`]) or a file of
/// its own, and what the rows of one core and of several are called.
struct Piece {
    work: Work,
    is_apart: bool,
    rows: [&'static str; 2],
}

const PIECES: [Piece; 5] = [
    Piece {
        work: Work::Create,
        is_apart: true,
        rows: [rows::APART_CREATE_ONE, rows::APART_CREATE_ALL],
    },
    Piece { work: Work::Read, is_apart: true, rows: [rows::APART_READ_ONE, rows::APART_READ_ALL] },
    Piece {
        work: Work::Write,
        is_apart: true,
        rows: [rows::APART_WRITE_ONE, rows::APART_WRITE_ALL],
    },
    Piece {
        work: Work::Create,
        is_apart: false,
        rows: [rows::TOGETHER_CREATE_ONE, rows::TOGETHER_CREATE_ALL],
    },
    Piece {
        work: Work::Read,
        is_apart: false,
        rows: [rows::TOGETHER_READ_ONE, rows::TOGETHER_READ_ALL],
    },
];

/// Does each piece on one core and on as many as there are, or as are asked for.
///
/// # Errors
/// A call fails, or the console.
pub fn cores<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if !bench.options.wants_any(Group::Cores) {
        return Ok(());
    }
    let calls = bench.calls;
    bench.repeat(rows::THREAD, || calls.on_cores(1, &|_| Ok(())))?;
    let cores = calls.cores().min(bench.options.threads);
    lines(bench, cores)?;
    let mut path = Path::new();
    calls.mkdir(SHARED, 0o755).to_do("make a directory")?;
    for core in 0..cores {
        calls.mkdir(path.directory(core), 0o755).to_do("make a directory")?;
        let fd = calls.open(path.data(core), libc::O_CREAT | libc::O_WRONLY, 0o644);
        let fd = fd.to_do("make a file")?;
        all(calls.write(fd, &[1; BYTES]).to_do("write a file")?, BYTES)?;
        calls.close(fd).to_do("close a file")?;
    }
    for piece in &PIECES {
        let [one, several] = piece.rows;
        if !bench.wants(one) && !bench.wants(several) {
            continue;
        }
        // What warms up, and takes memory that was never touched.
        stretch(bench, piece, cores, &mut Samples::default())?;
        let (mut of_one, mut of_several) = (Samples::default(), Samples::default());
        for _ in 0..bench.options.samples {
            stretch(bench, piece, 1, &mut of_one)?;
            if cores > 1 {
                stretch(bench, piece, cores, &mut of_several)?;
            }
        }
        bench.tell(one, &of_one)?;
        if cores > 1 {
            bench.tell_threads(several, cores, &of_several)?;
        } else {
            bench.tell_absent(several, ONE_CORE)?;
        }
    }
    for core in 0..cores {
        calls.unlink(path.data(core)).to_do("remove a file")?;
        remove_directory(calls, path.directory(core))?;
    }
    remove_directory(calls, SHARED)
}

/// Times an atomic, and a line of memory that goes to and fro.
///
/// # Errors
/// A thread cannot be started; the clock's; the console's.
fn lines<C: Calls>(bench: &mut Bench<'_, C>, cores: u32) -> Result<(), Failure> {
    let own = Line(AtomicU64::new(0));
    bench.repeat(rows::ATOMIC, || {
        black_box(black_box(&own).0.fetch_add(1, Ordering::SeqCst));
        Ok(())
    })?;
    if !bench.wants(rows::HANDOVER) {
        return Ok(());
    }
    if cores < 2 {
        return bench.tell_absent(rows::HANDOVER, ONE_CORE);
    }
    let mut samples = Samples::default();
    for _ in 0..bench.options.samples {
        let line = Line(AtomicU64::new(0));
        let (ns, cycles, turns) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        bench.calls.on_cores(2, &|core| {
            if core > 0 {
                take_turns(&line.0, core.into(), |_| Ok(true))?;
                return Ok(());
            }
            let end = bench.now_ns()?.saturating_add(bench.options.sample_ns);
            let mut taken = 0;
            let elapsed = bench.clocked(|| {
                taken = take_turns(&line.0, 0, |turn| {
                    Ok(!turn.is_multiple_of(BATCH.into()) || bench.now_ns()? < end)
                })?;
                Ok(())
            })?;
            ns.store(elapsed.ns, Ordering::Relaxed);
            cycles.store(elapsed.cycles, Ordering::Relaxed);
            turns.store(taken, Ordering::Relaxed);
            Ok(())
        })?;
        let elapsed = Elapsed { ns: ns.into_inner(), cycles: cycles.into_inner() };
        samples.push(elapsed, turns.into_inner().max(1));
    }
    bench.tell(rows::HANDOVER, &samples)
}

/// Adds one to `line` each time that it is this core's turn, which is core 0 or 1, until one of
/// the two does not want to go on; tells how often both did. It is tried by the atomic that
/// does it, so that the line comes once: a look at it before would fetch it another time.
fn take_turns(
    line: &AtomicU64,
    core: u64,
    mut goes_on: impl FnMut(u64) -> Result<bool, Failure>,
) -> Result<u64, Failure> {
    let add = |turn| line.compare_exchange(turn, turn + 1, Ordering::AcqRel, Ordering::Relaxed);
    let mut turn = core;
    loop {
        while let Err(now) = add(turn) {
            if now == OVER {
                return Ok(turn);
            }
            spin_loop();
        }
        turn += 2;
        let goes_on = goes_on(turn);
        if !matches!(goes_on, Ok(true)) {
            line.store(OVER, Ordering::Release);
            return goes_on.map(|_| turn);
        }
    }
}

/// What no other datum shares a line with.
#[repr(align(128))]
struct Line(AtomicU64);

/// What one core did in a stretch.
#[derive(Default)]
struct Done {
    operations: AtomicU64,
    /// By the clock, when it was over.
    end_ns: AtomicU64,
    cycles: AtomicU64,
}

/// Lets `cores` cores do a piece for as long as a sample takes, all from one moment to
/// another, and adds a sample: the time that passed, for all their operations.
fn stretch<C: Calls>(
    bench: &Bench<'_, C>,
    piece: &Piece,
    cores: u32,
    samples: &mut Samples,
) -> Result<(), Failure> {
    let done: Vec<Done> = (0..cores).map(|_| Done::default()).collect();
    // The first core to begin says when that was; one that comes late has done less.
    let start = AtomicU64::new(0);
    let calls = bench.calls;
    calls.on_cores(cores, &|core| {
        let mut path = Path::new();
        let mut buffer = vec![0; BYTES];
        let file = if piece.is_apart { core } else { 0 };
        let fd = calls.open(path.data(file), libc::O_RDWR, 0).to_do("open a file")?;
        let now = bench.now_ns()?;
        let start = match start.compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => now,
            Err(start) => start,
        };
        let end = start.saturating_add(bench.options.sample_ns);
        let mut operations = 0;
        let elapsed = bench.clocked(|| {
            while operations == 0 || bench.now_ns()? < end {
                for nth in operations..operations + BATCH {
                    match piece.work {
                        Work::Create => create(calls, path.file(piece.is_apart, core, nth))?,
                        Work::Read => {
                            let got = calls.pread(fd, black_box(&mut buffer), 0);
                            all(got.to_do("read a file")?, BYTES)?;
                        }
                        Work::Write => {
                            let put = calls.pwrite(fd, black_box(&buffer), 0);
                            all(put.to_do("write a file")?, BYTES)?;
                        }
                    }
                }
                operations += BATCH;
            }
            Ok(())
        })?;
        if let Some(done) = done.get(core as usize) {
            done.operations.store(operations.into(), Ordering::Relaxed);
            done.end_ns.store(bench.now_ns()?, Ordering::Relaxed);
            done.cycles.store(elapsed.cycles, Ordering::Relaxed);
        }
        calls.close(fd).to_do("close a file")?;
        if piece.work == Work::Create {
            // Each core its own, so that it has their memory again.
            (0..operations).try_for_each(|nth| {
                calls.unlink(path.file(piece.is_apart, core, nth)).to_do("remove a file")
            })?;
        }
        Ok(())
    })?;
    let load = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let end = done.iter().map(|done| load(&done.end_ns)).max().unwrap_or(0);
    let ns = end.saturating_sub(start.into_inner()).max(1);
    let cycles = done.iter().map(|done| load(&done.cycles)).max().unwrap_or(0);
    let operations = done.iter().map(|done| load(&done.operations)).sum();
    samples.push(Elapsed { ns, cycles }, operations);
    Ok(())
}

/// A path, written over for each.
struct Path([u8; 32]);

impl Path {
    fn new() -> Path {
        Path([0; 32])
    }

    /// The directory of a core.
    fn directory(&mut self, core: u32) -> &CStr {
        self.set(b"core-", core, &[])
    }

    /// The file with data of a core.
    fn data(&mut self, core: u32) -> &CStr {
        self.set(b"core-", core, b"/data")
    }

    /// A file that a core makes, in its own directory or in the shared one.
    fn file(&mut self, is_apart: bool, core: u32, mut nth: u32) -> &CStr {
        let mut name = *b"-00000000";
        for digit in name[1..].iter_mut().rev() {
            *digit = b'0' + (nth % 10) as u8;
            nth /= 10;
        }
        if is_apart {
            name[0] = b'/';
            self.set(b"core-", core, &name)
        } else {
            self.set(b"cores/", core, &name)
        }
    }

    fn set(&mut self, head: &[u8], core: u32, tail: &[u8]) -> &CStr {
        let number = [b'0' + (core / 10) as u8, b'0' + (core % 10) as u8];
        let mut rest = self.0.iter_mut();
        for (to, from) in rest.by_ref().zip(head.iter().chain(&number).chain(tail).chain(&[0])) {
            *to = *from;
        }
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}
