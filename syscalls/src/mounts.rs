//! [`Mounts`]: which file system is mounted where.
//!
//! A [`FileSystem`] is there by one [`Mount`] or by several: each bind mount is one more, of
//! the whole or of a part. A file is named by a mount and a node ([`Place`]), so what a mount
//! says (read-only, and the like) is known wherever a file is.
//!
//! A mount lives as long as anybody has a [`MountRef`] to it: the table, a mount that covers a
//! place in it, an open file, the working directory, a walk. So it is busy while somebody but
//! the table has one; and what was detached (MNT_DETACH) goes, with its file system, when the
//! last has let go. The first mount, the ramdisk at `/`, is there for ever, and nobody counts
//! references to it.
//!
//! [`FileSystem`]s, and how another kind is added: [`file_system`].

pub(crate) mod file_system;
pub(crate) mod options;

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

use anchorite_fs::mem::{Arc, Seldom};
use anchorite_fs::sync::{AtomicU8, AtomicU32, AtomicUsize, Class, Mutex, Ordering};
use anchorite_fs::{AccessTime, FileType, Inode, NameRef};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

use crate::mounts::file_system::FileSystem;
use crate::mounts::options::MountFlags;
use crate::node::{Files, Node};
use crate::walk::Place;
use crate::{Errno, Result};

/// How many mounts there may be: `fs.mount-max` of Linux, where it begins as 100,000.
pub(crate) const MOUNTS_MAX: usize = 10_000;

/// A reference to a mount.
#[derive(Clone)]
pub(crate) enum MountRef {
    /// The ramdisk at `/`. [`System::mount_of`](crate::System) has it.
    First,
    /// Any other.
    Further(Seldom<Mount>),
}

impl From<&Arc<Mount>> for MountRef {
    fn from(mount: &Arc<Mount>) -> MountRef {
        MountRef::Further(Seldom::from(mount.clone()))
    }
}

impl MountRef {
    /// Whether both are to the same mount.
    pub(crate) fn is(&self, other: &MountRef) -> bool {
        self.address() == other.address()
    }

    /// Whether `node` is where this mount begins. Of the first mount nobody needs to ask: above
    /// its root is nothing.
    pub(crate) fn begins_at(&self, node: &Node) -> bool {
        match self {
            MountRef::First => false,
            MountRef::Further(mount) => mount.root.is(node),
        }
    }

    /// What the mount covers; none for the first, and for one that was detached.
    pub(crate) fn covers(&self) -> Option<Spot> {
        match self {
            MountRef::First => None,
            MountRef::Further(mount) => mount.covers(),
        }
    }

    /// Whether it is in the tree.
    pub(crate) fn is_attached(&self) -> bool {
        match self {
            MountRef::First => true,
            MountRef::Further(mount) => mount.covers.lock().is_some(),
        }
    }

    fn address(&self) -> usize {
        match self {
            MountRef::First => 0,
            MountRef::Further(mount) => core::ptr::from_ref::<Mount>(mount).addr(),
        }
    }

    fn further(&self) -> Option<&Mount> {
        match self {
            MountRef::First => None,
            MountRef::Further(mount) => Some(mount),
        }
    }
}

/// A file system in the tree, or a part of it.
pub(crate) struct Mount {
    /// What is mounted. Immutable.
    pub(crate) file_system: Arc<FileSystem>,
    /// Where the mount begins: the file system's root, or what was bound. Immutable.
    pub(crate) root: Node,
    /// What `mount(2)` was told that it comes from; `/proc/mounts` tells it. Immutable.
    pub(crate) source: Vec<u8>,
    flags: AtomicU32,
    /// What it covers; none while it is in no tree. Changed by who holds the table.
    covers: Mutex<Option<Spot>>,
    /// Mounts that cover something in this one. Changed by who holds the table.
    further: AtomicUsize,
    /// Since the mount was marked by MNT_EXPIRE, one walk may pass: that of the next such call.
    passes: AtomicU8,
}

/// What [`Mount::passes`] is when somebody has just marked the mount.
const MARKED: u8 = 2;

impl Mount {
    /// A mount that is in no tree yet.
    pub(crate) fn new(
        file_system: Arc<FileSystem>,
        root: Node,
        source: Vec<u8>,
        flags: MountFlags,
    ) -> Mount {
        Mount {
            file_system,
            root,
            source,
            flags: AtomicU32::new(flags.bits()),
            covers: Mutex::new(Class::Last, None),
            further: AtomicUsize::new(0),
            passes: AtomicU8::new(0),
        }
    }

