//! `ls [-1adlR] [FILE]...`: what is in directories, and, with `-l`, what there is to know about
//! files, as GNU's `ls` writes it where its output is no terminal: names as they are, one a line,
//! in byte order. Lines of `-l` are those of
//!
//! ```text
//! TZ=UTC ls -ln --time-style=+%Y-%m-%dT%H:%M:%SZ
//! ```
//!
//! but a time that is not within the years -9999 to 9999 is the number of its second.
//!
//! What goes between being listed and being looked at is left out, such as the descriptor
//! by which `/proc/self/fd` was listed; GNU's `ls` complains.
//!
//! The status is 2 if a FILE cannot be looked at or listed, 1 if something below it cannot.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use anchorite_syscalls::api::{Dir, FileType, Metadata, Timestamp, metadata, symlink_metadata};
use anchorite_syscalls::{Errno, System};
use time::OffsetDateTime;

use crate::io::{Failure, Output, ToDo, complain, options, run_to_status};
use crate::tree_walk::{Listed, Walk, joined};
use crate::{Context, Program};

/// See the module.
pub const LS: Program = Program {
    name: "ls",
    summary: "[-1adlR] [FILE]...: lists directories; -l: with modes, owners, sizes and times",
    main: |context| run_to_status(context, ls),
};

const USAGE: &str = "ls [-1adlR] [FILE]..., -a: hidden names too, -d: directories like files, \
                     -l: all about each, -R: all below";
/// Status if something cannot be listed that was asked for by name.
const SERIOUS: i32 = 2;
/// Status if something cannot be listed that was met.
const MINOR: i32 = 1;

fn ls(context: &Context<'_>) -> Result<i32, Failure> {
    let (letters, mut operands) = options(context, b"1adlR", USAGE)?;
    let has = |letter| letters.contains(&letter);
    if operands.is_empty() {
        operands.push(b".");
    }
    operands.sort_unstable();
    let mut ls = Ls {
        context,
        out: Output::new(context)?,
        long: has(b'l'),
        all: has(b'a'),
        recursive: has(b'R') && !has(b'd'),
        titles: operands.len() > 1 || has(b'R'),
        sections: 0,
        status: 0,
    };
    let (mut files, mut directories) = (Vec::new(), Vec::new());
    for path in operands {
        match ls.is_listed(path) {
            Ok(true) if !has(b'd') => directories.push(path),
            Ok(_) => files.push(path),
            Err(errno) => ls.complain(SERIOUS, "access", path, errno),
        }
    }
    if !files.is_empty() {
        // Paths from the working directory are names in it, whatever else they are.
        let here = Dir::open(context.sys, ".").to_do("open the working directory")?;
        ls.lines(&here, b"", &files)?;
        ls.sections += 1;
    }
    for path in directories {
        ls.directory(path)?;
    }
    ls.out.end()?;
    Ok(ls.status)
}

struct Ls<'a> {
    context: &'a Context<'a>,
    out: Output<'a>,
    long: bool,
    all: bool,
    recursive: bool,
    /// Whether each directory's path is told before what is in it.
    titles: bool,
    /// How much was listed, parted by empty lines.
    sections: u64,
    status: i32,
}

