//! [`Call`]: a call as data, [`Outcome`]: what came of it, and [`World`]: who does it.

use std::fmt;

/// A path, or any bytes that a program passes for one.
pub type Path = Vec<u8>;

/// One call, or a small program of calls where a single one cannot be compared.
#[derive(Clone, Debug)]
pub enum Call {
    Open(Path, i32, u32),
    OpenAt(i32, Path, i32, u32),
    Creat(Path, u32),
    Close(i32),
    Read(i32, usize),
    Pread(i32, usize, i64),
    Write(i32, Bytes),
    Pwrite(i32, Bytes, i64),
    Lseek(i32, i64, i32),
    Mkdir(Path, u32),
    Rmdir(Path),
    Unlink(Path),
    Rename(Path, Path),
    RenameAt2(Path, Path, u32),
    Link(Path, Path),
    Symlink(Path, Path),
    Readlink(Path, usize),
    Stat(Path),
    Lstat(Path),
    Fstat(i32),
    Getdents(i32, usize),
    Getcwd(usize),
    Chdir(Path),
    Truncate(Path, i64),
    Ftruncate(i32, i64),
    Fallocate(i32, i32, i64, i64),
    Chmod(Path, u32),
    Fchmod(i32, u32),
    Chown(Path, u32, u32),
    Lchown(Path, u32, u32),
    Fchown(i32, u32, u32),
    Umask(u32),
    /// A call by number, whose pointers may lead anywhere.
    Raw(i64, [Arg; 4]),
    /// The call, and which times of which paths it changes.
    Timed(Box<Call>, Vec<Path>),
    /// Lists what is left of a directory, by buffers of this size.
    ListRest(i32, usize),
    /// Lists a directory from its start; then again from the `d_off` of each entry.
    ListFromEach(i32),
    /// Lists by buffers of this size, and unlinks what each call listed, by the given
    /// prefix of its path, before the next.
    ListAndUnlink(i32, usize, Path),
}

/// An argument of a call by number.
#[derive(Clone, Debug)]
pub enum Arg {
    Word(i64),
    /// The address of a string that ends in NUL.
    Text(Path),
    /// The address of this many bytes, of which the next is not mapped.
    Tail(usize),
    /// The address of these bytes, the last of which is the last that is mapped.
    TextAtEnd(Path),
    /// The address of as many bytes as any call needs.
    Room,
}

/// Bytes of a file, told shortly.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())?;
        for run in self.0.chunk_by(|a, b| a == b).take(12) {
            write!(f, " {}*{:?}", run.len(), run[0] as char)?;
        }
        Ok(())
    }
}

/// What a call returned, as far as it is defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done(i64),
    Failed(Error),
    Data(Bytes),
    Stat(Stat),
    Entries(Vec<Entry>),
    Timed(Box<Outcome>, Vec<String>),
}

/// An error's number, told by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(pub i32);

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        anchorite_syscalls::Errno::from_raw(self.0).fmt(f)
    }
}

/// `struct stat`, as far as file systems agree about it.
#[derive(Clone, PartialEq, Eq)]
pub struct Stat {
    pub mode: u32,
    pub nlink: u64,
    pub uid: u32,
    pub gid: u32,
    pub size: i64,
    pub blocks: i64,
    pub block_size: i64,
    /// Compared for equality within one world only.
    pub ino: Ignored<u64>,
    /// Access, modification, change. Compared within one world only.
    pub times: Ignored<[(i64, i64); 3]>,
}

impl fmt::Debug for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Stat { mode, nlink, uid, gid, size, blocks, .. } = self;
        write!(f, "mode {mode:o} nlink {nlink} uid {uid} gid {gid} size {size} blocks {blocks}")
    }
}

/// A value that makes no difference to a comparison.
#[derive(Clone, Copy)]
pub struct Ignored<T>(pub T);

impl<T> PartialEq for Ignored<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Ignored<T> {}

impl From<libc::stat> for Stat {
    fn from(stat: libc::stat) -> Stat {
        Stat {
            mode: stat.st_mode,
            nlink: stat.st_nlink,
            uid: stat.st_uid,
            gid: stat.st_gid,
            size: stat.st_size,
            blocks: stat.st_blocks,
            block_size: stat.st_blksize,
            ino: Ignored(stat.st_ino),
            times: Ignored([
                (stat.st_atime, stat.st_atime_nsec),
                (stat.st_mtime, stat.st_mtime_nsec),
                (stat.st_ctime, stat.st_ctime_nsec),
            ]),
        }
    }
}

/// One record of a listing.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: Path,
    pub d_type: u8,
    /// `d_ino`. Compared within one world only.
    pub ino: Ignored<u64>,
    /// `d_off`. Compared within one world only.
    pub next: Ignored<i64>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name.escape_ascii(), self.d_type)
    }
}

