//! What makes a program an image: the macro, and the notes that a loader reads.

use anchorite_interface::{NOTE_KIND, NOTE_NAME, VERSION};

/// Makes this binary the image of a program:
///
/// ```ignore
/// #![no_std]
/// #![no_main]
/// anchorite_kernel::image!(anchorite_programs::HELLO);
/// ```
///
/// The notes have to be in the binary itself, since a linker leaves out a
/// library's objects that nothing refers to.
#[macro_export]
macro_rules! image {
    ($program:expr) => {
        $crate::hermit_entry::define_entry_version!();
        $crate::hermit_entry::define_uhyve_interface_version!(2u32);

        #[used]
        #[unsafe(link_section = ".note.ABI-tag")]
        static ABI_TAG: $crate::image::AbiTag = $crate::image::AbiTag::NEW;

        #[used]
        #[unsafe(link_section = ".note.anchorite")]
        static ANCHORITE: $crate::image::Note = $crate::image::Note::NEW;

        #[unsafe(no_mangle)]
        fn anchorite_image_program() -> &'static $crate::anchorite_syscalls::program::Program {
            static PROGRAM: $crate::anchorite_syscalls::program::Program = $program;
            &PROGRAM
        }
    };
}

/// The note `.note.ABI-tag`: which version of Hermit's boot protocol this image
/// expects.
///
/// `hermit_entry::define_abi_tag!` would take the package's version, which is
/// our own and has nothing to do with it: an image of a version below 0.10.0
/// gets uhyve's legacy memory map, and one below 0.13.2 no network. So this is
/// the same note with the newest version that uhyve 0.10 asks about.
#[repr(C)]
#[derive(Debug)]
pub struct AbiTag {
    name_bytes: u32,
    description_bytes: u32,
    kind: u32,
    name: [u8; 4],
    system: u32,
    version: [u32; 3],
}

impl AbiTag {
    /// The note.
    pub const NEW: Self = Self {
        name_bytes: 4,
        description_bytes: 16,
        kind: 1, // NT_GNU_ABI_TAG
        name: *b"GNU\0",
        system: 6, // Hermit
        version: [0, 13, 2],
    };
}

/// The note `.note.anchorite`, by which a launcher knows an image of this kernel, and the
/// version of what they have agreed on ([`VERSION`]).
#[repr(C)]
#[derive(Debug)]
pub struct Note {
    name_bytes: u32,
    description_bytes: u32,
    kind: u32,
    /// [`NOTE_NAME`], to a multiple of four bytes.
    name: [u8; NOTE_NAME.len().next_multiple_of(4)],
    version: u32,
}

impl Note {
    /// The note.
    pub const NEW: Self = {
        let mut name = [0; NOTE_NAME.len().next_multiple_of(4)];
        name.split_at_mut(NOTE_NAME.len()).0.copy_from_slice(NOTE_NAME);
        Self {
            name_bytes: NOTE_NAME.len() as u32,
            description_bytes: 4,
            kind: NOTE_KIND,
            name,
            version: VERSION,
        }
    };
}
