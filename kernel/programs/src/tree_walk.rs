//! Going through a tree of directories, however deep: [`Walk`].
//!
//! A walk is at one directory at a time. It goes down and up by open directories, never by
//! path, so that paths longer than a call takes are none to it; it needs three descriptors, and
//! for each level above it what the program wants to do there yet. Nothing recurses.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use anchorite_syscalls::api::{Dir, FileType};
use anchorite_syscalls::{Errno, Result};

/// What is in a directory, by one of its names.
pub struct Listed {
    /// The name.
    pub name: Box<[u8]>,
    /// The type, if the listing tells.
    pub file_type: Option<FileType>,
}

/// A directory in a tree, the way to it, and what is to be done on the way back.
pub struct Walk<'a> {
    current: Dir<'a>,
    /// The directory above `current`, unless the walk came from below: kept for directories
    /// that may be listed and not searched, from which `..` leads nowhere.
    above: Option<Dir<'a>>,
    /// The path of `current`, to be told to people.
    path: Vec<u8>,
    /// From the top to `current`.
    levels: Vec<Level>,
}

struct Level {
    identity: Identity,
    path_len: usize,
    /// What is to be done yet, in descending order: the next is the last.
    steps: Vec<Box<[u8]>>,
}

/// A directory, by file system and inode.
type Identity = (u64, u64);

impl Level {
    fn new(dir: &Dir<'_>, path_len: usize) -> Result<Level> {
        Ok(Level { identity: identity(dir)?, path_len, steps: Vec::new() })
    }
}

fn identity(dir: &Dir<'_>) -> Result<Identity> {
    dir.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl<'a> Walk<'a> {
    /// A walk that starts at, and never leaves, the directory `top`, whose path is `path`; and
    /// what is in it.
    ///
    /// # Errors
    /// ENOMEM; those of reading it.
    pub fn new(top: Dir<'a>, path: &[u8]) -> Result<(Walk<'a>, Vec<Listed>)> {
        let path = joined(&[path])?;
        let mut levels = Vec::new();
        levels.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        levels.push(Level::new(&top, path.len())?);
        let (top, listed) = list(top)?;
        Ok((Walk { current: top, above: None, path, levels }, listed))
    }

    /// The directory that the walk is at.
    pub fn dir(&self) -> &Dir<'a> {
        &self.current
    }

    /// Its path: the one given for the top, and the names entered since.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The path of a name in it.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn path_of(&self, name: &[u8]) -> Result<Vec<u8>> {
        joined(&[&self.path, slash_after(&self.path), name])
    }

    /// Adds a step, which is any word of the program's: the least comes first.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn add_step(&mut self, word: Box<[u8]>) -> Result<()> {
        let Some(Level { steps, .. }) = self.levels.last_mut() else { return Ok(()) };
        steps.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        // Words come in either order, or soon before they are due: near an end.
        let at = steps.partition_point(|step| *step > word);
        steps.insert(at, word);
        Ok(())
    }

    /// Takes the next of the steps that were added here.
    pub fn next_step(&mut self) -> Option<Box<[u8]>> {
        self.levels.last_mut()?.steps.pop()
    }

    /// Goes down to the directory of that name, which has no steps yet, and tells what is in
    /// it; stays where it is on an error.
    ///
    /// # Errors
    /// ENOMEM; those of opening and reading it, ENOTDIR for a symbolic link.
    pub fn enter(&mut self, name: &[u8]) -> Result<Vec<Listed>> {
        let slash = slash_after(&self.path);
        self.path.try_reserve(slash.len() + name.len()).map_err(|_| Errno::ENOMEM)?;
        self.levels.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let below = self.current.open_dir(name)?;
        let level = Level::new(&below, self.path.len() + slash.len() + name.len())?;
        let (below, listed) = list(below)?;
        self.path.extend_from_slice(slash);
        self.path.extend_from_slice(name);
        self.levels.push(level);
        self.above = Some(mem::replace(&mut self.current, below));
        Ok(listed)
    }

    /// Goes up again, and says whether it did: not from the top, where the walk ends.
    ///
    /// # Errors
    /// ESTALE if another thread moved the directory meanwhile; those of opening the one
    /// above it. The walk cannot go on.
    pub fn leave(&mut self) -> Result<bool> {
        let [.., level, _] = self.levels.as_slice() else { return Ok(false) };
        let above = match self.above.take() {
            Some(above) => above,
            None => {
                let above = self.current.open_dir("..")?;
                if identity(&above)? != level.identity {
                    return Err(Errno::ESTALE);
                }
                above
            }
        };
        self.path.truncate(level.path_len);
        self.current = above;
        self.levels.pop();
        Ok(true)
    }
}

/// All that is in a directory, without `.` and `..`, in byte order of the names.
fn list(dir: Dir<'_>) -> Result<(Dir<'_>, Vec<Listed>)> {
    let mut listed = Vec::new();
    let mut entries = dir.into_entries()?;
    for entry in &mut entries {
        let entry = entry?;
        listed.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        let name = joined(&[entry.name()])?.into();
        listed.push(Listed { name, file_type: entry.file_type() });
    }
    listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok((entries.into_dir(), listed))
}

fn slash_after(path: &[u8]) -> &'static [u8] {
    if path.ends_with(b"/") { b"" } else { b"/" }
}

/// The parts, one after the other.
///
/// # Errors
/// ENOMEM.
pub fn joined(parts: &[&[u8]]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    let len = parts.iter().map(|part| part.len()).sum();
    whole.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use anchorite_syscalls::api;

    use super::*;

    /// Another thread may move a directory in which the walk is: what is above it then is none
    /// of the walk's.
    #[test]
    fn a_directory_that_was_moved_is_not_left_for_elsewhere() {
        let sys = anchorite_example::system();
        for path in ["top/a/b/c", "other"] {
            api::create_dir_all(&sys, path).unwrap();
        }
        let mut walk = Walk::new(Dir::open(&sys, "top").unwrap(), b"top").unwrap().0;
        for name in ["a", "b"] {
            let listed = walk.enter(name.as_bytes()).unwrap();
            assert_eq!(listed.len(), 1);
        }
        assert_eq!(walk.enter(b"none").err(), Some(Errno::ENOENT));
        assert_eq!(walk.path(), b"top/a/b");
        api::rename(&sys, "top/a", "other/a").unwrap();
        assert_eq!(walk.leave(), Ok(true));
        assert_eq!(walk.path_of(b"b").unwrap(), b"top/a/b");
        assert_eq!(walk.leave(), Err(Errno::ESTALE));
        api::rename(&sys, "other/a", "top/a").unwrap();
        assert_eq!(walk.leave(), Ok(true));
        assert_eq!(walk.path(), b"top");
        assert_eq!(walk.leave(), Ok(false));
    }

    #[test]
    fn steps_come_in_byte_order() {
        let sys = anchorite_example::system();
        let mut walk = Walk::new(Dir::open(&sys, "/").unwrap(), b"/").unwrap().0;
        for step in ["a", "a-b", "a/", "", "a", "\u{ff}"] {
            walk.add_step(step.as_bytes().into()).unwrap();
        }
        let steps: Vec<_> = core::iter::from_fn(|| walk.next_step()).collect();
        let expected = ["", "a", "a", "a-b", "a/", "\u{ff}"].map(str::as_bytes);
        assert!(steps.iter().map(|step| &**step).eq(expected));
    }
}
