//! What random sequences must not do, because two worlds differ there on purpose.
//!
//! A statement that would meet a [deviation](crate::deviations) from Linux, or what two worlds
//! cannot have in common, is left out of the sequence, in both, when it is about to be done: so
//! no shrinking can end in one.

use std::collections::HashSet;
use std::fs;
use std::sync::LazyLock;

use anchorite_fs::PAGE_BYTES;
use anchorite_programs::posix::script::{Reply, Statement, Value, World};
use anchorite_syscalls::PATH_MAX;
use libc::{S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG};

use crate::deviations::{self, Deviation};

/// What the ramdisk, called by numbers, is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Against {
    /// Linux' tmpfs.
    Linux,
    /// The same ramdisk, called by methods.
    Methods,
    /// The naive model.
    Model,
}

/// Calls that have no method.
pub const WITHOUT_METHOD: &[&str] = &[
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "getdents",
    "statx",
    "utimes",
    "futimesat",
    "utime",
    "renameat",
    "prlimit64",
];

/// Calls that on Linux are about the process that does the comparing.
pub const PROCESS_LIMITS: [&str; 3] = ["setrlimit", "prlimit64", "getrlimit"];

/// Bytes that a statement may copy on Linux: holes take room where they are copied to.
const MOST_COPIED: u64 = 1 << 26;

/// Resources that have limits, on Linux.
const RESOURCES: u32 = 16;

/// Whether this machine denies links to files that the linker could not write: proc_sys_fs(5).
static LINKS_ARE_PROTECTED: LazyLock<bool> = LazyLock::new(|| {
    let setting = fs::read_to_string("/proc/sys/fs/protected_hardlinks");
    setting.is_ok_and(|setting| setting.trim() != "0")
});

/// What a pipe holds, on Linux: what is sent goes through one.
const PIPE_BYTES: i64 = 1 << 16;

/// Device and number of the root of the ramdisk at `/`.
pub(super) const FIRST_ROOT: (u64, u64) = (1, 1);

/// Knows of a sequence so far what decides whether a statement may be done.
#[derive(Clone, Debug)]
pub struct Judge {
    against: Against,
    /// The devices and numbers of the files of which fallocate took ranges.
    allocated: HashSet<(u64, u64)>,
    /// Those of the files, no directories, that were bound.
    bound: HashSet<(u64, u64)>,
    /// Whether there is another root directory.
    has_other_root: bool,
}

/// Why a statement is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// It would meet a deviation from Linux.
    Meets(Deviation),
    /// The two worlds cannot have it in common.
    Apart(&'static str),
}

impl Judge {
    /// At a sequence's start.
    pub fn new(against: Against) -> Judge {
        Judge { against, allocated: HashSet::new(), bound: HashSet::new(), has_other_root: false }
    }

    /// Remembers that a statement is done next.
    pub fn note(&mut self, ours: &mut dyn World, statement: &Statement) {
        if statement.name == "fallocate"
            && !punches(statement)
            && let Some(stat) = stat(ours, &statement.arguments[..1])
        {
            self.allocated.insert(id(&stat));
        }
        if statement.name == "mount"
            && let Some(stat) = stat(ours, &statement.arguments[..1])
            && stat.st_mode & S_IFMT != S_IFDIR
        {
            self.bound.insert(id(&stat));
        }
        self.has_other_root |= statement.name == "chroot";
    }

    /// Why a statement is left out; nothing if it may be done. Asks `ours` what is there.
    pub fn objection(&self, ours: &mut dyn World, statement: &Statement) -> Option<Objection> {
        let apart = everywhere(ours, statement).or_else(|| self.strands(ours, statement));
        let apart = apart.or_else(|| match self.against {
            Against::Linux => apart_from_linux(ours, statement),
            Against::Methods => without_method(statement),
            Against::Model => mounts(statement).or_else(|| lists(ours, statement)),
        });
        apart.map(Objection::Apart).or_else(|| {
            let met = (self.against == Against::Linux).then(|| self.deviation(ours, statement));
            met.flatten().map(Objection::Meets)
        })
    }

