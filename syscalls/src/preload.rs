//! [`System::preload`]: a tree filled from an archive in memory.
//!
//! File contents stay where they are: the inodes refer to the archive's memory
//! ([`anchorite_fs::Loan`]), and what is written to is copied first, by the page.
//!
//! # The rule
//! Nothing lands outside of the directory that is filled. A path's slashes at the front are
//! left out; one with `..` in it is refused. A symbolic link in a path's middle is followed
//! if it leads to a directory inside, as links are (an absolute target begins at `/`), and
//! refused otherwise.
//!
//! A later entry replaces an earlier one of the same name, and what was there before the
//! archive: a directory only if it is empty, or by a directory, which then keeps its entries.
//! Parents that the archive does not have are made, root's, with mode 0755. Owners, modes and
//! times are the archive's; a file that it tells no time of access of was accessed when it
//! was modified. The mode of a symbolic link is 0777. Extended attributes are kept whose names
//! begin with `user.`, `trusted.` or `security.`; others the ramdisk does not have.
//!
//! An entry is placed as a whole or not at all; directories that were made for it stay. What cannot be placed, or read, stops the
//! preload, or is skipped and counted ([`OnDamage`]); but when there is no more room, that is
//! the end in either case.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::{self, Display, Formatter};

use anchorite_archive::{Content, Damage, Device, Entry, Kind, Pieces, Reader, Time, What};
use anchorite_fs::mem::{Arc, try_bytes};
use anchorite_fs::{
    AccessTime, Caller, Created, Credentials, FileType, Inode, InodeRef, Lender, Loan, NAME_MAX,
    Owner, Piece, Placement, Sink, Timestamp, What as Placed,
};

use crate::node::Node;
use crate::system::System;
use crate::user::PATH_MAX;
use crate::{Errno, Result};

/// Symbolic links that are followed on the way to one entry.
const LINKS_MAX: u32 = 40;

/// What is done about an entry that cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    /// The preload ends with it.
    Stop,
    /// It is left out.
    Skip,
}

/// What was preloaded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preloaded {
    /// Entries that were placed.
    pub entries: u64,
    /// Entries that were left out.
    pub skipped: u64,
    /// Why the first of those was.
    pub first_skipped: Option<Damage>,
}

/// Why an archive was not preloaded. Displayed, it is a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreloadError {
    /// The directory that was to be filled cannot be had.
    Directory(Errno),
    /// An entry is damaged, or cannot be placed.
    Damage(Damage),
    /// For an entry, and what comes after it, there is no room: ENOSPC, or ENOMEM.
    Room(Damage, Errno),
}

impl Display for PreloadError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            PreloadError::Directory(errno) => {
                write!(f, "the directory that it is for: {}", errno.message())
            }
            PreloadError::Damage(damage) | PreloadError::Room(damage, _) => damage.fmt(f),
        }
    }
}

impl core::error::Error for PreloadError {}

impl System {
    /// Fills the directory at the absolute path `dir`, made with its parents if missing, from
    /// a tar or cpio archive, as root. The archive's memory goes back to its lender when no
    /// file refers to it any more, and at the latest with the system. The
    /// [module](crate::preload) has the rule about what is taken.
    ///
    /// # Errors
    /// The directory cannot be made, or is none of the ramdisk at `/`; what
    /// [`OnDamage::Stop`] stops at; no more room. What was placed before stays.
    pub fn preload(
        &self,
        dir: &[u8],
        archive: Box<dyn Lender>,
        on_damage: OnDamage,
    ) -> core::result::Result<Preloaded, PreloadError> {
        let credentials = Credentials::default();
        let now = self.platform().realtime().into();
        let caller = Caller { access_time: AccessTime::Keep, ..Caller::new(&credentials, now) };
        let target = self.ramdisk_directory(&caller, dir).map_err(PreloadError::Directory)?;
        let loan = self.borrow(archive).map_err(PreloadError::Directory)?;
        fill(&caller, target, &loan, on_damage)
    }

    /// The directory of the ramdisk at `/` that an absolute path names, made if missing.
    fn ramdisk_directory(&self, caller: &Caller<'_>, path: &[u8]) -> Result<InodeRef> {
        match self.make_directory_at(caller, path)?.node {
            Node::Ramdisk(inode) if inode.is_directory() => Ok(inode),
            Node::Ramdisk(_) => Err(Errno::ENOTDIR),
            Node::Host(_) => Err(Errno::EXDEV),
        }
    }
}

