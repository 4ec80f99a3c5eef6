//! The tree of mounts: mount, umount2; and the root directory: chroot.

use alloc::vec::Vec;

use anchorite_fs::mem::{Arc, try_bytes};
use anchorite_fs::{Access, Caller, FileType, Inode};

use crate::calls::working_directory::{BackwardPath, Reached};
use crate::mounts::file_system::{FileSystem, Making};
use crate::mounts::options::{Data, MountFlags};
use crate::mounts::{Attached, Below, Detached, Mount, MountRef, Numbered, Spot};
use crate::node::{Files, Node};
use crate::system::{System, one};
use crate::walk::{LastLink, Path, Place};
use crate::{Errno, Result};

/// What was the upper half of the flags once, and means nothing: `mount(2)`.
const MAGIC_MASK: u64 = 0xffff_0000;
const MAGIC: u64 = 0xc0ed_0000;
/// A flag of the kernel's own.
const MS_NOUSER: u64 = 1 << 31;
/// How changes of a mount are passed on to others, of which there are none.
const PROPAGATION: u64 = libc::MS_SHARED | libc::MS_PRIVATE | libc::MS_SLAVE | libc::MS_UNBINDABLE;

impl System {
    /// `mount(2)`: mounts a file system at `target`, a directory: a new one of the kind `kind`
    /// (`tmpfs`, `ramfs`), with the options in `data`; `source` is told to who asks, no more.
    /// With MS_BIND, what is at `source` instead, a directory or a file, and with MS_REC what is
    /// mounted below. With MS_REMOUNT it changes the flags and options of what is mounted at
    /// `target`; with MS_BIND the flags of that mount alone. With MS_MOVE it moves what is
    /// mounted at `source`. MS_PRIVATE and MS_SLAVE change nothing: no mount is shared.
    ///
    /// Flags are MS_RDONLY, MS_NODEV, MS_NOSUID, MS_NOEXEC, MS_NOATIME, MS_NODIRATIME,
    /// MS_RELATIME (so it is without any) and MS_STRICTATIME; others mean nothing. Options of
    /// `tmpfs` are those of `tmpfs(5)`: `size`, `nr_blocks`, `nr_inodes`, `mode`, `uid`, `gid`.
    ///
    /// # Errors
    /// Those of the path `target`; EINVAL for MS_NOUSER; EPERM without privilege; EINVAL without
    /// `kind`; ENODEV for an unknown one; EINVAL for unknown options; ENOSPC for no inode, ENOMEM; ENOTDIR
    /// unless both are directories, or neither is; EBUSY for what is mounted there already;
    /// ENOENT for a `target` that was removed; EINVAL for one in another file system than a
    /// ramdisk, or in what was detached; ENOSPC for more than 10,000 mounts. MS_REMOUNT: EINVAL
    /// unless something is mounted at `target`, and for limits below what is used; EBUSY to
    /// make read-only what a file is open in to be written. MS_BIND: EINVAL without `source`,
    /// those of that path. MS_MOVE: ELOOP to below itself.
    #[cold]
    pub fn mount(
        &self,
        source: Option<&[u8]>,
        target: &[u8],
        kind: Option<&[u8]>,
        flags: u64,
        data: Option<&[u8]>,
    ) -> Result<()> {
        let privileged = self.identity.read().is_privileged();
        let flags = if flags & MAGIC_MASK == MAGIC { flags & !MAGIC_MASK } else { flags };
        let data = Data(data.unwrap_or_default());
        self.as_caller(|caller| {
            let spot = self.spot_at(caller, target)?;
            if flags & MS_NOUSER != 0 {
                return Err(Errno::EINVAL);
            }
            if !privileged {
                return Err(Errno::EPERM);
            }
            let spot = self.named(caller, spot)?;
            let at = &spot.place;
            if flags & libc::MS_REMOUNT != 0 {
                self.remount(at, flags, data)
            } else if flags & libc::MS_BIND != 0 {
                self.bind(caller, source, spot, flags & libc::MS_REC != 0, None)
            } else if flags & PROPAGATION != 0 {
                let told = flags & (PROPAGATION | !(libc::MS_REC | libc::MS_SILENT));
                match told {
                    libc::MS_PRIVATE | libc::MS_SLAVE if is_mounted(at) => Ok(()),
                    _ => Err(Errno::EINVAL),
                }
            } else if flags & libc::MS_MOVE != 0 {
                self.move_mount(caller, source, &spot)
            } else {
                self.mount_new(caller, source, spot, kind.ok_or(Errno::EINVAL)?, flags, data)
            }
        })
    }

