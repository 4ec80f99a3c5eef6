//! Starts an isle's process and answers for it: its frames go to a [`Sink`], its
//! exit record is the result, and when none comes, the answer is one sentence
//! and never the monitor's own words.
//!
//! The isle's process gets the order as an argument, standard input if it is
//! hosted, and two pipes: frames on its standard output; the monitor's own words
//! on its standard error, which only `--verbose` shows. It dies with the launcher
//! ([`die_with_parent`]).

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};

use anchorite_interface::{Demux, Event, Kind, STATUS_ISLE_FAILED};
use nix::sys::signal::Signal;

use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::{HOSTED_COMMAND, QEMU_COMMAND, VMM_COMMAND};
use crate::order::{Order, Verbosity};
use crate::transfer::Transfer;

/// How a line of the isle's standard error begins that is a sentence for the user.
pub const SENTENCE_PREFIX: &str = "anchorite-isle: ";

/// How much of the monitor's own words is kept.
const KEPT_BYTES: usize = 64 * 1024;

/// Where a guest's output goes.
pub trait Sink {
    /// The program's standard output.
    fn stdout(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// The program's standard error.
    fn stderr(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// A line of the kernel's log, without its end.
    fn log(&mut self, line: &[u8]) -> io::Result<()>;
    /// What came so far should be seen now.
    fn flush(&mut self) -> io::Result<()>;
    /// The kernel is so far with something that takes long: bytes done, and in all or 0.
    fn progress(&mut self, _done: u64, _total: u64) {}
}

/// The launcher's own standard output and error.
#[derive(Default)]
pub struct Terminal {
    /// Until there is output.
    transfer: Option<Transfer>,
}

impl Sink for Terminal {
    fn stdout(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.transfer = None;
        io::stdout().write_all(bytes)
    }

    fn stderr(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.transfer = None;
        // In the order in which they came, where both are one terminal.
        io::stdout().flush()?;
        io::stderr().write_all(bytes)
    }

    fn log(&mut self, line: &[u8]) -> io::Result<()> {
        let mut text = line.to_vec();
        text.push(b'\n');
        self.stderr(&text)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }

    fn progress(&mut self, done: u64, total: u64) {
        // The kernel tells of archives only, and of those whose size is known it reads.
        let what = if total == 0 { "writing files" } else { "reading files" };
        self.transfer.get_or_insert_with(|| Transfer::late(what)).at(done, total);
    }
}

/// Keeps what a program says, for a caller who reads it afterwards; of each stream no more
/// than [`CAPTURED_BYTES`], however much a program complains.
#[derive(Default)]
pub struct Captured {
    /// The program's standard output.
    pub stdout: Vec<u8>,
    /// The program's standard error.
    pub stderr: Vec<u8>,
    /// The kernel's log, line by line.
    pub log: Vec<String>,
}

impl Sink for Captured {
    fn stdout(&mut self, bytes: &[u8]) -> io::Result<()> {
        keep(&mut self.stdout, bytes);
        Ok(())
    }

    fn stderr(&mut self, bytes: &[u8]) -> io::Result<()> {
        keep(&mut self.stderr, bytes);
        Ok(())
    }

    fn log(&mut self, line: &[u8]) -> io::Result<()> {
        self.log.push(String::from_utf8_lossy(line).into_owned());
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of a stream that [`Captured`] keeps.
const CAPTURED_BYTES: usize = 1 << 20;

fn keep(kept: &mut Vec<u8>, bytes: &[u8]) {
    let room = CAPTURED_BYTES.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..room]);
}

/// A command that is this very executable, even if its file was replaced since.
fn this_executable() -> Command {
    Command::new("/proc/self/exe")
}

/// Like [`this_executable`], for what never reads the terminal: an interrupt typed
/// there reaches the launcher alone, whose end is the child's too.
pub fn this_executable_apart() -> Command {
    let mut command = this_executable();
    command.process_group(0).stdin(Stdio::null());
    command
}

/// How a guest ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// The program's exit status.
    pub status: i32,
    /// Which of the order's exports are complete.
    pub exported: Vec<usize>,
}

/// Starts `order` in a process of its own, which `subcommand` makes of this
/// executable, and waits for its end.
pub fn run(subcommand: &str, order: &Order, sink: &mut dyn Sink) -> Result<End> {
    let json = serde_json::to_string(order)
        .map_err(|error| Failure::isle(format!("the isle's order cannot be written ({error})")))?;
    let mut command = match subcommand {
        HOSTED_COMMAND => this_executable(),
        _ => this_executable_apart(),
    };
    let mut child = command
        .args([subcommand, &std::process::id().to_string(), &json])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            Failure::isle(format!(
                "the isle's process cannot be started ({}): see whether /proc is mounted and \
                 processes are to be had",
                describe(&error)
            ))
        })?;
    let words = child.stderr.take().map(|pipe| listen(pipe, order.verbosity));
    let outcome = relay(&mut child, order, sink);

    // After the exit record nothing of use follows; without one the monitor is
    // at its end anyway. Not waiting for it to unmap memory saves milliseconds.
    let ended = match &outcome {
        Ok(Some(_)) | Err(_) => kill(&mut child),
        Ok(None) => child.wait(),
    };
    let words = words.and_then(|listener| listener.join().ok()).unwrap_or_default();
    match outcome {
        Ok(Some(end)) => Ok(end),
        Ok(None) => explain(subcommand, ended, &words),
        Err(failure) => Err(failure),
    }
}

/// For an isle's process: die when the launcher does.
pub fn die_with_parent(parent: &str) {
    let is_set = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).is_ok();
    // It may have died before that.
    if !is_set || nix::unistd::getppid().to_string() != parent {
        std::process::exit(STATUS_ISLE_FAILED);
    }
}

