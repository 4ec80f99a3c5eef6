//! From the first instruction to a heap and a stack for the program.
//!
//! `boot.s` does in ring 0 what only ring 0 can do, and as little
//! of it as it can (where KVM is page-table virtualised, ring 0 is interpreted).
//! A multiboot loader leaves a PC with 32 bits, so `multiboot.s` comes before it there.
//! Then, in ring 3 on the boot stack, `enter_by_uhyve` or `enter_by_multiboot` reads
//! what was told, and both go on in `begin`: it fills the exception
//! table, builds the page tables, and divides memory:
//!
//! | from the start of memory | mapped |
//! |---|---|
//! | a PC's first MiB, but for its first page | read |
//! | the hypervisor's: boot info, device tree, its page tables | read, write; the heap's in the end |
//! | the image: code | read, execute |
//! | the image: everything else | read, write |
//! | page tables, the program's stack, the other cores' structures and stacks | read, write; an unmapped guard below each stack |
//! | the heap | read, write |
//! | more of it, above a PC's hole for devices | read, write |
//!
//! A Hermit image, which may be read only, or a multiboot loader's modules lie anywhere but in
//! the image; the heap is around them.
//!
//! Nothing is mapped at address 0, and nothing but code can be executed. The
//! image's constants are mapped for writing although they are constants: a
//! program may name them in a call, and [`anchorite_syscalls::Platform`] promises
//! that what it may name can be written.

use alloc::vec::Vec;
use core::arch::global_asm;
use core::cell::UnsafeCell;
use core::fmt;
use core::ops::Range;
use core::slice;

use anchorite_interface::STATUS_ISLE_FAILED;
use hermit_entry::boot_info::{BootInfo, PlatformInfo, RawBootInfo};
use spin::Mutex;

use crate::bootinfo::{DeviceTree, Kept, Layout, PAGE_BYTES};
use crate::clock::Scale;
use crate::cmdline::Format;
use crate::cpu::{self, Core, MAX_CORES, OtherCore, Stack, TaskSegment};
use crate::machine::{self, Kvm, Machine};
use crate::multiboot::{LOW_BYTES, Module, Multiboot};
use crate::paging::{Access, Frames, LARGE_PAGE_BYTES, OutOfFrames, PageTables};
use crate::trap::{self, Frame};
use crate::{cmdline, heap, output, pc, platform, relocate, stack, start, thread};

global_asm!(
    include_str!("boot.s"),
    include_str!("multiboot.s"),
    apic_entry = const pc::APIC_ENTRY,
    boot_core = sym cpu::BOOT_CORE,
    boot_stack = sym cpu::BOOT_STACK,
    boot_stack_bytes = const cpu::BOOT_STACK_BYTES,
    boot_task = sym cpu::BOOT_TASK,
    descriptors = sym cpu::DESCRIPTORS,
    segments = const cpu::SEGMENTS,
    enter_by_multiboot = sym enter_by_multiboot,
    enter_by_uhyve = sym enter_by_uhyve,
    enter_other_core = sym cpu::enter_other_core,
    cores = sym cpu::CORES,
    max_cores = const MAX_CORES,
    core_entry_top = const Core::ENTRY_TOP,
    core_gdt = const Core::GDT,
    core_reporting = const Core::REPORTING,
    core_report_top = const Core::REPORT_TOP,
    core_trap_top = const Core::TRAP_TOP,
    core_task = const Core::TASK,
    exit_port = const pc::EXIT_PORT,
    frame_bytes = const size_of::<Frame>(),
    frame_cs = const Frame::CS,
    idt = sym trap::IDT,
    idt_limit = const trap::IDT_LIMIT,
    last_words = sym trap::LAST_WORDS,
    last_words_status = const trap::LAST_STATUS,
    loader_tables = sym LOADER_TABLES,
    report = sym trap::report,
    root = sym cpu::ROOT,
    task_end = const TaskSegment::END,
    task_ports = const TaskSegment::PORTS,
    trampoline = const pc::TRAMPOLINE,
    uart = sym pc::UART,
);

