//! [`run`]: one iteration of the benchmark.
//!
//! Subdirectories are made, files created, transactions made, the files left
//! deleted, and the subdirectories removed. A transaction reads or appends to
//! a file that exists, then creates or deletes one. The order in which numbers
//! are drawn is the original's; the comments name each draw.
//!
//! Whatever call fails, the run goes on as the original does: it says so for
//! `fopen`, `open` and `remove`, and says nothing for the others.

use alloc::vec::Vec;

use anchorite_syscalls::Result;
use arrayvec::ArrayVec;

use crate::Calls;
use crate::console::Console;
use crate::pool::{File, Pool};
use crate::random::Random;
use crate::report::{Counts, Data, Outcome, Report, Times};
use crate::settings::{Buffering, Location, Settings};
use crate::stdio::{LINE_BYTES, Mode, Stream, remove};

/// A location is part of a line; what follows is "/s", two numbers and "/".
type Path = ArrayVec<u8, { LINE_BYTES + 32 }>;

/// Dots that the transactions are to show.
const DOTS: i32 = 10;

/// Runs the benchmark; `None` if there is no memory for it, which was said.
pub fn run<'c, C: Calls>(
    calls: &'c C,
    settings: &Settings,
    console: &mut Console<'c, C>,
) -> Option<Report> {
    let mut work = Work::new(calls, settings, console)?;
    if settings.subdirectories > 1 {
        work.say(b"Creating subdirectories...");
        work.each_subdirectory(|path| calls.mkdir(path, 0o700));
        work.console.print_bytes(b"Done\n");
    }
    let start_ns = calls.now_ns();
    work.say(b"Creating files...");
    for _ in 0..settings.number {
        work.counts.created_alone += u64::from(work.create());
    }
    work.console.print_bytes(b"Done\n");
    work.say(b"Performing transactions");
    let transactions_ns = calls.now_ns();
    let outcome = work.transact();
    match outcome {
        Outcome::Complete => work.console.print_bytes(b"Done\n"),
        Outcome::OutOfFiles => work.console.print_bytes(
            b"out of files!\n\
              For this workload, either increase the number of files or\n\
              decrease the number of transactions.\n",
        ),
    }
    let deletion_ns = calls.now_ns();
    work.say(b"Deleting files...");
    for slot in 0..work.pool.slots() {
        if let Some(file) = work.pool.get(slot) {
            work.counts.deleted_alone += u64::from(work.delete(slot, &file));
        }
    }
    work.console.print_bytes(b"Done\n");
    let end_ns = calls.now_ns();
    if settings.subdirectories > 1 {
        work.say(b"Deleting subdirectories...");
        work.each_subdirectory(|path| calls.rmdir(path));
        work.console.print_bytes(b"Done\n");
    }
    let counts = Counts {
        created: work.counts.created_alone + work.counts.created_mixed,
        deleted: work.counts.deleted_alone + work.counts.deleted_mixed,
        ..work.counts
    };
    Some(Report {
        transactions: u64::from(settings.transactions.unsigned_abs()),
        counts,
        data: work.data,
        times: Times {
            total_ns: end_ns.saturating_sub(start_ns),
            creation_ns: transactions_ns.saturating_sub(start_ns),
            transactions_ns: deletion_ns.saturating_sub(transactions_ns),
            deletion_ns: end_ns.saturating_sub(deletion_ns),
        },
        outcome,
    })
}

/// What a run works with.
struct Work<'a, 'c, C: Calls> {
    calls: &'c C,
    settings: &'a Settings,
    console: &'a mut Console<'c, C>,
    random: Random,
    pool: Pool,
    /// What files are filled with, from its start.
    source: Vec<u8>,
    /// Where files are read to.
    target: Vec<u8>,
    stream: Stream,
    /// The sum of the locations' weights.
    weights: i32,
    /// The next file's name.
    next_number: u32,
    counts: Counts,
    data: Data,
}

impl<'a, 'c, C: Calls> Work<'a, 'c, C> {
    /// Takes all the memory that the run needs, and says so if it is too much.
    fn new(calls: &'c C, settings: &'a Settings, console: &'a mut Console<'c, C>) -> Option<Self> {
        let mut random = Random::new(settings.seed.unsigned_abs());
        // Draws: one for each byte of twice the greatest size.
        let source_bytes = settings.size_high.wrapping_mul(2);
        let Some(mut source) = room(source_bytes) else {
            console
                .error_fmt(format_args!("failed to allocate source file of size {source_bytes}"));
            return None;
        };
        // Below 95, so it fits.
        source.extend((0..source_bytes).map(|_| b' ' + random.below(95) as u8));
        // No file is larger, so no more is ever asked for at once.
        let target_bytes = settings.read_block.min(settings.size_high);
        let Some(mut target) = room(target_bytes) else {
            console
                .error_fmt(format_args!("failed to allocate read buffer of size {target_bytes}"));
            return None;
        };
        target.resize(target.capacity(), 0);
        let slots = settings.number.wrapping_mul(2);
        let table = usize::try_from(slots).ok().map(Pool::new);
        let (Some(Ok(pool)), Ok(stream)) = (table, Stream::new()) else {
            console.error_fmt(format_args!("Failed to allocate table for {slots} files"));
            return None;
        };
        let Some(weights) = total_weight(&settings.locations) else {
            console.error(&[b"cannot build weighted index of locations"]);
            return None;
        };
        Some(Work {
            calls,
            settings,
            console,
            random,
            pool,
            source,
            target,
            stream,
            weights,
            next_number: 1,
            counts: Counts::default(),
            data: Data::default(),
        })
    }

