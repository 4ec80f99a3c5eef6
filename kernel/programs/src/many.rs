//! `many [FILES [DIRECTORIES]]`: makes that many files in that many directories, finds
//! each again, lists and removes them; each step is timed and its result checked.

use core::fmt::{self, Write};

use anchorite_syscalls::{Errno, System};
use arrayvec::ArrayString;

use crate::io::{Failure, Text, ToDo, run};
use crate::{Context, Program};

/// See the module.
pub const MANY: Program = Program {
    name: "many",
    summary: "[FILES [DIRECTORIES]]: makes, finds, lists and removes 100000 files, or as many as told",
    main: |context| run(context, many),
};

const USAGE: &str = "many [FILES [DIRECTORIES]], 1 to 1000000000 of each";
const MOST: u64 = 1_000_000_000;
const FILES: u64 = 100_000;
const DIRECTORIES: u64 = 100;
const TOP: &[u8] = b"many.d";
const LISTING_BYTES: usize = 8192;
/// Where a record of `getdents64(2)` has its length and its name.
const RECLEN_AT: usize = 16;
const NAME_AT: usize = 19;

type Path = ArrayString<64>;

fn many(context: &Context<'_>) -> Result<(), Failure> {
    let (files, directories) = match context.args {
        [] | [_] => (FILES, DIRECTORIES),
        [_, files] => (number(files)?, DIRECTORIES),
        [_, files, directories] => (number(files)?, number(directories)?),
        _ => return Err(Failure::Usage(USAGE)),
    };
    let sys = context.sys;
    let mut out = Text::stdout(context);
    writeln!(out, "{files} files in {directories} directories")?;
    sys.mkdir(TOP, 0o755).to_do("make the directory many.d")?;

    step(&mut out, sys, "make directories", directories, |at| {
        sys.mkdir(directory(at)?.as_bytes(), 0o755).to_do("make a directory")
    })?;
    step(&mut out, sys, "make files", files, |at| {
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
        let fd = sys.open(file(at, directories)?.as_bytes(), flags, 0o644).to_do("make a file")?;
        sys.close(fd).to_do("close a file")
    })?;
    step(&mut out, sys, "find files", files, |at| {
        let stat = sys.stat(file(at, directories)?.as_bytes()).to_do("find a file again")?;
        if stat.st_mode != libc::S_IFREG | 0o644 || stat.st_nlink != 1 || stat.st_size != 0 {
            return Err(Failure::Wrong("a file is not what was made"));
        }
        Ok(())
    })?;
    let mut listed = 0;
    step(&mut out, sys, "list directories", directories, |at| {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        let fd = sys.open(directory(at)?.as_bytes(), flags, 0).to_do("open a directory")?;
        list(sys, fd, &mut |_| listed += 1)?;
        sys.close(fd).to_do("close a directory")
    })?;
    if listed != files {
        return Err(Failure::Wrong("the listings have not as many entries as were made"));
    }
    step(&mut out, sys, "remove files", files, |at| {
        sys.unlink(file(at, directories)?.as_bytes()).to_do("remove a file")
    })?;
    step(&mut out, sys, "remove directories", directories, |at| {
        sys.rmdir(directory(at)?.as_bytes()).to_do("remove a directory")
    })?;
    if sys.stat(file(0, directories)?.as_bytes()).err() != Some(Errno::ENOENT) {
        return Err(Failure::Wrong("a removed file is still there"));
    }
    sys.rmdir(TOP).to_do("remove the directory many.d")?;
    writeln!(out, "all removed.")?;
    Ok(())
}

/// Does `deed` for each number below `count`; prints how long it took.
fn step(
    out: &mut Text<'_>,
    sys: &System,
    title: &str,
    count: u64,
    mut deed: impl FnMut(u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let start = now_ns(sys)?;
    for at in 0..count {
        deed(at)?;
    }
    let ns = now_ns(sys)?.saturating_sub(start);
    let ms = ns / 1_000_000;
    writeln!(out, "{title:<20} {count:>10}  {ms:>8} ms  {:>8} ns each", ns / count.max(1))?;
    Ok(())
}

fn now_ns(sys: &System) -> Result<u64, Failure> {
    let now = sys.clock_gettime(libc::CLOCK_MONOTONIC).to_do("read the clock")?;
    Ok(now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64)
}

/// Calls `entry` with each name in the directory that `fd` is open on, without `.`
/// and `..`.
fn list(sys: &System, fd: i32, entry: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
    let mut listing = [0; LISTING_BYTES];
    loop {
        let len = sys.getdents64(fd, &mut listing).to_do("list a directory")?;
        if len == 0 {
            return Ok(());
        }
        let mut rest = &listing[..len];
        while let [_, ..] = rest {
            let name = rest.get(NAME_AT..).ok_or(Failure::Wrong("a record is cut off"))?;
            let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
            if name != b"." && name != b".." {
                entry(name);
            }
            let reclen = u16::from_ne_bytes([rest[RECLEN_AT], rest[RECLEN_AT + 1]]);
            rest = rest.get(reclen.max(1).into()..).unwrap_or_default();
        }
    }
}

fn directory(at: u64) -> Result<Path, fmt::Error> {
    let mut path = Path::new();
    write!(path, "many.d/{at:06}")?;
    Ok(path)
}

fn file(at: u64, directories: u64) -> Result<Path, fmt::Error> {
    let mut path = directory(at % directories)?;
    write!(path, "/{at:08}")?;
    Ok(path)
}

fn number(argument: &[u8]) -> Result<u64, Failure> {
    let text = core::str::from_utf8(argument).map_err(|_| Failure::Usage(USAGE))?;
    match text.parse() {
        Ok(number @ 1..=MOST) => Ok(number),
        _ => Err(Failure::Usage(USAGE)),
    }
}