/// Bytes of the program's stack: a sixteenth of memory within these bounds.
const STACK_BYTES: Range<u64> = 1 << 20..8 << 20;
/// Bytes of another core's stack, on which it waits; threads have their own.
const CORE_STACK_BYTES: u64 = 16 << 10;
/// Bytes of another core's reporter's stack.
const REPORT_STACK_BYTES: u64 = 16 << 10;
/// Bytes that are not mapped below a stack.
const GUARD_BYTES: u64 = 4 * PAGE_BYTES;
/// The least bytes of heap that are given at once, the others when they are needed.
const FIRST_HEAP_BYTES: u64 = 128 << 10;
/// Page tables of the image's own, for mapping the first few MiB: the upper three
/// levels (the last two twice, if an upper entry's end lies in there), and a
/// table for each 2 MiB that are not mapped as one.
const POOL_FRAMES: usize = 12;
/// A device tree larger than this is not read. uhyve's has 16 KiB at most.
const DEVICE_TREE_BYTES: u64 = 1 << 20;

/// What the boot hands to [`start`].
#[derive(Debug)]
pub struct Handover {
    /// What uhyve or the loader told, in memory that becomes the heap's once the other cores
    /// no longer need it: what is wanted of it must be copied before.
    pub told: Told,
    /// The Hermit image, as uhyve has it in the mode `internal`.
    pub image: Option<&'static [u8]>,
    /// The hypervisor's memory below the image.
    pub reclaimable: Vec<Range<usize>>,
    /// What a program's pointers may name, apart from `reclaimable`.
    pub user_memory: Vec<Range<usize>>,
}

/// What was told from outside.
#[derive(Debug, Default)]
pub struct Told {
    /// The boot command line.
    pub bootargs: &'static [u8],
    /// [`DeviceTree::mounts`].
    pub mounts: &'static [u8],
    /// [`DeviceTree::initrd`].
    pub initrd: Option<Range<u64>>,
    /// What a multiboot loader told.
    pub multiboot: Multiboot<'static>,
}

/// Set once by the boot, taken once by [`start`].
pub static HANDOVER: Mutex<Option<Handover>> = Mutex::new(None);

/// The first core's first function in ring 3, on the boot stack, if uhyve started it.
extern "C" fn enter_by_uhyve(
    _core: &'static Core,
    raw: &'static RawBootInfo,
    started: u64,
    ring_0_counts: u32,
) -> ! {
    // SAFETY: the first and only calls, on the only core that runs.
    unsafe {
        relocate::relocate();
        trap::install();
    }
    let info = BootInfo::from(*raw);
    let memory = info.hardware_info.phys_addr_range;
    let image = info.load_info.kernel_image_addr_range;
    let tree = info.hardware_info.device_tree.map_or(0, |address| address.get());
    let tree = device_tree(tree, &memory, &image);
    let DeviceTree { bootargs, initrd, mounts, .. } = tree;
    let told = Told { bootargs, mounts, initrd, ..Told::default() };
    // SAFETY: this is the only core that runs.
    unsafe { set_format(cmdline::format(told.bootargs)) };
    let PlatformInfo::Uhyve { num_cpus, cpu_freq, boot_time, .. } = info.platform_info else {
        fail(format_args!("this image knows the hypervisor uhyve, and multiboot loaders"));
    };
    let mut kept = Kept::default();
    if let Some(files) = &told.initrd {
        if files.start < memory.start || files.end > memory.end {
            fail(format_args!("the loader tells of files outside of memory"));
        }
        kept.add(files.clone());
    }
    let layout = Layout::check(memory, image, kept).unwrap_or_else(refuse);
    let khz = cpu_freq.map(|khz| khz.get()).or(tree.tsc_khz).unwrap_or(0);
    let machine = Machine {
        memory: layout.memory.clone(),
        high_memory: 0..0,
        image: layout.image.clone(),
        kvm: Kvm::from_counts(ring_0_counts),
        cores: num_cpus.get(),
        scale: Scale::new(khz),
        started,
        // A host whose clock is beyond what 64 bits hold tells no time worth having.
        boot_time_ns: i64::try_from(boot_time.unix_timestamp_nanos()).unwrap_or(0),
    };
    // SAFETY: called once, on the only core that runs, and the layout was checked.
    unsafe { begin(machine, &layout, Access::Read, told) }
}

