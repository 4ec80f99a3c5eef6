//! [`OpenOptions`]: how a file is opened.

use super::descriptor::Descriptor;
use super::file::File;
use crate::{Errno, Result, System};

/// How a file is opened: `std::fs::OpenOptions`.
///
/// ```
/// use anchorite_syscalls::api::{self, OpenOptions};
/// # let sys = &anchorite_example::system();
///
/// let log = OpenOptions::new().append(true).create(true).open(sys, "log")?;
/// log.write_all(b"first\n")?;
/// log.write_all(b"second\n")?;
/// assert_eq!(api::read(sys, "log")?, b"first\nsecond\n");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    flags: i32,
}

impl OpenOptions {
    /// Nothing allowed yet; permissions 0666, masked, for a file that is made.
    pub const fn new() -> OpenOptions {
        OpenOptions {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            flags: 0,
        }
    }

    /// Whether it may be read.
    pub const fn read(&mut self, yes: bool) -> &mut OpenOptions {
        self.read = yes;
        self
    }

    /// Whether it may be written.
    pub const fn write(&mut self, yes: bool) -> &mut OpenOptions {
        self.write = yes;
        self
    }

    /// Whether it may be written, and every write goes to its end.
    pub const fn append(&mut self, yes: bool) -> &mut OpenOptions {
        self.append = yes;
        self
    }

    /// Whether it is emptied. Needs [`write`](OpenOptions::write).
    pub const fn truncate(&mut self, yes: bool) -> &mut OpenOptions {
        self.truncate = yes;
        self
    }

    /// Whether it is made if missing. Needs [`write`](OpenOptions::write) or
    /// [`append`](OpenOptions::append).
    pub const fn create(&mut self, yes: bool) -> &mut OpenOptions {
        self.create = yes;
        self
    }

    /// Whether it must be made, and nothing may have its name, not even a symbolic link;
    /// what [`create`](OpenOptions::create) and [`truncate`](OpenOptions::truncate) say is
    /// then of no effect.
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::{File, OpenOptions}};
    /// # let sys = &anchorite_example::system();
    /// File::create(sys, "f")?;
    /// let again = OpenOptions::new().write(true).create_new(true).open(sys, "f");
    /// assert_eq!(again.unwrap_err(), Errno::EEXIST);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub const fn create_new(&mut self, yes: bool) -> &mut OpenOptions {
        self.create_new = yes;
        self
    }

    /// Permissions, masked, of a file that is made.
    pub const fn mode(&mut self, mode: u32) -> &mut OpenOptions {
        self.mode = mode;
        self
    }

    /// Further flags of `open(2)`, such as O_NOFOLLOW; an access mode in them is ignored.
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::{self, OpenOptions}};
    /// # let sys = &anchorite_example::system();
    /// api::symlink(sys, "there", "link")?;
    /// let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(sys, "link");
    /// assert_eq!(opened.unwrap_err(), Errno::ELOOP);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub const fn custom_flags(&mut self, flags: i32) -> &mut OpenOptions {
        self.flags = flags;
        self
    }

    /// Opens the file at `path`.
    ///
    /// # Errors
    /// EINVAL if it may be neither read nor written, or if what is to be made or emptied
    /// may not be written, or if what is to be emptied is appended to; those of
    /// [`System::open`].
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::OpenOptions};
    /// # let sys = &anchorite_example::system();
    /// let file = OpenOptions::new().read(true).write(true).create(true).mode(0o600).open(sys, "f")?;
    /// assert_eq!(file.metadata()?.permissions(), 0o600);
    /// assert_eq!(OpenOptions::new().open(sys, "f").unwrap_err(), Errno::EINVAL);
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn open<'a>(&self, sys: &'a System, path: impl AsRef<[u8]>) -> Result<File<'a>> {
        self.open_at(sys, libc::AT_FDCWD, path.as_ref())
    }

    pub(super) fn open_at<'a>(&self, sys: &'a System, at: i32, path: &[u8]) -> Result<File<'a>> {
        Ok(File(Descriptor::open(sys, at, path, self.all_flags()?, self.mode)?))
    }

    /// The flags of `open(2)` that say the same.
    fn all_flags(&self) -> Result<i32> {
        let writes = self.write || self.append;
        let makes = self.create || self.create_new;
        if !writes && (makes || self.truncate) {
            return Err(Errno::EINVAL);
        }
        if self.append && self.truncate && !self.create_new {
            return Err(Errno::EINVAL);
        }
        let access = match (self.read, writes) {
            (true, true) => libc::O_RDWR,
            (true, false) => libc::O_RDONLY,
            (false, true) => libc::O_WRONLY,
            (false, false) => return Err(Errno::EINVAL),
        };
        let append = if self.append { libc::O_APPEND } else { 0 };
        let creation = match (self.create_new, self.create, self.truncate) {
            (true, _, _) => libc::O_CREAT | libc::O_EXCL,
            (false, true, true) => libc::O_CREAT | libc::O_TRUNC,
            (false, true, false) => libc::O_CREAT,
            (false, false, true) => libc::O_TRUNC,
            (false, false, false) => 0,
        };
        Ok(access | append | creation | self.flags & !libc::O_ACCMODE)
    }
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions::new()
    }
}
