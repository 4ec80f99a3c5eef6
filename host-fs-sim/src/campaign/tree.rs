//! A world's whole tree, told; and removed.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hasher};

use anchorite_programs::posix::script::{Reply, Value, World};
use libc::{O_DIRECTORY, O_NOFOLLOW, O_RDONLY, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG};

use super::path;

/// How much of a file is read from its start, and from its end.
const PIECE: usize = 1 << 16;
/// Paths as long as this are not followed further.
const DEEP: usize = 3800;

/// All files, told one a line: path, attributes, content. Times before `start`, in seconds,
/// are told exactly.
pub(super) fn tree(world: &mut dyn World, start: i64) -> Vec<String> {
    let mut visit = Visit { world, start, inodes: HashMap::new(), lines: Vec::new() };
    visit.file(b"/");
    visit.lines
}

struct Visit<'a> {
    world: &'a mut dyn World,
    start: i64,
    inodes: HashMap<u64, usize>,
    lines: Vec<String>,
}

impl Visit<'_> {
    fn file(&mut self, name: &[u8]) {
        let reply = self.world.call("lstat", &path(name));
        let told = name.escape_ascii();
        let Some(Reply::Stat(stat)) = &reply else {
            self.lines.push(format!("{told}: {reply:?}"));
            return;
        };
        let number = self.inodes.len();
        let number = *self.inodes.entry(stat.st_ino).or_insert(number);
        // Nothing sets a time to one that follows the start closely.
        let class = |seconds: i64, nanoseconds: i64| match seconds.saturating_sub(self.start) {
            -1..=100_000 => "now".to_owned(),
            _ => format!("{seconds}.{nanoseconds:09}"),
        };
        let mut line = format!(
            "{told} #{number}: {} times {} {} {}",
            Reply::Stat(*stat),
            class(stat.st_atime, stat.st_atime_nsec),
            class(stat.st_mtime, stat.st_mtime_nsec),
            class(stat.st_ctime, stat.st_ctime_nsec)
        );
        let (kind, size) = (stat.st_mode & S_IFMT, stat.st_size);
        line += &self.xattrs(name);
        if kind == S_IFLNK {
            let target = self.world.call("readlink", &[path(name)[0].clone(), Value::Room(4096)]);
            let _ = write!(line, " to {}", outcome(target));
        }
        if kind == S_IFREG {
            let fd = open(self.world, name, O_NOFOLLOW);
            for at in [0, size - PIECE as i64] {
                if at >= 0 {
                    let arguments = [Value::Word(fd), Value::Room(PIECE), Value::Word(at)];
                    let content = self.world.call("pread64", &arguments);
                    if let Some(Reply::Data(bytes)) = &content {
                        line += &sum(bytes);
                    }
                    let _ = write!(line, " {}", outcome(content));
                }
            }
            self.world.call("close", &[Value::Word(fd)]);
        }
        self.lines.push(line);
        if kind == S_IFDIR && name.len() < DEEP {
            match list(self.world, name) {
                Ok(names) => names.iter().for_each(|child| self.file(&join(name, child))),
                Err(what) => self.lines.push(what),
            }
        }
    }
}

impl Visit<'_> {
    /// The extended attributes of a file, told.
    fn xattrs(&mut self, file: &[u8]) -> String {
        let [file] = path(file);
        let listed = self.world.call("llistxattr", &[file.clone(), Value::Room(1 << 16)]);
        let Some(Reply::Names(names)) = listed else { return format!(" xattrs {listed:?}") };
        let mut told = String::new();
        for name in names {
            let _ = write!(told, " {}:", name.escape_ascii());
            let arguments = [file.clone(), Value::Text(name), Value::Room(1 << 16)];
            let value = self.world.call("lgetxattr", &arguments);
            if let Some(Reply::Data(bytes)) = &value {
                told += &sum(bytes);
            }
            let _ = write!(told, " {}", outcome(value));
        }
        told
    }
}

/// Stands for all of `bytes`: rows tell but their beginning.
pub(super) fn sum(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!(" sum {:x}", hasher.finish())
}

fn outcome(reply: Option<Reply>) -> String {
    reply.map_or_else(|| "no such call".to_owned(), |reply| reply.to_string())
}

fn open(world: &mut dyn World, name: &[u8], flags: i32) -> i64 {
    let [name] = path(name);
    let arguments = [name, Value::Word((O_RDONLY | flags).into()), Value::Word(0)];
    match world.call("open", &arguments) {
        Some(Reply::Done(fd)) => fd,
        _ => -1,
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if directory == b"/" { b"" } else { b"/" };
    [directory, slash, name].concat()
}

/// The names in a directory, sorted.
fn list(world: &mut dyn World, directory: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let fd = Value::Word(open(world, directory, O_DIRECTORY));
    let mut names = Vec::new();
    let listed = loop {
        match world.call("getdents64", &[fd.clone(), Value::Room(1 << 15)]) {
            Some(Reply::Entries(entries)) if entries.is_empty() => break Ok(()),
            Some(Reply::Entries(entries)) => names.extend(entries.into_iter().map(|entry| entry.0)),
            other => {
                break Err(format!(
                    "{} cannot be listed: {}",
                    directory.escape_ascii(),
                    outcome(other)
                ));
            }
        }
    };
    world.call("close", &[fd]);
    names.retain(|name| name != b"." && name != b"..");
    names.sort();
    listed.map(|()| names)
}

/// Closes all descriptors, goes to the root, and removes all that is there, and its extended
/// attributes.
///
/// # Errors
/// What is in the way.
pub(super) fn remove_all(world: &mut dyn World) -> Result<(), String> {
    world.call("close_range", &[3, u32::MAX.into(), 0].map(Value::Word));
    world.call("chdir", &path(b"/"));
    let [root] = path(b"/");
    let listed = world.call("listxattr", &[root.clone(), Value::Room(1 << 16)]);
    let Some(Reply::Names(names)) = listed else {
        return Err(format!("the root's extended attributes cannot be listed: {listed:?}"));
    };
    for name in names {
        world.call("removexattr", &[root.clone(), Value::Text(name)]);
    }
    remove_inside(world, b"/")
}

fn remove_inside(world: &mut dyn World, directory: &[u8]) -> Result<(), String> {
    for name in list(world, directory)? {
        let name = join(directory, &name);
        let mut removed = world.call("unlink", &path(&name));
        if matches!(removed, Some(Reply::Failed(anchorite_syscalls::Errno::EISDIR))) {
            remove_inside(world, &name)?;
            removed = world.call("rmdir", &path(&name));
        }
        if !matches!(removed, Some(Reply::Done(0))) {
            return Err(format!("{} cannot be removed: {}", name.escape_ascii(), outcome(removed)));
        }
    }
    Ok(())
}
