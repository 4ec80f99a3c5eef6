//! The isle hosted, from inside: a process of this host that runs a program's
//! portable part over the same call layer and ramdisk, and speaks to the launcher
//! as a guest does.
//!
//! [`main`] is the hidden subcommand's. [`Process`] is the ground under the call
//! layer, [`HostDir`] the files below one forwarded directory.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString};
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::exit;
use std::sync::{Arc, Mutex, OnceLock};
use std::{mem, panic, thread};

use anchorite_interface::{Kind, MAX_PAYLOAD_BYTES, STATUS_ISLE_FAILED, STATUS_PANIC, header};
use anchorite_programs::Context;
use anchorite_syscalls::{
    Errno, Exported, HostFd, HostFiles, Limits, MountSpec, OnDamage, Platform, PreloadError,
    Preloaded, Result, Stream, System, c, declare_alone, hosted,
};
use libc::timespec;

use crate::archive::Archive;
use crate::forward::{Access, Forward, describe};
use crate::order::{Damaged, Order, Verbosity};
use crate::programs;
use crate::supervise::{SENTENCE_PREFIX, die_with_parent};
use crate::vmm::{self, Archives};

/// How much of an archive is gathered for one write.
const EXPORT_PIECE_BYTES: usize = 1 << 20;

/// Runs the order that the launcher `parent` gives as JSON, and never returns.
pub fn main(parent: &str, order: &str) -> ! {
    die_with_parent(parent);
    let order: Order = match serde_json::from_str(order) {
        Ok(order) => order,
        Err(error) => fail(&format!("the isle's order cannot be read ({error})")),
    };
    let Some(program) = programs::find(&order.program) else {
        fail(&format!("there is no program `{}`", order.program));
    };
    panic::set_hook(Box::new(|info| {
        let _ = send(Kind::Stderr, format!("{info}\n").as_bytes());
        end(STATUS_PANIC)
    }));
    if order.verbosity == Verbosity::Log {
        let line = format!("hosted: {} starts in process {}", program.name, std::process::id());
        let _ = send(Kind::Log, line.as_bytes());
    }

    // SAFETY: no thread of this process but this one uses the call layer, until it starts one.
    unsafe { declare_alone() };
    // The first thread that asks is number 1.
    hosted::thread_id();
    let limits = Limits::of_memory(order.memory_bytes);
    let sys: &'static System = match System::new(Arc::new(Process { cores: order.cpus }), limits) {
        Ok(sys) => Box::leak(Box::new(sys)),
        Err(errno) => fail(&format!("the ramdisk cannot be made ({errno}): take more --memory")),
    };
    for word in &order.mounts {
        let refused = |why: &dyn Display| -> ! {
            fail(&format!("--mount {}: {why}", word.bytes().escape_ascii()))
        };
        match MountSpec::parse(word.bytes()) {
            Ok(spec) => sys.mount_as(&spec).unwrap_or_else(|errno| refused(&errno.message())),
            Err(error) => refused(&error),
        }
    }
    for archive in &order.preloads {
        preload(sys, archive, order.damaged);
    }
    for forward in &order.forwards {
        let mounted = HostDir::open(forward).and_then(|host| {
            let (dir, host) = (forward.guest.as_bytes(), Arc::new(host));
            match forward.access {
                Access::ReadWrite => sys.mount_host(dir, host),
                Access::ReadOnly => sys.mount_host_read_only(dir, host),
            }
        });
        if let Err(errno) = mounted {
            fail(&format!(
                "{} cannot be forwarded to {} ({errno}): see whether it can be read",
                forward.host.display(),
                forward.guest
            ));
        }
    }
    let mut exports = Exports { sys, archives: Vec::new() };
    for archive in &order.exports {
        match OpenOptions::new().write(true).open(&archive.host) {
            Ok(file) => exports.archives.push((archive.clone(), file)),
            Err(error) => fail(&format!(
                "the archive {} cannot be opened ({})",
                archive.name,
                describe(&error)
            )),
        }
    }
    if !exports.archives.is_empty() {
        let _ = EXPORTS.set(exports);
    }
    vmm::confine(&order.forwards, &Archives::default());

    if let Err(errno) = sys.furnish() {
        fail(&format!("/dev and /proc cannot be made ({errno}): take more --memory"));
    }
    if let Err(errno) = c::install(sys) {
        fail(&format!("the calls for C cannot be given a process ({errno})"));
    }

    let mut args = vec![order.program.as_bytes()];
    args.extend(order.args.iter().map(|arg| arg.bytes()));
    if let Err(errno) = sys.set_program(&args) {
        fail(&format!("the program's arguments cannot be kept ({errno}): take more --memory"));
    }
    let env: Vec<Vec<u8>> = order
        .env
        .iter()
        .map(|variable| [variable.name.bytes(), b"=", variable.value.bytes()].concat())
        .collect();
    let env: Vec<&[u8]> = env.iter().map(Vec::as_slice).collect();
    let status = (program.main)(&Context { sys, args: &args, env: &env });
    sys.exit_group(status)
}