/// The same if a multiboot loader did. Page tables map the first GiB to itself, and the local APIC.
extern "C" fn enter_by_multiboot(
    core: &'static Core,
    info: u64,
    started: u64,
    ring_0_counts: u32,
) -> ! {
    // SAFETY: the first calls, on the only core that runs.
    unsafe {
        relocate::relocate();
        trap::install();
        pc::use_serial(Format::Plain);
    }
    let image = image();
    // SAFETY: mapped memory that only the loader wrote, before the start.
    let told = Multiboot::read(info, |at, len| unsafe { loaders(at, len) });
    let told = Told { bootargs: told.arguments(), multiboot: told, ..Told::default() };
    // SAFETY: this is the only core that runs, and it has sent nothing.
    unsafe { set_format(pc::use_serial(cmdline::format(told.bootargs))) };
    let memory = told.multiboot.memory(image.start);
    if memory.low.is_empty() {
        fail(format_args!("the loader tells of no memory where it put this image"));
    }
    let layout = Layout::check(memory.low, image.clone(), told.left_behind())
        .unwrap_or_else(refuse)
        .with_high(memory.high);
    let found = pc::look();
    let scale = Scale::new(found.tsc_khz);
    let machine = Machine {
        memory: layout.memory.clone(),
        high_memory: layout.high.clone(),
        image: layout.image.clone(),
        kvm: if found.has_kvm { Kvm::from_counts(ring_0_counts) } else { Kvm::None },
        cores: found.cores,
        scale,
        started,
        boot_time_ns: found.time_ns.saturating_sub_unsigned(
            scale.nanoseconds(platform::time_stamp().saturating_sub(started)),
        ),
    };
    if found.cores > 1 {
        let tables = LOADER_TABLES.0.get() as u64;
        // SAFETY: called once, on these tables, which nobody else uses.
        unsafe { pc::start_other_cores(tables, core.segments(), scale.khz()) };
    }
    // SAFETY: called once, on the only core that runs but for those that wait for it, and the
    // layout was checked.
    unsafe { begin(machine, &layout, Access::ReadWrite, told) }
}

/// Has everything be told in this format.
///
/// # Safety
/// Called once, on the first core, before the others start.
unsafe fn set_format(format: Format) {
    output::set_format(format);
    // SAFETY: by this function's contract.
    unsafe { trap::set_format(format) };
}

/// From what is known of the machine to the program; what was loaded after the image is mapped
/// for `loaded`.
///
/// # Safety
/// Called once, on the only core that runs; `layout` tells the truth.
unsafe fn begin(machine: Machine, layout: &Layout, loaded: Access, told: Told) -> ! {
    let cores = machine.cores.min(MAX_CORES as u64) as usize;
    machine::set(machine);
    // SAFETY: by this function's contract.
    let (stack, handover) = unsafe { divide(layout, cores, loaded, told) };
    *HANDOVER.lock() = Some(handover);
    // SAFETY: a new stack; nothing on the boot stack is needed any more.
    unsafe { cpu::run_on_stack(stack.top, start::start) }
}

fn refuse(reason: &str) -> Layout {
    fail(format_args!("{reason}"))
}

impl Told {
    /// What a multiboot loader put into memory and is needed yet: modules, and what it tells.
    /// GRUB puts a module wherever there is room, below the image too. What lies below 1 MiB
    /// stays in any case.
    fn left_behind(&self) -> Kept {
        let mut kept = Kept::default();
        let mut keep = |range: Range<u64>| {
            if range.end > LOW_BYTES {
                kept.add(range);
            }
        };
        let bytes = |bytes: &[u8]| {
            let range = bytes.as_ptr_range();
            range.start as u64..range.end as u64
        };
        keep(bytes(self.multiboot.command_line));
        keep(bytes(self.multiboot.modules));
        for module in self.modules() {
            keep(module.start..module.end);
            keep(bytes(module.name));
        }
        kept
    }

    /// The modules that a multiboot loader put into memory.
    pub fn modules(&self) -> impl Iterator<Item = Module<'static>> {
        // SAFETY: as in `enter_by_multiboot`; `start` has copied what it needs of it before
        // anybody else may write there.
        self.multiboot.modules(|at, len| unsafe { loaders(at, len) })
    }
}

/// The image, by the linker.
fn image() -> Range<u64> {
    unsafe extern "C" {
        static __ehdr_start: u8;
        static _end: u8;
    }
    (&raw const __ehdr_start) as u64..(&raw const _end) as u64
}

