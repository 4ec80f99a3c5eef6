//! `sha256sum [FILE]...`, `sha256sum -c [FILE]...`: SHA-256 sums, told and checked, in GNU
//! coreutils' format.
//!
//! A line is the sum in hexadecimal, two spaces and the name; `-`, or nothing at all, is
//! standard input. In a name that has a backslash, a line feed or a carriage return, they are
//! written `\\`, `\n` and `\r`, and the line starts with a backslash. With `-c` such lines
//! are read from each FILE, and each file in them is told to be `OK` or `FAILED`.
//!
//! The status is 1 if a file could not be read, if a sum is not as it should be, or if
//! something that should be checked has no line with a sum.

use alloc::vec::Vec;
use core::fmt::Write;

use anchorite_syscalls::Errno;

use crate::digest::{Digest, Hasher};
use crate::escape::Style;
use crate::io::{Failure, Output, complain, options, run_to_status, with_input};
use crate::{Context, Program};

/// See the module.
pub const SHA256SUM: Program = Program {
    name: "sha256sum",
    summary: "[-c] [FILE]...: the SHA-256 of files, or of standard input; -c: checks them",
    main: |context| run_to_status(context, sha256sum),
};

const USAGE: &str = "sha256sum [-c] [FILE]..., - for standard input; -c: checks the sums in FILE";

fn sha256sum(context: &Context<'_>) -> Result<i32, Failure> {
    let (letters, mut paths) = options(context, b"c", USAGE)?;
    if paths.is_empty() {
        paths.push(b"-");
    }
    let mut sums = Sums { context, out: Output::new(context)?, hasher: Hasher::new()?, status: 0 };
    for path in paths {
        if letters.is_empty() { sums.tell(path)? } else { sums.check_all(path)? }
    }
    sums.out.end()?;
    Ok(sums.status)
}

struct Sums<'a> {
    context: &'a Context<'a>,
    out: Output<'a>,
    hasher: Hasher,
    status: i32,
}

impl Sums<'_> {
    /// The line of one file.
    fn tell(&mut self, path: &[u8]) -> Result<(), Failure> {
        let Some(sum) = self.sum(path) else { return Ok(()) };
        if Style::Line.touches(path) {
            self.out.bytes(b"\\")?;
        }
        write!(self.out, "{sum}  ")?;
        Style::Line.write(&mut self.out, path)?;
        self.out.bytes(b"\n")
    }

    /// Checks the lines of the file at `path`.
    fn check_all(&mut self, path: &[u8]) -> Result<(), Failure> {
        let mut lines = Vec::new();
        if let Err(errno) = with_input(self.context, path, |file| file.read_to_end(&mut lines)) {
            self.complain(path, errno);
            return Ok(());
        }
        let (mut sums, mut others, mut differ) = (0, 0, 0);
        for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let Some((expected, name)) = parse(line) else {
                others += 1;
                continue;
            };
            sums += 1;
            let found = self.sum(&name);
            // Here coreutils escapes only what would break the line.
            if name.contains(&b'\n') {
                self.out.bytes(b"\\")?;
                Style::Line.write(&mut self.out, &name)?;
            } else {
                self.out.bytes(&name)?;
            }
            self.out.bytes(match found {
                Some(found) if found == expected => b": OK\n",
                Some(_) => b": FAILED\n",
                None => b": FAILED open or read\n",
            })?;
            differ += u64::from(found.is_some_and(|found| found != expected));
        }
        let path = path.escape_ascii();
        if sums == 0 {
            self.status = 1;
            complain(self.context, format_args!("{path}: no line has a SHA-256 and a name"));
        } else if others > 0 {
            complain(self.context, format_args!("{path}: lines without a SHA-256: {others}"));
        }
        if differ > 0 {
            self.status = 1;
            complain(self.context, format_args!("{path}: sums that are not as told: {differ}"));
        }
        Ok(())
    }

    fn sum(&mut self, path: &[u8]) -> Option<Digest> {
        let sum = with_input(self.context, path, |file| self.hasher.of(file));
        sum.map_err(|errno| self.complain(path, errno)).ok()
    }

    fn complain(&mut self, path: &[u8], errno: Errno) {
        complain(self.context, format_args!("{}: {errno}", path.escape_ascii()));
        self.status = 1;
    }
}

/// The sum and the name in a line; coreutils marks files read as binary by a star.
fn parse(line: &[u8]) -> Option<(Digest, Vec<u8>)> {
    let (line, is_escaped) = match line {
        [b'\\', line @ ..] => (line, true),
        line => (line, false),
    };
    let (digits, rest) = line.split_at_checked(64)?;
    let [b' ', b' ' | b'*', name @ ..] = rest else { return None };
    let mut sum = [0; 32];
    for (byte, digits) in sum.iter_mut().zip(digits.as_chunks::<2>().0) {
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        *byte = (high? << 4 | low?) as u8;
    }
    let name = if is_escaped { Style::Line.unescaped(name)? } else { name.into() };
    (!name.is_empty()).then_some((Digest(sum), name))
}
