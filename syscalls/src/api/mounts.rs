//! The tree of mounts, and the root directory.

use crate::{Result, System};

/// Mounts a new, empty ramdisk over the directory `target`, with options as `tmpfs(5)` has them
/// (`"size=64m,mode=755"`), which may be none. It is gone, with all that is in it, when it is
/// [unmounted](unmount).
///
/// # Errors
/// Those of [`System::mount`].
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::create_dir(sys, "scratch")?;
/// api::mount_ramdisk(sys, "scratch", "size=4k")?;
/// assert_eq!(api::write(sys, "scratch/file", [0; 5000]), Err(Errno::ENOSPC));
/// api::unmount(sys, "scratch")?;
/// assert!(!api::exists(sys, "scratch/file")?);
/// # Ok::<(), Errno>(())
/// ```
pub fn mount_ramdisk(
    sys: &System,
    target: impl AsRef<[u8]>,
    options: impl AsRef<[u8]>,
) -> Result<()> {
    let kind: &[u8] = b"tmpfs";
    sys.mount(Some(kind), target.as_ref(), Some(kind), 0, Some(options.as_ref()))
}

/// Lets `target`, a directory or a file, be what `source` is: a bind mount. What is mounted
/// below `source` is not seen there.
///
/// # Errors
/// Those of [`System::mount`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::create_dir_all(sys, "a/long/way")?;
/// api::create_dir(sys, "short")?;
/// api::bind(sys, "a/long/way", "short")?;
/// api::write(sys, "short/file", "seen in both")?;
/// assert_eq!(api::read(sys, "a/long/way/file")?, b"seen in both");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn bind(sys: &System, source: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Result<()> {
    sys.mount(Some(source.as_ref()), target.as_ref(), None, libc::MS_BIND, None)
}

/// Takes away what was mounted last at `target`, unless it is in use.
///
/// # Errors
/// Those of [`System::umount2`].
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::create_dir(sys, "m")?;
/// api::mount_ramdisk(sys, "m", "")?;
/// let file = api::File::create(sys, "m/file")?;
/// assert_eq!(api::unmount(sys, "m"), Err(Errno::EBUSY));
/// drop(file);
/// api::unmount(sys, "m")?;
/// # Ok::<(), Errno>(())
/// ```
pub fn unmount(sys: &System, target: impl AsRef<[u8]>) -> Result<()> {
    sys.umount(target.as_ref())
}

/// Makes the directory at `path` the root directory and the working directory: what is outside
/// has no path any more.
///
/// # Errors
/// Those of [`System::chroot`] and [`System::chdir`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::create_dir_all(sys, "cell/desk")?;
/// api::set_root_dir(sys, "cell")?;
/// assert!(api::exists(sys, "/desk")?);
/// assert!(!api::exists(sys, "/../cell")?);
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn set_root_dir(sys: &System, path: impl AsRef<[u8]>) -> Result<()> {
    sys.chroot(path.as_ref())?;
    sys.chdir(b"/")
}
