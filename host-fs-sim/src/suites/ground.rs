//! [`Ground`]: a file system, mounted fresh for a suite to run on.

use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{Pid, User, chown};

use crate::fuse::Caching;
use crate::programs::wait_through_interrupt;

/// How long mounting, unmounting and the daemon's end may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a mount is looked for.
const TICK: Duration = Duration::from_millis(20);

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The ramdisk, through FUSE.
    Ramdisk(Caching),
    /// The host's tmpfs behind a FUSE file system that passes everything on, to tell
    /// what FUSE itself causes.
    PassThrough,
    /// The host's tmpfs, for comparison.
    Tmpfs,
}

impl Kind {
    /// All of them: what is tested, then what it is compared with.
    pub const ALL: [Kind; 4] = [
        Kind::Ramdisk(Caching::PageCache),
        Kind::Ramdisk(Caching::Direct),
        Kind::PassThrough,
        Kind::Tmpfs,
    ];

    /// Whether it is only there to compare with.
    pub fn is_comparison(self) -> bool {
        !matches!(self, Kind::Ramdisk(_))
    }

    /// As tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ramdisk(Caching::PageCache) => "ramdisk",
            Kind::Ramdisk(Caching::Direct) => "ramdisk, direct I/O",
            Kind::PassThrough => "tmpfs through bindfs",
            Kind::Tmpfs => "tmpfs",
        }
    }
}

/// The program behind [`Kind::PassThrough`]. It is Debian's; a check of permissions is the
/// kernel's there too, and owners are those of the callers.
pub const PASS_THROUGH: &str = "bindfs";

/// A mount in a directory of its own. Dropping it ends it, whatever state it is in, and
/// leaves nothing mounted.
pub struct Ground {
    dir: PathBuf,
    daemon: Option<Child>,
    /// The tmpfs behind a pass-through.
    behind: Option<Bound>,
}

impl Ground {
    /// Mounts a file system of `size`, as `mount -o size=` reads it. `program` is
    /// `host-fs-sim`.
    ///
    /// # Errors
    /// What hinders the mount, in the words of the program that tried.
    pub fn new(kind: Kind, program: &Path, size: &str) -> Result<Ground> {
        let mut ground = Ground { dir: new_directory()?, daemon: None, behind: None };
        match kind {
            Kind::Tmpfs => mount_tmpfs(&ground.dir, size)?,
            Kind::PassThrough => ground.start_pass_through(size)?,
            Kind::Ramdisk(caching) => ground.start_daemon(caching, program, size)?,
        }
        Ok(ground)
    }

