//! [`Order`]: one guest to be started, checked as far as it can be without
//! starting it. It crosses to the isle's process as JSON.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use anchorite_interface::{EXPORT, MACHINE, PRELOAD, PRELOAD_LENIENT, VERBOSE, escape};
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::failure::{Failure, Result};
use crate::forward::{self, Forward};
use crate::gdb::Port;
use crate::make::Content;
use crate::qemu::Setup;
use crate::{mount, size};

/// Bytes that arguments, environment, forwarded paths and archives may take together as
/// the guest is handed them. uhyve's device tree holds 16 KiB; the rest of it
/// (nodes, cores, memory) needs less than 1 KiB and what [`DEVICE_TREE_CPU_BYTES`]
/// says of each core.
const HANDED_BYTES: usize = 15 * 1024;
/// Bytes in the device tree for each core.
const DEVICE_TREE_CPU_BYTES: usize = 64;

/// The most cores of a guest.
pub const MAX_CPUS: u32 = 64;

/// A word of arbitrary bytes (no NUL) that survives JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word(Vec<u8>);

impl Word {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As the guest's command line has it.
    pub fn escaped(&self) -> String {
        escape(&self.0)
    }
}

impl From<&OsStr> for Word {
    fn from(text: &OsStr) -> Self {
        Word(text.as_bytes().to_vec())
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Word(text.as_bytes().to_vec())
    }
}

/// How much the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verbosity {
    /// The program's output only.
    Quiet,
    /// One line about the machine too.
    Machine,
    /// The kernel's log too.
    Log,
}

/// What becomes of a damaged archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Damaged {
    /// The guest does not start.
    Refused,
    /// What is damaged is left out, and counted.
    Skipped,
}

/// A guest to be started.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The program's name, or the path of a user's own.
    pub program: String,
    /// Where the isle opens the image of a user's own program.
    pub image: Option<PathBuf>,
    /// Its arguments, without its name.
    pub args: Vec<Word>,
    /// Its environment.
    pub env: Vec<Variable>,
    /// Cores.
    pub cpus: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Host directories that it sees.
    pub forwards: Vec<Forward>,
    /// What is mounted before its files come, one after another, as [`MountSpec`] reads it.
    ///
    /// [`MountSpec`]: anchorite_syscalls::MountSpec
    pub mounts: Vec<Word>,
    /// Archives that its files come from, one after another.
    pub preloads: Vec<Archive>,
    /// What becomes of them if they are damaged.
    pub damaged: Damaged,
    /// Archives that its files go to when the program ends.
    pub exports: Vec<Archive>,
    /// How much the kernel tells.
    pub verbosity: Verbosity,
    /// Where it waits for a debugger, if it does.
    pub gdb: Option<Port>,
    /// The file that tells where it spends its time, if there is to be one.
    pub profile: Option<PathBuf>,
    /// What makes the machine, on the isle qemu.
    pub qemu: Option<Setup>,
}

/// A variable of the program's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name: not empty, without `=`.
    pub name: Word,
    /// Its value.
    pub value: Word,
}

impl Variable {
    /// Reads `K=V`.
    pub fn parse(text: &OsStr) -> Result<Self> {
        let bytes = text.as_bytes();
        match bytes.iter().position(|&byte| byte == b'=') {
            Some(at @ 1..) => Ok(Variable {
                name: Word(bytes[..at].to_vec()),
                value: Word(bytes[at + 1..].to_vec()),
            }),
            _ => Err(Failure::usage(format!(
                "--env {}: give a name and a value, such as --env LANG=C",
                text.display()
            ))),
        }
    }
}

impl Order {
    /// An order for `program` with every default.
    pub fn new(program: &str) -> Self {
        Order {
            program: program.to_owned(),
            image: None,
            args: Vec::new(),
            env: Vec::new(),
            cpus: 1,
            memory_bytes: size::DEFAULT_BYTES,
            forwards: Vec::new(),
            mounts: Vec::new(),
            preloads: Vec::new(),
            damaged: Damaged::Refused,
            exports: Vec::new(),
            verbosity: Verbosity::Quiet,
            gdb: None,
            profile: None,
            qemu: None,
        }
    }

    /// What is to be in its image, if that is built for it.
    pub fn content(&self) -> Content {
        match self.gdb.is_some() || self.profile.is_some() {
            true => Content::Debug,
            false => Content::Stripped,
        }
    }

    /// Checks what only the whole order tells.
    pub fn check(&self) -> Result<()> {
        forward::check_disjoint(&self.forwards)?;
        for (number, export) in self.exports.iter().enumerate() {
            if self.exports[..number].iter().any(|other| other.host == export.host) {
                return Err(Failure::usage(format!(
                    "--export {}: given twice: choose a file for each",
                    export.host.display()
                )));
            }
        }
        let handed = self.handed_bytes();
        if handed > HANDED_BYTES {
            return Err(Failure::usage(format!(
                "the arguments, the environment and the names of archives take {handed} bytes, and \
                 a guest can be handed {HANDED_BYTES}: put them in a file and --preload its directory"
            )));
        }
        Ok(())
    }

