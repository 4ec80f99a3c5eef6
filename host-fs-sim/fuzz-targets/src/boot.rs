//! `boot`: what a hypervisor or a loader tells a guest (device tree, multiboot information, command
//! line, ranges of memory, the time),
//! and what a guest sends to its launcher (frames).
//!
//! Boot info itself is a structure of the crate `hermit-entry`, whose bytes cannot be
//! anything: what is tried is what is made of its numbers.

use std::convert::Infallible;

use anchorite_interface::{Demux, Event, FORWARD, FRAMED, HEADER_BYTES, Kind, escape, header};
use anchorite_kernel::bootinfo::{DeviceTree, Kept, Layout, PAGE_BYTES};
use anchorite_kernel::clock::Scale;
use anchorite_kernel::cmdline::{self, Format};
use anchorite_kernel::console::{Console, Sink};
use anchorite_kernel::multiboot::Multiboot;
use anchorite_kernel::rtc::Reading;
use arbitrary::Arbitrary;

/// One thing that comes from outside.
#[derive(Arbitrary, Debug)]
pub enum Input<'a> {
    /// A device tree, and the numbers of boot info.
    Machine {
        /// Where memory starts and ends.
        memory: (u64, u64),
        /// Where the image does.
        image: (u64, u64),
        /// The device tree's bytes.
        tree: &'a [u8],
    },
    /// A Hermit image within memory, by pages.
    Layout {
        /// Pages of memory below the image, of the image, …
        pages: [u16; 4],
        /// What the ends are off by.
        odd: [u16; 3],
    },
    /// A boot command line as it is.
    Line(&'a [u8]),
    /// What a launcher makes a command line of.
    Words {
        /// Program arguments.
        args: Vec<Vec<u8>>,
        /// Environment variables.
        env: Vec<(Vec<u8>, Vec<u8>)>,
        /// Directories to forward.
        forward: Vec<Vec<u8>>,
    },
    /// What comes from a guest, and in which pieces.
    Stream {
        /// The lengths of the first pieces.
        pieces: [u8; 6],
        /// The bytes.
        bytes: &'a [u8],
    },
    /// What a guest writes.
    Output(Vec<Written>),
}

/// Something that a guest writes.
#[derive(Arbitrary, Debug)]
pub enum Written {
    /// To standard output.
    Stdout(Vec<u8>),
    /// A long line to standard output.
    Long(u8, u16),
    /// To standard error.
    Stderr(Vec<u8>),
    /// To the log.
    Log(Vec<u8>),
    /// Not by the guest, but by what it runs on.
    Noise(Vec<u8>),
}

/// Takes an input in.
pub fn run(input: Input<'_>) {
    match input {
        Input::Machine { memory, image, tree } => machine(memory, image, tree),
        Input::Layout { pages, odd } => whole_layout(pages, odd),
        Input::Line(line) => command_line(line),
        Input::Words { args, env, forward } => words(&args, &env, &forward),
        Input::Stream { bytes, pieces } => stream(bytes, &pieces),
        Input::Output(written) => output(&written),
    }
}

/// The same bytes as a multiboot loader's, from address 0 on, and as a clock's registers.
fn multiboot(image: u64, bytes: &[u8]) {
    let at = |address: u64, len: u64| {
        let rest = usize::try_from(address).ok().and_then(|start| bytes.get(start..));
        let rest = rest.unwrap_or_default();
        &rest[..rest.len().min(usize::try_from(len).unwrap_or(usize::MAX))]
    };
    let told = Multiboot::read(0, at);
    command_line(told.arguments());
    for module in told.modules(at) {
        assert!(module.start <= module.end, "{module:?}");
    }
    let memory = told.memory(image);
    assert!(memory.low.is_empty() || memory.low.contains(&image), "{memory:?}");
    assert!(memory.high.is_empty() || memory.high.start > image, "{memory:?}");
    if let Some(registers) = bytes.first_chunk() {
        let status_b = bytes.last().copied().unwrap_or(0);
        let seconds = Reading { registers: *registers, status_b }.seconds();
        // From 1900 to 2300, whatever it shows.
        assert!(seconds.is_none_or(|seconds| seconds.abs() < 11_000_000_000), "{seconds:?}");
    }
}

