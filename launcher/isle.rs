//! [`Isle`]: what a guest lives on. An isle is a process of its own, started from
//! this very executable, so that whatever becomes of it, the launcher answers.

use std::fs::OpenOptions;
use std::io;

use anchorite_interface::STATUS_ISLE_FAILED;

use crate::export::Target;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::order::Order;
use crate::preload::Limit;
use crate::profile::Profile;
use crate::qemu::{self, Accelerator, Setup};
use crate::supervise::{self, End, Sink};
use crate::{gdb, preload, programs};

/// How the subcommands begin that this executable starts itself by.
pub const HIDDEN_PREFIX: &str = "__";
/// The hidden subcommand that makes this executable a virtual machine monitor.
pub const VMM_COMMAND: &str = "__isle-uhyve";
/// The hidden subcommand that makes this executable QEMU.
pub const QEMU_COMMAND: &str = "__isle-qemu";
/// The hidden subcommand that makes this executable a hosted isle.
pub const HOSTED_COMMAND: &str = "__isle-hosted";

/// A kind of ground under a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isle {
    /// A virtual machine under uhyve and KVM.
    Uhyve,
    /// A virtual machine under QEMU, with KVM or without.
    Qemu,
    /// A process of this host: no virtual machine, the same calls.
    Hosted,
}

/// All names that `--isle` knows.
const NAMES: &str = "uhyve, hosted or qemu";

impl Isle {
    /// Its name, as `--isle` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Isle::Uhyve => "uhyve",
            Isle::Qemu => "qemu",
            Isle::Hosted => "hosted",
        }
    }

    /// Reads an isle's name. `origin` names where it came from.
    pub fn parse(origin: &str, text: &str) -> Result<Self> {
        match text {
            "uhyve" => Ok(Isle::Uhyve),
            "hosted" => Ok(Isle::Hosted),
            "qemu" => Ok(Isle::Qemu),
            _ => Err(Failure::usage(format!("{origin} `{text}` is no isle: take {NAMES}"))),
        }
    }

    /// Whether it can be had here.
    pub fn is_here(self) -> bool {
        match self {
            Isle::Uhyve => kvm_problem().is_none(),
            Isle::Qemu => Setup::find().is_ok(),
            Isle::Hosted => true,
        }
    }

    /// The isle to use for `order` when nobody says, and the line that tells why it is not
    /// the usual one.
    pub fn default_for(order: &Order) -> (Self, Option<String>) {
        let Some(problem) = kvm_problem() else {
            if order.gdb.is_some() && !qemu::is_kvm_of_hardware() && Setup::find().is_ok() {
                let why = "this host's KVM cannot stop a guest for a debugger: running under QEMU, \
                           emulated";
                return (Isle::Qemu, Some(why.to_owned()));
            }
            return (Isle::Uhyve, None);
        };
        // Where a program should see the host's files, only a process of the host can show them.
        let (isle, what) = match Setup::find() {
            Ok(_) if order.forwards.is_empty() => (Isle::Qemu, "running under QEMU, emulated"),
            _ => (Isle::Hosted, "running hosted, in a process of this host"),
        };
        (isle, Some(format!("{problem}: {what}; {}", problem.remedy())))
    }

    /// Starts `order` here and hands what it sends to `sink`; returns the
    /// program's exit status.
    ///
    /// # Errors
    /// The isle cannot start, failed, or never told how the program ended.
    pub fn run(self, order: &Order, sink: &mut dyn Sink) -> Result<i32> {
        programs::check(self, order)?;
        order.check()?;
        // What it says is for each isle.
        qemu::kvm_wish()?;
        let mut ready = order.clone();
        if self == Isle::Qemu {
            qemu::check(order)?;
            if ready.qemu.is_none() {
                // What is emulated stops wherever a debugger asks it to, even before its code is
                // in memory.
                ready.qemu = Some(match order.gdb.is_some() && qemu::kvm_wish()? != Some(true) {
                    true => Setup::find_emulator()?,
                    false => Setup::find()?,
                });
            }
        } else if qemu::wants_monitor() {
            return Err(Failure::usage(format!(
                "HERMIT_MONITOR: the isle {} has no monitor: take --isle qemu, or unset it",
                self.name()
            )));
        }
        let needs_kvm = match &ready.qemu {
            Some(setup) => setup.accelerator == Accelerator::Kvm,
            None => self == Isle::Uhyve,
        };
        if needs_kvm && let Some(problem) = kvm_problem() {
            return Err(Failure::isle(format!(
                "{problem}: {}, or take --isle qemu with HERMIT_KVM=0, or --isle hosted",
                problem.remedy()
            )));
        }
        let command = match self {
            Isle::Uhyve => VMM_COMMAND,
            Isle::Qemu => QEMU_COMMAND,
            Isle::Hosted => HOSTED_COMMAND,
        };
        // Held until the guest's end, since its isle opens them by this process.
        let mut held = Vec::new();
        for archive in &mut ready.preloads {
            let (opened, file) = preload::ready(archive, Limit::memory(order.memory_bytes))?;
            *archive = opened;
            held.push(file);
        }
        if self == Isle::Qemu {
            let bytes = held.iter().map(|file| file.metadata().map_or(0, |found| found.len()));
            qemu::check_room(order, bytes.sum())?;
        }
        let debugger = gdb::wait(&mut ready, self)?;
        let profile = Profile::new(&mut ready, self)?;
        let mut targets = Vec::new();
        for archive in &mut ready.exports {
            let target = Target::new("--export", &archive.host)?;
            archive.host = preload::path_of(target.file());
            targets.push(target);
        }

        let End { status, exported } = supervise::run(command, &ready, sink)?;
        drop(debugger);
        if let Some(profile) = profile {
            profile.write(sink)?;
        }
        for (number, target) in targets.into_iter().enumerate() {
            if exported.contains(&number) {
                target.keep()?;
            } else if status != STATUS_ISLE_FAILED {
                let line = format!(
                    "anchorite: --export {}: not written, since the program failed: let it return \
                     or exit\n",
                    target.path().display()
                );
                sink.stderr(line.as_bytes()).map_err(Failure::output)?;
            }
        }
        Ok(status)
    }
}

/// Why KVM cannot be used.
pub enum KvmProblem {
    /// `/dev/kvm` does not open.
    Device(io::Error),
    /// `HERMIT_KVM=0`.
    Unwanted,
}

impl KvmProblem {
    fn remedy(&self) -> &'static str {
        match self {
            KvmProblem::Unwanted => "unset HERMIT_KVM",
            KvmProblem::Device(error) => match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    "join the group that owns it (`sudo usermod -aG kvm $USER`, then log in again)"
                }
                io::ErrorKind::NotFound => {
                    "load the module kvm_intel or kvm_amd, or turn on (nested) virtualisation"
                }
                _ => "see whether the host's KVM works at all",
            },
        }
    }
}

impl std::fmt::Display for KvmProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KvmProblem::Device(error) => {
                write!(f, "/dev/kvm cannot be used ({})", describe(error))
            }
            KvmProblem::Unwanted => f.write_str("KVM is not to be used (HERMIT_KVM=0)"),
        }
    }
}

/// Why KVM cannot be used, if it cannot.
pub fn kvm_problem() -> Option<KvmProblem> {
    if qemu::kvm_wish() == Ok(Some(false)) {
        return Some(KvmProblem::Unwanted);
    }
    OpenOptions::new().read(true).write(true).open("/dev/kvm").err().map(KvmProblem::Device)
}
