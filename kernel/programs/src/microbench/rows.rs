//! [`ROWS`]: all that is measured, in the order of a table.

/// Something measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What its values are in: `ns`, `cycles` or `bytes`.
    pub unit: &'static str,
    /// What it is measured with.
    pub group: Group,
}

/// Rows that share a run. Each group leaves the machine's memory in another state, so
/// whoever wants to compare gives each a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Calls that are not about files, and copying memory.
    Machine,
    /// Calls on a file or a few.
    Files,
    /// Calls on very many files in one directory.
    OneDirectory,
    /// Many files with a little data.
    SmallFiles,
    /// A file that grows.
    Append,
    /// Blocks of memory.
    Malloc,
    /// Pages of memory that were never touched.
    FirstWrite,
    /// Memory that was used before, and is in no cache.
    Memory,
    /// Gaps in time.
    Hourglass,
    /// Threads, and the same work on one core and on several.
    Cores,
}

impl Group {
    /// All of them.
    pub const ALL: [Group; 10] = [
        Group::Machine,
        Group::Files,
        Group::OneDirectory,
        Group::SmallFiles,
        Group::Append,
        Group::Malloc,
        Group::FirstWrite,
        Group::Memory,
        Group::Hourglass,
        Group::Cores,
    ];

    /// How it is called.
    pub const fn title(self) -> &'static str {
        match self {
            Group::Machine => "calls without files",
            Group::Files => "calls on a few files",
            Group::OneDirectory => "many files in a directory",
            Group::SmallFiles => "many small files",
            Group::Append => "a growing file",
            Group::Malloc => "blocks of memory",
            Group::FirstWrite => "new pages",
            Group::Memory => "memory in no cache",
            Group::Hourglass => "gaps in time",
            Group::Cores => "work on several cores",
        }
    }

    /// Whether its rows are about files, and so differ where files are forwarded.
    pub const fn is_about_files(self) -> bool {
        matches!(self, Group::Files | Group::OneDirectory | Group::SmallFiles | Group::Append)
    }
}

const fn row(group: Group, unit: &'static str, name: &'static str) -> Row {
    Row { name, unit, group }
}

/// The call that does nothing but return a number.
pub const GETPID: &str = "getpid";
pub(super) const SCHED_YIELD: &str = "sched_yield";
/// By `memcpy(3)`, from and to the same place again and again.
pub const MEMCPY_4K: &str = "memcpy 4 KiB";
/// 64 KiB, by `memcpy(3)`.
pub const MEMCPY: &str = "memcpy 64 KiB";
pub(super) const LSEEK: &str = "lseek";
pub(super) const PWRITE_1: &str = "pwrite 1 B";
pub(super) const PWRITE_512: &str = "pwrite 512 B";
/// Over what is there already.
pub const PWRITE_64K: &str = "pwrite 64 KiB";
/// Part of a file in pages that are there, as all reads.
pub const PREAD_512: &str = "pread 512 B";
/// A whole page.
pub const PREAD_4K: &str = "pread 4 KiB";
/// From a file of that size.
pub const PREAD_64K: &str = "pread 64 KiB";
pub(super) const FSTAT: &str = "fstat";
pub(super) const STAT: &str = "stat a/b/c/f";
pub(super) const STAT_MISSING: &str = "stat a missing name";
pub(super) const OPEN: &str = "open+close a/b/c/f";
pub(super) const CREATE: &str = "create+close+unlink";
pub(super) const CREATE_4K: &str = "create+write 4 KiB+close+unlink";
pub(super) const MKDIR: &str = "mkdir+rmdir";
pub(super) const RENAMES: &str = "two renames";
pub(super) const READLINK: &str = "readlink";
pub(super) const MANY_CREATE: &str = "create among many";
pub(super) const MANY_CREATE_NEW: &str = "create among many, new memory";
/// Of one file among many.
pub const MANY_STAT: &str = "stat in random order";
pub(super) const MANY_LIST: &str = "getdents64, an entry";
pub(super) const MANY_UNLINK: &str = "unlink among many";
pub(super) const EMPTY_BYTES: &str = "memory of an empty file";
pub(super) const SMALL_BYTES: &str = "memory of a 100-byte file";
/// The mean of all appends.
pub const APPEND: &str = "append 4 KiB";
pub(super) const APPEND_NEW: &str = "append 4 KiB, new memory";
/// The mean of the first tenth of all appends.
pub const APPEND_FIRST: &str = "append 4 KiB, first tenth";
/// The mean of the last tenth.
pub const APPEND_LAST: &str = "append 4 KiB, last tenth";
pub(super) const MALLOC: &str = "malloc 4 KiB";
/// Each block is freed before the next is allocated.
pub(super) const MALLOC_FREE: &str = "malloc+free 4 KiB";
pub(super) const FIRST_WRITE: &str = "first write to a page";
/// By `memcpy(3)`, from the same place, to the pages of as much memory as is appended to a file, one
/// after the other.
pub const MEMCPY_FAR: &str = "memcpy 4 KiB, to another page each";
/// The same by stores that go past the caches (`movntdq`), which do not read what they overwrite.
pub const STREAM_FAR: &str = "4 KiB past the caches, to another page each";
/// To read a word of one, which tells of the next: 256 bytes of lines for each of many files.
pub const LINE: &str = "line of memory in random order";
/// The name of the line that has the gaps' histogram.
pub const HOURGLASS: &str = "hourglass";
pub(super) const LEAST_GAP: &str = "hourglass, least gap";
pub(super) const MEAN_GAP: &str = "hourglass, mean gap";
pub(super) const LONGEST_GAP: &str = "hourglass, longest gap";