    /// What holds for this mount of its file system.
    #[inline]
    pub(crate) fn flags(&self) -> MountFlags {
        MountFlags::from_bits_retain(self.flags.load(Ordering::Relaxed))
    }

    pub(crate) fn set_flags(&self, flags: MountFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }

    /// Whether nothing can be changed by way of it.
    #[inline]
    pub(crate) fn is_read_only(&self) -> bool {
        self.flags().contains(MountFlags::READ_ONLY) || self.file_system.is_read_only()
    }

    /// What reading a file does to its access time.
    #[inline]
    pub(crate) fn access_time(&self, node: &impl Files) -> AccessTime {
        if self.file_system.is_read_only() {
            return AccessTime::Keep;
        }
        self.flags().access_time(node.file_type() == Some(FileType::Directory))
    }

    pub(crate) fn covers(&self) -> Option<Spot> {
        self.covers.lock().clone()
    }

    /// Whether the directory `node`, which is no mount's root, is still in what is mounted:
    /// what was bound may be a part of its file system, out of which a directory can be moved.
    pub(crate) fn includes(&self, node: &Node) -> bool {
        match (&self.root, node) {
            (Node::Ramdisk(root), Node::Ramdisk(inode)) => {
                // The root of a file system has all.
                Inode::parent(root).is_none() || Inode::is_below(inode, root)
            }
            _ => true,
        }
    }

    /// Marks it for MNT_EXPIRE; whether it was, and no walk has passed since.
    pub(crate) fn expires(&self) -> bool {
        if self.passes.load(Ordering::Relaxed) == MARKED - 1 {
            return true;
        }
        self.passes.store(MARKED, Ordering::Relaxed);
        false
    }

    /// A walk comes by.
    fn pass(&self) {
        let passes = self.passes.load(Ordering::Relaxed);
        if passes > 0 {
            self.passes.store(passes - 1, Ordering::Relaxed);
        }
    }
}

/// What a mount covers: a place, and if no directory is there, which name of the file. Other names
/// of it lead to the file as ever.
#[derive(Clone)]
pub(crate) struct Spot {
    pub(crate) place: Place,
    /// None for a directory, which has one, and for the root of a mount.
    pub(crate) name: Option<NameRef>,
}

impl Spot {
    /// A directory, or the root of a mount.
    pub(crate) fn new(place: Place) -> Spot {
        Spot { place, name: None }
    }

    /// What `name` in `directory` led to.
    #[cold]
    pub(crate) fn named(place: Place, directory: &Node, name: &[u8]) -> Spot {
        let found = match (&place.node, directory) {
            (Node::Ramdisk(file), Node::Ramdisk(directory)) if !file.is_directory() => {
                NameRef::find(directory, name, file)
            }
            _ => None,
        };
        Spot { place, name: found }
    }

    /// Whether it is in `directory`, which is in the same mount, or below, or that itself.
    #[cold]
    pub(crate) fn is_in(&self, directory: &Node) -> bool {
        let above = match (&self.name, &self.place.node) {
            (Some(name), _) => name.directory(),
            (None, Node::Ramdisk(inode)) => inode,
            _ => return false,
        };
        matches!(directory, Node::Ramdisk(top) if Inode::is_below(above, top))
    }

