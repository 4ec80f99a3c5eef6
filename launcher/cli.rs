//! The command line: what `anchorite` understands, and what the `HERMIT_*`
//! variables set where an option does not.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::failure::{Failure, Result};
use crate::forward::Forward;
use crate::gdb::{self, Port};
use crate::isle::Isle;
use crate::order::{self, Damaged, Order, Variable, Verbosity, Word};
use crate::{arguments, export, mount, preload, size};

/// A Rust unikernel with its files inside: start guest programs, compare them.
///
/// Without a subcommand: runs postmark on the ramdisk inside the unikernel, inside
/// the unikernel with each call forwarded to the host, and natively on Linux, in
/// two configurations, and prints one table.
#[derive(Parser)]
#[command(name = "anchorite", version, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Start one guest program; its output and exit status are this command's
    Run(RunArgs),
    /// Make the directory of a program of your own
    New(NewArgs),
    /// Build a program of your own: its image
    Build(BuildArgs),
    /// Make an image that another hypervisor starts
    Image(ImageArgs),
    /// Have this host's kernel start images by this command, as if they were its own programs
    Register,
    /// Take `register` back
    Unregister,
    /// Run a benchmark each way and compare
    Compare(CompareArgs),
    /// Draw what `run --profile` wrote
    Flamegraph(FlamegraphArgs),
    /// Name the guest programs
    List,
}

/// `anchorite run`.
#[derive(Args)]
pub struct RunArgs {
    /// What the guest lives on: uhyve, qemu or hosted [env: HERMIT_ISLE] [default: uhyve where
    /// /dev/kvm can be used, else qemu where it is installed, else hosted]
    #[arg(long, value_name = "ISLE")]
    isle: Option<String>,
    /// Cores [env: HERMIT_CPUS] [default: 1]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cpus: Option<String>,
    /// Memory, such as 512M or 2G: at least 16M, a multiple of 2M, under 60G, taken lazily from
    /// the host [env: HERMIT_MEM] [default: 2G]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    memory: Option<String>,
    /// Show HOST_DIR to the guest at GUEST_DIR [default: /host], each call forwarded
    #[arg(long, value_name = "HOST_DIR[:GUEST_DIR]")]
    forward: Vec<OsString>,
    /// Mount tmpfs:DIR[:OPTIONS], a new ramdisk; bind:SOURCE:DIR[:OPTIONS], a directory at another
    /// place too; or host:HOST_DIR:DIR[:ro], as --forward; may be repeated. OPTIONS are as for
    /// mount(8), such as size=64m,mode=1777,noatime
    #[arg(long, value_name = "SPEC")]
    mount: Vec<OsString>,
    /// Begin with the files of ARCHIVE, or of a directory of the host's, below DIR [default: /];
    /// may be repeated. tar (ustar, GNU, pax) or cpio (newc), plain or compressed by gzip or zstd
    #[arg(long, value_name = "ARCHIVE[:DIR]")]
    preload: Vec<OsString>,
    /// Leave out what is damaged in an archive, and count it, instead of not starting
    #[arg(long, requires = "preload")]
    preload_lenient: bool,
    /// Write the files below DIR [default: /] to FILE, as a pax tar archive, when the program
    /// returns or exits; may be repeated
    #[arg(long, value_name = "FILE[:DIR]")]
    export: Vec<OsString>,
    /// Set a variable of the program's environment
    #[arg(long, value_name = "K=V")]
    env: Vec<OsString>,
    /// Wait for gdb on a local port, and say how to start it: on qemu 1234, on uhyve HERMIT_PORT
    /// [env: HERMIT_DEBUG]
    #[arg(
        long,
        value_name = "PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    gdb: Option<String>,
    /// Write to FILE where the program spends its time, as collapsed stacks
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Send the kernel's log to standard error as it happens [env: HERMIT_VERBOSE]
    #[arg(long)]
    verbose: bool,
    /// The program, and its arguments; with a slash in it, the path of an image, or of the
    /// directory or the C file of a program, which is built first
    #[arg(
        required = true,
        value_name = "PROGRAM",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    program: Vec<OsString>,
}

/// `anchorite new`.
#[derive(Args)]
pub struct NewArgs {
    /// Begin a program in C; without this it is a crate
    #[arg(long)]
    pub c: bool,
    /// The directory to make; its last part is the program's name
    #[arg(value_name = "NAME")]
    pub path: PathBuf,
}

