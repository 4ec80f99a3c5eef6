//! `--profile FILE`: where a guest program spends its time, as collapsed stacks.
//!
//! Some thousand times a second ([`PERIOD`]; under QEMU less often) it is seen where each virtual
//! processor is, and by which calls it came there: [`vcpu`] does so under uhyve, in the isle's
//! process, and [`stub`] under QEMU, from here. Stacks are found by [`unwind`]; what
//! they are called, functions that were inlined included, is looked up when the guest has ended,
//! in the image's own tables, by the crate `addr2line`.
//!
//! The file is text in the form that flame graphs are drawn from: a line for each stack, its
//! functions from the outermost to the innermost with `;` between them, a blank, and the number of
//! samples. What has no name is `[unknown]`; a stack whose beginning was not found starts with
//! `[unknown]`; `[host]` is the time in which the guest waited for its host.

mod raw;
mod stub;
mod unwind;
pub mod vcpu;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use addr2line::Context;
use gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use goblin::elf::Elf;
use goblin::elf::sym::STT_FUNC;

use crate::export::Target;
use crate::failure::{Failure, Result};
use crate::forward::describe;
use crate::isle::Isle;
use crate::order::Order;
use crate::preload::path_of;
use crate::programs;
use crate::supervise::Sink;

use raw::Stack;
use stub::Stub;

/// Between two samples: 997 a second, so that nothing that is done each millisecond is always
/// seen at the same place.
const PERIOD: Duration = Duration::from_nanos(1_003_009);
/// What has no name.
const UNKNOWN: &str = "[unknown]";
/// What leaves the stack that it runs on for another one, for ever: there the stacks of programs
/// begin.
const ROOT: &str = "run_on_stack";
/// The host, while the guest waits for it.
const HOST: &str = "[host]";

/// Checks that the program can be profiled on `isle`.
///
/// # Errors
/// In a sentence, why it cannot.
pub fn check(order: &Order, isle: Isle) -> Result<()> {
    if order.profile.is_none() {
        return Ok(());
    }
    if isle == Isle::Hosted {
        return Err(Failure::usage(
            "--profile: the isle hosted is a process of this host and no machine: take --isle \
             uhyve or qemu, or perf(1)",
        ));
    }
    if order.gdb.is_some() {
        return Err(Failure::usage(
            "--profile and --gdb: a program that stands still spends no time: leave one out",
        ));
    }
    Ok(())
}

/// A profile in the making.
pub struct Profile {
    target: Target,
    elf: Vec<u8>,
    samples: Samples,
}

/// Where the samples are.
enum Samples {
    /// In a file that the isle's process adds to.
    File(File),
    /// With a thread of this process.
    Stub(Stub),
}

impl Profile {
    /// Sees to it that `order`, if it asks for a profile, is sampled when it runs on `isle`.
    ///
    /// # Errors
    /// The file cannot be made, or the image has no symbols.
    pub fn new(order: &mut Order, isle: Isle) -> Result<Option<Self>> {
        check(order, isle)?;
        let Some(path) = order.profile.take() else { return Ok(None) };
        let elf = programs::with_symbols(order)?;
        let target = Target::new("--profile", &path)?;
        let refuse = |error: std::io::Error| {
            Failure::isle(format!(
                "--profile: no place for samples can be made ({}): set TMPDIR to a directory that \
                 can be written",
                describe(&error)
            ))
        };
        let samples = match isle {
            Isle::Qemu => {
                let stub = Stub::listen(&elf).map_err(Failure::isle)?;
                order.profile = Some(stub.address().into());
                Samples::Stub(stub)
            }
            Isle::Uhyve | Isle::Hosted => {
                let file = tempfile::tempfile().map_err(refuse)?;
                order.profile = Some(path_of(&file));
                Samples::File(file)
            }
        };
        Ok(Some(Profile { target, elf, samples }))
    }

    /// Writes the file, when the guest has ended, and tells how much is in it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(self, sink: &mut dyn Sink) -> Result<()> {
        let Profile { target, elf, samples } = self;
        let refuse = |why: String| {
            let path = target.path().display();
            Failure::isle(format!("--profile {path}: it cannot be written ({why}): make room"))
        };
        let stacks = match samples {
            Samples::Stub(stub) => stub.finish(),
            Samples::File(mut file) => {
                let mut bytes = Vec::new();
                file.seek(SeekFrom::Start(0))
                    .and_then(|_| file.read_to_end(&mut bytes))
                    .map_err(|error| refuse(describe(&error)))?;
                raw::read(&bytes)
            }
        };
        let (text, unknown) = collapse(&stacks, &mut Names::new(&elf).map_err(refuse)?);
        let mut file = target.file();
        file.write_all(text.as_bytes()).map_err(|error| refuse(describe(&error)))?;
        let share = match stacks.len() {
            0 => 0.0,
            all => 100.0 * unknown as f64 / all as f64,
        };
        let line = format!(
            "anchorite: {}: {} samples, of which {unknown} ({share:.1} %) with [unknown]\n",
            target.path().display(),
            stacks.len(),
        );
        target.keep()?;
        sink.stderr(line.as_bytes()).map_err(Failure::output)
    }
}

