//! What the calls tell of what they did to files, for `inotify(7)`; and the little that they know
//! of who listens.
//!
//! A call asks [`System::notified`], a word that is read and no more while there is no
//! instance of inotify, and tells what it did, once it is done. Who listens is behind a trait, of
//! which a program that makes no instance links nothing: [`inotify`](crate::inotify).
//!
//! | event | told by |
//! |---|---|
//! | IN_OPEN, IN_CREATE of a file that open makes | [`Notified::open`] |
//! | IN_CLOSE_WRITE, IN_CLOSE_NOWRITE | [`Notified::closed`] |
//! | IN_ACCESS, IN_MODIFY by descriptor | [`Notified::transferred`], [`Notified::modified`] |
//! | IN_ATTRIB, IN_MODIFY, IN_ACCESS by path | [`Notified::changed_at`] |
//! | IN_ATTRIB, IN_MODIFY, IN_ACCESS by a change of attributes through a descriptor | [`Notified::changed`] |
//! | IN_CREATE, IN_DELETE, IN_MOVED_FROM, IN_MOVED_TO, IN_MOVE_SELF, IN_ATTRIB of links | [`Notified::create`], [`Notified::link`], [`Notified::unlink`], [`Notified::rmdir`], [`Notified::rename`] |
//! | IN_DELETE_SELF, IN_UNMOUNT | the ramdisk, when an inode goes: [`anchorite_fs::Watcher`] |

use alloc::boxed::Box;

use anchorite_fs::mem::Arc;
use anchorite_fs::sync::{AtomicBool, Class, Mutex, MutexGuard, Once, Ordering};
use anchorite_fs::{Caller, Change, EntryName, InodeRef, Left, New, RenameMode, SetTime, Sink};

use crate::Result;
use crate::file::OpenFile;
use crate::node::Node;
use crate::pipe::Waits;
use crate::system::System;
use crate::walk::{LastLink, Path, Place};

/// Who listens, if anybody does.
pub(crate) struct Notify {
    /// Whether there is an instance of inotify.
    is_on: AtomicBool,
    notified: Once<Box<dyn Notified>>,
    /// Held by a call that changes names, from before its look-ups until it has told of it: so
    /// the events of a name come in the order in which it changed.
    names: Mutex<()>,
}

/// A path, as a call was given it.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) at: i32,
    pub(crate) path: &'a [u8],
    pub(crate) last_link: LastLink,
}

/// Who is told of what calls did. Nothing of it can fail: what there is no memory to tell is an
/// overflow of the queue.
pub(crate) trait Notified: Send + Sync {
    /// A new instance.
    ///
    /// # Errors
    /// EMFILE for more than 128; ENOMEM.
    fn new_instance(&self, system: &System) -> Result<Box<dyn Instance>>;

    /// Opens a file by `open`, which finds it by `path`, and tells.
    ///
    /// # Errors
    /// Those of `open`.
    fn open(
        &self,
        system: &System,
        given: Given<'_>,
        flags: i32,
        open: &mut dyn FnMut() -> Result<Arc<OpenFile>>,
    ) -> Result<Arc<OpenFile>>;

    /// A descriptor of the file was closed.
    fn closed(&self, system: &System, file: &Arc<OpenFile>);

    /// Bytes were read, or a directory was listed, or bytes were written that are not the file's.
    fn transferred(&self, file: &OpenFile, events: u32);

    /// The file's content was written; `mode_before` is its mode before that.
    fn modified(&self, file: &OpenFile, mode_before: u32);

    /// Attributes or the size of an open file were changed; its mode before that.
    fn changed(&self, file: &OpenFile, events: u32, mode_before: u32);

    /// Attributes or the size of the file at a path, which is that place, were changed; its mode
    /// before that.
    fn changed_at(
        &self,
        system: &System,
        caller: &Caller<'_>,
        given: Given<'_>,
        changed: (&Place, u32),
        events: u32,
    );

    /// Makes a file in the directory `parent`, and tells.
    ///
    /// # Errors
    /// Those of making it; so with the others that follow.
    fn create(
        &self,
        caller: &Caller<'_>,
        parent: &Node,
        name: &[u8],
        new: New<'_>,
        mode: u32,
    ) -> Result<()>;

