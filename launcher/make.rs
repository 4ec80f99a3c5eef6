//! `anchorite build`: the image of a program of one's own, from a crate or from C.
//!
//! A crate is built by cargo, with the profile of this workspace's own images and the linker's
//! arguments in `kernel/link-arguments`. C files are compiled and linked by the user's compiler,
//! by the same arguments, with a library that cargo makes once of `program/src/c`. Both say what
//! they have to say on standard error. The image appears when it is complete.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::cli::BuildArgs;
use crate::export::{Target, writable};
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::guest::{self, PROFILE, STRIPPED, TARGET, WITH_VARIABLES};
use crate::new::LINK;
use crate::sources::{Workshop, link_sources};
use crate::{complain, image};

/// The linker's arguments, one a line.
const LINK_ARGUMENTS: &str = include_str!("../kernel/link-arguments");
/// The compiler by whose counts images are built.
const COMPILER: &str = include_str!("../kernel/training/compiler");
/// Exit status for a program whose compiler refused it.
const STATUS_NOT_BUILT: u8 = 1;
/// Where in a directory its image is put unless the command line says otherwise.
const OUTPUT_DIR: &str = "target/anchorite";
/// What C is compiled with. A stack protector and checked functions need a C library; an image
/// is linked as a position-independent one.
const C_FLAGS: [&str; 4] = ["-fPIE", "-fno-stack-protector", "-U_FORTIFY_SOURCE", "-fno-plt"];

/// What a crate is built for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ground {
    /// The bare machine: an image.
    Machine(Content, Aim),
    /// A process of this host.
    Host,
}

/// What an image has in it beside what is loaded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing.
    Stripped,
    /// Symbols, types, variables and lines, for a debugger and for the profiler.
    Debug,
}

/// What an image is built for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Short calls: by the counts of a training run, if they are this compiler's.
    Speed,
    /// A small image.
    Size,
}

/// What a program is built from.
enum Source {
    /// A directory with a `Cargo.toml`.
    Crate(PathBuf),
    /// C files.
    C(Vec<PathBuf>),
}

/// Does what the command line says.
pub fn build(args: &BuildArgs) -> Result<()> {
    let here = [PathBuf::from(".")];
    let paths = if args.paths.is_empty() { &here[..] } else { &args.paths };
    let content = if args.debug { Content::Debug } else { Content::Stripped };
    let aim = if args.small { Aim::Size } else { Aim::Speed };
    let path = make(paths, args.output.as_deref(), args.bin.as_deref(), content, aim)?;
    let bytes = fs::metadata(&path).map_or(0, |found| found.len());
    complain(&format!("{}: an image of {} KiB", path.display(), bytes >> 10));
    Ok(())
}

/// Whether a path that `anchorite run` is given names something to be built first.
pub fn is_source(path: &Path) -> bool {
    path.is_dir() || is_c(path)
}

/// Builds the program at `paths`, with the binary target `bin` where there are several; returns
/// the image's path, which is `output` or one beside the source.
///
/// # Errors
/// Status 2 if there is nothing to be built from, 1 if the compiler refuses it, 125 if it cannot
/// be asked.
pub fn make(
    paths: &[PathBuf],
    output: Option<&Path>,
    bin: Option<&str>,
    content: Content,
    aim: Aim,
) -> Result<PathBuf> {
    let source = find(paths)?;
    if let (Source::C(_), Some(bin)) = (&source, bin) {
        return Err(Failure::usage(format!(
            "--bin {bin}: there is no such thing in C: leave it out"
        )));
    }
    // What is wrong with it is told before the work is done.
    let output = output.map(|path| writable("--output", path)).transpose()?;
    let scratch = tempfile::tempdir().map_err(|error| {
        Failure::isle(format!(
            "no temporary directory can be made ({}): set TMPDIR to one that can be written",
            describe(&error)
        ))
    })?;
    let workshop = Workshop::open()?;
    let (made, output) = match &source {
        Source::Crate(dir) => {
            let made = cargo_build(&workshop, dir, bin, Ground::Machine(content, aim))?;
            let name = made.file_name().unwrap_or_default().to_owned();
            (made, output.map_or_else(|| place_in(dir, &name), Ok)?)
        }
        Source::C(files) => {
            let first = &files[0];
            let output = match output {
                Some(output) => output,
                None if is_c(&paths[0]) => first.with_extension(""),
                None => place_in(&paths[0], &name_of(&paths[0])?)?,
            };
            (compile_c(&workshop, scratch.path(), files, &output, (content, aim))?, output)
        }
    };
    let mut bytes = fs::read(&made).map_err(|error| unread(&made, &error))?;
    image::brand(&mut bytes);
    image::check(&bytes).map_err(|why| {
        Failure::new(STATUS_NOT_BUILT, format!("what was built cannot be started: {why}"))
    })?;
    keep(&bytes, &output)?;
    Ok(output)
}

