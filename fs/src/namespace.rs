//! The calls on directories: look up, create, link, unlink, rmdir, rename.
//!
//! Each checks and acts under one hold of the directory's lock, in Linux's order of
//! checks (`fs/namei.c`: search permission of the directory, the entry's existence,
//! then what `may_create` and `may_delete` ask). All that can fail for want of memory
//! is done before the first change, so an error leaves the tree as it was.

use crate::directory::Slot;
use crate::inode::{Body, Inode, InodeRef, Meta, State};
use crate::mem::Arc;
use crate::sync::{Class, RwLockWriteGuard};
use crate::{Access, Caller, Credentials, Errno, FileType, NAME_MAX, Result, planted};

/// What a create makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum New<'a> {
    /// An empty regular file.
    Regular,
    /// An empty directory.
    Directory,
    /// A symbolic link to this target.
    Symlink(&'a [u8]),
    /// A fifo, socket or device, with the device's number.
    Node(FileType, u64),
}

impl New<'_> {
    /// The type of what is made.
    pub(crate) fn file_type(&self) -> FileType {
        match self {
            New::Regular => FileType::Regular,
            New::Directory => FileType::Directory,
            New::Symlink(_) => FileType::Symlink,
            New::Node(file_type, _) => *file_type,
        }
    }

    /// Whether it is for root alone: a device, but for a whiteout (`mknod(2)`, EPERM).
    fn is_privileged(&self) -> bool {
        match self {
            New::Node(FileType::BlockDevice, _) => true,
            New::Node(FileType::CharDevice, rdev) => *rdev != 0,
            _ => false,
        }
    }
}

/// Whose a new file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group, unless the directory hands its own down.
    pub gid: u32,
}

impl Owner {
    /// Who these credentials are of.
    pub(crate) fn of(credentials: &Credentials) -> Owner {
        Owner { uid: credentials.uid, gid: credentials.gid }
    }
}

/// The name of an entry, as a path's last component gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryName<'a> {
    /// The name: neither empty nor `.` nor `..`, without `/`.
    pub bytes: &'a [u8],
    /// Whether a slash follows it: then it must name a directory.
    pub directory_only: bool,
}

/// What a rename does about a name that is taken: `renameat2(2)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    /// What it names is replaced.
    Replace,
    /// EEXIST.
    NoReplace,
    /// The two are exchanged; both must exist.
    Exchange,
}

/// What a rename leaves in the place of the old name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Nothing,
    /// A whiteout, the character device 0:0 without permissions, which hides a name of a
    /// lower layer in overlayfs: RENAME_WHITEOUT.
    Whiteout,
}

/// Whether a file that is made without a name may be linked later: O_TMPFILE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linkable {
    /// It may be given a name.
    Yes,
    /// It may not (O_EXCL).
    No,
}

impl Inode {
    /// The inode that `name` names in this directory.
    ///
    /// # Errors
    /// ENOTDIR; EACCES without search permission; ENAMETOOLONG; ENOENT.
    pub fn lookup(&self, caller: &Caller<'_>, name: &[u8]) -> Result<InodeRef> {
        let state = self.look();
        self.child_in(&state, caller, name).cloned()
    }

    /// As [`lookup`](Inode::lookup), for one who is [`alone`](crate::sync::alone()): without the lock, and without a count.
    ///
    /// # Errors
    /// Those of [`lookup`](Inode::lookup).
    ///
    /// # Safety
    /// As long as what is returned is used, the caller is alone, waits for nothing and changes nothing in
    /// this directory.
    #[allow(unsafe_code)]
    #[inline]
    pub unsafe fn lookup_alone(&self, caller: &Caller<'_>, name: &[u8]) -> Result<&InodeRef> {
        // SAFETY: the caller's promise.
        self.child_in(unsafe { self.state.peek() }, caller, name)
    }