    /// Whether a statement would leave the process in a tree that it cannot leave again, and
    /// so cannot be cleared.
    fn strands(&self, ours: &mut dyn World, statement: &Statement) -> Option<&'static str> {
        let is_first = |stat: libc::stat| id(&stat) == FIRST_ROOT;
        let is_stranded = match &*statement.name {
            "umount2" => {
                word(statement, 1) as i32 & libc::MNT_DETACH != 0
                    && (self.has_other_root
                        || stat(ours, &statement.arguments[..1]).is_some_and(is_first))
            }
            // The root is left by way of what covers another.
            "mount" => {
                let flags = word(statement, 3) as u64;
                let stays = libc::MS_REMOUNT | libc::MS_PRIVATE;
                let covered = stat(ours, &statement.arguments[1..2]).map(|stat| id(&stat));
                // Nothing can be mounted over what is removed where it was bound.
                let is_root = self.has_other_root && covered == root(ours);
                flags & stays == 0 && (covered == Some(FIRST_ROOT) || is_root && covered.is_some())
            }
            "chroot" if stat(ours, &statement.arguments[..1]).is_some_and(is_first) => true,
            // Nothing can be mounted over a root that was removed.
            "chroot"
                if stat(ours, &statement.arguments[..1]).is_some_and(|stat| stat.st_nlink == 0) =>
            {
                true
            }
            "chroot" => {
                let here = ours.call("getcwd", &[Value::Room(PATH_MAX)]);
                !matches!(here, Some(Reply::Data(path)) if path.starts_with(b"/"))
            }
            "rmdir" | "unlinkat" | "rename" | "renameat" | "renameat2" if self.has_other_root => {
                let root = root(ours);
                let mut is_root = |named: &[Value]| {
                    root.is_some() && stat_at(ours, named, 0).map(|stat| id(&stat)) == root
                };
                match (&*statement.name, &statement.arguments[..]) {
                    ("rename", [_, new]) => is_root(std::slice::from_ref(new)),
                    ("renameat" | "renameat2", [_, _, new @ ..]) => is_root(&new[..2]),
                    (_, named) => is_root(&named[..named.len().min(2)]),
                }
            }
            _ => false,
        };
        is_stranded.then_some("what is there could not be reached to be removed")
    }

    /// The deviation from Linux that a statement would meet.
    fn deviation(&self, ours: &mut dyn World, statement: &Statement) -> Option<Deviation> {
        let word = |at: usize| word(statement, at);
        if has_late_string(ours, statement) {
            return Some(deviations::STRINGS_COME_FIRST);
        }
        let is_of_descriptor = statement.name.starts_with('f') && statement.name.ends_with("xattr");
        if is_of_descriptor
            && stat(ours, &statement.arguments[..1])
                .is_some_and(|stat| stat.st_mode & S_IFMT == S_IFIFO)
        {
            return Some(deviations::PIPES_HAVE_ATTRIBUTES);
        }
        if let Some(name) = xattr_name(statement) {
            return xattr_deviation(ours, statement, name);
        }
        let met = match &*statement.name {
            "mount" => {
                let covered = stat(ours, &statement.arguments[1..2]);
                let is_met = covered.is_some_and(|stat| self.bound.contains(&id(&stat)));
                (is_met, deviations::MOUNTS_OVER_MOUNTED_FILES)
            }
            // Looking marks links that are followed: only what the call follows, too.
            "truncate" if word(1) >= 0 => {
                let stat = stat(ours, &statement.arguments[..1]);
                let is_met =
                    stat.is_some_and(|stat| stat.st_size == word(1) && stat.st_blocks == 0);
                (is_met, deviations::TRUNCATE_MARKS_TIMES)
            }
            "lseek" if [libc::SEEK_DATA, libc::SEEK_HOLE].contains(&(word(2) as i32)) => {
                let stat = stat(ours, &statement.arguments[..1])?;
                if stat.st_size > i64::MAX - 2 * PAGE_BYTES as i64 {
                    return Some(deviations::THE_LAST_PAGES_ARE_SOUGHT);
                }
                (self.allocated.contains(&id(&stat)), deviations::ALLOCATED_RANGES_ARE_DATA)
            }
            "fallocate" => (frees_last_page(ours, statement), deviations::HOLES_FREE_THE_LAST_PAGE),
            "newfstatat" | "statx" => {
                let known = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
                let flags = word(2) as i32;
                let is_descriptor = is_empty(statement.arguments.get(1))
                    && word(0) as i32 >= 0
                    && flags & libc::AT_EMPTY_PATH != 0;
                let is_unknown = flags & !known & !libc::AT_STATX_SYNC_TYPE != 0;
                (is_descriptor && is_unknown, deviations::FLAGS_ARE_LOOKED_AT)
            }
            "open" | "openat" | "creat" => {
                (is_guarded(ours, statement), deviations::STICKY_DIRECTORIES_GUARD_NO_LINKS)
            }
            "link" | "linkat" => (is_protected(ours, statement), deviations::LINKS_ARE_FREE),
            "sendfile" => {
                let is_met = reads_what_it_writes(ours, statement) || fills_a_pipe(ours, statement);
                (is_met, deviations::SENDFILE_COPIES)
            }
            "setuid" | "setreuid" | "setresuid" => {
                let is_met = keeps_rights(ours, statement);
                (is_met, deviations::RIGHTS_FOLLOW_THE_FILE_SYSTEM_USER)
            }
            _ => return None,
        };
        met.0.then_some(met.1)
    }
}

