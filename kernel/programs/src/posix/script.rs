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
//! `super::constants` joined by `|`, strings in quotes (`"x"*300` repeats; a byte may be
//! `\n`, `\\`, `\"` or `\x` and two hexadecimal digits), `[9]` for room of nine bytes, `{…}` for
//! an array of these, and NULL. A call is done in a
//! [`World`]. `watch` tells which times of which paths the call after the colon moves: `a`,
//! `m`, `c`, with `<` if back in time. `stamp` tells the times of a path that are not now.
//! `list` rewinds a directory, lists all of it by room of this size, and rewinds it again.
//! `read_events` reads from an instance of inotify, and tells events instead of bytes.
//! ` !linux ` and an outcome follow where Linux' differs, on purpose.
//!
//! A [`Statement`] is a call as data: what is before ` = ` in a line.
//!
//! Each row starts as root, with mask 022, in an empty directory of its name that all may
//! write, and with the descriptors 0, 1 and 2 alone.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

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

/// A call as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The paths whose times are watched.
    pub watched: Vec<Value>,
    /// The call's name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Value>,
}

/// Why a text is none of this language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line, the first being 1; 1 too if there is but one.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl core::error::Error for Malformed {}

/// What came of a [`Statement`].
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What came of the call; none if the world does not know it.
    pub reply: Option<Reply>,
    /// Which times of the watched paths moved.
    pub moved: String,
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
    /// Names of extended attributes, in their order.
    Names(Vec<Vec<u8>>),
    /// Attributes; their times are told by `watch` and `stamp` alone.
    Stat(libc::stat),
    /// Numbers beside the result: positions, users, groups.
    Numbers(i64, Vec<i64>),
    /// What is only told, by `stamp`.
    Told(String),
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
    let rows = text.split("\nrow ").enumerate();
    let rows =
        rows.filter_map(|(at, row)| if at > 0 { Some(row) } else { row.strip_prefix("row ") });
    rows.map(|row| {
        let (name, lines) = row.split_once('\n').unwrap_or((row, ""));
        Row { name, lines }
    })
}

/// Whether a text is of rows, each with a name of its own, and each line a statement.
///
/// # Errors
/// The first line that is not.
pub fn check(text: &str) -> Result<(), Malformed> {
    let mut names = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = |what: String| Malformed { line: at + 1, what };
        if let Some(name) = line.strip_prefix("row ") {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
            if name.is_empty() || name.len() > 255 || !name.bytes().all(plain) {
                return Err(wrong(format!("`{name}` names no row: letters, digits, _ and - do")));
            }
            if names.contains(&name) {
                return Err(wrong(format!("there is a row `{name}` before")));
            }
            names.push(name);
        } else if let Some(line) = Line::of(line) {
            if names.is_empty() {
                return Err(wrong("a row begins with `row` and its name".to_owned()));
            }
            line.statement().map_err(|malformed| wrong(malformed.what))?;
        }
    }
    if names.is_empty() {
        return Err(Malformed { line: 1, what: "there is no row".to_owned() });
    }
    Ok(())
}

impl<'a> Line<'a> {
    /// A line of a row; none if it is empty or a comment.
    fn of(text: &'a str) -> Option<Line<'a>> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let (call, outcome) = match text.split_once(" = ") {
            Some((call, outcome)) => (call, Some(outcome)),
            None => (text, None),
        };
        let split = outcome.and_then(|outcome| outcome.split_once(" !linux "));
        let (recorded, linux) = match split {
            Some((ours, linux)) => (Some(ours), Some(linux)),
            None => (outcome, None),
        };
        Some(Line { text, call, recorded, linux })
    }

    /// What it does.
    ///
    /// # Errors
    /// It is malformed.
    pub fn statement(&self) -> Result<Statement, Malformed> {
        self.call.parse()
    }
}

impl<'a> Row<'a> {
    /// Its lines with calls.
    pub fn lines(&self) -> impl Iterator<Item = Line<'a>> {
        self.lines.lines().filter_map(Line::of)
    }

    /// Does the row in `world`; tells `each` every line and its outcome. Then the world is as
    /// before, but for the row's directory, if the row ends as somebody who may.
    pub fn run(&self, world: &mut dyn World, each: &mut dyn FnMut(Line<'a>, &str)) {
        let mut run = Run::begin(world, self.name);
        for line in self.lines() {
            match line.statement() {
                Ok(statement) => each(line, &run.perform(&statement).told()),
                Err(malformed) => each(line, &format!("malformed: {}", malformed.what)),
            }
        }
        run.end();
    }
}

