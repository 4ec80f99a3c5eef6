//! [`System`]: one process and everything that it can name. The calls themselves are
//! in [`calls`](crate::calls), each as a method.

use alloc::boxed::Box;
use alloc::sync::Arc as StdArc;
use alloc::vec::Vec;

use anchorite_fs::check::{Held, Report, check};
use anchorite_fs::mem::Arc;
use anchorite_fs::sync::{AtomicI64, AtomicU32, Class, Once, Ordering, PerCore, RwLock, alone};
use anchorite_fs::{
    Caller, Clock, InodeRef, Lender, Limits, Loan, New, Now, Ramdisk, Timestamp, Usage,
};

use crate::console::Console;
use crate::descriptors::{Descriptors, OnExec};
use crate::file::{Object, OpenFile};
use crate::forward::HostNode;
use crate::identity::Identity;
use crate::limits::ResourceLimits;
use crate::locks::Locks;
use crate::mounts::{MountId, Mounts};
use crate::node::{Files, Node};
use crate::pipe::Pipes;
use crate::platform::Stream;
use crate::user::UserMemory;
use crate::walk::{At, Last, LastLink, Path, Place, Walk};
use crate::{Errno, HostFiles, Platform, Result};

/// `st_dev` of the ramdisk at `/`.
const ROOT_DEVICE: u64 = 1;
/// `st_dev` of pipes without a name.
const PIPE_DEVICE: u64 = 2;
/// Permissions of a new root directory, as of a new tmpfs.
const ROOT_MODE: u32 = 0o1777;
/// The file mode creation mask that a process starts with.
const UMASK: u32 = 0o022;

/// One process: its descriptors, directory, mask, identity, and the mounts that make
/// its tree.
///
/// Each field has a lock of its own; none is held while a file system works, except
/// `identity`, and `working_directory` by a walk that is there, both shared.
pub struct System {
    platform: StdArc<dyn Platform>,
    user_memory: UserMemory,
    mounts: RwLock<Mounts>,
    /// The root directory. Immutable.
    root: Place,
    working_directory: RwLock<Place>,
    pub(crate) descriptors: Descriptors,
    pub(crate) identity: RwLock<Identity>,
    umask: AtomicU32,
    recent: PerCore<Recent>,
    pub(crate) limits: ResourceLimits,
    locks: Arc<Locks>,
    pipes: Arc<Pipes>,
    /// Where those are that have no name. Made with the first.
    pipe_files: Once<Ramdisk>,
}

impl System {
    /// A process with a new, empty ramdisk at `/`, where it is, and with the console as
    /// its descriptors 0, 1 and 2. It is root's.
    ///
    /// # Errors
    /// ENOMEM; ENOSPC if `limits` allow no inode.
    pub fn new(platform: StdArc<dyn Platform>, limits: Limits) -> Result<System> {
        let mut seed = [0; 8];
        // Without entropy the hash of names can be foreseen, no more.
        let _ = platform.fill_random(&mut seed);
        let identity = Identity::default();
        let caller = Caller::new(&identity.files, platform.realtime().into());
        let seed = u64::from_ne_bytes(seed);
        let ramdisk = Ramdisk::new(&caller, ROOT_MODE, limits, ROOT_DEVICE, seed)?;
        let mounts = Mounts::new(ramdisk)?;
        let descriptors = Descriptors::new();
        for (console, flags) in [
            (Console::Input, libc::O_RDONLY),
            (Console::Output(Stream::Stdout), libc::O_WRONLY),
            (Console::Output(Stream::Stderr), libc::O_WRONLY),
        ] {
            let file = Arc::try_new(OpenFile::new(Object::Console(console), None, flags))?;
            let fd = descriptors.reserve(usize::MAX)?;
            descriptors.install(fd, file, OnExec::Keep);
        }
        Ok(System {
            locks: Locks::new(platform.clone())?,
            pipes: Pipes::new(platform.clone())?,
            pipe_files: Once::new(),
            user_memory: UserMemory::new(platform.user_memory())?,
            platform,
            working_directory: RwLock::new(Class::WorkingDirectory, mounts.root()),
            root: mounts.root(),
            mounts: RwLock::new(Class::Lookup, mounts),
            descriptors,
            identity: RwLock::new(Class::Identity, identity),
            umask: AtomicU32::new(UMASK),
            recent: PerCore::default(),
            limits: ResourceLimits::new(),
        })
    }

