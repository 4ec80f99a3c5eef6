//! [`generate`]: a sequence, from random numbers.
//!
//! The generator has a ramdisk of its own, on which it does each statement at once. So it
//! knows which descriptors are open and can ask which names exist, and most calls find what
//! they want; a part is aimed at what is not there, and a part is hostile.

use std::panic::{AssertUnwindSafe, catch_unwind};

use anchorite_programs::posix::script::{Reply, Run, Statement, Value};
use libc::{S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK};

use super::{ROW, Sequences};
use crate::campaign::judge::Judge;
use crate::worlds::{Numbers, system_by_numbers};

/// The calls, and how often each comes, relative to the others.
#[rustfmt::skip]
pub const CALLS: &[(&str, u64)] = &[
    ("open", 110), ("openat", 30), ("creat", 12), ("close", 30), ("close_range", 2), ("dup", 5),
    ("dup2", 5), ("dup3", 4), ("fcntl", 16),
    ("flock", 14), ("fcntl_setlk", 40), ("fcntl_getlk", 20),
    ("pipe", 3), ("pipe2", 10), ("poll", 8), ("ppoll", 4), ("select", 6), ("pselect6", 3), ("read", 25), ("pread64", 20), ("write", 40),
    ("pwrite64", 30), ("readv", 8), ("writev", 8), ("preadv", 8), ("pwritev", 8), ("preadv2", 8),
    ("pwritev2", 8), ("lseek", 30), ("truncate", 14), ("ftruncate", 20), ("fallocate", 20),
    ("copy_file_range", 14), ("sendfile", 10), ("fadvise64", 3), ("readahead", 3), ("fsync", 2),
    ("fdatasync", 2), ("sync", 1), ("syncfs", 2), ("mkdir", 50), ("mkdirat", 12), ("mknod", 20),
    ("mknodat", 6), ("rmdir", 14),
    ("unlink", 25), ("unlinkat", 12), ("link", 25), ("linkat", 12), ("symlink", 25),
    ("symlinkat", 8), ("readlink", 10), ("readlinkat", 6), ("rename", 40), ("renameat", 8),
    ("renameat2", 25), ("chdir", 8), ("fchdir", 4), ("getcwd", 5), ("list", 25), ("getdents", 2),
    ("getdents64", 2), ("stat", 20), ("lstat", 20), ("fstat", 20), ("newfstatat", 10),
    ("statx", 6), ("access", 8), ("faccessat", 5), ("faccessat2", 5), ("chmod", 14),
    ("fchmod", 8), ("fchmodat", 6), ("fchmodat2", 6), ("chown", 8), ("lchown", 6), ("fchown", 6),
    ("fchownat", 6), ("umask", 5), ("statfs", 2), ("fstatfs", 2), ("utimensat", 10),
    ("futimens", 5), ("utimes", 4), ("futimesat", 3), ("utime", 4), ("stamp", 8),
    ("sched_yield", 1), ("clock_gettime", 1), ("getrlimit", 2), ("setrlimit", 4),
    ("prlimit64", 3), ("getuid", 1), ("geteuid", 1), ("getgid", 1), ("getegid", 1),
    ("getresuid", 2), ("getresgid", 2), ("setuid", 1), ("setgid", 2), ("setreuid", 2),
    ("setregid", 2), ("setresuid", 10), ("setresgid", 6), ("setfsuid", 2), ("setfsgid", 2),
    ("setgroups", 3), ("getgroups", 2), ("setxattr", 24), ("lsetxattr", 6), ("fsetxattr", 12),
    ("getxattr", 10), ("lgetxattr", 4), ("fgetxattr", 6), ("listxattr", 6), ("llistxattr", 3),
    ("flistxattr", 5), ("removexattr", 8), ("lremovexattr", 3), ("fremovexattr", 4),
    ("statvfs", 2),
    ("mount", 24), ("umount2", 16), ("chroot", 3),
];

/// Most bytes of one write, piece or range that takes room.
const LONG: i64 = 1 << 18;
/// The number of a device for which Linux has no driver: 240:0 is for local use.
const UNDRIVEN: i64 = 240 << 8;
/// No descriptor that a sequence is likely to get.
const CLOSED: i64 = 1000;

/// A sequence. `draw` tells random numbers; the same ones make the same sequence.
pub fn generate(draw: &mut dyn FnMut() -> u64, sequences: &Sequences) -> Vec<Statement> {
    let system = system_by_numbers(sequences.limits);
    let syscall = |number, words| system.syscall(number, words);
    let mut world = Numbers { syscall: &syscall };
    let run = Run::begin(&mut world, ROW);
    let judge = Judge::new(sequences.against);
    let mut generator = Generator { draw, run, judge, fds: Vec::new(), statements: Vec::new() };
    while generator.statements.len() < sequences.len {
        let statement = generator.statement();
        generator.statements.push(statement);
        // A panic is for those to meet who do the sequence to find one.
        if catch_unwind(AssertUnwindSafe(|| generator.perform())).is_err() {
            break;
        }
    }
    std::mem::take(&mut generator.statements)
}

struct Generator<'a> {
    draw: &'a mut dyn FnMut() -> u64,
    run: Run<'a>,
    judge: Judge,
    /// Open descriptors, and the kind of file of each.
    fds: Vec<(i64, u32)>,
    statements: Vec<Statement>,
}