/// One that does nothing, on the first core.
pub(super) const THREAD: &str = "thread, started and joined";
/// An atomic read-modify-write of a line of memory that the core has.
pub const ATOMIC: &str = "atomic, line of one core";
/// The same by two cores in turns: from one's to the other's.
pub const HANDOVER: &str = "atomic, line of another core";
/// By one core …
pub const APART_CREATE_ONE: &str = "create, a directory each, one core";
/// … and by all.
pub const APART_CREATE_ALL: &str = "create, a directory each, all cores";
/// By one core …
pub const APART_READ_ONE: &str = "pread 4 KiB, a file each, one core";
/// … and by all.
pub const APART_READ_ALL: &str = "pread 4 KiB, a file each, all cores";
/// By one core …
pub const APART_WRITE_ONE: &str = "pwrite 4 KiB, a file each, one core";
/// … and by all.
pub const APART_WRITE_ALL: &str = "pwrite 4 KiB, a file each, all cores";
/// By one core …
pub const TOGETHER_CREATE_ONE: &str = "create, one directory, one core";
/// … and by all.
pub const TOGETHER_CREATE_ALL: &str = "create, one directory, all cores";
/// By one core …
pub const TOGETHER_READ_ONE: &str = "pread 4 KiB, one file, one core";
/// … and by all.
pub const TOGETHER_READ_ALL: &str = "pread 4 KiB, one file, all cores";

/// Of a descriptor that is none.
pub const PREAD_BAD: &str = "pread, bad descriptor";
/// Of nothing.
pub const PREAD_0: &str = "pread 0 B";
/// Of the least.
pub const PREAD_1: &str = "pread 1 B";
pub(super) const PREAD_64: &str = "pread 64 B";
/// In the working directory.
pub const STAT_NONE: &str = "stat, no such name";
/// In the working directory.
pub const STAT_FILE: &str = "stat a file";
/// For reading, with up to 256 descriptors open.
pub const OPEN_EXISTING: &str = "open a file";
/// With O_CREAT and O_EXCL, in a batch.
pub const MAKE_OPEN: &str = "open a new file";
/// Of a file just made, in a batch.
pub const CLOSE: &str = "close";
/// Of an empty file, in a batch.
pub const REMOVE: &str = "unlink";
/// The three, one after the other.
pub const MAKE: &str = CREATE;