    /// The kernel's arguments, without the environment and the program's, which are escaped as
    /// `format` says: [`FRAMED`] or [`ESCAPED`].
    ///
    /// [`FRAMED`]: anchorite_interface::FRAMED
    /// [`ESCAPED`]: anchorite_interface::ESCAPED
    pub fn settings(&self, format: &str) -> Vec<String> {
        let mut words = vec![format.to_owned()];
        match self.verbosity {
            Verbosity::Quiet => {}
            Verbosity::Machine => words.push(MACHINE.to_owned()),
            Verbosity::Log => words.push(VERBOSE.to_owned()),
        }
        for forward in &self.forwards {
            words.push(forward.kernel_argument());
        }
        words.extend(self.mounts.iter().map(mount::kernel_argument));
        for (number, archive) in self.preloads.iter().enumerate() {
            words.push(archive.kernel_argument(PRELOAD, "preload", number));
        }
        if self.damaged == Damaged::Skipped {
            words.push(PRELOAD_LENIENT.to_owned());
        }
        for (number, archive) in self.exports.iter().enumerate() {
            words.push(archive.kernel_argument(EXPORT, "export", number));
        }
        words
    }

    /// The whole boot command line, word by word; `format` as for [`Order::settings`].
    pub fn kernel_arguments(&self, format: &str) -> Vec<String> {
        let env = self.env.iter().map(|variable| {
            format!("env={}={}", variable.name.escaped(), variable.value.escaped())
        });
        let args = self.args.iter().map(Word::escaped);
        self.settings(format).into_iter().chain(env).chain(["--".to_owned()]).chain(args).collect()
    }

    /// Bytes of the device tree that depend on the order.
    fn handed_bytes(&self) -> usize {
        let args: usize = self.args.iter().map(|arg| arg.escaped().len() + 1).sum();
        let env: usize = self
            .env
            .iter()
            // uhyve puts quotes around what it does not know to be harmless.
            .map(|variable| {
                let (name, value) = (variable.name.escaped(), variable.value.escaped());
                name.len() + value.len() + "env=''='' ".len()
            })
            .sum();
        let forwards: usize = self
            .forwards
            .iter()
            // Once as a mount of uhyve's, once as a kernel argument.
            .map(|forward| forward.guest.len() + forward.kernel_argument().len() + 1)
            .sum();
        let mounts: usize =
            self.mounts.iter().map(|word| mount::kernel_argument(word).len() + 1).sum();
        let archives: usize =
            [("preload", &self.preloads, PRELOAD), ("export", &self.exports, EXPORT)]
                .iter()
                .flat_map(|(use_, archives, argument)| {
                    archives.iter().enumerate().map(move |(number, archive)| {
                        archive.guest_path(use_, number).len()
                            + archive.kernel_argument(argument, use_, number).len()
                            + 2
                    })
                })
                .sum();
        let cpus = (self.cpus as usize - 1) * DEVICE_TREE_CPU_BYTES;
        args + env + forwards + mounts + archives + cpus
    }
}

/// Reads a number of cores. `origin` names where it came from.
pub fn parse_cpus(origin: &str, text: &str) -> Result<u32> {
    match text.trim().parse::<u32>() {
        Ok(cpus @ 1..=MAX_CPUS) => Ok(cpus),
        _ => Err(Failure::usage(format!(
            "{origin} `{text}` is not a number of cores: give one from 1 to {MAX_CPUS}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_cannot_be_handed_is_refused() {
        let mut order = Order::new("hello");
        order.args = vec![Word::from("x".repeat(14 * 1024).as_str())];
        assert!(order.check().is_ok());
        order.args.push(Word::from(" ".repeat(500).as_str()));
        assert_eq!(order.check().unwrap_err().status, 2);

        let mut order = Order::new("hello");
        order.env = vec![Variable {
            name: Word::from("QUOTES"),
            value: Word::from("'".repeat(5200).as_str()),
        }];
        assert_eq!(order.check().unwrap_err().status, 2);

        let mut order = Order::new("hello");
        let archive = Archive::parse("--preload", OsStr::new("/a.tar:/data")).unwrap();
        order.preloads = vec![archive; 100];
        assert!(order.check().is_ok());
        order.exports = order.preloads.clone();
        assert_eq!(order.check().unwrap_err().status, 2);
    }

    #[test]
    fn variables_and_cores_are_read() {
        let variable = Variable::parse(OsStr::new("A=b=c d")).unwrap();
        assert_eq!((variable.name, variable.value), (Word::from("A"), Word::from("b=c d")));
        assert!(Variable::parse(OsStr::new("A=")).is_ok());
        for text in ["", "A", "=b"] {
            assert_eq!(Variable::parse(OsStr::new(text)).unwrap_err().status, 2);
        }
        assert_eq!(parse_cpus("--cpus", "2"), Ok(2));
        for text in ["", "0", "-1", "two", "65", "4294967296", "1.0"] {
            assert_eq!(parse_cpus("--cpus", text).unwrap_err().status, 2, "{text}");
        }
    }
}