    /// [`lookup`](Inode::lookup) in this directory's state.
    pub(crate) fn child_in<'a>(
        &self,
        state: &'a State,
        caller: &Caller<'_>,
        name: &[u8],
    ) -> Result<&'a InodeRef> {
        let directory = state.directory()?;
        state.check(caller, Access::EXECUTE)?;
        match directory.find_child(|| self.superblock.hash(name), name) {
            Some(child) => Ok(child),
            // A removed directory is not asked what it thinks of a name.
            None if name.len() > NAME_MAX && state.meta.nlink > 0 => Err(Errno::ENAMETOOLONG),
            None => Err(Errno::ENOENT),
        }
    }

    /// Makes a file named `name` with permissions `mode`, to which the caller has
    /// applied its mask already.
    ///
    /// # Errors
    /// ENOTDIR; EACCES without search permission; ENOENT if this directory was removed;
    /// ENAMETOOLONG; EEXIST; EACCES without write permission; EPERM for a device unless the
    /// caller is root, but for a whiteout, the character device 0, which anybody may make;
    /// ENOSPC; ENOMEM.
    pub fn create(
        this: &InodeRef,
        caller: &Caller<'_>,
        name: &[u8],
        new: New<'_>,
        mode: u32,
    ) -> Result<InodeRef> {
        Inode::create_for(this, caller, Owner::of(caller.credentials), name, new, mode)
    }

    /// [`create`](Inode::create) by a server, on behalf of another: what the caller may
    /// do is checked, and the file is the owner's.
    ///
    /// # Errors
    /// Those of [`create`](Inode::create).
    pub fn create_for(
        this: &InodeRef,
        caller: &Caller<'_>,
        owner: Owner,
        name: &[u8],
        new: New<'_>,
        mode: u32,
    ) -> Result<InodeRef> {
        let mut state = this.state.write();
        let hash = this.superblock.hash(name);
        if find(this, &state, caller, name, Some(hash))?.is_some() {
            return Err(Errno::EEXIST);
        }
        may_create(&state, caller)?;
        if new.is_privileged() && !caller.credentials.is_root() {
            return Err(Errno::EPERM);
        }
        let State { meta, body: Body::Directory(directory), .. } = &mut *state else {
            return Err(Errno::ENOTDIR);
        };
        let prepared = directory.prepare(hash, name)?;
        let child = make(this, meta, caller, owner, new, mode)?;
        let cookie = prepared.insert(child.clone());
        if new == New::Directory {
            meta.nlink += 1;
            // Nobody else knows the child yet: no lock is waited for.
            if let Ok(own) = child.write_child().directory_mut() {
                own.place = cookie;
            }
        }
        meta.touch(caller.now());
        Ok(child)
    }

    /// Makes a file without a name, in the ramdisk of this directory: O_TMPFILE, `pipe(2)`. It
    /// is no directory.
    ///
    /// # Errors
    /// ENOTDIR; EACCES without write and search permission; ENOSPC; ENOMEM.
    pub fn create_unnamed(
        this: &InodeRef,
        caller: &Caller<'_>,
        new: New<'_>,
        mode: u32,
        linkable: Linkable,
    ) -> Result<InodeRef> {
        debug_assert!(new != New::Directory, "a directory has a name");
        let state = this.state.read();
        state.directory()?;
        state.check(caller, Access::WRITE | Access::EXECUTE)?;
        let file = make(this, &state.meta, caller, Owner::of(caller.credentials), new, mode)?;
        drop(state);
        file.state.write().meta.nlink = 0;
        file.set_linkable(linkable == Linkable::Yes);
        Ok(file)
    }

    /// The file that `name` names, made as by [`create`](Inode::create) if there is
    /// none; and whether it was made.
    ///
    /// # Errors
    /// Those of [`create`](Inode::create), without EEXIST.
    pub fn find_or_create(
        this: &InodeRef,
        caller: &Caller<'_>,
        name: &[u8],
        mode: u32,
    ) -> Result<(InodeRef, Created)> {
        // Where files are hardly made, most are there, and to look for one keeps nobody waiting. To make
        // one looks for it as well.
        let mut looks = this.state.is_mostly_read();
        loop {
            if looks {
                match this.lookup(caller, name) {
                    Ok(found) => return Ok((found, Created::No)),
                    Err(Errno::ENOENT) => {}
                    Err(errno) => return Err(errno),
                }
            }
            match Inode::create(this, caller, name, New::Regular, mode) {
                Ok(made) => return Ok((made, Created::Yes)),
                Err(Errno::EEXIST) => looks = true,
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Gives `target`, which is no directory, the further name `name`: `link(2)`.
    ///
    /// # Errors
    /// ENOTDIR; EACCES without search permission; ENOENT if this directory was removed;
    /// ENAMETOOLONG; EEXIST; EXDEV for an inode of another ramdisk; EACCES without
    /// write permission; EPERM if `target` is a directory; ENOENT if it has no name
    /// any more; EMLINK; ENOMEM.
    pub fn link(
        this: &InodeRef,
        caller: &Caller<'_>,
        name: &[u8],
        target: &InodeRef,
    ) -> Result<()> {
        let mut state = this.state.write();
        let hash = this.superblock.hash(name);
        if find(this, &state, caller, name, Some(hash))?.is_some() {
            return Err(Errno::EEXIST);
        }
        if !Arc::ptr_eq(&this.superblock, &target.superblock) {
            return Err(Errno::EXDEV);
        }
        may_create(&state, caller)?;
        if target.is_directory() {
            return Err(Errno::EPERM);
        }
        let State { meta, body: Body::Directory(directory), .. } = &mut *state else {
            return Err(Errno::ENOTDIR);
        };
        let prepared = directory.prepare(hash, name)?;
        {
            let meta = &mut target.write_child().meta;
            if meta.nlink == 0 && !target.is_linkable() {
                return Err(Errno::ENOENT);
            }
            meta.nlink = meta.nlink.checked_add(1).ok_or(Errno::EMLINK)?;
            meta.touch_status(caller.now());
            target.set_linkable(false);
        }
        prepared.insert(target.clone());
        meta.touch(caller.now());
        Ok(())
    }

    /// Removes the name of a file that is no directory: `unlink(2)`.
    ///
    /// # Errors
    /// ENOTDIR; EACCES without search permission; ENAMETOOLONG; ENOENT; EACCES without
    /// write permission; EPERM in a sticky directory; EISDIR; EBUSY for a mount point.
    pub fn unlink(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        let _removed = {
            let mut state = self.state.write();
            let slot = find(self, &state, caller, name, None)?.ok_or(Errno::ENOENT)?;
            let directory = state.directory()?;
            let child = directory.child(slot);
            may_delete(&state, caller, child, Victim::NotDirectory)?;
            if child.is_kept(self, directory, slot) {
                return Err(Errno::EBUSY);
            }
            drop_link(child, caller);
            let removed = state.directory_mut()?.remove(slot);
            state.meta.touch(caller.now());
            removed // dropped after the lock: the last reference frees the data
        };
        Ok(())
    }

    /// Removes an empty directory: `rmdir(2)`.
    ///
    /// # Errors
    /// ENOTDIR; EACCES without search permission; ENAMETOOLONG; ENOENT; EACCES without
    /// write permission; EPERM in a sticky directory; ENOTDIR if it is no directory;
    /// EBUSY for a mount point; ENOTEMPTY.
    pub fn rmdir(&self, caller: &Caller<'_>, name: &[u8]) -> Result<()> {
        let _removed = {
            let mut state = self.state.write();
            let slot = find(self, &state, caller, name, None)?.ok_or(Errno::ENOENT)?;
            let child = state.directory()?.child(slot);
            may_delete(&state, caller, child, Victim::Directory)?;
            if child.is_mount_point() {
                return Err(Errno::EBUSY);
            }
            kill_empty_directory(child, caller)?;
            let removed = state.directory_mut()?.remove(slot);
            state.meta.nlink -= 1;
            state.meta.touch(caller.now());
            removed // dropped after the lock
        };
        Ok(())
    }

    /// Copies to `name` the name that this directory has in its parent, and returns
    /// the parent; none for a root. For `getcwd(2)`.
    ///
    /// # Errors
    /// ENOENT if the directory was removed; what `copy` returns.
    pub fn name_in_parent(
        &self,
        copy: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<Option<InodeRef>> {
        loop {
            let (parent, place) = {
                let state = self.state.read();
                let directory = state.directory()?;
                let Some(parent) = directory.parent.clone() else { return Ok(None) };
                if state.meta.nlink == 0 {
                    return Err(Errno::ENOENT);
                }
                (parent, directory.place)
            };
            {
                let state = parent.state.read();
                if let Some((name, child)) = state.directory()?.at_cookie(place)
                    && core::ptr::eq(&**child, self)
                {
                    copy(name)?;
                    drop(state);
                    return Ok(Some(parent));
                }
            }
            // It was moved or removed between the two looks.
        }
    }
}

/// Whether a call made the file that it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The file was made by this call.
    Yes,
    /// The file was there.
    No,
}

/// Renames: `renameat2(2)`.
///
/// # Errors
/// EXDEV for directories of two ramdisks; ENOTDIR; EACCES without search permission of
/// both directories; ENAMETOOLONG and ENOENT, the old name's before the new one's; EEXIST
/// ([`RenameMode::NoReplace`]); ENOENT ([`RenameMode::Exchange`]); ENOTDIR
/// for a file whose name is followed by a slash; EINVAL if the directory would be moved
/// below itself; ENOTEMPTY if the new name is an ancestor of the old (EINVAL to
/// exchange them); success with nothing done if both name the same file; EACCES and
/// EPERM as for removing both and creating the new; ENOTDIR and EISDIR if one is a
/// directory and the other is not; EACCES if a directory that moves to another parent
/// is not writable; EBUSY for mount points; ENOTEMPTY; ENOMEM.
pub fn rename(
    caller: &Caller<'_>,
    old_dir: &InodeRef,
    old: EntryName<'_>,
    new_dir: &InodeRef,
    new: EntryName<'_>,
    mode: RenameMode,
    left: Left,
) -> Result<()> {
    let superblock = &old_dir.superblock;
    if !Arc::ptr_eq(superblock, &new_dir.superblock) {
        return Err(Errno::EXDEV);
    }
    let renamed = if Arc::ptr_eq(old_dir, new_dir) {
        let mut parents = Parents { old: old_dir.state.write(), new: None };
        rename_locked(
            caller,
            &mut parents,
            (old_dir, old),
            (new_dir, new),
            (mode, left),
            &Traps::NONE,
        )
    } else {
        let _no_directory_moves =
            (!planted!("directories_move_meanwhile")).then(|| superblock.rename.lock());
        let traps = Traps::find(old_dir, new_dir);
        let new_first = match (&traps.above_new, &traps.above_old) {
            (Some(_), _) => false,
            (_, Some(_)) => true,
            _ => new_dir.number() < old_dir.number(),
        };
        let mut parents = if new_first {
            let new = new_dir.state.write();
            Parents { old: lock_second(new_dir, old_dir), new: Some(new) }
        } else {
            let old = old_dir.state.write();
            Parents { old, new: Some(lock_second(old_dir, new_dir)) }
        };
        rename_locked(caller, &mut parents, (old_dir, old), (new_dir, new), (mode, left), &traps)
    };
    // Dropped here, after the locks, and where it is.
    renamed.as_ref().map_or_else(|errno| Err(*errno), |_| Ok(()))
}

/// Locks the second directory of a rename; the caller holds the first.
#[track_caller]
fn lock_second<'a>(first: &Inode, second: &'a Inode) -> RwLockWriteGuard<'a, State> {
    let state = second.state.write_as(Class::SecondDirectory);
    debug_assert!(first.state.is_held(), "lock order: the first directory is held");
    state
}

