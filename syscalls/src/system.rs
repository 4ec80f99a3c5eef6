//! [`System`]: one process and everything that it can name. The calls themselves are
//! in [`calls`](crate::calls), each as a method.

use alloc::boxed::Box;
use alloc::sync::Arc as StdArc;
use alloc::vec::Vec;

use anchorite_fs::check::{Held, Report};
use anchorite_fs::mem::{Arc, Uncounted, try_bytes};
use anchorite_fs::sync::{
    AtomicBool, AtomicU32, AtomicU64, Class, Noted, Once, Ordering, PerCore, RwLock, alone,
};
use anchorite_fs::{
    AccessTime, Caller, Clock, Inode, InodeNo, InodeRef, Lender, Limits, Loan, New, Now, Ramdisk,
    Recent, Timestamp, Usage,
};

use crate::abi;
use crate::descriptors::{Descriptors, OnExec};
use crate::device::Device;
use crate::file::{Object, OpenFile};
use crate::forward::HostNode;
use crate::identity::Identity;
use crate::limits::ResourceLimits;
use crate::locks::Locks;
use crate::mounts::file_system::{Content, FIRST, FileSystem, HOST, PIPES};
use crate::mounts::options::MountFlags;
use crate::mounts::{Attached, Mount, MountRef, Mounts, Numbered, Planned, Spot};
use crate::node::{Files, Node};
use crate::notify::Notify;
use crate::pipe::Pipes;
use crate::platform::Stream;
use crate::user::UserMemory;
use crate::walk::{At, Last, LastLink, Path, Place, Walk, parent_alone, plainly, plainly_alone};
use crate::{Errno, HostFiles, Platform, Result, in_place};