impl Ls<'_> {
    /// Whether what is in `path` is to be listed, and not itself: of a symbolic link, only
    /// without `-l`.
    fn is_listed(&self, path: &[u8]) -> Result<bool, Errno> {
        let sys: &System = self.context.sys;
        let found = symlink_metadata(sys, path)?;
        if found.is_symlink() && !self.long {
            return Ok(metadata(sys, path).is_ok_and(|target| target.is_dir()));
        }
        Ok(found.is_dir())
    }

    /// Lists the directory at `path`, and with `-R` all below it.
    fn directory(&mut self, path: &[u8]) -> Result<(), Failure> {
        let walk = Dir::open(self.context.sys, path).and_then(|dir| Walk::new(dir, path));
        let (mut walk, listed) = match walk {
            Ok(opened) => opened,
            Err(errno) => {
                self.complain(SERIOUS, "open directory", path, errno);
                return Ok(());
            }
        };
        self.section(&mut walk, &listed)?;
        loop {
            let Some(name) = walk.next_step() else {
                match walk.leave() {
                    Ok(true) => continue,
                    Ok(false) => return Ok(()),
                    Err(errno) => {
                        self.complain(MINOR, "leave directory", walk.path(), errno);
                        return Ok(());
                    }
                }
            };
            match walk.enter(&name) {
                Ok(listed) => self.section(&mut walk, &listed)?,
                Err(Errno::ENOENT) => {} // it went since it was listed
                Err(errno) => {
                    let path = walk.path_of(&name).to_do("name a directory")?;
                    self.complain(MINOR, "open directory", &path, errno);
                }
            }
        }
    }

    /// Lists the directory that `walk` entered, whose directories become its steps.
    fn section(&mut self, walk: &mut Walk<'_>, listed: &[Listed]) -> Result<(), Failure> {
        if self.sections > 0 {
            self.out.bytes(b"\n")?;
        }
        self.sections += 1;
        if self.titles {
            self.out.bytes(walk.path())?;
            self.out.bytes(b":\n")?;
        }
        let own: &[&[u8]] = if self.all { &[b".", b".."] } else { &[] };
        let shown = |listed: &&Listed| self.all || !listed.name.starts_with(b".");
        let shown = || listed.iter().filter(shown);
        let mut names = Vec::new();
        let room = names.try_reserve_exact(own.len() + listed.len());
        room.map_err(|_| Errno::ENOMEM).to_do("sort a directory")?;
        names.extend(own);
        names.extend(shown().map(|listed| &*listed.name));
        // Some names are less than `.`.
        names.sort_unstable();
        if self.recursive {
            for listed in shown().rev() {
                if is_directory(walk.dir(), listed) {
                    let step = joined(&[&listed.name]);
                    let step = step.and_then(|step| walk.add_step(step.into()));
                    step.to_do("remember a directory")?;
                }
            }
        }
        if self.long {
            let blocks: u64 = names.iter().map(|name| blocks(walk.dir(), name)).sum();
            writeln!(self.out, "total {}", blocks.div_ceil(2))?;
        }
        self.lines(walk.dir(), walk.path(), &names)
    }

    /// The lines of these names in `dir`, whose path is `path`.
    fn lines(&mut self, dir: &Dir<'_>, path: &[u8], names: &[&[u8]]) -> Result<(), Failure> {
        if !self.long {
            for name in names {
                self.out.bytes(name)?;
                self.out.bytes(b"\n")?;
            }
            return Ok(());
        }
        // To look twice at each takes less than to remember it.
        let mut widths = Widths::default();
        for name in names {
            if let Ok(metadata) = dir.symlink_metadata(name) {
                widths.fit(&metadata);
            }
        }
        for name in names {
            if let Err(errno) = self.long_line(dir, name, &widths)? {
                if errno == Errno::ENOENT && !path.is_empty() {
                    continue; // it went since it was listed
                }
                let slash: &[u8] = if path.is_empty() || path.ends_with(b"/") { b"" } else { b"/" };
                let path = joined(&[path, slash, name]).to_do("name a file")?;
                self.complain(MINOR, "access", &path, errno);
            }
        }
        Ok(())
    }

    /// A line of `-l`, or why there is none.
    fn long_line(
        &mut self,
        dir: &Dir<'_>,
        name: &[u8],
        widths: &Widths,
    ) -> Result<Result<(), Errno>, Failure> {
        let looked = dir.symlink_metadata(name).and_then(|metadata| {
            let target = if metadata.is_symlink() { Some(dir.read_link(name)?) } else { None };
            Ok((metadata, target))
        });
        let (metadata, target) = match looked {
            Ok(looked) => looked,
            Err(errno) => return Ok(Err(errno)),
        };
        widths.write(&mut self.out, &metadata)?;
        self.out.bytes(name)?;
        if let Some(target) = target {
            self.out.bytes(b" -> ")?;
            self.out.bytes(&target)?;
        }
        self.out.bytes(b"\n")?;
        Ok(Ok(()))
    }

    fn complain(&mut self, status: i32, what: &str, path: &[u8], errno: Errno) {
        complain(self.context, format_args!("cannot {what} '{}': {errno}", path.escape_ascii()));
        self.status = self.status.max(status);
    }
}

