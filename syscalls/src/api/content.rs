//! Whole files at once, by path.

use alloc::string::String;
use alloc::vec::Vec;

use super::file::File;
use super::metadata::metadata;
use crate::{Errno, Result, System};

/// Bytes that one call is asked to copy.
const COPY_BYTES: usize = 1 << 30;

/// All that is in the file at `path`.
///
/// # Errors
/// Those of [`System::open`] and [`System::read`]; ENOMEM.
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", [1, 2, 3])?;
/// assert_eq!(api::read(sys, "f")?, [1, 2, 3]);
/// assert_eq!(api::read(sys, "/"), Err(Errno::EISDIR));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn read(sys: &System, path: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(sys, path)?.read_to_end(&mut content)?;
    Ok(content)
}

/// All that is in the file at `path`, as text.
///
/// # Errors
/// Those of [`read`]; EILSEQ if it is not UTF-8.
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "cell")?;
/// assert_eq!(api::read_to_string(sys, "f")?, "cell");
/// api::write(sys, "f", [0xff])?;
/// assert_eq!(api::read_to_string(sys, "f"), Err(Errno::EILSEQ));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn read_to_string(sys: &System, path: impl AsRef<[u8]>) -> Result<String> {
    String::from_utf8(read(sys, path)?).map_err(|_| Errno::EILSEQ)
}

/// Makes `content` all that is in the file at `path`, which is made if missing.
///
/// # Errors
/// Those of [`System::open`], [`System::write`] and [`System::close`]; the file then has
/// what found room.
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "a longer text")?;
/// api::write(sys, "f", "short")?;
/// assert_eq!(api::read(sys, "f")?, b"short");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn write(sys: &System, path: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Result<()> {
    let file = File::create(sys, path)?;
    file.write_all(content.as_ref())?;
    file.close()
}

/// Makes the file at `to`, which is made if missing, have the content and the permissions
/// of the regular file at `from`; returns how many bytes were copied. A file system that
/// cannot change permissions leaves them.
///
/// # Errors
/// EINVAL if both are the same file, which `std::fs::copy` would empty, or if `from` is no
/// regular file; those of [`System::open`] and [`System::sendfile`], of
/// [`System::fchmod`] but not ENOSYS, and of [`System::close`].
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "abc")?;
/// assert_eq!(api::copy(sys, "f", "g"), Ok(3));
/// assert_eq!(api::read(sys, "g")?, b"abc");
/// assert_eq!(api::copy(sys, "f", "f"), Err(Errno::EINVAL));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn copy(sys: &System, from: impl AsRef<[u8]>, to: impl AsRef<[u8]>) -> Result<u64> {
    let (input, to) = (File::open(sys, from)?, to.as_ref());
    let original = input.metadata()?;
    if !original.is_file() {
        return Err(Errno::EINVAL);
    }
    // Looked at before it is opened, since opening empties it.
    match metadata(sys, to) {
        Ok(other) if (other.dev(), other.ino()) == (original.dev(), original.ino()) => {
            return Err(Errno::EINVAL);
        }
        Ok(_) | Err(Errno::ENOENT) => {}
        Err(errno) => return Err(errno),
    }
    let output = File::create(sys, to)?;
    let mut copied = 0;
    loop {
        match sys.sendfile(output.fd(), input.fd(), None, COPY_BYTES) {
            Ok(0) => break,
            Ok(done) => copied += done as u64,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    if output.metadata()?.is_file() {
        // After the content: writing takes set-ID bits away.
        match output.set_permissions(original.permissions()) {
            Ok(()) | Err(Errno::ENOSYS) => {}
            Err(errno) => return Err(errno),
        }
    }
    output.close()?;
    Ok(copied)
}
