//! [`FileSystem`]: what can be mounted; and [`KINDS`], those that `mount(2)` knows by name.
//!
//! # To add a kind
//! *A ramdisk that has files from the start*, as devtmpfs: a [`Kind`] in [`KINDS`], and a
//! [`Maker`] whose `make` calls [`ramdisk`], makes the files in it (`ramdisk.root()` and
//! [`Inode::create`](anchorite_fs::Inode::create)), and returns it with
//! [`Made::of_ramdisk`]. Nothing else knows of it: what is mounted is a ramdisk, with a
//! device number, quota, options and check of its own.
//!
//! *Files that are made up when they are asked for*, as proc:
//! 1. a type for a reference to one of them, that implements
//!    [`Files`](crate::node::Files); its `child` and `parent` know the file system's own tree;
//! 2. a variant of [`Node`] for it. The compiler asks for the arms, all in `node`;
//!    [`Node::is`] says when two references are to the same file;
//! 3. if opening one is no file of a ramdisk, a variant of [`Object`](crate::file::Object);
//! 4. a variant of [`Content`] for what lives as long as the file system, if there is such;
//! 5. a [`Kind`] in [`KINDS`], and a [`Maker`] whose `make` returns that and the root.
//!
//! Walks, bind mounts, `..`, read-only mounts and umount are for all alike. Nothing can be
//! mounted *over* a file of another file system than a ramdisk (EINVAL).
//!
//! What every program is to find mounted, [`System::furnish`](crate::System::furnish) mounts.

use anchorite_fs::mem::Arc;
use anchorite_fs::sync::{AtomicBool, Ordering};
use anchorite_fs::{Caller, Credentials, Limits, Ramdisk};

use crate::abi;
use crate::dev::devtmpfs;
use crate::mounts::options::{Data, MountFlags, RamdiskOptions, mode};
use crate::node::Node;
use crate::proc::ProcNode;
use crate::system::System;
use crate::{Errno, Result};

/// A kind of file system.
pub(crate) struct Kind {
    /// As `mount(2)` and `/proc/mounts` call it.
    pub(crate) name: &'static str,
    /// `f_type` in `statfs(2)`.
    magic: i64,
}

/// What there is to know of a kind for who mounts one by its name. Apart, so that an image in which
/// nobody does has nothing of it.
struct Maker {
    kind: &'static Kind,
    /// Makes one.
    make: fn(&Making<'_>) -> Result<Made>,
    /// Changes one by the options of MS_REMOUNT.
    change: fn(&System, &FileSystem, Data<'_>) -> Result<()>,
}

static TMPFS: Kind = Kind { name: "tmpfs", magic: libc::TMPFS_MAGIC };
// RAMFS_MAGIC, which the C library does not have.
static RAMFS: Kind = Kind { name: "ramfs", magic: 0x8584_58f6 };

/// What is at `/dev`: [`devtmpfs`].
pub(crate) static DEVTMPFS: Kind = Kind { name: "devtmpfs", magic: libc::TMPFS_MAGIC };

/// What is at `/proc`: [`ProcNode`].
pub(crate) static PROC: Kind = Kind { name: "proc", magic: libc::PROC_SUPER_MAGIC };

/// Those that can be mounted by name.
static KINDS: [&Kind; 4] = [&TMPFS, &RAMFS, &DEVTMPFS, &PROC];

/// How they are made.
static MAKERS: &[Maker] = &[
    Maker {
        kind: &TMPFS,
        make: |making| {
            let options = RamdiskOptions::parse(making.data, making.system.memory_bytes())?;
            ramdisk(making, options, 0o1777).map(Made::of_ramdisk)
        },
        change: change_ramdisk,
    },
    Maker {
        kind: &RAMFS,
        make: |making| {
            let mut options =
                RamdiskOptions { size_bytes: Some(Limits::NONE), ..Default::default() };
            options.inodes = Some(Limits::NONE);
            // Others mean nothing to ramfs, whatever they are.
            if let Some((_, value)) =
                making.data.options().filter(|(name, _)| *name == b"mode").last()
            {
                options.mode = Some(mode(value.ok_or(Errno::EINVAL)?)?);
            }
            ramdisk(making, options, 0o755).map(Made::of_ramdisk)
        },
        change: |_, _, _| Ok(()),
    },
    Maker {
        kind: &DEVTMPFS,
        make: |making| devtmpfs(making.system, making.caller).map(Made::of_ramdisk),
        change: change_ramdisk,
    },
    Maker {
        kind: &PROC,
        make: |making| Ok(Made::of_proc(making.caller)),
        change: |_, _, _| Ok(()),
    },
];

/// What `mount(2)` calls the kinds that there are.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

/// Whether `mount(2)` knows a kind of this name.
pub(crate) fn is_known(name: &[u8]) -> bool {
    names().any(|known| known.as_bytes() == name)
}

/// The kind of the ramdisk at `/`.
pub(crate) static FIRST: &Kind = &TMPFS;

/// Where pipes without a name are; it is mounted nowhere.
// PIPEFS_MAGIC, which the C library does not have.
pub(crate) static PIPES: &Kind = &Kind { name: "pipefs", magic: 0x5049_5045 };

/// A directory of the host's.
// The host does not say what its own is.
pub(crate) static HOST: &Kind = &Kind { name: "host", magic: 0 };

/// What there is to make a file system of.
pub(crate) struct Making<'a> {
    pub(crate) system: &'a System,
    pub(crate) caller: &'a Caller<'a>,
    pub(crate) data: Data<'a>,
}

/// A file system that was made, and its root.
pub(crate) struct Made {
    pub(crate) content: Content,
    pub(crate) root: Node,
}

impl Made {
    pub(crate) fn of_proc(caller: &Caller<'_>) -> Made {
        let root = Node::Proc(ProcNode::root(caller.now()));
        Made { content: Content::Nothing, root }
    }