    /// `umount(2)`: [`umount2`](System::umount2) without flags.
    ///
    /// # Errors
    /// Those of [`umount2`](System::umount2).
    pub fn umount(&self, target: &[u8]) -> Result<()> {
        self.umount2(target, 0)
    }

    /// `umount2(2)`: takes away what is mounted at `target`. With MNT_DETACH at once, and all
    /// that is mounted in it: who uses it may go on, and with the last it is freed. With
    /// MNT_EXPIRE if it was not used since such a call before. MNT_FORCE is for file systems
    /// over a network. With UMOUNT_NOFOLLOW a symbolic link in last place is not followed.
    ///
    /// Where the root directory is in the mount, the file system becomes read-only instead, as
    /// on Linux.
    ///
    /// # Errors
    /// EINVAL for other flags; those of the path; EPERM without privilege; EINVAL unless
    /// something is mounted at `target`, and for the first of all; EINVAL for MNT_EXPIRE with
    /// another; EBUSY while a file is open in it, a directory of it is somebody's, or
    /// something is mounted in it; EAGAIN for MNT_EXPIRE the first time.
    #[cold]
    pub fn umount2(&self, target: &[u8], flags: i32) -> Result<()> {
        check_umount_flags(flags)?;
        let privileged = self.identity.read().is_privileged();
        let follows = flags & libc::UMOUNT_NOFOLLOW == 0;
        let last_link = if follows { LastLink::Follow } else { LastLink::Stay };
        self.as_caller(|caller| {
            let at = self.place_at(caller, libc::AT_FDCWD, target, last_link, 0)?;
            // What covers the root or the working directory is meant, too.
            let at = self.top(at);
            if !privileged {
                return Err(Errno::EPERM);
            }
            if !is_mounted(&at) || !at.mount.is_attached() {
                return Err(Errno::EINVAL);
            }
            let expires = flags & libc::MNT_EXPIRE != 0;
            let detaches = flags & libc::MNT_DETACH != 0;
            let is_root = self.root().mount.is(&at.mount);
            if expires && (is_root || flags & (libc::MNT_FORCE | libc::MNT_DETACH) != 0) {
                return Err(Errno::EINVAL);
            }
            if is_root && !detaches {
                self.set_read_only(&at.mount, true)?;
                return self.note_access_times(&at.mount);
            }
            let MountRef::Further(mount) = at.mount else { return Err(Errno::EINVAL) };
            // From here on this is the caller's one reference.
            drop(at.node);
            if expires {
                if self.mounts.read().is_busy(&mount, 1) {
                    return Err(Errno::EBUSY);
                }
                if !mount.expires() {
                    return Err(Errno::EAGAIN);
                }
            }
            let mut mounts = self.mounts.write();
            let detached =
                if detaches { mounts.detach(&mount) } else { mounts.detach_idle(&mount, 1) };
            drop(mounts);
            // After the table: the last reference frees all that is in it.
            detached.map(drop::<Detached>)
        })
    }

    /// `chroot(2)`: makes the directory at `path` the root directory, from which absolute paths
    /// and symbolic links start, and above which `..` does not lead. The working directory
    /// stays.
    ///
    /// # Errors
    /// Those of the path; ENOTDIR; EACCES without search permission; EPERM without privilege.
    #[cold]
    pub fn chroot(&self, path: &[u8]) -> Result<()> {
        let privileged = self.identity.read().is_privileged();
        self.as_caller(|caller| {
            let place = self.place_at(caller, libc::AT_FDCWD, path, LastLink::Follow, 0)?;
            if !is_directory(&place.node)? {
                return Err(Errno::ENOTDIR);
            }
            place.node.check(caller, Access::EXECUTE)?;
            if !privileged {
                return Err(Errno::EPERM);
            }
            self.set_root(place);
            Ok(())
        })
    }