/// What a loader left at an address below the first GiB, whose first page holds nothing.
///
/// # Safety
/// What it left is mapped, and nobody writes there.
unsafe fn loaders(address: u64, len: u64) -> &'static [u8] {
    const MAPPED: Range<u64> = PAGE_BYTES..pc::APIC_ENTRY << 21;
    if !MAPPED.contains(&address) {
        return &[];
    }
    let len = len.min(MAPPED.end - address) as usize;
    // SAFETY: by this function's contract.
    unsafe { slice::from_raw_parts(address as *const u8, len) }
}

#[repr(C, align(4096))]
struct LoaderTables(UnsafeCell<[[u64; 512]; 3]>);

// SAFETY: written in ring 0 before anything else runs.
unsafe impl Sync for LoaderTables {}

/// Page tables that `multiboot.s` fills; the other cores start with them too.
static LOADER_TABLES: LoaderTables = LoaderTables(UnsafeCell::new([[0; 512]; 3]));

/// Ends a machine that cannot be started.
pub fn fail(reason: fmt::Arguments<'_>) -> ! {
    output::report(format_args!("anchorite: cannot start: {reason}\n"));
    output::exit(STATUS_ISLE_FAILED)
}

/// The device tree at `address`; an empty one if that is not in the memory below
/// the image, which is all that is mapped yet.
fn device_tree(address: u64, memory: &Range<u64>, image: &Range<u64>) -> DeviceTree<'static> {
    if address < memory.start || address >= image.start {
        return DeviceTree::default();
    }
    let len = (image.start - address).min(DEVICE_TREE_BYTES) as usize;
    // SAFETY: mapped memory that only the hypervisor wrote, before the start; it
    // is given to the heap only after `start` has copied what it needs.
    DeviceTree::parse(unsafe { slice::from_raw_parts(address as *const u8, len) })
}