/// Fills a directory from an archive, which is read into this process' memory: a file that is
/// mapped and then made shorter by somebody would end it.
fn preload(sys: &System, archive: &Archive, damaged: Damaged) {
    let Archive { host, name, dir } = archive;
    let bytes = fs::read(host).unwrap_or_else(|error| {
        fail(&format!("the archive {name}: it cannot be read ({})", describe(&error)))
    });
    let on_damage = match damaged {
        Damaged::Refused => OnDamage::Stop,
        Damaged::Skipped => OnDamage::Skip,
    };
    match sys.preload(dir.as_bytes(), Box::new(bytes), on_damage) {
        Ok(Preloaded { skipped, first_skipped, .. }) => {
            if let Some(first) = first_skipped {
                let line = format!(
                    "anchorite: the archive {name}: {skipped} of its entries are damaged and left \
                     out, the first: {first}\n"
                );
                let _ = send(Kind::Stderr, line.as_bytes());
            }
        }
        Err(error) => {
            let remedy = match error {
                PreloadError::Directory(_) => "choose another directory",
                PreloadError::Damage(_) => {
                    "make it anew, or have --preload-lenient leave out what is damaged"
                }
                PreloadError::Room(..) => "give it more with --memory",
            };
            fail(&format!("cannot start: the archive {name}: {error}; {remedy}"))
        }
    }
}

/// What is written when the program ends.
struct Exports {
    sys: &'static System,
    /// Each with its file.
    archives: Vec<(Archive, File)>,
}

static EXPORTS: OnceLock<Exports> = OnceLock::new();

/// Writes what is to be written, for the first thread that ends the process; others wait here
/// for its end. A failure ends the process too.
fn export_at_end() {
    static BEGUN: Mutex<()> = Mutex::new(());
    let Some(exports) = EXPORTS.get() else {
        return;
    };
    // Never given back.
    mem::forget(BEGUN.lock());
    for (number, (archive, file)) in (0u32..).zip(&exports.archives) {
        match export(exports.sys, archive, file) {
            Ok(Exported { sockets, .. }) => {
                if sockets > 0 {
                    let dir = &archive.dir;
                    let line = format!(
                        "anchorite: {dir}: {sockets} sockets are left out of the archive\n"
                    );
                    let _ = send(Kind::Stderr, line.as_bytes());
                }
                let _ = send(Kind::Exported, &number.to_le_bytes());
            }
            Err(why) => fail(&format!(
                "the files below {} cannot be exported: {why}; the archive is not written",
                archive.dir
            )),
        }
    }
}

/// Writes one archive; the error is a clause.
fn export(sys: &System, archive: &Archive, file: &File) -> std::result::Result<Exported, String> {
    let mut out = BufWriter::with_capacity(EXPORT_PIECE_BYTES, file);
    let mut refusal = None;
    let mut write = |bytes: &[u8]| {
        out.write_all(bytes).map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            refusal = Some(error);
            errno
        })
    };
    let exported = sys.export(archive.dir.as_bytes(), &mut write);
    let flushed = out.flush();
    match (refusal, exported, flushed) {
        (Some(error), ..) | (None, Ok(_), Err(error)) => Err(describe(&error)),
        (None, Err(error), _) => Err(error.to_string()),
        (None, Ok(exported), Ok(())) => Ok(exported),
    }
}

