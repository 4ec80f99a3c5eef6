//! The boot command line: `kernel arguments… env=NAME=VALUE… -- program
//! arguments…`.
//!
//! Facts of uhyve 0.10 (`fdt.rs`): everything is joined by single spaces; only a
//! variable's name and value are quoted, each by `shell_words::quote` (so
//! `env='a b'='c d'`); arguments come as they were given, so a space inside one
//! cannot be told from a space between two. [`anchorite_interface::escape`] is
//! our own launcher's way around that, switched on by
//! [`anchorite_interface::FRAMED`] and [`anchorite_interface::ESCAPED`].
//!
//! Nothing here can fail: a word that cannot be unquoted or unescaped is taken
//! as it is, since a program that gets an odd argument can say so, and a kernel
//! that does not start cannot.

use alloc::vec::Vec;

use anchorite_interface::{
    ESCAPED, EXPORT, FORWARD, FRAMED, MACHINE, MOUNT, PRELOAD, PRELOAD_LENIENT, READ_ONLY, VERBOSE,
    unescape,
};

/// How output leaves the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As the program wrote it.
    #[default]
    Plain,
    /// In [`anchorite_interface`]'s frames.
    Framed,
}

/// How much the kernel tells about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    #[default]
    Quiet,
    /// The `machine:` line.
    Machine,
    /// Everything.
    Verbose,
}

/// An archive, and the directory that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// The archive's file; what it may be is the argument's affair.
    pub file: Vec<u8>,
    /// The directory.
    pub dir: Vec<u8>,
}

/// A directory to mount the host's files at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The directory.
    pub dir: Vec<u8>,
    /// Whether nothing there is to be changed.
    pub is_read_only: bool,
}

/// What becomes of a damaged archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Damaged {
    /// The machine does not start.
    #[default]
    Refused,
    /// What is damaged is left out.
    Skipped,
}

/// A boot command line, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// From [`VERBOSE`] and [`MACHINE`].
    pub log: LogLevel,
    /// Directories to mount the host's files at ([`FORWARD`]).
    pub forward: Vec<Forward>,
    /// What else to mount ([`MOUNT`]).
    pub mount: Vec<Vec<u8>>,
    /// Archives to fill directories from ([`PRELOAD`]).
    pub preload: Vec<Archive>,
    /// From [`PRELOAD_LENIENT`].
    pub damaged: Damaged,
    /// Archives to write at the end ([`EXPORT`]).
    pub export: Vec<Archive>,
    /// Kernel arguments that are none of ours.
    pub unknown: Vec<Vec<u8>>,
    /// Each `NAME=VALUE`.
    pub env: Vec<Vec<u8>>,
    /// The program's arguments, without its name.
    pub args: Vec<Vec<u8>>,
}

/// Takes a boot command line apart.
pub fn parse(line: &[u8]) -> CommandLine {
    let (kernel, program) = split(line);
    let encoding = encoding(line);
    let mut found = CommandLine::default();
    for word in kernel {
        if let Some((name, value)) = word.variable() {
            found.env.push(variable(encoding, name, value));
        } else if [FRAMED, ESCAPED].iter().any(|known| word.text == known.as_bytes()) {
        } else if word.text == VERBOSE.as_bytes() {
            found.log = LogLevel::Verbose;
        } else if word.text == MACHINE.as_bytes() {
            found.log = found.log.max(LogLevel::Machine);
        } else if word.text == PRELOAD_LENIENT.as_bytes() {
            found.damaged = Damaged::Skipped;
        } else if let Some(dir) = value_of(FORWARD, &word.text) {
            let without = dir.strip_suffix(READ_ONLY.as_bytes());
            let dir = unescaped(without.unwrap_or(dir));
            found.forward.push(Forward { dir, is_read_only: without.is_some() });
        } else if let Some(spec) = value_of(MOUNT, &word.text) {
            found.mount.push(unescaped(spec));
        } else if let Some(value) = value_of(PRELOAD, &word.text) {
            found.preload.push(archive(value));
        } else if let Some(value) = value_of(EXPORT, &word.text) {
            found.export.push(archive(value));
        } else {
            found.unknown.push(word.text);
        }
    }
    found.args = match encoding {
        Encoding::Escaped => program
            .split(|byte| *byte == b' ')
            .filter(|word| !word.is_empty())
            .map(unescaped)
            .collect(),
        Encoding::Quoted => words(program).map(|word| word.text).collect(),
    };
    found
}

/// The format that a boot command line asks for. Needs no heap, so that even an
/// early failure can be told in it.
pub fn format(line: &[u8]) -> Format {
    if has(line, FRAMED) { Format::Framed } else { Format::Plain }
}

/// How the program's arguments and its environment are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    /// With a shell's quotes.
    Quoted,
    /// By [`anchorite_interface::escape`].
    Escaped,
}

fn encoding(line: &[u8]) -> Encoding {
    match has(line, FRAMED) || has(line, ESCAPED) {
        true => Encoding::Escaped,
        false => Encoding::Quoted,
    }
}