fn machine(memory: (u64, u64), image: (u64, u64), bytes: &[u8]) {
    let tree = DeviceTree::parse(bytes);
    command_line(tree.bootargs);
    assert!(tree.tsc_khz != Some(0), "a clock that stands still");
    let scale = Scale::new(tree.tsc_khz.unwrap_or(0));
    assert!(scale.nanoseconds(u64::from(scale.khz()) * 1000) <= 1_000_000_000);
    for lent in [tree.bootargs, tree.mounts] {
        let within = bytes.as_ptr_range();
        assert!(lent.is_empty() || within.contains(&lent.as_ptr()), "bytes of another tree");
    }
    multiboot(image.0, bytes);
    let (memory, image) = (memory.0..memory.1, image.0..image.1);
    let mut kept = Kept::default();
    if let Some(files) = tree.initrd.clone() {
        kept.add(files);
    }
    if let Ok(layout) = Layout::check(memory, image, kept) {
        check_layout(&layout);
    }
}

fn whole_layout(pages: [u16; 4], odd: [u16; 3]) {
    const START: u64 = 1 << 32;
    let [below, image, gap, initrd] = pages.map(|pages| u64::from(pages) * PAGE_BYTES);
    let [a, b, c] = odd.map(u64::from);
    let image = START + below + a..START + below + image + b;
    let start = image.end.next_multiple_of(PAGE_BYTES) + gap;
    let memory = START..start + initrd + c;
    let mut kept = Kept::default();
    kept.add(start..start + initrd);
    kept.add(START..START + a);
    let layout = Layout::check(memory.clone(), image.clone(), kept);
    if let Ok(layout) = layout {
        assert!(layout.memory.start <= image.start && image.end <= layout.memory.end);
        check_layout(&layout);
    }
}

/// What the image, what is kept and the heap take are whole pages, and no two take one page; the
/// heap is within memory.
fn check_layout(layout: &Layout) {
    let free: Vec<_> = layout.free_below().chain(layout.free_above()).collect();
    assert!(free.iter().all(|range| layout.has(range)), "{layout:?}");
    assert!(layout.room().is_empty() || free.contains(&layout.room()), "{layout:?}");
    let kept = layout.kept.ranges().iter().cloned();
    let all: Vec<_> = kept.chain(free).chain([layout.image.clone()]).collect();
    let taken: Vec<_> = all.iter().filter(|range| range.start < range.end).collect();
    for (at, range) in taken.iter().enumerate() {
        assert!(range.start.is_multiple_of(PAGE_BYTES), "{layout:?}: {range:?}");
        assert!(range.end.is_multiple_of(PAGE_BYTES), "{layout:?}: {range:?}");
        for other in &taken[..at] {
            let apart = range.end <= other.start || other.end <= range.start;
            assert!(apart, "{layout:?}: {range:?} {other:?}");
        }
    }
}

fn command_line(line: &[u8]) {
    let found = cmdline::parse(line);
    assert!(found.env.iter().all(|entry| entry.contains(&b'=')), "no variable");
}

/// What a launcher escapes comes back.
fn words(args: &[Vec<u8>], env: &[(Vec<u8>, Vec<u8>)], forward: &[Vec<u8>]) {
    let mut line = String::from(FRAMED);
    for dir in forward {
        line += &format!(" {FORWARD}={}", escape(dir));
    }
    for (name, value) in env {
        line += &format!(" env='{}'='{}'", escape(name), escape(value));
    }
    line += " --";
    for arg in args {
        line += &format!(" {}", escape(arg));
    }
    let found = cmdline::parse(line.as_bytes());
    let dirs: Vec<_> = found.forward.into_iter().map(|forward| forward.dir).collect();
    assert_eq!((found.args, dirs), (args.to_vec(), forward.to_vec()), "{line}");
    let env: Vec<_> = env.iter().map(|(name, value)| [name, &b"="[..], value].concat()).collect();
    assert_eq!((found.env, cmdline::format(line.as_bytes())), (env, Format::Framed), "{line}");
    assert!(found.unknown.is_empty(), "{line}");
}