    /// What is mounted below the root directory, as text: `proc_pid_mounts(5)`, a line for each
    /// mount in the order in which they were made.
    ///
    /// # Errors
    /// ENOMEM.
    #[cold]
    pub fn mounts_text(&self) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        let further = self.mounts.read().all()?;
        let first = MountRef::First;
        self.put_mount(&mut text, &first, self.mount_of(&first).root.clone())?;
        for Numbered { mount, .. } in further {
            let root = mount.root.clone();
            self.put_mount(&mut text, &MountRef::from(&mount), root)?;
        }
        Ok(text)
    }

    /// Adds a mount's line, if it is below the root directory.
    #[cold]
    fn put_mount(&self, text: &mut Vec<u8>, mount: &MountRef, node: Node) -> Result<()> {
        let mut path = BackwardPath::new();
        let place = Place { mount: mount.clone(), node };
        let Ok(Reached::Root) = self.path_of(place, &mut path) else { return Ok(()) };
        let path = path.ended_by_nul(Reached::Root)?;
        let mount = self.mount_of(mount);
        put_escaped(text, &mount.source)?;
        put(text, b" ")?;
        put_escaped(text, path.strip_suffix(b"\0").unwrap_or(path))?;
        put(text, b" ")?;
        put(text, mount.file_system.kind().name.as_bytes())?;
        put(text, if mount.is_read_only() { b" ro" } else { b" rw" })?;
        mount.flags().names().try_for_each(|name| put(text, name.as_bytes()))?;
        put(text, b" 0 0\n")
    }

    /// What `path` leads to, for something to be mounted there.
    ///
    /// # Errors
    /// Those of the path.
    #[cold]
    fn spot_at(&self, caller: &Caller<'_>, path: &[u8]) -> Result<Spot> {
        loop {
            let mut walk = self.walk(caller, libc::AT_FDCWD, Path::new(path)?)?;
            if let Some(spot) = walk.finish_at_spot(LastLink::Follow)? {
                return Ok(spot);
            }
        }
    }

    /// Finds a name of a file that a link of proc led to: any, as nobody told one.
    ///
    /// # Errors
    /// ENOENT for a file without a name; ENAMETOOLONG, ENOMEM.
    #[cold]
    fn named(&self, caller: &Caller<'_>, spot: Spot) -> Result<Spot> {
        let Node::Ramdisk(inode) = &spot.place.node else { return Ok(spot) };
        if inode.is_directory() || spot.name.is_some() || is_mounted(&spot.place) {
            return Ok(spot);
        }
        let inode = inode.clone();
        let mut name = BackwardPath::new();
        let directory = self.directory_of(caller, &spot.place.mount, &inode, &mut name)?;
        let directory = directory.ok_or(Errno::ENOENT)?;
        let spot = Spot::named(spot.place, &directory.node, name.last());
        if spot.name.is_none() { Err(Errno::ENOENT) } else { Ok(spot) }
    }

    /// Mounts a new file system of the kind `kind` at `at`.
    #[cold]
    pub(crate) fn mount_new(
        &self,
        caller: &Caller<'_>,
        source: Option<&[u8]>,
        at: Spot,
        kind: &[u8],
        flags: u64,
        data: Data<'_>,
    ) -> Result<()> {
        let making = Making { system: self, caller, data };
        let (file_system, root) = FileSystem::make(kind, &making, flags & libc::MS_RDONLY != 0)?;
        let source = try_bytes(source.unwrap_or(b"none"))?;
        let mount = Mount::new(file_system, root, source, MountFlags::of(flags));
        let mount = Arc::try_new(mount)?;
        self.attach(at, &mut |over| match is_directory(&mount.root)?
            == is_directory(&over.place.node)?
        {
            true => one(&mount, over),
            false => Err(Errno::ENOTDIR),
        })
    }

    /// Lets `at` be what is at `source`, with the flags that this has unless others are given.
    #[cold]
    pub(crate) fn bind(
        &self,
        caller: &Caller<'_>,
        source: Option<&[u8]>,
        at: Spot,
        is_recursive: bool,
        flags: Option<MountFlags>,
    ) -> Result<()> {
        let source = source.filter(|path| !path.is_empty()).ok_or(Errno::EINVAL)?;
        let source = Path::new(source)?;
        let from = self.walk(caller, libc::AT_FDCWD, source)?.finish(LastLink::Follow)?;
        if !at.place.mount.is_attached() {
            return Err(Errno::ENOENT);
        }
        if !from.mount.is_attached() {
            return Err(Errno::EINVAL);
        }
        let is_of_directory = is_directory(&from.node)?;
        let copy = |mount: &MountRef, root: &Node| {
            let mount = self.mount_of(mount);
            let (file_system, source) = (mount.file_system.clone(), try_bytes(&mount.source)?);
            Arc::try_new(Mount::new(file_system, root.clone(), source, mount.flags()))
        };
        self.attach(at, &mut |over| {
            if is_of_directory != is_directory(&over.place.node)? {
                return Err(Errno::ENOTDIR);
            }
            check_named(&from.node)?;
            let first = copy(&from.mount, &from.node)?;
            if let Some(flags) = flags {
                first.set_flags(flags);
            }
            let mut planned = one(&first, over)?;
            if !is_recursive {
                return Ok(planned);
            }
            // Of what is mounted in this mount, only what is below what is bound. That is not
            // looked at while the table is held: a directory would be locked after it.
            let all = self.mounts.read().below(from.mount.clone())?;
            planned.try_reserve_exact(all.len()).map_err(|_| Errno::ENOMEM)?;
            // Where the copy of each is among those that are planned; none if it has none.
            let mut copies: Vec<Option<usize>> = Vec::new();
            copies.try_reserve_exact(all.len()).map_err(|_| Errno::ENOMEM)?;
            copies.push(Some(0));
            for Below { mount, parent, over } in &all[1..] {
                let is_in = |over: &Spot| *parent > 0 || over.is_in(&from.node);
                let its_copy = match (over, copies[*parent]) {
                    (Some(over), Some(parent)) if is_in(over) => {
                        let copied = copy(mount, &self.mount_of(mount).root)?;
                        let parent = MountRef::from(&planned[parent].0);
                        let place = Place { mount: parent, node: over.place.node.clone() };
                        planned.push((copied, Spot { place, name: over.name.clone() }));
                        Some(planned.len() - 1)
                    }
                    _ => None,
                };
                copies.push(its_copy);
            }
            Ok(planned)
        })
    }

    #[cold]
    fn move_mount(&self, caller: &Caller<'_>, source: Option<&[u8]>, at: &Spot) -> Result<()> {
        let source = source.filter(|path| !path.is_empty()).ok_or(Errno::EINVAL)?;
        let source = Path::new(source)?;
        let from = self.walk(caller, libc::AT_FDCWD, source)?.finish(LastLink::Follow)?;
        let MountRef::Further(mount) = &from.mount else { return Err(Errno::EINVAL) };
        if !is_mounted(&from) || !from.mount.is_attached() {
            return Err(Errno::EINVAL);
        }
        loop {
            let over = self.spot_on_top(at.clone());
            if is_directory(&from.node)? != is_directory(&over.place.node)? {
                return Err(Errno::EINVAL);
            }
            check_named(&from.node)?;
            let moved = over.cover(|| self.mounts.write().move_to(mount, &over))?;
            if let (Attached::Yes, _covered) = moved {
                return Ok(());
            }
        }
    }

    #[cold]
    fn remount(&self, at: &Place, flags: u64, data: Data<'_>) -> Result<()> {
        if !is_mounted(at) || !at.mount.is_attached() {
            return Err(Errno::EINVAL);
        }
        let mount = self.mount_of(&at.mount);
        let former = mount.flags();
        let new = former.remounted(flags);
        if flags & libc::MS_BIND != 0 {
            let becomes_read_only = new.contains(MountFlags::READ_ONLY);
            mount.set_flags(new);
            if becomes_read_only && !former.contains(MountFlags::READ_ONLY) {
                let told = self.check_unwritten(|other| other.is(&at.mount), |_| false);
                if told.is_err() {
                    mount.set_flags(former);
                    return told;
                }
            }
        } else {
            let read_only = data.read_only().unwrap_or(flags & libc::MS_RDONLY != 0);
            let was_read_only = mount.file_system.is_read_only();
            self.set_read_only(&at.mount, read_only)?;
            let changed = mount.file_system.change(self, data);
            if changed.is_err() {
                mount.file_system.set_read_only(was_read_only);
                return changed;
            }
            mount.set_flags(new);
        }
        self.note_access_times(&at.mount)
    }

    /// Makes a mount's file system read-only, or to be written again.
    ///
    /// # Errors
    /// EBUSY while a file in it is open to be written, or without a name.
    #[cold]
    fn set_read_only(&self, mount: &MountRef, read_only: bool) -> Result<()> {
        let file_system = &self.mount_of(mount).file_system;
        // First, so that nobody opens another while those that are open are looked at.
        let was_read_only = file_system.set_read_only(read_only);
        if !read_only || was_read_only {
            return Ok(());
        }
        let is_here =
            |other: &MountRef| Arc::ptr_eq(&self.mount_of(other).file_system, file_system);
        let told = self.check_unwritten(is_here, is_removed).and_then(|()| {
            let directories = [Some(self.working_directory()), self.other_root()];
            let mut directories = directories.into_iter().flatten();
            let is_kept = directories.any(|place| is_here(&place.mount) && is_removed(&place.node));
            // What was bound stays, too.
            let is_bound = |Numbered { mount, .. }: &Numbered| {
                Arc::ptr_eq(&mount.file_system, file_system) && is_removed(&mount.root)
            };
            let further = self.mounts.read().all()?;
            if is_kept || further.iter().any(is_bound) { Err(Errno::EBUSY) } else { Ok(()) }
        });
        told.inspect_err(|_| {
            file_system.set_read_only(false);
        })
    }

    /// # Errors
    /// EBUSY if a file of these mounts is open to be written, or one that `keeps` them so.
    fn check_unwritten(
        &self,
        is_here: impl Fn(&MountRef) -> bool,
        keeps: impl Fn(&Node) -> bool,
    ) -> Result<()> {
        let mut kept = Vec::new();
        self.descriptors.each(|file| {
            let Some(place) = file.place.as_ref().filter(|place| is_here(&place.mount)) else {
                return Ok(());
            };
            let is_file = place.node.file_type().is_none_or(|known| known == FileType::Regular);
            if is_file && file.check_writable().is_ok() && file.check_not_path().is_ok() {
                return Err(Errno::EBUSY);
            }
            if let Node::Ramdisk(_) = &place.node {
                // Looked at when the descriptors are not held any more.
                kept.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                kept.push(place.node.clone());
            }
            Ok(())
        })?;
        if kept.iter().any(keeps) { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// Lets open files know what their mounts say about access times now, those of the file
    /// system that is mounted at `mount`.
    #[cold]
    fn note_access_times(&self, mount: &MountRef) -> Result<()> {
        let file_system = &self.mount_of(mount).file_system;
        self.descriptors.each(|file| {
            if let Some(place) = &file.place {
                let mount = self.mount_of(&place.mount);
                if Arc::ptr_eq(&mount.file_system, file_system) {
                    file.set_access_time(mount.access_time(&place.node));
                }
            }
            Ok(())
        })
    }
}

/// # Errors
/// EINVAL for flags that `umount2(2)` does not know.
pub(crate) fn check_umount_flags(flags: i32) -> Result<()> {
    let known = libc::MNT_FORCE | libc::MNT_DETACH | libc::MNT_EXPIRE | libc::UMOUNT_NOFOLLOW;
    if flags & !known != 0 { Err(Errno::EINVAL) } else { Ok(()) }
}

/// # Errors
/// ENOENT for what has no name any more: it is not mounted anywhere else.
fn check_named(node: &Node) -> Result<()> {
    if is_removed(node) { Err(Errno::ENOENT) } else { Ok(()) }
}

/// Whether a file of a ramdisk has no name any more.
fn is_removed(node: &Node) -> bool {
    matches!(node, Node::Ramdisk(inode) if Inode::attributes(inode).nlink == 0)
}

/// # Errors
/// ENOMEM.
fn put(text: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    text.try_reserve(bytes.len()).map_err(|_| Errno::ENOMEM)?;
    text.extend_from_slice(bytes);
    Ok(())
}

/// As [`put`], with what would end a field as `\` and three octal digits.
fn put_escaped(text: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    for &byte in bytes {
        match byte {
            b' ' | b'\t' | b'\n' | b'\\' | b'#' => {
                put(text, &[b'\\', b'0' | byte >> 6, b'0' | byte >> 3 & 7, b'0' | byte & 7])?;
            }
            byte => put(text, &[byte])?,
        }
    }
    Ok(())
}

/// Whether it is where a mount begins.
fn is_mounted(place: &Place) -> bool {
    match (&place.mount, &place.node) {
        (MountRef::First, Node::Ramdisk(inode)) => {
            inode.is_directory() && Inode::parent(inode).is_none()
        }
        (mount, node) => mount.begins_at(node),
    }
}

fn is_directory(node: &Node) -> Result<bool> {
    let file_type = match node.file_type() {
        Some(known) => known,
        None => node.attributes(LastLink::Follow)?.file_type,
    };
    Ok(file_type == FileType::Directory)
}