/// `anchorite build`.
#[derive(Args)]
pub struct BuildArgs {
    /// The directory of a crate, or of C files; or C files [default: .]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The image's file [default: target/anchorite/NAME in the directory, or beside the C file]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Which program of a crate that has several
    #[arg(long, value_name = "NAME")]
    pub bin: Option<String>,
    /// Keep symbols, types and lines in the image, for gdb and the profiler
    #[arg(short = 'g', long)]
    pub debug: bool,
    /// Make a small image rather than a fast one
    #[arg(long)]
    pub small: bool,
}

/// `anchorite flamegraph`.
#[derive(Args)]
pub struct FlamegraphArgs {
    /// Collapsed stacks, as `anchorite run --profile` writes them
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The picture's file [default: FILE with .svg for its extension]
    #[arg(short, long, value_name = "SVG")]
    pub output: Option<PathBuf>,
}

/// `anchorite image`.
#[derive(Args)]
pub struct ImageArgs {
    /// A Hermit image of PROGRAM, as for `run`, for `uhyve --hermit-image-mode internal`
    #[arg(long, value_name = "PROGRAM")]
    hermit: Option<String>,
    /// A disk that starts PROGRAM, as for `run`, in a PC with a BIOS
    #[arg(long, value_name = "PROGRAM")]
    disk: Option<String>,
    /// The disk's size, such as 64M or 10G [default: what it takes, in MiB; with --gce in GiB]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    size: Option<String>,
    /// Write the disk as Google Compute Engine imports it too, beside it, such as disk.tar.gz
    #[arg(long)]
    pub gce: bool,
    /// Write the disk as a qcow2 too, for OpenStack, beside it, such as disk.qcow2
    #[arg(long)]
    pub qcow2: bool,
    /// Put the files of ARCHIVE, or of a directory of the host's, into the image; as for `run`
    #[arg(long, value_name = "ARCHIVE[:DIR]")]
    preload: Vec<OsString>,
    /// Leave out what is damaged in an archive, and count it, instead of not starting
    #[arg(long, requires = "preload")]
    preload_lenient: bool,
    /// Mount tmpfs:DIR[:OPTIONS] or bind:SOURCE:DIR[:OPTIONS], as for `run`; may be repeated
    #[arg(long, value_name = "SPEC")]
    mount: Vec<OsString>,
    /// Cores that a Hermit image needs [default: 1]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    cpus: Option<String>,
    /// Memory that a Hermit image needs [default: 16M more than what is in it]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    memory: Option<String>,
    /// Set a variable of the program's environment
    #[arg(long, value_name = "K=V")]
    env: Vec<OsString>,
    /// Print the kernel's log among the program's output
    #[arg(long)]
    verbose: bool,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The program's arguments, up to the next option; may be repeated
    #[arg(long = "args", value_name = "ARGS", allow_hyphen_values = true)]
    words: Vec<OsString>,
    /// The program's arguments, or more of them
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

/// What kind of image is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageKind {
    /// For uhyve.
    Hermit,
    /// For a PC.
    Disk,
}

/// `anchorite compare`.
#[derive(Args)]
pub struct CompareArgs {
    /// What to compare by.
    #[command(subcommand)]
    pub benchmark: Benchmark,
}

/// The benchmarks.
#[derive(Subcommand)]
pub enum Benchmark {
    /// How long a guest takes to its program's first line, and how little it needs
    Boot(BootArgs),
    /// How costs grow with files, with paths, with bytes
    Growth(GrowthArgs),
    /// Single calls, each beside its goal
    Microbench(MicrobenchArgs),
    /// Where the time of a read and of a file made goes
    Parts(CallsArgs),
    /// What it takes to begin with the files of an archive
    Preload(PreloadArgs),
    /// Small files created, read, appended to and deleted, as a mail server does
    Postmark(PostmarkArgs),
    /// Reading and writing by size, from a byte to a MiB, beside the copy of as much memory
    Sizes(CallsArgs),
}

