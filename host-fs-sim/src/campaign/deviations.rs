//! What random sequences must not do, because two worlds differ there on purpose.
//!
//! The deviations from Linux that have numbers are those listed at the top of
//! `syscalls/tests/oracle/main.rs`; rows there pin each. A statement that would meet one is
//! left out of the sequence, in both worlds, when it is about to be done: so no shrinking can
//! end in a deviation.

use anchorite_programs::posix::script::{Reply, Statement, Value, World};
use anchorite_syscalls::PATH_MAX;

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
    "statfs",
    "fstatfs",
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

/// Knows of a sequence so far what decides whether a statement may be done.
#[derive(Clone, Copy, Debug)]
pub struct Judge {
    against: Against,
    has_allocated: bool,
}

impl Judge {
    /// At a sequence's start.
    pub fn new(against: Against) -> Judge {
        Judge { against, has_allocated: false }
    }

    /// Remembers that a statement was done.
    pub fn note(&mut self, statement: &Statement) {
        let punches = word(statement, 1) & i64::from(libc::FALLOC_FL_PUNCH_HOLE) != 0;
        self.has_allocated |= statement.name == "fallocate" && !punches;
    }

    /// Why a statement is left out; nothing if it may be done. Asks `ours` what is there.
    pub fn objection(&self, ours: &mut dyn World, statement: &Statement) -> Option<&'static str> {
        let anywhere = everywhere(statement);
        anywhere.or_else(|| match self.against {
            Against::Linux => self.unlike_linux(ours, statement),
            Against::Methods => without_method(statement),
            Against::Model => unlike_model(statement),
        })
    }

    fn unlike_linux(&self, ours: &mut dyn World, statement: &Statement) -> Option<&'static str> {
        let word = |at: usize| word(statement, at);
        let name = &*statement.name;
        let goes = name.starts_with("rename") || name.ends_with("chdir");
        if goes && !statement.watched.is_empty() {
            return Some("what is watched may be another file afterwards, made in the same tick");
        }
        match name {
            name if PROCESS_LIMITS.contains(&name) => {
                return Some("the limits are those of the process that runs the campaign");
            }
            "sync" => return Some("it would wait for each file system of the host"),
            "getdents" | "getdents64" if file_size(ours, &statement.arguments[..1]).is_none() => {}
            "getdents" | "getdents64" => {
                return Some(
                    "its order is each file system's own, and deviation 3; `list` is done",
                );
            }
            _ => {}
        }
        let size = match name {
            "truncate" | "ftruncate" | "lseek" | "fallocate" => {
                file_size(ours, &statement.arguments[..1])
            }
            _ => None,
        };
        if name.ends_with("truncate") && size == Some(word(1)) {
            return Some("deviation 4: truncate to the size that a file has marks its times");
        }
        let hole = [libc::SEEK_DATA, libc::SEEK_HOLE].contains(&(word(2) as i32));
        if name == "lseek" && hole && size.is_some_and(|size| size > i64::MAX - 8192) {
            return Some("tmpfs loses its way in the last two pages that a file can have");
        }
        if name == "lseek" && hole && self.has_allocated {
            return Some("deviation 5: ranges that fallocate took are data");
        }
        let flags = match name {
            "open" => Some((1, word(1) as i32)),
            "openat" => Some((2, word(2) as i32)),
            "creat" => Some((1, libc::O_CREAT)),
            _ => None,
        };
        if let Some((at, flags)) = flags
            && flags & libc::O_CREAT != 0
            && match kind(ours, &statement.arguments[..at]) {
                libc::S_IFLNK => flags & libc::O_NOFOLLOW != 0,
                // What RENAME_WHITEOUT leaves.
                libc::S_IFCHR => true,
                _ => false,
            }
        {
            return Some("deviation 6: sticky directories guard no links against O_CREAT");
        }
        let punches = name == "fallocate" && word(1) & i64::from(libc::FALLOC_FL_PUNCH_HOLE) != 0;
        let end = word(2).saturating_add(word(3));
        if punches && size.is_some_and(|size| end >= size) {
            return Some("deviation 7: a hole up to the end frees the page that the end is in");
        }
        let is_empty = statement.arguments.get(1) == Some(&Value::Text(Vec::new()));
        let known = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
        if matches!(name, "newfstatat" | "statx") && is_empty && word(2) as i32 & !known != 0 {
            return Some("since Linux 6.12 flags are not looked at where a descriptor is meant");
        }
        if matches!(name, "link" | "linkat") && Users::of(ours) != Users::ROOT {
            return Some("deviation 8: who is not root may link what it can name");
        }
        let copied = match name {
            "copy_file_range" => Some((0, word(4))),
            "sendfile" => Some((1, word(3))),
            _ => None,
        };
        if let Some((input, len)) = copied
            && file_size(ours, &statement.arguments[input..=input])
                .is_some_and(|size| (size as u64).min(len as u64) > MOST_COPIED)
        {
            return Some("there is less room on the campaign's tmpfs than here");
        }
        if name == "sendfile" && is_one_file(ours, &statement.arguments) {
            return Some("Linux hands pages over, to a file itself while it reads them");
        }
        let sets_user = matches!(name, "setuid" | "setreuid" | "setresuid");
        if sets_user && !Users::of(ours).are_one() {
            return Some("deviation 9: root's rights on files follow the file-system user");
        }
        None
    }
}

