//! `manifest [-m] [DIR]`: a line for each file of a tree, such that two trees are the same if
//! their lines are. DIR is `/` if not told. What is mounted below it (`/dev` and `/proc` always are) is
//! left out; with `-m` it is gone through as well.
//!
//! A line has eight fields, each followed by one space, then the path, and for some types a tab
//! and one more field:
//!
//! | field | |
//! |---|---|
//! | type | `f` a regular file, `d` a directory, `l` a symbolic link, `p` a fifo, `s` a socket, `c` and `b` a character and a block device |
//! | mode | permissions with the set-ID and sticky bits, four octal digits |
//! | uid | the owner's number, decimal |
//! | gid | the group's number, decimal |
//! | size | bytes, decimal, of a regular file and of a symbolic link's target; `-` for others, whose size is the file system's affair |
//! | mtime | when the content was last changed: seconds since 1970, decimal, maybe negative; a point; the nanoseconds to add, nine digits |
//! | nlink | number of names, decimal; `-` for a directory, of which it tells only the subdirectories |
//! | hash | SHA-256 of a regular file's content, 64 hexadecimal digits; `?` if it could not be read; `-` for others |
//! | path | `.` for DIR itself, `./a/b` below it |
//! | | tab, and a symbolic link's target (`?` if it could not be read), or a device's `MAJOR:MINOR`, decimal |
//!
//! In path and target a backslash is `\\`, a line feed `\n`, a carriage return `\r` and a tab
//! `\t`; all other bytes are as they are, UTF-8 or not. Lines are in byte order of the paths
//! before that is done. A line ends with a line feed.
//!
//! What goes between being listed and being looked at is left out, such as the descriptor
//! by which `/proc/self/fd` was listed.
//!
//! The status is 1 if anything could not be looked at or read: standard error tells what.
//!
//! Memory is needed for the names in the directories from DIR to where it is at; for names that
//! were told no longer.

use alloc::vec::Vec;
use core::fmt::Write;

use anchorite_syscalls::Errno;
use anchorite_syscalls::api::{Dir, FileType, Metadata, OpenOptions};

use crate::digest::{Digest, Hasher};
use crate::escape::Style;
use crate::io::{Failure, Output, complain, options, run_to_status};
use crate::tree_walk::{Listed, Walk, joined};
use crate::{Context, Program};

/// See the module.
pub const MANIFEST: Program = Program {
    name: "manifest",
    summary: "[-m] [DIR]: a line for each file of a tree, with its SHA-256; -m: below mounts too",
    main: |context| run_to_status(context, manifest),
};

const USAGE: &str = "manifest [-m] [DIR], -m: what is mounted below DIR too";

fn manifest(context: &Context<'_>) -> Result<i32, Failure> {
    let (letters, paths) = options(context, b"m", USAGE)?;
    let path: &[u8] = match paths.as_slice() {
        [] => b"/",
        [path] => path,
        _ => return Err(Failure::Usage(USAGE)),
    };
    let walk = Dir::open(context.sys, path).and_then(|top| {
        let device = top.metadata()?.dev();
        Ok((Walk::new(top, b".")?, device))
    });
    let ((walk, listed), device) = match walk {
        Ok(opened) => opened,
        Err(errno) => {
            complain(context, format_args!("cannot open '{}': {errno}", path.escape_ascii()));
            return Ok(1);
        }
    };
    let mut manifest = Manifest {
        context,
        walk,
        device: if letters.contains(&b'm') { None } else { Some(device) },
        out: Output::new(context)?,
        hasher: Hasher::new()?,
        status: 0,
    };
    manifest.all(listed)?;
    manifest.out.end()?;
    Ok(manifest.status)
}

struct Manifest<'a> {
    context: &'a Context<'a>,
    walk: Walk<'a>,
    /// The file system to stay on; none: any.
    device: Option<u64>,
    out: Output<'a>,
    hasher: Hasher,
    status: i32,
}

