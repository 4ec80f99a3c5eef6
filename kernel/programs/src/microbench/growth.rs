//! How calls' costs grow: with files, in one directory and in a tree; with the
//! components of a path; with the bytes of a file. Beside them reads of memory at random,
//! since what is spread over more memory costs more whoever reads it.
//!
//! Those come first: what a call costs is measured in memory that was used before (see
//! [`many`](super::many)).
//!
//! Prints a line for each series and size:
//!
//! ```text
//! {"series":"stat in one directory","size":1000,"unit":"ns","samples":[212.5]}
//! ```

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::Write;
use core::hint::black_box;

use anchorite_syscalls::Errno;

use super::bench::{Bench, Samples};
use super::many::{self, Random};
use super::single::{CREATE, all, create, remove_directory};
use super::{Calls, Options};
use crate::io::{Failure, ToDo};

/// Files of the smallest directory; the next has ten times as many.
const LEAST_FILES: u32 = 1000;
/// Files that take a moment.
const FEW_FILES: u32 = 100_000;
/// Files in each directory of a tree.
const LEAF_FILES: u32 = 100;
/// Components of the longest path.
const COMPONENTS: usize = 64;
/// Bytes of the smallest file; the next has 32 times as many.
const LEAST_BYTES: u64 = 1024;
/// Bytes that are read or written.
const TRANSFER: usize = 512;
/// Bytes of memory that stand for a file.
const RECORD_BYTES: u64 = 256;
/// Bytes of memory from one place that is read to the next.
const PLACE_BYTES: usize = 256;
const PLACE_WORDS: usize = PLACE_BYTES / size_of::<u64>();

/// All series.
///
/// # Errors
/// A call fails, or the console.
pub fn growth<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let Options { files: most_files, append_bytes: most_bytes, .. } = *bench.options;
    let numbers = files_up_to(most_files).map(u64::from);
    memory(bench, "memory read at random, 256 B a file", numbers, RECORD_BYTES)?;
    memory(bench, "memory read at random, of a file's length", lengths_up_to(most_bytes), 1)?;
    files(bench, &mut OneDirectory(many::Path::new()), most_files)?;
    let tree_files = bench.options.tree_files.unwrap_or(most_files);
    files(bench, &mut Tree(*b"tree/000/000/00\0"), tree_files)?;
    components(bench)?;
    bytes(bench)
}

/// A way to lay out numbered files.
trait Layout {
    /// The series: create, stat, unlink.
    const SERIES: [&'static str; 3];
    /// The topmost directory.
    const TOP: &'static CStr;
    /// The path of file `at`.
    fn path(&mut self, at: u32) -> &CStr;
    /// Calls `deed` with each directory that the files `from` to below `to` need beside
    /// the topmost, parents first.
    fn directories(
        &mut self,
        from: u32,
        to: u32,
        deed: &mut dyn FnMut(&CStr) -> Result<(), Failure>,
    ) -> Result<(), Failure>;
}

struct OneDirectory(many::Path);

impl Layout for OneDirectory {
    const SERIES: [&'static str; 3] =
        ["create in one directory", "stat in one directory", "unlink in one directory"];
    const TOP: &'static CStr = many::DIRECTORY;

    fn path(&mut self, at: u32) -> &CStr {
        self.0.to(at)
    }

    fn directories(
        &mut self,
        _: u32,
        _: u32,
        _: &mut dyn FnMut(&CStr) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        Ok(())
    }
}

/// A hundred files in each directory, a thousand of those in each above.
struct Tree([u8; 16]);

impl Tree {
    const LEAVES: u32 = 1000;
    /// Where the number of the upper directory ends, that of the lower, the file's.
    const ENDS: [usize; 3] = [8, 12, 15];