    /// Mounts the host's files at the absolute path `dir`, made with its parents if
    /// missing. The host knows its files by the same paths.
    ///
    /// # Errors
    /// EINVAL unless `dir` is absolute and not `/`; ENOTDIR if it is a file or lies in
    /// a mount that is no ramdisk; those of `mkdir(2)`; ENOMEM.
    pub fn mount_host(&self, dir: &[u8], host: StdArc<dyn HostFiles>) -> Result<()> {
        let dir = trim_slashes(dir);
        if dir.is_empty() {
            return Err(Errno::EINVAL);
        }
        self.as_caller(|caller| {
            let over = self.make_directory_at(caller, dir)?;
            self.mounts.write().add(&over, Node::Host(HostNode::root(host, dir)?))
        })
    }

    /// The file at the absolute path `path`, made a directory, with its parents, if missing.
    ///
    /// # Errors
    /// EINVAL unless the path is absolute; those of `mkdir(2)`.
    pub(crate) fn make_directory_at(&self, caller: &Caller<'_>, path: &[u8]) -> Result<Place> {
        if path.first() != Some(&b'/') {
            return Err(Errno::EINVAL);
        }
        let path = trim_slashes(path);
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        self.make_directories(caller, path)?;
        self.walk_from_root(caller, path)?.finish(LastLink::Follow)
    }

    /// Takes memory that files of the ramdisk at `/` can be made to refer to.
    ///
    /// # Errors
    /// ENOMEM; the lender is dropped.
    pub(crate) fn borrow(&self, lender: Box<dyn Lender>) -> Result<Loan> {
        self.mounts.read().ramdisk().borrow(lender)
    }

    /// What the ramdisk at `/` holds, and its limits.
    pub fn usage(&self) -> Usage {
        self.mounts.read().ramdisk().usage()
    }

    /// Checks that the ramdisk at `/` is whole: see [`anchorite_fs::check`]. What descriptors
    /// and the working directory refer to may live without a name; nothing else may.
    /// The report is exact while no other call is under way.
    ///
    /// # Errors
    /// ENOMEM: there is no memory to check with.
    pub fn check(&self) -> Result<Report> {
        let mut held = Vec::new();
        let mut hold = |node: &Node| {
            if let Node::Ramdisk(inode) = node {
                held.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                held.push(inode.clone());
            }
            Ok(())
        };
        hold(&self.working_directory().node)?;
        self.descriptors
            .each(|file| file.place.as_ref().map_or(Ok(()), |place| hold(&place.node)))?;
        match &self.root.node {
            Node::Ramdisk(root) => check(root, Held::These(&held)),
            Node::Host(_) => Ok(Report::default()),
        }
    }

    /// What the ramdisk mounted as `mount` holds; none for what is no ramdisk.
    pub(crate) fn usage_of(&self, mount: MountId) -> Option<Usage> {
        (mount == MountId::ROOT).then(|| self.usage())
    }

    pub(crate) fn locks(&self) -> &Arc<Locks> {
        &self.locks
    }

    pub(crate) fn pipes(&self) -> &Arc<Pipes> {
        &self.pipes
    }

