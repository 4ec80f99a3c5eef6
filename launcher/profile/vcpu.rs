//! Samples of a guest under uhyve, taken from inside its monitor's own process.
//!
//! A thread sends SIGPROF to each virtual processor's thread, some thousand times a second. That
//! makes KVM_RUN return with EINTR, which uhyve would take for the order to stop. But the signal's
//! handler comes first: it finds the guest's registers in the page that KVM shares (KVM_CAP_SYNC_REGS,
//! which uhyve turns on), walks the guest's stack in its memory, and then sends the thread back into
//! the very system call that it was interrupted in, by its saved registers, as the kernel itself
//! does for calls that SA_RESTART is for. uhyve learns nothing of it.
//!
//! Between two samples a guest runs as it always does. Where nobody profiles there is no signal.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::thread;
use std::time::Instant;

use goblin::elf::Elf;
use kvm_bindings::{kvm_regs, kvm_run};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

use super::PERIOD;
use super::raw::{Sample, append};
use super::unwind::{MAX_FRAMES, Registers, Unwinder};

/// `_IO(KVMIO, 0x80)`, and what KVM_RUN's number is in the registers of the call.
const KVM_RUN: i64 = 0xae80;
/// `_IOR(KVMIO, 0x81, struct kvm_regs)`.
const KVM_GET_REGS: libc::c_ulong = 0x8090_ae81;
/// How the kernel calls the file of a virtual processor, with its number after it.
const VCPU: &str = "anon_inode:kvm-vcpu:";
/// Where uhyve puts the image in the guest's memory, whose first pages are its own.
const IMAGE_OFFSET: u64 = 0x4_0000;
/// The instruction `syscall`.
const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// The slot's sample is nobody's yet.
const FREE: u8 = 0;
/// The handler has written it.
const TAKEN: u8 = 1;

/// All that the handler reads.
static GROUND: OnceLock<Ground> = OnceLock::new();

/// A guest to be sampled.
struct Ground {
    unwinder: Unwinder,
    /// Where the image is in the guest.
    image: u64,
    /// The guest's memory, as it sees it, and as this process does.
    memory: Range<u64>,
    host: u64,
    /// Of each virtual processor.
    slots: Vec<Slot>,
}

/// What is sampled of a virtual processor.
struct Slot {
    /// Its file descriptor.
    fd: i64,
    /// The page that KVM shares.
    run: *const kvm_run,
    /// A thread that runs one of the virtual processors, when there are any.
    thread: AtomicI32,
    /// The thread that was found to run this one.
    runner: AtomicI32,
    state: AtomicU8,
    sample: UnsafeCell<Sample>,
}

// SAFETY: `sample` is the handler's while `state` is FREE, and the sampler's while it is TAKEN;
// `run` points to memory that lives as long as the process, and that only the thread itself reads.
unsafe impl Sync for Slot {}
// SAFETY: as above.
unsafe impl Send for Slot {}

/// Begins to sample the guest that uhyve has made and not yet started; samples go to `output`.
/// `elf` is the image with its symbols.
///
/// # Errors
/// The end of a sentence that begins with what cannot be done.
pub fn start(elf: &[u8], memory_bytes: u64, cpus: u32, output: File) -> Result<(), String> {
    let unwinder = Unwinder::new(elf)?;
    let entry = Elf::parse(elf).map_err(|error| error.to_string())?.entry;
    let maps = fs::read_to_string("/proc/self/maps").map_err(|error| error.to_string())?;
    let mut slots = Vec::new();
    for number in 0..cpus {
        slots.push(slot(number, &maps).ok_or("KVM does not show its virtual processors")?);
    }
    let image = registers_of(slots[0].fd).ok_or("KVM does not tell registers")?.rip - entry;
    let start = image.wrapping_sub(IMAGE_OFFSET);
    let host = find_memory(elf, &maps, memory_bytes).ok_or("the guest's memory is not found")?;
    let ground =
        Ground { unwinder, image, memory: start..start.wrapping_add(memory_bytes), host, slots };
    if GROUND.set(ground).is_err() {
        return Err("it is profiled already".to_owned());
    }
    let flags = SaFlags::SA_SIGINFO | SaFlags::SA_RESTART;
    let action = SigAction::new(SigHandler::SigAction(sample), flags, SigSet::empty());
    // SAFETY: the handler does only what is allowed in one: it reads what `GROUND` holds, which is
    // there, and writes to a slot that is its own.
    unsafe { sigaction(Signal::SIGPROF, &action) }.map_err(|error| error.to_string())?;
    let others = threads();
    thread::spawn(move || sample_for_ever(others, output));
    Ok(())
}

