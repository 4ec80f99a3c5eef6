//! The language of the rows.
//!
//! ```text
//! row link_counts_follow_names
//!   mkdir "d" 0755 = 0
//!   open "f" RDWR|CREAT 0644 = 3
//!   watch "f" ".": link "f" "d/g" = 0; f c, . -
//!   stat "f" = file 0644 links 2 owner 0:0 size 0 blocks 0
//! ```
//!
//! A line is a call and what came of it. Arguments are numbers (0 first: octal), names of
//! `super::constants` joined by `|`, strings in quotes (`"x"*300` repeats),
//! `[9]` for room of nine bytes, `{…}` for an array of these, and NULL. A call is done in a
//! [`World`]. `watch` tells which times of which paths the call after the colon moves: `a`,
//! `m`, `c`, with `<` if back in time. `stamp` tells the times of a path that are not now.
//! ` !linux ` and an outcome follow where Linux' differs, on purpose.
//!
//! Each row starts as root, with mask 022, in an empty directory of its name that all may
//! write, and with the descriptors 0, 1 and 2 alone.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write;

use anchorite_syscalls::Errno;

use super::constants;

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Word(i64),
    /// A string, or bytes to be written.
    Text(Vec<u8>),
    /// Room for bytes.
    Room(usize),
    /// An array.
    List(Vec<Value>),
    /// No pointer.
    Null,
}

/// What came of a call.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A number.
    Done(i64),
    /// An error.
    Failed(Errno),
    /// The room was filled with this.
    Data(Vec<u8>),
    /// Names and types of directory entries.
    Entries(Vec<(Vec<u8>, u8)>),
    /// Attributes; their times are told by `watch` and `stamp` alone.
    Stat(libc::stat),
    /// Numbers beside the result: positions, users, groups.
    Numbers(i64, Vec<i64>),
}

/// Somebody who does calls.
pub trait World {
    /// Does a call by its name; none if this world does not know it.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Reply>;
}

/// A sequence of calls.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The behaviour.
    pub name: &'a str,
    lines: &'a str,
}

/// A line of a row.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// All of it.
    pub text: &'a str,
    /// The call.
    pub call: &'a str,
    /// The outcome that is recorded.
    pub recorded: Option<&'a str>,
    /// The outcome on Linux, where it differs.
    pub linux: Option<&'a str>,
}

/// The rows of a text.
pub fn rows(text: &str) -> impl Iterator<Item = Row<'_>> {
    let rows = text.split("\nrow ").skip(1);
    rows.map(|row| {
        let (name, lines) = row.split_once('\n').unwrap_or((row, ""));
        Row { name, lines }
    })
}

impl<'a> Row<'a> {
    /// Its lines with calls.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        let lines = self.lines.lines().map(str::trim);
        lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(|text| {
            let (call, outcome) = match text.split_once(" = ") {
                Some((call, outcome)) => (call, Some(outcome)),
                None => (text, None),
            };
            let split = outcome.and_then(|outcome| outcome.split_once(" !linux "));
            let (recorded, linux) = match split {
                Some((ours, linux)) => (Some(ours), Some(linux)),
                None => (outcome, None),
            };
            Line { text, call, recorded, linux }
        })
    }

    /// Does the row in `world`; tells `each` every line and its outcome. Then the world is as
    /// before, but for the row's directory, if the row ends as somebody who may.
    pub fn run(&self, world: &mut dyn World, each: &mut dyn FnMut(Line<'a>, &str)) {
        let mut run = Run { world, start: 0 };
        run.begin(self.name);
        for line in self.lines() {
            each(line, &run.line(line.call));
        }
        run.end();
    }
}

/// Does the call that `line` writes down in `world`; returns what came of it, told.
pub fn outcome(world: &mut dyn World, line: &str) -> String {
    Run { world, start: 0 }.line(line)
}

struct Run<'a> {
    world: &'a mut dyn World,
    /// When the row began, in seconds.
    start: i64,
}

