//! `paths`: what paths name, against a second walk that takes them component by component,
//! each with a call of its own; and what calls on names promise, looked at from the
//! directories that held the names.

use anchorite_syscalls::{Errno, Result, System};
use arbitrary::Arbitrary;

use crate::ground::{Tight, Way, check_limits, end, system};
use crate::path::Path;

/// Steps of one input, at most.
const MOST_STEPS: usize = 40;
/// Symbolic links that one path leads through, at most: `path_resolution(7)`.
const LINKS_MAX: usize = 40;
/// Bytes in the longest path, with its NUL.
const PATH_MAX: usize = 4096;

/// A process's life.
#[derive(Arbitrary, Debug)]
pub struct Input {
    limits: Tight,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Clone, Debug)]
enum Step {
    Mkdir(Path),
    Create(Path),
    Open(Path),
    Symlink(Path, Path),
    Link(Path, Path),
    Rename(Path, Path),
    Exchange(Path, Path),
    Unlink(Path),
    Rmdir(Path),
    Chdir(Path),
}

/// Does the steps of an input.
pub fn run(input: Input) {
    let system = system(Vec::new(), Vec::new(), input.limits.into());
    for step in input.steps.iter().take(MOST_STEPS) {
        step.run(&system);
        check_limits(&system);
    }
    end(&system, Way::Open);
}

impl Step {
    fn run(&self, system: &System) {
        let (path, other) = match self {
            Step::Mkdir(path)
            | Step::Create(path)
            | Step::Open(path)
            | Step::Unlink(path)
            | Step::Rmdir(path)
            | Step::Chdir(path) => (path, None),
            Step::Symlink(target, path) => (path, Some(target)),
            Step::Link(old, new) | Step::Rename(old, new) | Step::Exchange(old, new) => {
                (old, Some(new))
            }
        };
        let (path, other) = (&path.0[..], other.map_or(&path.0[..], |other| &other.0));
        for path in [path, other] {
            check_walk(system, path);
        }
        // Looked at again from the same directories, wherever the paths lead by then.
        let names = [Name::of(system, path), Name::of(system, other)];
        let [before, other_before] = names.each_ref().map(Name::look);
        let done = self.call(system, path, other);
        let [after, other_after] = names.each_ref().map(Name::look);
        let told = || format!("{self:?}: {done:?}, {before:?}, {after:?}, {other_after:?}");
        if done.is_err() {
            // An inode that is found by the other name lost or got no link either.
            assert_eq!((&before, &other_before), (&after, &other_after), "{}", told());
            return;
        }
        let missing = Err(Errno::ENOENT);
        match self {
            Step::Mkdir(_) | Step::Create(_) | Step::Symlink(..) => {
                let kind = match self {
                    Step::Mkdir(_) => libc::S_IFDIR,
                    Step::Create(_) => libc::S_IFREG,
                    _ => libc::S_IFLNK,
                };
                assert_eq!(before, missing, "{}", told());
                assert!(after.is_ok_and(|file| file.kind == kind), "{}", told());
            }
            Step::Open(_) => {
                let fd = done.map(|fd| Fd { system, fd });
                let opened = fd.and_then(|fd| File::of(system.fstat(fd.fd)));
                assert_eq!(opened, walk(system, path, true), "{}", told());
            }
            Step::Link(..) => {
                let linked = before.map(|file| File { links: file.links + 1, ..file });
                assert_eq!(other_before, missing, "{}", told());
                assert_eq!((&after, &other_after), (&linked, &linked), "{}", told());
            }
            Step::Rename(..) if same(&before, &other_before) => {
                assert_eq!((before, other_before), (after, other_after));
            }
            Step::Rename(..) => {
                assert_eq!(after, missing, "{}", told());
                assert!(same(&before, &other_after), "{}", told());
            }
            Step::Exchange(..) => {
                assert!(same(&before, &other_after) && same(&other_before, &after), "{}", told());
            }
            Step::Unlink(_) | Step::Rmdir(_) => {
                let directory = matches!(self, Step::Rmdir(_));
                let kind = before.map(|file| file.kind == libc::S_IFDIR);
                assert_eq!((kind, after), (Ok(directory), missing), "{self:?}");
            }
            Step::Chdir(_) => check_working_directory(system),
        }
    }

