//! `many [--threads N] [FILES [DIRECTORIES]]`: makes that many files in that many
//! directories, finds each again, lists and removes them; each step is timed and its result
//! checked. Of N threads, each on a core of its own, every one does a part of each step.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU64, Ordering};

use anchorite_syscalls::{Errno, System, thread};
use arrayvec::ArrayString;

use crate::io::{Failure, Text, ToDo, run};
use crate::{Context, Program};

/// See the module.
pub const MANY: Program = Program {
    name: "many",
    summary: "[--threads N] [FILES [DIRECTORIES]]: makes, finds, lists and removes 100000 files, or as many as told",
    main: |context| run(context, many),
};

const USAGE: &str =
    "many [--threads N] [FILES [DIRECTORIES]], 1 to 1000000000 of each, N up to the cores";
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
    let sys = context.sys;
    let mut args = context.args.get(1..).unwrap_or_default();
    let mut threads = 1;
    if let [b"--threads", count, rest @ ..] = args {
        let cores = thread::cores(sys).into();
        threads =
            number(count).ok().filter(|count| *count <= cores).ok_or(Failure::Usage(USAGE))?;
        args = rest;
    }
    let (files, directories) = match args {
        [] => (FILES, DIRECTORIES),
        [files] => (number(files)?, DIRECTORIES),
        [files, directories] => (number(files)?, number(directories)?),
        _ => return Err(Failure::Usage(USAGE)),
    };
    let mut out = Text::stdout(context);
    write!(out, "{files} files in {directories} directories")?;
    writeln!(
        out,
        "{}",
        if threads > 1 { format!(", by {threads} threads") } else { String::new() }
    )?;
    sys.mkdir(TOP, 0o755).to_do("make the directory many.d")?;

    let mut step = Steps { out: &mut out, sys, threads };
    step.each("make directories", directories, |at| {
        sys.mkdir(directory(at)?.as_bytes(), 0o755).to_do("make a directory")
    })?;
    step.each("make files", files, |at| {
        let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
        let fd = sys.open(file(at, directories)?.as_bytes(), flags, 0o644).to_do("make a file")?;
        sys.close(fd).to_do("close a file")
    })?;
    step.each("find files", files, |at| {
        let stat = sys.stat(file(at, directories)?.as_bytes()).to_do("find a file again")?;
        if stat.st_mode != libc::S_IFREG | 0o644 || stat.st_nlink != 1 || stat.st_size != 0 {
            return Err(Failure::Wrong("a file is not what was made"));
        }
        Ok(())
    })?;
    let listed = AtomicU64::new(0);
    step.each("list directories", directories, |at| {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        let fd = sys.open(directory(at)?.as_bytes(), flags, 0).to_do("open a directory")?;
        list(sys, fd, &mut |_| _ = listed.fetch_add(1, Ordering::Relaxed))?;
        sys.close(fd).to_do("close a directory")
    })?;
    if listed.into_inner() != files {
        return Err(Failure::Wrong("the listings have not as many entries as were made"));
    }
    step.each("remove files", files, |at| {
        sys.unlink(file(at, directories)?.as_bytes()).to_do("remove a file")
    })?;
    step.each("remove directories", directories, |at| {
        sys.rmdir(directory(at)?.as_bytes()).to_do("remove a directory")
    })?;
    if sys.stat(file(0, directories)?.as_bytes()).err() != Some(Errno::ENOENT) {
        return Err(Failure::Wrong("a removed file is still there"));
    }
    sys.rmdir(TOP).to_do("remove the directory many.d")?;
    writeln!(out, "all removed.")?;
    Ok(())
}

/// Something that is done for each number, shared by threads, and timed.
struct Steps<'a, 'b> {
    out: &'a mut Text<'b>,
    sys: &'a System,
    threads: u64,
}

impl Steps<'_, '_> {
    /// Does `deed` for each number below `count`; prints how long it took.
    fn each(
        &mut self,
        title: &str,
        count: u64,
        deed: impl Fn(u64) -> Result<(), Failure> + Sync,
    ) -> Result<(), Failure> {
        let (sys, threads) = (self.sys, self.threads);
        let start = now_ns(sys)?;
        // Those of a directory stay with one thread, if directories are a multiple of them.
        let part = |first: u64| (first..count).step_by(threads as usize).try_for_each(&deed);
        thread::scope(sys, |scope| {
            let mut others = Vec::new();
            for nth in 1..threads {
                let part = &part;
                let other = scope.spawn(nth as u32, move || part(nth));
                others.push(other.to_do("start a thread")?);
            }
            part(0)?;
            others.into_iter().try_for_each(|other| other.join().to_do("join a thread")?)
        })?;
        let ns = now_ns(sys)?.saturating_sub(start);
        let ms = ns / 1_000_000;
        let each = ns / count.max(1);
        writeln!(self.out, "{title:<20} {count:>10}  {ms:>8} ms  {each:>8} ns each")?;
        Ok(())
    }
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
