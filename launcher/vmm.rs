//! The isle uhyve, from inside: the process that is the virtual machine monitor.
//!
//! [`main`] is the hidden subcommand's. Its standard output carries the guest's
//! frames, its standard error the monitor's words; a line with
//! [`SENTENCE_PREFIX`] is the answer that the user gets. uhyve panics where one
//! would expect an error, in any of its threads, so a panic ends this process at
//! once: no thread is left waiting for one that died.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::Mutex;
use std::time::Duration;
use std::{fs, panic, thread};

use anchorite_interface::{FRAMED, STATUS_ISLE_FAILED};
use landlock::{
    ABI, Access as _, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError,
};
use nix::sys::memfd::{MFdFlags, memfd_create};
use tempfile::TempDir;
use uhyvelib::params::{CpuCount, EnvVars, FileSandboxMode, GuestMemorySize, Output, Params};
use uhyvelib::{DefaultBackend, HypervisorError, UhyveVm};

use crate::archive::Archive;
use crate::forward::{Access, Forward, describe};
use crate::gdb::Port;
use crate::order::{Order, Verbosity};
use crate::profile::vcpu;
use crate::programs;
use crate::size::{LIMIT_BYTES, MIB};
use crate::supervise::{SENTENCE_PREFIX, die_with_parent};

/// How long output may wait in the standard library's line buffer, which uhyve
/// prints through: it passes on at once only what ends in a newline.
const FLUSH_EVERY: Duration = Duration::from_millis(10);

/// With more memory than this, uhyve finds no random place for it.
const RANDOM_PLACE_LIMIT_BYTES: u64 = LIMIT_BYTES - 64 * MIB;

/// The temporary directory, for as long as there is one.
static SCRATCH: Mutex<Option<PathBuf>> = Mutex::new(None);

/// Runs the order that the launcher `parent` gives as JSON, and never returns.
pub fn main(parent: &str, order: &str) -> ! {
    die_with_parent(parent);
    let order: Order = match serde_json::from_str(order) {
        Ok(order) => order,
        Err(error) => fail(&format!("the isle's order cannot be read ({error})")),
    };
    panic::set_hook(Box::new(|info| end_by_panic(&info.to_string())));
    if order.verbosity == Verbosity::Log {
        say_what_uhyve_logs();
    }

    let archives = match Archives::open(&order) {
        Ok(archives) => archives,
        Err(sentence) => fail(&sentence),
    };
    let vm = match build(&order, &archives) {
        Ok(vm) => vm,
        Err(sentence) => fail(&sentence),
    };
    thread::spawn(|| {
        loop {
            thread::sleep(FLUSH_EVERY);
            let _ = io::stdout().flush();
        }
    });
    // Threads that begin from here on are the guest's processors.
    if let Err(why) = profile(&order) {
        fail(&format!("{} cannot be profiled: {why}", order.program));
    }
    confine(&order.forwards, &archives);
    // The exit record tells the program's status; a triple fault returns 0 too.
    let _ = vm.run();
    let _ = io::stdout().flush();
    exit(0)
}

/// Loads the guest; the error is a sentence.
fn build(order: &Order, archives: &Archives) -> Result<UhyveVm<DefaultBackend>, String> {
    let image = programs::image(order).map_err(|failure| failure.to_string())?;
    let (_image_file, image_path) = as_file(&image)
        .map_err(|error| format!("the guest's image cannot be loaded ({})", describe(&error)))?;
    let scratch = scratch_dir().map_err(|error| {
        format!(
            "uhyve finds no place for a temporary directory ({}): set TMPDIR to a directory that \
             can be written",
            describe(&error)
        )
    })?;
    note_scratch(Some(scratch.path().to_owned()));
    let params = params(order, archives, scratch.path())?;
    let vm = UhyveVm::new(image_path, params).map_err(|error| match error {
        HypervisorError::BackendError(error) => format!(
            "KVM cannot make the virtual machine ({error}): see whether the host has memory and \
             cores for it, or take --isle hosted"
        ),
        error => format!("uhyve cannot make the virtual machine ({error})"),
    })?;
    // uhyve wants a place for files that a guest creates outside any forwarded
    // directory. The kernel never does, and this way nothing stays behind,
    // however this process ends.
    let _ = scratch.close();
    note_scratch(None);
    Ok(vm)
}

