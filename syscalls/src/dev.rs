//! What every program expects to find: [`System::furnish`] mounts devtmpfs at `/dev` and proc at
//! `/proc`.

use alloc::vec::Vec;

use anchorite_fs::mem::{Arc, Room, try_bytes};
use anchorite_fs::{Caller, Credentials, FileType, Inode, InodeNo, Limits, New, Ramdisk};

use crate::descriptors::OnExec;
use crate::device::{CONSOLE, FULL, NULL, RANDOM, TTY, URANDOM, ZERO};
use crate::file::{Object, OpenFile};
use crate::mounts::file_system::{DEVTMPFS, FileSystem, Kind, Made, PROC};
use crate::mounts::options::MountFlags;
use crate::mounts::{Mount, Spot};
use crate::node::{Files, Node};
use crate::system::System;
use crate::walk::LastLink;
use crate::{Errno, Result};

/// Permissions of the directory.
const DIRECTORY_MODE: u32 = 0o755;
/// Files that a program may make beside these.
const INODES: u64 = 1 << 16;
/// Bytes of their content.
const SIZE_BYTES: u64 = 1 << 20;

/// What is there, and its permissions.
static NODES: [(&[u8], New<'static>, u32); 11] = [
    (b"console", device(CONSOLE), 0o600),
    (b"fd", New::Symlink(b"/proc/self/fd"), 0o777),
    (b"full", device(FULL), 0o666),
    (b"null", device(NULL), 0o666),
    (b"random", device(RANDOM), 0o666),
    (b"stderr", New::Symlink(b"/proc/self/fd/2"), 0o777),
    (b"stdin", New::Symlink(b"/proc/self/fd/0"), 0o777),
    (b"stdout", New::Symlink(b"/proc/self/fd/1"), 0o777),
    (b"tty", device(TTY), 0o666),
    (b"urandom", device(URANDOM), 0o666),
    (b"zero", device(ZERO), 0o666),
];

const fn device(number: u64) -> New<'static> {
    New::Node(FileType::CharDevice, number)
}

/// A ramdisk with the devices and links of `/dev`.
///
/// # Errors
/// ENOMEM.
#[cold]
pub(crate) fn devtmpfs(system: &System, caller: &Caller<'_>) -> Result<Ramdisk> {
    let root = Credentials::default();
    let caller = Caller { credentials: &root, umask: 0, ..*caller };
    let limits = Limits { size_bytes: SIZE_BYTES, inodes: INODES };
    let ramdisk =
        Ramdisk::new(&caller, DIRECTORY_MODE, limits, system.new_device(), system.seed())?;
    let directory = ramdisk.root();
    for (name, new, mode) in &NODES {
        Inode::create(directory, &caller, name, *new, *mode)?;
    }
    Ok(ramdisk)
}

/// Permissions of directories that are made to be covered.
const COVERED_MODE: u32 = 0o755;
/// Descriptors of a new process.
const STANDARD: core::ops::Range<i32> = 0..3;

impl System {
    /// Mounts what programs expect to find: a devtmpfs at `/dev`, proc at `/proc`. Descriptors
    /// 0, 1 and 2 are of `/dev/console` after that. It is for the start of a program, after
    /// the tree was filled, when nobody else is there.
    ///
    /// The directories are made if the tree has none of these names, as old as `/` itself,
    /// and an [export](crate::export) leaves them out. If it has, its own are covered, and what is
    /// in them stays, for an export too. Where the name is of something else than a
    /// directory, it is left alone and nothing is mounted.
    ///
    /// # Errors
    /// ENOMEM; ENOSPC where the ramdisk at `/` may have no further inode.
    #[cold]
    pub fn furnish(&self) -> Result<()> {
        let mut made = Vec::new();
        made.try_reserve_exact(2).map_err(|_| Errno::ENOMEM)?;
        let root = Credentials::default();
        let now = self.platform().realtime().into();
        let caller = Caller { umask: 0, ..Caller::new(&root, now) };
        let dev = devtmpfs(self, &caller).map(Made::of_ramdisk)?;
        made.extend(self.mount_at_start(&caller, b"/dev", &DEVTMPFS, dev)?);
        let proc = Made::of_proc(&caller);
        made.extend(self.mount_at_start(&caller, b"/proc", &PROC, proc)?);
        self.note_made_to_be_covered(made);
        STANDARD.into_iter().try_for_each(|fd| self.give_console_a_place(&caller, fd))
    }

    /// Mounts a file system; returns the number of the directory, if it was made for that.
    #[inline(never)]
    fn mount_at_start(
        &self,
        caller: &Caller<'_>,
        path: &[u8],
        kind: &'static Kind,
        Made { content, root }: Made,
    ) -> Result<Option<InodeNo>> {
        let Node::Ramdisk(top) = &self.first_mount().root else { return Ok(None) };
        // As old as its parent, which so does not become younger.
        let then = Caller::new(caller.credentials, Inode::attributes(top).mtime);
        let then = Caller { umask: 0, ..then };
        let made = match Inode::create(top, &then, &path[1..], New::Directory, COVERED_MODE) {
            Ok(directory) => Some(directory.number()),
            Err(Errno::EEXIST) => None,
            Err(errno) => return Err(errno),
        };
        let over = self.place_at(caller, libc::AT_FDCWD, path, LastLink::Follow, 0)?;
        if over.node.is_not_directory() {
            return Ok(None);
        }
        let file_system = Arc::try_new(FileSystem::new(kind, content, false))?;
        let source = try_bytes(kind.name.as_bytes())?;
        let mount = Arc::try_new(Mount::new(file_system, root, source, MountFlags::DEFAULT))?;
        self.attach(Spot::new(over), &mut |over| {
            let mut planned = Vec::new();
            planned.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
            planned.push((mount.clone(), over));
            Ok(planned)
        })?;
        Ok(made)
    }

    /// Makes a descriptor of the console one of `/dev/console`, where that is.
    #[inline(never)]
    fn give_console_a_place(&self, caller: &Caller<'_>, fd: i32) -> Result<()> {
        let Ok(file) = self.descriptors.get(fd) else { return Ok(()) };
        let (None, Object::Device(device)) = (&file.place, &file.object) else { return Ok(()) };
        let path = b"/dev/console";
        let place = self.place_at(caller, libc::AT_FDCWD, path, LastLink::Follow, 0);
        let Ok(place) = place else { return Ok(()) };
        if place.node.file_type() != Some(FileType::CharDevice) {
            return Ok(());
        }
        let room = Room::try_new()?;
        let placed = OpenFile::with_flags(Object::Device(*device), Some(place), file.flags());
        // The lowest free number is the one that is given back here.
        drop(self.descriptors.remove(fd)?);
        let fd = self.descriptors.reserve(usize::MAX)?;
        self.descriptors.install(fd, room.fill(placed), OnExec::Keep);
        Ok(())
    }
}
