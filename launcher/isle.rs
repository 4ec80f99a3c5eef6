//! [`Isle`]: what a guest lives on. An isle is a process of its own, started from
//! this very executable, so that whatever becomes of it, the launcher answers.

use std::fs::OpenOptions;
use std::io;

use anchorite_interface::STATUS_ISLE_FAILED;

use crate::export::Target;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::order::Order;
use crate::supervise::{self, End, Sink};
use crate::{preload, programs};

/// How the subcommands begin that this executable starts itself by.
pub const HIDDEN_PREFIX: &str = "__";
/// The hidden subcommand that makes this executable a virtual machine monitor.
pub const VMM_COMMAND: &str = "__isle-uhyve";
/// The hidden subcommand that makes this executable a hosted isle.
pub const HOSTED_COMMAND: &str = "__isle-hosted";

/// A kind of ground under a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isle {
    /// A virtual machine under uhyve and KVM.
    Uhyve,
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
            Isle::Hosted => "hosted",
        }
    }

    /// Reads an isle's name. `origin` names where it came from.
    pub fn parse(origin: &str, text: &str) -> Result<Self> {
        match text {
            "uhyve" => Ok(Isle::Uhyve),
            "hosted" => Ok(Isle::Hosted),
            "qemu" => Err(Failure::usage(
                "the isle qemu is not there yet: take --isle uhyve, or --isle hosted where there \
                 is no KVM",
            )),
            _ => Err(Failure::usage(format!("{origin} `{text}` is no isle: take {NAMES}"))),
        }
    }

    /// The isle to use when nobody says, and the line that tells why it is not
    /// the usual one.
    pub fn default_here() -> (Self, Option<String>) {
        match kvm_problem() {
            None => (Isle::Uhyve, None),
            Some(problem) => (
                Isle::Hosted,
                Some(format!(
                    "{problem}: running hosted, in a process of this host; {}",
                    problem.remedy()
                )),
            ),
        }
    }

    /// Starts `order` here and hands what it sends to `sink`; returns the
    /// program's exit status.
    ///
    /// # Errors
    /// The isle cannot start, failed, or never told how the program ended.
    pub fn run(self, order: &Order, sink: &mut dyn Sink) -> Result<i32> {
        programs::check(self, order)?;
        order.check()?;
        if self == Isle::Uhyve
            && let Some(problem) = kvm_problem()
        {
            return Err(Failure::isle(format!(
                "{problem}: {}, or take --isle hosted",
                problem.remedy()
            )));
        }
        let command = match self {
            Isle::Uhyve => VMM_COMMAND,
            Isle::Hosted => HOSTED_COMMAND,
        };
        // Held until the guest's end, since its isle opens them by this process.
        let mut ready = order.clone();
        let mut held = Vec::new();
        for archive in &mut ready.preloads {
            let (opened, file) = preload::ready(archive, order.memory_bytes)?;
            *archive = opened;
            held.push(file);
        }
        let mut targets = Vec::new();
        for archive in &mut ready.exports {
            let target = Target::new("--export", &archive.host)?;
            archive.host = preload::path_of(target.file());
            targets.push(target);
        }

        let End { status, exported } = supervise::run(command, &ready, sink)?;
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

/// Why `/dev/kvm` cannot be used.
struct KvmProblem(io::Error);

impl KvmProblem {
    fn remedy(&self) -> &'static str {
        match self.0.kind() {
            io::ErrorKind::PermissionDenied => {
                "join the group that owns it (`sudo usermod -aG kvm $USER`, then log in again)"
            }
            io::ErrorKind::NotFound => {
                "load the module kvm_intel or kvm_amd, or turn on (nested) virtualisation"
            }
            _ => "see whether the host's KVM works at all",
        }
    }
}

impl std::fmt::Display for KvmProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/dev/kvm cannot be used ({})", describe(&self.0))
    }
}

fn kvm_problem() -> Option<KvmProblem> {
    OpenOptions::new().read(true).write(true).open("/dev/kvm").err().map(KvmProblem)
}
