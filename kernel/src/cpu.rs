//! What each core has of its own, and what ring 3 may ask ring 0 for.
//!
//! A [`Core`] holds its descriptor table, task segment and trap stack, its threads and
//! its part of the heap.
//! `gs` points to it in ring 3 (the boot stub sets the base; `rdgsbase` may be
//! missing). The first core's is a static, since it is needed before there is
//! memory; the others' are made by the first core, put into `CORES`, and taken
//! up there by the cores, which wait in the stub.
//!
//! A core's life: *waiting in ring 0* for its entry in `CORES`, then *online*: running
//! what [`crate::thread`] gives it in ring 3.
//!
//! Locking: but for the inbox of its threads, everything of a core is written before
//! the core starts, or by the core itself.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::mem::offset_of;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::cache::Cache;
use crate::thread::{self, Scheduler};

/// Cores beyond this number stay halted.
pub const MAX_CORES: usize = 64;
/// Bytes of a core's trap stack. Ring 0 needs 224; the reporter runs elsewhere.
const TRAP_STACK_BYTES: usize = 1024;
/// Bytes of a task segment before its I/O bitmap.
const TASK_FIELDS_BYTES: usize = 104;
/// Words of a core's descriptors: one for each segment, two for the task segment.
pub(crate) const SEGMENTS: usize = 8;
/// Bytes of the first core's boot stack and its reporter's stack together.
pub const BOOT_STACK_BYTES: usize = 32 * 1024;

/// A core.
#[repr(C, align(64))]
pub struct Core {
    /// Its own address, for [`current`]: `gs:0`.
    this: *const Core,
    /// Its number, from 0.
    id: u32,
    /// Not 0 once its reporter has started. Only ring 0 writes it.
    reporting: u32,
    /// Initial stack pointer in ring 3.
    entry_top: *const u8,
    /// The reporter's initial stack pointer.
    report_top: *const u8,
    /// Its threads.
    pub(crate) scheduler: Scheduler,
    /// What it keeps of the heap.
    pub(crate) cache: Cache,
    gdt: [u64; SEGMENTS],
    task: *mut TaskSegment,
    trap_stack: TrapStack,
    /// Marks the end of the trap stack.
    trap_top: [u64; 2],
}

#[repr(C, align(16))]
struct TrapStack([u8; TRAP_STACK_BYTES]);

/// A task segment whose I/O bitmap lets ring 3 use every port. The stub fills in what is not
/// zero, so that the first core's takes no room in the image.
#[repr(C, align(16))]
pub(crate) struct TaskSegment {
    /// Stack pointers, and the bitmap's offset.
    fields: [u8; TASK_FIELDS_BYTES],
    ports: [u8; 8192],
    /// The byte of ones that has to follow the bitmap.
    end: u8,
}

impl TaskSegment {
    pub(crate) const END: usize = offset_of!(Self, end);
    pub(crate) const PORTS: usize = offset_of!(Self, ports);

    const fn new() -> Self {
        Self { fields: [0; TASK_FIELDS_BYTES], ports: [0; 8192], end: 0 }
    }
}

/// A core other than the first, with its task segment.
pub(crate) struct OtherCore {
    core: Core,
    task: TaskSegment,
}

impl Core {
    pub(crate) const ENTRY_TOP: usize = offset_of!(Self, entry_top);
    pub(crate) const GDT: usize = offset_of!(Self, gdt);
    pub(crate) const REPORTING: usize = offset_of!(Self, reporting);
    pub(crate) const REPORT_TOP: usize = offset_of!(Self, report_top);
    pub(crate) const TRAP_TOP: usize = offset_of!(Self, trap_top);
    pub(crate) const TASK: usize = offset_of!(Self, task);

    const fn new(id: u32) -> Self {
        Self {
            this: ptr::null(),
            id,
            reporting: 0,
            entry_top: ptr::null(),
            report_top: ptr::null(),
            scheduler: Scheduler::new(id, 0..0),
            cache: Cache::new(),
            gdt: [0; SEGMENTS],
            task: ptr::null_mut(),
            trap_stack: TrapStack([0; TRAP_STACK_BYTES]),
            trap_top: [0; 2],
        }
    }

    /// A core's number, from 0.
    #[inline(always)]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Where its descriptors are.
    pub(crate) fn segments(&self) -> u64 {
        (&raw const self.gdt) as u64
    }

    /// Writes a core other than the first at `place`, and returns where it is.
    ///
    /// # Safety
    /// `place` is writable for an `OtherCore`, aligned, and used for nothing else; the
    /// stacks end at the given addresses, which are multiples of 16.
    pub(crate) unsafe fn write(
        place: *mut OtherCore,
        id: u32,
        stack: &Stack,
        report_top: usize,
    ) -> *mut Self {
        // SAFETY: within what the caller has.
        let (this, task) = unsafe { (&raw mut (*place).core, &raw mut (*place).task) };
        let core = Self {
            this,
            task,
            entry_top: call_aligned(stack.top as *const u8),
            report_top: call_aligned(report_top as *const u8),
            scheduler: Scheduler::new(id, stack.guard.clone()),
            gdt: DESCRIPTORS,
            ..Self::new(id)
        };
        // SAFETY: by this function's contract.
        unsafe {
            this.write(core);
            task.write(TaskSegment::new());
        }
        this
    }
}

const _: () = assert!(Core::TRAP_TOP.is_multiple_of(16));
const _: () = assert!(offset_of!(Core, this) == 0);

/// A stack with an unmapped range below it.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Not mapped.
    pub guard: Range<usize>,
    /// Where it ends; it grows down from here.
    pub top: usize,
}

/// What a stack pointer is at a function's first instruction.
const fn call_aligned(top: *const u8) -> *const u8 {
    top.wrapping_sub(8)
}