/// Builds the crate in `dir` for this host; returns the executable's path.
///
/// # Errors
/// As of [`make`]; status 2 for C.
pub fn make_hosted(dir: &Path) -> Result<PathBuf> {
    let Source::Crate(dir) = find(&[dir.to_owned()])? else {
        return Err(Failure::usage(format!(
            "{}: a program in C needs a machine, and the isle hosted has none: take --isle uhyve",
            dir.display()
        )));
    };
    let workshop = Workshop::open()?;
    cargo_build(&workshop, &dir, None, Ground::Host)
}

/// Finds out what is to be built.
fn find(paths: &[PathBuf]) -> Result<Source> {
    let refuse = |path: &Path, why: &str| Err(Failure::usage(format!("{}: {why}", path.display())));
    for path in paths {
        match fs::metadata(path) {
            Err(error) => {
                let why = format!("{}: name a directory or C files", describe(&error));
                return refuse(path, &why);
            }
            Ok(found) if found.is_dir() && paths.len() > 1 => {
                return refuse(path, "a directory is one program: build it by itself");
            }
            Ok(found) if !found.is_dir() && !is_c(path) => {
                return refuse(path, "it is neither a directory nor a C file: name one");
            }
            Ok(_) => {}
        }
    }
    let dir = match paths {
        [dir] if dir.is_dir() => dir,
        _ => return Ok(Source::C(paths.to_vec())),
    };
    if dir.join("Cargo.toml").exists() {
        return Ok(Source::Crate(dir.clone()));
    }
    let listed = fs::read_dir(dir).and_then(|entries| {
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()
    });
    let mut files = match listed {
        Ok(listed) => listed.into_iter().filter(|path| is_c(path)).collect::<Vec<_>>(),
        Err(error) => return refuse(dir, &format!("{}: let it be read", describe(&error))),
    };
    files.sort();
    if files.is_empty() {
        return refuse(
            dir,
            "there is neither a Cargo.toml nor a C file in it: make a program with `anchorite new`",
        );
    }
    Ok(Source::C(files))
}

fn is_c(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "c")
}

/// The name of a program in C whose directory is `dir`.
fn name_of(dir: &Path) -> Result<OsString> {
    let full = dir.canonicalize().map_err(|error| unread(dir, &error))?;
    Ok(full.file_name().unwrap_or("program".as_ref()).to_owned())
}

/// The path of the image called `name` of the program in `dir`.
fn place_in(dir: &Path, name: &std::ffi::OsStr) -> Result<PathBuf> {
    let place = dir.join(OUTPUT_DIR);
    fs::create_dir_all(&place).map_err(|error| {
        Failure::usage(format!(
            "{} cannot be made ({}): choose another place with --output",
            place.display(),
            describe(&error)
        ))
    })?;
    writable("--output", &place.join(name))
}

/// Puts an image where it belongs, at once. Whoever may read it may execute it, for
/// `anchorite register`.
fn keep(bytes: &[u8], output: &Path) -> Result<()> {
    let target = Target::new("--output", output)?;
    let mut file = target.file();
    let written = file.write_all(bytes).and_then(|()| {
        let mut permissions = file.metadata()?.permissions();
        let mode = permissions.mode();
        permissions.set_mode(mode | (mode & 0o444) >> 2);
        file.set_permissions(permissions)
    });
    written.map_err(|error| {
        Failure::isle(format!(
            "{} cannot be written ({}): see whether there is room",
            output.display(),
            describe(&error)
        ))
    })?;
    target.keep()
}

fn unread(path: &Path, error: &io::Error) -> Failure {
    Failure::isle(format!("{} cannot be read ({})", path.display(), describe(error)))
}

/// Cargo, to build or fetch what is in `manifest`.
fn cargo(workshop: &Workshop, subcommand: &str, manifest: &Path, ground: Ground) -> Command {
    let mut cargo = guest::command("cargo");
    if let Ground::Machine(content, aim) = ground {
        let first = match content {
            Content::Stripped => STRIPPED,
            Content::Debug => WITH_VARIABLES,
        };
        let mut flags = vec![first.to_owned()];
        flags.extend(by_counts(workshop, aim));
        flags.extend(LINK_ARGUMENTS.lines().map(|argument| format!("-Clink-arg={argument}")));
        flags.push(format!("-Clink-arg={}", discard(workshop)));
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    }
    cargo
        .arg(subcommand)
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--config")
        .arg(workshop.profile())
        .args(["--target", TARGET])
        .stdin(Stdio::null());
    cargo
}