/// A host process as the ground under the call layer.
struct Process {
    /// Cores that it was ordered; threads are pinned while the host has as many.
    cores: u32,
}

impl Platform for Process {
    fn user_memory(&self) -> &[Range<usize>] {
        // Programs here call the system by its typed interface; raw pointers
        // would be the host's.
        &[]
    }

    fn write_console(&self, stream: Stream, bytes: &[u8]) -> Result<()> {
        let kind = match stream {
            Stream::Stdout => Kind::Stdout,
            Stream::Stderr => Kind::Stderr,
        };
        send(kind, bytes).map_err(|_| Errno::EIO)
    }

    fn read_console(&self, buf: &mut [u8]) -> Result<usize> {
        io::stdin().read(buf).map_err(|_| Errno::EIO)
    }

    fn realtime(&self) -> timespec {
        clock(libc::CLOCK_REALTIME)
    }

    fn monotonic(&self) -> timespec {
        clock(libc::CLOCK_MONOTONIC)
    }

    fn fill_random(&self, buf: &mut [u8]) -> Result<()> {
        let mut filled = 0;
        while filled < buf.len() {
            let rest = &mut buf[filled..];
            // SAFETY: `rest` is valid for writes of its length.
            let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
            match check(got as i64) {
                Ok(got) => filled += got as usize,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn yield_now(&self) {
        thread::yield_now();
    }

    fn thread_id(&self) -> u32 {
        hosted::thread_id()
    }

    fn cores(&self) -> u32 {
        self.cores
    }

    fn core(&self) -> u32 {
        hosted::core()
    }

    fn spawn(&self, core: u32, run: Box<dyn FnOnce() + Send>) -> Result<u32> {
        hosted::spawn(self.cores, core, run)
    }

    fn join(&self, thread: u32) -> Result<()> {
        hosted::join(thread)
    }

    fn park(&self) {
        hosted::park();
    }

    fn unpark(&self, thread: u32) {
        hosted::unpark(thread);
    }

    fn exit(&self, status: i32) -> ! {
        export_at_end();
        end(status)
    }
}

/// The files below one forwarded directory.
struct HostDir {
    /// Where the guest sees it, such as `/host`.
    guest: Vec<u8>,
    /// The directory.
    root: OwnedFd,
}

impl HostDir {
    fn open(forward: &Forward) -> Result<Self> {
        let path = forward.host.to_string_lossy().into_owned();
        let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
        let flags = nix::fcntl::OFlag::O_DIRECTORY | nix::fcntl::OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(path.as_c_str(), flags, nix::sys::stat::Mode::empty())
            .map_err(|error| Errno::from_raw(error as i32))?;
        Ok(HostDir { guest: forward.guest.clone().into_bytes(), root })
    }

    /// The path relative to the directory; ENOENT outside it.
    fn relative(&self, path: &CStr) -> Result<CString> {
        let rest = path
            .to_bytes()
            .strip_prefix(self.guest.as_slice())
            .filter(|rest| rest.first().is_none_or(|&byte| byte == b'/'))
            .ok_or(Errno::ENOENT)?;
        let from = rest.iter().position(|&byte| byte != b'/').unwrap_or(rest.len());
        let rest = match &rest[from..] {
            [] => b".",
            rest => rest,
        };
        CString::new(rest).map_err(|_| Errno::EINVAL)
    }

    fn stat_at(&self, path: &CStr, flags: i32) -> Result<libc::stat> {
        let path = self.relative(path)?;
        // SAFETY: all-zero bytes are a valid `stat`.
        let mut stat: libc::stat = unsafe { mem::zeroed() };
        // SAFETY: `path` ends in NUL and `stat` is valid for writes.
        let done = unsafe { libc::fstatat(self.root.as_raw_fd(), path.as_ptr(), &mut stat, flags) };
        check(done.into()).map(|_| stat)
    }
}

impl HostFiles for HostDir {
    fn open(&self, path: &CStr, flags: i32, mode: u32) -> Result<HostFd> {
        let path = self.relative(path)?;
        let flags = flags | libc::O_CLOEXEC;
        // SAFETY: `path` ends in NUL.
        let fd = unsafe { libc::openat(self.root.as_raw_fd(), path.as_ptr(), flags, mode) };
        check(fd.into()).map(|fd| HostFd(fd as i32))
    }

    unsafe fn read(&self, fd: HostFd, buf: *mut u8, len: usize) -> Result<usize> {
        // SAFETY: `buf` is valid for writes of `len` bytes, by the caller.
        let got = unsafe { libc::read(fd.0, buf.cast(), len) };
        check(got as i64).map(|got| got as usize)
    }

    unsafe fn write(&self, fd: HostFd, buf: *const u8, len: usize) -> Result<usize> {
        // SAFETY: `buf` is valid for reads of `len` bytes, by the caller.
        let put = unsafe { libc::write(fd.0, buf.cast(), len) };
        check(put as i64).map(|put| put as usize)
    }

    fn lseek(&self, fd: HostFd, offset: i64, whence: i32) -> Result<u64> {
        // SAFETY: no memory is involved.
        let at = unsafe { libc::lseek(fd.0, offset, whence) };
        check(at).map(|at| at as u64)
    }

    fn close(&self, fd: HostFd) -> Result<()> {
        // SAFETY: the call layer closes only what `open` here returned, once.
        let done = unsafe { libc::close(fd.0) };
        check(done.into()).map(drop)
    }

    fn unlink(&self, path: &CStr) -> Result<()> {
        let path = self.relative(path)?;
        // SAFETY: `path` ends in NUL.
        let done = unsafe { libc::unlinkat(self.root.as_raw_fd(), path.as_ptr(), 0) };
        check(done.into()).map(drop)
    }

    fn mkdir(&self, path: &CStr, mode: u32) -> Result<()> {
        let path = self.relative(path)?;
        // SAFETY: `path` ends in NUL.
        let done = unsafe { libc::mkdirat(self.root.as_raw_fd(), path.as_ptr(), mode) };
        check(done.into()).map(drop)
    }

    fn stat(&self, path: &CStr) -> Result<libc::stat> {
        self.stat_at(path, 0)
    }

    fn lstat(&self, path: &CStr) -> Result<libc::stat> {
        self.stat_at(path, libc::AT_SYMLINK_NOFOLLOW)
    }

    fn fstat(&self, fd: HostFd) -> Result<libc::stat> {
        // SAFETY: all-zero bytes are a valid `stat`.
        let mut stat: libc::stat = unsafe { mem::zeroed() };
        // SAFETY: `stat` is valid for writes.
        let done = unsafe { libc::fstat(fd.0, &mut stat) };
        check(done.into()).map(|_| stat)
    }

    fn getdents64(&self, fd: HostFd, buf: &mut [u8]) -> Result<usize> {
        // SAFETY: `buf` is valid for writes of its length.
        let got = unsafe { libc::syscall(libc::SYS_getdents64, fd.0, buf.as_mut_ptr(), buf.len()) };
        check(got).map(|got| got as usize)
    }
}

/// What a call returned, or the host's errno.
fn check(returned: i64) -> Result<i64> {
    if returned >= 0 {
        return Ok(returned);
    }
    let errno = io::Error::last_os_error().raw_os_error();
    Err(errno.map_or(Errno::EIO, Errno::from_raw))
}

fn clock(id: libc::clockid_t) -> timespec {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writes. Both clocks exist on every Linux, so the
    // call cannot fail.
    unsafe { libc::clock_gettime(id, &mut now) };
    now
}

/// Sends `bytes` to the launcher, as frames that no other thread interrupts.
fn send(kind: Kind, bytes: &[u8]) -> io::Result<()> {
    let mut message = Vec::with_capacity(bytes.len() + 64);
    for payload in bytes.chunks(MAX_PAYLOAD_BYTES) {
        message.extend_from_slice(&header(kind, payload.len() as u32));
        message.extend_from_slice(payload);
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(&message)?;
    stdout.flush()
}

/// Ends this process with the exit record.
fn end(status: i32) -> ! {
    let _ = send(Kind::Exit, &status.to_le_bytes());
    exit(0)
}

/// Ends this process with a sentence for the user.
fn fail(sentence: &str) -> ! {
    eprintln!("{SENTENCE_PREFIX}{sentence}");
    exit(STATUS_ISLE_FAILED)
}