    /// Prints at once.
    fn say(&mut self, text: &[u8]) {
        self.console.print_bytes(text);
        self.console.flush();
    }

    /// Does `call` with each subdirectory of each location, whatever comes of
    /// it.
    fn each_subdirectory(&mut self, call: impl Fn(&[u8]) -> Result<()>) {
        for location in 0..self.settings.locations.len().max(1) {
            for subdirectory in 0..self.settings.subdirectories.unsigned_abs() {
                let mut path = Path::new();
                push_location(&mut path, &self.settings.locations, location);
                path.push(b's');
                push_number(&mut path, subdirectory);
                let _ = call(&path);
            }
        }
    }

    /// Makes the transactions.
    fn transact(&mut self) -> Outcome {
        let Settings { transactions, bias_read, bias_create, .. } = *self.settings;
        let dot_every = (transactions / DOTS).max(1);
        for transaction in 0..transactions {
            if self.pool.is_empty() {
                return Outcome::OutOfFiles;
            }
            if bias_read != -1 {
                // Draws: which of the two, then which file.
                if self.random.below(10) < bias_read {
                    self.read();
                } else {
                    self.append();
                }
            }
            if bias_create != -1 {
                // Draws: which of the two, then what that needs.
                if self.random.below(10) < bias_create {
                    self.counts.created_mixed += u64::from(self.create());
                } else {
                    let slot = self.pool.choose(&mut self.random);
                    if let Some(file) = self.pool.get(slot) {
                        self.counts.deleted_mixed += u64::from(self.delete(slot, &file));
                    }
                }
            }
            if transaction % dot_every == 0 {
                self.say(b".");
            }
        }
        Outcome::Complete
    }

    /// Creates a file, unless the table is full; whether it counts as created.
    /// One that could not be opened does, and has its place in the table.
    fn create(&mut self) -> bool {
        if self.pool.is_full() {
            return false;
        }
        // Draws: the location, the subdirectory, the size, each unless there
        // is but one.
        let location = self.draw_location();
        let subdirectory = match self.settings.subdirectories {
            several @ 2.. => self.random.below(several).unsigned_abs(),
            _ => 0,
        };
        let Settings { size_low, size_high, .. } = *self.settings;
        let file = File {
            number: self.next_number,
            size: size_low + self.random.below(size_high - size_low),
            location,
            subdirectory,
        };
        self.next_number = self.next_number.wrapping_add(1);
        self.pool.add(file);
        let path = self.path(&file);
        let size = file.size.unsigned_abs() as usize;
        let opened = match self.settings.buffering {
            Buffering::Stdio => match self.stream.open(self.calls, &path, Mode::Write) {
                Ok(()) => {
                    self.write_stream(size);
                    true
                }
                Err(_) => false,
            },
            Buffering::Raw => {
                let flags = libc::O_RDWR | libc::O_CREAT;
                match self.calls.open(&path, flags, 0o644) {
                    Ok(fd) => {
                        self.write_raw(fd, size);
                        true
                    }
                    Err(_) => false,
                }
            }
        };
        if !opened {
            self.console.error(&[b"cannot open '", &path, b"' for writing"]);
        }
        true
    }

    /// Reads a file, all of it.
    fn read(&mut self) {
        let slot = self.pool.choose(&mut self.random);
        let Some(file) = self.pool.get(slot) else {
            return;
        };
        let path = self.path(&file);
        let size = file.size.unsigned_abs() as usize;
        let block = self.settings.read_block.unsigned_abs().max(1) as usize;
        let opened = match self.settings.buffering {
            Buffering::Stdio => match self.stream.open(self.calls, &path, Mode::Read) {
                Ok(()) => {
                    let mut left = size;
                    while left > 0 {
                        let count = left.min(block);
                        self.stream.read(self.calls, &mut self.target[..count]);
                        left -= count;
                    }
                    let _ = self.stream.close_reading(self.calls);
                    true
                }
                Err(_) => false,
            },
            Buffering::Raw => match self.calls.open(&path, libc::O_RDONLY, 0o644) {
                Ok(fd) => {
                    let mut left = size;
                    loop {
                        let count = left.min(block);
                        let _ = self.calls.read(fd, &mut self.target[..count]);
                        left -= count;
                        if count < block {
                            break;
                        }
                    }
                    let _ = self.calls.close(fd);
                    true
                }
                Err(_) => false,
            },
        };
        if opened {
            self.counts.read += 1;
            self.counts.bytes_read += size as u64;
            self.data.read += size as f32;
        } else {
            self.console.error(&[b"cannot open '", &path, b"' for reading"]);
        }
    }

