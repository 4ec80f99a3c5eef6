//! `anchorite new NAME`: the directory of a program of one's own.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::cli::NewArgs;
use crate::complain;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::sources::{LOCK_FILE, Workshop, link_sources};

/// The link in a crate to the sources of what it depends on.
pub const LINK: &str = ".anchorite";

/// Names that a crate cannot have, or that would hide what it needs.
const TAKEN: &str = "abstract alloc anchorite as async await become box break build const continue \
                     core crate deps do dyn else enum examples extern false final fn for gen if \
                     impl in incremental let loop macro match mod move mut override priv pub \
                     ref return self static std struct super test trait true try type typeof \
                     unsafe unsized use virtual where while yield";
/// Characters that a name may have.
const NAME_LIMIT: usize = 64;

/// Does what the command line says.
pub fn new(args: &NewArgs) -> Result<()> {
    let path = &args.path;
    let refuse = |why: &str| Failure::usage(format!("{}: {why}", path.display()));
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !is_name(name) {
        return Err(refuse(
            "that is no name for a program: take letters, digits, `-` and `_`, a letter first, \
             and no word of Rust's",
        ));
    }
    if path.symlink_metadata().is_ok() {
        return Err(refuse("there is something of that name: take another, or move it away"));
    }
    if let Err(error) = fs::create_dir(path) {
        return Err(refuse(&format!(
            "it cannot be made ({}): choose another place, or make its directory first",
            describe(&error)
        )));
    }
    let filled = if args.c { fill_c(path, name) } else { fill(path, name) };
    if let Err(failure) = filled {
        // All in it is of this call.
        let _ = fs::remove_dir_all(path);
        return Err(failure);
    }
    let place = path.display();
    complain(&format!("made {place}: `anchorite run {place}/` starts it"));
    Ok(())
}

fn fill(path: &Path, name: &str) -> Result<()> {
    let workshop = Workshop::open()?;
    let text = |template: &str| template.replace("NAME", name);
    put(&path.join("Cargo.toml"), &text(include_str!("templates/program.toml")))?;
    // So that the versions are those that anchorite was tested with; cargo leaves out what is not
    // needed.
    put(&path.join("Cargo.lock"), LOCK_FILE)?;
    put(&path.join(".gitignore"), &format!("/target\n/{LINK}\n"))?;
    make(&path.join("src"), fs::create_dir(path.join("src")))?;
    put(&path.join("src/main.rs"), &text(include_str!("templates/program.rs")))?;
    link_sources(&workshop, &path.join(LINK))
}

fn fill_c(path: &Path, name: &str) -> Result<()> {
    put(&path.join(".gitignore"), "/target\n")?;
    put(&path.join("main.c"), &include_str!("templates/program.c").replace("NAME", name))
}

fn put(path: &Path, content: &str) -> Result<()> {
    make(path, fs::write(path, content))
}

fn make(path: &Path, made: io::Result<()>) -> Result<()> {
    made.map_err(|error| {
        let remedy = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room",
            _ => "choose another place",
        };
        let shown = path.display();
        Failure::isle(format!("{shown} cannot be written ({}): {remedy}", describe(&error)))
    })
}

/// Whether a crate can be called `name`.
fn is_name(name: &str) -> bool {
    name.len() <= NAME_LIMIT
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        && !TAKEN.split(' ').any(|taken| taken == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_crates() {
        assert!(["a", "greet", "two-words", "two_words", "a1"].into_iter().all(is_name));
        let long = "x".repeat(NAME_LIMIT + 1);
        for name in
            ["", "1a", "-a", "_", "a b", "a.b", "é", "fn", "yield", "test", "anchorite", &long]
        {
            assert!(!is_name(name), "{name}");
        }
    }
}