/// Builds the page tables, makes the stacks and the other cores' structures,
/// starts those cores, and gives all memory that is left to the heap.
///
/// # Safety
/// Called once, on the only core that runs; `layout` tells the truth.
unsafe fn divide(layout: &Layout, cores: usize, loaded: Access, told: Told) -> (Stack, Handover) {
    let Layout { memory, image, kept, high } = layout;
    let code = code(image);
    let room = layout.room();
    let mut pages = Pages {
        // SAFETY: called once, so the pool has one user.
        pool: unsafe { &mut *POOL.0.get() }.iter_mut(),
        tables: 0..0,
        free: room.clone(),
    };

    // First a window that holds the image and the page tables to come: those
    // must be mapped while they are written.
    let window_end = room.start.next_multiple_of(LARGE_PAGE_BYTES) + LARGE_PAGE_BYTES;
    let window = map_to(image.end, &code, memory, &mut pages).and_then(|mut window| {
        window.map(room.start..window_end.min(room.end), Access::ReadWrite, &mut pages)?;
        Ok(window)
    });
    // SAFETY: the window holds everything that runs or is used now.
    unsafe { cpu::set_page_tables(window.unwrap_or_else(|_| too_small()).root()) };

    // Then all memory, in tables of its own: a write to a table that is in use
    // costs an exit where KVM is page-table virtualised.
    pages.pool = [].iter_mut();
    let mut tables = map_to(memory.end, &code, memory, &mut pages).unwrap_or_else(|_| too_small());
    let mut map = |range: Range<usize>, access, pages: &mut Pages| {
        let range = range.start as u64..range.end as u64;
        tables.map(range, access, pages).unwrap_or_else(|_| too_small());
    };
    map(addresses(high.clone()), Access::ReadWrite, &mut pages);
    if loaded == Access::ReadWrite {
        // Where a loader may have put what it tells.
        map(addresses(PAGE_BYTES..memory.start), Access::Read, &mut pages);
    }
    for range in kept.ranges() {
        if loaded == Access::Read || !layout.has(range) {
            map(addresses(range.clone()), loaded, &mut pages);
        }
    }
    let stack_bytes = (memory.end - memory.start) / 16;
    let stack_bytes = stack_bytes.clamp(STACK_BYTES.start, STACK_BYTES.end);
    pages.reserve_tables(stack_bytes, cores as u64 - 1);
    let stack = pages.stack(stack_bytes);
    let guard = stack.guard.clone();
    map(guard.clone(), Access::None, &mut pages);
    thread::set_first_guard(guard);
    let mut others = [const { None }; MAX_CORES];
    for place in others.iter_mut().take(cores).skip(1) {
        let core = pages.take(size_of::<OtherCore>() as u64) as *mut OtherCore;
        let stack = pages.stack(CORE_STACK_BYTES);
        let report = pages.stack(REPORT_STACK_BYTES);
        map(stack.guard.clone(), Access::None, &mut pages);
        map(report.guard.clone(), Access::None, &mut pages);
        *place = Some((core, stack, report));
    }
    let root = tables.root();
    // SAFETY: all memory is mapped but the guards, which nothing uses.
    unsafe { cpu::set_page_tables(root) };
    cpu::set_root(root);

    // First what shares a large page with the stacks, where that is enough: its first touch is paid
    // for anyway.
    let Range { start, end } = pages.free;
    let middle = start.saturating_add(FIRST_HEAP_BYTES).next_multiple_of(LARGE_PAGE_BYTES).min(end);
    // SAFETY: mapped memory that nothing has taken.
    unsafe {
        heap::claim(addresses(start..middle));
        heap::claim_later(addresses(middle..end));
    }
    let mut user_memory = Vec::new();
    for range in layout.free_above() {
        if range != room {
            // SAFETY: as above.
            unsafe { heap::claim_later(addresses(range.clone())) };
            user_memory.push(addresses(range));
        }
    }
    heap::set_cores(cores);
    // Guards of threads to come; the heap's pages are in these tables.
    stack::set_page_tables(tables);
    let mut guards = Vec::from([stack.guard.clone()]);
    for (id, core) in (0..).zip(others) {
        let Some((core, stack, report)) = core else {
            continue;
        };
        // In the order of their addresses.
        guards.extend([stack.guard.clone(), report.guard]);
        // SAFETY: new pages, mapped by now, and stacks made for this core.
        let core = unsafe { Core::write(core, id, &stack, report.top) };
        cpu::start(id, core);
    }

    // The program's stack and most of the heap are one range, but for the guards.
    user_memory.push(addresses(image.start..code.start));
    user_memory.push(addresses(code.end..image.end));
    let mut start = room.start as usize;
    for guard in guards {
        user_memory.push(start..guard.start);
        start = guard.end;
    }
    user_memory.push(start..room.end as usize);
    if loaded == Access::ReadWrite {
        // Its pages become the heap's when nobody needs it any more.
        for range in kept.ranges() {
            user_memory.push(addresses(range.clone()));
        }
    }
    user_memory.retain(|range| !range.is_empty());
    let mut reclaimable = Vec::new();
    for range in layout.free_below() {
        reclaimable.push(addresses(range));
    }
    // SAFETY: the layout was checked to have it apart from all else, and it is mapped for reading;
    // the host wrote it before the start, and nobody writes to it any more.
    let image = told.initrd.as_ref().map(|range| unsafe {
        slice::from_raw_parts(range.start as *const u8, (range.end - range.start) as usize)
    });
    (stack, Handover { told, image, reclaimable, user_memory })
}

/// New page tables for memory up to `end`, a part of which is `code`.
fn map_to(
    end: u64,
    code: &Range<u64>,
    memory: &Range<u64>,
    pages: &mut Pages,
) -> Result<PageTables, OutOfFrames> {
    let mut tables = PageTables::new(pages)?;
    tables.map(memory.start..code.start, Access::ReadWrite, pages)?;
    tables.map(code.clone(), Access::ReadExecute, pages)?;
    tables.map(code.end..end, Access::ReadWrite, pages)?;
    Ok(tables)
}

fn too_small() -> ! {
    fail(format_args!("this machine has too little memory; give it more memory (--memory)"))
}

fn addresses(range: Range<u64>) -> Range<usize> {
    range.start as usize..range.end as usize
}