/// Somebody who does calls.
pub trait World {
    /// Does a single call; the records of a listing come in the world's order.
    fn call(&mut self, call: &Call) -> Outcome;

    /// Lets the clock move on.
    fn wait(&self);
}

/// Does any call.
pub fn perform(world: &mut dyn World, call: &Call) -> Outcome {
    match call {
        Call::Timed(call, paths) => timed(world, call, paths),
        Call::Getdents(..) => sorted(world.call(call)),
        Call::ListRest(fd, len) => sorted(list_rest(world, *fd, *len)),
        Call::ListFromEach(fd) => list_from_each(world, *fd),
        Call::ListAndUnlink(fd, len, prefix) => list_and_unlink(world, *fd, *len, prefix),
        call => world.call(call),
    }
}

fn timed(world: &mut dyn World, call: &Call, paths: &[Path]) -> Outcome {
    let times = |world: &mut dyn World| -> Vec<Option<[(i64, i64); 3]>> {
        let stats = paths.iter().map(|path| world.call(&Call::Lstat(path.clone())));
        stats
            .map(|stat| if let Outcome::Stat(stat) = stat { Some(stat.times.0) } else { None })
            .collect()
    };
    let before = times(world);
    world.wait();
    let outcome = perform(world, call);
    let after = times(world);
    let told = before.into_iter().zip(after).map(|pair| match pair {
        (Some(before), Some(after)) => (0..3)
            .filter(|&time| before[time] != after[time])
            .map(|time| ["a", "m", "c"][time])
            .collect(),
        (None, None) => "missing".to_owned(),
        (None, Some(_)) => "made".to_owned(),
        (Some(_), None) => "removed".to_owned(),
    });
    Outcome::Timed(Box::new(outcome), told.collect())
}

fn sorted(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Entries(mut entries) => {
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Outcome::Entries(entries)
        }
        other => other,
    }
}

fn list_rest(world: &mut dyn World, fd: i32, len: usize) -> Outcome {
    let mut all = Vec::new();
    loop {
        match world.call(&Call::Getdents(fd, len)) {
            Outcome::Entries(entries) if entries.is_empty() => break,
            Outcome::Entries(entries) => all.extend(entries),
            other => return other,
        }
    }
    Outcome::Entries(all)
}

fn list_from_each(world: &mut dyn World, fd: i32) -> Outcome {
    world.call(&Call::Lseek(fd, 0, libc::SEEK_SET));
    let all = match list_rest(world, fd, 32768) {
        Outcome::Entries(all) => all,
        other => return other,
    };
    for (at, entry) in all.iter().enumerate() {
        let sought = world.call(&Call::Lseek(fd, entry.next.0, libc::SEEK_SET));
        assert_eq!(sought, Outcome::Done(entry.next.0), "a d_off can be sought");
        let rest = list_rest(world, fd, 64 + at * 8);
        assert_eq!(rest, Outcome::Entries(all[at + 1..].to_vec()), "resumed after {entry:?}");
    }
    sorted(Outcome::Entries(all))
}

fn list_and_unlink(world: &mut dyn World, fd: i32, len: usize, prefix: &[u8]) -> Outcome {
    let mut all = Vec::new();
    loop {
        let entries = match world.call(&Call::Getdents(fd, len)) {
            Outcome::Entries(entries) if entries.is_empty() => break,
            Outcome::Entries(entries) => entries,
            other => return other,
        };
        for entry in &entries {
            if !matches!(&entry.name[..], b"." | b"..") {
                let unlinked = world.call(&Call::Unlink([prefix, &entry.name].concat()));
                assert_eq!(unlinked, Outcome::Done(0), "{entry:?} was listed");
            }
        }
        all.extend(entries);
    }
    sorted(Outcome::Entries(all))
}

/// The records in a buffer that `getdents64` filled. Panics if they are malformed.
pub fn entries(mut buffer: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    while !buffer.is_empty() {
        let word = |at: usize| u64::from_ne_bytes(buffer[at..at + 8].try_into().unwrap());
        let len = usize::from(u16::from_ne_bytes([buffer[16], buffer[17]]));
        assert!(len.is_multiple_of(8) && len <= buffer.len(), "d_reclen {len}");
        let name = buffer[19..len].split(|&byte| byte == 0).next().unwrap();
        assert!(19 + name.len() < len, "a name ends in NUL");
        assert!(len < 19 + name.len() + 1 + 8, "no more padding than it takes");
        let (ino, next) = (Ignored(word(0)), Ignored(word(8) as i64));
        entries.push(Entry { name: name.to_vec(), d_type: buffer[18], ino, next });
        buffer = &buffer[len..];
    }
    entries
}