/// Whether a kernel argument is there.
fn has(line: &[u8], argument: &str) -> bool {
    let mut words = line.split(|byte| *byte == b' ').take_while(|word| *word != b"--");
    words.any(|word| word == argument.as_bytes())
}

/// The value in a `name=value`.
fn value_of<'a>(name: &str, word: &'a [u8]) -> Option<&'a [u8]> {
    word.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

/// A `FILE:DIR`; without DIR it is the root.
fn archive(value: &[u8]) -> Archive {
    let colon = value.iter().position(|byte| *byte == b':').unwrap_or(value.len());
    let dir = value.get(colon + 1..).unwrap_or(b"/");
    Archive { file: unescaped(&value[..colon]), dir: unescaped(dir) }
}

fn variable(encoding: Encoding, name: &[u8], value: &[u8]) -> Vec<u8> {
    let decoded = |word: &[u8]| match encoding {
        Encoding::Quoted => word.to_vec(),
        Encoding::Escaped => unescaped(word),
    };
    let mut entry = decoded(name);
    entry.push(b'=');
    entry.extend(decoded(value));
    entry
}

fn unescaped(word: &[u8]) -> Vec<u8> {
    unescape(word).unwrap_or_else(|| word.to_vec())
}

/// The words before the first bare `--`, and the text after it.
fn split(line: &[u8]) -> (Vec<Word>, &[u8]) {
    let mut before = Vec::new();
    let mut words = words(line);
    while let Some(word) = words.next() {
        if word.text == b"--" && word.quoted.is_none() {
            return (before, words.rest);
        }
        before.push(word);
    }
    (before, &[])
}

/// A word with its quotes removed.
struct Word {
    text: Vec<u8>,
    /// Where the first quoted or escaped byte stands in `text`.
    quoted: Option<usize>,
    /// Where the first unquoted `=` after `env=` stands in `text`.
    equals: Option<usize>,
}

impl Word {
    /// The name and the value of `env=NAME=VALUE`.
    fn variable(&self) -> Option<(&[u8], &[u8])> {
        let prefix = b"env=".len();
        if !self.text.starts_with(b"env=") || self.quoted.is_some_and(|at| at < prefix) {
            return None;
        }
        // A name with a `=` in it is quoted, so the first bare one ends it.
        let equals = self.equals?;
        Some((&self.text[prefix..equals], &self.text[equals + 1..]))
    }
}

/// The words of `line`, by a shell's rules for blanks, quotes and backslashes.
fn words(line: &[u8]) -> Words<'_> {
    Words { rest: line }
}

struct Words<'a> {
    rest: &'a [u8],
}

impl Iterator for Words<'_> {
    type Item = Word;

    fn next(&mut self) -> Option<Word> {
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n');
        let start = self.rest.iter().position(|byte| !blank(byte))?;
        let line = &self.rest[start..];
        let (word, len) = unquote(line).unwrap_or_else(|| {
            // A quote that is never closed is an apostrophe.
            let len = line.iter().position(blank).unwrap_or(line.len());
            let text = line[..len].to_vec();
            let equals = text.iter().skip(4).position(|byte| *byte == b'=').map(|at| at + 4);
            (Word { text, quoted: None, equals }, len)
        });
        self.rest = &line[len..];
        Some(word)
    }
}

/// The first word of `line`, which starts with no blank, and how many of
/// `line`'s bytes it takes. `None` if a quote stays open.
fn unquote(line: &[u8]) -> Option<(Word, usize)> {
    let mut word = Word { text: Vec::new(), quoted: None, equals: None };
    let mut at = 0;
    while let Some(byte) = line.get(at).copied() {
        at += 1;
        match byte {
            b' ' | b'\t' | b'\n' => return Some((word, at - 1)),
            b'\'' => {
                word.quoted.get_or_insert(word.text.len());
                let len = line[at..].iter().position(|byte| *byte == b'\'')?;
                word.text.extend_from_slice(&line[at..at + len]);
                at += len + 1;
            }
            b'"' => {
                word.quoted.get_or_insert(word.text.len());
                at += double_quoted(&line[at..], &mut word.text)?;
            }
            b'\\' => {
                word.quoted.get_or_insert(word.text.len());
                match line.get(at) {
                    Some(b'\n') => {}
                    Some(next) => word.text.push(*next),
                    None => word.text.push(b'\\'),
                }
                at += 1;
            }
            b'=' => {
                if word.text.len() >= b"env=".len() {
                    word.equals.get_or_insert(word.text.len());
                }
                word.text.push(byte);
            }
            _ => word.text.push(byte),
        }
    }
    Some((word, line.len()))
}