/// The locked parents of a rename; `new` is none where both are the same.
struct Parents<'a> {
    old: RwLockWriteGuard<'a, State>,
    new: Option<RwLockWriteGuard<'a, State>>,
}

impl Parents<'_> {
    fn new_dir(&mut self) -> &mut State {
        self.new.as_mut().unwrap_or(&mut self.old)
    }
}

/// The entries between two directories of which one is above the other: a rename
/// must not touch them.
struct Traps {
    /// If the old directory is above the new: its entry on the way down.
    above_new: Option<InodeRef>,
    /// If the new directory is above the old: its entry on the way down.
    above_old: Option<InodeRef>,
}

impl Traps {
    const NONE: Traps = Traps { above_new: None, above_old: None };

    /// The caller holds the rename lock, so the answer stays true.
    fn find(old_dir: &InodeRef, new_dir: &InodeRef) -> Traps {
        Traps { above_new: below(old_dir, new_dir), above_old: below(new_dir, old_dir) }
    }
}

/// If `from` is below `top`: the entry of `top` on the way to it.
fn below(top: &InodeRef, from: &InodeRef) -> Option<InodeRef> {
    let mut current = from.clone();
    loop {
        let parent = current.parent()?;
        if Arc::ptr_eq(&parent, top) {
            return Some(current);
        }
        current = parent;
    }
}