/// rustc's arguments for an image that is to be fast.
fn by_counts(workshop: &Workshop, aim: Aim) -> Option<String> {
    if aim == Aim::Size {
        return None;
    }
    if let Some(why) = guest::uncounted("rustc", COMPILER) {
        complain(&why);
        return None;
    }
    Some(guest::by_counts(&workshop.sources().join(guest::COUNTS)))
}

/// The linker's script, as an argument.
fn discard(workshop: &Workshop) -> String {
    format!("-T{}", workshop.sources().join("kernel/discard.ld").display())
}

/// Builds `dir`'s binary; returns its path.
fn cargo_build(
    workshop: &Workshop,
    dir: &Path,
    bin: Option<&str>,
    ground: Ground,
) -> Result<PathBuf> {
    let manifest = dir.join("Cargo.toml");
    if fs::read_to_string(&manifest).is_ok_and(|text| text.contains(LINK)) {
        link_sources(workshop, &dir.join(LINK))?;
    }
    let name = dir.display().to_string();
    fetch(workshop, &manifest, &name)?;
    let mut command = cargo(workshop, "build", &manifest, ground);
    match bin {
        Some(bin) => command.args(["--bin", bin]),
        None => command.arg("--bins"),
    };
    match ground {
        Ground::Machine(..) => {
            command.args(["--features", "bare-metal", "--profile", PROFILE]);
        }
        Ground::Host => {
            command.args(["--features", "hosted", "--release"]);
        }
    }
    let mut executables = compile(workshop, command, ground, &name)?;
    match (executables.pop(), executables.is_empty()) {
        (Some(executable), true) => Ok(executable),
        (None, _) => Err(Failure::usage(format!(
            "{name}: its crate has no program: give it a src/main.rs, as `anchorite new` does"
        ))),
        (Some(_), false) => Err(Failure::usage(format!(
            "{name}: its crate has several programs: choose one with --bin"
        ))),
    }
}

/// Sees to it that all is there that a build needs, so that a missing network is told as what it
/// is.
fn fetch(workshop: &Workshop, manifest: &Path, name: &str) -> Result<()> {
    let mut command = cargo(workshop, "fetch", manifest, Ground::Host);
    let ended = command.status().map_err(|error| no_cargo(&error))?;
    judge(ended, || {
        format!(
            "{name}: cargo cannot have what it depends on, as told above: the first build of all \
             needs the network, later ones do not; if that is not it, see to its Cargo.toml"
        )
    })
}

/// Runs cargo's `build`; returns the executables that it made.
fn compile(
    workshop: &Workshop,
    mut command: Command,
    ground: Ground,
    name: &str,
) -> Result<Vec<PathBuf>> {
    command
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(workshop.target())
        .stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| no_cargo(&error))?;
    let mut executables = Vec::new();
    let mut library = None;
    if let Some(stdout) = child.stdout.take() {
        let lines = BufReader::new(stdout).lines().map_while(std::result::Result::ok);
        for line in lines {
            executables.extend(guest::executable(&line));
            library = library.or_else(|| library_in(&line));
        }
    }
    let ended = child.wait().map_err(|error| no_cargo(&error))?;
    judge(ended, || match has_linker() {
        true => format!("{name}: it does not build, as told above"),
        false => format!(
            "{name}: it cannot be linked, since there is no `cc`: install a C compiler, such as gcc"
        ),
    })?;
    if matches!(ground, Ground::Machine(_, Aim::Speed))
        && guest::uncounted("rustc", COMPILER).is_none()
        && library.is_some_and(|library| !is_counted(&library))
    {
        complain(&format!(
            "{name}: the counts by which images are made fast are not found: the kernel has other features \
             or versions of a crate here than it was counted with, or a workspace around it; calls \
             take up to two thirds longer, and a few twice as long"
        ));
    }
    Ok(executables)
}

/// The file system's library in a line of cargo's messages, if that tells of it.
fn library_in(line: &str) -> Option<PathBuf> {
    let (before, rest) = line.split_once("/libanchorite_fs-")?;
    let (name, _) = rest.split_once(".rlib\"")?;
    let (_, directory) = before.rsplit_once('"')?;
    Some(PathBuf::from(format!("{directory}/libanchorite_fs-{name}.rlib")))
}

/// Whether the library's objects have a name by which there are counts.
fn is_counted(library: &Path) -> bool {
    let Ok(bytes) = fs::read(library) else { return false };
    let mut names = guest::COUNTED_CRATES.lines().filter(|name| name.starts_with("anchorite_fs."));
    names.any(|name| bytes.windows(name.len()).any(|window| window == name.as_bytes()))
}

fn has_linker() -> bool {
    let mut asked = Command::new("cc");
    asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    !matches!(asked.status(), Err(error) if error.kind() == ErrorKind::NotFound)
}

