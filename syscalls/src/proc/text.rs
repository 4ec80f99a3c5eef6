//! What files of proc tell: `proc(5)`. All that a program reads there to find out about the
//! machine, as far as it is known here; what is not there, such as swap space or other processes, is
//! told as nothing.

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

impl Text {
    /// All of it, as it is now.
    ///
    /// # Errors
    /// ENOMEM.
    #[inline(never)]
    pub(super) fn made_up(self, system: &System) -> Result<Vec<u8>> {
        let mut out = Lines::new();
        let told = match self {
            Text::Cmdline => return try_bytes(system.program()),
            Text::Comm => out.put(comm(system)).and_then(|()| out.write_str("\n")),
            Text::Cpuinfo => cpuinfo(system, &mut out),
            Text::Filesystems => names().try_for_each(|name| writeln!(out, "nodev\t{name}")),
            Text::Loadavg => out.write_str("0.00 0.00 0.00 1/1 1\n"),
            Text::Meminfo => meminfo(system, &mut out),
            Text::Mounts => return system.mounts_text(),
            Text::ProcessStat => process_stat(system, &mut out),
            Text::Stat => stat(system, &mut out),
            Text::Statm => statm(system, &mut out),
            Text::Status => status(system, &mut out),
            Text::Uptime => {
                let ticks = ticks(system);
                writeln!(out, "{}.{:02} 0.00", ticks / HZ, ticks % HZ)
            }
            Text::Version => writeln!(out, "anchorite version {}", env!("CARGO_PKG_VERSION")),
        };
        told.map_err(|_| Errno::ENOMEM)?;
        out.finish()
    }
}

/// The name of the program.
#[inline(never)]
fn comm(system: &System) -> &[u8] {
    let name = system.program_name();
    &name[..name.len().min(COMM_MAX)]
}

/// The time since the start.
#[inline(never)]
fn ticks(system: &System) -> u64 {
    let now = system.platform().monotonic();
    now.tv_sec as u64 * HZ + now.tv_nsec as u64 / (1_000_000_000 / HZ)
}

/// The machine's memory, or what the ramdisk at `/` was made for where nobody counts it.
#[inline(never)]
fn memory(system: &System) -> Memory {
    let total_bytes = system.memory_bytes();
    system.platform().memory().unwrap_or(Memory { total_bytes, free_bytes: total_bytes })
}

#[inline(never)]
fn cpuinfo(system: &System, out: &mut Lines) -> fmt::Result {
    for core in 0..system.platform().cores() {
        writeln!(out, "processor\t: {core}")?;
        if let Some(khz) = system.platform().processor_khz() {
            writeln!(out, "cpu MHz\t\t: {}.{:03}", khz / 1000, khz % 1000)?;
        }
        let cores = system.platform().cores();
        writeln!(out, "siblings\t: {cores}\ncore id\t\t: {core}\ncpu cores\t: {cores}\n")?;
    }
    Ok(())
}

