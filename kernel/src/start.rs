//! From a heap and a stack to the program, and to its end.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Display;

use anchorite_interface::{EXPORT, FORWARD};
use anchorite_syscalls::program::{Context, Program};
use anchorite_syscalls::{Limits, MountSpec, Platform, System, c, declare_alone, declare_cores};

use crate::boot::{HANDOVER, Handover, fail};
use crate::cmdline::{self, CommandLine, Format, Forward, LogLevel};
use crate::cpu::{self, MAX_CORES};
use crate::host_files::UhyveFiles;
use crate::machine::{self, Machine};
use crate::platform::{self, BareMetal};
use crate::{export, heap, output, pc, preload, thread};

/// How long the other cores are waited for.
const CORES_WAIT_NS: u64 = 500_000_000;

unsafe extern "Rust" {
    /// The image's program; [`crate::image!`] defines it.
    safe fn anchorite_image_program() -> &'static Program;
}

/// The first function on the program's stack.
pub extern "C" fn start() -> ! {
    thread::begin();
    let handover = HANDOVER.lock().take();
    let (Some(machine), Some(handover)) = (machine::get(), handover) else {
        fail(format_args!("the boot left nothing to start with"));
    };
    let Handover { told, image, reclaimable, user_memory } = handover;
    let line = cmdline::parse(told.bootargs);
    let mounts = told.mounts.to_vec();
    let modules = preload::modules(&told);
    let mut user_memory: Vec<_> =
        user_memory.into_iter().filter(|range| !range.is_empty()).collect();

    // Cores that are not online yet still run on the hypervisor's page tables.
    wait_for_cores(machine);
    if u64::from(cpu::online()) == machine.cores {
        for range in reclaimable {
            // SAFETY: mapped memory that nothing uses any more: what was in it is
            // copied, and every core has its own tables.
            unsafe { heap::claim_later(range.clone()) };
            user_memory.push(range);
        }
    }

    declare_cores(|| cpu::current().id() as usize);
    // SAFETY: the other cores run nothing that uses the call layer.
    unsafe { declare_alone() };
    let platform = Arc::new(BareMetal::new(user_memory));
    let limits = Limits::of_memory(machine.memory_bytes());
    let system: &'static System = match System::new(platform.clone(), limits) {
        Ok(system) => Box::leak(Box::new(system)),
        Err(error) => fail(format_args!("the ramdisk: {}", error.message())),
    };
    let files = host_files(machine, &line, &mounts);
    mount(system, &line);
    preload::fill(system, &line, files.as_deref(), image, modules);
    if let Some(files) = &files {
        forward(system, &line, files);
    }
    if !line.export.is_empty() {
        export::prepare(system, files, line.export.clone());
    }
    if let Err(error) = system.furnish() {
        fail(format_args!("/dev and /proc: {}; give it more memory (--memory)", error.message()));
    }
    if let Err(error) = c::install(system) {
        fail(format_args!("the calls for C: {}", error.message()));
    }

    let program = anchorite_image_program();
    let mut args = Vec::with_capacity(1 + line.args.len());
    args.push(program.name.as_bytes());
    args.extend(line.args.iter().map(Vec::as_slice));
    if let Err(error) = system.set_program(&args) {
        fail(format_args!("the program's arguments: {}", error.message()));
    }
    let env: Vec<&[u8]> = line.env.iter().map(Vec::as_slice).collect();

    let boot_ns = machine::uptime_ns();
    log(machine, &line, boot_ns);
    let status = (program.main)(&Context { sys: system, args: &args, env: &env });
    platform.exit(status)
}

/// Mounts what the command line asks for.
fn mount(system: &System, line: &CommandLine) {
    for word in &line.mount {
        let refused = |why: &dyn Display| -> ! {
            fail(format_args!("--mount {}: {why}", word.escape_ascii()))
        };
        match MountSpec::parse(word) {
            Ok(spec) => {
                if let Err(error) = system.mount_as(&spec) {
                    refused(&error.message());
                }
            }
            Err(error) => refused(&error),
        }
    }
}

/// The host's files, if the command line asks for them and there are any.
fn host_files(machine: &Machine, line: &CommandLine, mounts: &[u8]) -> Option<Arc<UhyveFiles>> {
    if pc::is_here() {
        if let Some(forward) = line.forward.first() {
            fail(format_args!(
                "{FORWARD}={}: a PC cannot reach the host's files; take the isle uhyve",
                forward.dir.escape_ascii()
            ));
        }
        if let Some(export) = line.export.first()
            && output::format() == Format::Plain
        {
            fail(format_args!(
                "{EXPORT}={}: a PC has no files of a host's, and the launcher is not there to write",
                export.file.escape_ascii()
            ));
        }
        return None;
    }
    let asks = [line.forward.len(), line.preload.len(), line.export.len()];
    asks.iter().any(|len| *len > 0).then(|| {
        let memory = machine.memory.start as usize..machine.memory.end as usize;
        Arc::new(UhyveFiles::new(memory, mounts))
    })
}

/// Mounts the host's files wherever the command line asks for them.
fn forward(system: &System, line: &CommandLine, files: &Arc<UhyveFiles>) {
    for Forward { dir, is_read_only } in &line.forward {
        let mounted = match is_read_only {
            true => system.mount_host_read_only(dir, files.clone()),
            false => system.mount_host(dir, files.clone()),
        };
        if let Err(error) = mounted {
            fail(format_args!(
                "{FORWARD}={}: the host's files cannot be mounted there: {}",
                dir.escape_ascii(),
                error.message(),
            ));
        }
    }
}

/// Waits until every core is online, or too long.
fn wait_for_cores(machine: &Machine) {
    let wanted = machine.cores.min(MAX_CORES as u64);
    let start = platform::time_stamp();
    while u64::from(cpu::online()) < wanted
        && machine.scale.nanoseconds(platform::time_stamp() - start) < CORES_WAIT_NS
    {
        core::hint::spin_loop();
    }
}

fn log(machine: &Machine, line: &CommandLine, boot_ns: u64) {
    if line.log == LogLevel::Quiet {
        return;
    }
    output::log(format_args!("{}", machine::Line { machine, boot_ns }));
    if line.log < LogLevel::Verbose {
        return;
    }
    output::log(format_args!(
        "memory: {} MiB at {:#x}, {} KiB of it heap; the image at {:#x}",
        machine.memory_mib(),
        machine.memory.start,
        heap::claimed_bytes() >> 10,
        machine.image.start,
    ));
    match (u64::from(cpu::online()), machine.cores) {
        (online, cores) if online == cores => output::log(format_args!("cores: {online} online")),
        (online, cores) => output::log(format_args!("cores: {online} online of {cores}")),
    }
    for word in &line.unknown {
        output::log(format_args!("unknown kernel argument: {}", word.escape_ascii()));
    }
    output::log(format_args!(
        "boot: {} us from the first instruction to the program, without this log",
        boot_ns / 1000,
    ));
}
