//! The isle qemu: finds QEMU ([`Setup::find`]), and is the process that becomes it ([`main`]).
//!
//! QEMU 7.2 starts no 64-bit position-independent executable. So the image is laid out for where
//! it will lie and wrapped as what every multiboot loader takes: a header that tells addresses,
//! and memory as it is to be (Multiboot Specification 0.6.96, 3.1). Archives are modules; the
//! kernel knows them by the names that it would open under uhyve.
//!
//! Frames come from the guest's second serial port to standard output; the first one, its console,
//! is with QEMU's own words on standard error.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio, exit};

use anchorite_interface::{FRAMED, MULTIBOOT_ENTRY_BYTES, STATUS_ISLE_FAILED};
use hermit_entry::elf::KernelObject;
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::cli::is_on;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::gdb::Port;
use crate::machine::Kvm;
use crate::order::{Order, Verbosity};
use crate::programs;
use crate::size::{GIB, MIB, MIN_BYTES};
use crate::supervise::{self, Captured, SENTENCE_PREFIX, die_with_parent};

/// What QEMU is called.
const BINARY: &str = "qemu-system-x86_64";
/// How to get it.
const INSTALL: &str = "apt-get install qemu-system-x86";
/// The oldest that will do: a guest's memory without a reservation is of 6.1.
const OLDEST: (u32, u32) = (6, 1);

/// Where the image is loaded; below it is the page with the header.
pub const IMAGE_ADDRESS: u32 = 2 << 20;
/// Bytes of the header's page.
const HEADER_BYTES: u32 = 4096;
/// How the 32-bit entry of an image begins.
const NEAR_JUMP: u8 = 0xe9;
/// An image is parsed at a multiple of this.
const ALIGNMENT: usize = 8;
/// What the image, its tables and the least heap take of a guest's memory beside its archives.
const RESERVED_BYTES: u64 = 8 * MIB;
/// A PC has no more memory below its hole for devices; modules lie there.
const LOW_BYTES: u64 = 3 * GIB;
/// More than this a PC's archives cannot have in all.
pub const MODULES_BYTES: u64 = LOW_BYTES - RESERVED_BYTES;

/// `HERMIT_PORT`, where it is not set.
const DEFAULT_PORT: u16 = 18766;

/// What the machine is made by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// QEMU.
    pub binary: PathBuf,
    /// Its version.
    pub version: String,
    /// Whether KVM runs the guest.
    pub accelerator: Accelerator,
    /// The local port that QEMU's monitor listens on.
    pub monitor: Option<u16>,
}

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Accelerator {
    /// The processor.
    Kvm,
    /// QEMU, one by one.
    Emulation,
    /// QEMU, and the time-stamp counter counts them.
    Counting,
}

impl Setup {
    /// QEMU as it is here, and as the variables `HERMIT_QEMU`, `HERMIT_KVM`, `HERMIT_MONITOR` and
    /// `HERMIT_PORT` have it.
    ///
    /// # Errors
    /// It is missing, or too old; a variable makes no sense.
    pub fn find() -> Result<Self> {
        let emulator = Self::find_emulator()?;
        let accelerator = match kvm_wish()? {
            Some(true) => Accelerator::Kvm,
            None if is_kvm_of_hardware() => Accelerator::Kvm,
            _ => Accelerator::Emulation,
        };
        Ok(Setup { accelerator, ..emulator })
    }

    /// The same without KVM, whatever `HERMIT_KVM` says.
    ///
    /// # Errors
    /// As for [`Setup::find`].
    pub fn find_emulator() -> Result<Self> {
        let (binary, version) = find_binary()?;
        let monitor = monitor_port()?;
        Ok(Setup { binary, version, accelerator: Accelerator::Emulation, monitor })
    }
}

/// QEMU's path and version.
fn find_binary() -> Result<(PathBuf, String)> {
    let named = env::var_os("HERMIT_QEMU").filter(|name| !name.is_empty());
    let binary = PathBuf::from(named.as_deref().unwrap_or(OsStr::new(BINARY)));
    let shown = binary.display();
    let said = Command::new(&binary).arg("--version").stdin(Stdio::null()).output();
    let said = said.map_err(|error| match &named {
        None => Failure::isle(format!(
            "QEMU is missing ({shown}: {}): install it (`{INSTALL}`), or take another --isle",
            describe(&error)
        )),
        Some(_) => Failure::isle(format!(
            "HERMIT_QEMU names {shown}, which cannot be started ({}): name QEMU for x86-64, or \
             unset it and install one (`{INSTALL}`)",
            describe(&error)
        )),
    })?;
    let text = String::from_utf8_lossy(&said.stdout);
    let Some((version, number)) = version(&text) else {
        return Err(Failure::isle(format!(
            "{shown} does not tell its version as QEMU does: have HERMIT_QEMU name QEMU for x86-64"
        )));
    };
    if number < OLDEST {
        return Err(Failure::isle(format!(
            "{shown} is QEMU {version}, which is too old: install {}.{} or later (`{INSTALL}`)",
            OLDEST.0, OLDEST.1
        )));
    }
    Ok((binary, version.to_owned()))
}

