//! What a guest image and its launcher agree on: kernel arguments, exit
//! statuses and the framing of everything that the guest sends.
//!
//! An image that is started without [`FRAMED`] prints plain text, so it can be
//! used under a stock hypervisor. With it, each message is one [`Kind`] of frame:
//! an eight-byte header ([`header`]) and its payload, and [`Demux`] takes them apart.
//!
//! A boot command line separates words by spaces, and a hypervisor quotes only
//! the environment in it (with a shell's rules); so a launcher escapes what an
//! image must get unharmed:
//!
//! - with [`FRAMED`] or [`ESCAPED`], each program argument, and each name and each value of the
//!   environment, is [`escape`]d; without either they are taken as they are, with a
//!   shell's quotes removed;
//! - the directory of [`FORWARD`], what [`MOUNT`] tells, and both parts of [`PRELOAD`] and [`EXPORT`], are always
//!   escaped.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod demux;
mod escape;

pub use demux::{Demux, Event};
pub use escape::{escape, unescape};

/// The version of all of this, which an image has in its note: a launcher starts images of its
/// own version only. Whoever changes something here that the other side would not understand
/// makes it one more.
pub const VERSION: u32 = 2;
/// The name of an image's ELF note, with its NUL; the description is [`VERSION`], little-endian.
pub const NOTE_NAME: &[u8] = b"ANCHORITE\0";
/// The kind of an image's ELF note.
pub const NOTE_KIND: u32 = 1;

/// Kernel argument: frame all output (see [`header`]) instead of printing it,
/// and [`unescape`] the program's arguments and environment.
pub const FRAMED: &str = "anchorite.framed";
/// Kernel argument: [`unescape`] the program's arguments and environment, as with [`FRAMED`], but
/// print all output, for people to read it.
pub const ESCAPED: &str = "anchorite.escaped";
/// Kernel argument: log one line about the machine, whose stable form is
/// `machine: kvm=page-table|hardware|none tsc_khz=N hypercall_cycles=N
/// hypercall_ns=N boot_ns=N` (on a PC a look at a device is the hypercall), and before it one for
/// each archive that was preloaded, `preload: entries=N bytes=N read_ns=N place_ns=N used_bytes=N`,
/// the last what it took of memory, the archive included. [`VERBOSE`] logs them as well.
pub const MACHINE: &str = "anchorite.machine";
/// Kernel argument: send the kernel's log.
pub const VERBOSE: &str = "anchorite.verbose";
/// Kernel argument, `anchorite.forward=GUEST_DIR`: mount the host's files below
/// `GUEST_DIR`. Repeatable; the path is percent-encoded ([`escape`] is the
/// launcher's side), since a boot command line separates words by spaces.
pub const FORWARD: &str = "anchorite.forward";

/// What follows the directory of [`FORWARD`] where nothing there is to be changed.
pub const READ_ONLY: &str = ":ro";

/// Kernel argument, `anchorite.mount=SPEC`: mount a ramdisk, or bind a directory to another
/// place, before directories are filled from archives. Repeatable, done in order. SPEC is as
/// `anchorite run --mount` has it, and percent-encoded.
pub const MOUNT: &str = "anchorite.mount";

/// Kernel argument, `anchorite.preload=FILE:DIR`: fill DIR from the archive FILE before the
/// program starts. Repeatable, done in order. FILE is a file of the host's, by the path at which
/// the hypervisor shows it, or a multiboot loader's module with that name; or `@MEMBER`, a member of the Hermit image that the machine was
/// started with; or `@`, that image itself. Each part is percent-encoded ([`escape`]), which
/// leaves no other colon. Without `:DIR` it is the root.
pub const PRELOAD: &str = "anchorite.preload";
/// Kernel argument: what is damaged in a [`PRELOAD`]'s archive is left out and counted. Without
/// it the machine does not start.
pub const PRELOAD_LENIENT: &str = "anchorite.preload-lenient";
/// Kernel argument, `anchorite.export=FILE:DIR`: when the program returns or exits, write DIR as
/// an archive into FILE, which is there already. Repeatable; as for [`PRELOAD`], FILE is a path
/// at which the hypervisor shows a file of the host's; on a PC the launcher writes what [`Kind::Archive`]
/// brings.
pub const EXPORT: &str = "anchorite.export";
/// Below this a launcher shows archives to a guest, so no directory is forwarded there.
pub const ARCHIVES_DIR: &str = "/.anchorite";

/// So many bytes before its 64-bit entry an image has one for a multiboot loader: with 32 bits,
/// as the Multiboot Specification has it (3.2), wherever below 1 GiB it was loaded.
pub const MULTIBOOT_ENTRY_BYTES: u64 = 16;

/// Exit status of a guest whose Rust code panicked, as `std` has it.
pub const STATUS_PANIC: i32 = 101;
/// Exit status of the launcher when the isle itself failed.
pub const STATUS_ISLE_FAILED: i32 = 125;
/// Exit status of a guest whose program found no memory (128 + SIGKILL).
pub const STATUS_OUT_OF_MEMORY: i32 = 137;

/// The first three bytes of each frame.
pub const MAGIC: [u8; 3] = [0x01, b'A', b'N'];
/// Bytes in a frame's header.
pub const HEADER_BYTES: usize = 8;
/// The longest payload of one frame; a longer message is sent as several.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The program's standard output.
    Stdout = 1,
    /// The program's standard error.
    Stderr = 2,
    /// The kernel's log: one line, without its line feed.
    Log = 3,
    /// The end: the exit status as a little-endian `i32`. Nothing follows.
    Exit = 4,
    /// How far something long is: bytes done, and bytes in all or 0 if that is not known, each as
    /// a little-endian `u64`.
    Progress = 5,
    /// An [`EXPORT`] is complete: its place among those of the command line, from 0, as a
    /// little-endian `u32`.
    Exported = 6,
    /// A piece of the [`EXPORT`] that is complete next, from a machine that cannot write files.
    Archive = 7,
}

impl Kind {
    /// The kind whose number is `byte`.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Stdout,
            Self::Stderr,
            Self::Log,
            Self::Exit,
            Self::Progress,
            Self::Exported,
            Self::Archive,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// The header of a frame with `len` bytes of payload: the magic, the kind, and
/// the length as a little-endian `u32`.
pub fn header(kind: Kind, len: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c] = MAGIC;
    let [l0, l1, l2, l3] = len.to_le_bytes();
    [a, b, c, kind as u8, l0, l1, l2, l3]
}

/// Reads a header; `None` if it is not one that a guest of this version sends.
pub fn parse_header(bytes: &[u8; HEADER_BYTES]) -> Option<(Kind, usize)> {
    let [a, b, c, kind, l0, l1, l2, l3] = *bytes;
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if [a, b, c] != MAGIC || len > MAX_PAYLOAD_BYTES {
        return None;
    }
    Some((Kind::from_byte(kind)?, len))
}