/// The file's text, and how many samples have something unknown in them.
fn collapse(stacks: &[Stack], names: &mut Names<'_>) -> (String, usize) {
    let mut counts: HashMap<&Stack, usize> = HashMap::new();
    for stack in stacks {
        *counts.entry(stack).or_default() += 1;
    }
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    let mut unknown = 0;
    for (stack, count) in counts {
        let mut line: Vec<&str> = Vec::new();
        if stack.is_in_host {
            line.push(HOST);
        }
        for (number, at) in stack.frames.iter().enumerate() {
            // Where a call returns to may be another function already.
            names.look_up(if number == 0 { *at } else { at.wrapping_sub(1) });
        }
        for (number, at) in stack.frames.iter().enumerate() {
            line.extend(names.found(if number == 0 { *at } else { at.wrapping_sub(1) }));
        }
        // What that stack held is given up, so that nothing found above it is true.
        let root = line.iter().position(|name| name.split("::").last() == Some(ROOT));
        if let Some(root) = root {
            line.truncate(root);
        } else if !stack.is_whole && line.last() != Some(&UNKNOWN) {
            line.push(UNKNOWN);
        }
        if line.contains(&UNKNOWN) {
            unknown += count;
        }
        line.reverse();
        *lines.entry(line.join(";")).or_default() += count;
    }
    let text = lines.iter().map(|(line, count)| format!("{line} {count}\n")).collect();
    (text, unknown)
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// What is at an address of an image.
struct Names<'a> {
    lines: Context<Slice<'a>>,
    /// Start, end and name of each function in the table of symbols, by start.
    functions: Vec<(u64, u64, String)>,
    /// Where code is.
    code: Vec<(u64, u64)>,
    /// Of addresses that were looked up, the innermost function first.
    known: HashMap<u64, Vec<String>>,
}

impl<'a> Names<'a> {
    /// Those of the image in `elf`.
    fn new(elf: &'a [u8]) -> std::result::Result<Self, String> {
        let parsed = Elf::parse(elf).map_err(|error| error.to_string())?;
        let load = |id: SectionId| -> std::result::Result<Slice<'a>, gimli::Error> {
            let found = unwind::section(&parsed, elf, id.name());
            Ok(EndianSlice::new(found.map_or(&[], |(_, bytes)| bytes), LittleEndian))
        };
        let lines = Dwarf::load(load).and_then(Context::from_dwarf);
        let mut functions: Vec<_> = parsed
            .syms
            .iter()
            .filter(|symbol| symbol.st_type() == STT_FUNC || symbol.st_type() == 0)
            .filter(|symbol| symbol.st_shndx != 0)
            .filter_map(|symbol| {
                let name = parsed.strtab.get_at(symbol.st_name)?;
                let end = symbol.st_value.checked_add(symbol.st_size)?;
                let name = format!("{:#}", rustc_demangle::demangle(name));
                (!name.is_empty()).then_some((symbol.st_value, end, name))
            })
            .collect();
        functions.sort();
        let code = unwind::code(&parsed);
        Ok(Names {
            lines: lines.map_err(|error| error.to_string())?,
            functions,
            code,
            known: HashMap::new(),
        })
    }

    /// Finds out what is at `address`.
    fn look_up(&mut self, address: u64) {
        if self.known.contains_key(&address) {
            return;
        }
        let mut names = Vec::new();
        if let Ok(mut frames) = self.lines.find_frames(address).skip_all_loads() {
            while let Ok(Some(frame)) = frames.next() {
                let name = frame.function.and_then(|name| Some(name.demangle().ok()?.into_owned()));
                names.push(name.map_or_else(|| UNKNOWN.to_owned(), |name| plain(&name)));
            }
        }
        if names.is_empty() {
            let name = self.symbol(address).map_or_else(|| UNKNOWN.to_owned(), plain);
            names.push(name);
        }
        self.known.insert(address, names);
    }

    /// What [`Names::look_up`] found.
    fn found(&self, address: u64) -> impl Iterator<Item = &str> {
        self.known.get(&address).into_iter().flatten().map(String::as_str)
    }

    /// The name in the table of symbols. What assembler defines often has no size there.
    fn symbol(&self, address: u64) -> Option<&str> {
        if !self.code.iter().any(|(start, end)| (*start..*end).contains(&address)) {
            return None;
        }
        let after = self.functions.partition_point(|(start, ..)| *start <= address);
        let (start, end, name) = &self.functions[..after].last()?;
        (address < *end || start == end).then_some(name)
    }
}

/// A name without what has a meaning in the file.
fn plain(name: &str) -> String {
    name.replace(';', ",").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_told_from_the_outside_with_what_was_inlined() {
        let order = Order::new("hello");
        let elf = programs::with_symbols(&order).unwrap();
        let mut names = Names::new(&elf).unwrap();
        let (start, ..) = names.functions.iter().find(|(.., name)| name == "_start").unwrap();
        let start = *start;
        let at = |frames: &[u64], is_whole| Stack {
            frames: frames.to_vec(),
            is_whole,
            is_in_host: false,
        };
        let nowhere = 1 << 40;
        let stacks = [
            at(&[start], true),
            at(&[start], true),
            at(&[start, start + 1], false),
            at(&[nowhere], false),
            Stack { is_in_host: true, ..at(&[start], true) },
        ];
        let (text, unknown) = collapse(&stacks, &mut names);
        let lines: Vec<&str> = text.lines().collect();
        let wanted = ["[unknown] 1", "[unknown];_start;_start 1", "_start 2", "_start;[host] 1"];
        assert_eq!((lines.as_slice(), unknown), (&wanted[..], 2));
    }
}
