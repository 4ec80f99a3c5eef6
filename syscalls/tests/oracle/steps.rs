//! [`Step`]: a row's calls as they are written down, and [`check`], which compares the
//! worlds.

use std::collections::HashMap;

pub use libc::{
    AT_FDCWD, EBADF, EBUSY, EEXIST, EFBIG, EINVAL, EISDIR, ELOOP, EMFILE, ENAMETOOLONG, ENOENT,
    ENOTDIR, ENOTEMPTY, EPERM, ERANGE, O_ACCMODE, O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL,
    O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_TMPFILE, O_TRUNC, O_WRONLY, SEEK_CUR, SEEK_END,
    SEEK_SET,
};

pub use crate::calls::{Arg, Outcome};
use crate::calls::{Bytes, Call, Error, World, perform};
use crate::worlds::{by_method, by_number, on_linux};

/// A call of a row, and what is known about its outcome beforehand.
#[derive(Clone, Debug)]
pub struct Step {
    pub call: Call,
    expected: Option<Outcome>,
    /// Linux' outcome, where ours differs on purpose.
    on_linux: Option<Outcome>,
}

impl Step {
    /// Any call, of whose outcome nothing is known beforehand.
    pub fn plain(call: Call) -> Step {
        Step { call, expected: None, on_linux: None }
    }

    /// The call fails so.
    pub fn fails(self, errno: i32) -> Step {
        Step { expected: Some(Outcome::Failed(Error(errno))), ..self }
    }

    /// This comes of the call.
    pub fn is(self, outcome: Outcome) -> Step {
        Step { expected: Some(outcome), ..self }
    }

    /// The call returns this.
    pub fn gives(self, value: i64) -> Step {
        Step { expected: Some(Outcome::Done(value)), ..self }
    }

    /// The call fills its buffer with this.
    pub fn tells(self, bytes: &[u8]) -> Step {
        Step { expected: Some(Outcome::Data(Bytes(bytes.to_vec()))), ..self }
    }

    /// The call succeeds, and changes the times of each path so: of `amc` those letters.
    pub fn touches(self, paths: &[(&str, &str)]) -> Step {
        let names = paths.iter().map(|(path, _)| path.as_bytes().to_vec()).collect();
        let changes = paths.iter().map(|(_, change)| change.to_string()).collect();
        let outcome = self.expected.unwrap_or(Outcome::Done(0));
        Step {
            call: Call::Timed(Box::new(self.call), names),
            expected: Some(Outcome::Timed(Box::new(outcome), changes)),
            on_linux: None,
        }
    }

    /// What Linux answers to the same, where ours differs on purpose: see
    /// `host_fs_sim::deviations`.
    pub fn unlike_linux(self, linux: Outcome) -> Step {
        Step { on_linux: Some(linux), ..self }
    }
}

/// Runs a row in every world there is; panics where they differ, with `name` and the
/// step. At the end the trees must be the same too.
pub fn check(name: &str, steps: &[Step]) {
    let calls: Vec<Call> = steps.iter().map(|step| step.call.clone()).collect();
    let linux = on_linux(|world| run(world, &calls));
    let mut ours = vec![("by number", run(&mut by_number(), &calls))];
    if !calls.iter().any(|call| matches!(call, Call::Raw(..))) {
        ours.push(("by method", run(&mut by_method(), &calls)));
    }
    for (way, (outcomes, tree)) in &ours {
        for (at, (step, outcome)) in steps.iter().zip(outcomes).enumerate() {
            let story = || format!("{name}, step {at}: {:?}, {way}", step.call);
            if let Some(expected) = &step.expected {
                assert_eq!(outcome, expected, "ours (left), the row (right): {}", story());
            }
            if let Some((linux, _)) = &linux {
                let linux = &linux[at];
                match &step.on_linux {
                    Some(known) => assert_eq!(linux, known, "Linux (left): {}", story()),
                    None => assert_eq!(outcome, linux, "ours (left), Linux: {}", story()),
                }
            }
        }
        if let Some((_, linux)) = &linux {
            assert_eq!(tree, linux, "trees afterwards, ours (left), Linux: {name}, {way}");
        }
    }
}

/// The outcomes of `calls`, and the tree afterwards.
pub fn run(world: &mut dyn World, calls: &[Call]) -> (Vec<Outcome>, Vec<String>) {
    let outcomes = calls.iter().map(|call| perform(world, call)).collect();
    (outcomes, tree(world))
}

/// All files, told one a line: path, attributes, content. Closes all descriptors.
fn tree(world: &mut dyn World) -> Vec<String> {
    let mut closed = 0;
    let misses = |fd: i32| fd < 64;
    for fd in 3..1024 {
        match world.call(&Call::Close(fd)) {
            Outcome::Done(_) => closed += 1,
            _ if misses(fd) || closed > 60 => {}
            _ => break,
        }
    }
    world.call(&Call::Chdir(b"/".to_vec()));
    let mut lines = Vec::new();
    visit(world, b"/", &mut HashMap::new(), &mut lines);
    lines
}