    /// Where it is mounted.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A new directory on it that all users may enter.
    ///
    /// # Errors
    /// Those of `mkdir(2)`.
    pub fn make_directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))?;
        Ok(path)
    }

    /// As [`Ground::make_directory`], for `user` to write to.
    ///
    /// # Errors
    /// Those of `mkdir(2)` and `chown(2)`.
    pub fn make_directory_of(&self, name: &str, user: &User) -> Result<PathBuf> {
        let path = self.make_directory(name)?;
        chown(&path, Some(user.uid), Some(user.gid))?;
        Ok(path)
    }

    /// The daemon's process, if there is one.
    pub fn daemon_pid(&self) -> Option<Pid> {
        self.daemon.as_ref().map(|daemon| Pid::from_raw(daemon.id() as i32))
    }

    /// Kills the daemon: each request that waits for it fails at once, and so does each
    /// one after.
    pub fn kill_daemon(&mut self) {
        if let Some(daemon) = &mut self.daemon {
            // An error means that it is gone already.
            let _ = daemon.kill();
        }
    }

    /// Unmounts, and sees that the daemon ends well.
    ///
    /// # Errors
    /// The mount is still in use, or the daemon fails or stays.
    pub fn end(mut self) -> Result<()> {
        let dir = self.dir.clone();
        // A process of its own: unmounting may wait for a daemon that hangs.
        let mut umount = Command::new("umount").arg(&dir).stdin(Stdio::null()).spawn()?;
        match wait_through_interrupt(&mut umount, PATIENCE)? {
            Some(status) if status.success() => {}
            Some(_) => bail!("cannot unmount {}", dir.display()),
            None => {
                self.kill_daemon();
                bail!("unmounting {} took too long", dir.display());
            }
        }
        if let Some(daemon) = &mut self.daemon {
            match wait_through_interrupt(daemon, PATIENCE)? {
                Some(status) if status.success() => {}
                Some(status) => bail!("the daemon ended with {status}"),
                None => bail!("the daemon did not end after `umount`"),
            }
        }
        Ok(())
    }

    fn start_pass_through(&mut self, size: &str) -> Result<()> {
        let behind = Bound { dir: new_directory()? };
        mount_tmpfs(&behind.dir, size)?;
        let mut command = Command::new(PASS_THROUGH);
        // One thread, as bindfs would have it: with more, new files belong to root for a
        // moment. And nothing is kept by the kernel: bindfs has an inode for each name, so
        // of two links one would be out of date.
        command.args(["-f", "-o", "dev,suid,attr_timeout=0,entry_timeout=0"]);
        command.arg(&behind.dir).arg(&self.dir);
        self.behind = Some(behind);
        let outside = fs::metadata(&self.dir)?.dev();
        command.stdin(Stdio::null()).process_group(0);
        let daemon = command.spawn().with_context(|| format!("cannot start {PASS_THROUGH}"))?;
        let daemon = self.daemon.insert(daemon);
        let start = Instant::now();
        while fs::metadata(&self.dir)?.dev() == outside {
            if let Some(status) = wait_through_interrupt(daemon, TICK)? {
                bail!("{PASS_THROUGH} did not mount: {status}");
            }
            ensure!(start.elapsed() < PATIENCE, "{PASS_THROUGH} did not mount in time");
        }
        Ok(())
    }

    fn start_daemon(&mut self, caching: Caching, program: &Path, size: &str) -> Result<()> {
        let mut command = Command::new(program);
        command.arg("mount").arg(&self.dir).args(["--size", size, "--end-with-parent"]);
        if caching == Caching::Direct {
            command.arg("--direct-io");
        }
        let errors = self.dir.with_extension("errors");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&errors)?);
        // Ctrl-C is for the one who started this; it unmounts in order.
        let mut child = command.process_group(0).spawn().context("cannot start the daemon")?;
        let stdout = child.stdout.take().context("the daemon has no output")?;
        self.daemon = Some(child);
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            // Nobody listens any more when the time is up.
            let _ = sender.send(read.map(|_| line));
        });
        let told = receiver.recv_timeout(PATIENCE);
        let text = fs::read_to_string(&errors).unwrap_or_default();
        fs::remove_file(&errors)?;
        match told {
            Ok(Ok(line)) if line.starts_with("mounted on ") => Ok(()),
            Ok(_) => bail!("the daemon did not mount: {}", text.trim_end()),
            Err(_) => bail!("the daemon did not mount in time"),
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.kill_daemon();
        if let Some(daemon) = &mut self.daemon {
            let _ = wait_through_interrupt(daemon, PATIENCE);
        }
        // An error means that it is not mounted, as after `end`.
        let _ = umount2(&self.dir, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.dir);
    }
}

fn mount_tmpfs(dir: &Path, size: &str) -> Result<()> {
    let options = format!("size={size}");
    mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))
        .context("cannot mount tmpfs")
}

/// A directory that something may be mounted on. Dropping it unmounts and removes it.
pub struct Bound {
    dir: PathBuf,
}

impl Bound {
    /// The tree of `source`, at a place that all users can reach.
    ///
    /// # Errors
    /// Those of `mount(2)`.
    pub fn new(source: &Path) -> Result<Bound> {
        let bound = Bound { dir: new_directory()? };
        mount(Some(source), &bound.dir, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .with_context(|| format!("cannot bind {}", source.display()))?;
        Ok(bound)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = umount2(&self.dir, MntFlags::MNT_DETACH);
        let _ = fs::remove_dir(&self.dir);
    }
}

/// An empty directory that all users may enter.
pub fn new_directory() -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("host-fs-sim-{}-{number}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    fs::create_dir(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    fs::set_permissions(&dir, Permissions::from_mode(0o755))?;
    Ok(dir)
}