/// What the ramdisk and Linux cannot be compared in, however alike they are.
fn apart_from_linux(ours: &mut dyn World, statement: &Statement) -> Option<&'static str> {
    let word = |at: usize| word(statement, at);
    let name = &*statement.name;
    let goes = name.starts_with("rename")
        || name.ends_with("chdir")
        || matches!(name, "mount" | "umount2" | "chroot");
    if goes && !statement.watched.is_empty() {
        return Some("what is watched may be another file afterwards, made in the same tick");
    }
    let resource = if name == "prlimit64" { word(1) } else { word(0) };
    if PROCESS_LIMITS.contains(&name) && (resource as u32) < RESOURCES {
        return Some("the limits are those of the process that runs the campaign");
    }
    if name == "mount"
        && word(3) as u64 & libc::MS_MOVE != 0
        && stat(ours, &statement.arguments[..1]).is_some_and(|stat| id(&stat) == FIRST_ROOT)
    {
        return Some(
            "here nothing is below the first mount; on Linux the first file system of all",
        );
    }
    if name == "umount2"
        && stat(ours, &statement.arguments[..1]).is_some_and(|stat| id(&stat) == FIRST_ROOT)
        && root(ours) != Some(FIRST_ROOT)
    {
        return Some("here nothing is below the first mount; there it is one like any other");
    }
    if name == "statvfs" {
        return Some("how much room there is differs");
    }
    if name == "sync" {
        return Some("it would wait for each file system of the host");
    }
    let copied = match name {
        "copy_file_range" => Some((0, word(4))),
        "sendfile" => Some((1, word(3))),
        _ => None,
    };
    if let Some((input, len)) = copied
        && stat(ours, &statement.arguments[input..=input])
            .is_some_and(|stat| (stat.st_size as u64).min(len as u64) > MOST_COPIED)
    {
        return Some("there is less room on the campaign's tmpfs than here");
    }
    lists(ours, statement)
}

/// The name of the extended attribute that a statement is about, empty for a listing; none if it
/// is about none.
fn xattr_name(statement: &Statement) -> Option<&[u8]> {
    let call = statement.name.strip_suffix("xattr")?;
    match statement.arguments.get(1) {
        Some(Value::Text(name)) if !call.ends_with("list") => Some(name),
        _ => Some(b""),
    }
}

/// The deviation from Linux that a statement about the extended attribute `name` would meet.
fn xattr_deviation(ours: &mut dyn World, statement: &Statement, name: &[u8]) -> Option<Deviation> {
    let is_here = word(statement, 0) as i32 == libc::AT_FDCWD;
    if is_here && matches!(&*statement.name, "fsetxattr" | "fgetxattr") {
        return Some(deviations::THE_WORKING_DIRECTORY_IS_NO_DESCRIPTOR);
    }
    if name.starts_with(b"system.posix_acl_") {
        return Some(deviations::ACCESS_CONTROL_LISTS_ARE_NOT_KEPT);
    }
    // Whether trusted names are seen goes by these rights too.
    let users = Users::of(ours);
    let is_apart = (users.effective == 0) != (users.of_files == 0);
    is_apart.then_some(deviations::RIGHTS_FOLLOW_THE_FILE_SYSTEM_USER)
}

