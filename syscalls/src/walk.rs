//! The path walk: from a path to the file that it names, `path_resolution(7)`.
//!
//! One loop over the components, never recursion: a symbolic link's target is put in
//! front of what is left of the path. Of mounts the walk knows two things: a directory
//! marked as a mount point leads to what is mounted there, and `..` at the root of a
//! mount leads to the parent of its mount point.

use alloc::vec::Vec;
use core::ops::Deref;

use anchorite_fs::mem::Arc;
use anchorite_fs::sync::{RwLockReadGuard, alone};
use anchorite_fs::{Access, Caller, Descent, EntryName, FileType, InodeRef, Sink};

use crate::mounts::{MountRef, Spot};
use crate::node::{Files, Node};
use crate::system::System;
use crate::user::PATH_MAX;
use crate::{Errno, Result};

/// Symbolic links that one walk follows.
const LINKS_MAX: u32 = 40;

/// A file and the mount it was reached through.
pub(crate) struct Place {
    pub(crate) mount: MountRef,
    pub(crate) node: Node,
}

impl Clone for Place {
    // Out of line, as a derived one would not be: it is long, and a short call does without.
    fn clone(&self) -> Place {
        Place { mount: self.mount.clone(), node: self.node.clone() }
    }
}

impl Place {
    /// Whether something is mounted here.
    pub(crate) fn is_covered(&self) -> bool {
        matches!(&self.node, Node::Ramdisk(inode) if inode.is_mount_point())
    }

    /// Whether both are the same file in the same mount.
    pub(crate) fn is(&self, other: &Place) -> bool {
        self.mount.is(&other.mount) && self.node.is(&other.node)
    }
}

/// Where a walk is. To count a reference to where most walks begin would have them all write
/// to it; so there they do with its lock, or, alone, with nothing.
pub(crate) enum At<'a> {
    /// At the root of the tree; or in the working directory of one who is alone.
    Lent(&'a Place),
    /// In the working directory, which nobody can change meanwhile.
    WorkingDirectory(RwLockReadGuard<'a, Place>),
    /// Somewhere, by a reference of its own.
    Place(Place),
}

impl Deref for At<'_> {
    type Target = Place;

    #[inline]
    fn deref(&self) -> &Place {
        match self {
            At::Place(place) => place,
            At::Lent(place) => place,
            At::WorkingDirectory(place) => place,
        }
    }
}

/// The last component of a path, whose directory the walk has reached.
#[derive(Clone, Copy)]
pub(crate) enum Last<'a> {
    /// A name, which may exist or not.
    Name(EntryName<'a>),
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// Nothing: the path is made of slashes.
    Root,
}

/// Whether a symbolic link in last place is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastLink {
    Follow,
    Stay,
}

/// A path that may lead somewhere: neither empty nor too long, without a NUL.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a>(&'a [u8]);

impl<'a> Path<'a> {
    /// # Errors
    /// ENOENT for an empty path; ENAMETOOLONG; EINVAL for a NUL inside.
    #[inline]
    pub(crate) fn new(path: &'a [u8]) -> Result<Path<'a>> {
        match path {
            b"" => Err(Errno::ENOENT),
            _ if path.len() >= PATH_MAX => Err(Errno::ENAMETOOLONG),
            _ if has_nul(path) => Err(Errno::EINVAL),
            _ => Ok(Path(path)),
        }
    }

    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is_absolute(self) -> bool {
        self.0.first() == Some(&b'/')
    }
}

/// A walk under way.
pub(crate) struct Walk<'a> {
    system: &'a System,
    caller: &'a Caller<'a>,
    /// Where the walk is.
    pub(crate) place: At<'a>,
    rest: Rest<'a>,
    /// Of the rest, the bytes of the component that the walk is at.
    name_len: usize,
    links: u32,
}

/// What is left of the path.
enum Rest<'a> {
    Given(&'a [u8]),
    /// After a symbolic link: its target and what followed it; walked up to an index.
    Spliced(Vec<u8>, usize),
}