/// The version in what QEMU says of it, and its first two numbers.
fn version(text: &str) -> Option<(&str, (u32, u32))> {
    let (_, rest) = text.lines().next()?.split_once("QEMU emulator version ")?;
    let version = rest.split_whitespace().next()?;
    let mut numbers = version.split('.').map(str::parse);
    Some((version, (numbers.next()?.ok()?, numbers.next()?.ok()?)))
}

/// What `HERMIT_KVM` says.
pub fn kvm_wish() -> Result<Option<bool>> {
    match env::var_os("HERMIT_KVM") {
        None => Ok(None),
        Some(value) if value.is_empty() => Ok(None),
        Some(value) if value == "0" => Ok(Some(false)),
        Some(value) if value == "1" => Ok(Some(true)),
        Some(value) => Err(Failure::usage(format!(
            "HERMIT_KVM `{}`: give 1 for KVM or 0 for emulation",
            value.display()
        ))),
    }
}

/// The port of the monitor, if `HERMIT_MONITOR` asks for one: the one after `HERMIT_PORT`.
fn monitor_port() -> Result<Option<u16>> {
    if !wants_monitor() {
        return Ok(None);
    }
    // One more than fits is not among what `port` takes.
    let port = port()? + 1;
    // QEMU would say so too, in its own words.
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(|error| {
        Failure::isle(format!(
            "QEMU's monitor cannot have the port {port} ({}): choose another HERMIT_PORT",
            describe(&error)
        ))
    })?;
    Ok(Some(port))
}

/// What `HERMIT_PORT` says.
///
/// # Errors
/// It is no port with another one after it.
pub fn port() -> Result<u16> {
    let text = env::var_os("HERMIT_PORT").filter(|text| !text.is_empty());
    let port = match &text {
        None => Some(DEFAULT_PORT),
        Some(text) => text.to_str().and_then(|text| text.parse().ok()),
    };
    match port {
        Some(port @ 1..=65534) => Ok(port),
        _ => Err(Failure::usage(format!(
            "HERMIT_PORT `{}` is not a port with one after it: give a number from 1 to 65534",
            text.unwrap_or_default().display()
        ))),
    }
}

/// Whether `HERMIT_MONITOR` asks for QEMU's monitor.
pub fn wants_monitor() -> bool {
    is_on(env::var_os("HERMIT_MONITOR").as_deref())
}

/// Whether there is a KVM here that runs everything natively. Only a guest can tell, so the
/// smallest one is asked, under uhyve, which takes some 20 ms.
pub fn is_kvm_of_hardware() -> bool {
    let mut order = Order::new("hello");
    order.memory_bytes = MIN_BYTES;
    order.verbosity = Verbosity::Machine;
    let mut said = Captured::default();
    crate::isle::kvm_problem().is_none()
        && supervise::run(crate::isle::VMM_COMMAND, &order, &mut said).is_ok()
        && said
            .log
            .iter()
            .find_map(|line| Kvm::parse(line))
            .is_some_and(|kvm| kvm.kind == "hardware")
}

/// Checks that this isle can do what `order` asks for.
///
/// # Errors
/// In a sentence, what it cannot.
pub fn check(order: &Order) -> Result<()> {
    if let Some(forward) = order.forwards.first() {
        return Err(Failure::usage(format!(
            "{} cannot be shown to the guest: the isle qemu cannot reach the host's files: take \
             --isle uhyve, or give a copy by --preload",
            forward.host.display()
        )));
    }
    Ok(())
}

/// Checks that an archive of `bytes` in all fits into the guest's memory.
///
/// # Errors
/// It does not.
pub fn check_room(order: &Order, bytes: u64) -> Result<()> {
    let room = order.memory_bytes.min(LOW_BYTES).saturating_sub(RESERVED_BYTES);
    if bytes > room {
        let remedy = if order.memory_bytes < LOW_BYTES {
            "give it more with --memory"
        } else {
            "a PC has room for 3 GiB of them: take --isle uhyve"
        };
        return Err(Failure::isle(format!(
            "--preload: the archives' {bytes} bytes are more than this machine's {} MiB have room \
             for: {remedy}",
            order.memory_bytes / MIB
        )));
    }
    Ok(())
}