/// Fills the directory `target` of a ramdisk from the archive that was lent to that ramdisk, for
/// who has a ramdisk without a [`System`]; else as [`System::preload`].
///
/// # Errors
/// Those of [`System::preload`], but for the directory.
pub fn fill(
    caller: &Caller<'_>,
    target: InodeRef,
    archive: &Loan,
    on_damage: OnDamage,
) -> core::result::Result<Preloaded, PreloadError> {
    let mut filling =
        Filling { caller, is_root: target.parent().is_none(), target, last_parent: None };
    let mut done = Preloaded::default();
    let reader = Reader::new(archive.bytes()).map_err(PreloadError::Damage)?;
    for entry in reader {
        match entry.map_err(PreloadError::Damage).and_then(|entry| filling.add(&entry)) {
            Ok(()) => done.entries += 1,
            Err(PreloadError::Damage(damage)) if on_damage == OnDamage::Skip => {
                done.skipped += 1;
                done.first_skipped.get_or_insert(damage);
            }
            Err(error) => return Err(error),
        }
    }
    filling.leave_parent();
    Ok(done)
}

/// Why an entry was not placed.
enum Refusal {
    /// It is the entry's fault.
    Entry(&'static str),
    /// It is not.
    Room(Errno),
}

type Placing<T> = core::result::Result<T, Refusal>;

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Refusal {
        Refusal::Entry(match errno {
            Errno::ENOSPC | Errno::ENOMEM => return Refusal::Room(errno),
            Errno::ENAMETOOLONG => "a name in its path is longer than 255 bytes",
            Errno::ENOTDIR => "a part of its path is no directory",
            Errno::ENOTEMPTY => "it has the name of a directory that is not empty",
            Errno::EBUSY => "something is mounted where it belongs",
            Errno::EFBIG => "it is larger than a file can be",
            Errno::ERANGE | Errno::E2BIG | Errno::EINVAL => "an extended attribute of it cannot be",
            Errno::EMLINK => "the file that it links to has too many names",
            _ => "it cannot be placed",
        })
    }
}

/// A directory being filled.
struct Filling<'a> {
    caller: &'a Caller<'a>,
    target: InodeRef,
    /// Whether the target is the root of the tree, of which nothing is outside.
    is_root: bool,
    /// The path of the directory that the last entry was placed in, and the directory:
    /// archives have the entries of one directory in a row.
    last_parent: Option<(Vec<u8>, InodeRef)>,
}