    fn directory(&mut self, end: usize) -> &CStr {
        self.0[end] = 0;
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    fn set(&mut self, at: u32) {
        let [upper, lower, file] = Self::ENDS;
        let leaf = at / LEAF_FILES;
        for (end, digits, mut number) in [
            (upper, 3, leaf / Self::LEAVES),
            (lower, 3, leaf % Self::LEAVES),
            (file, 2, at % LEAF_FILES),
        ] {
            for digit in self.0[end - digits..end].iter_mut().rev() {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        self.0[upper] = b'/';
        self.0[lower] = b'/';
    }
}

impl Layout for Tree {
    const SERIES: [&'static str; 3] = ["create in a tree", "stat in a tree", "unlink in a tree"];
    const TOP: &'static CStr = c"tree";

    fn path(&mut self, at: u32) -> &CStr {
        self.set(at);
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }

    fn directories(
        &mut self,
        from: u32,
        to: u32,
        deed: &mut dyn FnMut(&CStr) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        for leaf in from.div_ceil(LEAF_FILES)..to.div_ceil(LEAF_FILES) {
            if leaf.is_multiple_of(Self::LEAVES) {
                self.set(leaf * LEAF_FILES);
                deed(self.directory(Self::ENDS[0]))?;
            }
            self.set(leaf * LEAF_FILES);
            deed(self.directory(Self::ENDS[1]))?;
        }
        Ok(())
    }
}

/// Ever more files; a few as often as there are samples, since what takes a moment may meet
/// a moment in which the host does something else.
fn files<C: Calls, L: Layout>(
    bench: &mut Bench<'_, C>,
    layout: &mut L,
    most: u32,
) -> Result<(), Failure> {
    for _ in 1..bench.options.samples {
        files_once(bench, layout, most.min(FEW_FILES))?;
    }
    files_once(bench, layout, most)
}

/// Ever more files: made up to each size, looked at, and in the end removed down to each.
fn files_once<C: Calls, L: Layout>(
    bench: &mut Bench<'_, C>,
    layout: &mut L,
    most: u32,
) -> Result<(), Failure> {
    let calls = bench.calls;
    let [creates, stats, unlinks] = L::SERIES;
    let sizes: Vec<u32> = files_up_to(most).collect();
    let steps = || [0].into_iter().chain(sizes.iter().copied()).zip(sizes.iter().copied());
    let mut random = Random::new();
    calls.mkdir(L::TOP, 0o755).to_do("make a directory")?;
    for (from, to) in steps() {
        layout.directories(from, to, &mut |path| {
            calls.mkdir(path, 0o755).to_do("make a directory")
        })?;
        let elapsed = bench
            .clocked(|| (from..to).try_for_each(|at| create(calls, black_box(layout.path(at)))))?;
        tell(bench, creates, to.into(), Samples::of(elapsed, (to - from).into()))?;

        let samples = bench.take_samples(&mut || {
            let path = layout.path(random.below(to.into()) as u32);
            let stat = calls.stat(black_box(path)).to_do("look at a file")?;
            all(black_box(&stat).st_mode as usize, (libc::S_IFREG | 0o644) as usize)
        })?;
        tell(bench, stats, to.into(), samples)?;
    }
    let steps: Vec<_> = steps().collect();
    for (from, to) in steps.into_iter().rev() {
        let elapsed = bench.clocked(|| {
            (from..to)
                .rev()
                .try_for_each(|at| calls.unlink(black_box(layout.path(at))).to_do("remove a file"))
        })?;
        tell(bench, unlinks, to.into(), Samples::of(elapsed, (to - from).into()))?;
    }
    let most = sizes.last().copied().unwrap_or(0);
    // Parents come first and are full until their children are gone.
    let mut uppers: Vec<alloc::ffi::CString> = Vec::new();
    layout.directories(0, most, &mut |path| {
        if path.count_bytes() == Tree::ENDS[0] {
            uppers.push(path.into());
            return Ok(());
        }
        remove_directory(calls, path)
    })?;
    uppers.iter().try_for_each(|path| remove_directory(calls, path))?;
    remove_directory(calls, L::TOP)
}

/// Ever longer paths to a file; the cost of each component.
fn components<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    let calls = bench.calls;
    let mut path = [0; 2 * COMPONENTS];
    let mut made = 0;
    for count in core::iter::successors(Some(1), |count| Some(count * 2)) {
        if count > COMPONENTS {
            break;
        }
        // Directories for all components but the last.
        while made + 1 < count {
            path[2 * made..2 * made + 2].copy_from_slice(b"d\0");
            let directory = c_str(&path);
            calls.mkdir(directory, 0o755).to_do("make a directory")?;
            path[2 * made + 1] = b'/';
            made += 1;
        }
        path[2 * made..2 * made + 2].copy_from_slice(b"f\0");
        create(calls, c_str(&path))?;
        let mut samples = bench.take_samples(&mut || {
            let stat = calls.stat(black_box(c_str(&path))).to_do("look at a file")?;
            all(black_box(&stat).st_mode as usize, (libc::S_IFREG | 0o644) as usize)
        })?;
        samples.divide(count as f64);
        calls.unlink(c_str(&path)).to_do("remove a file")?;
        tell(bench, "stat, each component of a path", count as u64, samples)?;
    }
    while made > 0 {
        made -= 1;
        path[2 * made..2 * made + 2].copy_from_slice(b"d\0");
        remove_directory(calls, c_str(&path))?;
    }
    Ok(())
}

/// An ever longer file, read and written over at random.
fn bytes<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    const FILE: &CStr = c"long";
    let calls = bench.calls;
    let flags = CREATE & !libc::O_WRONLY | libc::O_RDWR;
    let fd = calls.open(FILE, flags, 0o644).to_do("make a file")?;
    let piece = vec![1; 64 * 1024];
    let mut buffer = [1; TRANSFER];
    let mut random = Random::new();
    let mut len = 0;
    for size in lengths_up_to(bench.options.append_bytes) {
        while len < size {
            let piece = &piece[..piece.len().min((size - len) as usize)];
            all(calls.write(fd, piece).to_do("append to a file")?, piece.len())?;
            len += piece.len() as u64;
        }
        let places = size / TRANSFER as u64;
        let samples = bench.take_samples(&mut || {
            let at = random.below(places) as i64 * TRANSFER as i64;
            let got = calls.pread(fd, black_box(&mut buffer), at);
            all(got.to_do("read a file")?, TRANSFER)
        })?;
        tell(bench, "pread 512 B at random", size, samples)?;
        let samples = bench.take_samples(&mut || {
            let at = random.below(places) as i64 * TRANSFER as i64;
            all(calls.pwrite(fd, black_box(&buffer), at).to_do("write a file")?, TRANSFER)
        })?;
        tell(bench, "pwrite 512 B at random", size, samples)?;
    }
    if buffer != [1; TRANSFER] {
        return Err(Failure::Wrong("a file has not what was written"));
    }
    calls.close(fd).to_do("close a file")?;
    calls.unlink(FILE).to_do("remove a file")
}

/// Reads of memory, each at a place that the one before tells: what nobody is faster than
/// who must read one thing of each file, or of a long one a part. Of each size there are
/// `unit_bytes` times as many bytes.
fn memory<C: Calls>(
    bench: &mut Bench<'_, C>,
    series: &str,
    sizes: impl Iterator<Item = u64>,
    unit_bytes: u64,
) -> Result<(), Failure> {
    for size in sizes {
        let places = (size * unit_bytes) / PLACE_BYTES as u64;
        let mut words: Vec<u64> = Vec::new();
        let room = words.try_reserve_exact(places as usize * PLACE_WORDS);
        room.map_err(|_| Errno::ENOMEM).to_do("allocate memory")?;
        words.resize(places as usize * PLACE_WORDS, 1);
        let mut random = Random::new();
        let samples = bench.take_samples(&mut || {
            let at = random.below(places) as usize * PLACE_WORDS;
            // What is read goes into the next place, so reads cannot overlap.
            random.stir(words.get(at).copied().unwrap_or(0));
            Ok(())
        })?;
        tell(bench, series, size, samples)?;
    }
    Ok(())
}

/// Numbers of files up to `most`.
fn files_up_to(most: u32) -> impl Iterator<Item = u32> {
    let next = |size: &u32| size.checked_mul(10);
    core::iter::successors(Some(LEAST_FILES), next).take_while(move |size| *size <= most)
}

/// Lengths of a file up to `most` bytes, with that.
fn lengths_up_to(most: u64) -> impl Iterator<Item = u64> {
    let next = move |size: &u64| (*size < most).then(|| size.saturating_mul(32).min(most));
    core::iter::successors(Some(LEAST_BYTES.min(most)), next)
}

fn tell<C: Calls>(
    bench: &mut Bench<'_, C>,
    series: &str,
    size: u64,
    samples: Samples,
) -> Result<(), Failure> {
    let mut line = String::new();
    write!(line, "{{\"series\":\"{series}\",\"size\":{size},\"unit\":\"ns\"")?;
    bench.tell_line(line, &samples)
}

fn c_str(path: &[u8]) -> &CStr {
    CStr::from_bytes_until_nul(path).unwrap_or_default()
}