impl Rest<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Rest::Given(bytes) => bytes,
            Rest::Spliced(bytes, at) => &bytes[*at..],
        }
    }

    fn skip(&mut self, count: usize) {
        match self {
            Rest::Given(bytes) => *bytes = &bytes[count..],
            Rest::Spliced(_, at) => *at += count,
        }
    }
}

impl<'a> Walk<'a> {
    /// A walk of `path` from `from`.
    pub(crate) fn new(
        system: &'a System,
        caller: &'a Caller<'a>,
        from: At<'a>,
        Path(path): Path<'a>,
    ) -> Walk<'a> {
        Walk { system, caller, place: from, rest: Rest::Given(path), name_len: 0, links: 0 }
    }

    /// Walks to the directory of the last component. That component stays the rest
    /// of the path and is what [`last`](Walk::last) tells.
    ///
    /// # Errors
    /// ENOTDIR, EACCES, ENOENT, ENAMETOOLONG, ELOOP, ENOMEM.
    #[inline(never)]
    pub(crate) fn reach_parent(&mut self) -> Result<()> {
        loop {
            let is_last = match self.rest {
                Rest::Given(path) => self.descend(path)?,
                Rest::Spliced(..) => self.look_ahead(),
            };
            if self.name_len > 0 {
                self.check_searchable()?;
            }
            if is_last {
                return Ok(());
            }
            self.step()?;
        }
    }

    /// Walks over what most paths begin with, names of directories of one ramdisk. Whether it is
    /// at the last component then, or at one of which more is to be known.
    ///
    /// # Errors
    /// ENOTDIR, EACCES, ENOENT, ENAMETOOLONG.
    #[inline]
    fn descend(&mut self, path: &'a [u8]) -> Result<bool> {
        let (reached, ahead) = match &self.place.node {
            Node::Ramdisk(directory) if alone() => {
                let (at, ahead) = along_alone(self.caller, directory, path)?;
                ((!Arc::ptr_eq(at, directory)).then(|| at.clone()), ahead)
            }
            Node::Ramdisk(directory) => {
                let (at, ahead) = along_among_others(self.caller, directory, path)?;
                let at = at.inode();
                ((!Arc::ptr_eq(at, directory)).then(|| at.clone()), ahead)
            }
            Node::Host(_) | Node::Proc(_) => (None, Ahead::of(path)),
        };
        if let Some(reached) = reached {
            self.go_to(reached);
        }
        self.rest = Rest::Given(ahead.rest);
        self.name_len = ahead.name_len;
        Ok(ahead.is_last())
    }

    /// Whether the next component is the last.
    fn look_ahead(&mut self) -> bool {
        self.rest.skip(behind_slashes(self.rest.bytes(), 0));
        let (name_len, next) = component(self.rest.bytes());
        self.name_len = name_len;
        next == self.rest.bytes().len()
    }

    /// The last component, after [`reach_parent`](Walk::reach_parent), if it is a name.
    #[inline(always)]
    pub(crate) fn last_name(&self) -> Option<EntryName<'_>> {
        let rest = self.rest.bytes();
        let bytes = &rest[..self.name_len];
        match bytes {
            b"" | b"." | b".." => None,
            _ => Some(EntryName { bytes, directory_only: rest.len() > self.name_len }),
        }
    }

    /// The last component, after [`reach_parent`](Walk::reach_parent).
    pub(crate) fn last(&self) -> Last<'_> {
        match (self.last_name(), self.name_len) {
            (Some(name), _) => Last::Name(name),
            (None, 0) => Last::Root,
            (None, 1) => Last::Dot,
            (None, _) => Last::DotDot,
        }
    }

    /// Walks to the end.
    ///
    /// # Errors
    /// Those of [`reach_parent`](Walk::reach_parent); ENOTDIR if a slash follows what is no
    /// directory.
    pub(crate) fn finish(&mut self, last_link: LastLink) -> Result<Place> {
        match self.reach_end(last_link)? {
            Some(place) => Ok(place),
            None => Ok(self.place.clone()),
        }
    }

    /// As [`finish`](Walk::finish), for something to be mounted there: also tells by which name,
    /// if the path did. None if the name leads elsewhere by now.
    ///
    /// # Errors
    /// Those of [`finish`](Walk::finish).
    #[cold]
    pub(crate) fn finish_at_spot(&mut self, last_link: LastLink) -> Result<Option<Spot>> {
        let Some(place) = self.reach_end(last_link)? else {
            return Ok(Some(Spot::new(self.place.clone())));
        };
        let is_file = place.node.is_not_directory();
        Ok(match self.last() {
            Last::Name(name) if is_file && place.mount.is(&self.place.mount) => {
                let spot = Spot::named(place, &self.place.node, name.bytes);
                let is_elsewhere =
                    spot.name.is_none() && matches!(spot.place.node, Node::Ramdisk(_));
                (!is_elsewhere).then_some(spot)
            }
            _ => Some(Spot::new(place)),
        })
    }

    /// Walks to the end, which it returns unless the walk is there; otherwise to its directory.
    ///
    /// # Errors
    /// Those of [`finish`](Walk::finish).
    fn reach_end(&mut self, last_link: LastLink) -> Result<Option<Place>> {
        loop {
            self.reach_parent()?;
            let name = match self.last() {
                // What is no directory is where a link of proc led.
                Last::Root | Last::Dot => return Ok(None),
                Last::DotDot => return self.up().map(Some),
                Last::Name(name) => name,
            };
            let child = self.child(name)?;
            if child.node.is_symlink() && (last_link == LastLink::Follow || name.directory_only) {
                self.follow(&child.node)?;
            } else if name.directory_only && child.node.is_not_directory() {
                return Err(Errno::ENOTDIR);
            } else {
                return Ok(Some(child));
            }
        }
    }

    /// What `name` names in the directory that the walk is at; on a mount point, what
    /// is mounted there.
    ///
    /// # Errors
    /// ENOTDIR, EACCES, ENOENT, ENAMETOOLONG, ENOMEM.
    pub(crate) fn child(&self, name: EntryName<'_>) -> Result<Place> {
        let node = match &self.place.node {
            Node::Ramdisk(directory) => Node::Ramdisk(directory.lookup(self.caller, name.bytes)?),
            Node::Host(directory) => Node::Host(directory.child(self.caller, name)?),
            Node::Proc(directory) => Node::Proc(directory.find(self.system, self.caller, name)?),
        };
        Ok(self.cross(name.bytes, Place { mount: self.place.mount.clone(), node }))
    }

    /// What is mounted over `place`, to which `name` leads from where the walk is, or that itself.
    #[inline]
    pub(crate) fn cross(&self, name: &[u8], place: Place) -> Place {
        if place.is_covered() {
            self.system.top_of(Spot::named(place, &self.place.node, name))
        } else {
            place
        }
    }

    /// Lets the walk go on where a symbolic link in last place points to.
    ///
    /// # Errors
    /// ELOOP, ENOMEM; ENOENT and ENOTDIR of one that leads to a file by itself.
    pub(crate) fn follow(&mut self, link: &Node) -> Result<()> {
        self.splice(link)
    }

    /// Walks over a component that is not the last.
    fn step(&mut self) -> Result<()> {
        match &self.rest.bytes()[..self.name_len] {
            b"." => {}
            b".." => self.place = At::Place(self.up()?),
            name => {
                let child = self.child(EntryName { bytes: name, directory_only: true })?;
                if child.node.is_not_directory() {
                    if child.node.is_symlink() {
                        return self.splice(&child.node);
                    }
                    return Err(Errno::ENOTDIR);
                }
                self.place = At::Place(child);
            }
        }
        self.rest.skip(self.name_len);
        Ok(())
    }

    /// Lets the walk be at an inode of the same mount.
    #[inline]
    fn go_to(&mut self, inode: InodeRef) {
        match &mut self.place {
            At::Place(Place { node: Node::Ramdisk(former), .. }) => *former = inode,
            at => *at = At::Place(Place { mount: at.mount.clone(), node: Node::Ramdisk(inode) }),
        }
    }

    /// Lets the walk be where it is without a lock, for another one to begin.
    pub(crate) fn stay(&mut self) {
        if matches!(self.place, At::WorkingDirectory(_)) {
            self.place = At::Place(self.place.clone());
        }
    }

    /// Puts the target of `link` in the place of the component that the walk is at, or goes there
    /// if it is no path but a file.
    fn splice(&mut self, link: &Node) -> Result<()> {
        let len = self.name_len;
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Errno::ELOOP);
        }
        if let Node::Proc(link) = link
            && let Some(target) = link.jump(self.system)?
        {
            self.rest.skip(len);
            if !self.rest.bytes().is_empty() && target.node.is_not_directory() {
                return Err(Errno::ENOTDIR);
            }
            self.place = At::Place(target);
            return Ok(());
        }
        let after = &self.rest.bytes()[len..];
        let mut spliced = Vec::new();
        let room = PATH_MAX + after.len();
        spliced.try_reserve_exact(room).map_err(|_| Errno::ENOMEM)?;
        spliced.resize(PATH_MAX, 0);
        let caller = self.system.caller_in(self.caller, &self.place.mount, link);
        let target_len = link.read_link(&caller, &mut Sink::from(spliced.as_mut_slice()))?;
        spliced.truncate(target_len);
        spliced.extend_from_slice(after);
        if spliced.first() == Some(&b'/') {
            self.place = self.system.root();
        }
        self.rest = Rest::Spliced(spliced, 0);
        Ok(())
    }

    /// After [`reach_parent`](Walk::reach_parent), asks what a look-up of the last name would
    /// ask first, for calls that refuse the path without looking.
    ///
    /// # Errors
    /// EACCES without search permission.
    pub(crate) fn check_name_searchable(&self) -> Result<()> {
        match self.last() {
            Last::Name(_) => self.check_search_permission(),
            _ => Ok(()),
        }
    }

    /// The parent of the directory that the walk is at; the root is its own.
    fn up(&self) -> Result<Place> {
        self.system.parent(&self.place)
    }

    /// Checks what a look-up of the last component would, where none is made.
    ///
    /// # Errors
    /// EACCES.
    #[inline]
    pub(crate) fn check_search_permission(&self) -> Result<()> {
        match &self.place.node {
            Node::Ramdisk(node) => node.check(self.caller, Access::EXECUTE),
            Node::Host(_) | Node::Proc(_) => Ok(()),
        }
    }

    /// # Errors
    /// ENOTDIR; EACCES without search permission.
    fn check_searchable(&self) -> Result<()> {
        if self.place.node.is_not_directory() {
            return Err(Errno::ENOTDIR);
        }
        // Names are checked with the look-up, under the same lock.
        match self.rest.bytes() {
            [b'.', ..] => self.check_search_permission(),
            _ => Ok(()),
        }
    }
}