/// Begins to sample the guest, if that is asked for; the error is the end of a sentence.
fn profile(order: &Order) -> Result<(), String> {
    let Some(path) = &order.profile else { return Ok(()) };
    let elf = programs::with_symbols(order).map_err(|failure| failure.to_string())?;
    let output = OpenOptions::new().append(true).open(path);
    let output = output.map_err(|error| format!("no sample can be kept ({})", describe(&error)))?;
    vcpu::start(&elf, order.memory_bytes, order.cpus, output)
}

fn params(order: &Order, archives: &Archives, scratch: &Path) -> Result<Params, String> {
    let memory_size = order
        .memory_bytes
        .to_string()
        .parse::<GuestMemorySize>()
        .map_err(|error| format!("uhyve refuses the memory size ({error})"))?;
    let cpu_count = CpuCount::try_from(order.cpus)
        .map_err(|_| "uhyve refuses the number of cores: give at least one".to_owned())?;
    let mut kernel_args = order.settings(FRAMED);
    kernel_args.push("--".to_owned());
    kernel_args.extend(order.args.iter().map(|arg| arg.escaped()));

    let env: HashMap<String, String> = order
        .env
        .iter()
        .map(|variable| (variable.name.escaped(), variable.value.escaped()))
        .collect();
    Ok(Params {
        memory_size,
        thp: true,
        cpu_count,
        kernel_args,
        file_mapping: order
            .forwards
            .iter()
            .map(Forward::uhyve_mapping)
            .chain(archives.uhyve_mappings(order))
            .collect(),
        tempdir: Some(scratch.to_owned()),
        // uhyve's own needs Landlock or panics; `confine` does what can be done.
        file_isolation: FileSandboxMode::None,
        output: Output::StdIo,
        env: EnvVars::Set(env),
        gdb_port: order.gdb.and_then(Port::number),
        // A debugger's breakpoints are to be right in the next run, too.
        aslr: order.memory_bytes <= RANDOM_PLACE_LIMIT_BYTES && order.gdb.is_none(),
        ..Params::default()
    })
}

/// The order's archives, open as long as the guest may use them.
#[derive(Default)]
pub struct Archives {
    preloads: Vec<File>,
    exports: Vec<File>,
}