/// Passes on frames until the exit record or the end of the stream.
fn relay(child: &mut Child, order: &Order, sink: &mut dyn Sink) -> Result<Option<End>> {
    let Some(mut pipe) = child.stdout.take() else {
        return Ok(None);
    };
    let mut demux = Demux::default();
    let mut buffer = vec![0; 64 * 1024];
    let mut relay = Relay { order, sink, status: None, exported: Vec::new(), archive: None };
    while relay.status.is_none() {
        let len = match pipe.read(&mut buffer) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::output(error)),
        };
        if len == 0 {
            demux.finish(&mut |event| relay.deliver(event))?;
        } else {
            demux.push(&buffer[..len], &mut |event| relay.deliver(event))?;
        }
        relay.sink.flush().map_err(Failure::output)?;
        if len == 0 {
            break;
        }
    }
    let Relay { status, exported, .. } = relay;
    Ok(status.map(|status| End { status, exported }))
}

/// What frames lead to.
struct Relay<'a> {
    order: &'a Order,
    sink: &'a mut dyn Sink,
    status: Option<i32>,
    exported: Vec<usize>,
    /// The file of the archive that is on its way.
    archive: Option<File>,
}

impl Relay<'_> {
    fn deliver(&mut self, event: Event<'_>) -> Result<()> {
        if self.status.is_some() {
            // Nothing follows the exit record.
            return Ok(());
        }
        match event {
            Event::Frame(Kind::Stdout, bytes) => self.sink.stdout(bytes).map_err(Failure::output),
            Event::Frame(Kind::Stderr, bytes) => self.sink.stderr(bytes).map_err(Failure::output),
            Event::Frame(Kind::Log, line) => {
                self.sink.log(line.trim_ascii_end()).map_err(Failure::output)
            }
            Event::Frame(Kind::Exit, record) => {
                self.status = record.first_chunk().map(|bytes| i32::from_le_bytes(*bytes));
                Ok(())
            }
            Event::Frame(Kind::Progress, counts) => {
                if let [done, total] = counts.as_chunks().0 {
                    self.sink.progress(u64::from_le_bytes(*done), u64::from_le_bytes(*total));
                }
                Ok(())
            }
            Event::Frame(Kind::Archive, bytes) => self.keep(bytes),
            Event::Frame(Kind::Exported, number) => {
                let number = number.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
                self.exported.extend(number);
                self.archive = None;
                Ok(())
            }
            // The monitor's dump of a dying guest: its words, not the program's.
            Event::Noise(_) => Ok(()),
        }
    }

    /// Adds to the archive that is complete next.
    fn keep(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(target) = self.order.exports.get(self.exported.len()) else {
            return Err(Failure::isle("the guest exports what nobody asked for"));
        };
        let refuse = |error: io::Error| {
            Failure::isle(format!(
                "the host cannot write a file of --export ({}): make room there and run it again",
                describe(&error)
            ))
        };
        let mut file = match self.archive.take() {
            Some(file) => file,
            None => OpenOptions::new().write(true).open(&target.host).map_err(refuse)?,
        };
        file.write_all(bytes).map_err(refuse)?;
        self.archive = Some(file);
        Ok(())
    }
}

/// Collects the monitor's own words; shows them as they come if asked to.
fn listen(mut pipe: ChildStderr, verbosity: Verbosity) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = pipe.read(&mut buffer) {
            if verbosity == Verbosity::Log {
                let _ = io::stderr().write_all(&buffer[..len]);
            }
            kept.extend_from_slice(&buffer[..len]);
            let excess = kept.len().saturating_sub(KEPT_BYTES);
            kept.drain(..excess);
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

/// What to say about an isle that ended without an exit record.
fn explain(subcommand: &str, ended: io::Result<ExitStatus>, words: &str) -> Result<End> {
    let told = words.lines().rev().find_map(|line| line.strip_prefix(SENTENCE_PREFIX));
    if let Some(sentence) = told {
        return Err(Failure::isle(sentence));
    }
    let signal = ended.ok().and_then(|status| status.signal());
    // What QEMU says when it cannot go on.
    let qemus = words.lines().rev().find_map(|line| {
        let (name, said) = line.split_once(": ")?;
        let is_its_end = name.contains("qemu") && !said.starts_with("warning:");
        (subcommand == QEMU_COMMAND && is_its_end).then_some(said.trim())
    });
    if let Some(said) = qemus {
        return Err(Failure::isle(format!(
            "QEMU cannot run the virtual machine ({said}): see whether the host has memory and \
             cores for it, and QEMU all of its parts"
        )));
    }
    match (subcommand, signal) {
        (VMM_COMMAND | QEMU_COMMAND, Some(signal)) => Err(Failure::isle(format!(
            "the virtual machine was killed by {}: if the host is short of memory take less \
             --memory, else run it again",
            signal_name(signal)
        ))),
        (VMM_COMMAND | QEMU_COMMAND, None) => Err(Failure::isle(
            "the guest stopped without an exit record, most likely by a triple fault: run it with \
             --verbose to see what its kernel last said",
        )),
        (_, Some(signal)) => Err(Failure::new(
            u8::try_from(128 + signal).unwrap_or(STATUS_ISLE_FAILED as u8),
            format!(
                "the program was ended by {}: run it on the isle uhyve to see where",
                signal_name(signal)
            ),
        )),
        (_, None) => Err(Failure::isle(
            "the hosted program stopped without an exit record: run it with --verbose",
        )),
    }
}

fn signal_name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |s| s.to_string())
}

fn kill(child: &mut Child) -> io::Result<ExitStatus> {
    // It may be gone already.
    let _ = child.kill();
    child.wait()
}
