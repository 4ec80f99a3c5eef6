//! [`Descriptors`]: descriptors and the open file descriptions behind them.

use std::collections::BTreeMap;

use anchorite_syscalls::Errno;

use super::tree::Id;

/// An open file description: POSIX.1-2024, 3.234.
#[derive(Clone, Debug)]
pub struct Description {
    /// What is open.
    pub object: Object,
    /// Access mode and status flags, as F_GETFL tells them.
    pub flags: i32,
    /// The file offset; a directory's: the cookie at which its listing goes on.
    pub offset: u64,
    /// How often a fifo had been opened to write when this was opened without waiting and
    /// without writers; else 0.
    pub seen: usize,
    /// How many descriptors there are for it.
    descriptors: usize,
}

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A file of the tree.
    Inode(Id),
    /// The console: the first three descriptors.
    Console,
}

/// A descriptor.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    description: usize,
    /// FD_CLOEXEC.
    pub close_on_exec: bool,
}

/// All descriptors and descriptions.
#[derive(Debug, Default)]
pub struct Descriptors {
    table: BTreeMap<i32, Descriptor>,
    descriptions: BTreeMap<usize, Description>,
    next: usize,
}

impl Description {
    /// A description that no descriptor is for yet.
    pub fn new(object: Object, flags: i32) -> Description {
        Description { object, flags, offset: 0, seen: 0, descriptors: 0 }
    }

    /// Whether it only names a file: O_PATH.
    pub fn is_path(&self) -> bool {
        self.flags & libc::O_PATH != 0
    }

    /// # Errors
    /// EBADF unless it is open for reading.
    pub fn check_readable(&self) -> Result<(), Errno> {
        match self.flags & libc::O_ACCMODE {
            libc::O_RDONLY | libc::O_RDWR => Ok(()),
            _ => Err(Errno::EBADF),
        }
    }

    /// # Errors
    /// EBADF unless it is open for writing.
    pub fn check_writable(&self) -> Result<(), Errno> {
        match self.flags & libc::O_ACCMODE {
            libc::O_WRONLY | libc::O_RDWR => Ok(()),
            _ => Err(Errno::EBADF),
        }
    }
}

impl Descriptors {
    /// The descriptor with this number.
    ///
    /// # Errors
    /// EBADF.
    pub fn get(&mut self, fd: i32) -> Result<&mut Descriptor, Errno> {
        self.table.get_mut(&fd).ok_or(Errno::EBADF)
    }

    /// The number of the description of `fd`, which no other has or had.
    ///
    /// # Errors
    /// EBADF.
    pub fn number(&mut self, fd: i32) -> Result<usize, Errno> {
        self.get(fd).map(|descriptor| descriptor.description)
    }

    /// The description of `fd`, which may be for the path alone.
    ///
    /// # Errors
    /// EBADF.
    pub fn any(&mut self, fd: i32) -> Result<&mut Description, Errno> {
        let description = self.get(fd)?.description;
        self.descriptions.get_mut(&description).ok_or(Errno::EBADF)
    }

    /// The description of `fd`.
    ///
    /// # Errors
    /// EBADF, also for one that is for the path alone.
    pub fn file(&mut self, fd: i32) -> Result<&mut Description, Errno> {
        match self.any(fd)? {
            description if description.is_path() => Err(Errno::EBADF),
            description => Ok(description),
        }
    }

    /// The lowest free number that is not below `least`.
    ///
    /// # Errors
    /// EMFILE if it is not below `limit`.
    pub fn free(&self, least: i32, limit: u64) -> Result<i32, Errno> {
        let mut fd = least;
        for taken in self.table.range(least..).map(|(fd, _)| *fd) {
            if taken != fd {
                break;
            }
            fd += 1;
        }
        if (fd as u64) < limit { Ok(fd) } else { Err(Errno::EMFILE) }
    }

    /// Makes the free number `fd` a descriptor for a new description.
    pub fn open(&mut self, fd: i32, description: Description, close_on_exec: bool) {
        let number = self.next;
        self.next += 1;
        self.descriptions.insert(number, Description { descriptors: 1, ..description });
        self.table.insert(fd, Descriptor { description: number, close_on_exec });
    }

    /// Makes the free number `new` another descriptor for what `old` is one for.
    ///
    /// # Errors
    /// EBADF.
    pub fn copy(&mut self, old: i32, new: i32, close_on_exec: bool) -> Result<(), Errno> {
        self.any(old)?.descriptors += 1;
        let description = self.get(old)?.description;
        self.table.insert(new, Descriptor { description, close_on_exec });
        Ok(())
    }

    /// Closes a descriptor; returns what is closed with the last one.
    ///
    /// # Errors
    /// EBADF.
    pub fn close(&mut self, fd: i32) -> Result<Option<Description>, Errno> {
        let number = self.get(fd)?.description;
        let description = self.any(fd)?;
        description.descriptors -= 1;
        let is_last = description.descriptors == 0;
        self.table.remove(&fd);
        Ok(if is_last { self.descriptions.remove(&number) } else { None })
    }

    /// The lowest descriptor from `first` to `last`.
    pub fn next_open(&self, first: u32, last: u32) -> Option<i32> {
        let first = i32::try_from(first).ok()?;
        let open = self.table.range(first..).next().map(|(fd, _)| *fd);
        open.filter(|fd| *fd as u32 <= last)
    }
}
