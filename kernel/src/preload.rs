//! Files that are there when the program starts, out of archives: [`fill`].
//!
//! An archive is either a file of the host's, which is read in large pieces straight into the
//! one allocation where it stays, or lies in memory already, in the Hermit image that the machine
//! was started with. From there on files refer to it: the ramdisk copies what is written to, and
//! gives the allocation back with the last file that refers to it.

use alloc::alloc::{alloc, dealloc};
use alloc::boxed::Box;
use alloc::ffi::CString;
use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;
use core::slice;

use anchorite_archive::{Kind, Pieces, Reader};
use anchorite_interface::PRELOAD;
use anchorite_syscalls::{Errno, HostFiles, Lender, OnDamage, PreloadError, System};

use crate::boot::fail;
use crate::cmdline::{Archive, CommandLine, Damaged};
use crate::host_files::UhyveFiles;
use crate::machine;
use crate::output::{self, Progress};

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
) {
    let on_damage = match line.damaged {
        Damaged::Refused => OnDamage::Stop,
        Damaged::Skipped => OnDamage::Skip,
    };
    for Archive { file, dir } in &line.preload {
        let memory = match file.strip_prefix(&[IN_IMAGE]) {
            Some(member) => Box::new(in_image(image, member)),
            None => read(files, file),
        };
        place(system, file, memory, dir, on_damage);
    }
    if line.preload.is_empty()
        && let Some(image) = image
    {
        place(system, &[IN_IMAGE], Box::new(image), b"/", on_damage);
    }
}

fn place(system: &System, file: &[u8], memory: Box<dyn Lender>, dir: &[u8], on_damage: OnDamage) {
    match system.preload(dir, memory, on_damage) {
        Ok(placed) if placed.skipped > 0 => output::report(format_args!(
            "anchorite: {}: {} of its entries are damaged and left out\n",
            Name(file),
            placed.skipped,
        )),
        Ok(_) => {}
        Err(error) => {
            let remedy = match error {
                PreloadError::Directory(_) => "choose another directory",
                PreloadError::Damage(_) => {
                    "make it anew, or have --preload-lenient leave out what is damaged"
                }
                PreloadError::Room(..) => "give it more with --memory",
            };
            fail(format_args!("{}: {error}; {remedy}", Name(file)))
        }
    }
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
        let memory = machine::get().map_or(0, |machine| machine.memory.end - machine.memory.start);
        refuse(format_args!(
            "its {size} bytes are more than this machine's {} MiB have room for; give it more with \
             --memory",
            memory >> 20,
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