/// A core's segments. The stub completes the task segment's, which is its own.
pub(crate) static DESCRIPTORS: [u64; SEGMENTS] = [
    0,
    0x00af_9b00_0000_ffff, // 0x08: code, ring 0
    0x00cf_9300_0000_ffff, // 0x10: data, ring 0
    0,
    0x00cf_f300_0000_ffff, // 0x20: data, ring 3
    0x00af_fb00_0000_ffff, // 0x28: code, ring 3
    0x0000_8900_0000_2068, // 0x30: task segment of 104 + 8192 + 1 bytes
    0,
];

/// The first core's structure, of zeros in the image: the boot stub fills it in, and nobody else
/// writes it. Its reporter has the lower half of the boot stack; when the boot is over, its idle
/// loop has the upper half.
pub(crate) static BOOT_CORE: BootCore = BootCore(UnsafeCell::new(Core::new(0)));

/// Its task segment. Only the boot stub writes it.
pub(crate) static BOOT_TASK: BootTask = BootTask(UnsafeCell::new(TaskSegment::new()));

pub(crate) struct BootTask(
    #[allow(dead_code, reason = "the boot stub is assembly")] UnsafeCell<TaskSegment>,
);

// SAFETY: see `BOOT_TASK`.
unsafe impl Sync for BootTask {}

#[repr(transparent)]
pub(crate) struct BootCore(UnsafeCell<Core>);

// SAFETY: see `BOOT_CORE`.
unsafe impl Sync for BootCore {}

#[repr(C, align(4096))]
pub(crate) struct BootStack(UnsafeCell<[u8; BOOT_STACK_BYTES]>);

// SAFETY: used as a stack by the first core only.
unsafe impl Sync for BootStack {}

pub(crate) static BOOT_STACK: BootStack = BootStack(UnsafeCell::new([0; BOOT_STACK_BYTES]));

/// The cores' structures; the boot stub reads them. The first entry is unused.
pub(crate) static CORES: [AtomicPtr<Core>; MAX_CORES] =
    [const { AtomicPtr::new(ptr::null_mut()) }; MAX_CORES];

/// The page tables of all cores: others than the first start with them.
pub(crate) static ROOT: AtomicU64 = AtomicU64::new(0);

/// How many cores there are.
static COUNT: AtomicU32 = AtomicU32::new(1);

/// How many cores run in ring 3.
static ONLINE: AtomicU32 = AtomicU32::new(1);

/// The core that this runs on.
#[inline(always)]
pub fn current() -> &'static Core {
    let core: *const Core;
    // SAFETY: the boot stub made `gs` point to this core's structure, which
    // lives for ever and whose first word is its own address.
    unsafe {
        asm!("mov {}, gs:[0]", out(reg) core, options(nostack, readonly, preserves_flags, pure));
        &*core
    }
}

/// Tells what page tables all cores are to use.
pub fn set_root(root: u64) {
    ROOT.store(root, Ordering::Release);
}

/// Publishes a core's structure: the core, if it exists, comes online.
pub fn start(id: u32, core: *mut Core) {
    CORES[id as usize].store(core, Ordering::Release);
    COUNT.fetch_max(id + 1, Ordering::Release);
}

/// How many cores there are: those that were asked for and have a structure.
pub fn count() -> u32 {
    COUNT.load(Ordering::Acquire)
}

/// Core `id`; none if it is not there.
pub fn get(id: u32) -> Option<&'static Core> {
    if id == 0 {
        // SAFETY: the structure is never written after the boot stub, but by atomics and
        // by its own core's cells.
        return Some(unsafe { &*BOOT_CORE.0.get() });
    }
    let core = CORES.get(id as usize)?.load(Ordering::Acquire);
    // SAFETY: a published structure lives for ever, and is written likewise.
    unsafe { core.as_ref() }
}

/// All cores.
pub fn all() -> impl Iterator<Item = &'static Core> {
    (0..count()).filter_map(get)
}

/// Where the first core's idle loop has its stack: its end.
pub(crate) fn boot_stack_top() -> usize {
    BOOT_STACK.0.get() as usize + BOOT_STACK_BYTES
}

/// How many cores run in ring 3.
pub fn online() -> u32 {
    ONLINE.load(Ordering::Acquire)
}

/// Where a core other than the first arrives in ring 3.
pub(crate) extern "C" fn enter_other_core(core: &'static Core) -> ! {
    ONLINE.fetch_add(1, Ordering::Release);
    thread::run_threads(core)
}

/// Forgets what this core remembers of page-table entries that were changed since.
pub fn forget_mappings() {
    // SAFETY: the tables that it uses already, but for the first core in the boot, which
    // has no thread yet.
    unsafe { set_page_tables(ROOT.load(Ordering::Acquire)) };
}

/// Uses the page tables at `root` from now on, without anything remembered of
/// those before.
///
/// # Safety
/// They map all that this core uses as it is used.
pub unsafe fn set_page_tables(root: u64) {
    unsafe extern "C" {
        /// In the trap stub.
        fn anchorite_set_page_tables(root: u64);
    }
    // SAFETY: by this function's contract.
    unsafe { anchorite_set_page_tables(root) };
}

/// Runs `run` on the stack that ends at `top`, for ever.
///
/// # Safety
/// `top` is a multiple of 16 and ends a writable stack that nothing else uses.
pub unsafe fn run_on_stack(top: usize, run: extern "C" fn() -> !) -> ! {
    // SAFETY: by this function's contract; what this stack held is given up.
    unsafe {
        asm!(
            "mov rsp, {top}",
            "xor ebp, ebp",
            "call {run}",
            "ud2",
            top = in(reg) top,
            run = in(reg) run,
            options(noreturn),
        )
    }
}
