//! Files that are there when the program starts, out of archives: [`fill`].
//!
//! An archive is either a file of the host's, which is read in large pieces straight into the
//! one allocation where it stays, or lies in memory already: in the Hermit image that the machine
//! was started with, or as a module of a multiboot loader's. From there on files refer to it: the ramdisk copies what is written to, and
//! gives the allocation back with the last file that refers to it.

use alloc::alloc::{alloc, dealloc};
use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::fmt;
use core::ops::Range;
use core::ptr::NonNull;
use core::slice;

use anchorite_archive::{Kind, Pieces, Reader};
use anchorite_interface::PRELOAD;
use anchorite_syscalls::{Errno, HostFiles, Lender, OnDamage, PreloadError, Preloaded, System};

use crate::boot::{Told, fail};
use crate::bootinfo::PAGE_BYTES;
use crate::cmdline::{Archive, CommandLine, Damaged, LogLevel};
use crate::host_files::UhyveFiles;
use crate::machine::{self, Machine};
use crate::output::{self, Progress};
use crate::{heap, multiboot};

/// The most that is read at once, so that one can see how far it is.
const PIECE_BYTES: usize = 8 << 20;
/// Where an archive begins: at a multiple of this.
const ALIGNMENT: usize = 64;
/// How the name of an archive begins that is in the Hermit image.
const IN_IMAGE: u8 = b'@';

/// Fills the directories that the command line names, or the root from a Hermit image if it
/// names none. A machine whose files cannot be had does not start.
pub fn fill(
    system: &System,
    line: &CommandLine,
    files: Option<&UhyveFiles>,
    image: Option<&'static [u8]>,
    mut modules: Vec<Module>,
) {
    let on_damage = match line.damaged {
        Damaged::Refused => OnDamage::Stop,
        Damaged::Skipped => OnDamage::Skip,
    };
    let place = |file: &[u8], dir: &[u8], lender: &mut dyn FnMut() -> Lent| {
        let used_before = heap::used_bytes();
        let (Lent { memory, outside_bytes }, read_ns) = timed(lender);
        let bytes = memory.bytes().len();
        let (placed, place_ns) = timed(|| system.preload(dir, memory, on_damage));
        let placed = told(file, placed);
        if line.log >= LogLevel::Machine {
            let used_bytes = heap::used_bytes() - used_before + outside_bytes;
            output::log(format_args!(
                "preload: entries={} bytes={bytes} read_ns={read_ns} place_ns={place_ns} \
                 used_bytes={used_bytes}",
                placed.entries,
            ));
        }
    };
    for Archive { file, dir } in &line.preload {
        place(file, dir, &mut || match file.strip_prefix(&[IN_IMAGE]) {
            Some(member) => Lent::read_only(in_image(image, member)),
            None => match modules.iter().position(|module| module.name == *file) {
                Some(found) => Lent::module(modules.swap_remove(found)),
                None => Lent { memory: read(files, file), outside_bytes: 0 },
            },
        });
    }
    if line.preload.is_empty()
        && let Some(image) = image
    {
        place(&[IN_IMAGE], b"/", &mut || Lent::read_only(image));
    }
}

/// An archive in memory.
struct Lent {
    memory: Box<dyn Lender>,
    /// Bytes of it that the heap did not give, and might have.
    outside_bytes: usize,
}

impl Lent {
    fn read_only(bytes: &'static [u8]) -> Self {
        Self { memory: Box::new(bytes), outside_bytes: 0 }
    }

    fn module(module: Module) -> Self {
        Self { outside_bytes: module.bytes.len(), memory: Box::new(module) }
    }
}

/// What `call` returns, and how long it took.
fn timed<T>(call: impl FnOnce() -> T) -> (T, u64) {
    let start = machine::uptime_ns();
    let returned = call();
    (returned, machine::uptime_ns() - start)
}

/// What was placed of an archive, of which what was left out is told. The machine ends if it
/// could not be.
fn told(file: &[u8], placed: Result<Preloaded, PreloadError>) -> Preloaded {
    let placed = placed.unwrap_or_else(|error| {
        let remedy = match error {
            PreloadError::Directory(_) => "choose another directory",
            PreloadError::Damage(_) => {
                "make it anew, or have --preload-lenient leave out what is damaged"
            }
            PreloadError::Room(..) => "give it more memory (--memory)",
        };
        fail(format_args!("{}: {error}; {remedy}", Name(file)))
    });
    if let Some(first) = &placed.first_skipped {
        output::report(format_args!(
            "anchorite: {}: {} of its entries are damaged and left out, the first: {first}\n",
            Name(file),
            placed.skipped,
        ));
    }
    placed
}