    /// The call; the descriptor that it answers, if any.
    fn call(&self, system: &System, path: &[u8], other: &[u8]) -> Result<i32> {
        const EXCHANGE: u32 = libc::RENAME_EXCHANGE;
        let at = libc::AT_FDCWD;
        match self {
            Step::Mkdir(_) => system.mkdir(path, 0o755),
            Step::Create(_) => {
                let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
                system.open(path, flags, 0o644).map(|fd| drop(Fd { system, fd }))
            }
            Step::Open(_) => return system.open(path, libc::O_CREAT | libc::O_WRONLY, 0o644),
            Step::Symlink(..) => system.symlink(other, path).map(|()| {
                let mut target = [0; PATH_MAX];
                let len = system.readlink(path, &mut target);
                // By its own path the link is not found where its name is now the path's.
                if let Ok(len) = len {
                    assert_eq!(&target[..len], other, "{self:?}");
                }
            }),
            Step::Link(..) => system.link(path, other),
            Step::Rename(..) => system.rename(path, other),
            Step::Exchange(..) => system.renameat2(at, path, at, other, EXCHANGE),
            Step::Unlink(_) => system.unlink(path),
            Step::Rmdir(_) => system.rmdir(path),
            Step::Chdir(_) => {
                let there = walk(system, path, true);
                system.chdir(path).map(|()| {
                    assert_eq!(File::of(system.stat(b".")), there, "{self:?}");
                })
            }
        }
        .map(|()| -1)
    }
}

/// What is compared of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct File {
    device: u64,
    ino: u64,
    kind: u32,
    links: u64,
    size: i64,
}

impl File {
    fn of(stat: Result<libc::stat>) -> Result<File> {
        stat.map(|stat| File {
            device: stat.st_dev,
            ino: stat.st_ino,
            kind: stat.st_mode & libc::S_IFMT,
            links: stat.st_nlink,
            size: stat.st_size,
        })
    }
}

/// Whether both are there, and one.
fn same(a: &Result<File>, b: &Result<File>) -> bool {
    matches!((a, b), (Ok(a), Ok(b)) if (a.device, a.ino) == (b.device, b.ino))
}

/// A descriptor that closes itself.
struct Fd<'a> {
    system: &'a System,
    fd: i32,
}

impl<'a> Fd<'a> {
    /// What `name` names in `directory`; of a symbolic link, the link.
    fn open(system: &'a System, directory: i32, name: &[u8]) -> Result<Fd<'a>> {
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
        system.openat(directory, name, flags, 0).map(|fd| Fd { system, fd })
    }

    fn look(&self) -> File {
        File::of(self.system.fstat(self.fd)).expect("a descriptor has a file")
    }
}

impl Drop for Fd<'_> {
    fn drop(&mut self) {
        self.system.close(self.fd).expect("a descriptor can be closed");
    }
}

/// A name in the directory that a path led to.
struct Name<'a> {
    directory: Result<Fd<'a>>,
    name: Vec<u8>,
}