/// The virtual processor `number`, of which there is one in this process.
fn slot(number: u32, maps: &str) -> Option<Slot> {
    let name = format!("{VCPU}{number}");
    let run = maps.lines().find_map(|line| line.strip_suffix(&name))?.split_once('-')?.0;
    let run = u64::from_str_radix(run, 16).ok()?;
    let fd = fs::read_dir("/proc/self/fd")
        .ok()?
        .flatten()
        .find(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.to_str() == Some(&name)))?;
    Some(Slot {
        fd: fd.file_name().to_str()?.parse().ok()?,
        run: run as *const kvm_run,
        thread: AtomicI32::new(0),
        runner: AtomicI32::new(0),
        state: AtomicU8::new(FREE),
        sample: UnsafeCell::new(Sample::default()),
    })
}

fn registers_of(vcpu: i64) -> Option<kvm_regs> {
    let mut registers = kvm_regs::default();
    // SAFETY: the call writes one `kvm_regs`, if the descriptor is a virtual processor's.
    let done = unsafe { libc::ioctl(vcpu as i32, KVM_GET_REGS, &raw mut registers) };
    (done == 0).then_some(registers)
}

/// Where this process has the guest's memory: a mapping of that size in which the image's code
/// lies where uhyve puts it.
fn find_memory(elf: &[u8], maps: &str, memory_bytes: u64) -> Option<u64> {
    let parsed = Elf::parse(elf).ok()?;
    let code = parsed.program_headers.iter().find(|it| it.is_executable())?;
    let wanted = elf.get(code.file_range())?;
    let wanted = &wanted[..wanted.len().min(4096)];
    let starts = maps.lines().filter_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16));
        let (start, end) = (start.ok()?, end.ok()?);
        // Neighbours of a kind are one line.
        (line.contains(" rw-p 00000000 00:00 0") && end - start >= memory_bytes)
            .then_some([start, end - memory_bytes])
    });
    starts.flatten().find(|start| {
        let code = (start + IMAGE_OFFSET + code.p_vaddr) as *const u8;
        // SAFETY: it is in the mapping, of which this process has told that it can be read, and
        // where no guest runs yet; the image fits, since uhyve has loaded it.
        let there = unsafe { std::slice::from_raw_parts(code, wanted.len()) };
        there == wanted
    })
}

/// The threads of this process.
fn threads() -> BTreeSet<i32> {
    let listed = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Sends signals, and writes down what comes of them. `others` are threads of this process that
/// are no virtual processors.
fn sample_for_ever(mut others: BTreeSet<i32>, mut output: File) {
    let Some(ground) = GROUND.get() else { return };
    others.insert(nix::unistd::gettid().as_raw());
    let process = nix::unistd::getpid().as_raw();
    let mut next = Instant::now();
    let mut bytes = Vec::new();
    loop {
        for slot in &ground.slots {
            if slot.state.load(Ordering::Acquire) == TAKEN {
                // SAFETY: it is this thread's until the next line.
                append(unsafe { &*slot.sample.get() }, &mut bytes);
                slot.state.store(FREE, Ordering::Release);
            }
        }
        if !bytes.is_empty() {
            // Whoever reads it sees that something is missing.
            let _ = output.write_all(&bytes);
            bytes.clear();
        }
        if ground.slots.iter().any(|slot| slot.thread.load(Ordering::Relaxed) == 0) {
            let mut news = threads().into_iter().filter(|thread| !others.contains(thread));
            for slot in &ground.slots {
                slot.thread.store(news.next().unwrap_or(0), Ordering::Relaxed);
            }
        }
        for slot in &ground.slots {
            let thread = slot.thread.load(Ordering::Relaxed);
            if thread != 0 {
                // SAFETY: a signal whose handler is installed; a thread that is gone is an error.
                unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGPROF) };
            }
        }
        next += PERIOD;
        match next.checked_duration_since(Instant::now()) {
            Some(rest) => thread::sleep(rest),
            None => next = Instant::now(),
        }
    }
}