/// What a stream carried: noise that follows noise joined, since its pieces are nobody's.
fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<(Option<Kind>, Vec<u8>)> {
    let mut seen: Vec<(Option<Kind>, Vec<u8>)> = Vec::new();
    let mut on = |event: Event<'_>| {
        match event {
            Event::Frame(kind, payload) => seen.push((Some(kind), payload.to_vec())),
            Event::Noise(bytes) => match seen.last_mut() {
                Some((None, noise)) => noise.extend_from_slice(bytes),
                _ => seen.push((None, bytes.to_vec())),
            },
        }
        Ok::<(), Infallible>(())
    };
    let mut demux = Demux::default();
    for piece in pieces {
        let Ok(()) = demux.push(piece, &mut on);
    }
    let Ok(()) = demux.finish(&mut on);
    seen
}

/// However a stream is cut, it carries the same, and nothing is lost.
fn stream(bytes: &[u8], pieces: &[u8]) {
    let whole = events([bytes].into_iter());
    let mut rest = bytes;
    let mut cut: Vec<&[u8]> = pieces
        .iter()
        .map(|len| rest.split_off(..usize::from(*len).min(rest.len())).unwrap_or_default())
        .collect();
    cut.push(rest);
    assert_eq!(events(cut.into_iter()), whole);
    let carried: usize =
        whole.iter().map(|(kind, bytes)| bytes.len() + kind.map_or(0, |_| HEADER_BYTES)).sum();
    assert_eq!(carried, bytes.len());
}

/// Collects what a console sends.
#[derive(Default)]
struct Wire(Vec<u8>);

impl Sink for &mut Wire {
    fn send(&mut self, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "a hypercall for nothing");
        self.0.extend_from_slice(bytes);
    }
}

/// What a guest writes arrives as it was written, whatever else is on the wire.
fn output(written: &[Written]) {
    let mut wire = Wire::default();
    let mut expected: [Vec<u8>; 3] = Default::default();
    for each in written {
        let mut console = Console::new(&mut wire);
        console.set_format(Format::Framed);
        let [stdout, stderr, log] = &mut expected;
        match each {
            Written::Stdout(bytes) => {
                console.stdout(bytes);
                stdout.extend_from_slice(bytes);
            }
            Written::Long(byte, len) => {
                let bytes = vec![*byte; usize::from(*len) * 2];
                console.stdout(&bytes);
                stdout.extend(bytes);
            }
            Written::Stderr(bytes) => {
                console.stderr(bytes);
                stderr.extend_from_slice(bytes);
            }
            Written::Log(line) => {
                console.log(line);
                log.extend_from_slice(line);
            }
            Written::Noise(_) => {}
        }
        console.flush();
        if let Written::Noise(bytes) = each {
            // A monitor's words hold no frames.
            wire.0.extend(bytes.iter().filter(|byte| **byte >= b' '));
        }
    }
    wire.0.extend(header(Kind::Exit, 4));
    wire.0.extend(7i32.to_le_bytes());
    let mut arrived: [Vec<u8>; 3] = Default::default();
    let mut status = None;
    for (kind, bytes) in events([&wire.0[..]].into_iter()) {
        let [stdout, stderr, log] = &mut arrived;
        match kind {
            Some(Kind::Stdout) => stdout.extend(bytes),
            Some(Kind::Stderr) => stderr.extend(bytes),
            Some(Kind::Log) => log.extend(bytes),
            Some(Kind::Exit) => status = Some(bytes),
            // Nothing writes these here.
            Some(kind @ (Kind::Progress | Kind::Exported | Kind::Archive)) => {
                panic!("{kind:?} from nowhere")
            }
            None => {}
        }
    }
    assert_eq!(arrived, expected);
    assert_eq!(status.as_deref(), Some(&7i32.to_le_bytes()[..]));
}
