//! Where inputs are done: a process, its memory, and what must hold in the end.

use std::cell::UnsafeCell;
use std::ops::Range;
use std::sync::Arc;

use anchorite_syscalls::{Errno, Limits, Result, System, api};
use arbitrary::Arbitrary;
use host_fs_sim::campaign::unmount_all;
use host_fs_sim::worlds::TestPlatform;

/// Bytes of a page of file data.
pub const PAGE_BYTES: u64 = 4096;
/// Bytes that the console takes before it fails: what is sent to it ends.
const CONSOLE_BYTES: usize = 1 << 20;

/// Limits that a sequence of calls can meet.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Tight {
    pages: u8,
    inodes: u8,
}

impl From<Tight> for Limits {
    fn from(tight: Tight) -> Limits {
        // One inode is the root directory's.
        let (pages, inodes) = (u64::from(tight.pages % 64), 1 + u64::from(tight.inodes % 48));
        Limits { size_bytes: pages * PAGE_BYTES, inodes }
    }
}

/// A process on a machine without a machine; it may name `memory`, and reads `input` from the
/// console.
pub fn system(memory: Vec<Range<usize>>, input: Vec<u8>, limits: Limits) -> System {
    let ground = TestPlatform::new(memory).with_console(input, CONSOLE_BYTES);
    System::new(Arc::new(ground), limits).expect("there is room for a root directory")
}

/// Panics if the process holds more than it may.
pub fn check_limits(system: &System) {
    let usage = system.usage();
    assert!(usage.pages * PAGE_BYTES <= usage.limits.size_bytes, "{usage:?}");
    assert!(usage.inodes <= usage.limits.inodes, "{usage:?}");
}

/// Whether a process can always be brought back to the root of its tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Yes: nothing it did can have cut it off.
    Open,
    /// It has changed its root, and may have lost what is above.
    MayBeLost,
}

/// Checks what a sequence of calls left; then ends the program's hold on its files, unmounts and
/// removes them all: nothing may be left.
pub fn end(system: &System, way: Way) {
    check_limits(system);
    check(system);
    if become_root(system).is_err() {
        // Nobody can remove what others own, once root is given up for good.
        return;
    }
    match unmount_all(system) {
        Ok(()) => {}
        Err(_) if way == Way::MayBeLost => return,
        Err(errno) => panic!("the mounts cannot be taken away: {errno:?}"),
    }
    system.close_range(0, u32::MAX, 0).expect("descriptors can be closed");
    let most = libc::rlimit { rlim_cur: 1024, rlim_max: 1024 };
    system.setrlimit(libc::RLIMIT_NOFILE, most).expect("root may raise a limit");
    let names: Vec<Vec<u8>> = api::read_dir(system, "/")
        .expect("the root can be read")
        .map(|entry| entry.expect("the root can be read").name().to_vec())
        .collect();
    for name in names {
        let path = [b"/", &name[..]].concat();
        match api::remove_dir_all(system, &path) {
            Err(Errno::ENOTDIR) => api::remove_file(system, &path),
            done => done,
        }
        .unwrap_or_else(|errno| panic!("{} stays: {errno:?}", path.escape_ascii()));
    }
    for name in api::list_xattrs(system, "/").expect("root may list them").iter() {
        api::remove_xattr(system, "/", name).expect("root may remove any");
    }
    check(system);
    let usage = system.usage();
    assert_eq!((usage.pages, usage.inodes), (0, 1), "pages and inodes that nothing names");
}

/// Panics if the process's files are not whole.
fn check(system: &System) {
    let report = system.check().expect("there is memory to check");
    assert!(report.problems.is_empty(), "{:#?}", report.problems);
}

/// Root again, if any of the three numbers of its user still is.
fn become_root(system: &System) -> Result<()> {
    const SAME: u32 = u32::MAX;
    system.setresuid(SAME, 0, SAME)?;
    system.setresuid(0, 0, 0)?;
    system.setresgid(0, 0, 0)?;
    // The user of the file system follows.
    assert_eq!(system.getresuid(), [0; 3]);
    Ok(())
}

/// Memory of a program in two pieces; what lies around them is AddressSanitizer's to guard.
pub struct Memory {
    pieces: [Box<[UnsafeCell<u8>]>; 2],
}

impl Memory {
    /// Bytes in each piece.
    pub const LENGTHS: [usize; 2] = [24 << 10, 8 << 10];

    /// Zeros.
    pub fn new() -> Memory {
        let piece = |len| (0..len).map(|_| UnsafeCell::new(0)).collect();
        Memory { pieces: Memory::LENGTHS.map(piece) }
    }

    /// The addresses of the pieces.
    pub fn ranges(&self) -> [Range<usize>; 2] {
        self.pieces.each_ref().map(|piece| {
            let start = piece.as_ptr().expose_provenance();
            start..start + piece.len()
        })
    }

    /// Writes `bytes` from the index `at` of a piece on, as many as it has room for.
    pub fn put(&self, piece: usize, at: usize, bytes: &[u8]) {
        let room = &self.pieces[piece][at..];
        for (to, byte) in room.iter().zip(bytes) {
            // SAFETY: nobody has a reference to what is in a cell.
            unsafe { *to.get() = *byte };
        }
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}