fn is_directory(dir: &Dir<'_>, listed: &Listed) -> bool {
    match listed.file_type {
        Some(file_type) => file_type == FileType::Directory,
        None => dir.symlink_metadata(&listed.name).is_ok_and(|metadata| metadata.is_dir()),
    }
}

/// Room in units of 512 bytes; none for what cannot be looked at, which is told elsewhere.
fn blocks(dir: &Dir<'_>, name: &[u8]) -> u64 {
    dir.symlink_metadata(name).map_or(0, |metadata| metadata.blocks())
}

/// How wide the columns of numbers are, all right-aligned.
#[derive(Default)]
struct Widths {
    nlink: usize,
    uid: usize,
    gid: usize,
    size: usize,
    major: usize,
    minor: usize,
}

impl Widths {
    fn fit(&mut self, metadata: &Metadata) {
        let fit = |width: &mut usize, number: u64| {
            *width = number.checked_ilog10().map_or(1, |log| log as usize + 1).max(*width);
        };
        fit(&mut self.nlink, metadata.nlink());
        fit(&mut self.uid, metadata.uid().into());
        fit(&mut self.gid, metadata.gid().into());
        if is_device(metadata) {
            fit(&mut self.major, libc::major(metadata.rdev()).into());
            fit(&mut self.minor, libc::minor(metadata.rdev()).into());
            self.size = self.size.max(self.major + ", ".len() + self.minor);
        } else {
            fit(&mut self.size, metadata.len());
        }
    }

    /// All of a line before the name.
    fn write(&self, out: &mut Output<'_>, metadata: &Metadata) -> fmt::Result {
        let (nlink, uid, gid, size) = (self.nlink, self.uid, self.gid, self.size);
        for letter in mode_letters(metadata) {
            out.write_char(letter)?;
        }
        write!(out, " {:nlink$}", metadata.nlink())?;
        write!(out, " {:uid$} {:gid$} ", metadata.uid(), metadata.gid())?;
        if is_device(metadata) {
            let minor = self.minor;
            let major = size - ", ".len() - minor;
            let device = metadata.rdev();
            write!(out, "{:major$}, {:minor$} ", libc::major(device), libc::minor(device))?;
        } else {
            write!(out, "{:size$} ", metadata.len())?;
        }
        write_time(out, metadata.modified())
    }
}

fn is_device(metadata: &Metadata) -> bool {
    matches!(metadata.file_type(), FileType::CharDevice | FileType::BlockDevice)
}

/// Type and permissions as `ls(1)` has them.
fn mode_letters(metadata: &Metadata) -> [char; 10] {
    let mode = metadata.permissions();
    let mut letters = ['-'; 10];
    letters[0] = match metadata.file_type() {
        FileType::Regular => '-',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharDevice => 'c',
        FileType::BlockDevice => 'b',
    };
    for (nth, letter) in "rwxrwxrwx".chars().enumerate() {
        if mode & 0o400 >> nth != 0 {
            letters[nth + 1] = letter;
        }
    }
    for (bit, at, with_x, without) in
        [(libc::S_ISUID, 3, 's', 'S'), (libc::S_ISGID, 6, 's', 'S'), (libc::S_ISVTX, 9, 't', 'T')]
    {
        if mode & bit != 0 {
            letters[at] = if letters[at] == 'x' { with_x } else { without };
        }
    }
    letters
}

/// A time in UTC, without nanoseconds, and a space.
fn write_time(out: &mut Output<'_>, time: Timestamp) -> fmt::Result {
    let Ok(utc) = OffsetDateTime::from_unix_timestamp(time.seconds()) else {
        return write!(out, "{} ", time.seconds());
    };
    let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
    let (hour, minute, second) = utc.to_hms();
    write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z ")
}