/// Whether a hole ends at a file's end or behind, within a page that it covers up to there.
fn frees_last_page(ours: &mut dyn World, statement: &Statement) -> bool {
    let Some(stat) = stat(ours, &statement.arguments[..1]) else { return false };
    let start = word(statement, 2);
    let end = start.saturating_add(word(statement, 3));
    let last_page = end / PAGE_BYTES as i64 * PAGE_BYTES as i64;
    punches(statement) && stat.st_size <= end && start <= last_page && last_page < end
}

/// Whether O_CREAT meets what somebody else put into a sticky directory that all may write: a
/// link that is not followed, or a fifo, socket or device.
fn is_guarded(ours: &mut dyn World, statement: &Statement) -> bool {
    let (at, flags) = match &*statement.name {
        "open" => (1, word(statement, 1) as i32),
        "openat" => (2, word(statement, 2) as i32),
        _ => (1, libc::O_CREAT),
    };
    let named = &statement.arguments[..at];
    let is_directory = matches!(named.last(), Some(Value::Text(path)) if path.ends_with(b"/"));
    let other = libc::O_EXCL | libc::O_DIRECTORY;
    if flags & libc::O_CREAT == 0 || flags & other != 0 || is_directory {
        return false;
    }
    let Some(mut file) = stat_nofollow(ours, named) else { return false };
    let is_followed = file.st_mode & S_IFMT == S_IFLNK && flags & libc::O_NOFOLLOW == 0;
    if is_followed {
        let Some(target) = stat_at(ours, named, 0) else { return false };
        file = target;
    }
    let is_guarded = !matches!(file.st_mode & S_IFMT, S_IFREG | S_IFDIR);
    if !is_guarded {
        return false;
    }
    // Where a link leads is not known here.
    let parent = if is_followed { None } else { parent(ours, named) };
    parent.is_none_or(|parent| {
        let others = libc::S_ISVTX | libc::S_IWOTH;
        let owner = file.st_uid;
        parent.st_mode & others == others
            && owner != parent.st_uid
            && i64::from(owner) != Users::of(ours).of_files
    })
}

/// Whether Linux asks who links.
fn is_protected(ours: &mut dyn World, statement: &Statement) -> bool {
    let users = Users::of(ours);
    if users == Users::ROOT {
        return false;
    }
    let (named, flags) = match &*statement.name {
        "link" => (&statement.arguments[..1], 0),
        _ => (&statement.arguments[..2], word(statement, 4) as i32),
    };
    let is_absolute = matches!(named.last(), Some(Value::Text(path)) if path.starts_with(b"/"));
    let here = i64::from(libc::AT_FDCWD);
    if flags & libc::AT_EMPTY_PATH != 0 && word(statement, 0) != here && !is_absolute {
        return true;
    }
    let follow = flags & libc::AT_SYMLINK_FOLLOW != 0;
    let nofollow = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let Some(file) = stat_at(ours, named, nofollow | flags & libc::AT_EMPTY_PATH) else {
        return false;
    };
    let runs_as_group = libc::S_ISGID | libc::S_IXGRP;
    let is_plain = file.st_mode & S_IFMT == S_IFREG
        && file.st_mode & libc::S_ISUID == 0
        && file.st_mode & runs_as_group != runs_as_group;
    let mut may_write = || {
        let (at, path) = split(named);
        let [mode, flags] = [libc::R_OK | libc::W_OK, libc::AT_EACCESS | nofollow];
        let asked = [at, path, Value::Word(mode.into()), Value::Word(flags.into())];
        matches!(ours.call("faccessat2", &asked), Some(Reply::Done(0)))
    };
    let is_owner = i64::from(file.st_uid) == users.of_files;
    *LINKS_ARE_PROTECTED && !is_owner && !(is_plain && users.are_one() && may_write())
}