/// Calls that do ever more, which are measured apart.
pub const STEPS: &[Row] = &[
    row(Group::Machine, "ns", GETPID),
    row(Group::Files, "ns", PREAD_BAD),
    row(Group::Files, "ns", PREAD_0),
    row(Group::Files, "ns", PREAD_1),
    row(Group::Files, "ns", PREAD_64),
    row(Group::Files, "ns", PREAD_512),
    row(Group::Files, "ns", PREAD_4K),
    row(Group::Files, "ns", STAT_NONE),
    row(Group::Files, "ns", STAT_FILE),
    row(Group::Files, "ns", OPEN_EXISTING),
    row(Group::Files, "ns", MAKE_OPEN),
    row(Group::Files, "ns", CLOSE),
    row(Group::Files, "ns", REMOVE),
    row(Group::Files, "ns", MAKE),
];

/// All of them.
pub const ROWS: &[Row] = &[
    row(Group::Machine, "ns", GETPID),
    row(Group::Machine, "ns", SCHED_YIELD),
    row(Group::Machine, "ns", MEMCPY_4K),
    row(Group::Machine, "ns", MEMCPY),
    row(Group::Files, "ns", LSEEK),
    row(Group::Files, "ns", PWRITE_1),
    row(Group::Files, "ns", PWRITE_512),
    row(Group::Files, "ns", PWRITE_64K),
    row(Group::Files, "ns", PREAD_512),
    row(Group::Files, "ns", PREAD_4K),
    row(Group::Files, "ns", PREAD_64K),
    row(Group::Files, "ns", FSTAT),
    row(Group::Files, "ns", STAT),
    row(Group::Files, "ns", STAT_MISSING),
    row(Group::Files, "ns", OPEN),
    row(Group::Files, "ns", CREATE),
    row(Group::Files, "ns", CREATE_4K),
    row(Group::Files, "ns", MKDIR),
    row(Group::Files, "ns", RENAMES),
    row(Group::Files, "ns", READLINK),
    row(Group::OneDirectory, "ns", MANY_CREATE),
    row(Group::OneDirectory, "ns", MANY_CREATE_NEW),
    row(Group::OneDirectory, "ns", MANY_STAT),
    row(Group::OneDirectory, "ns", MANY_LIST),
    row(Group::OneDirectory, "ns", MANY_UNLINK),
    row(Group::OneDirectory, "bytes", EMPTY_BYTES),
    row(Group::SmallFiles, "bytes", SMALL_BYTES),
    row(Group::Append, "ns", APPEND),
    row(Group::Append, "ns", APPEND_FIRST),
    row(Group::Append, "ns", APPEND_LAST),
    row(Group::Append, "ns", APPEND_NEW),
    row(Group::Malloc, "ns", MALLOC),
    row(Group::Malloc, "ns", MALLOC_FREE),
    row(Group::FirstWrite, "ns", FIRST_WRITE),
    row(Group::Memory, "ns", MEMCPY_FAR),
    row(Group::Memory, "ns", STREAM_FAR),
    row(Group::Memory, "ns", LINE),
    row(Group::Hourglass, "cycles", LEAST_GAP),
    row(Group::Hourglass, "cycles", MEAN_GAP),
    row(Group::Hourglass, "cycles", LONGEST_GAP),
    row(Group::Cores, "ns", THREAD),
    row(Group::Cores, "ns", ATOMIC),
    row(Group::Cores, "ns", HANDOVER),
    row(Group::Cores, "ns", APART_CREATE_ONE),
    row(Group::Cores, "ns", APART_CREATE_ALL),
    row(Group::Cores, "ns", APART_READ_ONE),
    row(Group::Cores, "ns", APART_READ_ALL),
    row(Group::Cores, "ns", APART_WRITE_ONE),
    row(Group::Cores, "ns", APART_WRITE_ALL),
    row(Group::Cores, "ns", TOGETHER_CREATE_ONE),
    row(Group::Cores, "ns", TOGETHER_CREATE_ALL),
    row(Group::Cores, "ns", TOGETHER_READ_ONE),
    row(Group::Cores, "ns", TOGETHER_READ_ALL),
];