/// What a rename leaves to be dropped after its locks.
type Removed = (InodeRef, Option<InodeRef>, Option<InodeRef>);

fn rename_locked(
    caller: &Caller<'_>,
    parents: &mut Parents<'_>,
    (old_dir, old): (&InodeRef, EntryName<'_>),
    (new_dir, new): (&InodeRef, EntryName<'_>),
    (mode, left): (RenameMode, Left),
    traps: &Traps,
) -> Result<Removed> {
    if let Some(new_parent) = &parents.new {
        // Before what is wrong with the old name.
        for directory in [&parents.old, new_parent] {
            directory.directory()?;
            directory.check(caller, Access::EXECUTE)?;
        }
    }
    let old_slot = find(old_dir, &parents.old, caller, old.bytes, None)?.ok_or(Errno::ENOENT)?;
    let new_hash = new_dir.superblock.hash(new.bytes);
    let new_slot = find(new_dir, parents.new_dir(), caller, new.bytes, Some(new_hash))?;
    if parents.new_dir().meta.nlink == 0 {
        // A look-up there finds it out, before what is wrong with the files themselves.
        return Err(Errno::ENOENT);
    }
    let source = parents.old.directory()?.child(old_slot).clone();
    let target = match new_slot {
        Some(slot) => Some(parents.new_dir().directory()?.child(slot).clone()),
        None => None,
    };
    match (mode, &target) {
        (RenameMode::NoReplace, Some(_)) => return Err(Errno::EEXIST),
        (RenameMode::Exchange, None) => return Err(Errno::ENOENT),
        _ => {}
    }
    let exchange = mode == RenameMode::Exchange;
    check_slashes(&source, old, target.as_ref().filter(|_| exchange), new)?;
    check_traps(&source, target.as_ref(), traps, exchange)?;
    if let Some(target) = &target
        && Arc::ptr_eq(target, &source)
    {
        return Ok((source, None, None));
    }

    may_delete(&parents.old, caller, &source, Victim::of(&source))?;
    match &target {
        None => may_create(parents.new_dir(), caller)?,
        Some(target) => {
            let expected = if exchange { Victim::of(target) } else { Victim::of(&source) };
            may_delete(parents.new_dir(), caller, target, expected)?;
        }
    }
    let moves = parents.new.is_some();
    if moves {
        for moved in [Some(&source), target.as_ref().filter(|_| exchange)].into_iter().flatten() {
            if moved.is_directory() {
                // Its `..` changes.
                moved.state.read_as(Class::Child).check(caller, Access::WRITE)?;
            }
        }
    }
    let is_target_kept = match (&target, new_slot) {
        (Some(target), Some(slot)) => target.is_kept(new_dir, parents.new_dir().directory()?, slot),
        _ => false,
    };
    if is_target_kept || source.is_kept(old_dir, parents.old.directory()?, old_slot) {
        return Err(Errno::EBUSY);
    }

    let whiteout = match left {
        Left::Nothing => None,
        Left::Whiteout => {
            if let Some(target) = target.as_ref().filter(|target| target.is_directory()) {
                // Before a whiteout is wanting.
                check_empty(&target.state.read_as(Class::Child))?;
            }
            let new = New::Node(FileType::CharDevice, 0);
            Some(make(old_dir, &parents.old.meta, caller, Owner::of(caller.credentials), new, 0)?)
        }
    };
    let removed = match (target, new_slot) {
        (Some(target), Some(new_slot)) if exchange => {
            swap_entries(parents, old_slot, new_slot, &source, &target)?;
            adopt(&target, old_dir, parents.old.directory()?.cookie(old_slot), caller);
            adopt(&source, new_dir, parents.new_dir().directory()?.cookie(new_slot), caller);
            count_moved(parents, &source, &target);
            (source, Some(target), None)
        }
        (Some(target), Some(new_slot)) => {
            if target.is_directory() {
                kill_empty_directory(&target, caller)?;
                parents.new_dir().meta.nlink -= 1;
            } else if !planted!("replaced_file_keeps_its_link") {
                drop_link(&target, caller);
            }
            let replaced = parents.new_dir().directory_mut()?.replace(new_slot, source.clone());
            let cookie = parents.new_dir().directory()?.cookie(new_slot);
            let unlinked = leave(parents, old_slot, whiteout)?;
            adopt(&source, new_dir, cookie, caller);
            count_moved_one(parents, &source);
            (unlinked, Some(target), Some(replaced))
        }
        _ if !moves && whiteout.is_none() => {
            parents.old.directory_mut()?.rename(old_slot, new_hash, new.bytes)?;
            source.write_child().meta.touch_status(caller.now());
            (source, None, None)
        }
        _ => {
            let prepared = parents.new_dir().directory_mut()?.prepare(new_hash, new.bytes)?;
            let cookie = prepared.insert(source.clone());
            let unlinked = leave(parents, old_slot, whiteout)?;
            adopt(&source, new_dir, cookie, caller);
            count_moved_one(parents, &source);
            (unlinked, None, None)
        }
    };
    parents.old.meta.touch(caller.now());
    if let Some(new_parent) = &mut parents.new {
        new_parent.meta.touch(caller.now());
    }
    Ok(removed)
}

/// A name followed by a slash must be a directory's: the old name; of an exchange,
/// the new name too; else what the new name becomes.
fn check_slashes(
    source: &InodeRef,
    old: EntryName<'_>,
    exchanged: Option<&InodeRef>,
    new: EntryName<'_>,
) -> Result<()> {
    let becomes_directory = exchanged.unwrap_or(source).is_directory();
    if new.directory_only && !becomes_directory || old.directory_only && !source.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    Ok(())
}

fn check_traps(
    source: &InodeRef,
    target: Option<&InodeRef>,
    traps: &Traps,
    exchange: bool,
) -> Result<()> {
    let is = |inode: &InodeRef, trap: &Option<InodeRef>| {
        trap.as_ref().is_some_and(|trap| Arc::ptr_eq(trap, inode))
    };
    if is(source, &traps.above_new) {
        return Err(Errno::EINVAL);
    }
    if target.is_some_and(|target| is(target, &traps.above_old)) {
        return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY });
    }
    Ok(())
}