/// Whether a file is sent to a later place of itself that a pipe full of it reaches.
fn reads_what_it_writes(ours: &mut dyn World, statement: &Statement) -> bool {
    let fds = &statement.arguments[..2];
    let (Some(output), Some(input)) = (stat(ours, &fds[..1]), stat(ours, &fds[1..])) else {
        return false;
    };
    let mut offset = |fd: &Value| {
        let arguments = [fd.clone(), Value::Word(0), Value::Word(libc::SEEK_CUR.into())];
        match ours.call("lseek", &arguments) {
            Some(Reply::Done(offset)) => offset,
            _ => 0,
        }
    };
    let to = offset(&fds[0]);
    let from = match &statement.arguments[2] {
        Value::List(list) => match list.first() {
            Some(Value::Word(from)) => *from,
            _ => 0,
        },
        _ => offset(&fds[1]),
    };
    let end = from.saturating_add(word(statement, 3).min(PIPE_BYTES));
    output.st_ino == input.st_ino && from < to && to < end
}

/// Whether bytes of a file are sent into a pipe, which may be changed before they are read there.
fn fills_a_pipe(ours: &mut dyn World, statement: &Statement) -> bool {
    let mut is = |at: usize, file_type| {
        stat(ours, &statement.arguments[at..=at])
            .is_some_and(|stat| stat.st_mode & S_IFMT == file_type)
    };
    word(statement, 3) != 0 && is(0, S_IFIFO) && is(1, S_IFREG)
}

/// Whether root's rights on files, which the file-system user lost or has alone, are on Linux
/// not what they are here when another user is set.
fn keeps_rights(ours: &mut dyn World, statement: &Statement) -> bool {
    let users = Users::of(ours);
    let set = word(statement, if statement.name == "setuid" { 0 } else { 1 }) as u32;
    let effective = if set == u32::MAX { users.effective } else { set.into() };
    match (users.effective, users.of_files) {
        (0, 0) => false,
        (0, _) => effective == 0,
        (_, 0) => effective != 0,
        _ => false,
    }
}

/// What is not done in any world. Which arguments are descriptors is told by the call's name.
fn everywhere(ours: &mut dyn World, statement: &Statement) -> Option<&'static str> {
    let fds: &[usize] = match &*statement.name {
        "open" | "creat" | "truncate" | "mkdir" | "rmdir" | "unlink" | "link" | "symlink"
        | "readlink" | "rename" | "chdir" | "getcwd" | "stat" | "lstat" | "access" | "chmod"
        | "chown" | "lchown" | "umask" | "statfs" | "utimes" | "utime" | "stamp"
        | "clock_gettime" | "getrlimit" | "setrlimit" | "prlimit64" | "getgroups" | "setgroups"
        | "setuid" | "setgid" | "setreuid" | "setregid" | "setresuid" | "setresgid"
        | "setfsuid" | "setfsgid" | "mount" | "umount2" | "chroot" | "statvfs" => &[],
        "symlinkat" => &[1],
        "mknod" | "pipe" | "pipe2" | "select" | "pselect6" => &[],
        "dup2" | "dup3" | "sendfile" => &[0, 1],
        "linkat" | "renameat" | "renameat2" | "copy_file_range" => &[0, 2],
        _ => &[0],
    };
    let is_stream = |at: &usize| match statement.arguments.get(*at) {
        // Descriptors are halves of words.
        Some(Value::Word(word)) => (0..=2).contains(&(*word as i32)),
        _ => false,
    };
    if fds.iter().any(is_stream) {
        return Some("the standard streams are each world's own");
    }
    if names_streams(statement) {
        return Some("the standard streams are each world's own");
    }
    if may_wait(ours, &statement.name, &statement.arguments) {
        return Some("it may wait for what nobody does");
    }
    if locks_from_within_a_directory(ours, statement) {
        return Some("where it is counted from is each file system's own");
    }
    (statement.name == "stamp" && !matches!(statement.arguments[..], [Value::Text(_)]))
        .then_some("only a path has times")
}

