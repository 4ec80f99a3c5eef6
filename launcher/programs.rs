//! The programs that can be started: those that this executable carries (portable ones, which
//! any isle runs, and their images for the bare machine), by name; and a user's own, by path. What
//! has a slash in it is a path.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;

use anchorite_programs::{PROGRAMS, Program};
use flate2::read::GzDecoder;

use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::Isle;
use crate::order::{Order, Word};
use crate::preload::path_of;
use crate::{image, make};

/// An image in this executable.
struct Embedded {
    name: &'static str,
    /// What is loaded of it.
    image: &'static [u8],
    /// The whole of its file, with its symbols, compressed by gzip.
    symbols: &'static [u8],
}

// `IMAGES: &[Embedded]`, by name, as launcher/build.rs found them.
include!(concat!(env!("OUT_DIR"), "/images.rs"));

/// Images that are for tests of the bare machine and have no portable part.
const TEST_IMAGES: [(&str, &str); 2] = [
    ("fault", "KIND: fails, in the way named; for tests, not hosted"),
    ("probe", "[WHAT]: prints its arguments, or what the kernel gave it; for tests, likewise"),
];

/// The program called `name`.
pub fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().copied().find(|program| program.name == name)
}

/// The bare-metal image of the program of this executable that is called `name`.
pub fn built_in(name: &str) -> Option<&'static [u8]> {
    IMAGES.iter().find_map(|known| (known.name == name).then_some(known.image))
}

/// The ELF file with the symbols of the image that `order` is for, after [`ready`].
///
/// # Errors
/// It is a user's own, and has none.
pub fn with_symbols(order: &Order) -> Result<Vec<u8>> {
    let known = IMAGES.iter().find(|known| known.name == order.program);
    if let (None, Some(known)) = (&order.image, known) {
        let mut elf = Vec::new();
        return match GzDecoder::new(known.symbols).read_to_end(&mut elf) {
            Ok(_) => Ok(elf),
            Err(error) => Err(Failure::isle(format!(
                "the symbols of {} cannot be unpacked ({}): install anchorite anew",
                order.program,
                describe(&error)
            ))),
        };
    }
    let elf = image(order)?.into_owned();
    if image::has_symbols(&elf) {
        return Ok(elf);
    }
    Err(Failure::usage(format!(
        "{}: it has no symbols, by which its functions could be named: build it with `anchorite \
         build --debug`, or give its source instead",
        order.program
    )))
}

/// The crate that `order` is for on `isle`, if that is to be a process of the host: it is built
/// for one, and takes the place of this process.
///
/// # Errors
/// It does not build, or asks for what only the isles of this launcher can do.
pub fn become_hosted(order: &Order, isle: Isle) -> Result<()> {
    let named = Path::new(&order.program);
    if isle != Isle::Hosted || !is_path(&order.program) || !named.is_dir() {
        return Ok(());
    }
    if !(order.forwards.is_empty()
        && order.mounts.is_empty()
        && order.preloads.is_empty()
        && order.exports.is_empty())
    {
        return Err(Failure::usage(format!(
            "{}: hosted, a program of one's own begins and ends with an empty ramdisk: leave out \
             --forward, --mount, --preload and --export, or take --isle uhyve",
            order.program
        )));
    }
    let executable = make::make_hosted(named)?;
    let word = |word: &Word| OsString::from_vec(word.bytes().to_vec());
    let env = order.env.iter().map(|variable| (word(&variable.name), word(&variable.value)));
    let error = Command::new(&executable)
        .args(order.args.iter().map(word))
        .env_clear()
        .envs(env)
        .env("ANCHORITE_HOSTED", format!("{},{}", order.cpus, order.memory_bytes))
        .exec();
    Err(Failure::isle(format!(
        "{} cannot be started ({}): see whether it can be executed where it is",
        executable.display(),
        describe(&error)
    )))
}

