//! [`Model`]: what the calls on files do, said as simply as can be.
//!
//! A second opinion on the system: written from POSIX.1-2024, the Linux manual pages and the
//! recorded rows, it shares no logic with the crates that it is compared with. All is maps of
//! plain values, one thread, no locks: slow, and easy to see to be right. Where the system
//! differs from Linux on purpose (the list is at the top of the call layer's tests against
//! Linux, `syscalls/tests/oracle/main.rs`), the model does as the system says it does.
//!
//! # Modules, from the bottom
//! * [`file`]: the content of a regular file.
//! * [`pipe`]: what is in a pipe.
//! * [`locks`]: what is locked of a file.
//! * [`tree`]: inodes and directories.
//! * [`permission`]: who may do what.
//! * [`walk`]: from a path to a file.
//! * [`descriptors`]: open files.
//! * [`arguments`]: from the words of the language of rows to those of the calls.
//! * `calls`: the calls, each with its checks in Linux' order.
//!
//! # Time
//! The clock is a number that each call moves on by a millisecond.

mod arguments;
mod calls;
mod descriptors;
mod file;
mod locks;
mod permission;
mod pipe;
mod tree;
mod walk;

use anchorite_fs::Limits;
use anchorite_programs::posix::script::{Reply, Value, World};
use anchorite_syscalls::Errno;

use arguments::Arguments;
use descriptors::{Description, Descriptors, Object};
use locks::AllLocks;
use permission::Identity;
use pipe::Pipes;
use tree::{Id, ROOT, Time, Tree};
use walk::{Last, LastLink, PATH_MAX, Walk, check_path};

use crate::worlds;

/// How many resources have limits: RLIM_NLIMITS.
const RESOURCES: usize = 16;
/// When a model begins, in seconds since 1970.
const START: i64 = 1_700_000_000;
/// A millisecond, in nanoseconds.
const TICK: i64 = 1_000_000;

/// Those of the texts of rows that are about what a model does not have, and what that is.
pub const BEYOND: [(&str, &str); 4] = [
    ("devices", "the model has no devices"),
    ("inotify", "the model tells nobody of what is done"),
    ("mounts", "the model has one file system"),
    ("proc", "the model has no /proc"),
];

/// A process and its file system.
///
/// ```
/// use anchorite_fs::Limits;
/// use anchorite_programs::posix::script::{Reply, Value, World};
/// use host_fs_sim::model::Model;
///
/// let mut model = Model::new(Limits::of_memory(1 << 20));
/// let arguments = [Value::Text(b"/d".to_vec()), Value::Word(0o755)];
/// assert!(matches!(model.call("mkdir", &arguments), Some(Reply::Done(0))));
/// assert!(model.call("reboot", &[]).is_none());
/// ```
#[derive(Debug)]
pub struct Model {
    tree: Tree,
    identity: Identity,
    umask: u32,
    root: Id,
    working_directory: Id,
    descriptors: Descriptors,
    pipes: Pipes,
    locks: AllLocks,
    /// Soft and hard limit of each resource.
    limits: [(u64, u64); RESOURCES],
    now: Time,
    /// The attributes of some file of this machine, to be overwritten: the type has fields
    /// without names.
    stat: libc::stat,
}

/// What comes of a call.
type Done = Result<Reply, Errno>;

impl Model {
    /// Root's process in the root of an empty file system with these limits.
    ///
    /// # Panics
    /// If this machine has no root directory.
    pub fn new(limits: Limits) -> Model {
        let now = Time { seconds: START, nanoseconds: 0 };
        let mut rlimits = [(libc::RLIM_INFINITY, libc::RLIM_INFINITY); RESOURCES];
        rlimits[libc::RLIMIT_NOFILE as usize] = (1024, 1 << 20);
        let mut descriptors = Descriptors::default();
        for (fd, flags) in [(0, libc::O_RDONLY), (1, libc::O_WRONLY), (2, libc::O_WRONLY)] {
            let flags = flags | calls::O_LARGEFILE;
            descriptors.open(fd, Description::new(Object::Console, flags), false);
        }
        let mut tree = Tree::new(limits, now);
        // The root directory, and the working directory.
        tree.pin(ROOT);
        tree.pin(ROOT);
        Model {
            tree,
            identity: Identity::root(),
            umask: 0o22,
            root: ROOT,
            working_directory: ROOT,
            descriptors,
            pipes: Pipes::new(),
            locks: AllLocks::new(),
            limits: rlimits,
            now,
            stat: nix::sys::stat::stat("/").expect("this machine has a root directory"),
        }
    }

