//! What files of proc tell: `proc(5)`. All that a program reads there to find out about the
//! machine, as far as it is known here; what is not there, such as swap space or other processes, is
//! told as nothing.
//!
//! Each is a template, into which numbers are put: so the code that makes it is small.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use anchorite_fs::PAGE_BYTES;
use anchorite_fs::mem::try_bytes;

use crate::mounts::file_system::names;
use crate::platform::Memory;
use crate::system::System;
use crate::{Errno, Result};

/// A file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Cmdline,
    Comm,
    Cpuinfo,
    Filesystems,
    Loadavg,
    Meminfo,
    Mounts,
    ProcessStat,
    Stat,
    Statm,
    Status,
    Uptime,
    Version,
}

/// Ticks of a second: USER_HZ.
const HZ: u64 = 100;
/// Bytes that Linux keeps of a program's name.
const COMM_MAX: usize = 15;

/// Total and free memory; what is available; files, and files again; what was promised.
const MEMINFO: &str = "MemTotal: % kB\nMemFree: % kB\nMemAvailable: % kB\nBuffers: 0 kB\n\
    Cached: % kB\nSwapCached: 0 kB\nActive: 0 kB\nInactive: 0 kB\nSwapTotal: 0 kB\n\
    SwapFree: 0 kB\nDirty: 0 kB\nWriteback: 0 kB\nMapped: 0 kB\nShmem: % kB\nSlab: 0 kB\n\
    Committed_AS: % kB\nVmallocTotal: 0 kB\nVmallocUsed: 0 kB\nVmallocChunk: 0 kB\n";

/// The core; the cores; it again; and them.
const CPUINFO: &str = "processor\t: %\nsiblings\t: %\ncore id\t\t: %\ncpu cores\t: %\n\n";

/// When the machine started.
const STAT: &str = "intr 0\nctxt 0\nbtime %\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n";

/// State, parent, group, session, terminal and its group, flags, faults; times; priority; one
/// thread, started at 0; sizes, and the limit of one; 27 of which nothing is known.
const PROCESS_STAT: &str = ") R 0 1 1 0 -1 0 0 0 0 0 % 0 0 0 20 0 1 0 0 % % % 0 0 0 0 0 0 0 0 0 \
    0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

/// Users; groups.
const STATUS_OWNER: &str = "State:\tR (running)\nTgid:\t1\nNgid:\t0\nPid:\t1\nPPid:\t0\n\
    TracerPid:\t0\nUid:\t%\t%\t%\t%\nGid:\t%\t%\t%\t%\nFDSize:\t%\nGroups:\t";

/// All memory, twice; that which is used, twice.
const STATUS_SIZES: &str = "\nVmPeak:\t% kB\nVmSize:\t% kB\nVmHWM:\t% kB\nVmRSS:\t% kB\n\
    Threads:\t1\nSigQ:\t0/0\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n\
    SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n\
    CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n";