/// Whether it locks from where a directory's listing is, or from its size: each file system's own.
fn locks_from_within_a_directory(ours: &mut dyn World, statement: &Statement) -> bool {
    let Some(Value::List(lock)) = statement.arguments.get(2) else { return false };
    matches!(&*statement.name, "fcntl_setlk" | "fcntl_getlk")
        && lock.get(1) != Some(&Value::Word(libc::SEEK_SET.into()))
        && stat(ours, &statement.arguments[..1])
            .is_some_and(|stat| stat.st_mode & S_IFMT == S_IFDIR)
}

/// Whether it asks for what is true of a standard stream.
fn names_streams(statement: &Statement) -> bool {
    let numbers = |value: &Value| match value {
        Value::List(list) => list.clone(),
        _ => Vec::new(),
    };
    match &*statement.name {
        "poll" | "ppoll" => {
            let pairs = statement.arguments.first().map(numbers).unwrap_or_default();
            pairs.iter().step_by(2).any(|fd| matches!(fd, Value::Word(0..=2)))
        }
        "select" | "pselect6" => statement
            .arguments
            .iter()
            .skip(1)
            .take(3)
            .any(|set| matches!(numbers(set).first(), Some(Value::Word(set)) if set & 7 != 0)),
        _ => false,
    }
}

/// Whether a call may wait: for the other end of a fifo, for bytes or room in a pipe without
/// O_NONBLOCK, or for a time that is not over at once. Where one thread does all, it could
/// wait for ever. Asks `ours` what is there.
pub fn may_wait(ours: &mut dyn World, name: &str, arguments: &[Value]) -> bool {
    let word = |at: usize| match arguments.get(at) {
        Some(Value::Word(word)) => *word,
        _ => 0,
    };
    let is_fifo = |stat: libc::stat| stat.st_mode & S_IFMT == S_IFIFO;
    let mut is_pipe_that_waits = |at: usize| {
        let fd = &arguments[at..=at];
        let flags = [fd[0].clone(), Value::Word(libc::F_GETFL.into()), Value::Word(0)];
        stat(ours, fd).is_some_and(is_fifo)
            && matches!(ours.call("fcntl", &flags),
                Some(Reply::Done(flags)) if flags as i32 & (libc::O_NONBLOCK | libc::O_PATH) == 0)
    };
    match name {
        "open" | "openat" | "creat" => {
            let paths = if name == "openat" { 2 } else { 1 };
            let flags = if name == "creat" { libc::O_WRONLY } else { word(paths) as i32 };
            let waits = flags & (libc::O_NONBLOCK | libc::O_PATH) == 0
                && matches!(flags & libc::O_ACCMODE, libc::O_RDONLY | libc::O_WRONLY);
            let nofollow = flags & libc::O_NOFOLLOW != 0;
            let nofollow = if nofollow { libc::AT_SYMLINK_NOFOLLOW } else { 0 };
            waits && stat_at(ours, &arguments[..paths], nofollow).is_some_and(is_fifo)
        }
        "read" | "readv" | "preadv2" | "write" | "writev" | "pwritev2" | "sendfile" => {
            is_pipe_that_waits(0)
        }
        // Who has what of the whole file nobody tells.
        "flock" => matches!(word(1) as i32, libc::LOCK_SH | libc::LOCK_EX),
        "fcntl_setlk" => {
            let asks = match word(1) as i32 {
                libc::F_SETLKW => libc::F_GETLK,
                libc::F_OFD_SETLKW => libc::F_OFD_GETLK,
                _ => return false,
            };
            let asked = [arguments[0].clone(), Value::Word(asks.into()), arguments[2].clone()];
            let is_free = |lock: &[i64]| lock.first() == Some(&libc::F_UNLCK.into());
            matches!(ours.call("fcntl_getlk", &asked), Some(Reply::Numbers(_, lock)) if !is_free(&lock))
        }
        "poll" => word(1) != 0,
        "ppoll" => !is_over_at_once(arguments.get(1)),
        "select" | "pselect6" => !is_over_at_once(arguments.get(4)),
        _ => false,
    }
}

fn is_over_at_once(time: Option<&Value>) -> bool {
    matches!(time, Some(Value::List(time)) if time.iter().all(|part| matches!(part, Value::Word(..=0))))
}