fn no_cargo(error: &io::Error) -> Failure {
    Failure::isle(format!(
        "cargo cannot be started ({}): install Rust, from https://rustup.rs, and see that it is in \
         PATH",
        describe(error)
    ))
}

/// A failure with the status of a program that does not build, unless all went well.
fn judge(ended: ExitStatus, sentence: impl FnOnce() -> String) -> Result<()> {
    if ended.success() { Ok(()) } else { Err(Failure::new(STATUS_NOT_BUILT, sentence())) }
}

/// Compiles and links C files; returns the path of what came of it, in `scratch`.
fn compile_c(
    workshop: &Workshop,
    scratch: &Path,
    files: &[PathBuf],
    output: &Path,
    (content, aim): (Content, Aim),
) -> Result<PathBuf> {
    let library = workshop.c_library()?;
    let manifest = library.join("Cargo.toml");
    let what = "the library for programs in C";
    fetch(workshop, &manifest, what)?;
    let ground = Ground::Machine(content, aim);
    let mut command = cargo(workshop, "build", &manifest, ground);
    command.args(["--lib", "--profile", PROFILE]);
    compile(workshop, command, ground, what)?;
    let archive = workshop.target().join(TARGET).join(PROFILE).join("libanchorite_c.a");

    // The library does not know whose it is.
    let name = scratch.join("name.c");
    let text = output.file_name().unwrap_or_default().as_bytes();
    let text: String = text.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let text = format!("const char anchorite_program_name[] = \"{text}\";\n");
    fs::write(&name, text).map_err(|error| unread(&name, &error))?;
    let made = scratch.join("image");
    let cc = Words::of("CC", "cc")?;
    let flags = Words::of("CFLAGS", "-O2")?;
    let (program, first) =
        cc.0.split_first()
            .ok_or_else(|| Failure::usage("CC is empty: name a C compiler in it, or unset it"))?;
    let mut command = guest::command(program);
    command
        .args(first)
        .args(&flags.0)
        .args(C_FLAGS)
        .arg("-I")
        .arg(workshop.sources().join("syscalls/include"))
        .args(files)
        .arg(&name)
        .arg(&archive)
        .arg("-o")
        .arg(&made)
        .args(LINK_ARGUMENTS.lines())
        .arg(discard(workshop))
        .arg("-Wl,--gc-sections")
        .arg(if content == Content::Debug { "-g" } else { "-s" })
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let done = command.output().map_err(|error| {
        Failure::isle(format!(
            "the C compiler {program} cannot be started ({}): install one, such as gcc, or name it \
             in CC",
            describe(&error)
        ))
    })?;
    // What the compiler says is for the user, whatever becomes of the rest.
    let _ = io::stderr().write_all(&done.stderr);
    judge(done.status, || {
        let shown = files[0].display();
        let said = String::from_utf8_lossy(&done.stderr);
        let missing = missing_functions(&said);
        if missing.is_empty() {
            return format!("{shown}: it does not build, as told above");
        }
        format!(
            "{shown}: there is no {} in anchorite, which has no C library of the host's under it: \
             do without, or bring it; anchorite.h tells what there is",
            missing.join(", no ")
        )
    })?;
    Ok(made)
}

/// The words of a variable that a C compiler is told by.
struct Words(Vec<String>);

impl Words {
    fn of(variable: &str, default: &str) -> Result<Self> {
        let text = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
        shell_words::split(&text).map(Words).map_err(|_| {
            Failure::usage(format!("{variable} `{text}`: there is a quote that does not end"))
        })
    }
}

/// The functions that a linker did not find, by what it says; each once.
fn missing_functions(said: &str) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    for line in said.lines() {
        let name = line
            .split_once("undefined reference to `")
            .and_then(|(_, rest)| rest.split_once('\''))
            .or_else(|| line.split_once("undefined symbol: ").map(|(_, rest)| (rest, "")));
        if let Some((name, _)) = name
            && !found.contains(&name)
        {
            found.push(name);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linkers_miss_is_read() {
        let gnu = "/usr/bin/ld: /tmp/a.o: in function `main':\na.c:(.text.startup+0xf): undefined \
                   reference to `printf'\na.c:(.text+0x1): undefined reference to `fopen'\na.c: \
                   undefined reference to `printf'\ncollect2: error: ld returned 1 exit status\n";
        assert_eq!(missing_functions(gnu), ["printf", "fopen"]);
        let lld = "ld.lld: error: undefined symbol: printf\n>>> referenced by a.c\n";
        assert_eq!(missing_functions(lld), ["printf"]);
        assert!(missing_functions("a.c:1:1: error: expected ';'\n").is_empty());
    }
}
