//! `--gdb [PORT]`: a guest that waits for a debugger.
//!
//! Both virtual machines bring a server for gdb's remote protocol; what they lack is symbols. The
//! image that runs has none, and is relocated at its start. So the whole file of the image, with its
//! symbols, is put where gdb can read it, as long as the guest runs, and gdb is told the address.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::Isle;
use crate::order::Order;
use crate::preload::path_of;
use crate::qemu::{self, Accelerator};
use crate::{complain, programs};

/// QEMU's usual port for gdb.
const QEMU_PORT: u16 = 1234;
/// Where uhyve loads an image without randomisation: its memory begins at 4 GiB, and what it needs
/// itself is before the image.
const UHYVE_ADDRESS: u64 = (4 << 30) + 0x4_0000;

/// Where a debugger is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Port {
    /// At the isle's usual port.
    Usual,
    /// At this one.
    Number(u16),
}

impl Port {
    /// The number, when it is known.
    pub fn number(self) -> Option<u16> {
        match self {
            Port::Usual => None,
            Port::Number(number) => Some(number),
        }
    }
}

/// Reads the option's argument, which may be empty.
pub fn parse(text: &str) -> Result<Port> {
    if text.is_empty() {
        return Ok(Port::Usual);
    }
    match text.parse() {
        Ok(number @ 1..) => Ok(Port::Number(number)),
        _ => Err(Failure::usage(format!(
            "--gdb `{text}` is not a port: give a number from 1 to 65535, or none"
        ))),
    }
}

/// Checks that a debugger can be waited for on `isle`.
///
/// # Errors
/// In a sentence, why not.
pub fn check(order: &Order, isle: Isle) -> Result<()> {
    if order.gdb.is_some() && isle == Isle::Hosted {
        return Err(Failure::usage(
            "--gdb: the isle hosted is a process of this host and no machine: take --isle uhyve or \
             qemu, or start gdb on the process itself",
        ));
    }
    Ok(())
}

/// Chooses the port of an `order` that waits for a debugger, and tells the user what to type. The
/// file has the image's symbols: gdb opens it by this process, as long as that keeps it.
///
/// # Errors
/// The port is not to be had, the image has no symbols, there is no room for them, or KVM cannot
/// stop a guest.
pub fn wait(order: &mut Order, isle: Isle) -> Result<Option<File>> {
    check(order, isle)?;
    let Some(port) = order.gdb else { return Ok(None) };
    let has_kvm = match &order.qemu {
        Some(setup) => setup.accelerator == Accelerator::Kvm,
        None => isle == Isle::Uhyve,
    };
    if has_kvm && !qemu::is_kvm_of_hardware() {
        return Err(Failure::usage(
            "--gdb: this host's KVM is page-table virtualised, where breakpoints and steps do not \
             stop a guest: take --isle qemu with HERMIT_KVM=0",
        ));
    }
    let gdb = debugger()?;
    let elf = programs::with_symbols(order)?;
    let port = match (port, isle) {
        (Port::Number(port), _) => port,
        (Port::Usual, Isle::Qemu) => QEMU_PORT,
        (Port::Usual, _) => qemu::port()?,
    };
    // The isle would say so too, in its own words.
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(|error| {
        Failure::isle(format!(
            "the debugger's port {port} is not to be had ({}): choose another with --gdb PORT",
            describe(&error)
        ))
    })?;
    order.gdb = Some(Port::Number(port));
    let file = tempfile::tempfile().and_then(|mut file| file.write_all(&elf).map(|()| file));
    let file = file.map_err(|error: io::Error| {
        Failure::isle(format!(
            "there is no place for the image's symbols ({}): set TMPDIR to a directory that can be \
             written",
            describe(&error)
        ))
    })?;
    let address = match isle {
        Isle::Qemu => qemu::IMAGE_ADDRESS.into(),
        _ => UHYVE_ADDRESS,
    };
    complain(&format!(
        "waiting for a debugger: {} -ex 'symbol-file -o {address:#x} {}' -ex 'target remote \
         localhost:{port}'",
        gdb.display(),
        path_of(&file).display()
    ));
    Ok(Some(file))
}

/// The debugger to be typed: gdb, or what `HERMIT_GDB` names.
fn debugger() -> Result<OsString> {
    let named = env::var_os("HERMIT_GDB").filter(|name| !name.is_empty());
    let name = named.clone().unwrap_or_else(|| "gdb".into());
    let mut asked = Command::new(&name);
    asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match asked.status() {
        Ok(_) => Ok(name),
        Err(error) if named.is_none() => Err(Failure::isle(format!(
            "--gdb: gdb is missing ({}): install it (`apt-get install gdb`), or name another \
             debugger in HERMIT_GDB",
            describe(&error)
        ))),
        Err(error) => Err(Failure::isle(format!(
            "HERMIT_GDB names {}, which cannot be started ({}): unset it and install gdb (`apt-get \
             install gdb`)",
            name.display(),
            describe(&error)
        ))),
    }
}
