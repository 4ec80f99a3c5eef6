//! Making, removing and changing names, by path; and the working directory.

use alloc::vec::Vec;

use crate::{Errno, PATH_MAX, Result, System};

/// Makes a directory, with permissions 0777, masked.
///
/// # Errors
/// Those of [`System::mkdir`].
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::create_dir(sys, "d")?;
/// assert_eq!(api::create_dir(sys, "d"), Err(Errno::EEXIST));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn create_dir(sys: &System, path: impl AsRef<[u8]>) -> Result<()> {
    sys.mkdir(path.as_ref(), 0o777)
}

/// Makes a fifo, with permissions 0666, masked. To open it waits until its other end is open
/// too.
///
/// # Errors
/// Those of [`System::mknod`].
///
/// ```
/// # use anchorite_syscalls::api::{self, FileType};
/// # let sys = &anchorite_example::system();
/// api::create_fifo(sys, "fifo")?;
/// assert_eq!(api::metadata(sys, "fifo")?.file_type(), FileType::Fifo);
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn create_fifo(sys: &System, path: impl AsRef<[u8]>) -> Result<()> {
    sys.mknod(path.as_ref(), libc::S_IFIFO | 0o666, 0)
}

/// Removes an empty directory.
///
/// # Errors
/// Those of [`System::rmdir`].
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::create_dir_all(sys, "d/e")?;
/// assert_eq!(api::remove_dir(sys, "d"), Err(Errno::ENOTEMPTY));
/// assert_eq!(api::remove_dir(sys, "d/e"), Ok(()));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn remove_dir(sys: &System, path: impl AsRef<[u8]>) -> Result<()> {
    sys.rmdir(path.as_ref())
}

/// Removes a name that is no directory's. The file lives on while it is open.
///
/// # Errors
/// Those of [`System::unlink`].
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "")?;
/// api::remove_file(sys, "f")?;
/// assert_eq!(api::remove_file(sys, "f"), Err(Errno::ENOENT));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn remove_file(sys: &System, path: impl AsRef<[u8]>) -> Result<()> {
    sys.unlink(path.as_ref())
}

/// Lets the file at `from` be named `to`, in one step; what `to` named before is removed.
///
/// # Errors
/// Those of [`System::rename`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::write(sys, "old", "kept")?;
/// api::write(sys, "new", "lost")?;
/// api::rename(sys, "old", "new")?;
/// assert_eq!(api::read(sys, "new")?, b"kept");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn rename(sys: &System, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<()> {
    sys.rename(from.as_ref(), to.as_ref())
}

/// Gives the file at `original` the further name `link`.
///
/// # Errors
/// Those of [`System::link`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "")?;
/// api::hard_link(sys, "f", "g")?;
/// assert_eq!(api::metadata(sys, "f")?.nlink(), 2);
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn hard_link(sys: &System, original: impl AsRef<[u8]>, link: impl AsRef<[u8]>) -> Result<()> {
    sys.link(original.as_ref(), link.as_ref())
}

/// Makes a symbolic link at `link` that leads to `target`.
///
/// # Errors
/// Those of [`System::symlink`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::symlink(sys, "d/f", "link")?;
/// assert_eq!(api::read_link(sys, "link")?, b"d/f");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn symlink(sys: &System, target: impl AsRef<[u8]>, link: impl AsRef<[u8]>) -> Result<()> {
    sys.symlink(target.as_ref(), link.as_ref())
}

/// The target of the symbolic link at `path`.
///
/// # Errors
/// Those of [`System::readlink`]; ENOMEM.
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// assert_eq!(api::read_link(sys, "/"), Err(Errno::EINVAL));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn read_link(sys: &System, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    read_link_at(sys, libc::AT_FDCWD, path.as_ref())
}

/// As [`read_link`], a relative path from the directory `at`.
pub(super) fn read_link_at(sys: &System, at: i32, path: &[u8]) -> Result<Vec<u8>> {
    // No target is as long as that.
    let mut target = [0; PATH_MAX];
    let len = sys.readlinkat(at, path, &mut target)?;
    copied(&[&target[..len]])
}

/// The absolute path of the working directory.
///
/// # Errors
/// Those of [`System::getcwd`]; ENOMEM.
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// assert_eq!(api::current_dir(sys)?, b"/");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn current_dir(sys: &System) -> Result<Vec<u8>> {
    let mut path = [0; PATH_MAX];
    let len = sys.getcwd(&mut path)?;
    copied(&[&path[..len.saturating_sub(1)]]) // without the NUL
}

/// Makes `path` the working directory, from which relative paths start.
///
/// # Errors
/// Those of [`System::chdir`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::create_dir(sys, "d")?;
/// api::set_current_dir(sys, "d")?;
/// assert_eq!(api::current_dir(sys)?, b"/d");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn set_current_dir(sys: &System, path: impl AsRef<[u8]>) -> Result<()> {
    sys.chdir(path.as_ref())
}

/// The pieces, one after the other.
///
/// # Errors
/// ENOMEM.
pub(super) fn copied(pieces: &[&[u8]]) -> Result<Vec<u8>> {
    let mut whole = Vec::new();
    let len = pieces.iter().map(|piece| piece.len()).sum();
    whole.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    for piece in pieces {
        whole.extend_from_slice(piece);
    }
    Ok(whole)
}
