//! [`Walk`]: from a path to a file, `path_resolution(7)`.

use anchorite_syscalls::Errno;

use super::permission::{EXECUTE, Who};
use super::tree::{Id, Kind, Time, Tree};

/// Bytes in the longest path, with its NUL.
pub const PATH_MAX: usize = 4096;

/// Symbolic links that a walk follows.
const LINKS_MAX: u32 = 40;

/// The last component of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Last {
    /// A name.
    Name {
        /// Its bytes.
        name: Vec<u8>,
        /// Whether a slash follows.
        slash: bool,
    },
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// None: the path is made of slashes.
    Root,
}

/// Whether a symbolic link in last place is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// Yes.
    Follow,
    /// No.
    Stay,
}

/// A walk under way.
#[derive(Debug)]
pub struct Walk {
    /// The directory that it has come to.
    pub at: Id,
    /// The root directory.
    root: Id,
    /// What is left of the path.
    rest: Vec<u8>,
    links: u32,
}

/// Checks a path's length.
///
/// # Errors
/// ENOENT for an empty path; ENAMETOOLONG.
pub fn check_path(path: &[u8]) -> Result<(), Errno> {
    match path.len() {
        0 => Err(Errno::ENOENT),
        PATH_MAX.. => Err(Errno::ENAMETOOLONG),
        _ => Ok(()),
    }
}

impl Walk {
    /// A walk of `path` from the directory `from`; from `root` for an absolute path.
    pub fn new(root: Id, from: Id, path: &[u8]) -> Walk {
        let at = if path.starts_with(b"/") { root } else { from };
        Walk { at, root, rest: path.to_vec(), links: 0 }
    }

    /// Where `..` leads; nothing is above the root.
    ///
    /// # Errors
    /// ENOTDIR.
    pub fn above(&self, tree: &Tree) -> Result<Id, Errno> {
        let parent = tree.get(self.at).directory()?.parent;
        Ok(if self.at == self.root { self.root } else { parent })
    }

    /// Walks to the directory of the last component, which is returned. All directories on
    /// the way must be searchable, that one included.
    ///
    /// # Errors
    /// EACCES, ENOENT, ENOTDIR, ENAMETOOLONG, ELOOP.
    pub fn reach_last(&mut self, tree: &mut Tree, who: &Who, now: Time) -> Result<Last, Errno> {
        loop {
            let slashes = self.rest.iter().take_while(|byte| **byte == b'/').count();
            self.rest.drain(..slashes);
            if self.rest.is_empty() {
                return Ok(Last::Root);
            }
            who.check(tree.get(self.at), EXECUTE)?;
            let len = self.rest.iter().take_while(|byte| **byte != b'/').count();
            let name = self.rest[..len].to_vec();
            if self.rest[len..].iter().all(|byte| *byte == b'/') {
                return Ok(match &name[..] {
                    b"." => Last::Dot,
                    b".." => Last::DotDot,
                    _ => Last::Name { name, slash: len < self.rest.len() },
                });
            }
            match &name[..] {
                b"." => {}
                b".." => self.at = self.above(tree)?,
                name => {
                    let child = tree.lookup(self.at, name)?;
                    if tree.get(child).is_link() {
                        self.follow(tree, child, now)?;
                        continue;
                    }
                    tree.get(child).directory()?;
                    self.at = child;
                }
            }
            self.rest.drain(..len);
        }
    }

    /// Goes on at the target of `link`, which the first component of the rest names.
    ///
    /// # Errors
    /// ELOOP.
    pub fn follow(&mut self, tree: &mut Tree, link: Id, now: Time) -> Result<(), Errno> {
        self.links += 1;
        if self.links > LINKS_MAX {
            return Err(Errno::ELOOP);
        }
        let inode = tree.get_mut(link);
        inode.access(now);
        let Kind::Link(target) = &inode.kind else { return Err(Errno::EINVAL) };
        let len = self.rest.iter().take_while(|byte| **byte != b'/').count();
        self.rest.splice(..len, target.iter().copied());
        if target.starts_with(b"/") {
            self.at = self.root;
        }
        Ok(())
    }

    /// Walks to the end.
    ///
    /// # Errors
    /// Those of [`reach_last`](Walk::reach_last).
    pub fn reach_end(
        mut self,
        tree: &mut Tree,
        who: &Who,
        now: Time,
        last_link: LastLink,
    ) -> Result<Id, Errno> {
        loop {
            let (name, slash) = match self.reach_last(tree, who, now)? {
                Last::Name { name, slash } => (name, slash),
                Last::Dot | Last::Root => return Ok(self.at),
                Last::DotDot => return self.above(tree),
            };
            let child = tree.lookup(self.at, &name)?;
            if tree.get(child).is_link() && (slash || last_link == LastLink::Follow) {
                self.follow(tree, child, now)?;
            } else if slash && !tree.get(child).is_directory() {
                return Err(Errno::ENOTDIR);
            } else {
                return Ok(child);
            }
        }
    }
}