impl Filling<'_> {
    fn add(&mut self, entry: &Entry<'_>) -> core::result::Result<(), PreloadError> {
        self.place(entry).map_err(|refusal| {
            let damage = |why| {
                // Without memory for it, the offset has to do.
                let entry_path = try_bytes(&entry.path).ok();
                Damage { offset: entry.offset, entry: entry_path, what: What::Refused(why) }
            };
            match refusal {
                Refusal::Entry(why) => PreloadError::Damage(damage(why)),
                Refusal::Room(errno) => {
                    PreloadError::Room(damage("there is no room for it"), errno)
                }
            }
        })
    }

    fn place(&mut self, entry: &Entry<'_>) -> Placing<()> {
        let (parent, name) = split(&entry.path)?;
        let number = |device: Device| libc::makedev(device.major, device.minor);
        let what = match &entry.kind {
            Kind::File(content) => return self.file(entry, parent, name, content),
            Kind::HardLink { target, content } => {
                return self.hard_link(entry, (parent, name), target, content.as_ref());
            }
            Kind::Directory => Placed::Directory,
            Kind::Symlink(target) if target.len() >= PATH_MAX => {
                return Err(Refusal::Entry("it links to a path that is too long"));
            }
            Kind::Symlink(target) => Placed::Symlink(target),
            Kind::Fifo => Placed::Node(FileType::Fifo, 0),
            Kind::Socket => Placed::Node(FileType::Socket, 0),
            Kind::CharDevice(device) => Placed::Node(FileType::CharDevice, number(*device)),
            Kind::BlockDevice(device) => Placed::Node(FileType::BlockDevice, number(*device)),
        };
        self.place_as(parent, name, placement(entry, what, &xattrs(entry)?))
    }

    fn file(
        &mut self,
        entry: &Entry<'_>,
        parent: &[u8],
        name: &[u8],
        content: &Content<'_>,
    ) -> Placing<()> {
        let xattrs = xattrs(entry)?;
        with_content(content, |content| {
            self.place_as(parent, name, placement(entry, Placed::Regular(content), &xattrs))
        })
    }

    /// A further name of an earlier file, whose content may come only with this one.
    fn hard_link(
        &mut self,
        entry: &Entry<'_>,
        (parent, name): (&[u8], &[u8]),
        target: &[u8],
        content: Option<&Content<'_>>,
    ) -> Placing<()> {
        const NOTHING: Refusal = Refusal::Entry("it links to a file that is not there");
        let (target_parent, target_name) = split(target)?;
        let directory = self.walk(&self.target, target_parent, Missing::Refuse).map_err(
            |refusal| match refusal {
                Refusal::Entry(_) => NOTHING,
                room => room,
            },
        )?;
        let file = directory.lookup(self.caller, target_name).map_err(|_| NOTHING)?;
        if file.is_directory() {
            return Err(Refusal::Entry("it links to a directory"));
        }
        if content.is_some() && file.file_type() != FileType::Regular {
            return Err(Refusal::Entry("it has content, and links to what has none"));
        }
        let directory = self.parent(parent)?;
        if name.is_empty() {
            return Err(Refusal::Entry("it is to replace the directory that is filled"));
        }
        self.last_parent = None;
        let Some(content) = content else {
            return Ok(Inode::place_link(&directory, self.caller, name, &file, None)?);
        };
        let xattrs = xattrs(entry)?;
        with_content(content, |content| {
            let refill = Some(placement(entry, Placed::Regular(content), &xattrs));
            Ok(Inode::place_link(&directory, self.caller, name, &file, refill)?)
        })
    }

    fn place_as(&mut self, parent: &[u8], name: &[u8], placement: Placement<'_>) -> Placing<()> {
        let directory = self.parent(parent)?;
        if name.is_empty() {
            // The directory that is filled, itself.
            if !matches!(placement.what, Placed::Directory) {
                return Err(Refusal::Entry("it is to replace the directory that is filled"));
            }
            return Ok(directory.place_over(self.caller, placement)?);
        }
        let (_, created) = Inode::place(&directory, self.caller, name, placement)?;
        if created == Created::No {
            // The path that was walked may lead elsewhere now.
            self.leave_parent();
        }
        Ok(())
    }

    /// Forgets the directory that the last entry was placed in, which most likely has all its
    /// entries now; returns its path.
    fn leave_parent(&mut self) -> Option<Vec<u8>> {
        let (path, directory) = self.last_parent.take()?;
        directory.trim();
        Some(path)
    }

    /// The directory at a path below the target, made if it is missing.
    fn parent(&mut self, path: &[u8]) -> Placing<InodeRef> {
        let last = self.last_parent.as_ref();
        // A directory's path ends in a slash, so what follows it are names in it.
        let below = last.and_then(|(last, from)| Some((path.strip_prefix(&last[..])?, from)));
        let directory = match below {
            Some((b"", directory)) => return Ok(directory.clone()),
            Some((rest, from)) => self.walk(from, rest, Missing::Make)?,
            None => self.walk(&self.target, path, Missing::Make)?,
        };
        let mut kept = self.leave_parent().unwrap_or_default();
        kept.clear();
        kept.try_reserve(path.len()).map_err(|_| Refusal::Room(Errno::ENOMEM))?;
        kept.extend_from_slice(path);
        self.last_parent = Some((kept, directory.clone()));
        Ok(directory)
    }

    /// The directory at a path from another, which is below the target. One loop over the
    /// names, never recursion: a symbolic link's target is put in front of what is left of
    /// the path.
    fn walk(&self, from: &InodeRef, path: &[u8], missing: Missing) -> Placing<InodeRef> {
        let mut directory = from.clone();
        let mut rest = Cow::Borrowed(path);
        // Where the walk is in `rest`, and where the path itself begins in it.
        let (mut at, mut path_start) = (0, 0);
        let mut links = 0;
        while at < rest.len() {
            let end = (rest[at..].iter().position(|byte| *byte == b'/'))
                .map_or(rest.len(), |len| at + len);
            let (name, of_path) = (&rest[at..end], at >= path_start);
            at = end + 1;
            match name {
                b"" | b"." => continue,
                b".." => {
                    // A link's: a path of the archive has none.
                    directory = self.parent_of(directory)?;
                    continue;
                }
                _ => {}
            }
            let found = match directory.lookup(self.caller, name) {
                Ok(found) => found,
                Err(Errno::ENOENT) if !of_path => {
                    return Err(Refusal::Entry("its path goes through a symbolic link to nothing"));
                }
                Err(Errno::ENOENT) if missing == Missing::Make => {
                    directory = self.implied(&directory, name)?;
                    continue;
                }
                Err(errno) => return Err(errno.into()),
            };
            match found.file_type() {
                FileType::Directory if found.is_mount_point() => return Err(Errno::EBUSY.into()),
                FileType::Directory => directory = found,
                FileType::Symlink => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(Refusal::Entry(
                            "its path goes through too many symbolic links",
                        ));
                    }
                    let mut spliced = target_of(self.caller, &found)?;
                    if spliced.first() == Some(&b'/') {
                        if !self.is_root {
                            return Err(OUTSIDE);
                        }
                        directory = self.target.clone();
                    }
                    let left = rest.get(at..).unwrap_or_default();
                    path_start = spliced.len() + 1 + path_start.saturating_sub(at);
                    spliced.try_reserve(left.len() + 1).map_err(|_| Errno::ENOMEM)?;
                    spliced.push(b'/');
                    spliced.extend_from_slice(left);
                    (rest, at) = (Cow::Owned(spliced), 0);
                }
                _ => return Err(Errno::ENOTDIR.into()),
            }
        }
        Ok(directory)
    }

    /// Makes a directory that the archive has no entry of, or not yet.
    fn implied(&self, parent: &InodeRef, name: &[u8]) -> Result<InodeRef> {
        let (owner, now) = (Owner { uid: 0, gid: 0 }, self.caller.now());
        let what = Placed::Directory;
        let placement = Placement { what, mode: 0o755, owner, atime: now, mtime: now, xattrs: &[] };
        Ok(Inode::place(parent, self.caller, name, placement)?.0)
    }

    /// Where `..` leads.
    fn parent_of(&self, directory: InodeRef) -> Placing<InodeRef> {
        if !Arc::ptr_eq(&directory, &self.target) {
            return Ok(directory.parent().unwrap_or(directory));
        }
        if self.is_root { Ok(directory) } else { Err(OUTSIDE) }
    }
}