/// `st_dev` of the ramdisk at `/`.
const ROOT_DEVICE: u64 = 1;
/// `st_dev` of pipes without a name.
const PIPE_DEVICE: u64 = 2;
/// `st_dev` of the ramdisk that is mounted first.
const NEXT_DEVICE: u64 = abi::ANONYMOUS_DEVICE + 1;
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
    /// The ramdisk at `/`. Immutable.
    first: Mount,
    /// All others.
    pub(crate) mounts: RwLock<Mounts>,
    /// The root of the first mount. Immutable.
    root: Place,
    /// Whether the process has another root directory by now …
    has_other_root: AtomicBool,
    /// … and which.
    other_root: RwLock<Option<Place>>,
    /// What the ramdisk at `/` began with. Immutable.
    limits_of_first: Limits,
    next_device: AtomicU64,
    /// Varies the hash of names. Immutable.
    seed: u64,
    working_directory: RwLock<Place>,
    pub(crate) descriptors: Descriptors,
    pub(crate) identity: RwLock<Identity>,
    umask: AtomicU32,
    recent: PerCore<Recent>,
    pub(crate) limits: ResourceLimits,
    pub(crate) notify: Notify,
    locks: Arc<Locks>,
    pipes: Arc<Pipes>,
    /// Where those are that have no name. Made with the first.
    pipe_files: Once<Arc<Mount>>,
    /// The program's arguments, each ended by NUL.
    program: Once<Vec<u8>>,
    /// The numbers of directories of the ramdisk at `/` that are there for something to be mounted
    /// on, and belong to nobody's tree.
    made_to_be_covered: Once<Vec<InodeNo>>,
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
        let place = Place { mount: MountRef::First, node: Node::Ramdisk(ramdisk.root().clone()) };
        let first = FileSystem::new(FIRST, Content::Ramdisk(ramdisk), false);
        let source = try_bytes(FIRST.name.as_bytes())?;
        let first =
            Mount::new(Arc::try_new(first)?, place.node.clone(), source, MountFlags::DEFAULT);
        let descriptors = Descriptors::new();
        for (stream, flags) in [
            (Stream::Stdout, libc::O_RDONLY),
            (Stream::Stdout, libc::O_WRONLY),
            (Stream::Stderr, libc::O_WRONLY),
        ] {
            let console = Object::Device(Device::Console(stream));
            let file = Arc::try_new(OpenFile::new(console, None, flags, AccessTime::Update))?;
            let fd = descriptors.reserve(usize::MAX)?;
            descriptors.install(fd, file, OnExec::Keep);
        }
        Ok(System {
            notify: Notify::new(),
            locks: Locks::new(platform.clone())?,
            pipes: Pipes::new(platform.clone())?,
            pipe_files: Once::new(),
            program: Once::new(),
            made_to_be_covered: Once::new(),
            user_memory: UserMemory::new(platform.user_memory())?,
            platform,
            working_directory: RwLock::new(Class::WorkingDirectory, place.clone()),
            root: place,
            first,
            mounts: RwLock::new(Class::Lookup, Mounts::new()),
            has_other_root: AtomicBool::new(false),
            other_root: RwLock::new(Class::Lookup, None),
            limits_of_first: limits,
            next_device: AtomicU64::new(NEXT_DEVICE),
            seed,
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
    /// EINVAL unless `dir` is absolute and not `/`, and if it lies in a mount that is no
    /// ramdisk; ENOTDIR if it is a file; those of `mkdir(2)`; ENOSPC for too many mounts; ENOMEM.
    pub fn mount_host(&self, dir: &[u8], host: StdArc<dyn HostFiles>) -> Result<()> {
        self.mount_host_with(dir, host, MountFlags::DEFAULT)
    }

    /// As [`mount_host`](System::mount_host), and nothing can be changed there.
    ///
    /// # Errors
    /// Those of [`mount_host`](System::mount_host).
    pub fn mount_host_read_only(&self, dir: &[u8], host: StdArc<dyn HostFiles>) -> Result<()> {
        self.mount_host_with(dir, host, MountFlags::DEFAULT | MountFlags::READ_ONLY)
    }

    #[cold]
    fn mount_host_with(
        &self,
        dir: &[u8],
        host: StdArc<dyn HostFiles>,
        flags: MountFlags,
    ) -> Result<()> {
        let dir = trim_slashes(dir);
        if dir.is_empty() {
            return Err(Errno::EINVAL);
        }
        self.as_caller(|caller| {
            let over = self.make_directory_at(caller, dir)?;
            let root = Node::Host(HostNode::root(host, dir)?);
            let file_system = FileSystem::new(HOST, Content::Nothing, false);
            let source = try_bytes(HOST.name.as_bytes())?;
            let mount = Arc::try_new(Mount::new(Arc::try_new(file_system)?, root, source, flags))?;
            self.attach(Spot::new(over), &mut |over| match over.place.node.is_not_directory() {
                true => Err(Errno::ENOTDIR),
                false => one(&mount, over),
            })
        })
    }

    /// Mounts what `plan` makes of the place where it is to be: `over`, or what covers that by
    /// now. It is asked again if something else is mounted there meanwhile.
    ///
    /// # Errors
    /// EINVAL for a place in another file system than a ramdisk; ENOENT for one in no tree, or
    /// without a name any more; what `plan` says; ENOSPC for too many mounts; ENOMEM.
    #[cold]
    pub(crate) fn attach(
        &self,
        over: Spot,
        plan: &mut dyn FnMut(Spot) -> Result<Vec<Planned>>,
    ) -> Result<()> {
        loop {
            let over = self.spot_on_top(over.clone());
            if !matches!(over.place.node, Node::Ramdisk(_)) {
                return Err(Errno::EINVAL);
            }
            let planned = plan(over.clone())?;
            match over.cover(|| self.mounts.write().attach(&planned))? {
                Attached::Yes => return Ok(()),
                Attached::Covered => {}
            }
        }
    }

    /// Where something is mounted that is to be at `spot`: there, or over what is mounted there.
    #[cold]
    pub(crate) fn spot_on_top(&self, spot: Spot) -> Spot {
        let top = self.top_of(spot.clone());
        if top.is(&spot.place) { spot } else { Spot::new(top) }
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
            return Ok(self.root().clone());
        }
        self.make_directories(caller, path)?;
        self.walk_from_root(caller, path)?.finish(LastLink::Follow)
    }

    /// Takes memory that files of the ramdisk that `mount` is of can be made to refer to.
    ///
    /// # Errors
    /// EXDEV if it is none; ENOMEM; the lender is dropped.
    pub(crate) fn borrow(&self, mount: &MountRef, lender: Box<dyn Lender>) -> Result<Loan> {
        let ramdisk = self.mount_of(mount).file_system.ramdisk().ok_or(Errno::EXDEV)?;
        ramdisk.borrow(lender)
    }

    /// What the ramdisk at `/` holds, and its limits.
    pub fn usage(&self) -> Usage {
        match self.first.file_system.ramdisk() {
            Some(ramdisk) => ramdisk.usage(),
            // It is one.
            None => Usage { limits: self.limits_of_first, pages: 0, inodes: 0 },
        }
    }

    /// Checks that each ramdisk in the tree is whole: see [`anchorite_fs::check`]. What
    /// descriptors, mounts, the root and the working directory refer to may live without a
    /// name; nothing else may. The numbers in the report are of the ramdisk at `/`, the problems
    /// of all. The report is exact while no other call is under way.
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
        if let Some(root) = self.other_root() {
            hold(&root.node)?;
        }
        self.descriptors
            .each(|file| file.place.as_ref().map_or(Ok(()), |place| hold(&place.node)))?;
        if let Some(notified) = self.notified() {
            notified.each_held(&mut |inode| hold(&Node::Ramdisk(inode.clone())))?;
        }
        let mounts = self.mounts.read().all()?;
        for Numbered { mount, .. } in &mounts {
            hold(&mount.root)?;
            if let Some(over) = mount.covers() {
                hold(&over.place.node)?;
            }
        }
        let mut report = match self.first.file_system.ramdisk() {
            Some(ramdisk) => ramdisk.check(Held::These(&held))?,
            None => Report::default(),
        };
        for (at, Numbered { mount, .. }) in mounts.iter().enumerate() {
            let is_same =
                |other: &Numbered| Arc::ptr_eq(&other.mount.file_system, &mount.file_system);
            let is_done = Arc::ptr_eq(&mount.file_system, &self.first.file_system)
                || mounts[..at].iter().any(is_same);
            if !is_done && let Some(ramdisk) = mount.file_system.ramdisk() {
                let mut problems = ramdisk.check(Held::These(&held))?.problems;
                report.problems.try_reserve(problems.len()).map_err(|_| Errno::ENOMEM)?;
                report.problems.append(&mut problems);
            }
        }
        Ok(report)
    }

    /// The mount.
    #[inline]
    pub(crate) fn mount_of<'a>(&'a self, mount: &'a MountRef) -> &'a Mount {
        match mount {
            MountRef::First => &self.first,
            MountRef::Further(mount) => mount,
        }
    }

    /// # Errors
    /// EROFS if nothing can be changed by way of the place's mount.
    #[inline]
    pub(crate) fn check_writable(&self, place: &Place) -> Result<()> {
        if self.mount_of(&place.mount).is_read_only() { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Who calls, to read `node` in `mount`: that says what reading a file, or a symbolic link,
    /// does to its access time.
    #[inline]
    pub(crate) fn caller_in<'a>(
        &self,
        caller: &Caller<'a>,
        mount: &MountRef,
        node: &impl Files,
    ) -> Caller<'a> {
        let access_time = self.mount_of(mount).access_time(node);
        Caller { access_time, ..*caller }
    }

    /// Limits of a ramdisk that is mounted without saying any.
    pub(crate) fn default_limits(&self) -> Limits {
        self.limits_of_first
    }

    /// The memory that limits in per cent are parts of: a ramdisk may have half of it
    /// ([`Limits::of_memory`]).
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.limits_of_first.size_bytes.saturating_mul(2)
    }

    /// An `st_dev` that nothing has yet.
    pub(crate) fn new_device(&self) -> u64 {
        self.next_device.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells what program runs, by its name and its arguments: `/proc/self` tells it on. The
    /// first time counts.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn set_program(&self, arguments: &[&[u8]]) -> Result<()> {
        self.program.try_call_once(|| {
            let mut all = Vec::new();
            for argument in arguments {
                all.try_reserve(argument.len() + 1).map_err(|_| Errno::ENOMEM)?;
                all.extend_from_slice(argument);
                all.push(0);
            }
            Ok(all)
        })?;
        Ok(())
    }

    /// The program's arguments, each ended by NUL; nothing if nobody told them.
    pub(crate) fn program(&self) -> &[u8] {
        self.program.get().map_or(&[], Vec::as_slice)
    }

    /// The program's name, without directories before it.
    pub(crate) fn program_name(&self) -> &[u8] {
        let first = self.program().split(|&byte| byte == 0).next().unwrap_or_default();
        first.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    pub(crate) fn first_mount(&self) -> &Mount {
        &self.first
    }

    /// Notes the directories that [`made_to_be_covered`](System::is_made_to_be_covered) is true
    /// of; once.
    pub(crate) fn note_made_to_be_covered(&self, directories: Vec<InodeNo>) {
        self.made_to_be_covered.call_once(|| directories);
    }

    /// Whether it is a directory that is only there for something to be mounted on.
    pub(crate) fn is_made_to_be_covered(&self, inode: &InodeRef) -> bool {
        let made = self.made_to_be_covered.get().map_or(&[][..], Vec::as_slice);
        let is_first = |root: &Node| matches!(root, Node::Ramdisk(root) if root.is_beside(inode));
        made.contains(&inode.number()) && is_first(&self.first.root)
    }

    /// What varies the hash of names.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn locks(&self) -> &Arc<Locks> {
        &self.locks
    }

    pub(crate) fn pipes(&self) -> &Arc<Pipes> {
        &self.pipes
    }

    /// The file system, mounted nowhere, that pipes without a name are in.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn pipe_files(&self, caller: &Caller<'_>) -> Result<&Arc<Mount>> {
        self.pipe_files.try_call_once(|| {
            let limits = Limits { size_bytes: 0, inodes: Limits::NONE };
            let ramdisk = Ramdisk::new(caller, 0o777, limits, PIPE_DEVICE, 0)?;
            let root = Node::Ramdisk(ramdisk.root().clone());
            let file_system = FileSystem::new(PIPES, Content::Ramdisk(ramdisk), false);
            let flags = MountFlags::DEFAULT;
            Arc::try_new(Mount::new(Arc::try_new(file_system)?, root, Vec::new(), flags))
        })
    }

    pub(crate) fn shared_platform(&self) -> StdArc<dyn Platform> {
        self.platform.clone()
    }

    pub(crate) fn platform(&self) -> &dyn Platform {
        &*self.platform
    }

    pub(crate) fn user_memory(&self) -> &UserMemory {
        &self.user_memory
    }

    /// Calls `call` in the process's name, at this moment. It lets no other thread run.
    #[allow(unsafe_code)]
    pub(crate) fn as_caller<T>(&self, call: impl FnOnce(&Caller<'_>) -> Result<T>) -> Result<T> {
        // SAFETY: nor does it change the identity.
        let identity = unsafe { self.identity.look() };
        let now = Now::new(self, self.recent.here());
        let file_size_limit = self.limits.file_size();
        let umask = self.umask.load(Ordering::Relaxed);
        call(&Caller { umask, file_size_limit, ..Caller::by_clock(&identity.files, &now) })
    }

    /// Calls `call` at this moment, for what does not depend on who calls: who is alone, or has noted
    /// something.
    #[inline]
    pub(crate) fn as_anybody<T>(
        &self,
        noted: Option<&Noted>,
        call: impl FnOnce(&Caller<'_>) -> T,
    ) -> T {
        let recent = noted.map_or_else(|| self.recent.here(), |noted| self.recent.beside(noted));
        let now = Now::new(self, recent);
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

    /// The file mode creation mask.
    pub(crate) fn mask(&self) -> u32 {
        self.umask.load(Ordering::Relaxed)
    }

    /// The root directory.
    #[inline]
    pub(crate) fn root(&self) -> At<'_> {
        match self.other_root() {
            None => At::Lent(&self.root),
            Some(root) => At::Place(root),
        }
    }

    /// The root directory, if it is not that of the first mount.
    #[inline]
    pub(crate) fn other_root(&self) -> Option<Place> {
        if self.has_other_root.load(Ordering::Acquire) { self.read_other_root() } else { None }
    }

    #[cold]
    fn read_other_root(&self) -> Option<Place> {
        self.other_root.read().clone()
    }

    #[cold]
    pub(crate) fn set_root(&self, place: Place) {
        let place = if place.is(&self.root) { None } else { Some(place) };
        let mut root = self.other_root.write();
        self.has_other_root.store(place.is_some(), Ordering::Release);
        let former = core::mem::replace(&mut *root, place);
        drop(root);
        drop(former); // outside the lock: it may be the last reference
    }

    pub(crate) fn working_directory(&self) -> Place {
        self.working_directory.read().clone()
    }

    pub(crate) fn set_working_directory(&self, place: Place) {
        let former = core::mem::replace(&mut *self.working_directory.write(), place);
        drop(former); // outside the lock: it may be the last reference
    }

    /// What is mounted at `place`, a directory or the root of a mount, or `place` itself.
    #[inline]
    pub(crate) fn top(&self, place: Place) -> Place {
        if place.is_covered() { self.top_of(Spot::new(place)) } else { place }
    }

    /// What is mounted at `spot`, or the place itself.
    #[cold]
    pub(crate) fn top_of(&self, spot: Spot) -> Place {
        self.mounts.read().top(spot)
    }

    /// A walk of `path`, a relative one from `at`: `openat(2)`.
    ///
    /// # Errors
    /// EBADF; ENOTDIR if the descriptor is no directory's.
    #[inline(never)]
    pub(crate) fn walk<'a>(
        &'a self,
        caller: &'a Caller<'a>,
        at: i32,
        path: Path<'a>,
    ) -> Result<Walk<'a>> {
        Ok(Walk::new(self, caller, self.start(at, path)?, path))
    }

    /// Where the walk of `path` starts, that of a relative one at `at`.
    ///
    /// # Errors
    /// EBADF; ENOTDIR if the descriptor is no directory's.
    fn start(&self, at: i32, path: Path<'_>) -> Result<At<'_>> {
        if path.is_absolute() {
            return Ok(self.root());
        }
        if at == libc::AT_FDCWD {
            if let Some(place) = self.start_alone(at, path) {
                return Ok(At::Lent(place));
            }
            let place = self.working_directory.read();
            return Ok(match &place.node {
                Node::Ramdisk(_) => At::WorkingDirectory(place),
                // A host may take its time, in which others can change the directory.
                Node::Host(_) | Node::Proc(_) => At::Place(place.clone()),
            });
        }
        self.open_directory(at).map(At::Place)
    }

    /// Where a walk of `path` starts for one who is alone, if that is the root of the tree, or a working
    /// directory in a ramdisk. It is not counted, and not to be changed as long as it is used.
    #[allow(unsafe_code)]
    fn start_alone(&self, at: i32, path: Path<'_>) -> Option<&Place> {
        if !alone() {
            return None;
        }
        if path.is_absolute() {
            return (!self.has_other_root.load(Ordering::Acquire)).then_some(&self.root);
        }
        if at != libc::AT_FDCWD {
            return None;
        }
        // SAFETY: used by walks, which neither go to another directory nor, as long as they are in a
        // ramdisk, let another thread run.
        let place = unsafe { self.working_directory.peek() };
        matches!(place.node, Node::Ramdisk(_)).then_some(place)
    }

    /// The file of a ramdisk that `path` names, and its mount, for one who is alone; none if more is
    /// to be known than names. It is not counted: good as long as nothing is changed or waited for.
    ///
    /// # Errors
    /// Those of the path.
    pub(crate) fn found_alone(
        &self,
        caller: &Caller<'_>,
        at: i32,
        path: &[u8],
        last_link: LastLink,
    ) -> Result<Option<(&MountRef, &InodeRef)>> {
        if !alone() || path.is_empty() {
            return Ok(None);
        }
        let path = Path::new(path)?;
        let Some(from) = self.start_alone(at, path) else { return Ok(None) };
        let found = plainly_alone(caller, &from.node, path, last_link)?;
        Ok(found.map(|file| (&from.mount, file)))
    }

    /// The directory of a ramdisk in which `path` names a file, for one who is alone and is to change
    /// it; none if more is to be known than names, or the mount is read-only.
    ///
    /// # Errors
    /// Those of the path.
    #[allow(unsafe_code)]
    pub(crate) fn parent_alone<'a>(
        &'a self,
        caller: &Caller<'_>,
        at: i32,
        path: Path<'a>,
    ) -> Result<Option<Parent<'a>>> {
        let Some(from) = self.start_alone(at, path) else { return Ok(None) };
        let Some((directory, name)) = parent_alone(caller, &from.node, path)? else {
            return Ok(None);
        };
        if self.mount_of(&from.mount).is_read_only() {
            return Ok(None);
        }
        // SAFETY: the entry by which it was found counts it, or who starts there. Neither goes by a
        // change of its entries; and what a rename replaces is an empty directory, so neither of
        // those that it is in or is moved from.
        let directory = unsafe { Arc::uncounted(directory) };
        Ok(Some(Parent { mount: &from.mount, directory, name }))
    }

    /// What `tell` tells of the file of a ramdisk that `path` names, for one who is not alone; none if
    /// more is to be known than names. It is not counted, and not removed meanwhile.
    ///
    /// # Errors
    /// EBADF and ENOTDIR for `at`; those of the path.
    pub(crate) fn found_beside_others<T>(
        &self,
        caller: &Caller<'_>,
        at: i32,
        path: &[u8],
        last_link: LastLink,
        tell: impl FnOnce(&InodeRef) -> T,
    ) -> Result<Option<T>> {
        if alone() || path.is_empty() {
            return Ok(None);
        }
        let path = Path::new(path)?;
        let mut from = self.start(at, path);
        let from = in_place(&mut from)?;
        let found = plainly(caller, &from.node, path, last_link)?;
        Ok(found.map(|file| tell(file.inode())))
    }

    /// The directory that `fd` is a descriptor of.
    ///
    /// # Errors
    /// EBADF, ENOTDIR.
    #[inline(never)]
    fn open_directory(&self, fd: i32) -> Result<Place> {
        let file = self.file_or_path(fd)?;
        match &file.place {
            Some(place) if !place.node.is_not_directory() => Ok(place.clone()),
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
        self.place_of(caller, at, Path::new(path)?, last_link)
    }

    /// The file that `path` names, a relative one from `at`.
    ///
    /// # Errors
    /// EBADF and ENOTDIR for `at`; those of the path.
    pub(crate) fn place_of(
        &self,
        caller: &Caller<'_>,
        at: i32,
        path: Path<'_>,
        last_link: LastLink,
    ) -> Result<Place> {
        let mut from = self.start(at, path);
        let start = in_place(&mut from)?;
        let found = if alone() {
            plainly_alone(caller, &start.node, path, last_link)?.cloned()
        } else {
            plainly(caller, &start.node, path, last_link)?.map(|at| at.inode().clone())
        };
        match found {
            Some(file) => Ok(Place { mount: start.mount.clone(), node: Node::Ramdisk(file) }),
            None => Walk::new(self, caller, from?, path).finish(last_link),
        }
    }

    /// A walk of the absolute path `path`.
    fn walk_from_root<'a>(&'a self, caller: &'a Caller<'a>, path: &'a [u8]) -> Result<Walk<'a>> {
        Ok(Walk::new(self, caller, self.root(), Path::new(path)?))
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

/// A directory of a ramdisk and a name in it: [`System::parent_alone`].
pub(crate) struct Parent<'a> {
    pub(crate) mount: &'a MountRef,
    pub(crate) directory: Uncounted<'a, Inode>,
    pub(crate) name: &'a [u8],
}

impl Clock for System {
    fn now(&self) -> Timestamp {
        self.platform.realtime().into()
    }
}

/// One mount that is planned.
///
/// # Errors
/// ENOMEM.
pub(crate) fn one(mount: &Arc<Mount>, over: Spot) -> Result<Vec<Planned>> {
    let mut planned = Vec::new();
    planned.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
    planned.push((mount.clone(), over));
    Ok(planned)
}

/// `path` without the slashes at its end.
fn trim_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
    &path[..end]
}
