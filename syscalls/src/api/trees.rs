//! Whole trees: [`create_dir_all`], [`remove_dir_all`], [`export`].

use alloc::vec::Vec;

use super::dir::Dir;
use super::file::File;
use super::metadata::{metadata, symlink_metadata};
use super::names::{create_dir, remove_dir, remove_file};
use crate::{Errno, Exported, Result, System};

/// Makes the directory at `path`, with each one above it that is missing.
///
/// # Errors
/// EEXIST if there is something else at `path`, ENOTDIR above it; those of
/// [`System::mkdir`]. What was made until then stays.
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::create_dir_all(sys, "a/b/c")?;
/// api::create_dir_all(sys, "a/b/c")?;
/// api::write(sys, "a/f", "")?;
/// assert_eq!(api::create_dir_all(sys, "a/f"), Err(Errno::EEXIST));
/// assert_eq!(api::create_dir_all(sys, "a/f/g"), Err(Errno::ENOTDIR));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn create_dir_all(sys: &System, path: impl AsRef<[u8]>) -> Result<()> {
    let path = path.as_ref();
    match make(sys, path) {
        Err(Errno::ENOENT) => {}
        done => return done,
    }
    let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
    for (end, _) in slashes {
        make(sys, &path[..end])?;
    }
    make(sys, path)
}

/// Makes a directory, unless there is one.
fn make(sys: &System, path: &[u8]) -> Result<()> {
    match create_dir(sys, path) {
        Err(Errno::EEXIST) if metadata(sys, path).is_ok_and(|found| found.is_dir()) => Ok(()),
        done => done,
    }
}

/// Removes the directory at `path` and all that is below it; of a symbolic link, only
/// itself.
///
/// It takes four descriptors and sixteen bytes a level, however deep the tree is. It
/// goes down and up by open directories, never by path, and follows no symbolic link; a
/// directory that another thread moves elsewhere meanwhile leads it nowhere else.
///
/// # Errors
/// ENOTDIR if there is something else at `path`; EBUSY for a mount point; ENOMEM; those of
/// [`System::openat`], [`System::getdents64`] and [`System::unlinkat`]. What was removed
/// until then stays so.
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::create_dir_all(sys, "a/b/c")?;
/// api::write(sys, "a/b/f", "")?;
/// api::symlink(sys, "/", "a/link")?;
/// api::remove_dir_all(sys, "a")?;
/// assert_eq!(api::remove_dir_all(sys, "a"), Err(Errno::ENOENT));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn remove_dir_all(sys: &System, path: impl AsRef<[u8]>) -> Result<()> {
    let path = path.as_ref();
    if symlink_metadata(sys, path)?.is_symlink() {
        return remove_file(sys, path);
    }
    empty(Dir::open_at(sys, libc::AT_FDCWD, path, libc::O_NOFOLLOW)?)?;
    remove_dir(sys, path)
}

/// Writes the tree below the directory `dir` to a file as a tar archive: the module
/// [`export`](crate::export) says what is in it. The file itself is not, should it be in the
/// tree.
///
/// # Errors
/// [`ExportError::errno`](crate::ExportError::errno) of those of [`System::export_to`]. The
/// file then holds a part of the archive.
///
/// ```
/// use anchorite_syscalls::api::{self, File};
/// # let sys = &anchorite_example::system();
///
/// api::create_dir(sys, "cell")?;
/// api::write(sys, "cell/diary", "day 1: quiet\n")?;
/// let file = File::create(sys, "cell.tar")?;
/// assert_eq!(api::export(sys, "cell", &file)?.entries, 2);
/// file.close()?;
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn export(sys: &System, dir: impl AsRef<[u8]>, file: &File<'_>) -> Result<Exported> {
    sys.export_to(dir.as_ref(), file.fd()).map_err(|error| error.errno())
}

/// A directory, by file system and inode.
type Identity = (u64, u64);

/// Removes all that is below `top`.
fn empty(top: Dir<'_>) -> Result<()> {
    // The directories from `top` down to the one above `current`.
    let mut above: Vec<Identity> = Vec::new();
    let mut current = top.open_dir(".")?;
    loop {
        if let Some(child) = remove_up_to_full(&current)? {
            above.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            above.push(identity(&current)?);
            current = child;
            continue;
        }
        let Some(expected) = above.pop() else { return Ok(()) };
        let parent = current.open_dir("..")?;
        if identity(&parent)? == expected {
            current = parent;
        } else {
            // Moved away: what is above it now is not ours to remove.
            above.clear();
            current = top.open_dir(".")?;
        }
    }
}

/// Removes what is in `dir` and can be; returns the first directory that is not empty.
fn remove_up_to_full<'a>(dir: &Dir<'a>) -> Result<Option<Dir<'a>>> {
    for entry in dir.entries()? {
        let entry = entry?;
        let removed = match dir.remove_file(entry.name()) {
            Err(Errno::EISDIR) => dir.remove_dir(entry.name()),
            removed => removed,
        };
        match removed {
            // ENOENT: another thread was faster.
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(Errno::ENOTEMPTY) => match dir.open_dir(entry.name()) {
                Err(Errno::ENOENT) => {}
                child => return child.map(Some),
            },
            Err(errno) => return Err(errno),
        }
    }
    Ok(None)
}

fn identity(dir: &Dir<'_>) -> Result<Identity> {
    dir.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}