fn swap_entries(
    parents: &mut Parents<'_>,
    old_slot: Slot,
    new_slot: Slot,
    source: &InodeRef,
    target: &InodeRef,
) -> Result<()> {
    // The references that the entries gave up are not the last: the caller has both.
    drop(parents.new_dir().directory_mut()?.replace(new_slot, source.clone()));
    drop(parents.old.directory_mut()?.replace(old_slot, target.clone()));
    Ok(())
}

/// Takes the source's entry away, or lets it name a whiteout.
fn leave(
    parents: &mut Parents<'_>,
    old_slot: Slot,
    whiteout: Option<InodeRef>,
) -> Result<InodeRef> {
    let directory = parents.old.directory_mut()?;
    Ok(match whiteout {
        Some(whiteout) => directory.replace(old_slot, whiteout),
        None => directory.remove(old_slot),
    })
}

/// Tells an inode that its name changed, and a directory where it hangs now.
fn adopt(child: &InodeRef, parent: &InodeRef, cookie: u64, caller: &Caller<'_>) {
    let mut state = child.write_child();
    state.meta.touch_status(caller.now());
    let former = match &mut state.body {
        Body::Directory(own) => {
            own.place = cookie;
            if planted!("moved_directory_keeps_its_parent") {
                return;
            }
            own.parent.replace(parent.clone())
        }
        _ => None,
    };
    // The former parent is locked and referenced by the rename itself.
    drop((state, former));
}