/// Makes what a user's own program needs ready to start on `isle`: builds it if its source is
/// named, and checks its image. The isle opens the image by this process, as long as that keeps
/// the file. Nothing is to be done for a program of this executable.
///
/// # Errors
/// There is no such file, it is no image, or it does not build.
pub fn ready(order: &mut Order, isle: Isle) -> Result<Option<File>> {
    if !is_path(&order.program) {
        return Ok(None);
    }
    let named = PathBuf::from(&order.program);
    let refuse = |why: &str| Failure::usage(format!("{}: {why}", named.display()));
    if let Err(error) = named.metadata() {
        return Err(Failure::unknown_program(format!(
            "{}: {}: name an image, or the directory of a program",
            named.display(),
            describe(&error)
        )));
    }
    if isle == Isle::Hosted {
        return Err(refuse(
            "it is an image, or is to be one, and the isle hosted is no machine: take --isle \
             uhyve, or name the directory of a crate",
        ));
    }
    let path = match make::is_source(&named) {
        true => make::make(slice::from_ref(&named), None, None, order.content(), make::Aim::Speed)?,
        false => named.clone(),
    };
    let file = File::open(&path).map_err(|error| refuse(&describe_unread(&error)))?;
    image::check(&read(&file, &path)?).map_err(|why| refuse(&why))?;
    order.image = Some(path_of(&file));
    Ok(Some(file))
}

/// The image that `order` is for, after [`ready`].
pub fn image(order: &Order) -> Result<Cow<'static, [u8]>> {
    match &order.image {
        Some(path) => {
            let file = File::open(path).map_err(|error| {
                Failure::isle(format!("{}: {}", order.program, describe_unread(&error)))
            })?;
            read(&file, Path::new(&order.program)).map(Cow::Owned)
        }
        None => built_in(&order.program)
            .map(Cow::Borrowed)
            .ok_or_else(|| Failure::isle(format!("there is no image of `{}`", order.program))),
    }
}

fn describe_unread(error: &std::io::Error) -> String {
    format!("it cannot be read ({}): see to its permissions", describe(error))
}

/// What is in the file, which nobody has to trust to be small, or to have an end.
fn read(file: &File, path: &Path) -> Result<Vec<u8>> {
    let refuse = |why: &str| Failure::usage(format!("{}: {why}", path.display()));
    let mut bytes = Vec::new();
    let is_file = file.metadata().is_ok_and(|found| found.is_file());
    if !is_file {
        return Err(refuse("it is no file: give one that `anchorite build` made"));
    }
    let read = file.take(image::LIMIT_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| refuse(&describe_unread(&error)))?;
    if bytes.len() as u64 > image::LIMIT_BYTES {
        return Err(refuse(
            "it is too large for an image: give a file that `anchorite build` made",
        ));
    }
    Ok(bytes)
}

fn is_path(program: &str) -> bool {
    program.contains('/')
}

/// Checks that `isle` can run what `order` names.
pub fn check(isle: Isle, order: &Order) -> Result<()> {
    let name = order.program.as_str();
    let is_there = match isle {
        Isle::Uhyve | Isle::Qemu => order.image.is_some() || built_in(name).is_some(),
        Isle::Hosted => find(name).is_some(),
    };
    if is_there {
        return Ok(());
    }
    if built_in(name).is_some() || find(name).is_some() {
        return Err(Failure::unknown_program(format!(
            "the program `{name}` does not run on the isle {}: take another --isle",
            isle.name()
        )));
    }
    let remedy = match Path::new(name).exists() {
        true => format!("for what is here by that name say ./{name}"),
        false => format!("the programs are {}", names().join(", ")),
    };
    Err(Failure::unknown_program(format!("there is no program `{name}`: {remedy}")))
}

/// All programs' names, in the order of `anchorite list`.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
    for Embedded { name, .. } in IMAGES {
        if !names.contains(name) {
            names.push(name);
        }
    }
    names
}

/// What `anchorite list` prints.
pub fn list() -> String {
    let names = names();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for name in names {
        let summary = summary(name);
        let _ = writeln!(text, "{name:width$}  {summary}");
    }
    text
}

fn summary(name: &str) -> &'static str {
    let for_tests = || {
        let found = TEST_IMAGES.iter().find(|(known, _)| *known == name);
        found.map_or("an image without a portable part", |(_, summary)| summary)
    };
    find(name).map_or_else(for_tests, |program| program.summary)
}
