//! A PC, as QEMU makes one and a multiboot loader leaves it: ports and one page of device
//! registers. [`Pc`] is what of it differs from uhyve; [`look`] and [`start_other_cores`] are the
//! boot's.
//!
//! Plain text goes to the first serial port, which is the console; frames go to the second one,
//! on which nobody else writes, or, where there is none, plain text to the console after all. A
//! status leaves in the exit record, or as a line of plain text: QEMU's `isa-debug-exit` keeps
//! seven bits of one, and is only told to end the machine. A machine without one is turned off,
//! if it is a hypervisor's, or else stands still.

use core::arch::asm;
use core::arch::x86_64::{__cpuid, CpuidResult};
use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ptr;
use core::sync::atomic::{AtomicU16, Ordering};

use uart_16550::backend::PioBackend;
use uart_16550::spec::registers::LSR;
use uart_16550::{BaudRate, Config, Uart16550};

use crate::cmdline::Format;
use crate::isle::Isle;
use crate::platform::time_stamp;
use crate::rtc;

/// The console's serial port.
pub const CONSOLE_PORT: u16 = 0x3f8;
/// The frames' serial port.
pub const FRAMES_PORT: u16 = 0x2f8;
/// Where QEMU's `isa-debug-exit` is.
pub const EXIT_PORT: u16 = 0xf4;

/// Where hypervisors have ACPI's register PM1a_CNT: QEMU's machines; those that put it where
/// Bochs does.
const POWER_PORTS: [u16; 2] = [0x604, 0xb004];
/// SLP_EN with the sleep type that those call S5: off.
const POWER_OFF: u16 = 1 << 13;

/// Where the other cores start: below 1 MiB, a whole page, and not where QEMU has what it tells.
pub const TRAMPOLINE: u64 = 0x8000;
/// Which large page of the loader's tables the local APIC is in place of.
pub const APIC_ENTRY: u64 = 503;
/// Where the local APIC is in the loader's page tables.
const APIC: u64 = APIC_ENTRY << 21;

/// The port that output goes to; 0 where the machine is none of these. The trap stub reads it.
pub static UART: AtomicU16 = AtomicU16::new(0);

/// The serial port that is in use. Protected by the console's lock.
static SERIAL: Serial = Serial(UnsafeCell::new(None));

struct Serial(UnsafeCell<Option<Uart16550<PioBackend>>>);

// SAFETY: see `SERIAL`.
unsafe impl Sync for Serial {}

/// Whether this machine is a PC.
pub fn is_here() -> bool {
    UART.load(Ordering::Relaxed) != 0
}

/// Takes the serial port for `format` into use, or the console's for plain text where there is
/// none for frames; returns what it is for.
///
/// # Safety
/// Called on the only core that runs, before anything is sent.
pub unsafe fn use_serial(format: Format) -> Format {
    let port = match format {
        Format::Plain => CONSOLE_PORT,
        Format::Framed => FRAMES_PORT,
    };
    // GRUB's, and a terminal's, on a line that has a speed.
    let config = Config { baud_rate: BaudRate::Baud115200, ..Config::default() };
    // SAFETY: a serial port's registers, which only this driver and the trap stub use.
    let serial = unsafe { Uart16550::new_port(port) }.ok();
    let serial = serial.and_then(|mut port| port.init(config).is_ok().then_some(port));
    if serial.is_none() && format == Format::Framed {
        // SAFETY: by this function's contract.
        return unsafe { use_serial(Format::Plain) };
    }
    UART.store(port, Ordering::Relaxed);
    // Without any port nobody hears anything, which is no reason not to run.
    // SAFETY: by this function's contract.
    unsafe { *SERIAL.0.get() = serial };
    format
}

/// The isle that a PC is.
#[derive(Debug)]
pub struct Pc;

impl Isle for Pc {
    fn send(&self, bytes: &[u8]) {
        // SAFETY: the caller has the console's lock, or whoever has it never moves again.
        if let Some(serial) = unsafe { &mut *SERIAL.0.get() } {
            serial.send_bytes_exact(bytes);
        }
    }

    fn exit(&self, _status: i32) -> ! {
        // QEMU ends at once, with what its serial port has not got rid of yet.
        // SAFETY: as in `send`.
        if let Some(serial) = unsafe { &mut *SERIAL.0.get() } {
            while !serial.lsr().contains(LSR::TRANSMITTER_EMPTY) {
                spin_loop();
            }
        }
        unsafe extern "C" {
            /// In the trap stub.
            fn anchorite_stand_still() -> !;
        }
        // SAFETY: each ends the machine; where it does not, nothing listens there, which on a
        // machine of metal nobody knows.
        unsafe {
            write_8(EXIT_PORT, 0);
            if is_guest() {
                for port in POWER_PORTS {
                    write_16(port, POWER_OFF);
                }
            }
            anchorite_stand_still()
        }
    }