impl System {
    /// The parent directory of `place`, over the edge of its mount, or what covers that; the
    /// root directory is its own, and so is the root of what was detached.
    ///
    /// # Errors
    /// ENOENT if `place` was moved out of what is mounted; ENOMEM.
    #[inline(never)]
    pub(crate) fn parent(&self, place: &Place) -> Result<Place> {
        if let MountRef::Further(_) = place.mount {
            return self.parent_over_edges(place);
        }
        if let Some(root) = self.other_root()
            && root.is(place)
        {
            return Ok(self.top(place.clone()));
        }
        let node = place.node.parent()?;
        Ok(self.top(Place { mount: MountRef::First, node: node.unwrap_or(place.node.clone()) }))
    }

    /// [`parent`](System::parent) in another mount than the first.
    #[cold]
    fn parent_over_edges(&self, place: &Place) -> Result<Place> {
        let root = self.other_root();
        let is_root = |place: &Place| root.as_ref().is_some_and(|root| root.is(place));
        if is_root(place) {
            return Ok(self.top(place.clone()));
        }
        let mut at = place.clone();
        while at.mount.begins_at(&at.node) {
            at = match at.mount.covers() {
                Some(covered) if !is_root(&covered.place) => covered.place,
                _ => return Ok(self.top(place.clone())),
            };
        }
        let Some(node) = at.node.parent()? else { return Ok(self.top(at)) };
        if let MountRef::Further(mount) = &at.mount
            && !mount.includes(&node)
        {
            return Err(Errno::ENOENT);
        }
        Ok(self.top(Place { node, ..at }))
    }
}