    pub(crate) fn of_ramdisk(ramdisk: Ramdisk) -> Made {
        let root = Node::Ramdisk(ramdisk.root().clone());
        Made { content: Content::Ramdisk(ramdisk), root }
    }
}

/// What a file system keeps as long as it is mounted, or used.
pub(crate) enum Content {
    /// With it the tree goes.
    Ramdisk(Ramdisk),
    /// Nothing: each of its nodes has what it needs.
    Nothing,
}

/// A file system. Dropping the last reference, which those of its mounts are, frees it.
pub(crate) struct FileSystem {
    kind: &'static Kind,
    content: Content,
    read_only: AtomicBool,
}

impl FileSystem {
    pub(crate) fn new(kind: &'static Kind, content: Content, read_only: bool) -> FileSystem {
        FileSystem { kind, content, read_only: AtomicBool::new(read_only) }
    }

    /// A file system of the kind that `mount(2)` calls `name`; and its root.
    ///
    /// # Errors
    /// ENODEV for an unknown kind; EINVAL for unknown options or wrong values; ENOMEM.
    #[cold]
    pub(crate) fn make(
        name: &[u8],
        making: &Making<'_>,
        read_only: bool,
    ) -> Result<(Arc<FileSystem>, Node)> {
        let named = |maker: &&Maker| maker.kind.name.as_bytes() == name;
        let maker = MAKERS.iter().find(named).ok_or(Errno::ENODEV)?;
        let (kind, Made { content, root }) = (maker.kind, (maker.make)(making)?);
        let read_only = making.data.read_only().unwrap_or(read_only);
        Ok((Arc::try_new(FileSystem::new(kind, content, read_only))?, root))
    }

    pub(crate) fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The ramdisk, if it is one.
    pub(crate) fn ramdisk(&self) -> Option<&Ramdisk> {
        match &self.content {
            Content::Ramdisk(ramdisk) => Some(ramdisk),
            Content::Nothing => None,
        }
    }

    /// Whether nothing can be changed by way of any mount.
    #[inline]
    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Relaxed)
    }

    /// Sets that; returns what it was.
    pub(crate) fn set_read_only(&self, read_only: bool) -> bool {
        self.read_only.swap(read_only, Ordering::Relaxed)
    }

    /// Changes it by the options of MS_REMOUNT.
    ///
    /// # Errors
    /// EINVAL.
    pub(crate) fn change(&self, system: &System, data: Data<'_>) -> Result<()> {
        let own = |maker: &&Maker| core::ptr::eq(maker.kind, self.kind);
        match MAKERS.iter().find(own) {
            Some(maker) => (maker.change)(system, self, data),
            // What the host has knows no options.
            None if data.options().next().is_some() => Err(Errno::EINVAL),
            None => Ok(()),
        }
    }

    /// `statfs(2)` of a mount with these flags.
    ///
    /// # Errors
    /// ENOSYS for what the host does not tell.
    #[cold]
    pub(crate) fn statfs(&self, mut flags: MountFlags) -> Result<libc::statfs64> {
        const ST_VALID: i64 = 0x20;
        if core::ptr::eq(self.kind, HOST) {
            return Err(Errno::ENOSYS);
        }
        if self.is_read_only() {
            flags |= MountFlags::READ_ONLY;
        }
        if core::ptr::eq(self.kind, PIPES) {
            return Ok(abi::statfs(self.kind.magic, 0, None));
        }
        let usage = self.ramdisk().map(Ramdisk::usage);
        Ok(abi::statfs(self.kind.magic, ST_VALID | i64::from(flags.bits()), usage.as_ref()))
    }
}

/// A new ramdisk, whose root has these permissions unless the options say otherwise, and is the
/// caller's. Its limits are those that the ramdisk at `/` began with, unless they do.
///
/// # Errors
/// ENOMEM; ENOSPC if the limits allow no inode.
#[cold]
pub(crate) fn ramdisk(
    making: &Making<'_>,
    options: RamdiskOptions,
    default_mode: u32,
) -> Result<Ramdisk> {
    let Making { system, caller, .. } = making;
    let who = caller.credentials;
    let owner = Credentials {
        uid: options.uid.unwrap_or(who.uid),
        gid: options.gid.unwrap_or(who.gid),
        groups: alloc::vec::Vec::new(),
    };
    let default = system.default_limits();
    let limits = Limits {
        size_bytes: options.size_bytes.unwrap_or(default.size_bytes),
        inodes: options.inodes.unwrap_or(default.inodes),
    };
    let caller = Caller { credentials: &owner, ..**caller };
    let mode = options.mode.unwrap_or(default_mode);
    Ramdisk::new(&caller, mode, limits, system.new_device(), system.seed())
}

/// Limits can be changed, but not to less than is used, nor where there was none. What belongs
/// to the root directory is as it is.
#[cold]
fn change_ramdisk(system: &System, file_system: &FileSystem, data: Data<'_>) -> Result<()> {
    let options = RamdiskOptions::parse(data, system.memory_bytes())?;
    let Some(ramdisk) = file_system.ramdisk() else { return Err(Errno::EINVAL) };
    let mut limits = ramdisk.usage().limits;
    for (limit, told) in
        [(&mut limits.size_bytes, options.size_bytes), (&mut limits.inodes, options.inodes)]
    {
        match told {
            Some(told) if told != Limits::NONE && *limit == Limits::NONE => {
                return Err(Errno::EINVAL);
            }
            Some(told) => *limit = told,
            None => {}
        }
    }
    ramdisk.set_limits(limits)
}
