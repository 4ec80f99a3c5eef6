//! [`Platform`] on bare metal: the call layer's door to this kernel.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::arch::x86_64::{__cpuid, _rdtsc};
use core::ops::Range;

use anchorite_syscalls::{Memory, Platform, Result, Stream};
use libc::timespec;
use spin::Mutex;

use crate::clock::seconds_and_nanoseconds;
use crate::random::Generator;
use crate::{cpu, export, heap, machine, output, thread};

/// The time-stamp counter.
#[inline(always)]
pub fn time_stamp() -> u64 {
    // SAFETY: the boot stub leaves the counter readable in ring 3.
    unsafe { _rdtsc() }
}

/// The platform.
#[derive(Debug)]
pub struct BareMetal {
    user_memory: Vec<Range<usize>>,
}

impl BareMetal {
    /// For programs whose pointers may name `user_memory`.
    pub fn new(user_memory: Vec<Range<usize>>) -> Self {
        Self { user_memory }
    }
}

impl Platform for BareMetal {
    fn user_memory(&self) -> &[Range<usize>] {
        &self.user_memory
    }

    fn write_console(&self, stream: Stream, bytes: &[u8]) -> Result<()> {
        output::with(|console| match stream {
            Stream::Stdout => console.stdout(bytes),
            Stream::Stderr => console.stderr(bytes),
        });
        Ok(())
    }

    /// uhyve 0.10 panics at SerialReadBuffer: there is no input.
    fn read_console(&self, _: &mut [u8]) -> Result<usize> {
        Ok(0)
    }

    fn realtime(&self) -> timespec {
        let start = machine::get().map_or(0, |machine| machine.boot_time_ns);
        let (tv_sec, tv_nsec) =
            seconds_and_nanoseconds(start.saturating_add_unsigned(machine::uptime_ns()));
        timespec { tv_sec, tv_nsec }
    }

    /// Since the kernel's first instruction. The counter is one for all cores
    /// and never set back, as KVM has it.
    fn monotonic(&self) -> timespec {
        let (tv_sec, tv_nsec) = seconds_and_nanoseconds(machine::uptime_ns() as i64);
        timespec { tv_sec, tv_nsec }
    }

    fn memory(&self) -> Result<Memory> {
        let total_bytes = heap::claimed_bytes() as u64;
        let free_bytes = total_bytes.saturating_sub(heap::used_bytes() as u64);
        Ok(Memory { total_bytes, free_bytes })
    }

    fn fill_random(&self, buf: &mut [u8]) -> Result<()> {
        static GENERATOR: Mutex<Generator> = Mutex::new(Generator::new());
        let known = machine::get().map_or([0; 4], |machine| {
            // With address space randomisation the first is not known to everybody.
            [machine.memory.start, machine.boot_time_ns as u64, machine.started, machine.cores]
        });
        let mut has_random = None;
        let word = || match has_random.get_or_insert_with(self::has_random) {
            // SAFETY: CPUID says that the instruction is there.
            true => unsafe { random() },
            false => None,
        };
        GENERATOR.lock().fill(buf, known, word, time_stamp);
        Ok(())
    }

    fn processor_khz(&self) -> Option<u32> {
        machine::get().map(|machine| machine.scale.khz())
    }

    /// With nobody else to run, at once.
    fn yield_now(&self) {
        thread::yield_now();
    }

    fn thread_id(&self) -> u32 {
        thread::id()
    }

    fn cores(&self) -> u32 {
        cpu::count()
    }

    fn core(&self) -> u32 {
        cpu::current().id()
    }

    fn spawn(&self, core: u32, run: Box<dyn FnOnce() + Send>) -> Result<u32> {
        thread::spawn(core, run)
    }

    fn join(&self, thread: u32) -> Result<()> {
        thread::join(thread)
    }

    /// If every thread of the machine waits, a panic.
    fn park(&self) {
        thread::park();
    }

    fn unpark(&self, thread: u32) {
        thread::unpark(thread);
    }

    fn exit(&self, status: i32) -> ! {
        export::at_end();
        output::exit(status & 0xff)
    }
}

/// Whether there is RDRAND. CPUID leaves the machine.
fn has_random() -> bool {
    const RDRAND: u32 = 1 << 30;
    __cpuid(1).ecx & RDRAND != 0
}

/// A random word; `None` if the source stays dry for ten tries, after which
/// Intel's manual calls it broken.
///
/// # Safety
/// There is RDRAND.
#[target_feature(enable = "rdrand")]
unsafe fn random() -> Option<u64> {
    (0..10).find_map(|_| {
        let mut word = 0;
        (core::arch::x86_64::_rdrand64_step(&mut word) == 1).then_some(word)
    })
}
