//! Extended attributes, by path and of an open file.

use alloc::vec::Vec;

use super::file::File;
use crate::{Errno, Result, System};

/// Gives the extended attribute `name` of the file at `path` a value, whether it is there
/// already or not. [`System::setxattr`] tells what names there are, and can ask for either.
///
/// # Errors
/// Those of [`System::setxattr`].
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "")?;
/// api::set_xattr(sys, "f", "user.colour", "blue")?;
/// assert_eq!(api::get_xattr(sys, "f", "user.colour")?, b"blue");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn set_xattr(
    sys: &System,
    path: impl AsRef<[u8]>,
    name: impl AsRef<[u8]>,
    value: impl AsRef<[u8]>,
) -> Result<()> {
    sys.setxattr(path.as_ref(), name.as_ref(), value.as_ref(), 0)
}

/// The value of an extended attribute of the file at `path`.
///
/// # Errors
/// Those of [`System::getxattr`], but not ERANGE for the value; ENOMEM.
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "")?;
/// assert_eq!(api::get_xattr(sys, "f", "user.colour"), Err(Errno::ENODATA));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn get_xattr(sys: &System, path: impl AsRef<[u8]>, name: impl AsRef<[u8]>) -> Result<Vec<u8>> {
    let (path, name) = (path.as_ref(), name.as_ref());
    whole(|buf| sys.getxattr(path, name, buf))
}

/// The names of all extended attributes of the file at `path` that the process may see.
///
/// # Errors
/// Those of [`System::listxattr`], but not ERANGE; ENOMEM.
///
/// ```
/// # use anchorite_syscalls::api;
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "")?;
/// api::set_xattr(sys, "f", "user.colour", "blue")?;
/// api::set_xattr(sys, "f", "user.size", "large")?;
/// let names = api::list_xattrs(sys, "f")?;
/// assert!(names.iter().eq([&b"user.size"[..], b"user.colour"]));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn list_xattrs(sys: &System, path: impl AsRef<[u8]>) -> Result<XattrNames> {
    whole(|buf| sys.listxattr(path.as_ref(), buf)).map(XattrNames)
}

/// Removes an extended attribute of the file at `path`.
///
/// # Errors
/// Those of [`System::removexattr`].
///
/// ```
/// # use anchorite_syscalls::{Errno, api};
/// # let sys = &anchorite_example::system();
/// api::write(sys, "f", "")?;
/// api::set_xattr(sys, "f", "user.colour", "blue")?;
/// assert_eq!(api::remove_xattr(sys, "f", "user.colour"), Ok(()));
/// assert_eq!(api::remove_xattr(sys, "f", "user.colour"), Err(Errno::ENODATA));
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
pub fn remove_xattr(sys: &System, path: impl AsRef<[u8]>, name: impl AsRef<[u8]>) -> Result<()> {
    sys.removexattr(path.as_ref(), name.as_ref())
}

/// Names of extended attributes, as [`list_xattrs`] tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XattrNames(Vec<u8>);

impl XattrNames {
    /// Each name; the greatest comes first.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split_inclusive(|&byte| byte == 0).map(|name| &name[..name.len() - 1])
    }
}

impl File<'_> {
    /// Gives an extended attribute a value: [`set_xattr`].
    ///
    /// # Errors
    /// Those of [`System::fsetxattr`].
    ///
    /// ```
    /// # use anchorite_syscalls::api::File;
    /// # let sys = &anchorite_example::system();
    /// let file = File::create(sys, "f")?;
    /// file.set_xattr("user.colour", "blue")?;
    /// assert_eq!(file.get_xattr("user.colour")?, b"blue");
    /// assert_eq!(file.list_xattrs()?.iter().count(), 1);
    /// file.remove_xattr("user.colour")?;
    /// assert_eq!(file.list_xattrs()?.iter().count(), 0);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn set_xattr(&self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        self.0.sys.fsetxattr(self.0.fd, name.as_ref(), value.as_ref(), 0)
    }

    /// The value of an extended attribute. [`set_xattr`](File::set_xattr) has an example.
    ///
    /// # Errors
    /// Those of [`System::fgetxattr`], but not ERANGE for the value; ENOMEM.
    pub fn get_xattr(&self, name: impl AsRef<[u8]>) -> Result<Vec<u8>> {
        whole(|buf| self.0.sys.fgetxattr(self.0.fd, name.as_ref(), buf))
    }

    /// The names of all extended attributes. [`set_xattr`](File::set_xattr) has an example.
    ///
    /// # Errors
    /// Those of [`System::flistxattr`], but not ERANGE; ENOMEM.
    pub fn list_xattrs(&self) -> Result<XattrNames> {
        whole(|buf| self.0.sys.flistxattr(self.0.fd, buf)).map(XattrNames)
    }

    /// Removes an extended attribute. [`set_xattr`](File::set_xattr) has an example.
    ///
    /// # Errors
    /// Those of [`System::fremovexattr`].
    pub fn remove_xattr(&self, name: impl AsRef<[u8]>) -> Result<()> {
        self.0.sys.fremovexattr(self.0.fd, name.as_ref())
    }
}

/// All that `get` has to give, which tells how much it is if there is no buffer.
///
/// # Errors
/// ENOMEM; what `get` says.
fn whole(get: impl Fn(&mut [u8]) -> Result<usize>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let len = get(&mut [])?;
        if len == 0 {
            return Ok(bytes);
        }
        bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
        bytes.resize(len, 0);
        match get(&mut bytes) {
            // It became more between the two looks.
            Err(Errno::ERANGE) => bytes.clear(),
            Ok(len) => {
                bytes.truncate(len);
                return Ok(bytes);
            }
            Err(errno) => return Err(errno),
        }
    }
}
