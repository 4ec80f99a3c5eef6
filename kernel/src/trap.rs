//! Exceptions: the table that leads to the stub, and the report.
//!
//! The stub in `boot.s` saves a [`Frame`] at the end of the
//! core's trap stack and goes to `report` in ring 3, on the core's spare
//! stack, since ring 0 can be slow and without SSE. An exception in the reporter
//! (or in ring 0, where none can happen unless the stub is broken) sends
//! `LAST_WORDS` from ring 0 and ends: there is no loop and no second report.
//!
//! Interrupts stay off: the machine has no device that this kernel drives.

use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ptr;

use anchorite_interface::{HEADER_BYTES, Kind, header};

use crate::cmdline::Format;
use crate::cpu::Core;
use crate::exception::{self, PAGE_FAULT};
use crate::{machine, output};

/// What the stub saves.
#[repr(C)]
pub struct Frame {
    cr2: u64,
    rax: u64,
    rbx: u64,
    rcx: u64,
    rdx: u64,
    rsi: u64,
    rdi: u64,
    rbp: u64,
    r8: u64,
    r9: u64,
    r10: u64,
    r11: u64,
    r12: u64,
    r13: u64,
    r14: u64,
    r15: u64,
    vector: u64,
    error_code: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

impl Frame {
    pub(crate) const CS: usize = offset_of!(Self, cs);
}

/// Vectors that have an entry: the exceptions.
const VECTORS: usize = 32;
/// Bytes of each exception's entry in the stub.
const STUB_BYTES: usize = 16;
/// The table's limit for `lidt`.
pub(crate) const IDT_LIMIT: usize = VECTORS * 16 - 1;

#[repr(C, align(16))]
pub(crate) struct Table(UnsafeCell<[[u64; 2]; VECTORS]>);

// SAFETY: written by `install` only, before another core or an exception reads.
unsafe impl Sync for Table {}

pub(crate) static IDT: Table = Table(UnsafeCell::new([[0; 2]; VECTORS]));

unsafe extern "C" {
    fn anchorite_vectors();
}

/// Fills the table, which the stub has loaded already.
///
/// # Safety
/// Called once, on the first core, before the others start.
pub unsafe fn install() {
    // SAFETY: by this function's contract nothing else uses the table.
    let table = unsafe { &mut *IDT.0.get() };
    for (vector, entry) in table.iter_mut().enumerate() {
        let stub = anchorite_vectors as *const () as usize + vector * STUB_BYTES;
        // Breakpoint and overflow are instructions that ring 3 may use.
        *entry = gate(stub, if matches!(vector, 3 | 4) { 3 } else { 0 });
    }
}

/// An interrupt gate to `address` in ring 0, for `int` from `ring` and below.
fn gate(address: usize, ring: u64) -> [u64; 2] {
    const CODE: u64 = 0x08;
    const PRESENT: u64 = 1 << 47;
    const INTERRUPT: u64 = 0xe << 40;
    let address = address as u64;
    let low = address & 0xffff | CODE << 16 | PRESENT | INTERRUPT | ring << 45;
    [low | (address >> 16 & 0xffff) << 48, address >> 32]
}

/// What ring 0 sends if the reporter fails: SerialWriteBuffer's parameters, which a PC sends byte
/// by byte.
#[repr(C)]
pub(crate) struct LastWords {
    len: u64,
    text: *const u8,
}

/// See [`LastWords`].
pub(crate) static LAST_WORDS: LastWordsCell = LastWordsCell(UnsafeCell::new(LastWords {
    len: LAST_TEXT.len() as u64,
    text: LAST_TEXT.as_ptr(),
}));

#[repr(transparent)]
pub(crate) struct LastWordsCell(UnsafeCell<LastWords>);

// SAFETY: written by `set_format` only, before another core starts.
unsafe impl Sync for LastWordsCell {}

const LAST_TEXT: &str = "anchorite: an exception while an exception was reported\n";
/// The status that goes with it: a shell's for SIGSEGV.
pub(crate) const LAST_STATUS: i32 = 139;

const FRAMED_BYTES: usize = HEADER_BYTES + LAST_TEXT.len() + HEADER_BYTES + 4;

/// The last words and the exit record, framed.
struct FramedWords(UnsafeCell<[u8; FRAMED_BYTES]>);

// SAFETY: as for `LAST_WORDS`.
unsafe impl Sync for FramedWords {}

static FRAMED_WORDS: FramedWords = FramedWords(UnsafeCell::new([0; FRAMED_BYTES]));

/// Chooses the format of the last words.
///
/// # Safety
/// Called on the first core, before the others start.
pub unsafe fn set_format(format: Format) {
    if format == Format::Plain {
        return;
    }
    let (text, place) = (LAST_TEXT.as_bytes(), FRAMED_WORDS.0.get());
    // SAFETY: by this function's contract nothing else uses these statics.
    unsafe {
        let parts: [&[u8]; 4] = [
            &header(Kind::Stderr, text.len() as u32),
            text,
            &header(Kind::Exit, 4),
            &LAST_STATUS.to_le_bytes(),
        ];
        let mut rest: &mut [u8] = &mut *place;
        for part in parts {
            let (head, tail) = rest.split_at_mut(part.len());
            head.copy_from_slice(part);
            rest = tail;
        }
        *LAST_WORDS.0.get() = LastWords { len: FRAMED_BYTES as u64, text: place.cast() };
    }
}

/// Reports the exception that `frame` tells of, and ends the machine.
pub(crate) extern "C" fn report(frame: &Frame, core: &Core) -> ! {
    let (name, signal) = exception::describe(frame.vector);
    let address = frame.cr2 as usize;
    let rsp = frame.rsp as usize;
    let guard = core.scheduler.guard();
    output::claim_end();
    if frame.vector == PAGE_FAULT && (guard.contains(&address) || guard.contains(&rsp)) {
        output::report(format_args!(
            "anchorite: {} ({name}): stack overflow: the stack of thread {} on core {} is full\n",
            signal.name,
            core.scheduler.thread_id(),
            core.id(),
        ));
    } else if frame.vector == PAGE_FAULT {
        output::report(format_args!(
            "anchorite: {} ({name}): {} address {address:#x}, {}\n",
            signal.name,
            exception::attempt(frame.error_code),
            exception::obstacle(frame.error_code, frame.cr2),
        ));
    } else {
        output::report(format_args!("anchorite: {} ({name})\n", signal.name));
    }
    output::report(format_args!(
        "vector {} error code {:#x} core {} address {:#018x}\n\
         rip {:#018x}{} rflags {:#x}\n\
         rax {:016x} rbx {:016x} rcx {:016x} rdx {:016x}\n\
         rsi {:016x} rdi {:016x} rbp {:016x} rsp {:016x}\n\
         r8  {:016x} r9  {:016x} r10 {:016x} r11 {:016x}\n\
         r12 {:016x} r13 {:016x} r14 {:016x} r15 {:016x}\n",
        frame.vector,
        frame.error_code,
        core.id(),
        frame.cr2,
        frame.rip,
        machine::ImageOffset(frame.rip),
        frame.rflags,
        frame.rax,
        frame.rbx,
        frame.rcx,
        frame.rdx,
        frame.rsi,
        frame.rdi,
        frame.rbp,
        frame.rsp,
        frame.r8,
        frame.r9,
        frame.r10,
        frame.r11,
        frame.r12,
        frame.r13,
        frame.r14,
        frame.r15,
    ));
    output::exit(signal.status())
}

/// Makes the next exception come from the reporter's point of view: for the test
/// that such a one ends with the last words.
pub fn pretend_reporting() {
    let core = ptr::from_ref(crate::cpu::current()).cast_mut().cast::<u8>();
    // SAFETY: this core's own flag, which only its trap stub reads.
    unsafe { core.add(Core::REPORTING).cast::<u32>().write_volatile(1) };
}