/// What a name should be of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    File,
    Directory,
    Link,
    Anything,
    Nothing,
}

fn text(text: impl AsRef<[u8]>) -> Value {
    Value::Text(text.as_ref().to_vec())
}

fn words(words: &[i64]) -> Value {
    Value::List(words.iter().map(|word| Value::Word(*word)).collect())
}

impl Generator<'_> {
    fn below(&mut self, limit: u64) -> u64 {
        (self.draw)() % limit
    }

    /// Whether something happens that does so in `parts` of a hundred cases.
    fn chance(&mut self, parts: u64) -> bool {
        self.below(100) < parts
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }

    fn perform(&mut self) {
        let Some(statement) = self.statements.last() else { return };
        self.judge.note(self.run.world(), statement);
        #[rustfmt::skip]
        let changes = [
            "open", "openat", "creat", "close", "close_range", "dup", "dup2", "dup3", "fcntl",
            "pipe", "pipe2",
        ];
        let changes = changes.contains(&&*statement.name);
        // Watching takes time, and tells nothing here.
        self.run.perform(&Statement { watched: Vec::new(), ..statement.clone() });
        if changes {
            let open =
                (3..16).filter_map(|fd| match self.run.world().call("fstat", &[Value::Word(fd)]) {
                    Some(Reply::Stat(stat)) => Some((fd, stat.st_mode & S_IFMT)),
                    _ => None,
                });
            self.fds = open.collect();
        }
    }

    /// The next statement: one to which there is no objection.
    fn statement(&mut self) -> Statement {
        loop {
            let (name, arguments) = self.call();
            let watched = if self.below(80) == 0 && name != "stamp" {
                vec![self.path(Want::Anything), text(".")]
            } else {
                Vec::new()
            };
            let watched = if watched.contains(&Value::Null) { Vec::new() } else { watched };
            let statement = Statement { watched, name: name.to_owned(), arguments };
            if self.judge.objection(self.run.world(), &statement).is_none() {
                return statement;
            }
        }
    }

    fn call(&mut self) -> (&'static str, Vec<Value>) {
        let number = Value::Word;
        // Back to where most names are, and to who may do most.
        if !self.is("geteuid", 0) && self.chance(15) {
            return ("setresuid", [-1, 0, -1].map(number).to_vec());
        }
        if !self.is_home() && self.chance(15) {
            return ("chdir", vec![text(format!("/{ROW}"))]);
        }
        if self.fds.len() > 7 && self.chance(50) {
            return ("close", vec![self.fd(Want::Anything)]);
        }
        let total = CALLS.iter().map(|(_, weight)| weight).sum();
        let mut at = self.below(total);
        let name = CALLS.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let name = name.map_or("stat", |(name, _)| *name);
        (name, self.arguments(name))
    }

    fn is(&mut self, call: &str, value: i64) -> bool {
        matches!(self.run.world().call(call, &[]), Some(Reply::Done(is)) if is == value)
    }

    fn is_home(&mut self) -> bool {
        let home = [b"/", ROW.as_bytes(), b"\0"].concat();
        matches!(self.run.world().call("getcwd", &[Value::Room(4096)]), Some(Reply::Data(is)) if is == home)
    }

    #[rustfmt::skip]
    fn arguments(&mut self, name: &str) -> Vec<Value> {
        use Want::{Anything, Directory, File, Link, Nothing};
        let number = Value::Word;
        let here = || Value::Word(libc::AT_FDCWD.into());
        match name {
            "open" => { let (path, flags) = self.opened(here()); vec![path, flags, self.mode()] }
            "openat" => {
                let at = self.at();
                let (path, flags) = self.opened(at.clone());
                vec![at, path, flags, self.mode()]
            }
            "creat" => vec![self.path(File), self.mode()],
            "close" | "dup" | "fsync" | "fdatasync" | "syncfs" | "fstat" | "fstatfs" => vec![self.fd(Anything)],
            "close_range" => {
                let first = self.of(&[3, 4, 5, 7, 9]);
                let last = first + self.of(&[-1, 0, 0, 1, 2, 1 << 20]);
                vec![number(first), number(last), number(self.of(&[0, 0, 4, 4, 2, 1, -1]))]
            }
            "dup2" => vec![self.fd(Anything), number(self.of(&[3, 4, 5, 6, 7, 8, 9, -1, 1024, 4096]))],
            "dup3" => vec![self.fd(Anything), number(self.of(&[3, 4, 5, 6, 7, 8, 9, -1, 1024])), number(self.of(&[0, 0, i64::from(libc::O_CLOEXEC), 1]))],
            "fcntl" => {
                let (command, argument) = match self.below(10) {
                    8 => (libc::F_GETPIPE_SZ, 0),
                    9 => (libc::F_SETPIPE_SZ, self.of(&[0, 4096, 4097, 65536, 1 << 17, 1 << 20, -1])),
                    0 => (libc::F_DUPFD, self.of(&[3, 5, 9, -1, 2000])),
                    1 => (libc::F_DUPFD_CLOEXEC, self.of(&[3, 6, 9])),
                    2 => (libc::F_GETFD, 0),
                    3 => (libc::F_SETFD, self.of(&[0, 1, 3, -1])),
                    4 | 5 => (libc::F_GETFL, 0),
                    6 => (libc::F_SETFL, self.of(&[0, i64::from(libc::O_APPEND), i64::from(libc::O_NONBLOCK), !i64::from(libc::O_DIRECT | libc::O_ASYNC)])),
                    _ => (self.of(&[999, -1]), 0),
                };
                vec![self.fd(Anything), number(command.into()), number(argument)]
            }
            "flock" => {
                use libc::{LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN};
                let operations = [LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_EX | LOCK_NB, LOCK_UN, LOCK_UN | LOCK_NB, 0, 32, -1];
                vec![self.fd(Anything), number(self.of(&operations).into())]
            }
            "fcntl_setlk" => {
                use libc::{F_OFD_SETLK, F_OFD_SETLKW, F_SETLK, F_SETLKW};
                let command = self.of(&[F_SETLK, F_SETLK, F_OFD_SETLK, F_OFD_SETLK, F_OFD_SETLK, F_SETLKW, F_OFD_SETLKW]);
                vec![self.fd(File), number(command.into()), self.lock()]
            }
            "fcntl_getlk" => {
                let command = self.of(&[libc::F_GETLK, libc::F_OFD_GETLK, libc::F_OFD_GETLK]);
                vec![self.fd(File), number(command.into()), self.lock()]
            }
            "pipe2" => {
                use libc::{O_CLOEXEC, O_DIRECT, O_NONBLOCK};
                let flags = [O_NONBLOCK, O_NONBLOCK, O_NONBLOCK | O_CLOEXEC, O_NONBLOCK | O_DIRECT, 0, O_CLOEXEC, 1, -1];
                vec![number(self.of(&flags).into())]
            }
            "poll" => vec![self.polled(), number(0)],
            "ppoll" => vec![self.polled(), words(&[0, 0])],
            "select" | "pselect6" => {
                let count = self.of(&[0, 3, 6, 9, 16, 16, 64, 64, -1]);
                let mut all = vec![number(count)];
                for _ in 0..3 {
                    let set = self.set();
                    all.push(set);
                }
                all.push(words(&[0, self.of(&[0, 0, 0, 0, -1])]));
                all
            }
            "read" => vec![self.fd(File), self.room()],
            "pread64" => vec![self.fd(File), self.room(), self.offset()],
            "write" => vec![self.fd(File), self.data()],
            "pwrite64" => vec![self.fd(File), self.data(), self.offset()],
            "readv" => vec![self.fd(File), self.rooms()],
            "writev" => vec![self.fd(File), self.datas()],
            "preadv" => vec![self.fd(File), self.rooms(), self.offset()],
            "pwritev" => vec![self.fd(File), self.datas(), self.offset()],
            "preadv2" => vec![self.fd(File), self.rooms(), self.position(), self.rwf()],
            "pwritev2" => vec![self.fd(File), self.datas(), self.position(), self.rwf()],
            "lseek" => {
                let whence = self.of(&[0, 0, 1, 2, 3, 4, 5, -1]);
                vec![self.fd(File), self.offset(), number(whence)]
            }
            "truncate" => vec![self.path(File), self.offset()],
            "ftruncate" => vec![self.fd(File), self.offset()],
            "fallocate" => {
                let mode = self.of(&[0, 0, 1, 3, 3, 3, 2, 8, 0x10, 0x20, 0x40, -1]);
                vec![self.fd(File), number(mode), self.offset(), self.length()]
            }
            "copy_file_range" => {
                let (from, to) = (self.optional_offset(), self.optional_offset());
                let flags = if self.chance(97) { 0 } else { 1 };
                vec![self.fd(File), from, self.fd(File), to, self.length(), number(flags)]
            }
            "sendfile" => { let (to, from) = (self.fd(File), self.fd(File)); vec![to, from, self.optional_offset(), self.length()] }
            "fadvise64" => vec![self.fd(File), self.offset(), self.offset(), number(self.of(&[0, 1, 2, 3, 4, 5, 6, -1]))],
            "readahead" => vec![self.fd(File), self.offset(), self.offset()],
            "mkdir" => vec![self.path(Nothing), self.mode()],
            "mkdirat" => { let at = self.at(); vec![at.clone(), self.path_at(at, Nothing), self.mode()] }
            "mknod" => vec![self.path(Nothing), self.typed_mode(), number(self.of(&[0, 0, UNDRIVEN, 7]))],
            "mknodat" => { let at = self.at(); vec![at.clone(), self.path_at(at, Nothing), self.typed_mode(), number(self.of(&[0, UNDRIVEN]))] }
            "rmdir" => vec![self.path(Directory)],
            "unlink" => { let want = self.of(&[File, File, Link, Anything]); vec![self.path(want)] }
            "unlinkat" => {
                let at = self.at();
                let (want, flags) = self.of(&[(File, 0), (Link, 0), (Directory, libc::AT_REMOVEDIR), (Anything, 1)]);
                vec![at.clone(), self.path_at(at, want), number(flags.into())]
            }
            "link" => { let want = self.of(&[File, File, Link, Anything]); vec![self.path(want), self.path(Nothing)] }
            "linkat" => {
                let (from, to) = (self.at(), self.at());
                let want = self.of(&[File, File, Link, Anything]);
                let flags = self.of(&[0, 0, libc::AT_SYMLINK_FOLLOW, libc::AT_EMPTY_PATH, libc::AT_EMPTY_PATH | libc::AT_SYMLINK_FOLLOW, 1]);
                let (from, old) = if flags & libc::AT_EMPTY_PATH != 0 && self.chance(60) { (self.fd(File), text("")) } else { (from.clone(), self.path_at(from, want)) };
                vec![from, old, to.clone(), self.path_at(to, Nothing), number(flags.into())]
            }
            "symlink" => vec![self.target(), self.path(Nothing)],
            "symlinkat" => { let at = self.at(); vec![self.target(), at.clone(), self.path_at(at, Nothing)] }
            "readlink" => vec![self.path(Link), self.room()],
            "readlinkat" => { let at = self.at(); vec![at.clone(), self.path_at(at, Link), self.room()] }
            "rename" => { let (old, new) = self.renamed(); vec![self.path(old), self.path(new)] }
            "renameat" | "renameat2" => {
                let (from, to) = (self.at(), self.at());
                let (mut old, mut new) = self.renamed();
                let flags = if name == "renameat" { 0 } else { self.of(&[0, 0, 1, 1, 2, 2, 2, 4, 4, 3, 5, 6, 8, -1]) };
                if flags == 2 { (old, new) = (self.of(&[Anything, Directory, File]), self.of(&[Anything, Directory, File])); }
                if flags == 1 || flags == 4 { (old, new) = (old, Nothing); }
                let mut all = vec![from.clone(), self.path_at(from, old), to.clone(), self.path_at(to, new)];
                if name == "renameat2" { all.push(number(flags)); }
                all
            }
            "chdir" | "chroot" => vec![self.path(Directory)],
            "mount" => self.mounted(),
            "umount2" => {
                use libc::{MNT_DETACH, MNT_EXPIRE, MNT_FORCE, UMOUNT_NOFOLLOW};
                let flags = [0, 0, 0, 0, MNT_DETACH, MNT_DETACH, UMOUNT_NOFOLLOW, MNT_FORCE, MNT_DETACH | MNT_EXPIRE, 64];
                let want = self.of(&[Directory, Directory, Directory, Anything]);
                vec![self.path(want), number(self.of(&flags).into())]
            }
            "fchdir" => vec![self.fd(Directory)],
            "getcwd" => vec![Value::Room(self.of(&[4096, 4096, 100, 6, 5, 1, 0]))],
            "list" => vec![self.fd(Directory), Value::Room(self.of(&[280, 1000, 32768]))],
            "getdents" | "getdents64" => vec![self.fd(Directory), Value::Room(self.of(&[0, 1, 280, 32768]))],
            "stat" | "statfs" | "statvfs" => vec![self.path(Anything)],
            "lstat" | "stamp" => { let want = self.of(&[Anything, Link]); vec![self.path(want)] }
            "newfstatat" | "statx" => {
                let (at, path, flags) = self.named(&[libc::AT_SYMLINK_NOFOLLOW, libc::AT_NO_AUTOMOUNT], true);
                if name == "statx" { vec![at, path, flags, number(self.of(&[0x7ff, 0x7ff, 0x7ff, 0xfff, 1 << 31]))] } else { vec![at, path, flags] }
            }
            "access" => vec![self.path(Anything), number(self.of(&[0, 1, 2, 4, 6, 7, 8]))],
            "faccessat" => { let at = self.at(); vec![at.clone(), self.path_at(at, Anything), number(self.of(&[0, 1, 2, 4, 7]))] }
            "faccessat2" => {
                let (at, path, flags) = self.named(&[libc::AT_SYMLINK_NOFOLLOW, libc::AT_EACCESS], true);
                vec![at, path, number(self.of(&[0, 1, 2, 4, 7, 8])), flags]
            }
            "chmod" => vec![self.path(Anything), self.mode()],
            "fchmod" => vec![self.fd(Anything), self.mode()],
            "fchmodat" => { let at = self.at(); vec![at.clone(), self.path_at(at, Anything), self.mode()] }
            "fchmodat2" => { let (at, path, flags) = self.named(&[libc::AT_SYMLINK_NOFOLLOW], true); vec![at, path, self.mode(), flags] }
            "chown" | "lchown" => vec![self.path(Anything), self.id(), self.id()],
            "fchown" => vec![self.fd(Anything), self.id(), self.id()],
            "fchownat" => { let (at, path, flags) = self.named(&[libc::AT_SYMLINK_NOFOLLOW], true); vec![at, path, self.id(), self.id(), flags] }
            "umask" => vec![number(self.of(&[0o22, 0o22, 0, 0o77, 0o777, -1, 0o1000]))],
            "utimensat" => { let (at, path, flags) = self.named(&[libc::AT_SYMLINK_NOFOLLOW], true); vec![at, path, self.times(999_999_999), flags] }
            "futimens" => vec![self.fd(Anything), self.times(999_999_999)],
            "utimes" => vec![self.path(Anything), self.times(999_999)],
            "futimesat" => { let at = self.at(); vec![at.clone(), self.path_at(at, Anything), self.times(999_999)] }
            "utime" => {
                let times = if self.chance(20) { Value::Null } else { words(&[self.seconds(), self.seconds()]) };
                vec![self.path(Anything), times]
            }
            "clock_gettime" => vec![number(self.of(&[0, 0, 5, 99, -1]))],
            "getrlimit" => vec![number(self.of(&[1, 7, 7, 16, -1]))],
            "setrlimit" => { let (resource, limit) = self.limit(); vec![resource, limit] }
            "prlimit64" => { let (resource, limit) = self.limit(); let none = self.chance(40); vec![number(0), resource, if none { Value::Null } else { limit }] }
            "setuid" | "setgid" | "setfsuid" | "setfsgid" => vec![self.id()],
            "setreuid" | "setregid" => vec![number(-1), self.id()],
            "setresuid" | "setresgid" => if self.chance(90) { vec![number(-1), self.id(), number(-1)] } else { vec![self.id(), self.id(), number(0)] },
            "setgroups" => { let groups: &[i64] = self.of(&[&[][..], &[5], &[6, 5], &[7, 5, 7, 6]]); vec![words(groups)] }
            "getgroups" => vec![number(self.of(&[0, 1, 10, 10, -1]))],
            "setxattr" | "lsetxattr" | "fsetxattr" => {
                let file = self.xattrs_of(name);
                let (attribute, value) = self.xattr();
                vec![file, attribute, value, number(self.of(&[0, 0, 0, 0, 1, 1, 2, 2, 3, 4, -1]))]
            }
            "getxattr" | "lgetxattr" | "fgetxattr" => { let (file, attribute) = self.kept_xattr(name); vec![file, attribute, self.xattr_room()] }
            "listxattr" | "llistxattr" | "flistxattr" => vec![self.xattrs_of(name), self.xattr_room()],
            "removexattr" | "lremovexattr" | "fremovexattr" => { let (file, attribute) = self.kept_xattr(name); vec![file, attribute] }
            // The rest have none: sync, sched_yield, getuid and its kin.
            _ => Vec::new(),
        }
    }

    /// What `mount(2)` is told.
    fn mounted(&mut self) -> Vec<Value> {
        use libc::{
            MS_BIND, MS_MOVE, MS_NOATIME, MS_NODEV, MS_NODIRATIME, MS_PRIVATE, MS_RDONLY, MS_REC,
            MS_RELATIME, MS_REMOUNT, MS_STRICTATIME,
        };
        let some = [
            0,
            0,
            0,
            MS_RDONLY,
            MS_NOATIME,
            MS_STRICTATIME,
            MS_NODIRATIME | MS_STRICTATIME,
            MS_RELATIME,
            MS_NODEV,
        ];
        let more = self.of(&some);
        let target = self.path(Want::Directory);
        let flags = |flags: u64| Value::Word(flags as i64);
        match self.below(20) {
            0..=6 => {
                let data = self.of(&[
                    "size=64m,nr_inodes=1k",
                    "size=64m,nr_inodes=1k,mode=777",
                    "size=128m,nr_inodes=2k,mode=2755,uid=5,gid=6",
                    "nr_blocks=32k,nr_inodes=1k,ro",
                    "size=64m,what",
                    "size=x",
                    "mode=9",
                ]);
                vec![text("x"), target, text("tmpfs"), flags(more), text(data)]
            }
            7..=12 => {
                let want = self.of(&[Want::Directory, Want::Directory, Want::File]);
                let target = if want == Want::File { self.path(want) } else { target };
                let below = if self.chance(15) { MS_REC } else { 0 };
                vec![self.path(want), target, Value::Null, flags(MS_BIND | below), Value::Null]
            }
            13..=15 => {
                let bind = self.of(&[0, MS_BIND]);
                vec![Value::Null, target, Value::Null, flags(MS_REMOUNT | bind | more), Value::Null]
            }
            16 => {
                let data = self.of(&["size=70m", "nr_inodes=1", "rw", "ro", "what"]);
                vec![Value::Null, target, Value::Null, flags(MS_REMOUNT), text(data)]
            }
            17 => {
                let source = self.path(Want::Directory);
                vec![source, target, Value::Null, flags(MS_MOVE), Value::Null]
            }
            18 => vec![Value::Null, target, Value::Null, flags(MS_PRIVATE), Value::Null],
            _ => {
                let kind = self.of(&["tmpfs", "nosuchfs", ""]);
                let target = self.path(Want::Anything);
                let data = text("size=64m,nr_inodes=1k");
                vec![Value::Null, target, text(kind), flags(more), data]
            }
        }
    }

    /// Whose extended attributes the call `name` is about.
    fn xattrs_of(&mut self, name: &str) -> Value {
        match name.as_bytes()[0] {
            b'f' => self.fd(Want::Anything),
            // Of a link, its own.
            b'l' if name != "listxattr" => {
                let want = self.of(&[Want::Link, Want::Anything]);
                self.path(want)
            }
            _ => self.path(Want::Anything),
        }
    }

    /// A file and an extended attribute, for the call `name`: mostly one that the file has.
    fn kept_xattr(&mut self, name: &str) -> (Value, Value) {
        let list = match name.as_bytes()[0] {
            b'f' => "flistxattr",
            b'l' => "llistxattr",
            _ => "listxattr",
        };
        for _ in 0..if self.chance(75) { 8 } else { 0 } {
            let file = self.xattrs_of(name);
            let listed = self.run.world().call(list, &[file.clone(), Value::Room(1 << 16)]);
            if let Some(Reply::Names(names)) = listed
                && !names.is_empty()
            {
                let at = self.below(names.len() as u64) as usize;
                return (file, text(&names[at]));
            }
        }
        (self.xattrs_of(name), self.xattr().0)
    }

    /// The name of an extended attribute, and a value for it.
    fn xattr(&mut self) -> (Value, Value) {
        let name = match self.below(20) {
            0..=9 => text(self.of(&["user.a", "user.b", "user.ab", "user.c"])),
            10..=12 => text(self.of(&["trusted.a", "trusted.b"])),
            13 | 14 => text(self.of(&["security.a", "security.b"])),
            15..=17 => return (text("security.capability"), self.capability()),
            18 => text(["user.", &"n".repeat(self.of(&[249, 250, 251, 4090, 4091]))].concat()),
            _ => match self.below(4) {
                0 => Value::Null,
                1 => self.hostile_path(),
                _ => text(self.of(&[
                    "",
                    "user",
                    "user.",
                    "trusted.",
                    "security.",
                    "system.a",
                    "system.posix_acl_access",
                    "other.a",
                ])),
            },
        };
        let len = self.of(&[0, 1, 1, 5, 5, 40, 977, 978, 979, 4000, 65_536, 65_537]);
        let len = if len > 4000 && self.chance(60) { 2 } else { len };
        (name, Value::Text(vec![b'a' + self.below(26) as u8; len]))
    }

    fn capability(&mut self) -> Value {
        let magic: &[u8; 4] = self.of(&[b"\x00\0\0\x02", b"\x01\0\0\x02", b"\x01\0\0\x03"]);
        let rest: &[u8] = self.of(&[
            b"aaaabbbbccccdddd",
            b"aaaabbbbccccdddd",
            b"aaaabbbbccccdddd\0\0\0\0",
            b"aaaabbbbccccdddd\x05\0\0\0",
            b"aaaabbbbccccdddd\xff\xff\xff\xff",
            b"aaaabbbb",
        ]);
        if self.chance(10) { text("") } else { text([magic, rest].concat()) }
    }

    fn xattr_room(&mut self) -> Value {
        Value::Room(self.of(&[0, 0, 1, 7, 15, 100, 100, 1000, 65_535, 65_536, 70_000]))
    }

    fn fd(&mut self, want: Want) -> Value {
        let kind = match want {
            Want::File => Some(S_IFREG),
            Want::Directory => Some(S_IFDIR),
            _ => None,
        };
        if self.chance(4) {
            return Value::Word(self.of(&[
                -1,
                CLOSED,
                i64::from(i32::MAX),
                -100,
                i64::MIN,
                9,
                5,
                3,
            ]));
        }
        let fitting: Vec<i64> = self
            .fds
            .iter()
            .filter(|fd| kind.is_none_or(|kind| kind == fd.1 || kind == S_IFREG && fd.1 == S_IFIFO))
            .map(|fd| fd.0)
            .collect();
        match &fitting[..] {
            [] => Value::Word(3 + self.below(6) as i64),
            _ => Value::Word(self.of(&fitting)),
        }
    }

    /// A `struct flock`: few ranges, so that they meet, and some at the ends of what there can be.
    fn lock(&mut self) -> Value {
        if self.chance(2) {
            return Value::Null;
        }
        let odd = if self.chance(10) { 3 } else { 0 };
        let kind = self.of(&[0, 1, 1, 1, 2, 2, 2, odd]);
        let whence = self.of(&[0, 0, 0, 0, 0, 1, 2, odd]);
        let start = match self.below(20) {
            0 => self.of(&[-1, i64::MIN, i64::MAX, i64::MAX - 1, -5]),
            _ => self.below(12) as i64,
        };
        let len = match self.below(20) {
            0 => self.of(&[-1, -5, i64::MIN, i64::MAX, 1 << 40]),
            1..=3 => 0,
            _ => 1 + self.below(6) as i64,
        };
        let process = if self.chance(3) { 1 } else { 0 };
        words(&[kind, whence, start, len, process])
    }

    /// Descriptors and what of them is asked for.
    fn polled(&mut self) -> Value {
        let mut all = Vec::new();
        for _ in 0..self.below(4) {
            all.push(self.fd(Want::File));
            all.push(Value::Word(self.of(&[0, 1, 4, 5, 7, 0x145, 0x140, 0x2000])));
        }
        Value::List(all)
    }

    /// A set of the descriptors below 16, some of which are open; or none.
    fn set(&mut self) -> Value {
        let mut set = 0;
        for _ in 0..self.below(4) {
            if let Value::Word(fd @ 3..16) = self.fd(Want::File) {
                set |= 1 << fd;
            }
        }
        if self.chance(30) { Value::Null } else { words(&[set]) }
    }

    /// Where a path starts.
    fn at(&mut self) -> Value {
        if self.chance(60) { Value::Word(libc::AT_FDCWD.into()) } else { self.fd(Want::Directory) }
    }

    /// A file for a call that may take an empty path, and its flags.
    fn named(&mut self, flags: &[i32], empty: bool) -> (Value, Value, Value) {
        let mut all = if self.chance(50) { self.of(flags) } else { 0 };
        if self.chance(3) {
            all |= self.of(&[1, 0x4000, -1]);
        }
        if empty && self.chance(15) {
            let flags = all | libc::AT_EMPTY_PATH;
            return (self.fd(Want::Anything), text(""), Value::Word(flags.into()));
        }
        let at = self.at();
        (at.clone(), self.path_at(at, Want::Anything), Value::Word(all.into()))
    }

    fn path(&mut self, want: Want) -> Value {
        self.path_at(Value::Word(libc::AT_FDCWD.into()), want)
    }

    fn path_at(&mut self, at: Value, want: Want) -> Value {
        if self.chance(3) {
            return self.hostile_path();
        }
        let mut path = self.plain_path();
        for _ in 0..if self.chance(85) { 10 } else { 0 } {
            if self.kind(&at, &path).is_some_and(|kind| {
                want == Want::Anything && kind != 0
                    || want == Want::Nothing && kind == 0
                    || want == Want::File && matches!(kind, S_IFREG | S_IFIFO)
                    || want == Want::Directory && kind == S_IFDIR
                    || want == Want::Link && kind == S_IFLNK
            }) {
                break;
            }
            path = self.plain_path();
        }
        match self.below(30) {
            0 => path.insert_str(0, "./"),
            1 => path.insert_str(0, &format!("/{ROW}/")),
            2 => path.insert_str(0, "../"),
            3 => path.push('/'),
            4 => path.push_str("/."),
            5 => path = path.replace('/', "//"),
            _ => {}
        }
        text(path)
    }

    fn plain_path(&mut self) -> String {
        let name = self.of(&["a", "b", "c", "d", "e", "l", "m"]);
        match self.below(20) {
            0..=8 => name.to_owned(),
            9..=15 => format!("{}/{name}", self.of(&["a", "b", "c", "l"])),
            16 => format!("{}/../{name}", self.of(&["a", "b", "c"])),
            17 => self.of(&[".", "..", "/", "a/..", "a/.", "/soak"]).to_owned(),
            _ => format!("{}/{}/{name}", self.of(&["a", "b", "l"]), self.of(&["a", "b", "c"])),
        }
    }

    /// The kind of file of a name; 0 if it could be made; none if it cannot be reached.
    fn kind(&mut self, at: &Value, path: &str) -> Option<u32> {
        let world = self.run.world();
        let flags = Value::Word(libc::AT_SYMLINK_NOFOLLOW.into());
        match world.call("newfstatat", &[at.clone(), text(path), flags.clone()]) {
            Some(Reply::Stat(stat)) => Some(stat.st_mode & S_IFMT),
            _ => {
                let parent = path.rsplit_once('/').map_or(".", |(parent, _)| parent);
                match world.call("newfstatat", &[at.clone(), text(parent), flags]) {
                    Some(Reply::Stat(stat)) if stat.st_mode & S_IFMT == S_IFDIR => Some(0),
                    _ => None,
                }
            }
        }
    }

    fn hostile_path(&mut self) -> Value {
        match self.below(10) {
            0 => Value::Null,
            1 => text(""),
            2 => text([b'n'; 255]),
            3 => text([b'n'; 256]),
            4 => text([b'/'; 4095]),
            5 => text([b'/'; 4096]),
            6 => text(b"\xff\xfe \"\\\n"),
            7 => text("a/".repeat(2047)),
            8 => text("./".repeat(60) + "a"),
            _ => text(["=", ":", " ", "a = b", "…", "}"][self.below(6) as usize]),
        }
    }

    fn target(&mut self) -> Value {
        match self.below(8) {
            0 => text("l"),
            1 => text(["t"; 4095].concat()),
            2 => text("../a"),
            _ => self.path(Want::Anything),
        }
    }

    fn renamed(&mut self) -> (Want, Want) {
        use Want::{Anything, Directory, File, Link, Nothing};
        let pairs = [
            (Anything, Nothing),
            (File, Nothing),
            (Directory, Nothing),
            (Link, Nothing),
            (File, File),
            (Directory, Directory),
            (File, Link),
            (Anything, Anything),
        ];
        self.of(&pairs)
    }

    fn opened(&mut self, at: Value) -> (Value, Value) {
        use libc::*;
        let access = self.of(&[O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_RDWR]);
        let some = [
            O_EXCL,
            O_TRUNC,
            O_APPEND,
            O_NOFOLLOW,
            O_CLOEXEC,
            O_NONBLOCK,
            O_SYNC,
            O_NOATIME,
            O_LARGEFILE,
        ];
        let more = if self.chance(35) { self.of(&some) } else { 0 };
        let (want, flags) = match self.below(20) {
            0..=6 => (Want::Nothing, access | O_CREAT | more),
            7..=11 => (Want::File, access | more & !O_EXCL),
            12..=15 => {
                (Want::Directory, O_RDONLY | self.of(&[0, O_DIRECTORY, O_NOFOLLOW, O_CLOEXEC]))
            }
            16 => (Want::Anything, O_PATH | self.of(&[0, O_NOFOLLOW, O_DIRECTORY])),
            17 => (
                Want::Directory,
                O_TMPFILE | self.of(&[O_RDWR, O_WRONLY, O_RDWR | O_EXCL, O_RDONLY]),
            ),
            18 => (Want::Link, access | self.of(&[0, O_CREAT, O_TRUNC, O_NOFOLLOW])),
            _ => (
                Want::Anything,
                access | more | self.of(&some) | self.of(&[0, O_CREAT, O_DIRECTORY, O_ACCMODE]),
            ),
        };
        (self.path_at(at, want), Value::Word(flags.into()))
    }

    fn mode(&mut self) -> Value {
        Value::Word(match self.below(10) {
            0..=5 => self.of(&[0o644, 0o755, 0o777, 0o700, 0o666, 0o1777]),
            6 | 7 => self.of(&[0o2755, 0o4711, 0o6777, 0o1755, 0o2070]),
            8 => self.below(0o10000) as i64,
            _ => self.of(&[0, 0o077, 0o100644, -1, 0o7777]),
        })
    }

    /// A mode for `mknod(2)`, with a type.
    fn typed_mode(&mut self) -> Value {
        let types = [S_IFIFO, S_IFIFO, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG, S_IFDIR, 0];
        let file_type = self.of(&types);
        match self.mode() {
            Value::Word(mode) => Value::Word(mode & 0o7777 | i64::from(file_type)),
            other => other,
        }
    }

    fn id(&mut self) -> Value {
        Value::Word(self.of(&[0, 0, 5, 6, 7, -1, i64::from(u32::MAX) - 1]))
    }

    fn offset(&mut self) -> Value {
        let edges = [
            0,
            0,
            0,
            1,
            63,
            64,
            65,
            4095,
            4096,
            4097,
            8191,
            8192,
            65_536,
            262_143,
            262_144,
            262_145,
            1 << 24,
        ];
        let hostile =
            [-1, -4096, i64::MAX, i64::MAX - 1, i64::MAX - 4095, i64::MIN, 1 << 40, 1 << 32];
        Value::Word(match self.below(20) {
            0..=9 => self.of(&edges),
            10..=18 => self.below(10_000) as i64,
            _ => self.of(&hostile),
        })
    }

    fn length(&mut self) -> Value {
        let edges = [1, 63, 64, 65, 4095, 4096, 4097, 8192, 12_288, 65_536, LONG];
        Value::Word(match self.below(20) {
            0..=9 => self.of(&edges),
            10..=18 => self.below(20_000) as i64,
            _ => self.of(&[0, -1, i64::MIN]),
        })
    }

    fn position(&mut self) -> Value {
        if self.chance(30) { Value::Word(-1) } else { self.offset() }
    }

    fn optional_offset(&mut self) -> Value {
        if self.chance(50) {
            return Value::Null;
        }
        match self.offset() {
            Value::Word(offset) => words(&[offset]),
            other => other,
        }
    }

    fn rwf(&mut self) -> Value {
        Value::Word(self.of(&[0, 0, 0, 0x10, 0x20, 0x2, 0x4, 0x30, 0x1000, -1]))
    }

    fn room(&mut self) -> Value {
        Value::Room(self.of(&[0, 1, 2, 64, 100, 4095, 4096, 4097, 10_000, 70_000]))
    }

    fn data(&mut self) -> Value {
        let byte = b'a' + self.below(26) as u8;
        if self.chance(30) {
            // Not the same in any two pages, so that it shows where it came from.
            let period: Vec<u8> = (0..11).map(|at| b'a' + (byte - b'a' + at) % 26).collect();
            return Value::Text(period.repeat(self.of(&[1, 6, 50, 372, 373, 900, 3640])));
        }
        let len = self.of(&[0, 1, 1, 10, 10, 63, 64, 65, 500, 4095, 4096, 4097, 9000, 40_000]);
        Value::Text(vec![byte; len])
    }

    fn rooms(&mut self) -> Value {
        Value::List((0..self.below(4)).map(|_| self.room()).collect())
    }

    fn datas(&mut self) -> Value {
        Value::List((0..self.below(4)).map(|_| self.data()).collect())
    }

    /// Not near any clock: what is now is told apart from what was set.
    fn seconds(&mut self) -> i64 {
        self.of(&[0, 1, -1, 77, 1_000_000_000, 1 << 33, -(1 << 31), 1 << 31, i64::MAX, i64::MIN])
    }

    fn times(&mut self, most: i64) -> Value {
        if self.chance(20) {
            return Value::Null;
        }
        let (now, omit) = (libc::UTIME_NOW, libc::UTIME_OMIT);
        let mut part = || match self.below(12) {
            0 | 1 => now,
            2 | 3 => omit,
            4 => most + 1,
            5 => -1,
            6 => most,
            _ => 5,
        };
        let (first, second) = (part(), part());
        words(&[self.seconds(), first, self.seconds(), second])
    }

    fn limit(&mut self) -> (Value, Value) {
        let (resource, soft) = self.of(&[
            (7, 6),
            (7, 12),
            (7, 1024),
            (1, 5000),
            (1, -1),
            (1, -1),
            (1, 0),
            (99, 1),
            (3, 7),
        ]);
        let hard = if resource == 7 { 1024 * 1024 } else { -1 };
        let hard = if self.chance(5) { self.of(&[0, 5]) } else { hard };
        (Value::Word(resource), words(&[soft, hard]))
    }
}
