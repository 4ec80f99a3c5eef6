//! The command `mount`: a ramdisk at a directory of the host, empty or with the files of archives,
//! until it is unmounted or the process is interrupted.

use std::collections::TryReserveError;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;

use anchorite_archive::{decompress, is_compressed};
use anchorite_fs::check::Report;
use anchorite_fs::{AccessTime, Caller, Credentials, Limits, Ramdisk, Timestamp};
use anchorite_syscalls::OnDamage;
use anchorite_syscalls::preload::fill;
use anyhow::{Context, Result, bail};
use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};
use nix::mount::{MntFlags, umount2};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{geteuid, getgid, getuid};

use crate::fuse::{Caching, Daemon};
use crate::programs::find_on_path;
use crate::size::{Size, memory_bytes};

/// Threads that serve requests at most.
const MAX_THREADS: usize = 8;
/// Permissions of the root directory, as tmpfs has them.
const ROOT_MODE: u32 = 0o1777;

/// What to mount, and where.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Directory to mount on
    pub dir: PathBuf,
    /// Room for file data: bytes, with k, m, g or t behind the number, or a percentage
    /// of the memory; 0 is no limit
    #[arg(long, value_name = "SIZE", default_value = "50%")]
    pub size: Size,
    /// Begin with the files of ARCHIVE: tar or cpio, plain or compressed by gzip or zstd; may be
    /// repeated
    #[arg(long, value_name = "ARCHIVE")]
    pub preload: Vec<PathBuf>,
    /// Ask the ramdisk for every read, instead of the kernel's page cache
    #[arg(long)]
    pub direct_io: bool,
    /// End when the process ends that started this one
    #[arg(long, hide = true)]
    pub end_with_parent: bool,
}

/// Mounts, says so in one line, and serves until the end. Then the ramdisk is checked; the
/// process ends with status 0 if it is whole.
///
/// # Errors
/// Each is one sentence, with a remedy where there is one.
pub fn run(options: &Options) -> Result<()> {
    if options.end_with_parent {
        set_pdeathsig(Signal::SIGTERM).context("cannot ask for the parent's end")?;
    }
    check_directory(&options.dir)?;
    check_host()?;
    raise_descriptor_limit();
    let caching = if options.direct_io { Caching::Direct } else { Caching::PageCache };
    // fuser unmounts the path once more when a session is over, which could hit another
    // mount that is there by then. So the process ends where the session does.
    let at_end = |checked| std::process::exit(status(checked, &mut io::stderr()));
    let ramdisk = ramdisk(options.size)?;
    for archive in &options.preload {
        preload(&ramdisk, archive)
            .with_context(|| format!("cannot begin with the files of {}", archive.display()))?;
    }
    let daemon = Daemon::new(ramdisk, caching, Box::new(at_end));
    let dir = options.dir.display();
    let mut session = Session::new(daemon, &options.dir, &config()).map_err(explain)?;
    let absolute = options.dir.canonicalize()?;
    end_at_panic(absolute.clone());
    let unmounter = session.unmount_callable();
    set_handler(Interrupted { dir: absolute, unmounter, before: AtomicBool::new(false) })?;
    // Whoever started this may not care to listen.
    let _ = writeln!(io::stdout(), "mounted on {dir}; unmount with `umount {dir}`");
    session.run().with_context(|| format!("the mount on {dir} ended"))
}

/// The status that the process ends with; what is wrong is told.
fn status(checked: anchorite_fs::Result<Report>, errors: &mut impl Write) -> i32 {
    // Whoever started this may not care to listen.
    let _ = match &checked {
        Ok(report) if report.problems.is_empty() => return 0,
        Ok(report) => {
            writeln!(
                errors,
                "the ramdisk was not whole when it was unmounted: please report\n{report}"
            )
        }
        Err(errno) => writeln!(errors, "the ramdisk could not be checked at the end: {errno}"),
    };
    1
}

fn ramdisk(size: Size) -> Result<Ramdisk> {
    let memory = memory_bytes()?;
    let limits = Limits { size_bytes: size.bytes(memory), ..Limits::of_memory(memory) };
    let credentials = Credentials { uid: getuid().into(), gid: getgid().into(), groups: vec![] };
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let now = Timestamp::new(since.as_secs() as i64, since.subsec_nanos());
    let caller = Caller::new(&credentials, now);
    let seed = u64::from(std::process::id()) << 32 | u64::from(since.subsec_nanos());
    Ramdisk::new(&caller, ROOT_MODE, limits, 1, seed).context("cannot make the ramdisk")
}