/// Becomes QEMU with the order that the launcher `parent` gives as JSON, and never returns.
pub fn main(parent: &str, order: &str) -> ! {
    // It outlives the change to another program.
    die_with_parent(parent);
    let sentence = match serde_json::from_str::<Order>(order) {
        Ok(order) => become_qemu(&order),
        Err(error) => format!("the isle's order cannot be read ({error})"),
    };
    eprintln!("{SENTENCE_PREFIX}{sentence}");
    exit(STATUS_ISLE_FAILED)
}

/// Returns a sentence if it cannot.
fn become_qemu(order: &Order) -> String {
    let Some(setup) = &order.qemu else {
        return "the isle's order names no QEMU".to_owned();
    };
    let image = match programs::image(order) {
        Ok(image) => image,
        Err(failure) => return failure.to_string(),
    };
    let kernel = match wrap(&image).and_then(|wrapped| in_memory(&wrapped)) {
        Ok(kernel) => kernel,
        Err(error) => return format!("the guest's image cannot be loaded ({})", describe(&error)),
    };
    let mut command = Command::new(&setup.binary);
    command.args(machine_args(setup, order));
    command.arg("-kernel").arg(format!("/proc/self/fd/{}", kernel.as_raw_fd()));
    command.arg("-append").arg(order.kernel_arguments(FRAMED).join(" "));
    let modules = modules(order);
    if !modules.is_empty() {
        command.arg("-initrd").arg(modules);
    }
    let error = command.stdin(Stdio::null()).exec();
    format!("{} cannot be started ({}): install it anew", setup.binary.display(), describe(&error))
}

/// The machine, without what it runs.
fn machine_args(setup: &Setup, order: &Order) -> Vec<OsString> {
    let (accelerator, processor) = match setup.accelerator {
        // Page-table virtualised KVM cannot have a register that the host's processor tells of.
        Accelerator::Kvm => ("kvm", "host,-arch-capabilities"),
        Accelerator::Emulation | Accelerator::Counting => ("tcg", "max"),
    };
    let machine = format!("pc,accel={accelerator},usb=off,memory-backend=memory");
    let memory = format!("{}M", order.memory_bytes / MIB);
    // The host gives it as it is used.
    let backend = format!("memory-backend-ram,id=memory,size={memory},reserve=off");
    let cpus = order.cpus.to_string();
    let mut args: Vec<OsString> = [
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-machine",
        &machine,
        "-cpu",
        processor,
        "-smp",
        &cpus,
        "-m",
        &memory,
        "-object",
        &backend,
        "-chardev",
        "file,id=console,path=/proc/self/fd/2",
        "-device",
        "isa-serial,chardev=console,iobase=0x3f8,irq=4",
        "-chardev",
        "file,id=frames,path=/proc/self/fd/1",
        "-device",
        "isa-serial,chardev=frames,iobase=0x2f8,irq=3",
        "-device",
        "isa-debug-exit,iobase=0xf4,iosize=4",
    ]
    .map(OsString::from)
    .into();
    if setup.accelerator == Accelerator::Counting {
        // Each run is to be the same, so time and randomness begin alike.
        let alike = ["-rtc", "base=2026-01-01T00:00:00,clock=vm", "-seed", "1"];
        args.extend(["-icount", "shift=0,sleep=off"].into_iter().chain(alike).map(OsString::from));
    }
    if let Some(port) = order.gdb.and_then(Port::number) {
        // Nothing is done before the debugger says so.
        args.extend(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")].map(OsString::from));
    }
    if let Some(name) = &order.profile {
        // `launcher/profile/stub.rs` waits there.
        let socket = format!("socket,id=profile,path={},abstract=on", name.display());
        args.extend(["-chardev", &socket, "-gdb", "chardev:profile"].map(OsString::from));
    }
    if let Some(port) = setup.monitor {
        let place = format!("tcp:127.0.0.1:{port},server=on,wait=off");
        args.extend(["-monitor", &place].map(OsString::from));
    }
    args
}

/// The archives, each with the name that the kernel knows it by, as QEMU takes them.
fn modules(order: &Order) -> OsString {
    let module = |(number, archive): (usize, &crate::archive::Archive)| {
        let name = archive.guest_path("preload", number);
        format!("{} {name}", archive.host.display()).replace(',', ",,")
    };
    order.preloads.iter().enumerate().map(module).collect::<Vec<_>>().join(",").into()
}

/// An image as a multiboot loader takes it.
pub fn wrap(image: &[u8]) -> io::Result<Vec<u8>> {
    // The loader reads words, wherever the linker put the image into this executable.
    let mut room = vec![0; image.len() + ALIGNMENT];
    let at = room.as_ptr().align_offset(ALIGNMENT);
    let aligned = &mut room[at..][..image.len()];
    aligned.copy_from_slice(image);
    let object =
        KernelObject::parse(aligned).map_err(|error| io::Error::other(error.to_string()))?;
    let mut memory = vec![MaybeUninit::new(0); object.mem_size()];
    let loaded = object.load_kernel(&mut memory, IMAGE_ADDRESS.into());
    let entry = loaded.entry_point - MULTIBOOT_ENTRY_BYTES;
    let length = |bytes: usize| u32::try_from(bytes).map_err(io::Error::other);
    let end = IMAGE_ADDRESS + length(memory.len())?;
    let mut bytes: Vec<u8> = memory.iter().map(initialised).collect();
    let at = usize::try_from(entry - u64::from(IMAGE_ADDRESS)).map_err(io::Error::other)?;
    if bytes.get(at) != Some(&NEAR_JUMP) {
        return Err(io::Error::other("it has no entry for a PC, so build it anew"));
    }
    // What is left out at the end the loader fills with zeros.
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));

    const MAGIC: u32 = 0x1bad_b002;
    const PAGES: u32 = 1;
    const MEMORY_MAP: u32 = 1 << 1;
    const ADDRESSES: u32 = 1 << 16;
    let flags = PAGES | MEMORY_MAP | ADDRESSES;
    let header_address = IMAGE_ADDRESS - HEADER_BYTES;
    let header = [
        MAGIC,
        flags,
        MAGIC.wrapping_add(flags).wrapping_neg(),
        header_address,
        header_address,
        IMAGE_ADDRESS + length(bytes.len())?,
        end,
        u32::try_from(entry).map_err(io::Error::other)?,
    ];
    let mut wrapped: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    wrapped.resize(HEADER_BYTES as usize, 0);
    wrapped.extend(bytes);
    Ok(wrapped)
}