/// The handler of SIGPROF, in a virtual processor's thread.
extern "C" fn sample(_: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(ground) = GROUND.get() else { return };
    // SAFETY: the kernel gives a handler its thread's registers, which nobody else has now.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let after = registers[libc::REG_RIP as usize];
    let is_interrupted = registers[libc::REG_RAX as usize] == -i64::from(libc::EINTR)
        && registers[libc::REG_RSI as usize] == KVM_RUN
        // SAFETY: what runs is in memory, and so is what ran before it.
        && unsafe { ((after - 2) as *const [u8; 2]).read() } == SYSCALL;
    let fd = registers[libc::REG_RDI as usize];
    let thread = nix::unistd::gettid().as_raw();
    let slot = ground.slots.iter().find(|slot| match is_interrupted {
        true => slot.fd == fd,
        // Only the call tells which thread runs which.
        false => slot.runner.load(Ordering::Relaxed) == thread,
    });
    let Some(slot) = slot else { return };
    ground.take(slot, !is_interrupted);
    if is_interrupted {
        slot.runner.store(thread, Ordering::Relaxed);
        registers[libc::REG_RIP as usize] = after - SYSCALL.len() as i64;
        registers[libc::REG_RAX as usize] = libc::SYS_ioctl;
    }
}

impl Ground {
    /// Writes down where the guest is that `slot` runs in this very thread.
    fn take(&self, slot: &Slot, is_in_host: bool) {
        if slot.state.load(Ordering::Acquire) != FREE {
            return;
        }
        // In KVM_RUN all that it takes is there. Besides, the virtual processor and the guest's
        // memory may be gone already, as they are when the guest has ended.
        let run = if is_in_host {
            copy::<kvm_run>(slot.run as u64)
        } else {
            // SAFETY: mapped while the call that was interrupted has its descriptor; KVM writes to
            // it only in a call of this thread's.
            Some(unsafe { slot.run.read() })
        };
        let Some(run) = run else { return };
        // SAFETY: it is this thread's while the slot is free.
        let sample = unsafe { &mut *slot.sample.get() };
        // SAFETY: whatever is in it are registers: KVM_CAP_SYNC_REGS is on.
        let registers = unsafe { run.s.regs.regs };
        let registers = Registers { at: registers.rip, stack: registers.rsp, base: registers.rbp };
        let mut read = |at: u64| {
            let end = at.checked_add(size_of::<u64>() as u64)?;
            if at < self.memory.start || end > self.memory.end {
                return None;
            }
            let place = self.host + (at - self.memory.start);
            if is_in_host {
                return copy(place);
            }
            // SAFETY: it is in the guest's memory, all of which is mapped.
            Some(unsafe { (place as *const u64).read_unaligned() })
        };
        sample.is_in_host = is_in_host;
        let frames: &mut [u64; MAX_FRAMES] = &mut sample.frames;
        sample.walked = self.unwinder.walk(registers, self.image, &mut read, frames);
        slot.state.store(TAKEN, Ordering::Release);
    }
}

/// What lies at an address of this process, if there is memory: `process_vm_readv(2)` tells
/// where a read would be a fault.
fn copy<T: Copy>(address: u64) -> Option<T> {
    let mut value = MaybeUninit::<T>::uninit();
    let bytes = size_of::<T>();
    let to = libc::iovec { iov_base: value.as_mut_ptr().cast(), iov_len: bytes };
    let from = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: bytes };
    // SAFETY: it writes to `value`, of that length, and answers with an error where it cannot read;
    // whoever was interrupted may be about to look at its own error.
    let read = unsafe {
        let errno = *libc::__errno_location();
        let read = libc::process_vm_readv(libc::getpid(), &to, 1, &from, 1, 0);
        *libc::__errno_location() = errno;
        read
    };
    // SAFETY: all of it was written; a T is plain memory of KVM's, or a number.
    (read == bytes as isize).then(|| unsafe { value.assume_init() })
}