/// What is ahead of a walk.
struct Ahead<'a> {
    /// The path from the next component on.
    rest: &'a [u8],
    /// Of these, the bytes of that component.
    name_len: usize,
    /// Of these, the bytes before the component after it.
    next: usize,
}

impl<'a> Ahead<'a> {
    /// The whole of `path`.
    #[inline]
    fn of(path: &'a [u8]) -> Ahead<'a> {
        let rest = &path[behind_slashes(path, 0)..];
        let (name_len, next) = component(rest);
        Ahead { rest, name_len, next }
    }

    #[inline]
    fn name(&self) -> &'a [u8] {
        &self.rest[..self.name_len]
    }

    fn is_last(&self) -> bool {
        self.next == self.rest.len()
    }

    /// What is ahead after the next component.
    #[inline]
    fn after(&self) -> Ahead<'a> {
        let rest = &self.rest[self.next..];
        let (name_len, next) = component(rest);
        Ahead { rest, name_len, next }
    }

    /// The last component, if nothing else is ahead: a name, without a slash behind it.
    #[inline]
    fn plain_name(&self) -> Option<&'a [u8]> {
        let is_plain = self.name_len == self.rest.len() && !matches!(self.rest, b"" | b"." | b"..");
        is_plain.then_some(self.rest)
    }
}