impl<'a> Name<'a> {
    /// The last component of `path`, its directory reached by the second walk.
    fn of(system: &'a System, path: &[u8]) -> Name<'a> {
        let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
        let start = path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let directory = match &path[..start] {
            b"" => Fd::open(system, libc::AT_FDCWD, b"."),
            directory => steps(system, directory, true),
        };
        Name { directory, name: path[start..end].to_vec() }
    }

    /// What is there now; of a symbolic link, the link.
    fn look(&self) -> Result<File> {
        let directory = self.directory.as_ref().map_err(|errno| *errno)?;
        Fd::open(directory.system, directory.fd, &self.name).map(|fd| fd.look())
    }
}

/// The second walk, for who only looks.
fn walk(system: &System, path: &[u8], follow: bool) -> Result<File> {
    steps(system, path, follow).map(|fd| fd.look())
}

/// The second walk: `path_resolution(7)`, a call for each component.
fn steps<'a>(system: &'a System, path: &[u8], follow: bool) -> Result<Fd<'a>> {
    match path {
        b"" => return Err(Errno::ENOENT),
        _ if path.len() >= PATH_MAX => return Err(Errno::ENAMETOOLONG),
        _ if path.contains(&0) => return Err(Errno::EINVAL),
        _ => {}
    }
    let start = |path: &[u8]| match path.first() {
        Some(b'/') => Fd::open(system, libc::AT_FDCWD, b"/"),
        _ => Fd::open(system, libc::AT_FDCWD, b"."),
    };
    let mut directory = start(path)?;
    let mut rest = path.to_vec();
    let mut links = 0;
    loop {
        let slashes = rest.iter().take_while(|byte| **byte == b'/').count();
        rest.drain(..slashes);
        let len = rest.iter().take_while(|byte| **byte != b'/').count();
        let name: Vec<u8> = rest.drain(..len).collect();
        if name.is_empty() {
            return Ok(directory);
        }
        let found = Fd::open(system, directory.fd, &name)?;
        match found.look().kind {
            libc::S_IFDIR => directory = found,
            libc::S_IFLNK if follow || !rest.is_empty() => {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::ELOOP);
                }
                let mut target = [0; PATH_MAX];
                let len = system.readlinkat(directory.fd, &name, &mut target)?;
                if target[0] == b'/' {
                    directory = start(&target)?;
                }
                rest.splice(..0, target[..len].iter().copied());
            }
            _ if rest.is_empty() => return Ok(found),
            _ => return Err(Errno::ENOTDIR),
        }
    }
}

/// All that looks at a path sees the same file, or says the same.
fn check_walk(system: &System, path: &[u8]) {
    let told = || path.escape_ascii().to_string();
    let [followed, stayed] = [true, false].map(|follow| walk(system, path, follow));
    assert_eq!(File::of(system.stat(path)), followed, "stat {}", told());
    assert_eq!(File::of(system.lstat(path)), stayed, "lstat {}", told());
    let access = system.access(path, libc::F_OK as u32);
    assert_eq!(access, followed.map(|_| ()), "access {}", told());
    for (flags, expected) in [(0, followed), (libc::O_NOFOLLOW, stayed)] {
        let fd = system.open(path, libc::O_PATH | flags, 0).map(|fd| Fd { system, fd });
        assert_eq!(fd.map(|fd| fd.look()), expected, "open {flags:#o} {}", told());
    }
    let mut target = [0; PATH_MAX];
    let expected = stayed.and_then(|file| match file.kind {
        libc::S_IFLNK => Ok(file.size as usize),
        _ => Err(Errno::EINVAL),
    });
    assert_eq!(system.readlink(path, &mut target), expected, "readlink {}", told());
}

/// The path of the working directory names it, if it has one.
fn check_working_directory(system: &System) {
    let mut path = [0; PATH_MAX];
    match system.getcwd(&mut path) {
        Ok(len) => {
            let path = &path[..len - 1];
            assert_eq!(File::of(system.stat(path)), File::of(system.stat(b".")));
        }
        Err(Errno::ENOENT) => {
            // It was removed, and so nothing can be in it.
            assert_eq!(system.mkdir(b"x", 0o755), Err(Errno::ENOENT));
        }
        Err(errno) => panic!("getcwd says {errno:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A walk that followed one link too many went unseen: no input had a path through so
    /// many links that do not lead in circles.
    #[test]
    fn both_walks_follow_forty_links() {
        let limits = anchorite_syscalls::Limits { size_bytes: 0, inodes: 2 };
        let system = system(Vec::new(), Vec::new(), limits);
        system.symlink(b".", b"a").unwrap();
        for links in [39, 40, 41] {
            let path = b"a/".repeat(links);
            check_walk(&system, &path);
            let found = walk(&system, &path, true).map(|file| file.kind);
            let expected = if links > 40 { Err(Errno::ELOOP) } else { Ok(libc::S_IFDIR) };
            assert_eq!(found, expected, "{links} links");
        }
    }
}