/// `anchorite compare postmark`.
#[derive(Args)]
pub struct PostmarkArgs {
    /// The guest's isle [env: HERMIT_ISLE] [default: as for run]; on qemu, which is emulated,
    /// instructions are counted instead of time
    #[arg(long, value_name = "ISLE")]
    pub isle: Option<String>,
    /// A host file of postmark commands, without `run` and `quit` [default: postmark's own
    /// configuration]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How often to run each way; the table shows medians
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// Where on the host the native run puts its files [default: a new directory in /dev/shm]
    #[arg(long, value_name = "DIR")]
    pub native_dir: Option<PathBuf>,
    /// Run the three configurations that have goals, each forwarded once, which takes minutes
    #[arg(long, conflicts_with = "config")]
    pub goals: bool,
    /// A twentieth of these, to see that it works
    #[arg(long, requires = "goals")]
    pub quick: bool,
    /// Begin with N files, and do as many transactions; several N parted by commas are as many
    /// configurations, of which those over 10000 are not forwarded
    #[arg(long, value_name = "N", value_delimiter = ',', conflicts_with_all = ["config", "goals"], value_parser = clap::value_parser!(u32).range(10..=10_000_000))]
    pub files: Vec<u32>,
    /// Also run it natively on ext4, and the C program of Debian's package postmark, where these
    /// are to be had
    #[arg(long)]
    pub further: bool,
    /// A directory on ext4 [default: a new one in TMPDIR, /var/tmp or here]
    #[arg(long, value_name = "DIR", requires = "further")]
    pub ext4_dir: Option<PathBuf>,
    /// Print JSON instead of the table
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print the table of goals as Markdown
    #[arg(long, requires = "goals", conflicts_with = "further")]
    pub markdown: bool,
}

/// `anchorite compare microbench`.
#[derive(Args)]
pub struct MicrobenchArgs {
    /// The guest's isle [env: HERMIT_ISLE] [default: as for run]; on qemu, which is emulated,
    /// instructions are counted instead of time
    #[arg(long, value_name = "ISLE")]
    pub isle: Option<String>,
    /// Only rows with TEXT in their name; may be repeated
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// How often to run the ramdisk and natively, in turn [default: 3, quick: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: Option<u32>,
    /// Samples in a run of each row whose call is repeated [default: 9, quick: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub samples: Option<u32>,
    /// Files in one directory [default: 1000000, quick: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=100_000_000))]
    pub files: Option<u32>,
    /// MiB that a file grows to [default: 1024, quick: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub append_mib: Option<u32>,
    /// A hundredth of everything, to see that it works: short samples, so take no figure from it
    #[arg(long)]
    pub quick: bool,
    /// Where on the host the native run puts its files [default: a new directory in /dev/shm]
    #[arg(long, value_name = "DIR")]
    pub native_dir: Option<PathBuf>,
    /// How to print it.
    #[command(flatten)]
    pub form: Form,
}

/// `anchorite compare growth`.
#[derive(Args)]
pub struct GrowthArgs {
    /// Files of the largest directory and tree, such as 10000000 [default: 1000000, quick: 10000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    pub files: Option<u32>,
    /// Files of the largest tree, if fewer than of the largest directory
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    pub tree_files: Option<u32>,
    /// MiB of the longest file, such as 4096 [default: 1024, quick: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub mib: Option<u32>,
    /// How often to run each way, in turn
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Small sizes and short samples, to see that it works
    #[arg(long)]
    pub quick: bool,
    /// Where on the host the native run puts its files [default: a new directory in /dev/shm, under
    /// a tmpfs of its own where one can be mounted]
    #[arg(long, value_name = "DIR")]
    pub native_dir: Option<PathBuf>,
    /// How to print it.
    #[command(flatten)]
    pub form: Form,
}

/// `anchorite compare sizes` and `anchorite compare parts`.
#[derive(Args)]
pub struct CallsArgs {
    /// How often to run the ramdisk and natively, in turn
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// Short samples, to see that it works
    #[arg(long)]
    pub quick: bool,
    /// Where on the host the native run puts its files [default: a new directory in /dev/shm]
    #[arg(long, value_name = "DIR")]
    pub native_dir: Option<PathBuf>,
    /// How to print it.
    #[command(flatten)]
    pub form: Form,
}

/// How a comparison is printed.
#[derive(Args)]
pub struct Form {
    /// Print JSON instead of the table
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Print the table as Markdown
    #[arg(long)]
    pub markdown: bool,
}

/// `anchorite compare boot`.
#[derive(Args)]
pub struct BootArgs {
    /// How often to boot
    #[arg(long, value_name = "N", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// How to print it.
    #[command(flatten)]
    pub form: Form,
}