/// The member of the Hermit image that is called `name`, or all of it for no name.
fn in_image(image: Option<&'static [u8]>, name: &[u8]) -> &'static [u8] {
    let whole = [&[IN_IMAGE], name].concat();
    let Some(image) = image else {
        fail(format_args!(
            "{PRELOAD}={}: there is no Hermit image in memory: start one in the image mode internal",
            whole.escape_ascii()
        ))
    };
    if name.is_empty() {
        return image;
    }
    let mut found = None;
    let entries = Reader::new(image).unwrap_or_else(|error| {
        fail(format_args!("the Hermit image: {error}"));
    });
    for entry in entries {
        match entry {
            Ok(entry) if *entry.path == *name => {
                // The last one of a name is the one, as uhyve has it.
                found = match entry.kind {
                    Kind::File(content) => match content.pieces {
                        Pieces::Whole(bytes) => Some(bytes),
                        Pieces::Sparse(_) => None,
                    },
                    _ => None,
                };
            }
            Ok(_) => {}
            Err(error) => fail(format_args!("the Hermit image: {error}")),
        }
    }
    found.unwrap_or_else(|| {
        fail(format_args!(
            "{PRELOAD}={}: the Hermit image has no such file in one piece",
            whole.escape_ascii()
        ))
    })
}

/// Reads a file of the host's.
fn read(files: Option<&UhyveFiles>, path: &[u8]) -> Box<dyn Lender> {
    let refuse = |why: fmt::Arguments<'_>| -> ! { fail(format_args!("{}: {why}", Name(path))) };
    let unreadable = |error: Errno| -> ! {
        refuse(format_args!("it cannot be read from the host: {}", error.message()))
    };
    let (Some(files), Ok(name)) = (files, CString::new(path)) else {
        refuse(format_args!("it has no name that a host knows"));
    };
    let fd = files.open(&name, libc::O_RDONLY, 0).unwrap_or_else(|error| unreadable(error));
    let size = files.fstat(fd).unwrap_or_else(|error| unreadable(error)).st_size;
    let size = usize::try_from(size).unwrap_or(0);
    let Some(mut block) = Block::new(size) else {
        let mib = machine::get().map_or(0, Machine::memory_mib);
        refuse(format_args!(
            "its {size} bytes are more than this machine's {mib} MiB have room for; give it more with \
             --memory",
        ));
    };
    let mut progress = Progress::new(size as u64);
    while let Some((rest, len)) = block.rest() {
        // SAFETY: a part of the block, which nothing else uses.
        match unsafe { files.read(fd, rest, len.min(PIECE_BYTES)) } {
            Ok(0) => refuse(format_args!(
                "it ends after {} of its {size} bytes; start again when nobody changes it",
                block.filled
            )),
            Ok(read) => block.filled += read.min(len),
            Err(error) => unreadable(error),
        }
        progress.at(block.filled as u64);
    }
    // Nothing depends on it any more.
    let _ = files.close(fd);
    Box::new(block)
}

/// The archive's name for people: how the launcher's user called it.
struct Name<'a>(&'a [u8]);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [IN_IMAGE] => f.write_str("the Hermit image"),
            path => {
                let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
                write!(f, "the archive {}", name.escape_ascii())
            }
        }
    }
}

/// Memory of an archive's own, which is filled from the start before anybody reads it.
struct Block {
    start: NonNull<u8>,
    layout: Layout,
    filled: usize,
    len: usize,
}

// SAFETY: a block owns its memory, as a vector does.
unsafe impl Send for Block {}
// SAFETY: shared, it is read only.
unsafe impl Sync for Block {}

impl Block {
    /// Room for `len` bytes; `None` if there is none.
    fn new(len: usize) -> Option<Self> {
        // An allocation of nothing is not allowed.
        let layout = Layout::from_size_align(len.max(1), ALIGNMENT).ok()?;
        // SAFETY: the size is not 0.
        let start = NonNull::new(unsafe { alloc(layout) })?;
        Some(Self { start, layout, filled: 0, len })
    }

    /// What is not filled yet.
    fn rest(&mut self) -> Option<(*mut u8, usize)> {
        let len = self.len - self.filled;
        // SAFETY: within the allocation.
        (len > 0).then(|| (unsafe { self.start.as_ptr().add(self.filled) }, len))
    }
}

// SAFETY: always the same allocation; it is written to through `rest` only, which nobody can
// call once it is lent.
unsafe impl Lender for Block {
    fn bytes(&self) -> &[u8] {
        // SAFETY: so much of the allocation is filled.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.filled) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: from `alloc` with this layout.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// A multiboot loader's module. Its whole pages become the heap's in the end, unless it is in a
/// PC's first MiB, where nothing is written.
#[derive(Debug)]
pub struct Module {
    name: Vec<u8>,
    bytes: Range<usize>,
}

/// The modules that a loader put into memory.
pub fn modules(told: &Told) -> Vec<Module> {
    let own = |module: multiboot::Module<'_>| Module {
        name: module.name.to_vec(),
        bytes: module.start as usize..module.end as usize,
    };
    told.modules().map(own).collect()
}

// SAFETY: always the same memory, which the boot kept apart for modules, and which is its owner's
// alone.
unsafe impl Lender for Module {
    fn bytes(&self) -> &[u8] {
        // An empty one may be nowhere.
        if self.bytes.is_empty() {
            return &[];
        }
        // SAFETY: mapped for as long as the machine runs, and nobody writes there.
        unsafe { slice::from_raw_parts(self.bytes.start as *const u8, self.bytes.len()) }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        const PAGE: usize = PAGE_BYTES as usize;
        let whole = self.bytes.start.next_multiple_of(PAGE)..self.bytes.end & !(PAGE - 1);
        if !whole.is_empty() && whole.start >= multiboot::LOW_BYTES as usize {
            // SAFETY: mapped for writing, and nobody's any more.
            unsafe { heap::claim(whole) };
        }
    }
}