    /// Lets `mount` mount something here.
    ///
    /// # Errors
    /// EINVAL for what is in another file system than a ramdisk; ENOENT for what has this name
    /// no more; what `mount` says.
    #[cold]
    pub(crate) fn cover<T>(&self, mount: impl FnOnce() -> Result<T>) -> Result<T> {
        match (&self.place.node, &self.name) {
            (Node::Ramdisk(file), Some(name)) => name.cover(file, mount),
            (Node::Ramdisk(inode), None) => inode.cover(mount),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// A spot, by the addresses of its mount, and of the inode or of the directory of the name:
/// whoever is mounted there keeps them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Point {
    mount: usize,
    inode: usize,
    /// The number of the name in its directory, plus 1.
    name: u64,
}

impl Point {
    /// None where nothing can be mounted.
    fn of(spot: &Spot) -> Option<Point> {
        let (inode, name) = match (&spot.name, &spot.place.node) {
            (Some(name), _) => (name.directory(), name.number() + 1),
            (None, Node::Ramdisk(inode)) => (inode, 0),
            _ => return None,
        };
        let inode = core::ptr::from_ref(&**inode).addr();
        Some(Point { mount: spot.place.mount.address(), inode, name })
    }
}

struct Entry {
    mount: Arc<Mount>,
    /// Mounts that were made later have higher numbers.
    number: u64,
}

/// The table of mounts, without the first. Protected by the system's lock of the same name.
pub(crate) struct Mounts {
    by_point: HashMap<Point, Entry, FixedState>,
    next_number: u64,
}

/// A mount that is to be made, and what it is to cover.
pub(crate) type Planned = (Arc<Mount>, Spot);

/// What was taken out of the table: to be dropped when the table is not held any more.
pub(crate) type Detached = Vec<(Arc<Mount>, Option<Spot>)>;

/// A mount with a number to sort by.
pub(crate) struct Numbered {
    number: u64,
    pub(crate) mount: Arc<Mount>,
}

impl PartialEq for Numbered {
    fn eq(&self, other: &Numbered) -> bool {
        self.number == other.number
    }
}

impl Eq for Numbered {}

impl PartialOrd for Numbered {
    fn partial_cmp(&self, other: &Numbered) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Numbered {
    fn cmp(&self, other: &Numbered) -> core::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}

/// One of the mounts that [`Mounts::below`] finds.
pub(crate) struct Below {
    pub(crate) mount: MountRef,
    /// The place in the list of what it is mounted in; 0 for the first itself.
    pub(crate) parent: usize,
    /// What it covers there. None of the first, for which that does not matter.
    pub(crate) over: Option<Spot>,
}

/// Whether [`Mounts::attach`] did it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attached {
    Yes,
    /// Something is mounted there by now.
    Covered,
}

impl Mounts {
    pub(crate) fn new() -> Mounts {
        Mounts { by_point: HashMap::with_hasher(FixedState::default()), next_number: 0 }
    }

    /// What is mounted at `spot`, or the place itself.
    #[cold]
    pub(crate) fn top(&self, mut spot: Spot) -> Place {
        while spot.place.is_covered()
            && let Some(entry) = Point::of(&spot).and_then(|point| self.by_point.get(&point))
        {
            entry.mount.pass();
            let node = entry.mount.root.clone();
            spot = Spot::new(Place { mount: MountRef::from(&entry.mount), node });
        }
        spot.place
    }

    /// Mounts all that is planned, or nothing. The first is what others are mounted in; who calls
    /// has its spot [covered](Spot::cover).
    ///
    /// # Errors
    /// ENOENT if the place is in no tree; ENOSPC; ENOMEM.
    #[cold]
    pub(crate) fn attach(&mut self, planned: &[Planned]) -> Result<Attached> {
        let Some((_, first)) = planned.first() else { return Ok(Attached::Yes) };
        if !first.place.mount.is_attached() {
            return Err(Errno::ENOENT);
        }
        if Point::of(first).is_some_and(|point| self.by_point.contains_key(&point)) {
            return Ok(Attached::Covered);
        }
        if self.by_point.len() + 1 + planned.len() > MOUNTS_MAX {
            return Err(Errno::ENOSPC);
        }
        self.by_point.try_reserve(planned.len()).map_err(|_| Errno::ENOMEM)?;
        for (done, (mount, over)) in planned.iter().enumerate() {
            if let Err(errno) = self.attach_one(mount, over) {
                for (mount, over) in &planned[..done] {
                    // The plan keeps what the mount gives up.
                    drop(self.detach_one(mount, over));
                }
                return Err(errno);
            }
        }
        Ok(Attached::Yes)
    }

    /// Moves a mount to another place, as [`attach`](Mounts::attach) puts a new one there. Also
    /// returns what it covered before.
    ///
    /// # Errors
    /// EINVAL if the mount is in no tree; ENOENT if the place is; ELOOP for a place in the mount itself;
    /// ENOSPC, ENOMEM.
    #[cold]
    pub(crate) fn move_to(
        &mut self,
        mount: &Arc<Mount>,
        over: &Spot,
    ) -> Result<(Attached, Option<Spot>)> {
        let former = mount.covers().ok_or(Errno::EINVAL)?;
        if !over.place.mount.is_attached() {
            return Err(Errno::ENOENT);
        }
        let mut above = over.place.mount.clone();
        while let MountRef::Further(this) = &above {
            if Arc::ptr_eq(this, mount) {
                return Err(Errno::ELOOP);
            }
            above = this.covers().map_or(MountRef::First, |spot| spot.place.mount);
        }
        if Point::of(over).is_some_and(|point| self.by_point.contains_key(&point)) {
            return Ok((Attached::Covered, Some(former)));
        }
        self.by_point.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let covered = self.detach_one(mount, &former);
        if let Err(errno) = self.attach_one(mount, over) {
            // There was room for it a moment ago.
            let _ = self.attach_one(mount, &former);
            return Err(errno);
        }
        Ok((Attached::Yes, covered))
    }

    /// Takes a mount out of the tree, if nobody but the caller has a reference to it: one, or
    /// as many as `own` says.
    ///
    /// # Errors
    /// EINVAL if it is in no tree; EBUSY; ENOMEM.
    pub(crate) fn detach_idle(&mut self, mount: &Arc<Mount>, own: usize) -> Result<Detached> {
        if self.is_busy(mount, own) {
            return Err(Errno::EBUSY);
        }
        self.detach(mount)
    }

    /// Whether somebody uses a mount, beside the table and the caller's `own` references.
    pub(crate) fn is_busy(&self, mount: &Arc<Mount>, own: usize) -> bool {
        mount.further.load(Ordering::Relaxed) > 0 || Arc::count(mount) > own + 1
    }

    /// Takes a mount out of the tree, and all that is mounted in it.
    ///
    /// # Errors
    /// EINVAL if it is in no tree; ENOMEM.
    #[cold]
    pub(crate) fn detach(&mut self, mount: &Arc<Mount>) -> Result<Detached> {
        let below = self.below(MountRef::from(mount))?;
        let mut detached = Vec::new();
        detached.try_reserve_exact(below.len()).map_err(|_| Errno::ENOMEM)?;
        for Below { mount, .. } in below {
            let MountRef::Further(mount) = mount else { return Err(Errno::EINVAL) };
            let over = mount.covers().ok_or(Errno::EINVAL)?;
            let covered = self.detach_one(&mount, &over);
            detached.push(((*mount).clone(), covered));
        }
        Ok(detached)
    }

    /// A mount, and all that is mounted in it, each after what it is mounted in, with the place
    /// of that in the list, and what it covers there.
    ///
    /// # Errors
    /// ENOMEM.
    #[cold]
    pub(crate) fn below(&self, top: MountRef) -> Result<Vec<Below>> {
        let is_leaf = top.further().is_some_and(|mount| mount.further.load(Ordering::Relaxed) == 0);
        let by_parent =
            if is_leaf { Vec::new() } else { self.sorted(|point, _| point.mount as u64)? };
        let mut found = Vec::new();
        found.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        found.push(Below { mount: top, parent: 0, over: None });
        let mut next = 0;
        while next < found.len() {
            let parent = found[next].mount.address() as u64;
            let first = by_parent.partition_point(|other| other.number < parent);
            let inside = by_parent[first..].iter().take_while(|other| other.number == parent);
            for Numbered { mount, .. } in inside {
                let over = mount.covers();
                found.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                let mount = MountRef::from(mount);
                found.push(Below { mount, parent: next, over });
            }
            next += 1;
        }
        Ok(found)
    }

    /// All mounts but the first, in the order in which they were made.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn all(&self) -> Result<Vec<Numbered>> {
        self.sorted(|_, entry| entry.number)
    }

    /// All mounts but the first, by a number that each has.
    #[cold]
    fn sorted(&self, number: fn(&Point, &Entry) -> u64) -> Result<Vec<Numbered>> {
        let mut all = Vec::new();
        all.try_reserve_exact(self.by_point.len()).map_err(|_| Errno::ENOMEM)?;
        let entries = self.by_point.iter();
        all.extend(entries.map(|(point, entry)| Numbered {
            number: number(point, entry),
            mount: entry.mount.clone(),
        }));
        // A heap is less code than the sort of slices, which is made to be fast.
        Ok(BinaryHeap::from(all).into_sorted_vec())
    }

    /// Mounts where there is room for it and nothing is mounted.
    #[cold]
    fn attach_one(&mut self, mount: &Arc<Mount>, over: &Spot) -> Result<()> {
        let Node::Ramdisk(inode) = &over.place.node else { return Err(Errno::EINVAL) };
        let point = Point::of(over).ok_or(Errno::EINVAL)?;
        inode.count_mount(over.name.as_ref())?;
        let number = self.next_number;
        self.next_number += 1;
        self.by_point.insert(point, Entry { mount: mount.clone(), number });
        if let Some(parent) = over.place.mount.further() {
            parent.further.fetch_add(1, Ordering::Relaxed);
        }
        *mount.covers.lock() = Some(over.clone());
        Ok(())
    }

    /// Takes a mount away from what it covers, which is returned.
    #[cold]
    fn detach_one(&mut self, mount: &Arc<Mount>, over: &Spot) -> Option<Spot> {
        let Node::Ramdisk(inode) = &over.place.node else { return None };
        // The caller has another reference.
        drop(Point::of(over).and_then(|point| self.by_point.remove(&point)));
        inode.uncount_mount(over.name.as_ref());
        if let Some(parent) = over.place.mount.further() {
            parent.further.fetch_sub(1, Ordering::Relaxed);
        }
        mount.covers.lock().take()
    }
}