/// Walks from `at` over what most paths begin with, names of directories that can be entered, to the
/// last component or one of which more is to be known: what is ahead then. `enter` goes on to what
/// has a name, if it can be entered, and says whether it did.
///
/// # Errors
/// Those of `enter`.
#[inline]
fn along<'a, R>(
    at: &mut R,
    path: &'a [u8],
    enter: impl Fn(&mut R, &[u8]) -> Result<bool>,
) -> Result<Ahead<'a>> {
    let mut ahead = Ahead::of(path);
    while !ahead.is_last() && !matches!(ahead.name(), b"." | b"..") && enter(at, ahead.name())? {
        ahead = ahead.after();
    }
    Ok(ahead)
}

/// [`along`] names of directories of a ramdisk, for one who is alone: neither locks nor counts. Where it
/// is then is good until a directory on the way is changed.
///
/// # Errors
/// ENOTDIR, EACCES, ENOENT, ENAMETOOLONG.
fn along_alone<'w, 'a>(
    caller: &Caller<'_>,
    directory: &'w InodeRef,
    path: &'a [u8],
) -> Result<(&'w InodeRef, Ahead<'a>)> {
    let mut at = directory;
    let ahead = along(&mut at, path, |at, name| {
        let child = child_alone(caller, at, name)?;
        let is_plain = is_plain_directory(child);
        if is_plain {
            *at = child;
        }
        Ok(is_plain)
    })?;
    Ok((at, ahead))
}

/// [`along`] names of directories of a ramdisk, beside others.
///
/// # Errors
/// ENOTDIR, EACCES, ENOENT, ENAMETOOLONG.
#[inline(never)]
fn along_among_others<'w, 'a>(
    caller: &Caller<'_>,
    directory: &'w InodeRef,
    path: &'a [u8],
) -> Result<(Descent<'w>, Ahead<'a>)> {
    let mut at = Descent::from(directory);
    let ahead = along(&mut at, path, |at, name| at.enter(caller, name, &is_plain_directory))?;
    Ok((at, ahead))
}

/// What `name` names in `directory`, for one who is alone, good until that is changed.
///
/// # Errors
/// ENOTDIR, EACCES, ENOENT, ENAMETOOLONG.
#[allow(unsafe_code)]
fn child_alone<'w>(
    caller: &Caller<'_>,
    directory: &'w InodeRef,
    name: &[u8],
) -> Result<&'w InodeRef> {
    debug_assert!(alone());
    // SAFETY: asked for only where the thread is alone, by walks over names, which change nothing and
    // let no other thread run before they have counted what they reached.
    unsafe { directory.lookup_alone(caller, name) }
}

/// Whether it is a directory that is not covered.
#[inline]
fn is_plain_directory(inode: &InodeRef) -> bool {
    inode.is_directory() && !inode.is_mount_point()
}