/// Moves a directory's link from the old parent to the new.
fn count_moved_one(parents: &mut Parents<'_>, source: &InodeRef) {
    if source.is_directory() {
        parents.old.meta.nlink -= 1;
        parents.new_dir().meta.nlink += 1;
    }
}

/// Counts the links of two exchanged entries.
fn count_moved(parents: &mut Parents<'_>, source: &InodeRef, target: &InodeRef) {
    count_moved_one(parents, source);
    if target.is_directory() {
        parents.new_dir().meta.nlink -= 1;
        parents.old.meta.nlink += 1;
    }
}

/// Looks a name up in a locked directory; its hash is taken where it is not known and there is a
/// table.
///
/// # Errors
/// ENOTDIR; EACCES without search permission; ENOENT if it was removed; ENAMETOOLONG.
fn find(
    inode: &Inode,
    state: &State,
    caller: &Caller<'_>,
    name: &[u8],
    hash: Option<u32>,
) -> Result<Option<Slot>> {
    let directory = state.directory()?;
    state.check(caller, Access::EXECUTE)?;
    if state.meta.nlink == 0 {
        return Err(Errno::ENOENT);
    }
    if name.len() > NAME_MAX {
        return Err(Errno::ENAMETOOLONG);
    }
    Ok(directory.find(|| hash.unwrap_or_else(|| inode.superblock.hash(name)), name))
}