/// Does the statement that `line` writes down in `world`; returns what came of it, told.
pub fn outcome(world: &mut dyn World, line: &str) -> String {
    match line.parse::<Statement>() {
        Ok(statement) => Run { world, start: 0 }.perform(&statement).told(),
        Err(malformed) => format!("malformed: {}", malformed.what),
    }
}

/// A row that is being done.
pub struct Run<'a> {
    world: &'a mut dyn World,
    /// When the row began, in seconds.
    start: i64,
}

impl<'a> Run<'a> {
    /// Makes the row's directory and enters it.
    pub fn begin(world: &'a mut dyn World, name: &str) -> Run<'a> {
        let mut run = Run { world, start: 0 };
        run.start = run.now().0;
        let dir = || Value::Text(format!("/{name}").into_bytes());
        run.call("mkdir", &[dir(), Value::Word(0o777)]);
        run.call("chmod", &[dir(), Value::Word(0o777)]);
        run.call("chdir", &[dir()]);
        run
    }

    /// Puts the world back as it was.
    pub fn end(mut self) {
        // First: of what follows nothing gives root's rights on files back.
        self.call("setfsuid", &[Value::Word(0)]);
        self.call("setresuid", &[-1, 0, -1].map(Value::Word));
        self.call("setresuid", &[0; 3].map(Value::Word));
        self.call("setresgid", &[0; 3].map(Value::Word));
        self.call("setgroups", &[Value::List(Vec::new())]);
        self.call("umask", &[Value::Word(0o22)]);
        self.call("chdir", &[Value::Text(b"/".to_vec())]);
        self.call("close_range", &[3, u32::MAX.into(), 0].map(Value::Word));
    }

    /// When it began, in seconds of the world's clock.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// The world in which it is done.
    pub fn world(&mut self) -> &mut dyn World {
        self.world
    }

    /// Does a statement.
    pub fn perform(&mut self, statement: &Statement) -> Outcome {
        let Statement { watched, name, arguments } = statement;
        let before: Vec<_> = watched.iter().map(|path| self.times(path)).collect();
        if !watched.is_empty() {
            self.wait();
        }
        let reply = match &**name {
            "stamp" => Some(self.stamp(arguments)),
            "list" => self.list(arguments),
            name => self.world.call(name, arguments),
        };
        let moved = self.moved(watched, &before);
        Outcome { reply, moved }
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Reply {
        self.world.call(name, arguments).unwrap_or(Reply::Failed(Errno::ENOSYS))
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

    /// Two ticks of the clock that stamps files.
    fn wait(&mut self) {
        for _ in 0..2 {
            let now = self.now();
            while self.now() == now {
                self.call("sched_yield", &[]);
            }
        }
    }

    fn moved(&mut self, paths: &[Value], before: &[Option<[(i64, i64); 3]>]) -> String {
        let mut text = String::new();
        for (at, (path, before)) in paths.iter().zip(before).enumerate() {
            text += if at == 0 { "; " } else { ", " };
            if let Value::Text(path) = path {
                let _ = write!(text, "{} ", path.escape_ascii());
            }
            match (before, self.times(path)) {
                (Some(before), Some(after)) if *before == after => text.push('-'),
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

    fn stamp(&mut self, arguments: &[Value]) -> Reply {
        let Some(times) = arguments.first().and_then(|path| self.times(path)) else {
            return Reply::Told("missing".to_owned());
        };
        let [access, modification, change] = times.map(|time| self.told_time(time));
        Reply::Told(format!("{access} {modification} {change}"))
    }

    /// A time, in seconds and nanoseconds: `now` if it is since the row began.
    pub fn told_time(&mut self, (seconds, nanoseconds): (i64, i64)) -> String {
        let end = self.now().0;
        match seconds {
            seconds if (self.start - 1..=end + 1).contains(&seconds) => "now".to_owned(),
            _ => format!("{seconds}.{nanoseconds:09}"),
        }
    }

    fn list(&mut self, arguments: &[Value]) -> Option<Reply> {
        let [fd @ Value::Word(_), room @ Value::Room(_)] = arguments else { return None };
        let rewind = [fd.clone(), Value::Word(0), Value::Word(libc::SEEK_SET.into())];
        let mut all = Vec::new();
        self.world.call("lseek", &rewind)?;
        loop {
            match self.world.call("getdents64", &[fd.clone(), room.clone()])? {
                Reply::Entries(entries) if entries.is_empty() => break,
                Reply::Entries(entries) => all.extend(entries),
                other => return Some(other),
            }
        }
        self.world.call("lseek", &rewind)?;
        Some(Reply::Entries(all))
    }
}

impl Outcome {
    /// The outcome as it is written down.
    pub fn told(&self) -> String {
        match &self.reply {
            Some(reply) => format!("{reply}{}", self.moved),
            None => "no such call".to_owned(),
        }
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reply::Done(value) => write!(f, "{value}"),
            Reply::Failed(errno) => write!(f, "{errno:?}"),
            Reply::Data(bytes) => f.write_str(&data(bytes)),
            Reply::Entries(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort();
                let tell =
                    |(name, kind): &&(Vec<u8>, u8)| format!("{}:{kind}", name.escape_ascii());
                let entries: Vec<String> = entries.iter().map(tell).collect();
                write!(f, "[{}]", entries.join(" "))
            }
            Reply::Names(names) => {
                let names = names.iter().map(|name| format!("{}", name.escape_ascii()));
                write!(f, "[{}]", names.collect::<Vec<String>>().join(" "))
            }
            Reply::Stat(stat) => f.write_str(&attributes(stat)),
            Reply::Numbers(value, numbers) => write!(f, "{value} {numbers:?}"),
            Reply::Told(text) => f.write_str(text),
        }
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
        libc::S_IFBLK => "block device",
        libc::S_IFIFO => "fifo",
        libc::S_IFSOCK => "socket",
        _ => "other",
    };
    let number = match stat.st_rdev {
        0 => String::new(),
        _ => format!(" number {}:{}", libc::major(stat.st_rdev), libc::minor(stat.st_rdev)),
    };
    format!(
        "{kind} {:04o} links {} owner {}:{} size {} blocks {}{number}",
        stat.st_mode & 0o7777,
        stat.st_nlink,
        stat.st_uid,
        stat.st_gid,
        stat.st_size,
        stat.st_blocks
    )
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.watched.is_empty() {
            f.write_str("watch")?;
            self.watched.iter().try_for_each(|path| write!(f, " {path}"))?;
            f.write_str(": ")?;
        }
        f.write_str(&self.name)?;
        for (at, argument) in self.arguments.iter().enumerate() {
            match (argument, constants::spelled(&self.name, at, argument)) {
                (_, Some(word)) => write!(f, " {word}")?,
                (argument, None) => write!(f, " {argument}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Word(i64::MAX) => f.write_str("MAX"),
            Value::Word(i64::MIN) => f.write_str("MIN"),
            Value::Word(word) => write!(f, "{word}"),
            Value::Text(text) => string(f, text),
            Value::Room(len) => write!(f, "[{len}]"),
            Value::List(list) => {
                f.write_str("{")?;
                for (at, value) in list.iter().enumerate() {
                    write!(f, "{}{value}", if at == 0 { "" } else { " " })?;
                }
                f.write_str("}")
            }
            Value::Null => f.write_str("NULL"),
        }
    }
}

/// How many bytes are looked for again and again in a string.
const MOST_REPEATED: usize = 16;

/// Writes a string down, a long one of few bytes by how often they come. What means something
/// elsewhere in a line is escaped: the equals sign, and the colon.
fn string(f: &mut fmt::Formatter<'_>, text: &[u8]) -> fmt::Result {
    let is_period = |len: &usize| {
        let (period, rest) = text.split_at(*len);
        rest.len() > 8.max(2 * len) && rest.chunks(*len).all(|chunk| chunk == period)
    };
    let (text, times) = match (1..=MOST_REPEATED.min(text.len())).find(is_period) {
        Some(len) => (&text[..len], text.len() / len),
        None => (text, 1),
    };
    f.write_str("\"")?;
    for byte in text {
        match byte {
            b'\n' => f.write_str("\\n")?,
            b'"' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
            b'=' | b':' => write!(f, "\\x{byte:02x}")?,
            b' '..=b'~' => f.write_char(char::from(*byte))?,
            byte => write!(f, "\\x{byte:02x}")?,
        }
    }
    f.write_str("\"")?;
    if times > 1 { write!(f, "*{times}") } else { Ok(()) }
}

impl core::str::FromStr for Statement {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Statement, Malformed> {
        let statement = || {
            let (watched, call) = match text.strip_prefix("watch ") {
                Some(watch) => watch.split_once(": ").ok_or("watch wants a colon and a call")?,
                None => ("", text),
            };
            let (name, rest) = call.split_once(' ').unwrap_or((call, ""));
            if name.is_empty()
                || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            {
                return Err(format!("`{name}` names no call"));
            }
            let mut left = LONGEST;
            let watched = values(watched, None, &mut left)?.0;
            let arguments = values(rest, None, &mut left)?.0;
            Ok(Statement { watched, name: name.to_owned(), arguments })
        };
        statement().map_err(|what| Malformed { line: 1, what })
    }
}

/// How many bytes a line may ask for, in all its strings or as room.
const LONGEST: usize = 1 << 24;

/// The values that `text` writes down, up to its end or to `end`; and what follows. They take
/// from the bytes that are `left`.
fn values<'a>(
    text: &'a str,
    end: Option<char>,
    left: &mut usize,
) -> Result<(Vec<Value>, &'a str), String> {
    let mut rest = text.trim_start();
    let mut values = Vec::new();
    loop {
        if let Some(after) = end.and_then(|end| rest.strip_prefix(end)) {
            return Ok((values, after));
        }
        if rest.is_empty() {
            return if end.is_none() {
                Ok((values, rest))
            } else {
                Err("a list ends with }".to_owned())
            };
        }
        let (value, after) = value(rest, end, left)?;
        values.push(value);
        rest = after.trim_start();
    }
}

fn value<'a>(
    text: &'a str,
    end: Option<char>,
    left: &mut usize,
) -> Result<(Value, &'a str), String> {
    let mut take = |len: usize| left.checked_sub(len).map(|less| *left = less);
    if let Some(text) = text.strip_prefix('"') {
        let (bytes, rest) = unescaped(text)?;
        let Some(rest) = rest.strip_prefix('*') else { return Ok((Value::Text(bytes), rest)) };
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let times = rest[..end].parse().ok();
        let len = times.and_then(|times| bytes.len().checked_mul(times));
        return match (times, len.and_then(take)) {
            (Some(times), Some(())) => Ok((Value::Text(bytes.repeat(times)), &rest[end..])),
            _ => Err(format!("a string is repeated by a number, up to {LONGEST} bytes in a line")),
        };
    }
    if let Some(text) = text.strip_prefix('[') {
        let (room, rest) = text.split_once(']').ok_or("room ends with ]")?;
        return match room.parse().ok().filter(|len| take(*len).is_some()) {
            Some(room) => Ok((Value::Room(room), rest)),
            None => Err(format!("`{room}` is no size of room: bytes, up to {LONGEST} in a line")),
        };
    }
    if let (Some(text), None) = (text.strip_prefix('{'), end) {
        return values(text, Some('}'), left).map(|(list, rest)| (Value::List(list), rest));
    }
    let stop = |c: char| c == ' ' || Some(c) == end;
    let (word, rest) = text.split_at(text.find(stop).unwrap_or(text.len()));
    match word {
        "NULL" => Ok((Value::Null, rest)),
        word => {
            let number = constants::number(word).ok_or_else(|| format!("`{word}` is no number"))?;
            Ok((Value::Word(number), rest))
        }
    }
}

/// The bytes up to the quote that ends a string; and what follows it.
fn unescaped(text: &str) -> Result<(Vec<u8>, &str), String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    loop {
        let end = rest.find(['"', '\\']).ok_or("a string ends with \"")?;
        bytes.extend(&rest.as_bytes()[..end]);
        if rest[end..].starts_with('"') {
            return Ok((bytes, &rest[end + 1..]));
        }
        let escape = &rest[end + 1..];
        let (byte, len) = match escape.as_bytes() {
            [b'n', ..] => (b'\n', 1),
            [byte @ (b'"' | b'\\'), ..] => (*byte, 1),
            [b'x', ..] => match escape.get(1..3).map(|digits| u8::from_str_radix(digits, 16)) {
                Some(Ok(byte)) => (byte, 3),
                _ => return Err("two hexadecimal digits follow \\x".to_owned()),
            },
            _ => return Err("after \\ comes n, x, \\ or \"".to_owned()),
        };
        bytes.push(byte);
        rest = &escape[len..];
    }
}