/// `anchorite compare preload`.
#[derive(Args)]
pub struct PreloadArgs {
    /// Small files, in one directory
    #[arg(long, value_name = "N", default_value = "100000", value_parser = clap::value_parser!(u32).range(1..=9_999_999))]
    pub files: u32,
    /// MiB in four large files
    #[arg(long, value_name = "N", default_value = "1024", value_parser = clap::value_parser!(u32).range(4..=16384))]
    pub mib: u32,
    /// Also place, and copy, fewer and smaller files: in a guest from a directory that is forwarded,
    /// natively by the same program, and by tar
    #[arg(long)]
    pub beside: bool,
    /// How often to start with each
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub runs: u32,
    /// How to print it.
    #[command(flatten)]
    pub form: Form,
}

impl Cli {
    /// Reads a command line; prints help or the version itself.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self> {
        let line = arguments::line(words.into_iter().collect(), &Self::command());
        Self::parse_from(line).map_err(|error| {
            if error.use_stderr() {
                // Its first paragraph says what is wrong; the rest is a help text.
                let text = error.render().to_string();
                let what = text.split("\n\n").next().unwrap_or_default();
                let what = what.strip_prefix("error: ").unwrap_or(what);
                let words: Vec<_> = what.split_whitespace().collect();
                return Failure::usage(format!("{}: see anchorite --help", words.join(" ")));
            }
            // Help and version are what was asked for.
            let _ = error.print();
            Failure { status: 0, sentence: None }
        })
    }
}

impl Cli {
    /// Reads a command line. clap would take whatever follows `--gdb` for a port; here only a
    /// number is one.
    fn parse_from(mut args: Vec<OsString>) -> std::result::Result<Self, clap::Error> {
        let cli = Self::try_parse_from(&args)?;
        let Some(Command::Run(run)) = &cli.command else { return Ok(cli) };
        let first = args.len() - run.program.len();
        let is_number = |text: &OsString| {
            text.to_str().is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
        };
        if run.program.first().is_some_and(is_number) && args[first - 1] == "--gdb" {
            let port = args.remove(first);
            args[first - 1].push("=");
            args[first - 1].push(port);
            return Self::try_parse_from(args);
        }
        Ok(cli)
    }
}

impl RunArgs {
    /// The order that these options and the environment make, and its isle.
    pub fn order(&self) -> Result<(Order, Option<Isle>)> {
        let isle = isle(self.isle.as_deref())?;
        let Some((program, args)) = self.program.split_first() else {
            return Err(Failure::usage("give a program to run"));
        };
        let program = program.to_string_lossy();
        if program.starts_with('-') {
            // Options end where the program begins, so this is none of its own.
            return Err(Failure::usage(format!(
                "there is no option {program}: see anchorite run --help"
            )));
        }
        let mut order = Order::new(&program);
        order.args = args.iter().map(|arg| Word::from(arg.as_os_str())).collect();
        if let Some(cpus) =
            setting(self.cpus.as_deref(), "--cpus", "HERMIT_CPUS", order::parse_cpus)?
        {
            order.cpus = cpus;
        }
        if let Some(bytes) = setting(self.memory.as_deref(), "--memory", "HERMIT_MEM", size::parse)?
        {
            order.memory_bytes = bytes;
        }
        for argument in &self.forward {
            order.forwards.push(Forward::parse(argument)?);
        }
        for argument in &self.mount {
            mount::add(argument, &mut order)?;
        }
        set_files_and_env(&mut order, &self.preload, self.preload_lenient, &self.env)?;
        for argument in &self.export {
            order.exports.push(export::parse(argument)?);
        }
        if let Some(port) = &self.gdb {
            order.gdb = Some(gdb::parse(port)?);
        } else if is_on(env::var_os("HERMIT_DEBUG").as_deref()) {
            order.gdb = Some(Port::Usual);
        }
        if let Some(file) = &self.profile {
            order.profile = Some(export::writable("--profile", file)?);
        }
        if self.verbose || is_on(env::var_os("HERMIT_VERBOSE").as_deref()) {
            order.verbosity = Verbosity::Log;
        }
        Ok((order, isle))
    }
}