/// # Errors
/// EACCES.
fn may_create(directory: &State, caller: &Caller<'_>) -> Result<()> {
    directory.check(caller, Access::WRITE | Access::EXECUTE)
}

/// What a removal expects to remove.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Victim {
    Directory,
    NotDirectory,
}

impl Victim {
    fn of(inode: &Inode) -> Victim {
        if inode.is_directory() { Victim::Directory } else { Victim::NotDirectory }
    }
}

/// # Errors
/// EACCES; EPERM in a sticky directory; ENOTDIR or EISDIR if it is not what was
/// expected.
fn may_delete(
    directory: &State,
    caller: &Caller<'_>,
    child: &InodeRef,
    expected: Victim,
) -> Result<()> {
    directory.check(caller, Access::WRITE | Access::EXECUTE)?;
    let who = caller.credentials;
    let sticky = directory.meta.mode & libc::S_ISVTX != 0;
    if sticky && !who.is_root() && who.uid != directory.meta.uid {
        let child_uid = child.state.read_as(Class::Child).meta.uid;
        if who.uid != child_uid {
            return Err(Errno::EPERM);
        }
    }
    match (expected, Victim::of(child)) {
        (Victim::Directory, Victim::NotDirectory) => Err(Errno::ENOTDIR),
        (Victim::NotDirectory, Victim::Directory) => Err(Errno::EISDIR),
        _ => Ok(()),
    }
}

/// Counts a name of a file that is no directory down. The caller holds the directory of the name,
/// so that nothing is mounted over it meanwhile.
#[inline]
pub(crate) fn drop_link(child: &InodeRef, caller: &Caller<'_>) {
    let State { meta, body, .. } = &mut *child.write_child();
    if let Body::File(data) = body {
        // It is freed soon, most often.
        data.fetch();
    }
    meta.nlink -= 1;
    meta.touch_status(caller.now());
}

/// Marks an empty directory as removed: from now on nothing can be created in it.
///
/// # Errors
/// ENOTEMPTY; EBUSY if something was mounted over it by now.
#[inline]
pub(crate) fn kill_empty_directory(child: &InodeRef, caller: &Caller<'_>) -> Result<()> {
    let mut state = child.write_child();
    check_empty(&state)?;
    if child.is_mount_point() {
        return Err(Errno::EBUSY);
    }
    if !planted!("removed_directory_takes_files") {
        state.meta.nlink = 0;
    }
    state.meta.touch_status(caller.now());
    Ok(())
}

/// # Errors
/// ENOTEMPTY.
fn check_empty(directory: &State) -> Result<()> {
    if directory.directory()?.len() > 0 { Err(Errno::ENOTEMPTY) } else { Ok(()) }
}

/// Makes the inode that a create adds to the directory `parent`, whose attributes are
/// `parent_meta`.
fn make(
    parent: &InodeRef,
    parent_meta: &Meta,
    caller: &Caller<'_>,
    owner: Owner,
    new: New<'_>,
    mode: u32,
) -> Result<InodeRef> {
    let file_type = new.file_type();
    // What a directory gives or takes goes by the mode that was asked for: Linux since 6.0.
    let (gid, mode) = inherit(parent_meta, caller, owner.gid, file_type, mode & 0o7777);
    let mode = if file_type == FileType::Symlink { mode } else { mode & !caller.umask };
    let owner = Owner { gid, ..owner };
    Inode::make(&parent.superblock, Some(parent), new, caller.now(), owner, mode)
}

/// Group and mode of a new file: in a set-group-ID directory it gets that directory's
/// group, and a directory the bit too (`inode(7)`).
#[inline]
fn inherit(
    parent: &Meta,
    caller: &Caller<'_>,
    gid: u32,
    file_type: FileType,
    mode: u32,
) -> (u32, u32) {
    if parent.mode & libc::S_ISGID == 0 {
        return (gid, mode);
    }
    if file_type == FileType::Directory {
        return (parent.gid, mode | libc::S_ISGID);
    }
    let executable_set_gid = libc::S_ISGID | libc::S_IXGRP;
    let who = caller.credentials;
    let strip = mode & executable_set_gid == executable_set_gid
        && !who.is_root()
        && !who.in_group(parent.gid);
    (parent.gid, if strip { mode & !libc::S_ISGID } else { mode })
}