    fn leaves_status_untold(&self) -> bool {
        true
    }

    fn leave(&self) {
        // SAFETY: reading a line's state changes nothing that the driver relies on.
        let _ = unsafe { read_8(CONSOLE_PORT + 5) };
    }
}

/// What a PC knows of itself.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// Whether KVM is below.
    pub has_kvm: bool,
    /// Its cores.
    pub cores: u64,
    /// The time-stamp counter's frequency.
    pub tsc_khz: u32,
    /// Nanoseconds since 1970 by its clock, to the second; 0 if that shows no time.
    pub time_ns: i64,
}

/// Whether a hypervisor makes this machine, and says so.
fn is_guest() -> bool {
    const HYPERVISOR: u32 = 1 << 31;
    __cpuid(1).ecx & HYPERVISOR != 0
}

/// Looks around.
pub fn look() -> Found {
    let hypervisor = is_guest().then(|| __cpuid(0x4000_0000));
    let has_kvm = hypervisor.is_some_and(|said| {
        [said.ebx, said.ecx, said.edx].map(u32::to_le_bytes) == [*b"KVMK", *b"VMKV", *b"M\0\0\0"]
    });
    let tsc_khz = told_khz(hypervisor).unwrap_or_else(measured_khz);
    let time_ns = clock_seconds().and_then(|seconds| seconds.checked_mul(1_000_000_000));
    Found { has_kvm, cores: cores(), tsc_khz, time_ns: time_ns.unwrap_or(0) }
}

/// The time-stamp counter's frequency, if the processor or a hypervisor tells it.
fn told_khz(hypervisor: Option<CpuidResult>) -> Option<u32> {
    const RATIO: u32 = 0x15;
    const FREQUENCY: u32 = 0x4000_0010;
    if __cpuid(0).eax >= RATIO {
        let CpuidResult { eax: denominator, ebx: numerator, ecx: crystal_hz, .. } = __cpuid(RATIO);
        let hz = u64::from(crystal_hz) * u64::from(numerator);
        if let Some(hz @ 1..) = hz.checked_div(denominator.into()) {
            return u32::try_from(hz / 1000).ok();
        }
    }
    let khz = hypervisor.filter(|said| said.eax >= FREQUENCY).map(|_| __cpuid(FREQUENCY).eax)?;
    (khz != 0).then_some(khz)
}

/// The time-stamp counter's frequency, by the interval timer's second channel.
fn measured_khz() -> u32 {
    const TIMER_HZ: u64 = 1_193_182;
    /// Of the timer; 10 ms.
    const LEAST_TICKS: u64 = TIMER_HZ / 100;
    const GATE: u16 = 0x61;
    // SAFETY: the timer's own ports, and its gate's, whose other half is the speaker: channel 2
    // counts down from 65536, again and again, silently.
    unsafe {
        write_8(GATE, read_8(GATE) & !2 | 1);
        write_8(COMMAND, 0xb4);
        write_8(CHANNEL_2, 0);
        write_8(CHANNEL_2, 0);
    }
    let (first_counts, first_ticks) = both_counters();
    // A timer that stands still is given up after more counts than 10 ms have.
    const PATIENCE: u64 = 10_000_000_000;
    loop {
        let (counts, ticks) = both_counters();
        let passed = u64::from(first_ticks.wrapping_sub(ticks));
        if passed >= LEAST_TICKS {
            return u32::try_from((counts - first_counts) * TIMER_HZ / passed / 1000).unwrap_or(0);
        }
        if counts - first_counts > PATIENCE {
            return 0;
        }
    }
}

/// The interval timer's second channel, and where it is commanded.
const CHANNEL_2: u16 = 0x42;
const COMMAND: u16 = 0x43;

/// The time-stamp counter and the timer's second channel at nearly one time: of a few looks the
/// one with the least gap around it.
#[inline(never)]
fn both_counters() -> (u64, u16) {
    let (mut least, mut found) = (u64::MAX, (0, 0));
    for _ in 0..4 {
        let before = time_stamp();
        // SAFETY: the timer's own ports; latch channel 2, and read it.
        let ticks = unsafe {
            write_8(COMMAND, 0x80);
            u16::from_le_bytes([read_8(CHANNEL_2), read_8(CHANNEL_2)])
        };
        let gap = time_stamp() - before;
        if gap < least {
            (least, found) = (gap, (before + gap / 2, ticks));
        }
    }
    found
}