/// The pages of the image that hold code, by the ELF header at its start.
fn code(image: &Range<u64>) -> Range<u64> {
    const EXECUTABLE: u32 = 1;
    const LOAD: u32 = 1;
    // SAFETY: the image is mapped, and starts with its ELF header and program
    // headers, since the linker puts them into the first segment.
    let (header, at) = unsafe {
        let header = &*(image.start as *const ElfHeader);
        (header, image.start + header.program_headers)
    };
    if header.magic != *b"\x7fELF"
        || header.program_header_bytes as usize != size_of::<ProgramHeader>()
    {
        fail(format_args!("the image does not start with its ELF header"));
    }
    // SAFETY: as above.
    let segments = unsafe {
        slice::from_raw_parts(at as *const ProgramHeader, usize::from(header.program_header_count))
    };
    let code =
        segments.iter().find(|segment| segment.kind == LOAD && segment.flags & EXECUTABLE != 0);
    let Some(code) = code else {
        fail(format_args!("the image has no code"));
    };
    let start = image.start + code.address;
    start & !(PAGE_BYTES - 1)..(start + code.memory_bytes).next_multiple_of(PAGE_BYTES)
}

/// An ELF header, as far as it is read.
#[repr(C)]
struct ElfHeader {
    magic: [u8; 4],
    _identification: [u8; 12],
    _kind: [u16; 2],
    _version: u32,
    _entry: u64,
    program_headers: u64,
    _section_headers: u64,
    _flags: u32,
    _header_bytes: u16,
    program_header_bytes: u16,
    program_header_count: u16,
}

#[repr(C)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    _offset: u64,
    address: u64,
    _physical: u64,
    _file_bytes: u64,
    memory_bytes: u64,
    _align: u64,
}

#[repr(C, align(4096))]
struct Page([u8; PAGE_BYTES as usize]);

struct Pool(UnsafeCell<[Page; POOL_FRAMES]>);

// SAFETY: used by `divide` only, which runs once; the tables made of it belong
// to the page tables from then on.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool(UnsafeCell::new([const { Page([0; PAGE_BYTES as usize]) }; POOL_FRAMES]));

/// Pages that nothing has taken yet.
struct Pages {
    /// Zeroed ones in the image, first.
    pool: slice::IterMut<'static, Page>,
    /// Then those kept for tables.
    tables: Range<u64>,
    /// Then those after the image.
    free: Range<u64>,
}

impl Pages {
    /// Takes whole pages for `bytes`, as they are.
    fn take(&mut self, bytes: u64) -> u64 {
        let start = self.free.start;
        let end = start.saturating_add(bytes.next_multiple_of(PAGE_BYTES));
        if end > self.free.end {
            too_small();
        }
        self.free.start = end;
        start
    }

    /// Keeps enough pages for the tables that the guards below the stacks split
    /// large pages into: those have to be within the window, unlike the stacks.
    fn reserve_tables(&mut self, stack_bytes: u64, other_cores: u64) {
        let core_bytes = (size_of::<OtherCore>() as u64).next_multiple_of(PAGE_BYTES)
            + 2 * GUARD_BYTES
            + CORE_STACK_BYTES
            + REPORT_STACK_BYTES;
        let bytes = GUARD_BYTES + stack_bytes + other_cores * core_bytes;
        let guards = 1 + 2 * other_cores;
        let tables = (2 * guards).min(bytes / LARGE_PAGE_BYTES + 2);
        let start = self.take(tables * PAGE_BYTES);
        self.tables = start..self.free.start;
    }

    /// Takes a stack of `bytes` and its guard, which is still mapped.
    fn stack(&mut self, bytes: u64) -> Stack {
        let guard = self.take(GUARD_BYTES) as usize;
        let start = self.take(bytes) as usize;
        Stack { guard: guard..start, top: start + bytes as usize }
    }
}

impl Frames for Pages {
    fn take(&mut self) -> Option<u64> {
        if let Some(page) = self.pool.next() {
            return Some(page.0.as_mut_ptr() as u64);
        }
        let from = if self.tables.is_empty() { &mut self.free } else { &mut self.tables };
        if from.is_empty() {
            return None;
        }
        let page = from.start;
        from.start += PAGE_BYTES;
        // SAFETY: a page of ours, which the window holds: it reaches a large page
        // beyond the first free page, which is room for tables for 500 GiB.
        unsafe { (page as *mut u8).write_bytes(0, PAGE_BYTES as usize) };
        Some(page)
    }
}