/// Whether a directory is listed in its own order.
fn lists(ours: &mut dyn World, statement: &Statement) -> Option<&'static str> {
    let is_directory = matches!(&*statement.name, "getdents" | "getdents64")
        && stat(ours, &statement.arguments[..1])
            .is_some_and(|stat| stat.st_mode & S_IFMT == S_IFDIR);
    is_directory.then_some("its order is each file system's own, and where it ends; `list` is done")
}

/// Whether a statement is about mounts.
fn mounts(statement: &Statement) -> Option<&'static str> {
    let mounts = ["mount", "umount2", "statvfs"].contains(&&*statement.name);
    mounts.then_some("the model has one file system")
}

/// Why a statement cannot be done by a method.
pub(crate) fn without_method(statement: &Statement) -> Option<&'static str> {
    if WITHOUT_METHOD.contains(&&*statement.name) {
        return Some("there is no such method");
    }
    if statement.name == "futimens" && word(statement, 0) as i32 == libc::AT_FDCWD {
        return Some("by number it is utimensat of no path, which is wanted there");
    }
    let letters = crate::worlds::arguments_of(&statement.name)?;
    let mut pairs = letters.zip(&statement.arguments);
    let no_pointer = pairs.any(|(letter, value)| match letter {
        // Its order of checks may be another there.
        's' if statement.name == "mount" && *value == Value::Null => {
            statement.arguments.get(1) == Some(&Value::Null)
        }
        's' => !matches!(value, Value::Text(text) if text.len() < PATH_MAX),
        'g' => matches!(value, Value::Word(..0)),
        _ => false,
    });
    no_pointer
        .then_some("a method takes no bad pointer, no negative length, and finds a long path later")
}

/// Whether a string is none, or longer than a path can be, and Linux finds something else that
/// is wrong first.
fn has_late_string(ours: &mut dyn World, statement: &Statement) -> bool {
    let is_bad = |value: &Value| match value {
        Value::Text(text) => text.len() >= PATH_MAX,
        value => *value == Value::Null,
    };
    let given = |at: usize| statement.arguments.get(at).is_some_and(is_bad);
    let sets = |at: usize, known: i32| word(statement, at) as i32 & !known != 0;
    let has_no_target = statement.arguments.first() == Some(&Value::Text(Vec::new()));
    let (nofollow, empty) = (libc::AT_SYMLINK_NOFOLLOW, libc::AT_EMPTY_PATH);
    let known = nofollow | empty | libc::AT_NO_AUTOMOUNT | libc::AT_STATX_SYNC_TYPE;
    // Where paths end, from the first on, and whether flags or the like are wrong.
    let (paths, is_wrong): (&[usize], bool) = match &*statement.name {
        "access" => (&[0], sets(1, 7)),
        "faccessat" => (&[1], sets(2, 7)),
        "faccessat2" => (&[1], sets(2, 7) || sets(3, nofollow | empty | libc::AT_EACCESS)),
        "fchmodat2" => (&[1], sets(3, nofollow | empty)),
        "fchownat" => (&[1], sets(4, nofollow | empty)),
        "newfstatat" => (&[1], sets(2, known)),
        "statx" => {
            let both = word(statement, 2) as i32 & libc::AT_STATX_SYNC_TYPE;
            (&[1], sets(2, known) || both == libc::AT_STATX_SYNC_TYPE || sets(3, i32::MAX))
        }
        "unlinkat" => (&[1], sets(2, libc::AT_REMOVEDIR)),
        "utimensat" => {
            let is_part = |part: &Value| matches!(part, Value::Word(0..=999_999_999));
            let are_times = |times: &[Value]| times.iter().skip(1).step_by(2).all(is_part);
            let times = statement.arguments.get(2);
            let are_plain = times.is_none_or(|times| match times {
                Value::List(times) => are_times(times),
                _ => true,
            });
            (&[1], !are_plain || sets(3, nofollow | empty))
        }
        // An empty target is found first, too.
        "symlink" => (&[1], has_no_target),
        "symlinkat" => (&[2], has_no_target),
        "link" | "rename" => (&[0, 1], false),
        "renameat" => (&[1, 3], false),
        "linkat" => (&[1, 3], sets(4, libc::AT_SYMLINK_FOLLOW | empty)),
        "renameat2" => {
            let flags = word(statement, 4) as i32;
            (&[1, 3], !matches!(flags, 0 | 1 | 2 | 4 | 5))
        }
        _ => return false,
    };
    let follows = statement.name == "linkat" && sets(4, !libc::AT_SYMLINK_FOLLOW);
    let is_walked = |ours: &mut dyn World| {
        let first = &statement.arguments[paths[0].saturating_sub(1)..=paths[0]];
        stat_at(ours, first, if follows { 0 } else { nofollow }).is_some()
    };
    match paths {
        [one] => given(*one) && is_wrong,
        [first, second] => {
            (given(*first) || given(*second)) && is_wrong
                || !given(*first) && given(*second) && !is_walked(ours)
        }
        _ => false,
    }
}

