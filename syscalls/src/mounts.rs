//! [`Mounts`]: which file system is mounted where.

use alloc::vec::Vec;

use anchorite_fs::{InodeRef, Ramdisk, mem::Arc};

use crate::node::Node;
use crate::walk::Place;
use crate::{Errno, Result};

/// A mount, by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MountId(usize);

impl MountId {
    /// The mount at `/`.
    pub(crate) const ROOT: MountId = MountId(0);
    /// None: where pipes are.
    pub(crate) const NOWHERE: MountId = MountId(usize::MAX);
}

struct Mount {
    root: Node,
    /// The directory that the mount covers; none at `/`.
    covers: Option<(MountId, InodeRef)>,
}

/// The table of mounts. Protected by the system's lock of the same name.
pub(crate) struct Mounts {
    mounts: Vec<Mount>,
    /// The ramdisk at `/`, kept as a whole for its quota and its teardown.
    ramdisk: Ramdisk,
}

impl Mounts {
    /// A table with `ramdisk` at `/`.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn new(ramdisk: Ramdisk) -> Result<Mounts> {
        let mut mounts = Vec::new();
        mounts.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        mounts.push(Mount { root: Node::Ramdisk(ramdisk.root().clone()), covers: None });
        Ok(Mounts { mounts, ramdisk })
    }

    /// The ramdisk at `/`.
    pub(crate) fn ramdisk(&self) -> &Ramdisk {
        &self.ramdisk
    }

    /// The root directory.
    pub(crate) fn root(&self) -> Place {
        Place { mount: MountId::ROOT, node: self.mounts[0].root.clone() }
    }

    /// Mounts a file system over a directory, by its own root.
    ///
    /// # Errors
    /// ENOTDIR unless the directory is one of a ramdisk; ENOMEM.
    pub(crate) fn add(&mut self, over: &Place, root: Node) -> Result<()> {
        let inode = match &over.node {
            Node::Ramdisk(inode) if inode.is_directory() => inode,
            _ => return Err(Errno::ENOTDIR),
        };
        self.mounts.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.mounts.push(Mount { root, covers: Some((over.mount, inode.clone())) });
        inode.set_mount_point(true);
        Ok(())
    }

    /// What is mounted at `place`, or `place` itself.
    pub(crate) fn top(&self, place: Place) -> Place {
        let Node::Ramdisk(inode) = &place.node else { return place };
        let covers = |mount: &Mount| {
            mount.covers.as_ref().is_some_and(|(covered_mount, covered)| {
                *covered_mount == place.mount && Arc::ptr_eq(covered, inode)
            })
        };
        match self.mounts.iter().rposition(covers) {
            Some(found) => Place { mount: MountId(found), node: self.mounts[found].root.clone() },
            None => place,
        }
    }

    /// The directory that a mount covers; none for the mount at `/`.
    pub(crate) fn mount_point(&self, MountId(id): MountId) -> Option<Place> {
        let (mount, inode) = self.mounts.get(id)?.covers.as_ref()?;
        Some(Place { mount: *mount, node: Node::Ramdisk(inode.clone()) })
    }
}
