//! The command line as clap reads it, of what this process was given: [`line()`].
//!
//! A kernel that starts an image by this executable ([`crate::register`]) gives the image's path
//! in the place of a subcommand. And the words after `image --args` are a program's, up to what is
//! one of that subcommand's own options; clap would end them at any that looks like an option.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use clap::Command;

/// The option whose words are a program's.
const ARGS: &[u8] = b"--args";

/// The line for `command` of what the process was given.
pub fn line(given: Vec<OsString>, command: &Command) -> Vec<OsString> {
    match given.get(1) {
        Some(first) if is_path(first, command) => started(given),
        Some(first) if first == "image" => match command.find_subcommand("image") {
            Some(image) => apart(given, image),
            None => given,
        },
        _ => given,
    }
}

/// Whether what stands in the place of a subcommand is a program's path. No subcommand has a slash
/// in it; a path may have none where a directory of `PATH` is empty.
fn is_path(first: &OsStr, command: &Command) -> bool {
    let is_known = first.as_bytes().starts_with(b"-") || command.find_subcommand(first).is_some();
    first.as_bytes().contains(&b'/') || !is_known && Path::new(first).is_file()
}

/// `anchorite PATH ARGS`, as `anchorite run PATH ARGS`.
fn started(given: Vec<OsString>) -> Vec<OsString> {
    let mut given = given.into_iter();
    let (own, path) = (given.next(), given.next().unwrap_or_default());
    let path = match path.as_bytes().contains(&b'/') {
        true => path,
        false => Path::new(".").join(path).into_os_string(),
    };
    // What follows is the program's, whatever it is.
    let words = [OsString::from("run"), OsString::from("--"), path];
    own.into_iter().chain(words).chain(given).collect()
}

/// The same with each word after `--args` as `--args=WORD`.
fn apart(given: Vec<OsString>, image: &Command) -> Vec<OsString> {
    let is_own = |word: &OsStr| {
        let name = word.as_bytes().split(|byte| *byte == b'=').next().unwrap_or_default();
        name == b"--"
            || image.get_arguments().any(|argument| {
                let long = argument.get_long().map(|long| format!("--{long}"));
                let short = argument.get_short().map(|short| format!("-{short}"));
                [long, short].iter().flatten().any(|known| known.as_bytes() == name)
            })
    };
    let mut line = Vec::with_capacity(given.len());
    let mut given = given.into_iter();
    let mut is_programs = false;
    for word in given.by_ref() {
        if word.as_bytes() == ARGS {
            is_programs = true;
        } else if is_own(&word) {
            is_programs = word.as_bytes().starts_with(ARGS);
            let is_end = word == "--";
            line.push(word);
            if is_end {
                break;
            }
        } else if is_programs {
            let mut option = OsString::from("--args=");
            option.push(word);
            line.push(option);
        } else {
            line.push(word);
        }
    }
    line.extend(given);
    line
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn made(given: &str) -> String {
        let given = given.split(' ').map(OsString::from).collect();
        let line = line(given, &Cli::command());
        line.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_path_in_a_subcommands_place_is_run() {
        for (given, line) in [
            ("a ./x.image b -c -- --env d", "a run -- ./x.image b -c -- --env d"),
            ("a /x/run", "a run -- /x/run"),
            ("a Cargo.toml b", "a run -- ./Cargo.toml b"),
            ("a", "a"),
            ("a run ./x", "a run ./x"),
            ("a list", "a list"),
            ("a no-such-command", "a no-such-command"),
            ("a --version", "a --version"),
        ] {
            assert_eq!(made(given), line, "{given}");
        }
    }

    #[test]
    fn the_words_after_args_are_the_programs() {
        for (given, line) in [
            ("a image --disk ls --args -lR / -o x", "a image --disk ls --args=-lR --args=/ -o x"),
            ("a image --args x --gce y -- --args z", "a image --args=x --gce y -- --args z"),
            ("a image --args=x y --args z", "a image --args=x --args=y --args=z"),
            ("a image --args --output=x y", "a image --output=x y"),
            ("a image --args --", "a image --"),
            ("a run --args x", "a run --args x"),
        ] {
            assert_eq!(made(given), line, "{given}");
        }
    }
}