    /// Links `target` into the directory `parent`, and tells.
    fn link(&self, caller: &Caller<'_>, parent: &Node, name: &[u8], target: &Node) -> Result<()>;

    /// Removes a name that is no directory's, and tells.
    fn unlink(&self, caller: &Caller<'_>, parent: &Node, name: &[u8]) -> Result<()>;

    /// Removes a directory, and tells.
    fn rmdir(&self, caller: &Caller<'_>, parent: &Node, name: &[u8]) -> Result<()>;

    /// Renames, and tells.
    fn rename(
        &self,
        caller: &Caller<'_>,
        old: (&Node, EntryName<'_>),
        new: (&Node, EntryName<'_>),
        how: (RenameMode, Left),
    ) -> Result<()>;

    /// Calls `hold` with each file that is kept without a descriptor of its own.
    ///
    /// # Errors
    /// The first of `hold`.
    fn each_held(&self, hold: &mut dyn FnMut(&InodeRef) -> Result<()>) -> Result<()>;
}

/// An instance of inotify, as an open file has it. It ends when dropped.
pub(crate) trait Instance: Send + Sync {
    /// `read(2)`: as many whole events as there is room for.
    ///
    /// # Errors
    /// EAGAIN; EINVAL if the first event finds no room; ENOMEM if there is no room to wait.
    fn read(&self, waits: Waits, sink: &mut Sink<'_>) -> Result<usize>;

    /// `poll(2)`. If nothing of `wanted` is true, thread `watch` is unparked at the next event.
    ///
    /// # Errors
    /// ENOMEM if there is no room to wait.
    fn poll(&self, wanted: i16, watch: Option<u32>) -> Result<i16>;

    /// Forgets that `thread` waits, where it does so for other files too.
    fn forget(&self, thread: u32);

    /// Bytes that there are to be read: FIONREAD.
    fn bytes(&self) -> usize;

    /// `inotify_add_watch(2)` of a file.
    ///
    /// # Errors
    /// EEXIST with IN_MASK_CREATE; ENOSPC for too many watches; ENOMEM.
    fn add(&self, system: &System, inode: &InodeRef, mask: u32) -> Result<i32>;

    /// `inotify_rm_watch(2)`.
    ///
    /// # Errors
    /// EINVAL for what is no watch.
    fn remove(&self, wd: i32) -> Result<()>;
}

/// What a call that changes names tells, one such call after the other.
pub(crate) struct InOrder<'a> {
    pub(crate) notified: &'a dyn Notified,
    _names: MutexGuard<'a, ()>,
}

impl Notify {
    pub(crate) fn new() -> Notify {
        Notify {
            is_on: AtomicBool::new(false),
            notified: Once::new(),
            names: Mutex::new(Class::Names, ()),
        }
    }

    /// Who listens; made by `make`, if nobody did yet.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn listener(
        &self,
        make: impl FnOnce() -> Result<Box<dyn Notified>>,
    ) -> Result<&dyn Notified> {
        self.notified.try_call_once(make).map(|notified| &**notified)
    }

    /// Says whether there is an instance. Who listens excludes others who say so.
    pub(crate) fn set_on(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
    }

    /// Lets no names change while the guard is there.
    pub(crate) fn names(&self) -> MutexGuard<'_, ()> {
        self.names.lock()
    }

    #[cold]
    fn get(&self) -> Option<&dyn Notified> {
        self.notified.get().map(|notified| &**notified)
    }

    #[cold]
    fn in_order(&self) -> Option<InOrder<'_>> {
        let names = self.names.lock();
        self.get().map(|notified| InOrder { notified, _names: names })
    }
}

impl System {
    /// Who is told what calls do; none while there is no instance of inotify.
    #[inline]
    pub(crate) fn notified(&self) -> Option<&dyn Notified> {
        if self.notify.is_on.load(Ordering::Relaxed) { self.notify.get() } else { None }
    }

    /// As [`notified`](System::notified), for a call that changes names: until it is dropped,
    /// others wait. It is taken before anything else.
    #[inline]
    pub(crate) fn notified_in_order(&self) -> Option<InOrder<'_>> {
        if self.notify.is_on.load(Ordering::Relaxed) { self.notify.in_order() } else { None }
    }
}

impl<'a> Given<'a> {
    /// A path as `open(2)` has it.
    pub(crate) fn to_open(at: i32, path: Path<'a>, flags: i32) -> Given<'a> {
        let follow = flags & libc::O_NOFOLLOW == 0
            && flags & (libc::O_CREAT | libc::O_EXCL) != libc::O_CREAT | libc::O_EXCL;
        let last_link = if follow { LastLink::Follow } else { LastLink::Stay };
        Given { at, path: path.bytes(), last_link }
    }
}

/// What a change of attributes is told as, but for what it does to the mode beside that.
pub(crate) fn events_of(change: Change) -> u32 {
    match change {
        Change::Owner(None, None) | Change::Times(SetTime::Omit, SetTime::Omit) => 0,
        Change::Times(_, SetTime::Omit) => libc::IN_ACCESS,
        Change::Times(SetTime::Omit, _) => libc::IN_MODIFY,
        Change::Mode(_) | Change::Owner(..) | Change::Times(..) => libc::IN_ATTRIB,
    }
}
