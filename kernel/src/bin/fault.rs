//! The image of `fault`: a program that ends in every way that a program does
//! not want to, for the tests of how that is reported.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;
use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};

use anchorite_programs::{Context, Program};
use anchorite_syscalls::{Errno, thread};

anchorite_kernel::image!(Program {
    name: "fault",
    summary: "ends as its argument says: wild-pointer, null-call, stack-overflow, panic, …",
    main: fault,
});

fn fault(ctx: &Context<'_>) -> i32 {
    let kind = ctx.args.get(1).copied().unwrap_or_default();
    // What was written must arrive before the report, whole line or not.
    let _ = ctx.sys.write(1, b"before the fault");
    match kind {
        b"wild-pointer" => write_to(0x5ead_beef_f000),
        b"wild-read" => read_from(0x7000_1234_5678),
        b"null-pointer" => read_from(8),
        b"code-write" => write_to(fault as *const () as usize),
        b"data-jump" => jump_to(black_box(&DATA).as_ptr() as usize),
        b"non-canonical" => read_from(0x8000_0000_0000_0000),
        b"null-call" => jump_to(0),
        b"stack-overflow" => _ = overflow(black_box(1)),
        b"division" => raise(Trap::Division),
        b"invalid-opcode" => raise(Trap::InvalidOpcode),
        b"breakpoint" => raise(Trap::Breakpoint),
        b"privileged" => raise(Trap::Privileged),
        b"simd" => raise(Trap::Simd),
        b"bus" => raise(Trap::Alignment),
        b"other-core" => return on_other_core(ctx, |_| _ = overflow(black_box(1))),
        b"other-core-panic" => return on_other_core(ctx, |_| panic!("asked to panic elsewhere")),
        b"other-core-exit" => return on_other_core(ctx, |ctx| ctx.sys.exit_group(42)),
        b"other-core-out-of-memory" => return on_other_core(ctx, |_| exhaust(40)),
        b"thread-overflow" => return in_thread(ctx, 0, |_| _ = overflow(black_box(1))),
        b"all-wait" => return all_wait(ctx),
        b"in-reporter" => {
            anchorite_kernel::trap::pretend_reporting();
            write_to(0x5ead_beef_f000);
        }
        b"panic" => panic!("asked to panic: {}", ctx.args.len()),
        b"panic-like-oom" => panic!("memory allocation of 7 bytes failed"),
        b"out-of-memory" => exhaust(1 << 20),
        b"out-of-memory-small" => exhaust(40),
        b"out-of-memory-large" => drop(black_box(Vec::<u8>::with_capacity(1 << 46))),
        b"fallible" => return fallible(ctx),
        b"fallible-threads" => return fallible_threads(ctx),
        b"hang" => loop {
            core::hint::spin_loop();
        },
        b"exit" => return status(ctx),
        _ => {
            let _ = ctx.sys.write(2, b"fault: no such kind of fault\n");
            return 2;
        }
    }
    0
}

static DATA: [u8; 4] = [0xc3; 4];

fn write_to(address: usize) {
    // SAFETY: none: this is the fault that was asked for.
    unsafe { (black_box(address) as *mut u8).write_volatile(1) };
}

fn read_from(address: usize) {
    // SAFETY: none: this is the fault that was asked for.
    unsafe { (black_box(address) as *const u8).read_volatile() };
}

fn jump_to(address: usize) {
    // SAFETY: none: this is the fault that was asked for.
    unsafe { asm!("call {}", in(reg) address, clobber_abi("C")) };
}

#[expect(unconditional_recursion, reason = "that is the fault")]
fn overflow(depth: u64) -> u64 {
    let room = black_box([depth; 64]);
    overflow(depth + 1) + room[depth as usize % 64]
}

/// Exceptions that are raised by an instruction of their own.
enum Trap {
    Division,
    InvalidOpcode,
    Breakpoint,
    Privileged,
    Simd,
    Alignment,
}

fn raise(trap: Trap) {
    let unmasked = 0u32;
    // SAFETY: none of these comes back: each raises its exception, which is what
    // is asked for. (Rust's own division checks first, and panics.)
    unsafe {
        match trap {
            Trap::Division => {
                asm!("div ecx", inout("eax") 1 => _, inout("edx") 0 => _, in("ecx") 0);
            }
            Trap::InvalidOpcode => asm!("ud2"),
            Trap::Breakpoint => asm!("int3"),
            Trap::Privileged => asm!("hlt"),
            Trap::Simd => asm!(
                "ldmxcsr [{}]",
                "xorps xmm0, xmm0",
                "divss xmm0, xmm0",
                in(reg) &unmasked,
                out("xmm0") _,
            ),
            Trap::Alignment => asm!(
                "pushfq",
                "or dword ptr [rsp], 0x40000",
                "popfq",
                "mov rax, [rsp + 1]",
                out("rax") _,
            ),
        }
    }
}