/// Fills the ramdisk from an archive, which stays in memory as long as a file refers to it.
fn preload(ramdisk: &Ramdisk, archive: &Path) -> Result<()> {
    let mut bytes = std::fs::read(archive)?;
    if is_compressed(&bytes) {
        let mut unpacked = Vec::new();
        let unpacking = decompress(&bytes, memory_bytes()?, &mut |piece: &[u8]| {
            unpacked.try_reserve(piece.len())?;
            unpacked.extend_from_slice(piece);
            Ok::<_, TryReserveError>(())
        });
        unpacking?;
        bytes = unpacked;
    }
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let now = Timestamp::new(since.as_secs() as i64, since.subsec_nanos());
    let credentials = Credentials::default();
    let caller = Caller { access_time: AccessTime::Keep, ..Caller::new(&credentials, now) };
    let loan = ramdisk.borrow(Box::new(bytes)).context("there is no memory for it")?;
    fill(&caller, ramdisk.root().clone(), &loan, OnDamage::Stop)?;
    Ok(())
}

fn config() -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("anchorite".into()),
        MountOption::DefaultPermissions,
        MountOption::Dev,
        MountOption::Suid,
    ];
    config.acl = SessionACL::All;
    // With one thread, a request that waits would hold all others up.
    config.n_threads = Some(available_parallelism().map_or(2, |n| n.get().clamp(2, MAX_THREADS)));
    config.clone_fd = true;
    config
}

fn check_directory(dir: &Path) -> Result<()> {
    let shown = dir.display();
    match dir.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => bail!("{shown} is not a directory"),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{shown} does not exist: make it with `mkdir {shown}`")
        }
        Err(error) if error.kind() == ErrorKind::NotConnected => {
            bail!("{shown} is a mount whose daemon is gone: end it with `umount {shown}`")
        }
        Err(error) => bail!("cannot mount on {shown}: {error}"),
    }
}

/// Whether this host can mount.
///
/// # Errors
/// What is missing, with the remedy.
pub fn check_host() -> Result<()> {
    let device = "/dev/fuse";
    if let Err(error) = OpenOptions::new().read(true).write(true).open(device) {
        match error.kind() {
            ErrorKind::NotFound => {
                bail!("{device} is missing: `apt-get install fuse3`, then `modprobe fuse`")
            }
            ErrorKind::PermissionDenied => bail!("{device} is not yours to open: run as root"),
            _ => bail!("cannot open {device}: {error}"),
        }
    }
    // Only root mounts without the helper.
    if !geteuid().is_root() && find_on_path("fusermount3").is_none() {
        bail!("fusermount3 is missing: `apt-get install fuse3`");
    }
    Ok(())
}

fn explain(error: io::Error) -> anyhow::Error {
    let text = error.to_string();
    if text.contains("user_allow_other") {
        let remedy = "write the line `user_allow_other` into /etc/fuse.conf, or run as root";
        return anyhow::anyhow!("fusermount3 lets only root share a mount with others: {remedy}");
    }
    anyhow::anyhow!("cannot mount: {}", text.trim_end())
}

/// Each serving thread holds a descriptor of its own, and the limit is whatever was in
/// force where this was started.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Not being allowed to is no reason not to mount.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// A thread that panics leaves its request unanswered, and whoever made it would wait for
/// good. When the process ends, all requests fail.
fn end_at_panic(dir: PathBuf) {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        tell(info);
        let _ = umount2(&dir, MntFlags::MNT_DETACH);
        std::process::exit(101);
    }));
}

/// What SIGINT, SIGTERM and SIGHUP do.
struct Interrupted {
    dir: PathBuf,
    unmounter: SessionUnmounter,
    before: AtomicBool,
}

impl Interrupted {
    fn end(&mut self) {
        if self.before.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        if self.unmounter.unmount().is_ok() {
            return;
        }
        let dir = self.dir.display();
        match umount2(&self.dir, MntFlags::MNT_DETACH) {
            Ok(()) => eprintln!("{dir} is in use: ends with the last use, or with another Ctrl-C"),
            Err(errno) => eprintln!("cannot unmount {dir}: {errno}; another Ctrl-C ends it"),
        }
    }
}

fn set_handler(mut interrupted: Interrupted) -> Result<()> {
    ctrlc::set_handler(move || interrupted.end()).context("cannot catch Ctrl-C")
}

#[cfg(test)]
mod tests {
    use anchorite_fs::Errno;
    use anchorite_fs::check::Problem;

    use super::*;

    #[test]
    fn a_ramdisk_that_is_not_whole_is_told_and_is_a_status() {
        let told = |checked| {
            let mut errors = Vec::new();
            (status(checked, &mut errors), String::from_utf8(errors).unwrap())
        };
        assert_eq!(told(Ok(Report::default())), (0, String::new()));
        let problems = vec![Problem::Inodes { charged: 5, found: 4 }];
        let (status, errors) = told(Ok(Report { problems, ..Report::default() }));
        assert_eq!(status, 1);
        assert!(errors.ends_with("1 problem\nthe quota counts 5 inodes, but 4 were found\n"));
        let (status, errors) = told(Err(Errno::ENOMEM));
        assert_eq!(status, 1);
        assert!(errors.contains("could not be checked"), "{errors}");
    }
}