impl Run<'_> {
    fn begin(&mut self, name: &str) {
        self.start = self.now().0;
        let dir = || Value::Text(format!("/{name}").into_bytes());
        self.call("mkdir", &[dir(), Value::Word(0o777)]);
        self.call("chmod", &[dir(), Value::Word(0o777)]);
        self.call("chdir", &[dir()]);
    }

    fn end(&mut self) {
        self.call("setresuid", &[-1, 0, -1].map(Value::Word));
        self.call("setresuid", &[0; 3].map(Value::Word));
        self.call("setresgid", &[0; 3].map(Value::Word));
        self.call("setgroups", &[Value::List(Vec::new())]);
        self.call("umask", &[Value::Word(0o22)]);
        self.call("chdir", &[Value::Text(b"/".to_vec())]);
        self.call("close_range", &[3, u32::MAX.into(), 0].map(Value::Word));
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Reply {
        self.world.call(name, arguments).unwrap_or(Reply::Failed(Errno::ENOSYS))
    }

    /// The outcome of a line.
    fn line(&mut self, text: &str) -> String {
        if let Some((paths, call)) =
            text.strip_prefix("watch ").and_then(|text| text.split_once(": "))
        {
            return self.watch(&arguments(paths), call);
        }
        let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
        let arguments = arguments(rest);
        if name == "stamp" {
            return self.stamp(&arguments);
        }
        match self.world.call(name, &arguments) {
            Some(reply) => told(reply),
            None => "no such call".to_owned(),
        }
    }

    fn now(&mut self) -> (i64, i64) {
        match self.call("clock_gettime", &[Value::Word(libc::CLOCK_REALTIME_COARSE.into())]) {
            Reply::Numbers(_, time) if time.len() == 2 => (time[0], time[1]),
            _ => (0, 0),
        }
    }

    fn times(&mut self, path: &Value) -> Option<[(i64, i64); 3]> {
        match self.call("lstat", core::slice::from_ref(path)) {
            Reply::Stat(stat) => Some([
                (stat.st_atime, stat.st_atime_nsec),
                (stat.st_mtime, stat.st_mtime_nsec),
                (stat.st_ctime, stat.st_ctime_nsec),
            ]),
            _ => None,
        }
    }

    fn watch(&mut self, paths: &[Value], call: &str) -> String {
        let before: Vec<_> = paths.iter().map(|path| self.times(path)).collect();
        // Two ticks of the clock that stamps files.
        for _ in 0..2 {
            let now = self.now();
            while self.now() == now {
                self.call("sched_yield", &[]);
            }
        }
        let mut text = self.line(call);
        for (at, (path, before)) in paths.iter().zip(before).enumerate() {
            text += if at == 0 { "; " } else { ", " };
            if let Value::Text(path) = path {
                let _ = write!(text, "{} ", path.escape_ascii());
            }
            match (before, self.times(path)) {
                (Some(before), Some(after)) if before == after => text.push('-'),
                (Some(before), Some(after)) => {
                    for (at, letter) in ["a", "m", "c"].into_iter().enumerate() {
                        text += if before[at] == after[at] { "" } else { letter };
                        text += if before[at] > after[at] { "<" } else { "" };
                    }
                }
                (None, None) => text += "missing",
                (None, Some(_)) => text += "made",
                (Some(_), None) => text += "removed",
            }
        }
        text
    }

    fn stamp(&mut self, arguments: &[Value]) -> String {
        let Some([access, modification, change]) =
            arguments.first().and_then(|path| self.times(path))
        else {
            return "missing".to_owned();
        };
        let end = self.now().0;
        let time = |(seconds, nanoseconds): (i64, i64)| match seconds {
            seconds if (self.start - 1..=end + 1).contains(&seconds) => "now".to_owned(),
            _ => format!("{seconds}.{nanoseconds:09}"),
        };
        format!("{} {} {}", time(access), time(modification), time(change))
    }
}

/// The outcome, told.
fn told(reply: Reply) -> String {
    match reply {
        Reply::Done(value) => value.to_string(),
        Reply::Failed(errno) => format!("{errno:?}"),
        Reply::Data(bytes) => data(&bytes),
        Reply::Entries(mut entries) => {
            entries.sort();
            let tell = |(name, kind): &(Vec<u8>, u8)| format!("{}:{kind}", name.escape_ascii());
            let entries: Vec<String> = entries.iter().map(tell).collect();
            format!("[{}]", entries.join(" "))
        }
        Reply::Stat(stat) => attributes(&stat),
        Reply::Numbers(value, numbers) => format!("{value} {numbers:?}"),
    }
}

fn data(bytes: &[u8]) -> String {
    let mut text = format!("{}", bytes.len());
    for run in bytes.chunk_by(|a, b| a == b).take(40) {
        let byte = run[0].escape_ascii();
        let _ = match run.len() {
            1 => write!(text, " {byte}"),
            len => write!(text, " {byte}*{len}"),
        };
    }
    text
}

fn attributes(stat: &libc::stat) -> String {
    let kind = match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => "file",
        libc::S_IFDIR => "directory",
        libc::S_IFLNK => "link",
        libc::S_IFCHR => "device",
        _ => "other",
    };
    format!(
        "{kind} {:04o} links {} owner {}:{} size {} blocks {}",
        stat.st_mode & 0o7777,
        stat.st_nlink,
        stat.st_uid,
        stat.st_gid,
        stat.st_size,
        stat.st_blocks
    )
}

/// The arguments that `text` writes down. Panics over what is none: rows are ours.
fn arguments(text: &str) -> Vec<Value> {
    let mut rest = text.trim();
    let mut values = Vec::new();
    while !rest.is_empty() {
        let (value, after) = argument(rest);
        values.push(value);
        rest = after.trim_start();
    }
    values
}

fn argument(text: &str) -> (Value, &str) {
    if let Some(text) = text.strip_prefix('"') {
        let (string, rest) = text.split_once('"').expect("a string that ends");
        let string = string.replace("\\n", "\n").into_bytes();
        let Some(rest) = rest.strip_prefix('*') else { return (Value::Text(string), rest) };
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let times = rest[..end].parse().expect("a number of repetitions");
        return (Value::Text(string.repeat(times)), &rest[end..]);
    }
    if let Some(text) = text.strip_prefix('[') {
        let (room, rest) = text.split_once(']').expect("room that ends");
        return (Value::Room(room.parse().expect("bytes of room")), rest);
    }
    if let Some(text) = text.strip_prefix('{') {
        let (list, rest) = text.split_once('}').expect("a list that ends");
        return (Value::List(arguments(list)), rest);
    }
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "NULL" => (Value::Null, rest),
        word => (Value::Word(constants::number(word)), rest),
    }
}
