//! Whether a file is an image that this launcher's isles can start. uhyve takes what it is given
//! for granted, so everything that it relies on is looked at here first.

use anchorite_interface::{NOTE_KIND, NOTE_NAME, VERSION};
use goblin::elf::header::{EM_X86_64, ET_DYN};
use goblin::elf::program_header::{PT_LOAD, PT_TLS};
use goblin::elf::section_header::SHT_NOBITS;
use goblin::elf::{Elf, note::Note};

/// How an image begins that [`brand`] has marked: an ELF header up to the kind of its machine, in
/// which the system, by whose ABI it is, is none, and that ABI's version ours. Other systems'
/// programs, and other kernels' images, have other bytes there.
pub const BEGINNING: [u8; 20] = *b"\x7fELF\x02\x01\x01\xffA\0\0\0\0\0\0\0\x03\0\x3e\0";
/// Where in [`BEGINNING`] the system and its ABI's version are, `EI_OSABI` and `EI_ABIVERSION`.
const ABI: std::ops::Range<usize> = 7..9;

/// Marks an image, so that a kernel can tell it from its own programs.
pub fn brand(image: &mut [u8]) {
    if let Some(abi) = image.get_mut(ABI) {
        abi.copy_from_slice(&BEGINNING[ABI]);
    }
}

/// Bytes of a file that is larger than any image.
pub const LIMIT_BYTES: u64 = 1 << 30;

/// The name of the notes that every image for uhyve has.
const HERMIT: &str = "HERMIT";

/// Sees whether `bytes` are an image of anchorite's.
///
/// # Errors
/// What they are instead, as the end of a sentence that begins with their name, and the remedy.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    if !bytes.starts_with(b"\x7fELF") {
        return Err("it is no image: give a file that `anchorite build` made".into());
    }
    let damaged = || "it is damaged, or not all of it is there: build it again".to_owned();
    let elf = Elf::parse(bytes).map_err(|_| damaged())?;
    let is_ours = elf.is_64 && elf.little_endian && elf.header.e_machine == EM_X86_64;
    if !is_ours {
        return Err("it is for another kind of machine than x86-64: build it for this one".into());
    }
    let is_within =
        |start: u64, len: u64| start.checked_add(len).is_some_and(|end| end <= bytes.len() as u64);
    let segments = elf.program_headers.iter().all(|it| is_within(it.p_offset, it.p_filesz));
    let sections = elf.section_headers.iter();
    let sections = sections.filter(|it| it.sh_type != SHT_NOBITS);
    if !segments || !sections.clone().all(|it| is_within(it.sh_offset, it.sh_size)) {
        return Err(damaged());
    }
    let notes: Vec<Note<'_>> = match elf.iter_note_headers(bytes) {
        Some(notes) => notes.collect::<Result<_, _>>().map_err(|_| damaged())?,
        None => Vec::new(),
    };
    let name = NOTE_NAME.trim_ascii_end();
    let name = name.strip_suffix(b"\0").unwrap_or(name);
    let ours = notes.iter().find(|note| note.name.as_bytes() == name && note.n_type == NOTE_KIND);
    let Some(ours) = ours else {
        return Err(if notes.iter().any(|note| note.name == HERMIT) {
            "it is an image of another kernel, Hermit's for one: start it with uhyve itself".into()
        } else {
            "it is a program for Linux and no image: build its source with `anchorite build`".into()
        });
    };
    if ours.desc != VERSION.to_le_bytes() {
        return Err("it was built by another version of anchorite: build it again".into());
    }
    if elf.program_headers.iter().any(|segment| segment.p_type == PT_TLS) {
        return Err("it has thread-local variables, and anchorite has no place for them: take \
                    `static` ones"
            .into());
    }
    let is_whole = elf.header.e_type == ET_DYN
        && elf.libraries.is_empty()
        && elf.program_headers.iter().any(|it| {
            it.p_type == PT_LOAD
                && it.is_executable()
                && it.vm_range().contains(&(elf.entry as usize))
        });
    if is_whole { Ok(()) } else { Err(damaged()) }
}

/// Whether the image in `bytes`, which is one, has a table of its symbols.
pub fn has_symbols(bytes: &[u8]) -> bool {
    Elf::parse(bytes).is_ok_and(|elf| !elf.syms.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs;

    fn refusal(bytes: &[u8]) -> String {
        check(bytes).expect_err("no image")
    }

    #[test]
    fn the_images_of_this_launcher_are_images() {
        for name in programs::names() {
            if let Some(image) = programs::built_in(name) {
                assert_eq!(check(image), Ok(()), "{name}");
            }
        }
    }

    #[test]
    fn what_is_no_image_is_told_for_what_it_is() {
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fEL"] {
            assert!(refusal(bytes).starts_with("it is no image"));
        }
        let linux = std::fs::read("/proc/self/exe").unwrap();
        assert!(refusal(&linux).starts_with("it is a program for Linux"));
        let image = programs::built_in("hello").unwrap();
        for len in [4, 63, 64, 200, 4096, image.len() / 2, image.len() - 1] {
            assert!(refusal(&image[..len]).starts_with("it is damaged"), "{len}");
        }
        let replaced = |from: &[u8], to: &[u8]| {
            let at = image.windows(from.len()).position(|it| it == from).unwrap();
            let mut other = image.to_vec();
            other[at..at + to.len()].copy_from_slice(to);
            other
        };
        let foreign = replaced(NOTE_NAME, b"B");
        assert!(refusal(&foreign).starts_with("it is an image of another kernel"));
        let version = [NOTE_NAME, b"\0\0", &VERSION.to_le_bytes()].concat();
        let other = [NOTE_NAME, b"\0\0", &(VERSION + 1).to_le_bytes()].concat();
        let later = replaced(&version, &other);
        assert!(refusal(&later).starts_with("it was built by another version"));
        let mut arm = image.to_vec();
        arm[18] = 0xb7;
        assert!(refusal(&arm).starts_with("it is for another kind of machine"));
    }

    #[test]
    fn a_branded_image_begins_as_no_other_program() {
        let mut image = programs::built_in("hello").unwrap().to_vec();
        assert!(!image.starts_with(&BEGINNING));
        brand(&mut image);
        assert!(image.starts_with(&BEGINNING));
        assert_eq!(check(&image), Ok(()));
        brand(&mut []);
    }

    /// Whatever a file has in it, looking at it is all that happens.
    #[test]
    fn no_byte_of_an_images_headers_makes_trouble() {
        let image = programs::built_in("hello").unwrap();
        let mut other = image.to_vec();
        let mut refused = 0;
        for at in 0..1024 {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                other[at] = value;
                refused += u32::from(check(&other).is_err());
            }
            other[at] = image[at];
        }
        assert!(refused > 100, "{refused}");
    }
}