impl Text {
    /// All of it, as it is now.
    ///
    /// # Errors
    /// ENOMEM.
    #[cold]
    #[inline(never)]
    pub(super) fn made_up(self, system: &System) -> Result<Vec<u8>> {
        let mut out = Lines::new();
        let [total, free] = memory(system);
        let used = total.saturating_sub(free);
        let ticks = ticks(system);
        match self {
            Text::Cmdline => return try_bytes(system.program()),
            Text::Mounts => return system.mounts_text(),
            Text::Comm => {
                out.put(comm(system));
                out.put(b"\n");
            }
            Text::Cpuinfo => {
                let cores = u64::from(system.platform().cores());
                for core in 0..cores {
                    out.fill(CPUINFO, &[core, cores, core, cores]);
                    if let Some(khz) = system.platform().processor_khz() {
                        // Before the empty line that ends the core.
                        out.bytes.pop();
                        out.fill("cpu MHz\t\t: %.000\n\n", &[u64::from(khz / 1000)]);
                    }
                }
            }
            Text::Filesystems => {
                for name in names() {
                    out.put(b"nodev\t");
                    out.put(name.as_bytes());
                    out.put(b"\n");
                }
            }
            Text::Loadavg => out.put(b"0.00 0.00 0.00 1/1 1\n"),
            Text::Meminfo => {
                let files = system.usage().pages * PAGE_BYTES as u64;
                let sizes = [total, free, free, files, files, used];
                out.fill(MEMINFO, &sizes.map(|bytes| bytes / 1024));
            }
            Text::Stat => {
                // All time is the program's: nobody else has any, and who waits looks.
                let cores = u64::from(system.platform().cores());
                out.fill("cpu  % 0 0 0 0 0 0 0 0 0\n", &[ticks * cores]);
                for core in 0..cores {
                    out.fill("cpu% % 0 0 0 0 0 0 0 0 0\n", &[core, ticks]);
                }
                let now = system.platform().realtime().tv_sec;
                out.fill(STAT, &[now.saturating_sub((ticks / HZ) as i64) as u64]);
            }
            Text::Statm => {
                let [total, used] = [total, used].map(|bytes| bytes / PAGE_BYTES as u64);
                out.fill("% % 0 0 0 % 0\n", &[total, used, used]);
            }
            Text::ProcessStat => {
                out.put(b"1 (");
                out.put(comm(system));
                out.fill(PROCESS_STAT, &[ticks, total, used / PAGE_BYTES as u64, u64::MAX]);
            }
            Text::Status => status(system, [total, used], &mut out),
            Text::Uptime => {
                // Hundredths of a second in two digits.
                let [tens, ones] = [ticks % HZ / 10, ticks % 10];
                out.fill("%.%% 0.00\n", &[ticks / HZ, tens, ones]);
            }
            Text::Version => {
                out.put(concat!("anchorite version ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
            }
        }
        out.finish()
    }
}

#[inline(never)]
fn status(system: &System, [total, used]: [u64; 2], out: &mut Lines) {
    out.put(b"Name:\t");
    out.put(comm(system));
    let mask = u64::from(system.mask());
    // Three digits, octal.
    out.fill("\nUmask:\t0%%%\n", &[mask >> 6, mask >> 3 & 7, mask & 7]);
    let ([user, euser, suser], [group, egroup, sgroup]) = (system.getresuid(), system.getresgid());
    let identity = system.identity.read();
    let files = &identity.files;
    let owner = [user, euser, suser, files.uid, group, egroup, sgroup, files.gid];
    let descriptors = system.limits.descriptors() as u64;
    let mut numbers = [descriptors; 9];
    numbers.iter_mut().zip(owner).for_each(|(number, id)| *number = id.into());
    out.fill(STATUS_OWNER, &numbers);
    for group in &files.groups {
        out.fill("% ", &[u64::from(*group)]);
    }
    drop(identity);
    out.fill(STATUS_SIZES, &[total, total, used, used].map(|bytes| bytes / 1024));
}

/// The name of the program.
fn comm(system: &System) -> &[u8] {
    let name = system.program_name();
    &name[..name.len().min(COMM_MAX)]
}

/// The time since the start.
fn ticks(system: &System) -> u64 {
    let now = system.platform().monotonic();
    now.tv_sec as u64 * HZ + now.tv_nsec as u64 / (1_000_000_000 / HZ)
}

/// The machine's memory and what of it is free, in bytes; or what the ramdisk at `/` was made
/// for, where nobody counts it.
fn memory(system: &System) -> [u64; 2] {
    match system.platform().memory() {
        Ok(Memory { total_bytes, free_bytes }) => [total_bytes, free_bytes],
        Err(_) => [system.memory_bytes(); 2],
    }
}

/// Text that is being made, as far as there is memory for it.
pub(super) struct Lines {
    bytes: Vec<u8>,
    is_whole: bool,
}

impl Lines {
    pub(super) fn new() -> Lines {
        Lines { bytes: Vec::new(), is_whole: true }
    }

    #[inline(never)]
    pub(super) fn put(&mut self, bytes: &[u8]) {
        if self.bytes.try_reserve(bytes.len()).is_ok() {
            self.bytes.extend_from_slice(bytes);
        } else {
            self.is_whole = false;
        }
    }

    /// Puts `template`, and in the place of each `%` in it the next of `numbers`, decimal.
    #[inline(never)]
    pub(super) fn fill(&mut self, template: &str, numbers: &[u64]) {
        let mut numbers = numbers.iter();
        for (at, part) in template.split('%').enumerate() {
            if at > 0
                && let Some(number) = numbers.next()
            {
                // What it says is kept in `is_whole`.
                let _ = write!(self, "{number}");
            }
            self.put(part.as_bytes());
        }
        debug_assert!(numbers.next().is_none(), "a place for each number");
    }

    /// # Errors
    /// ENOMEM if not all of it found room.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        if self.is_whole { Ok(self.bytes) } else { Err(Errno::ENOMEM) }
    }
}

impl Write for Lines {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}