const OUTSIDE: Refusal = Refusal::Entry("its path goes through a symbolic link that leads outside");

/// Where a symbolic link leads.
fn target_of(caller: &Caller<'_>, link: &InodeRef) -> Result<Vec<u8>> {
    let mut target = Vec::new();
    target.try_reserve_exact(PATH_MAX).map_err(|_| Errno::ENOMEM)?;
    target.resize(PATH_MAX, 0);
    let len = link.read_link(caller, &mut Sink::from(&mut target[..]))?;
    target.truncate(len);
    Ok(target)
}

/// Calls `place` with an entry's content as the ramdisk takes it.
fn with_content(
    content: &Content<'_>,
    place: impl FnOnce(anchorite_fs::Content<'_>) -> Placing<()>,
) -> Placing<()> {
    let size = content.size;
    match &content.pieces {
        Pieces::Whole(bytes) => {
            let pieces = &[Piece { offset: 0, bytes }];
            place(anchorite_fs::Content { size, pieces })
        }
        Pieces::Sparse(given) => {
            let mut pieces = Vec::new();
            pieces.try_reserve_exact(given.len()).map_err(|_| Errno::ENOMEM)?;
            pieces.extend(given.iter().map(|piece| {
                let (offset, bytes) = (piece.offset, piece.bytes);
                Piece { offset, bytes }
            }));
            place(anchorite_fs::Content { size, pieces: &pieces })
        }
    }
}

/// What a walk does about a directory that is missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Make,
    Refuse,
}

/// A path's directory and its last name, which is empty if the path names the directory that
/// is filled.
fn split(path: &[u8]) -> Placing<(&[u8], &[u8])> {
    let mut last = 0..0;
    let mut start = 0;
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err(Refusal::Entry("its path has `..` in it")),
            _ if name.len() > NAME_MAX => return Err(Errno::ENAMETOOLONG.into()),
            _ => last = start..start + name.len(),
        }
        start += name.len() + 1;
    }
    Ok((&path[..last.start], &path[last]))
}

/// How an entry is to be placed as `what`.
fn placement<'a>(
    entry: &Entry<'_>,
    what: Placed<'a>,
    xattrs: &'a [(&'a [u8], &'a [u8])],
) -> Placement<'a> {
    let mode = if matches!(what, Placed::Symlink(_)) { 0o777 } else { entry.mode };
    let mtime = timestamp(entry.mtime);
    Placement {
        what,
        mode,
        owner: Owner { uid: entry.uid, gid: entry.gid },
        atime: entry.atime.map_or(mtime, timestamp),
        mtime,
        xattrs,
    }
}

/// An entry's extended attributes, of those that the ramdisk has.
fn xattrs<'a>(entry: &'a Entry<'_>) -> Result<Vec<(&'a [u8], &'a [u8])>> {
    const KEPT: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
    let mut xattrs = Vec::new();
    for (name, value) in &entry.xattrs {
        if KEPT.iter().any(|namespace| name.starts_with(namespace)) {
            xattrs.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            xattrs.push((&name[..], &value[..]));
        }
    }
    Ok(xattrs)
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::new(time.seconds, time.nanoseconds)
}