impl Archives {
    /// Opens them; the error is a sentence.
    pub fn open(order: &Order) -> Result<Self, String> {
        let open = |archive: &Archive, options: &OpenOptions| {
            options.open(&archive.host).map_err(|error| {
                format!("the archive {} cannot be opened ({})", archive.name, describe(&error))
            })
        };
        let all = |archives: &[Archive], options: &OpenOptions| {
            archives.iter().map(|archive| open(archive, options)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Archives {
            preloads: all(&order.preloads, OpenOptions::new().read(true))?,
            exports: all(&order.exports, OpenOptions::new().write(true))?,
        })
    }

    /// The mappings by which uhyve opens them: by descriptor, whatever their paths are.
    fn uhyve_mappings(&self, order: &Order) -> Vec<String> {
        let of = |files: &[File], archives: &[Archive], use_| {
            let pairs = files.iter().zip(archives).enumerate();
            let mapping = |(number, (file, archive)): (usize, (&File, &Archive))| {
                let guest = archive.guest_path(use_, number);
                format!("/proc/self/fd/{}:{guest}", file.as_raw_fd())
            };
            pairs.map(mapping).collect::<Vec<_>>()
        };
        let preloads = of(&self.preloads, &order.preloads, "preload");
        [preloads, of(&self.exports, &order.exports, "export")].concat()
    }
}

/// An image as a file that has a path and no name in any directory.
fn as_file(image: &[u8]) -> io::Result<(OwnedFd, PathBuf)> {
    let file = memfd_create("anchorite-image", MFdFlags::MFD_CLOEXEC)?;
    let mut file = File::from(file);
    file.write_all(image)?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    Ok((file.into(), path))
}

/// A new directory, in memory if possible.
fn scratch_dir() -> io::Result<TempDir> {
    TempDir::with_prefix_in("anchorite-", "/dev/shm")
        .or_else(|_| TempDir::with_prefix("anchorite-"))
}

fn note_scratch(path: Option<PathBuf>) {
    // Poisoned only by a panic, which ends this process.
    if let Ok(mut scratch) = SCRATCH.lock() {
        *scratch = path;
    }
}

/// Keeps this process, from here on, to the forwarded directories and the archives, where the
/// host's kernel has Landlock; a guest is no more trusted than its user anyway.
pub fn confine(forwards: &[Forward], archives: &Archives) {
    let abi = ABI::V5;
    let confine = || -> Result<(), RulesetError> {
        let mut rules = Ruleset::default().handle_access(AccessFs::from_all(abi))?.create()?;
        for forward in forwards {
            let allowed = match forward.access {
                Access::ReadWrite => AccessFs::from_all(abi),
                Access::ReadOnly => AccessFs::from_read(abi),
            };
            if let Ok(directory) = PathFd::new(&forward.host) {
                rules = rules.add_rule(PathBeneath::new(directory, allowed))?;
            }
        }
        let reading = AccessFs::ReadFile;
        let writing = AccessFs::WriteFile | AccessFs::Truncate;
        for file in &archives.preloads {
            rules = rules.add_rule(PathBeneath::new(file, reading))?;
        }
        for file in &archives.exports {
            rules = rules.add_rule(PathBeneath::new(file, writing))?;
        }
        rules.restrict_self()?;
        Ok(())
    };
    if let Err(error) = confine() {
        log::warn!("Landlock: {error}");
    }
}

/// Ends this process because uhyve panicked, with a sentence about it.
fn end_by_panic(report: &str) -> ! {
    // A panicking thread's values are not dropped: the process ends here.
    if let Ok(scratch) = SCRATCH.try_lock()
        && let Some(path) = scratch.as_deref()
    {
        let _ = fs::remove_dir_all(path);
    }
    eprintln!("{report}");
    let sentence = match os_error(report) {
        Some(error) if report.contains("hypercall") => format!(
            "the host cannot write a file below a forwarded directory, or of --export ({}): make \
             room there and run it again",
            describe(&error)
        ),
        Some(error) => {
            format!("uhyve failed ({}): run it with --verbose to see where", describe(&error))
        }
        None => "uhyve failed: run it with --verbose to see where".to_owned(),
    };
    fail(&sentence)
}

/// The error in a panic's report, such as `Os { code: 28, kind: StorageFull, … }`.
fn os_error(report: &str) -> Option<io::Error> {
    let (_, rest) = report.split_once("code: ")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest[..digits].parse().ok().map(io::Error::from_raw_os_error)
}

/// Ends this process with a sentence for the user.
fn fail(sentence: &str) -> ! {
    let _ = io::stdout().flush();
    eprintln!("{SENTENCE_PREFIX}{sentence}");
    exit(STATUS_ISLE_FAILED)
}

/// Shows uhyve's warnings on standard error.
fn say_what_uhyve_logs() {
    struct Stderr;

    impl log::Log for Stderr {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            eprintln!("uhyve: {}", record.args());
        }

        fn flush(&self) {}
    }

    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_in_a_panics_report_is_found() {
        let report = "panicked at src/hypercall/mod.rs:164:77:\ncalled `Result::unwrap()` on an \
                      `Err` value: Os { code: 28, kind: StorageFull, message: \"No space left on \
                      device\" }";
        let error = os_error(report).expect("an error");
        assert_eq!(describe(&error), "No space left on device");
        assert!(os_error("index out of bounds").is_none());
    }
}