fn visit(
    world: &mut dyn World,
    path: &[u8],
    known: &mut HashMap<u64, usize>,
    lines: &mut Vec<String>,
) {
    let Outcome::Stat(stat) = world.call(&Call::Lstat(path.to_vec())) else {
        panic!("{} is listed", path.escape_ascii());
    };
    let number = known.len();
    let number = *known.entry(stat.ino.0).or_insert(number);
    let mut line = format!("{} #{number} {stat:?}", path.escape_ascii());
    let format = stat.mode & libc::S_IFMT;
    if format == libc::S_IFLNK {
        line += &format!(" -> {:?}", world.call(&Call::Readlink(path.to_vec(), 4096)));
    }
    let fd = match world.call(&Call::Open(path.to_vec(), O_NOFOLLOW, 0)) {
        Outcome::Done(fd) => fd as i32,
        _ => -1,
    };
    if format == libc::S_IFREG {
        let piece = 1 << 16;
        for at in [0, piece, 2 * piece, 3 * piece, (stat.size - piece).max(0)] {
            if at == 0 || at < stat.size {
                line += &format!(" {:?}", world.call(&Call::Pread(fd, piece as usize, at)));
            }
        }
    }
    lines.push(line);
    if format == libc::S_IFDIR && path.len() < 3800 {
        let listing = perform(world, &Call::ListRest(fd, 32768));
        world.call(&Call::Close(fd));
        let Outcome::Entries(entries) = listing else { panic!("{listing:?}") };
        for entry in entries {
            let slash: &[u8] = if path == b"/" { b"" } else { b"/" };
            let child = [path, slash, &entry.name].concat();
            if !matches!(&entry.name[..], b"." | b"..") {
                visit(world, &child, known, lines);
            }
            let Outcome::Stat(stat) = world.call(&Call::Lstat(child)) else { continue };
            assert_eq!(entry.ino.0, stat.ino.0, "d_ino of {entry:?}");
        }
    }
    world.call(&Call::Close(fd));
}

macro_rules! constructors {
    ($($name:ident($($argument:ident: $kind:ty),*) = $call:expr;)*) => {
        $(#[allow(dead_code)] pub fn $name($($argument: $kind),*) -> Step { Step::plain($call) })*
    };
}

type P<'a> = &'a str;

constructors! {
    open(path: P, flags: i32) = Call::Open(path.into(), flags, 0o644);
    open_mode(path: P, flags: i32, mode: u32) = Call::Open(path.into(), flags, mode);
    openat(at: i32, path: P, flags: i32) = Call::OpenAt(at, path.into(), flags, 0o644);
    creat(path: P) = Call::Creat(path.into(), 0o644);
    creat_mode(path: P, mode: u32) = Call::Creat(path.into(), mode);
    close(fd: i32) = Call::Close(fd);
    read(fd: i32, len: usize) = Call::Read(fd, len);
    pread(fd: i32, len: usize, at: i64) = Call::Pread(fd, len, at);
    write(fd: i32, bytes: impl AsRef<[u8]>) = Call::Write(fd, Bytes(bytes.as_ref().to_vec()));
    pwrite(fd: i32, bytes: impl AsRef<[u8]>, at: i64) = Call::Pwrite(fd, Bytes(bytes.as_ref().to_vec()), at);
    lseek(fd: i32, offset: i64, whence: i32) = Call::Lseek(fd, offset, whence);
    mkdir(path: P) = Call::Mkdir(path.into(), 0o755);
    mkdir_mode(path: P, mode: u32) = Call::Mkdir(path.into(), mode);
    rmdir(path: P) = Call::Rmdir(path.into());
    unlink(path: P) = Call::Unlink(path.into());
    rename(old: P, new: P) = Call::Rename(old.into(), new.into());
    rename_at2(old: P, new: P, flags: u32) = Call::RenameAt2(old.into(), new.into(), flags);
    link(old: P, new: P) = Call::Link(old.into(), new.into());
    symlink(target: P, path: P) = Call::Symlink(target.into(), path.into());
    readlink(path: P, len: usize) = Call::Readlink(path.into(), len);
    stat(path: P) = Call::Stat(path.into());
    lstat(path: P) = Call::Lstat(path.into());
    fstat(fd: i32) = Call::Fstat(fd);
    getdents(fd: i32, len: usize) = Call::Getdents(fd, len);
    getcwd(len: usize) = Call::Getcwd(len);
    chdir(path: P) = Call::Chdir(path.into());
    truncate(path: P, len: i64) = Call::Truncate(path.into(), len);
    ftruncate(fd: i32, len: i64) = Call::Ftruncate(fd, len);
    chmod(path: P, mode: u32) = Call::Chmod(path.into(), mode);
    fallocate(fd: i32, mode: i32, at: i64, len: i64) = Call::Fallocate(fd, mode, at, len);
    fchmod(fd: i32, mode: u32) = Call::Fchmod(fd, mode);
    chown(path: P, uid: u32, gid: u32) = Call::Chown(path.into(), uid, gid);
    lchown(path: P, uid: u32, gid: u32) = Call::Lchown(path.into(), uid, gid);
    fchown(fd: i32, uid: u32, gid: u32) = Call::Fchown(fd, uid, gid);
    umask(mask: u32) = Call::Umask(mask);
    raw(number: i64, arguments: [Arg; 4]) = Call::Raw(number, arguments);
    list_rest(fd: i32, len: usize) = Call::ListRest(fd, len);
    list_from_each(fd: i32) = Call::ListFromEach(fd);
    list_and_unlink(fd: i32, len: usize, prefix: P) =
        Call::ListAndUnlink(fd, len, prefix.into());
}

/// Rows of a table, each a test of its own, named by the behaviour.
macro_rules! rows {
    ($($(#[doc = $doc:literal])* $name:ident: [$($step:expr),* $(,)?];)*) => {
        /// How many rows the table has.
        pub const ROWS: usize = [$(stringify!($name)),*].len();
        $($(#[doc = $doc])* #[test] fn $name() {
            $crate::steps::check(stringify!($name), &[$($step),*]);
        })*
    };
}
pub(crate) use rows;
