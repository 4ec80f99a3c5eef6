//! [`Inotify`]: being told what happens to files.

use super::descriptor::Descriptor;
use crate::{Errno, Result, System};

/// An instance of inotify, closed when dropped: `inotify(7)`.
///
/// ```
/// use anchorite_syscalls::api::{self, Inotify};
/// # let sys = &anchorite_example::system();
///
/// api::create_dir(sys, "inbox")?;
/// let inotify = Inotify::new(sys)?;
/// let inbox = inotify.add("inbox", libc::IN_CREATE | libc::IN_CLOSE_WRITE)?;
/// api::write(sys, "inbox/letter", "dear")?;
///
/// let mut buffer = [0; 4096];
/// let events: Vec<_> = inotify.read(&mut buffer)?.collect();
/// assert_eq!(events.len(), 2);
/// assert_eq!((events[0].watch, events[0].mask), (inbox, libc::IN_CREATE));
/// assert_eq!(events[1].name, b"letter");
/// # Ok::<(), anchorite_syscalls::Errno>(())
/// ```
#[derive(Debug)]
pub struct Inotify<'a>(Descriptor<'a>);

/// What happened to a file that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InotifyEvent<'a> {
    /// The watch that [`Inotify::add`] returned; -1 for IN_Q_OVERFLOW.
    pub watch: i32,
    /// What happened, by the bits that begin with `IN_`.
    pub mask: u32,
    /// The same for both events of a rename; else 0.
    pub cookie: u32,
    /// The name in the directory that is watched; empty for what is watched itself.
    pub name: &'a [u8],
}

/// Events that were read.
#[derive(Clone, Debug)]
pub struct InotifyEvents<'a>(&'a [u8]);

impl<'a> Inotify<'a> {
    /// A new instance, which watches nothing yet.
    ///
    /// # Errors
    /// Those of [`System::inotify_init1`].
    pub fn new(sys: &'a System) -> Result<Inotify<'a>> {
        let fd = sys.inotify_init1(libc::IN_CLOEXEC)?;
        Ok(Inotify(Descriptor { sys, fd }))
    }

    /// Watches the file at `path` for the events in `mask`; the watch.
    ///
    /// # Errors
    /// Those of [`System::inotify_add_watch`].
    pub fn add(&self, path: impl AsRef<[u8]>, mask: u32) -> Result<i32> {
        self.0.sys.inotify_add_watch(self.0.fd, path.as_ref(), mask)
    }

    /// Ends a watch.
    ///
    /// # Errors
    /// EINVAL if there is none.
    ///
    /// ```
    /// # use anchorite_syscalls::{Errno, api::Inotify};
    /// # let sys = &anchorite_example::system();
    /// assert_eq!(Inotify::new(sys)?.remove(1), Err(Errno::EINVAL));
    /// # Ok::<(), anchorite_syscalls::Errno>(())
    /// ```
    pub fn remove(&self, watch: i32) -> Result<()> {
        self.0.sys.inotify_rm_watch(self.0.fd, watch)
    }

    /// Reads as many events as `buf` has room for, or waits for one. An event takes 16 bytes, and
    /// for its name up to 256 more.
    ///
    /// # Errors
    /// EINVAL if there is no room for the first; those of [`System::read`].
    pub fn read<'b>(&self, buf: &'b mut [u8]) -> Result<InotifyEvents<'b>> {
        let len = self.0.sys.read(self.0.fd, buf)?;
        buf.get(..len).map(InotifyEvents).ok_or(Errno::EIO)
    }

    /// The descriptor, for the calls of [`System`]; it stays the instance's.
    pub fn fd(&self) -> i32 {
        self.0.fd
    }
}

impl<'a> Iterator for InotifyEvents<'a> {
    type Item = InotifyEvent<'a>;

    fn next(&mut self) -> Option<InotifyEvent<'a>> {
        let (head, rest) = self.0.split_first_chunk::<16>()?;
        let word =
            |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (padded, rest) = rest.split_at_checked(word(12) as usize)?;
        self.0 = rest;
        let end = padded.iter().position(|&byte| byte == 0).unwrap_or(padded.len());
        let name = &padded[..end];
        Some(InotifyEvent { watch: word(0) as i32, mask: word(4), cookie: word(8), name })
    }
}
