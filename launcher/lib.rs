//! The `anchorite` command: starts guest programs on an isle and compares.
//!
//! From the top: [`cli`] reads the command line; [`order`] (with [`size`],
//! [`forward`] and [`archive`]) is a guest to be started, checked; [`isle`] chooses what it lives
//! on, and has [`preload`] and [`export`] see to its archives; [`supervise`] starts the isle as a process of its own, takes its stream of
//! frames apart, and answers with a status or one sentence ([`failure`]).
//! The isle's process is this same executable: [`vmm`] with uhyve inside, [`qemu`], which becomes
//! another one, or [`hosted`]. [`programs`] holds what can be run; [`hermit`] makes images of it. A
//! user's own program is begun by [`new`] and built by [`make`], from the [`sources`] that are in
//! this executable and as [`guest`] says; [`image`] knows what is one. [`compare`] runs a benchmark
//! each way and tells the results, on a [`machine`]: what the report measures by, too.
#![deny(unsafe_code)]

mod archive;
mod cli;
pub mod compare;
mod export;
mod failure;
mod forward;
mod guest;
mod hermit;
mod hosted;
mod image;
mod isle;
pub mod machine;
mod make;
mod mount;
mod new;
mod order;
mod pack;
mod preload;
mod programs;
mod qemu;
mod size;
mod sources;
mod supervise;
mod transfer;
mod vmm;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use cli::{Benchmark, Cli, Command};
pub use failure::{Failure, Result};
use isle::Isle;
use supervise::Terminal;

/// The command: reads its line, obeys, and answers with a status.
pub fn main() -> ExitCode {
    serve();
    ExitCode::from(carry_out(std::env::args_os()))
}

/// Obeys a command line, and answers with a status.
fn carry_out(words: impl IntoIterator<Item = OsString>) -> u8 {
    match Cli::read(words).and_then(|cli| obey(&cli)) {
        Ok(status) => status,
        Err(failure) => {
            if let Some(sentence) = &failure.sentence {
                complain(sentence);
            }
            failure.status
        }
    }
}

/// Becomes the process of an isle, or of a native run, if it was started as one, and does not
/// return then. An executable that has guests run calls this first: it is started again for each.
pub fn serve() {
    let Some((command, args)) = hidden_command() else { return };
    match (command.as_str(), args.as_slice()) {
        (isle::VMM_COMMAND, [parent, order]) => vmm::main(parent, order),
        (isle::QEMU_COMMAND, [parent, order]) => qemu::main(parent, order),
        (isle::HOSTED_COMMAND, [parent, order]) => hosted::main(parent, order),
        (compare::NATIVE_COMMAND, [parent, program, args @ ..]) => {
            compare::native_main(parent, program, args)
        }
        (compare::RUN_COMMAND, args) => {
            let words = ["anchorite", "run"].into_iter().chain(args.iter().map(String::as_str));
            std::process::exit(carry_out(words.map(OsString::from)).into())
        }
        _ => {}
    }
}

fn obey(cli: &Cli) -> Result<u8> {
    match &cli.command {
        None => compare::postmark::main_job(),
        Some(Command::Run(args)) => run(args),
        Some(Command::New(args)) => new::new(args).map(|()| 0),
        Some(Command::Build(args)) => make::build(args).map(|()| 0),
        Some(Command::Image(args)) => hermit::image(args).map(|()| 0),
        Some(Command::Compare(args)) => match &args.benchmark {
            Benchmark::Boot(args) => compare::boot::boot(args),
            Benchmark::Growth(args) => compare::growth::growth(args),
            Benchmark::Microbench(args) => compare::microbench::microbench(args),
            Benchmark::Parts(args) => compare::parts::parts(args),
            Benchmark::Preload(args) => compare::preload::preload(args),
            Benchmark::Postmark(args) => compare::postmark::postmark(args),
            Benchmark::Sizes(args) => compare::sizes::sizes(args),
        },
        Some(Command::List) => print(&programs::list()).map(|()| 0),
    }
}

/// `anchorite run`.
fn run(args: &cli::RunArgs) -> Result<u8> {
    let (mut order, isle) = args.order()?;
    let isle = isle.unwrap_or_else(|| {
        let (isle, line) = Isle::default_for(&order);
        if let Some(line) = line {
            complain(&line);
        }
        isle
    });
    programs::become_hosted(&order, isle)?;
    let _image = programs::ready(&mut order, isle)?;
    let status = isle.run(&order, &mut Terminal::default())?;
    // As wait(2) has it: the low eight bits.
    Ok((status & 0xff) as u8)
}

/// Prints `text` on standard output.
fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    let printed = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    printed.map_err(Failure::output)
}

/// Says a sentence on standard error.
fn complain(sentence: &str) {
    // A closed standard error leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "anchorite: {sentence}");
}

/// The hidden subcommand that this process was started with, if any, and its
/// arguments. Users never type these, so clap need not know them.
fn hidden_command() -> Option<(String, Vec<String>)> {
    let mut args = std::env::args_os().skip(1).map(|arg| arg.into_string());
    let command = args.next()?.ok()?;
    command.starts_with(isle::HIDDEN_PREFIX).then_some(())?;
    Some((command, args.collect::<std::result::Result<_, _>>().ok()?))
}
