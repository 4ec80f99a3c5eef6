//! `anchorite flamegraph FILE`: collapsed stacks as a picture, by the crate `inferno`.

use std::fs;
use std::io::Write;
use std::path::Path;

use inferno::flamegraph::{Options, from_lines};

use crate::cli::FlamegraphArgs;
use crate::complain;
use crate::export::{Target, writable};
use crate::failure::{Failure, Result};
use crate::forward::describe;

/// Does what the command line says.
pub fn draw(args: &FlamegraphArgs) -> Result<()> {
    let path = &args.file;
    let refuse = |why: &str| Failure::usage(format!("{}: {why}", path.display()));
    let text = fs::read(path).map_err(|error| {
        refuse(&format!("{}: name what `anchorite run --profile` wrote", describe(&error)))
    })?;
    let text = std::str::from_utf8(&text).map_err(|_| refuse(NOT_STACKS))?;
    check(text).map_err(|why| refuse(&why))?;
    let output = args.output.clone().unwrap_or_else(|| path.with_extension("svg"));
    if output == *path {
        return Err(refuse("the picture would replace it: choose another place with --output"));
    }
    let target = Target::new("--output", &writable("--output", &output)?)?;
    let mut options = Options::default();
    options.title = path.file_name().map_or_else(String::new, |name| name.display().to_string());
    options.count_name = "samples".to_owned();
    let mut picture = Vec::new();
    from_lines(&mut options, text.lines(), &mut picture)
        .map_err(|error| refuse(&format!("{}: profile it anew", describe(&error))))?;
    target.file().write_all(&picture).map_err(|error| unwritten(target.path(), &error))?;
    let shown = target.path().display().to_string();
    target.keep()?;
    complain(&format!("{shown}: written, for a browser"));
    Ok(())
}

/// More samples than any profile has, of which a picture's widths can still be made.
const LIMIT: u64 = 1 << 53;
const NOT_STACKS: &str =
    "it is no file of collapsed stacks: give one that `anchorite run --profile` wrote";

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::isle(format!(
        "--output {}: it cannot be written ({}): see whether there is room",
        path.display(),
        describe(error)
    ))
}

/// Whether `text` is lines of functions and numbers, of which there is one; why not, if not.
fn check(text: &str) -> std::result::Result<(), String> {
    let mut samples: u64 = 0;
    for (number, line) in text.lines().enumerate() {
        let count = line.trim_end().rsplit_once(' ').and_then(|(stack, count)| {
            (!stack.trim().is_empty()).then_some(count.parse::<u64>().ok()?)
        });
        match count {
            Some(count) => samples = samples.saturating_add(count),
            None => {
                return Err(format!(
                    "line {} is no stack with its count: {NOT_STACKS}",
                    number + 1
                ));
            }
        }
    }
    match samples {
        LIMIT.. => Err("there are too many samples in it to be drawn: profile it anew".to_owned()),
        0 => Err("there is no sample in it: profile a program that runs longer".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stacks_with_counts_are_drawn() {
        assert_eq!(check("main;read 3\nmain 1\n"), Ok(()));
        assert_eq!(check("a b;c d 3\n"), Ok(()));
        for (text, words) in [
            ("", "no sample"),
            ("main 0\n", "no sample"),
            ("main;read 3\nhello\n", "line 2 is no stack"),
            ("main three\n", "line 1"),
            (" 3\n", "line 1"),
            ("main -1\n", "line 1"),
            ("\n", "line 1"),
        ] {
            let why = check(text).expect_err(text);
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