fn word(statement: &Statement, at: usize) -> i64 {
    match statement.arguments.get(at) {
        Some(Value::Word(word)) => *word,
        _ => 0,
    }
}

fn is_empty(path: Option<&Value>) -> bool {
    matches!(path, Some(Value::Text(text)) if text.is_empty()) || path == Some(&Value::Null)
}

fn punches(statement: &Statement) -> bool {
    word(statement, 1) & i64::from(libc::FALLOC_FL_PUNCH_HOLE) != 0
}

/// The attributes of the file that a path, followed, or a descriptor names.
fn stat(ours: &mut dyn World, named: &[Value]) -> Option<libc::stat> {
    let call = if matches!(named, [Value::Word(_)]) { "fstat" } else { "stat" };
    match ours.call(call, named) {
        Some(Reply::Stat(stat)) => Some(stat),
        _ => None,
    }
}

/// Where a path starts, and the path.
fn split(named: &[Value]) -> (Value, Value) {
    match named {
        [at @ Value::Word(_), path] => (at.clone(), path.clone()),
        named => {
            let path = named.last().cloned().unwrap_or(Value::Null);
            (Value::Word(libc::AT_FDCWD.into()), path)
        }
    }
}

/// The attributes of what a path names, with these flags.
fn stat_at(ours: &mut dyn World, named: &[Value], flags: i32) -> Option<libc::stat> {
    let (at, path) = split(named);
    match ours.call("newfstatat", &[at, path, Value::Word(flags.into())]) {
        Some(Reply::Stat(stat)) => Some(stat),
        _ => None,
    }
}

/// Device and number of the root directory.
fn root(ours: &mut dyn World) -> Option<(u64, u64)> {
    stat(ours, &[Value::Text(b"/".to_vec())]).map(|stat| id(&stat))
}

/// The attributes of what a path names, links not followed.
fn stat_nofollow(ours: &mut dyn World, named: &[Value]) -> Option<libc::stat> {
    stat_at(ours, named, libc::AT_SYMLINK_NOFOLLOW)
}

/// The attributes of the directory that a path's last name is in.
fn parent(ours: &mut dyn World, named: &[Value]) -> Option<libc::stat> {
    let (at, path) = split(named);
    let Value::Text(path) = path else { return None };
    let parent = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => [&path[..=slash], b"."].concat(),
        None => b".".to_vec(),
    };
    stat_at(ours, &[at, Value::Text(parent)], 0)
}

/// Which file it is: device and number.
fn id(stat: &libc::stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// As whom a process acts, and as whom it accesses files.
#[derive(PartialEq, Eq)]
struct Users {
    effective: i64,
    of_files: i64,
}

impl Users {
    const ROOT: Users = Users { effective: 0, of_files: 0 };

    fn of(ours: &mut dyn World) -> Users {
        let mut number = |name, arguments: &[Value]| match ours.call(name, arguments) {
            Some(Reply::Done(user)) => i64::from(user as u32),
            _ => -1,
        };
        let effective = number("geteuid", &[]);
        // A user that there cannot be changes nothing: setfsuid(2).
        let of_files = number("setfsuid", &[Value::Word(u32::MAX.into())]);
        Users { effective, of_files }
    }

    fn are_one(&self) -> bool {
        self.effective == self.of_files
    }
}