/// A register of the real-time clock.
#[inline(never)]
fn register(number: u8) -> u8 {
    // SAFETY: the CMOS' own ports; the upper bit keeps non-maskable interrupts out.
    unsafe {
        write_8(0x70, number | 0x80);
        read_8(0x71)
    }
}

/// What the real-time clock shows now.
#[inline(never)]
fn reading() -> rtc::Reading {
    let mut found = rtc::Reading { registers: [0; 7], status_b: register(rtc::STATUS_B) };
    for (value, number) in found.registers.iter_mut().zip(rtc::REGISTERS) {
        *value = register(number);
    }
    found
}

/// Seconds since 1970 by the real-time clock.
fn clock_seconds() -> Option<i64> {
    // An update takes 2 ms at most. Two readings that are the same are none in the middle of one.
    for _ in 0..100_000 {
        if register(rtc::STATUS_A) & rtc::UPDATING == 0 {
            let first = reading();
            if first == reading() {
                return first.seconds();
            }
        }
        spin_loop();
    }
    None
}

/// How many cores QEMU gave, by its configuration device; one where there is none.
fn cores() -> u64 {
    const SELECT: u16 = 0x510;
    const DATA: u16 = 0x511;
    const SIGNATURE: u16 = 0;
    const CORES: u16 = 5;
    // SAFETY: the device's own ports; elsewhere nothing listens there.
    unsafe {
        write_16(SELECT, SIGNATURE);
        if [(); 4].map(|()| read_8(DATA)) != *b"QEMU" {
            return 1;
        }
        write_16(SELECT, CORES);
        u16::from_le_bytes([read_8(DATA), read_8(DATA)]).max(1).into()
    }
}

/// Starts the other cores, which wait for their structures like uhyve's. `gdt` is the address of
/// the first core's segments.
///
/// # Safety
/// Called once, on the page tables that the loader's entry made, which are at `root` and stay.
pub unsafe fn start_other_cores(root: u64, gdt: u64, khz: u32) {
    unsafe extern "C" {
        static anchorite_trampoline: u8;
        static anchorite_trampoline_end: u8;
        fn anchorite_start_other_core();
    }
    const COMMAND: u64 = 0x300;
    const INIT: u32 = 0xc_4500;
    const START: u32 = 0xc_4600 | (TRAMPOLINE >> 12) as u32;
    let pause = |microseconds: u64| {
        let start = time_stamp();
        while time_stamp() - start < u64::from(khz.max(1)) * microseconds / 1000 {
            spin_loop();
        }
    };
    // SAFETY: the trampoline's page is nobody's, and mapped; its header is as multiboot.s has it.
    unsafe {
        let (first, end) = (&raw const anchorite_trampoline, &raw const anchorite_trampoline_end);
        let place = TRAMPOLINE as *mut u8;
        ptr::copy_nonoverlapping(first, place, end as usize - first as usize);
        place.add(4).cast::<u32>().write_unaligned(root as u32);
        place.add(8).cast::<u64>().write_unaligned(anchorite_start_other_core as *const () as u64);
        place.add(22).cast::<u32>().write_unaligned(gdt as u32);
    }
    // All but this core; the pauses are those of Intel's manual, but that processors since the
    // Pentium 4 need none after INIT to speak of.
    for (command, microseconds) in [(INIT, 100), (START, 200), (START, 0)] {
        // SAFETY: the local APIC's own register, where the loader's entry mapped it.
        unsafe { ((APIC + COMMAND) as *mut u32).write_volatile(command) };
        pause(microseconds);
    }
}

/// Reads a port.
///
/// # Safety
/// Whatever listens there does nothing that harms.
unsafe fn read_8(port: u16) -> u8 {
    let value;
    // SAFETY: by this function's contract.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nostack, preserves_flags)) };
    value
}

/// Writes to a port.
///
/// # Safety
/// As for [`read_8`].
unsafe fn write_8(port: u16, value: u8) {
    // SAFETY: by this function's contract.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) };
}

/// Writes 16 bits to a port.
///
/// # Safety
/// As for [`read_8`].
unsafe fn write_16(port: u16, value: u16) {
    // SAFETY: by this function's contract.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nostack, preserves_flags)) };
}
