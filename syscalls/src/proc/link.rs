//! Links of proc that lead to a file: where to, and what `readlink(2)` tells of it.

use alloc::vec::Vec;

use anchorite_fs::mem::{Arc, try_bytes};
use anchorite_fs::{Caller, FileType, Inode, InodeRef, Sink};

use super::text::Lines;
use super::{Entry, ProcNode, Target};
use crate::calls::{BackwardPath, Reached};
use crate::file::{Object, OpenFile};
use crate::mounts::{MountRef, Spot};
use crate::node::Node;
use crate::system::System;
use crate::walk::Place;
use crate::{Errno, Result};

/// What follows the path of what lost its name.
const LOST: &[u8] = b" (deleted)";

impl ProcNode {
    /// The file that a link leads to; none for what leads to a path, or is no link.
    ///
    /// # Errors
    /// ENOENT if there is none, or the descriptor was closed; ENOMEM.
    #[cold]
    #[inline(never)]
    pub(crate) fn jump(self, system: &System) -> Result<Option<Place>> {
        Ok(Some(match self.entry {
            Entry::Descriptor(fd, _) => {
                let file = system.file_or_path(fd).map_err(|_| Errno::ENOENT)?;
                if let Object::Pipe(end) = &file.object {
                    end.list()?;
                }
                if let Object::Inotify(_) = &file.object {
                    return Err(Errno::ENXIO);
                }
                file.place()?
            }
            Entry::Jump(Target::WorkingDirectory) => system.working_directory(),
            Entry::Jump(Target::Root) => system.root().clone(),
            Entry::Jump(Target::Program) => return Err(Errno::ENOENT),
            _ => return Ok(None),
        }))
    }

    /// What `readlink(2)` tells.
    ///
    /// # Errors
    /// EINVAL if it is no link; ENOENT if the descriptor was closed; ENAMETOOLONG; ENOMEM.
    #[cold]
    #[inline(never)]
    pub(crate) fn target(
        self,
        system: &System,
        caller: &Caller<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        match self.entry {
            Entry::Link(path) => Ok(sink.put(path.text())),
            Entry::Jump(Target::Program) => {
                // It is an image, whose name is all that there is.
                let slash = sink.put(b"/");
                Ok(slash + sink.put(system.program_name()))
            }
            Entry::Descriptor(fd, _) => {
                let file = system.file_or_path(fd).map_err(|_| Errno::ENOENT)?;
                system.tell_file(caller, &file, sink)
            }
            Entry::Jump(_) => match self.jump(system)? {
                Some(place) => system.tell_place(caller, place, sink),
                None => Err(Errno::EINVAL),
            },
            _ => Err(Errno::EINVAL),
        }
    }
}

impl System {
    /// Tells where an open file is.
    fn tell_file(
        &self,
        caller: &Caller<'_>,
        file: &Arc<OpenFile>,
        sink: &mut Sink<'_>,
    ) -> Result<usize> {
        match (&file.object, &file.place) {
            (Object::Pipe(end), _) if end.is_anonymous() => {
                let mut name = Lines::new();
                name.fill("pipe:[%]", &[end.inode().number().0]);
                Ok(sink.put(&name.finish()?))
            }
            (Object::Inotify(_), _) => Ok(sink.put(b"anon_inode:inotify")),
            (_, Some(place)) => self.tell_place(caller, place.clone(), sink),
            (_, None) => Ok(sink.put(b"/dev/console")),
        }
    }

    /// Tells the path of a file; what has none any more is told by its number, as Linux tells of
    /// what never had any.
    #[cold]
    #[inline(never)]
    fn tell_place(&self, caller: &Caller<'_>, place: Place, sink: &mut Sink<'_>) -> Result<usize> {
        let mut path = BackwardPath::new();
        let directory = match &place.node {
            Node::Ramdisk(inode) if Inode::attributes(inode).nlink == 0 => None,
            Node::Ramdisk(inode)
                if !inode.is_directory() && !place.mount.begins_at(&place.node) =>
            {
                self.directory_of(caller, &place.mount, inode, &mut path)?
            }
            _ => Some(place.clone()),
        };
        let reached = directory.map(|directory| self.path_of(directory, &mut path));
        match (reached, &place.node) {
            (Some(Ok(Reached::Root)), _) => {
                let path = path.ended_by_nul(Reached::Root)?;
                Ok(sink.put(path.strip_suffix(b"\0").unwrap_or(path)))
            }
            (Some(Err(errno)), _) if errno != Errno::ENOENT => Err(errno),
            (_, Node::Ramdisk(inode)) => {
                let mut name = Lines::new();
                name.fill("/#%", &[inode.number().0]);
                let told = sink.put(&name.finish()?);
                Ok(told + sink.put(LOST))
            }
            // Mounted nowhere any more.
            _ => Ok(sink.put(b"/") + sink.put(LOST)),
        }
    }

    /// The directory in which `inode`, which is none, has a name, the first that is found; the
    /// name is put before `path`. Files do not know their names, so this looks through all of
    /// what is mounted, in the time that a `find` takes.
    ///
    /// # Errors
    /// ENAMETOOLONG, ENOMEM.
    pub(crate) fn directory_of(
        &self,
        caller: &Caller<'_>,
        mount: &MountRef,
        inode: &InodeRef,
        path: &mut BackwardPath,
    ) -> Result<Option<Place>> {
        let Node::Ramdisk(top) = &self.mount_of(mount).root else { return Ok(None) };
        let mut waiting: Vec<InodeRef> = Vec::new();
        waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        waiting.push(top.clone());
        while let Some(directory) = waiting.pop() {
            let (mut kept, mut names, mut its_names) = (Ok(()), Vec::new(), Vec::new());
            let listed = directory.list(caller, 0, &mut |listed| {
                if listed.ino == inode.number() {
                    kept = keep(&mut its_names, listed.name);
                } else if listed.file_type == FileType::Directory
                    && !matches!(listed.name, b"." | b"..")
                {
                    kept = keep(&mut names, listed.name);
                }
                kept.is_ok() && (its_names.is_empty() || inode.is_mount_point())
            });
            kept?;
            let node = Node::Ramdisk(directory.clone());
            for name in its_names {
                let file = Place { mount: mount.clone(), node: Node::Ramdisk(inode.clone()) };
                let top = self.top_of(Spot::named(file.clone(), &node, &name));
                // What is mounted over a name keeps it from leading here.
                if top.is(&file) {
                    path.prepend(&name)?;
                    return Ok(Some(Place { mount: mount.clone(), node }));
                }
            }
            // One that was removed meanwhile has nothing in it.
            for name in names.iter().filter(|_| listed.is_ok()) {
                if let Ok(child) = directory.lookup(caller, name) {
                    waiting.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                    waiting.push(child);
                }
            }
        }
        Ok(None)
    }
}

/// # Errors
/// ENOMEM.
fn keep(names: &mut Vec<Vec<u8>>, name: &[u8]) -> Result<()> {
    let name = try_bytes(name)?;
    names.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
    names.push(name);
    Ok(())
}