#[inline(never)]
fn meminfo(system: &System, out: &mut Lines) -> fmt::Result {
    let Memory { total_bytes, free_bytes } = memory(system);
    let files = system.usage().pages * PAGE_BYTES as u64;
    for (name, bytes) in [
        ("MemTotal", total_bytes),
        ("MemFree", free_bytes),
        ("MemAvailable", free_bytes),
        ("Buffers", 0),
        ("Cached", files),
        ("SwapCached", 0),
        ("Active", 0),
        ("Inactive", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("Mapped", 0),
        ("Shmem", files),
        ("Slab", 0),
        ("Committed_AS", total_bytes.saturating_sub(free_bytes)),
        ("VmallocTotal", 0),
        ("VmallocUsed", 0),
        ("VmallocChunk", 0),
    ] {
        writeln!(out, "{name}: {} kB", bytes / 1024)?;
    }
    Ok(())
}

/// All time is the program's: nobody else has any, and who waits looks.
#[inline(never)]
fn stat(system: &System, out: &mut Lines) -> fmt::Result {
    let (ticks, cores) = (ticks(system), system.platform().cores());
    writeln!(out, "cpu  {} 0 0 0 0 0 0 0 0 0", ticks * u64::from(cores))?;
    for core in 0..cores {
        writeln!(out, "cpu{core} {ticks} 0 0 0 0 0 0 0 0 0")?;
    }
    let now = system.platform().realtime().tv_sec;
    let since = system.platform().monotonic().tv_sec;
    let start = now.saturating_sub(since);
    writeln!(out, "intr 0\nctxt 0\nbtime {start}\nprocesses 1\nprocs_running 1\nprocs_blocked 0")
}

/// Bytes of memory, and those that are used.
fn sizes(system: &System) -> [u64; 2] {
    let Memory { total_bytes, free_bytes } = memory(system);
    [total_bytes, total_bytes.saturating_sub(free_bytes)]
}

#[inline(never)]
fn statm(system: &System, out: &mut Lines) -> fmt::Result {
    let [total, used] = sizes(system).map(|bytes| bytes / PAGE_BYTES as u64);
    writeln!(out, "{total} {used} 0 0 0 {used} 0")
}

#[inline(never)]
fn process_stat(system: &System, out: &mut Lines) -> fmt::Result {
    let [total, used] = sizes(system);
    let (ticks, used) = (ticks(system), used / PAGE_BYTES as u64);
    out.write_str("1 (")?;
    out.put(comm(system))?;
    // State, parent, group, session, terminal and its group, flags, faults; times; priority; one
    // thread, started at 0; sizes; 27 of which nothing is known.
    write!(out, ") R 0 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 0 {total} {used} {}", u64::MAX)?;
    (0..27).try_for_each(|_| out.write_str(" 0"))?;
    out.write_str("\n")
}

#[inline(never)]
fn status(system: &System, out: &mut Lines) -> fmt::Result {
    out.write_str("Name:\t")?;
    out.put(comm(system))?;
    let mask = system.mask();
    write!(
        out,
        "\nUmask:\t{mask:04o}\nState:\tR (running)\nTgid:\t1\nNgid:\t0\nPid:\t1\nPPid:\t0\n\
         TracerPid:\t0\n"
    )?;
    let [real, effective, saved] = system.getresuid();
    let uid = system.identity.read().files.uid;
    writeln!(out, "Uid:\t{real}\t{effective}\t{saved}\t{uid}")?;
    let [real, effective, saved] = system.getresgid();
    let gid = system.identity.read().files.gid;
    writeln!(out, "Gid:\t{real}\t{effective}\t{saved}\t{gid}")?;
    let limit = system.limits.descriptors();
    write!(out, "FDSize:\t{limit}\nGroups:\t")?;
    for group in &system.identity.read().files.groups {
        write!(out, "{group} ")?;
    }
    let [total, used] = sizes(system).map(|bytes| bytes / 1024);
    write!(
        out,
        "\nVmPeak:\t{total} kB\nVmSize:\t{total} kB\nVmHWM:\t{used} kB\nVmRSS:\t{used} kB\n\
         Threads:\t1\nSigQ:\t0/0\n"
    )?;
    for set in ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff"] {
        writeln!(out, "{set}:\t{:016x}", 0)?;
    }
    Ok(())
}

/// Text that is being made. An error is that there is no memory for it.
pub(super) struct Lines {
    bytes: Vec<u8>,
    is_whole: bool,
}

impl Lines {
    pub(super) fn new() -> Lines {
        Lines { bytes: Vec::new(), is_whole: true }
    }

    #[inline(never)]
    fn put(&mut self, bytes: &[u8]) -> fmt::Result {
        if self.bytes.try_reserve(bytes.len()).is_err() {
            self.is_whole = false;
            return Err(fmt::Error);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// # Errors
    /// ENOMEM if not all of it found room.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        if self.is_whole { Ok(self.bytes) } else { Err(Errno::ENOMEM) }
    }
}

impl Write for Lines {
    #[inline(never)]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes())
    }
}
