//! Facts about the machine, written once at boot.

use core::fmt;
use core::ops::Range;

use spin::Once;

use crate::clock::Scale;
use crate::paging::LARGE_PAGE_BYTES;
use crate::{isle, platform};

/// Cycles of one ring-0 instruction above which KVM must be interpreting it.
const INTERPRETED_CYCLES: u32 = 50;
/// Instructions that the boot stub times.
const TIMED_INSTRUCTIONS: u32 = 64;

/// Which kind of KVM this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kvm {
    /// Ring 0 runs natively.
    Hardware,
    /// Ring 0 is interpreted.
    PageTable,
    /// There is none: the machine is emulated, or is one.
    None,
}

impl Kvm {
    /// The kind, by how many counts the boot stub's ring-0 instructions took.
    pub fn from_counts(counts: u32) -> Self {
        if counts / TIMED_INSTRUCTIONS > INTERPRETED_CYCLES {
            Self::PageTable
        } else {
            Self::Hardware
        }
    }
}

impl fmt::Display for Kvm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hardware => "hardware",
            Self::PageTable => "page-table",
            Self::None => "none",
        })
    }
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    /// All memory, but for what is in `high_memory`.
    pub memory: Range<u64>,
    /// More memory above it; may be empty.
    pub high_memory: Range<u64>,
    /// The image.
    pub image: Range<u64>,
    /// Which kind of KVM.
    pub kvm: Kvm,
    /// Cores that were asked for.
    pub cores: u64,
    /// The time-stamp counter's frequency.
    pub scale: Scale,
    /// The time-stamp counter at the kernel's first instruction.
    pub started: u64,
    /// Nanoseconds since 1970 at that time.
    pub boot_time_ns: i64,
}

impl Machine {
    /// Bytes of all memory.
    pub fn memory_bytes(&self) -> u64 {
        let bytes = |range: &Range<u64>| range.end.saturating_sub(range.start);
        bytes(&self.memory) + bytes(&self.high_memory)
    }

    /// MiB of all memory as whoever started the machine counts them: those that a PC's firmware
    /// keeps to itself, less than two, included.
    pub fn memory_mib(&self) -> u64 {
        self.memory_bytes().next_multiple_of(LARGE_PAGE_BYTES) >> 20
    }
}

static MACHINE: Once<Machine> = Once::new();

/// Writes the facts; the first time counts.
pub fn set(machine: Machine) {
    MACHINE.call_once(|| machine);
}

/// The facts; `None` early in the boot.
#[inline(always)]
pub fn get() -> Option<&'static Machine> {
    MACHINE.get()
}

/// Nanoseconds since the kernel's first instruction.
#[inline(always)]
pub fn uptime_ns() -> u64 {
    get().map_or(0, |machine| {
        let counts = platform::time_stamp().saturating_sub(machine.started);
        machine.scale.nanoseconds(counts)
    })
}

/// The line about the machine whose form is stable: see
/// [`anchorite_interface::MACHINE`]. Formatting it measures a hypercall.
pub struct Line<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// Nanoseconds from the kernel's first instruction to the program, without the log.
    pub boot_ns: u64,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { kvm, scale, .. } = self.machine;
        let cycles = isle::cost();
        write!(
            f,
            "machine: kvm={kvm} tsc_khz={} hypercall_cycles={cycles} hypercall_ns={} boot_ns={}",
            scale.khz(),
            scale.nanoseconds(cycles),
            self.boot_ns,
        )
    }
}

/// An address in the image as its distance from the image's start, which is what
/// `addr2line` on the image's file wants, wherever the image was loaded.
pub struct ImageOffset(pub u64);

impl fmt::Display for ImageOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match get() {
            Some(Machine { image, .. }) if image.contains(&self.0) => {
                write!(f, " (image + {:#x})", self.0 - image.start)
            }
            _ => Ok(()),
        }
    }
}
