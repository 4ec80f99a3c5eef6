//! [`Work`]: what is done, and to which files.
//!
//! Each subject begins with [`FILE`] and [`DEEP_FILE`], [`FILE_BYTES`] long; a symbolic link
//! [`LINK`] to the first, where there are such; and [`DIRECTORY`] with [`MANY`] empty files.

/// A file in the root directory.
pub const FILE: &str = "data";
/// A file below three directories.
pub const DEEP_FILE: &str = "a/b/c/f";
/// Its directories, parents first.
pub const DEEP_DIRECTORIES: [&str; 3] = ["a", "a/b", "a/b/c"];
/// A symbolic link to [`FILE`].
pub const LINK: &str = "link";
/// A directory with many files.
pub const DIRECTORY: &str = "many";
/// How many.
pub const MANY: usize = 1000;
/// One in their middle.
pub const ONE_OF_MANY: &str = "00000500";
/// A name beside them that is made and removed.
pub const NEW: &str = "new";
/// The file that grows.
pub const GROWING: &str = "growing";
/// Bytes of the two files.
pub const FILE_BYTES: usize = 64 * 1024;
/// What they hold.
pub const OLD_BYTE: u8 = 1;
/// What is written over them.
pub const NEW_BYTE: u8 = 2;
/// Bytes of one append.
pub const APPEND_BYTES: usize = 4096;
/// The file that grows begins anew when it is so long.
pub const GROWN_BYTES: u64 = 1 << 20;

/// Something done once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// `getpid(2)`.
    Getpid,
    /// Sets the offset of an open file.
    Lseek,
    /// Looks at an open file.
    Fstat,
    /// Finds one of [`DIRECTORY`]'s files, and how long it is.
    Lookup,
    /// Finds how long [`DEEP_FILE`] is.
    Stat,
    /// Opens and closes it.
    OpenClose,
    /// Reads so many bytes from the start of [`FILE`], which is open.
    Read(usize),
    /// Writes so many bytes over the start of [`FILE`], which is open.
    Write(usize),
    /// Adds [`APPEND_BYTES`] to [`GROWING`], which is open.
    Append,
    /// Makes a file in [`DIRECTORY`], and removes it.
    CreateUnlink,
    /// Makes a directory there, and removes it.
    MkdirRmdir,
    /// Renames one of its files, and back.
    Renames,
    /// Reads where [`LINK`] leads.
    Readlink,
    /// Lists [`DIRECTORY`].
    List,
}

impl Work {
    /// What inodes do.
    pub const OF_INODES: [Work; 15] = [
        Work::Lookup,
        Work::CreateUnlink,
        Work::Read(1),
        Work::Read(512),
        Work::Read(4096),
        Work::Read(FILE_BYTES),
        Work::Write(1),
        Work::Write(512),
        Work::Write(4096),
        Work::Write(FILE_BYTES),
        Work::List,
        Work::Renames,
        Work::Append,
        Work::MkdirRmdir,
        Work::Fstat,
    ];

    /// What calls do.
    pub const OF_CALLS: [Work; 19] = [
        Work::Getpid,
        Work::Lseek,
        Work::Fstat,
        Work::Stat,
        Work::Lookup,
        Work::OpenClose,
        Work::Read(1),
        Work::Read(512),
        Work::Read(4096),
        Work::Read(FILE_BYTES),
        Work::Write(1),
        Work::Write(512),
        Work::Write(4096),
        Work::Write(FILE_BYTES),
        Work::Append,
        Work::CreateUnlink,
        Work::MkdirRmdir,
        Work::Readlink,
        Work::List,
    ];

    /// How it is called.
    pub fn name(self) -> String {
        match self {
            Work::Getpid => "getpid".into(),
            Work::Lseek => "lseek".into(),
            Work::Fstat => "fstat".into(),
            Work::Lookup => "look up one of a thousand".into(),
            Work::Stat => "stat a/b/c/f".into(),
            Work::OpenClose => "open+close a/b/c/f".into(),
            Work::Read(bytes) => format!("pread {}", size(bytes)),
            Work::Write(bytes) => format!("pwrite {}", size(bytes)),
            Work::Append => "append 4 KiB".into(),
            Work::CreateUnlink => "create+close+unlink".into(),
            Work::MkdirRmdir => "mkdir+rmdir".into(),
            Work::Renames => "two renames".into(),
            Work::Readlink => "readlink".into(),
            Work::List => "list a thousand".into(),
        }
    }
}

fn size(bytes: usize) -> String {
    if bytes < 1024 { format!("{bytes} B") } else { format!("{} KiB", bytes / 1024) }
}

/// The name of a file of [`DIRECTORY`].
pub fn name_of(at: usize) -> String {
    format!("{at:08}")
}