/// Appends the text up to the closing `"`; returns the bytes taken with it.
fn double_quoted(line: &[u8], text: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        match (line.get(at)?, line.get(at + 1)) {
            (b'"', _) => return Some(at + 1),
            (b'\\', Some(next @ (b'$' | b'`' | b'"' | b'\\'))) => {
                text.push(*next);
                at += 2;
            }
            (b'\\', Some(b'\n')) => at += 2,
            (byte, _) => {
                text.push(*byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anchorite_interface::escape;
    use std::string::String;
    use std::{format, vec};

    fn args(line: &str) -> Vec<String> {
        parse(line.as_bytes()).args.into_iter().map(|arg| String::from_utf8(arg).unwrap()).collect()
    }

    #[test]
    fn an_empty_line_is_nothing() {
        assert_eq!(parse(b""), CommandLine::default());
        assert_eq!(parse(b"  \t\n "), CommandLine::default());
        assert_eq!(parse(b"--"), CommandLine::default());
    }

    #[test]
    fn kernel_arguments_stand_before_the_dashes() {
        let found = parse(b"anchorite.verbose odd anchorite.forward=/a%20b anchorite.forward=/c:ro anchorite.mount=tmpfs:/t%20t:ro -- anchorite.framed x");
        assert_eq!(found.log, LogLevel::Verbose);
        let forward = |dir: &[u8], is_read_only| Forward { dir: dir.to_vec(), is_read_only };
        assert_eq!(found.forward, [forward(b"/a b", false), forward(b"/c", true)]);
        assert_eq!(found.mount, [b"tmpfs:/t t:ro"]);
        assert_eq!(found.unknown, [b"odd".to_vec()]);
        assert_eq!(found.args, [b"anchorite.framed".to_vec(), b"x".to_vec()]);
    }

    #[test]
    fn archives_and_their_directories_are_unescaped() {
        let line = format!(
            "anchorite.preload=@:/ anchorite.preload={}:{} anchorite.preload-lenient \
             anchorite.export=/.anchorite/export/0:/a anchorite.preload=@preload/0 --",
            escape(b"/x/a:b,c"),
            escape(b"/d e"),
        );
        let found = parse(line.as_bytes());
        let archive = |file: &[u8], dir: &[u8]| Archive { file: file.to_vec(), dir: dir.to_vec() };
        assert_eq!(
            found.preload,
            [archive(b"@", b"/"), archive(b"/x/a:b,c", b"/d e"), archive(b"@preload/0", b"/"),]
        );
        assert_eq!(found.damaged, Damaged::Skipped);
        assert_eq!(found.export, [archive(b"/.anchorite/export/0", b"/a")]);
        assert_eq!(parse(b"").damaged, Damaged::Refused);
    }

    #[test]
    fn plain_arguments_lose_a_shells_quotes() {
        assert_eq!(args("-- a 'b c' \"d \\\" e\" f\\ g ''"), ["a", "b c", "d \" e", "f g", ""]);
        assert_eq!(args("-- -- a#b #c"), ["--", "a#b", "#c"]);
    }

    #[test]
    fn an_open_quote_is_an_apostrophe() {
        assert_eq!(args("-- it's here"), ["it's", "here"]);
        assert_eq!(args("-- \"x y"), ["\"x", "y"]);
        assert_eq!(args("-- end\\"), ["end\\"]);
    }

    #[test]
    fn the_environment_is_unquoted_as_uhyve_quotes_it() {
        let line = b"env=A=1 env=B='two words' env='C D'='x=y' env=E='' env=F='it'\\''s' env=G='a -- b' -- z";
        let found = parse(line);
        let want: [&[u8]; 6] = [b"A=1", b"B=two words", b"C D=x=y", b"E=", b"F=it's", b"G=a -- b"];
        assert_eq!(found.env, want.map(<[u8]>::to_vec));
        assert_eq!(found.args, [b"z".to_vec()]);
        assert!(found.unknown.is_empty());
    }

    #[test]
    fn escaped_words_come_back_whatever_they_hold() {
        let words: [&[u8]; 8] =
            [b"", b"--", b"a b", b"\n", b"\xff\x80", b"'\"\\", b"%", b"env=A=1"];
        for argument in [FRAMED, ESCAPED] {
            let mut line = format!("{argument} ");
            for word in words {
                // What shell_words::quote makes of a word with a `%` in it.
                line += &format!("env='{}'='{}' ", escape(b"N ="), escape(word));
            }
            line += "--";
            for word in words {
                line += &format!(" {}", escape(word));
            }
            let found = parse(line.as_bytes());
            assert_eq!(found.args, words.map(<[u8]>::to_vec));
            assert_eq!(found.env, words.map(|word| [b"N ==", word].concat()));
            assert_eq!(found.unknown, [[0; 0]; 0]);
        }
        assert_eq!(format(b"anchorite.escaped -- anchorite.framed"), Format::Plain);
        assert_eq!(format(b"anchorite.framed --"), Format::Framed);
    }

    #[test]
    fn no_line_panics() {
        let alphabet = b"a ='\"\\\n%-env4\xff";
        let mut seed = 1u64;
        for _ in 0..20_000 {
            let mut line = vec![];
            for _ in 0..seed % 24 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                line.push(alphabet[(seed >> 33) as usize % alphabet.len()]);
            }
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407) >> 1;
            parse(&line);
            parse(&[b"anchorite.framed ", &line[..]].concat());
        }
    }
}