/// A byte of memory that began as zero and was perhaps written since.
#[allow(unsafe_code)]
fn initialised(byte: &MaybeUninit<u8>) -> u8 {
    // SAFETY: `wrap` initialises all of it, and the loader writes bytes only.
    unsafe { byte.assume_init() }
}

/// A file without a name that a program started by this one can open by its descriptor.
fn in_memory(bytes: &[u8]) -> io::Result<File> {
    let mut file = File::from(memfd_create("anchorite-image", MFdFlags::empty())?);
    file.write_all(bytes)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let told = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c)";
        assert_eq!(version(told), Some(("7.2.22", (7, 2))));
        assert_eq!(version("QEMU emulator version 10.0.0\n"), Some(("10.0.0", (10, 0))));
        for text in
            ["", "GNU bash, version 5.2", "QEMU emulator version ", "QEMU emulator version 7.x"]
        {
            assert_eq!(version(text), None, "{text}");
        }
    }

    #[test]
    fn every_image_is_wrapped_for_a_multiboot_loader() {
        for name in programs::names() {
            let Some(image) = programs::built_in(name) else { continue };
            let wrapped = wrap(image).unwrap();
            let words: Vec<u32> = wrapped[..32]
                .chunks(4)
                .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
                .collect();
            let sum = words[..3].iter().fold(0u32, |sum, word| sum.wrapping_add(*word));
            assert_eq!((words[0], sum), (0x1bad_b002, 0), "{name}");
            let [start, loaded_end, end, entry] = [words[4], words[5], words[6], words[7]];
            assert_eq!(wrapped.len(), (loaded_end - start) as usize, "{name}");
            assert!(loaded_end <= end && (start..loaded_end).contains(&entry), "{name}");
            // A jump, before the 64-bit entry, which reads the time-stamp counter first.
            let at = (entry - start) as usize;
            assert_eq!(wrapped[at], NEAR_JUMP, "{name}");
            assert_eq!(wrapped[at + 16..][..2], [0x0f, 0x31], "{name}");
        }
    }

    #[test]
    fn archives_that_do_not_fit_are_refused() {
        let mut order = Order::new("hello");
        order.memory_bytes = 64 * MIB;
        assert!(check_room(&order, 50 * MIB).is_ok());
        assert_eq!(check_room(&order, 60 * MIB).unwrap_err().status, 125);
        order.memory_bytes = 16 * GIB;
        assert!(check_room(&order, 2 * GIB).is_ok());
        assert!(check_room(&order, 4 * GIB).unwrap_err().to_string().contains("uhyve"));
    }
}
