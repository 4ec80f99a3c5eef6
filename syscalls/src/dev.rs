//! What every program expects to find: [`System::furnish`] mounts devtmpfs at `/dev` and proc at
//! `/proc`.

use alloc::vec::Vec;

use anchorite_fs::mem::Room;
use anchorite_fs::{
    Caller, Credentials, FileType, Inode, InodeRef, Limits, New, Ramdisk, Timestamp,
};

use crate::descriptors::OnExec;
use crate::device::{CONSOLE, FULL, NULL, RANDOM, TTY, URANDOM, ZERO};
use crate::file::{Object, OpenFile};
use crate::mounts::file_system::Making;
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

const DEVICES: [(&[u8], u64, u32); 7] = [
    (b"console", CONSOLE, 0o600),
    (b"full", FULL, 0o666),
    (b"null", NULL, 0o666),
    (b"random", RANDOM, 0o666),
    (b"tty", TTY, 0o666),
    (b"urandom", URANDOM, 0o666),
    (b"zero", ZERO, 0o666),
];

const LINKS: [(&[u8], &[u8]); 4] = [
    (b"fd", b"/proc/self/fd"),
    (b"stdin", b"/proc/self/fd/0"),
    (b"stdout", b"/proc/self/fd/1"),
    (b"stderr", b"/proc/self/fd/2"),
];

/// A ramdisk with the devices and links of `/dev`.
///
/// # Errors
/// ENOMEM.
pub(crate) fn devtmpfs(making: &Making<'_>) -> Result<Ramdisk> {
    let Making { system, caller, .. } = making;
    let root = Credentials::default();
    let caller = Caller { credentials: &root, umask: 0, ..**caller };
    let limits = Limits { size_bytes: SIZE_BYTES, inodes: INODES };
    let ramdisk =
        Ramdisk::new(&caller, DIRECTORY_MODE, limits, system.new_device(), system.seed())?;
    let directory = ramdisk.root();
    for (name, number, mode) in DEVICES {
        let device = New::Node(FileType::CharDevice, number);
        Inode::create(directory, &caller, name, device, mode)?;
    }
    for (name, target) in LINKS {
        Inode::create(directory, &caller, name, New::Symlink(target), 0o777)?;
    }
    Ok(ramdisk)
}

/// What is mounted where, of this kind.
const MOUNTS: [(&[u8], &[u8]); 2] = [(b"dev", b"devtmpfs"), (b"proc", b"proc")];
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
    pub fn furnish(&self) -> Result<()> {
        let Node::Ramdisk(root) = &self.first_mount().root else { return Ok(()) };
        let mut made = Vec::new();
        made.try_reserve_exact(MOUNTS.len()).map_err(|_| Errno::ENOMEM)?;
        let time = Inode::attributes(root).mtime;
        for (name, kind) in MOUNTS {
            made.extend(make_directory(root, name, time)?);
            let mut path = [b'/'; 8];
            path[1..=name.len()].copy_from_slice(name);
            match self.mount(Some(kind), &path[..=name.len()], Some(kind), 0, None) {
                Ok(()) | Err(Errno::ENOTDIR) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.note_made_to_be_covered(made);
        STANDARD.into_iter().try_for_each(|fd| self.give_console_a_place(fd))
    }

    /// Makes a descriptor of the console one of `/dev/console`, where that is.
    fn give_console_a_place(&self, fd: i32) -> Result<()> {
        let Ok(file) = self.descriptors.get(fd) else { return Ok(()) };
        let (None, Object::Device(device)) = (&file.place, &file.object) else { return Ok(()) };
        let path = b"/dev/console";
        let place = self
            .as_caller(|caller| self.place_at(caller, libc::AT_FDCWD, path, LastLink::Follow, 0));
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

/// A directory that was made, as old as its parent; none where the name is taken.
fn make_directory(root: &InodeRef, name: &[u8], time: Timestamp) -> Result<Option<InodeRef>> {
    let credentials = Credentials::default();
    let caller = Caller { umask: 0, ..Caller::new(&credentials, time) };
    match Inode::create(root, &caller, name, New::Directory, COVERED_MODE) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::EEXIST) => Ok(None),
        Err(errno) => Err(errno),
    }
}