    /// The directory, mounted nowhere, that pipes without a name are made in.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn root_of_pipes(&self, caller: &Caller<'_>) -> Result<&InodeRef> {
        let limits = Limits { size_bytes: 0, inodes: 1 << 32 };
        let make = || Ramdisk::new(caller, 0o777, limits, PIPE_DEVICE, 0);
        self.pipe_files.try_call_once(make).map(Ramdisk::root)
    }

    pub(crate) fn platform(&self) -> &dyn Platform {
        &*self.platform
    }

    pub(crate) fn user_memory(&self) -> &UserMemory {
        &self.user_memory
    }

    /// Calls `call` in the process's name, at this moment.
    pub(crate) fn as_caller<T>(&self, call: impl FnOnce(&Caller<'_>) -> Result<T>) -> Result<T> {
        let identity = self.identity.read();
        let now = Now::new(self);
        let file_size_limit = self.limits.file_size();
        let umask = self.umask.load(Ordering::Relaxed);
        call(&Caller { umask, file_size_limit, ..Caller::by_clock(&identity.files, &now) })
    }

    /// Calls `call` at this moment: for what does not depend on who calls.
    #[inline]
    pub(crate) fn as_anybody<T>(&self, call: impl FnOnce(&Caller<'_>) -> T) -> T {
        let now = Now::new(self);
        let file_size_limit = self.limits.file_size();
        call(&Caller { file_size_limit, ..Caller::anybody(&now) })
    }

    /// As [`as_caller`](System::as_caller), but for the real user and group: `access(2)`.
    ///
    /// # Errors
    /// ENOMEM; what `call` says.
    pub(crate) fn as_real_caller<T>(
        &self,
        call: impl FnOnce(&Caller<'_>) -> Result<T>,
    ) -> Result<T> {
        let credentials = self.identity.read().real_credentials()?;
        self.as_caller(|caller| call(&Caller { credentials: &credentials, ..*caller }))
    }

    /// Sets the file mode creation mask; returns the former one.
    pub(crate) fn set_umask(&self, mask: u32) -> u32 {
        self.umask.swap(mask & 0o777, Ordering::Relaxed)
    }

    /// The root directory.
    pub(crate) fn root(&self) -> &Place {
        &self.root
    }

    pub(crate) fn working_directory(&self) -> Place {
        self.working_directory.read().clone()
    }

    pub(crate) fn set_working_directory(&self, place: Place) {
        let former = core::mem::replace(&mut *self.working_directory.write(), place);
        drop(former); // outside the lock: it may be the last reference
    }

    /// What is mounted at `place`, or `place` itself.
    #[inline]
    pub(crate) fn top(&self, place: Place) -> Place {
        if place.is_covered() { self.mounts.read().top(place) } else { place }
    }

    /// The directory that a mount covers; none for the mount at `/`.
    pub(crate) fn mount_point(&self, mount: MountId) -> Option<Place> {
        self.mounts.read().mount_point(mount)
    }

    /// A walk of `path`, a relative one from `at`: `openat(2)`.
    ///
    /// # Errors
    /// EBADF; ENOTDIR if the descriptor is no directory's.
    pub(crate) fn walk<'a>(
        &'a self,
        caller: &'a Caller<'a>,
        at: i32,
        path: Path<'a>,
    ) -> Result<Walk<'a>> {
        let from = if path.is_absolute() { At::Root(self.root()) } else { self.start(at)? };
        Ok(Walk::new(self, caller, from, path))
    }

    /// Where the walk of a relative path starts.
    ///
    /// # Errors
    /// EBADF; ENOTDIR if the descriptor is no directory's.
    fn start(&self, at: i32) -> Result<At<'_>> {
        if at == libc::AT_FDCWD {
            let place = self.working_directory.read();
            return Ok(match &place.node {
                Node::Ramdisk(_) if !alone() => At::WorkingDirectory(place),
                Node::Ramdisk(_) => At::Place(place.clone()),
                // A host may take its time, in which others can change the directory.
                Node::Host(_) => At::Place(place.clone()),
            });
        }
        let file = self.file_or_path(at)?;
        match &file.place {
            Some(place) if !place.node.is_not_directory() => Ok(At::Place(place.clone())),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// The file that `path` names, a relative one from `at`. With AT_EMPTY_PATH in `flags`
    /// an empty path means what `at` is a descriptor of.
    ///
    /// # Errors
    /// EBADF and ENOTDIR for `at`; those of the path.
    pub(crate) fn place_at(
        &self,
        caller: &Caller<'_>,
        at: i32,
        path: &[u8],
        last_link: LastLink,
        flags: i32,
    ) -> Result<Place> {
        if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            return match at {
                libc::AT_FDCWD => Ok(self.working_directory()),
                at => self.file_or_path(at)?.place(),
            };
        }
        self.walk(caller, at, Path::new(path)?)?.finish(last_link)
    }

    /// A walk of the absolute path `path`.
    fn walk_from_root<'a>(&'a self, caller: &'a Caller<'a>, path: &'a [u8]) -> Result<Walk<'a>> {
        Ok(Walk::new(self, caller, At::Root(self.root()), Path::new(path)?))
    }

    /// Makes each directory of the absolute path `path` that is missing.
    fn make_directories(&self, caller: &Caller<'_>, path: &[u8]) -> Result<()> {
        let ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
        for end in ends.map(|(at, _)| at).chain([path.len()]) {
            let mut walk = self.walk_from_root(caller, &path[..end])?;
            walk.reach_parent()?;
            if let Last::Name(name) = walk.last() {
                match walk.place.node.create(caller, name.bytes, New::Directory, 0o755) {
                    Ok(()) | Err(Errno::EEXIST) => {}
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(())
    }
}

/// When a core last read the clock.
struct Recent {
    seconds: AtomicI64,
    /// How often that was good enough.
    uses: AtomicU32,
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { seconds: AtomicI64::new(i64::MIN), uses: AtomicU32::new(0) }
    }
}

impl Clock for System {
    fn now(&self) -> Timestamp {
        let now = self.platform.realtime();
        self.recent.here().seconds.store(now.tv_sec, Ordering::Relaxed);
        now.into()
    }

    /// The clock is read for one use in 64. Threads that count on one core at once lose some.
    fn recent(&self) -> Timestamp {
        const USES: u32 = 64;
        let recent = self.recent.here();
        let uses = recent.uses.load(Ordering::Relaxed);
        recent.uses.store(uses.wrapping_add(1), Ordering::Relaxed);
        if uses.is_multiple_of(USES) {
            return self.now();
        }
        Timestamp::new(recent.seconds.load(Ordering::Relaxed), 0)
    }
}

/// `path` without the slashes at its end.
fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    &path[..end]
}