    /// How many inodes and pages are in use: 1 and 0 once all is removed and closed.
    pub fn usage(&self) -> (u64, u64) {
        self.tree.usage()
    }

    fn tick(&mut self) {
        self.now.nanoseconds += TICK;
        if self.now.nanoseconds >= 1000 * TICK {
            self.now = Time { seconds: self.now.seconds + 1, nanoseconds: 0 };
        }
    }

    /// A walk of `path`, a relative one from `at`.
    ///
    /// # Errors
    /// ENOENT for an empty path; ENAMETOOLONG; EBADF and ENOTDIR for `at`.
    fn walk(&mut self, at: i32, path: &[u8]) -> Result<Walk, Errno> {
        check_path(path)?;
        let from = if path.starts_with(b"/") {
            self.root
        } else if at == libc::AT_FDCWD {
            self.working_directory
        } else {
            match self.descriptors.any(at)?.object {
                Object::Inode(id) if self.tree.get(id).is_directory() => id,
                _ => return Err(Errno::ENOTDIR),
            }
        };
        Ok(Walk::new(self.root, from, path))
    }

    /// Walks to the directory of the last component; returns both.
    ///
    /// # Errors
    /// Those of the walk.
    fn walk_to_last(&mut self, at: i32, path: &[u8]) -> Result<(Id, Last), Errno> {
        let mut walk = self.walk(at, path)?;
        let last = walk.reach_last(&mut self.tree, &self.identity.files, self.now)?;
        Ok((walk.at, last))
    }

    /// The file that `path` names. With AT_EMPTY_PATH in `flags` an empty path means what
    /// `at` is a descriptor of.
    ///
    /// # Errors
    /// Those of the walk; EBADF.
    fn resolve(
        &mut self,
        at: i32,
        path: &[u8],
        last_link: LastLink,
        flags: i32,
    ) -> Result<Id, Errno> {
        if path.is_empty() && flags & libc::AT_EMPTY_PATH != 0 {
            if at == libc::AT_FDCWD {
                return Ok(self.working_directory);
            }
            return match self.descriptors.any(at)?.object {
                Object::Inode(id) => Ok(id),
                // The console is in no tree.
                Object::Console => Err(Errno::ENOENT),
            };
        }
        let walk = self.walk(at, path)?;
        walk.reach_end(&mut self.tree, &self.identity.files, self.now, last_link)
    }

    /// The soft limit of a resource.
    fn limit(&self, resource: libc::__rlimit_resource_t) -> u64 {
        self.limits[resource as usize].0
    }
}

impl World for Model {
    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Reply> {
        self.tick();
        if let Err(errno) = check_strings(name, arguments) {
            return Some(Reply::Failed(errno));
        }
        let done = calls::call(self, name, Arguments(arguments))?;
        Some(done.unwrap_or_else(Reply::Failed))
    }
}

/// Strings are looked at before anything else, in their order; but before them flags of opening,
/// types of nodes, times, sizes, and whether there is room at all; and before a path the name of
/// an attribute.
///
/// # Errors
/// EFAULT where one is missing; ENAMETOOLONG for one that is longer than a path can be.
fn check_strings(name: &str, arguments: &[Value]) -> Result<(), Errno> {
    #[rustfmt::skip]
    const LATER: [&str; 10] = [
        "open", "openat", "utime", "utimes", "futimesat", "readlink", "readlinkat", "truncate",
        "mknod", "mknodat",
    ];
    let omits_both = |times: &[Value]| {
        name == "utimensat"
            && matches!(times, [_, Value::Word(libc::UTIME_OMIT), _, Value::Word(libc::UTIME_OMIT)])
    };
    let is_done = matches!(arguments.get(2), Some(Value::List(times)) if omits_both(times));
    if LATER.contains(&name) || name.ends_with("xattr") || is_done {
        return Ok(());
    }
    // Of these, no path means the descriptor.
    let is_optional = matches!(name, "newfstatat" | "statx" | "utimensat");
    for (letter, value) in worlds::arguments_of(name).into_iter().flatten().zip(arguments) {
        match value {
            Value::Null if letter == 's' && !is_optional => return Err(Errno::EFAULT),
            Value::Text(text) if letter == 's' && text.len() >= PATH_MAX => {
                return Err(Errno::ENAMETOOLONG);
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a flag says that a symbolic link in last place stays one.
fn last_link(flags: i32) -> LastLink {
    if flags & libc::AT_SYMLINK_NOFOLLOW != 0 { LastLink::Stay } else { LastLink::Follow }
}