impl Manifest<'_> {
    /// Tells all of the tree.
    ///
    /// The steps of a directory are its names, each to be told, and those of its directories
    /// again with a slash, to be entered. Their byte order is that of the paths: `a`, `a-b`,
    /// `a/`, which stands for all paths below `a`.
    fn all(&mut self, listed: Vec<Listed>) -> Result<(), Failure> {
        self.tell(b".")?;
        self.plan(listed);
        loop {
            let Some(step) = self.walk.next_step() else {
                match self.walk.leave() {
                    Ok(true) => continue,
                    Ok(false) => return Ok(()),
                    Err(errno) => {
                        self.complain("leave", b".", errno);
                        return Ok(());
                    }
                }
            };
            match step.strip_suffix(b"/") {
                None => self.tell(&step)?,
                Some(name) => match self.walk.enter(name) {
                    Ok(listed) => self.plan(listed),
                    Err(Errno::ENOENT) => {} // it went since it was told
                    Err(errno) => self.complain("open", name, errno),
                },
            }
        }
    }

    /// Plans to tell each name in the directory that the walk entered.
    fn plan(&mut self, listed: Vec<Listed>) {
        let mut names = listed.into_iter().rev();
        if let Err(errno) = names.try_for_each(|listed| self.walk.add_step(listed.name)) {
            self.complain("list", b".", errno);
        }
    }

    /// The line of one name, `.` being that of the top; a directory is planned to be entered.
    fn tell(&mut self, name: &[u8]) -> Result<(), Failure> {
        let metadata = match self.walk.dir().symlink_metadata(name) {
            Ok(metadata) => metadata,
            Err(Errno::ENOENT) if name != b"." => return Ok(()), // it went since it was listed
            Err(errno) => {
                self.complain("look at", name, errno);
                return Ok(());
            }
        };
        if self.device.is_some_and(|device| device != metadata.dev()) {
            return Ok(());
        }
        let file_type = metadata.file_type();
        let out = &mut self.out;
        write!(
            out,
            "{} {:04o} {} {} ",
            letter(file_type),
            metadata.permissions(),
            metadata.uid(),
            metadata.gid()
        )?;
        match file_type {
            FileType::Regular | FileType::Symlink => write!(out, "{} ", metadata.len())?,
            _ => out.bytes(b"- ")?,
        }
        let modified = metadata.modified();
        write!(out, "{}.{:09} ", modified.seconds(), modified.nanoseconds())?;
        match file_type {
            FileType::Directory => out.bytes(b"- ")?,
            _ => write!(out, "{} ", metadata.nlink())?,
        }
        match file_type {
            FileType::Regular => match self.hash(name) {
                Some(hash) => write!(self.out, "{hash} ")?,
                None => self.out.bytes(b"? ")?,
            },
            _ => out.bytes(b"- ")?,
        }
        Style::Field.write(&mut self.out, self.walk.path())?;
        if name != b"." {
            self.out.bytes(b"/")?;
            Style::Field.write(&mut self.out, name)?;
        }
        self.tell_more(name, &metadata)?;
        self.out.bytes(b"\n")?;

        if file_type == FileType::Directory
            && name != b"."
            && let Err(errno) =
                joined(&[name, b"/"]).and_then(|step| self.walk.add_step(step.into()))
        {
            self.complain("enter", name, errno);
        }
        Ok(())
    }

    /// The field after the path.
    fn tell_more(&mut self, name: &[u8], metadata: &Metadata) -> Result<(), Failure> {
        match metadata.file_type() {
            FileType::Symlink => {
                self.out.bytes(b"\t")?;
                match self.walk.dir().read_link(name) {
                    Ok(target) => Style::Field.write(&mut self.out, &target)?,
                    Err(errno) => {
                        self.out.bytes(b"?")?;
                        self.complain("read the link", name, errno);
                    }
                }
            }
            FileType::CharDevice | FileType::BlockDevice => {
                let device = metadata.rdev();
                write!(self.out, "\t{}:{}", libc::major(device), libc::minor(device))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn hash(&mut self, name: &[u8]) -> Option<Digest> {
        // It was a regular file, and opening anything else may wait.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file =
            self.walk.dir().open_file(name, OpenOptions::new().read(true).custom_flags(flags));
        match file.and_then(|file| self.hasher.of(&file)) {
            Ok(hash) => Some(hash),
            Err(errno) => {
                self.complain("read", name, errno);
                None
            }
        }
    }

    fn complain(&mut self, what: &str, name: &[u8], errno: Errno) {
        let path = match name {
            b"." => self.walk.path().into(),
            // Without memory the name must do.
            name => self.walk.path_of(name).unwrap_or_default(),
        };
        let path = if path.is_empty() { name } else { &path };
        complain(self.context, format_args!("cannot {what} '{}': {errno}", path.escape_ascii()));
        self.status = 1;
    }
}

fn letter(file_type: FileType) -> char {
    match file_type {
        FileType::Regular => 'f',
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharDevice => 'c',
        FileType::BlockDevice => 'b',
    }
}