/// What is not done in any world. Which arguments are descriptors is told by the call's name.
fn everywhere(statement: &Statement) -> Option<&'static str> {
    let fds: &[usize] = match &*statement.name {
        "open" | "creat" | "truncate" | "mkdir" | "rmdir" | "unlink" | "link" | "symlink"
        | "readlink" | "rename" | "chdir" | "getcwd" | "stat" | "lstat" | "access" | "chmod"
        | "chown" | "lchown" | "umask" | "statfs" | "utimes" | "utime" | "stamp"
        | "clock_gettime" | "getrlimit" | "setrlimit" | "prlimit64" | "getgroups" | "setgroups"
        | "setuid" | "setgid" | "setreuid" | "setregid" | "setresuid" | "setresgid"
        | "setfsuid" | "setfsgid" => &[],
        "symlinkat" => &[1],
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
    if statement.name == "stamp" && !matches!(statement.arguments[..], [Value::Text(_)]) {
        return Some("only a path has times");
    }
    has_bad_string(statement).then_some("deviation 2: by number a bad string is found first")
}

fn unlike_model(statement: &Statement) -> Option<&'static str> {
    matches!(&*statement.name, "getdents" | "getdents64")
        .then_some("the order of a listing is its own; `list` is done")
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
        's' => !matches!(value, Value::Text(text) if text.len() < PATH_MAX),
        'g' => matches!(value, Value::Word(..0)),
        _ => false,
    });
    no_pointer
        .then_some("a method takes no bad pointer, no negative length, and finds a long path later")
}

/// Whether a string is none, or longer than a path can be, where something else can be wrong
/// too: another string, or flags.
fn has_bad_string(statement: &Statement) -> bool {
    let has_flags = matches!(
        &*statement.name,
        "access"
            | "faccessat"
            | "faccessat2"
            | "fchmodat2"
            | "fchownat"
            | "newfstatat"
            | "statx"
            | "unlinkat"
            | "utimensat"
    );
    let strings =
        statement.arguments.iter().filter(|value| matches!(value, Value::Text(_) | Value::Null));
    let mut bad = strings.clone().filter(|value| match value {
        Value::Text(text) => text.len() >= PATH_MAX,
        _ => true,
    });
    let has_bad = bad.next().is_some();
    // What is written is a string too, of any length.
    let is_path = !statement.name.contains("write");
    (strings.count() > 1 || has_flags) && has_bad && is_path
}

fn word(statement: &Statement, at: usize) -> i64 {
    match statement.arguments.get(at) {
        Some(Value::Word(word)) => *word,
        _ => 0,
    }
}

/// The size of the file that a path or a descriptor names.
fn file_size(ours: &mut dyn World, named: &[Value]) -> Option<i64> {
    let call = if matches!(named, [Value::Word(_)]) { "fstat" } else { "stat" };
    match ours.call(call, named) {
        Some(Reply::Stat(stat)) => Some(stat.st_size),
        _ => None,
    }
}

/// Whether two descriptors are of the same file.
fn is_one_file(ours: &mut dyn World, fds: &[Value]) -> bool {
    let mut inode = |at: usize| match ours.call("fstat", &fds[at..at + 1]) {
        Some(Reply::Stat(stat)) => Some(stat.st_ino),
        _ => None,
    };
    let (output, input) = (inode(0), inode(1));
    output.is_some() && output == input
}

/// The kind of file that a path names, links not followed; 0 if there is none.
fn kind(ours: &mut dyn World, named: &[Value]) -> u32 {
    let nofollow = Value::Word(libc::AT_SYMLINK_NOFOLLOW.into());
    let reply = match named {
        [at, path] => ours.call("newfstatat", &[at.clone(), path.clone(), nofollow]),
        named => ours.call("lstat", named),
    };
    match reply {
        Some(Reply::Stat(stat)) => stat.st_mode & libc::S_IFMT,
        _ => 0,
    }
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