    /// Appends to a file, unless it has the greatest size.
    fn append(&mut self) {
        let slot = self.pool.choose(&mut self.random);
        let Some(file) = self.pool.get(slot) else {
            return;
        };
        if file.size >= self.settings.size_high {
            return;
        }
        let path = self.path(&file);
        let opened = match self.settings.buffering {
            Buffering::Stdio => self.stream.open(self.calls, &path, Mode::Append).map(|()| -1),
            Buffering::Raw => {
                let flags = libc::O_RDWR | libc::O_APPEND;
                self.calls.open(&path, flags, 0o644)
            }
        };
        let Ok(fd) = opened else {
            self.console.error(&[b"cannot open '", &path, b"' for append"]);
            return;
        };
        // Draws: how much, at least 1 byte.
        let growth = 1 + self.random.below(self.settings.size_high - file.size);
        let bytes = growth.unsigned_abs() as usize;
        match self.settings.buffering {
            Buffering::Stdio => self.write_stream(bytes),
            Buffering::Raw => self.write_raw(fd, bytes),
        }
        self.pool.grow(slot, growth);
        self.counts.appended += 1;
    }

    /// Deletes a file; whether that worked. If not, it keeps its place.
    fn delete(&mut self, slot: usize, file: &File) -> bool {
        let path = self.path(file);
        match remove(self.calls, &path) {
            Ok(()) => {
                self.pool.remove(slot);
                true
            }
            Err(_) => {
                self.console.error(&[b"Cannot delete '", &path, b"'"]);
                false
            }
        }
    }

    /// Writes the source's first `bytes` to the open stream and closes it.
    fn write_stream(&mut self, bytes: usize) {
        for part in self.source[..bytes].chunks(self.write_block()) {
            let _ = self.stream.write(self.calls, part);
        }
        let _ = self.stream.close_writing(self.calls);
        self.counts.bytes_written += bytes as u64;
        self.data.written += bytes as f32;
    }

    /// Writes the source's first `bytes` to the open file and closes it.
    fn write_raw(&mut self, fd: i32, bytes: usize) {
        let blocks = self.source[..bytes].chunks_exact(self.write_block());
        let rest = blocks.remainder();
        // The rest is written even if there is none.
        for part in blocks.chain([rest]) {
            let _ = self.calls.write(fd, part);
        }
        let _ = self.calls.close(fd);
        self.counts.bytes_written += bytes as u64;
        self.data.written += bytes as f32;
    }

    /// Never 0, as `set write` sees to.
    fn write_block(&self) -> usize {
        self.settings.write_block.unsigned_abs().max(1) as usize
    }

    /// The location of a new file.
    fn draw_location(&mut self) -> u32 {
        let locations = &self.settings.locations;
        if locations.len() < 2 {
            return 0;
        }
        let mut ticket = self.random.below(self.weights);
        for (index, location) in (0..).zip(locations) {
            if ticket < location.weight {
                return index;
            }
            ticket -= location.weight;
        }
        0
    }

    /// `[LOCATION/][sSUBDIRECTORY/]NUMBER`.
    fn path(&self, file: &File) -> Path {
        let mut path = Path::new();
        push_location(&mut path, &self.settings.locations, file.location as usize);
        if self.settings.subdirectories > 1 {
            path.push(b's');
            push_number(&mut path, file.subdirectory);
            path.push(b'/');
        }
        push_number(&mut path, file.number);
        path
    }
}

/// Room for so many bytes, if there is.
fn room(bytes: i32) -> Option<Vec<u8>> {
    let mut room = Vec::new();
    room.try_reserve_exact(usize::try_from(bytes).ok()?).ok()?;
    Some(room)
}

/// The sum of the weights; `None` where the original's `int` overflows.
fn total_weight(locations: &[Location]) -> Option<i32> {
    locations.iter().try_fold(0i32, |sum, location| sum.checked_add(location.weight))
}

/// Appends `LOCATION/`, if there is that location.
fn push_location(path: &mut Path, locations: &[Location], index: usize) {
    if let Some(location) = locations.get(index) {
        extend(path, &location.path);
        path.push(b'/');
    }
}

/// Appends a number in decimal.
fn push_number(path: &mut Path, mut number: u32) {
    let mut digits = [0; 10];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    extend(path, &digits[first..]);
}

fn extend(path: &mut Path, bytes: &[u8]) {
    path.try_extend_from_slice(bytes).expect("a path has room for a location and two numbers");
}