/// Lets a thread on the last core end the machine by `deed`, and waits for it.
fn on_other_core(ctx: &Context<'_>, deed: fn(&Context<'_>)) -> i32 {
    let last = thread::cores(ctx.sys) - 1;
    if last == 0 {
        let _ = ctx.sys.write(2, b"fault: there is no other core: run it with --cpus 2\n");
        return 2;
    }
    in_thread(ctx, last, deed)
}

/// Lets a thread on core `core` do `deed`, and waits for it.
fn in_thread(ctx: &Context<'_>, core: u32, deed: fn(&Context<'_>)) -> i32 {
    thread::scope(ctx.sys, |scope| match scope.spawn(core, || deed(ctx)) {
        Ok(_) => 0,
        Err(errno) => {
            let _ = ctx.sys.write(2, format!("fault: no thread: {errno}\n").as_bytes());
            1
        }
    })
}

/// Lets every core wait for ever.
fn all_wait(ctx: &Context<'_>) -> i32 {
    thread::scope(ctx.sys, |scope| {
        for core in 0..thread::cores(ctx.sys) {
            let _ = scope.spawn(core, || thread::park(ctx.sys));
        }
    });
    0
}

fn exhaust(bytes: usize) {
    loop {
        core::mem::forget(black_box(Vec::<u8>::with_capacity(bytes)));
    }
}

/// Takes all memory by allocations that may fail, gives it back, takes it again.
fn fallible(ctx: &Context<'_>) -> i32 {
    let mut counts = [0usize; 2];
    for count in &mut counts {
        let mut blocks: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut block = Vec::new();
            if blocks.try_reserve(1).is_err() || block.try_reserve_exact(64 << 10).is_err() {
                break;
            }
            blocks.push(block);
        }
        *count = blocks.len();
    }
    let _ = ctx.sys.write(1, alloc::format!("\n{counts:?} blocks of 64 KiB\n").as_bytes());
    i32::from(counts[0] == 0 || counts[1] + 1 < counts[0])
}

/// Takes all memory on every core at once, and all of it for threads; both six times. As much
/// is free after each of the last three times, but for what the table of threads grew by.
fn fallible_threads(ctx: &Context<'_>) -> i32 {
    // The table of threads grows when it is full of those that are and that were, which may be
    // late: by nine bytes for each of 256. A block of the smallest size for each thread is more.
    const TABLE_GROWS_BYTES: u64 = 2560;
    let free = || ctx.sys.sysinfo().map_or(0, |info| info.freeram);
    let cores = thread::cores(ctx.sys);
    let mut left = [0; 6];
    let mut counts = [(0, 0); 6];
    for (left, (blocks, threads)) in left.iter_mut().zip(&mut counts) {
        let taken = AtomicUsize::new(0);
        thread::scope(ctx.sys, |scope| {
            for core in 0..cores {
                // Without memory for one, the others take what there is.
                let _ = scope.spawn(core, || taken.fetch_add(take_all(), Ordering::Relaxed));
            }
        });
        *blocks = taken.into_inner();
        let (count, errno) = start_all(ctx, cores);
        if errno != Some(Errno::ENOMEM) {
            let _ = ctx.sys.write(1, format!("\nno thread: {errno:?}\n").as_bytes());
            return 1;
        }
        *threads = count;
        *left = free();
    }
    let text = format!("\n{counts:?} blocks and threads, {left:?} bytes free\n");
    let _ = ctx.sys.write(1, text.as_bytes());
    let few = |(blocks, threads)| blocks < 100 || threads < 10;
    let settled =
        left[3..].iter().all(|free| *free > 0 && free.abs_diff(left[3]) < TABLE_GROWS_BYTES);
    i32::from(!settled || counts.into_iter().any(few))
}

/// Takes blocks of many sizes until there are no more, and frees them; tells how many.
fn take_all() -> usize {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = Vec::new();
        let bytes = 1 << (blocks.len() % 16);
        if blocks.try_reserve(1).is_err() || block.try_reserve_exact(bytes).is_err() {
            return blocks.len();
        }
        blocks.push(block);
    }
}

/// Starts threads that wait until there is no room for another, and lets them end.
fn start_all(ctx: &Context<'_>, cores: u32) -> (usize, Option<Errno>) {
    thread::scope(ctx.sys, |scope| {
        let mut started = Vec::with_capacity(1 << 16);
        let refused = loop {
            match scope.spawn(started.len() as u32 % cores, || thread::park(ctx.sys)) {
                Ok(handle) => started.push(handle.id()),
                Err(errno) => break Some(errno),
            }
            if started.len() == started.capacity() {
                break None;
            }
        };
        started.iter().for_each(|id| thread::unpark(ctx.sys, *id));
        (started.len(), refused)
    })
}

fn status(ctx: &Context<'_>) -> i32 {
    let text = ctx.args.get(2).copied().unwrap_or(b"0");
    core::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}