/// Where `path` leads from `from`, as most paths do: by names of directories of one ramdisk, and the
/// name of what is neither covered nor, if that is followed, a link. None if more is to be known.
///
/// # Errors
/// ENOTDIR, EACCES, ENOENT, ENAMETOOLONG.
#[inline(never)]
pub(crate) fn plainly<'w>(
    caller: &Caller<'_>,
    from: &'w Node,
    Path(path): Path<'_>,
    last_link: LastLink,
) -> Result<Option<Descent<'w>>> {
    let Node::Ramdisk(directory) = from else { return Ok(None) };
    let (mut at, ahead) = along_among_others(caller, directory, path)?;
    let Some(name) = ahead.plain_name() else { return Ok(None) };
    let is_end = at.enter(caller, name, &|file| is_end(file, last_link))?;
    Ok(is_end.then_some(at))
}

/// As [`plainly`], for one who is alone: what it returns is not counted, and good until a directory on
/// the way is changed.
///
/// # Errors
/// Those of [`plainly`].
#[inline(never)]
pub(crate) fn plainly_alone<'w>(
    caller: &Caller<'_>,
    from: &'w Node,
    path: Path<'_>,
    last_link: LastLink,
) -> Result<Option<&'w InodeRef>> {
    let Some((at, name)) = parent_alone(caller, from, path)? else { return Ok(None) };
    let file = child_alone(caller, at, name)?;
    Ok(is_end(file, last_link).then_some(file))
}

/// The directory of `path`'s last component, and that, where both are reached as by
/// [`plainly_alone`].
///
/// # Errors
/// Those of [`plainly`].
pub(crate) fn parent_alone<'w, 'a>(
    caller: &Caller<'_>,
    from: &'w Node,
    Path(path): Path<'a>,
) -> Result<Option<(&'w InodeRef, &'a [u8])>> {
    let Node::Ramdisk(directory) = from else { return Ok(None) };
    let (at, ahead) = along_alone(caller, directory, path)?;
    Ok(ahead.plain_name().map(|name| (at, name)))
}

/// Whether a path to this file ends there: it is neither covered nor a link that is followed.
#[inline]
fn is_end(file: &InodeRef, last_link: LastLink) -> bool {
    let is_followed =
        last_link == LastLink::Follow && Files::file_type(file) == Some(FileType::Symlink);
    !file.is_mount_point() && !is_followed
}

/// Whether there is a NUL among these bytes. By words: most paths are shorter than what a search by
/// the library begins to be fast at.
#[inline(never)]
fn has_nul(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // A byte's highest bit is set by the subtraction if it is 0, or was set, or one below it is 0.
    let has_nul = |word: u64| word.wrapping_sub(ONES) & !word & (ONES << 7) != 0;
    if let Some(last) = bytes.last_chunk() {
        let (words, _) = bytes.as_chunks();
        return words.iter().any(|&word| has_nul(u64::from_ne_bytes(word)))
            || has_nul(u64::from_ne_bytes(*last));
    }
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(&first), Some(&last)) => {
            let first = u64::from(u32::from_ne_bytes(first));
            has_nul(first << 32 | u64::from(u32::from_ne_bytes(last)))
        }
        _ => bytes.contains(&0),
    }
}

/// Of a path that begins with a name: the name's length, and where the next one begins.
#[inline]
fn component(path: &[u8]) -> (usize, usize) {
    // Of `position` the compiler makes twice the instructions for a byte.
    let mut len = 0;
    while path.get(len).is_some_and(|&byte| byte != b'/') {
        len += 1;
    }
    (len, behind_slashes(path, len))
}

/// The first place from `at` on where there is no slash.
#[inline]
fn behind_slashes(path: &[u8], mut at: usize) -> usize {
    while path.get(at) == Some(&b'/') {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_found_wherever_it_is() {
        for len in 0..40 {
            for byte in [1, b'a', 0x80, 0xff] {
                let mut path = alloc::vec![byte; len];
                assert!(!has_nul(&path), "{len}");
                for at in 0..len {
                    path[at] = 0;
                    assert!(has_nul(&path), "{len}, {at}");
                    path[at] = byte;
                }
            }
        }
    }
}