impl ImageArgs {
    /// The kind of the image, and the program in it.
    ///
    /// # Errors
    /// It is none, or both, or there are options of the other's.
    fn what(&self) -> Result<(ImageKind, &str)> {
        let (kind, program, others) = match (&self.hermit, &self.disk) {
            (Some(program), None) => (
                ImageKind::Hermit,
                program,
                [
                    (self.size.is_some(), "--size is a disk's: take --disk instead of --hermit"),
                    (self.gce, "--gce is a disk's: take --disk instead of --hermit"),
                    (self.qcow2, "--qcow2 is a disk's: take --disk instead of --hermit"),
                ],
            ),
            (None, Some(program)) => (
                ImageKind::Disk,
                program,
                [
                    (
                        self.cpus.is_some(),
                        "--cpus: a disk starts in whatever machine it is put into: leave it out",
                    ),
                    (
                        self.memory.is_some(),
                        "--memory: a disk starts in whatever machine it is put into: leave it out",
                    ),
                    (false, ""),
                ],
            ),
            (Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "--hermit and --disk are two kinds of images: make one, then the other",
                ));
            }
            (None, None) => {
                return Err(Failure::usage(
                    "say which kind of image: --disk PROGRAM, which --gce, --qcow2 and --size \
                     belong to, or --hermit PROGRAM",
                ));
            }
        };
        match others.iter().find(|(is_given, _)| *is_given) {
            Some((_, why)) => Err(Failure::usage(*why)),
            None => Ok((kind, program)),
        }
    }

    /// The kind of the image.
    pub fn kind(&self) -> Result<ImageKind> {
        self.what().map(|(kind, _)| kind)
    }

    /// The order that is in the image.
    pub fn order(&self) -> Result<Order> {
        let (_, program) = self.what()?;
        let mut order = Order::new(program);
        let args = self.words.iter().chain(&self.args);
        order.args = args.map(|arg| Word::from(arg.as_os_str())).collect();
        if let Some(cpus) = &self.cpus {
            order.cpus = order::parse_cpus("--cpus", cpus)?;
        }
        if let Some(bytes) = self.memory_bytes()? {
            order.memory_bytes = bytes;
        }
        for argument in &self.mount {
            mount::add(argument, &mut order)?;
            if !order.forwards.is_empty() {
                return Err(Failure::usage(format!(
                    "--mount {}: an image has no host to reach: give a copy by --preload",
                    argument.display()
                )));
            }
        }
        set_files_and_env(&mut order, &self.preload, self.preload_lenient, &self.env)?;
        if self.verbose {
            order.verbosity = Verbosity::Log;
        }
        Ok(order)
    }

    /// The memory that was asked for.
    pub fn memory_bytes(&self) -> Result<Option<u64>> {
        self.memory.as_deref().map(|text| size::parse("--memory", text)).transpose()
    }

    /// The size of a disk on which `needed_bytes` are to be.
    pub fn disk_bytes(&self, needed_bytes: u64) -> Result<u64> {
        let step_bytes = if self.gce { size::GIB } else { size::MIB };
        match &self.size {
            Some(text) => size::parse_disk("--size", text, needed_bytes, step_bytes),
            None => Ok(needed_bytes.next_multiple_of(step_bytes)),
        }
    }

    /// The file to write, which can be.
    pub fn output(&self) -> Result<PathBuf> {
        export::writable("--output", &self.output)
    }
}

/// Takes over what both a run and an image are told in the same way.
fn set_files_and_env(
    order: &mut Order,
    preloads: &[OsString],
    is_lenient: bool,
    env: &[OsString],
) -> Result<()> {
    for argument in preloads {
        order.preloads.push(preload::parse(argument)?);
    }
    if is_lenient {
        order.damaged = Damaged::Skipped;
    }
    for argument in env {
        let variable = Variable::parse(argument)?;
        // The last one of a name wins, as with env(1).
        order.env.retain(|earlier| earlier.name != variable.name);
        order.env.push(variable);
    }
    Ok(())
}

/// The isle that an option, or else the variable, asks for.
pub fn isle(option: Option<&str>) -> Result<Option<Isle>> {
    setting(option, "--isle", "HERMIT_ISLE", Isle::parse)
}

/// A value from its option, or else from its variable, unless that is empty.
fn setting<T>(
    option: Option<&str>,
    option_name: &str,
    variable: &str,
    parse: impl Fn(&str, &str) -> Result<T>,
) -> Result<Option<T>> {
    if let Some(text) = option {
        return parse(option_name, text).map(Some);
    }
    match env::var_os(variable) {
        Some(text) if !text.is_empty() => parse(variable, &text.to_string_lossy()).map(Some),
        _ => Ok(None),
    }
}

/// Whether a variable that turns something on does.
pub fn is_on(value: Option<&OsStr>) -> bool {
    value.is_some_and(|value| !["", "0", "false", "no", "off"].iter().any(|off| value == *off))
}
