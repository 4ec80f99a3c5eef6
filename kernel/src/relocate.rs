//! Makes the addresses in the image those of where it lies.
//!
//! The linker lists the words that hold an address by DT_RELR (System V ABI, Dynamic Section): a
//! bit for each word instead of 24 bytes. No loader of Hermit images knows it, so the image
//! sees to it itself, before anything else. What a linker lists in the older form, DT_RELA,
//! the loader did.

/// An entry of the dynamic section.
#[cfg(feature = "bare-metal")]
#[repr(C)]
struct Dynamic {
    tag: u64,
    value: u64,
}

const WORD_BYTES: usize = size_of::<usize>();

/// Calls `change` with the offset of each word that a table of the form DT_RELR lists, in their
/// order. An even entry is such an offset; an odd one has a bit for each of the 63 words that
/// follow those spoken of so far.
#[inline]
pub fn each_word(table: impl IntoIterator<Item = usize>, mut change: impl FnMut(usize)) {
    let mut next = 0_usize;
    for entry in table {
        if entry & 1 == 0 {
            change(entry);
            next = entry.wrapping_add(WORD_BYTES);
            continue;
        }
        let mut bits = entry >> 1;
        while bits != 0 {
            change(next.wrapping_add(bits.trailing_zeros() as usize * WORD_BYTES));
            bits &= bits - 1;
        }
        next = next.wrapping_add((usize::BITS as usize - 1) * WORD_BYTES);
    }
}

/// Adds the image's address to all words that were linked as if it were 0.
///
/// # Safety
/// Called once, before anything reads such a word, on the only core that runs; the image's data
/// can be written.
#[cfg(feature = "bare-metal")]
pub unsafe fn relocate() {
    const DT_NULL: u64 = 0;
    const DT_RELRSZ: u64 = 35;
    const DT_RELR: u64 = 36;

    let image: usize;
    let mut dynamic: *const Dynamic;
    // Not as the linker's symbols: the compiler may look those up in a table of addresses.
    // SAFETY: computes two addresses.
    unsafe {
        core::arch::asm!(
            "lea {image}, [rip + __ehdr_start]",
            "lea {dynamic}, [rip + _DYNAMIC]",
            image = out(reg) image,
            dynamic = out(reg) dynamic,
            options(nomem, nostack, preserves_flags),
        );
    }
    let (mut table, mut bytes) = (0, 0);
    loop {
        // SAFETY: the linker ends the section by DT_NULL.
        let Dynamic { tag, value } = unsafe { dynamic.read() };
        match tag {
            DT_NULL => break,
            DT_RELR => table = value as usize,
            DT_RELRSZ => bytes = value as usize,
            _ => {}
        }
        // SAFETY: as above.
        dynamic = unsafe { dynamic.add(1) };
    }
    let entries = (0..bytes).step_by(WORD_BYTES).map(|at| {
        // SAFETY: inside the table, which is in the image.
        unsafe { ((image + table + at) as *const usize).read() }
    });
    each_word(entries, |offset| {
        let word = (image + offset) as *mut usize;
        // SAFETY: a word of the image's data, by the linker, that nothing refers to yet.
        unsafe { word.write(word.read().wrapping_add(image)) };
    });
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn words(table: &[usize]) -> Vec<usize> {
        let mut words = Vec::new();
        each_word(table.iter().copied(), |offset| words.push(offset));
        words
    }

    #[test]
    fn listed_words_are_found() {
        assert_eq!(words(&[]), []);
        assert_eq!(words(&[0x1000]), [0x1000]);
        assert_eq!(words(&[0x1000, 0x2008]), [0x1000, 0x2008]);
        assert_eq!(words(&[0x1000, 0b1011]), [0x1000, 0x1008, 0x1018]);
        assert_eq!(words(&[0x1000, 1 | 1 << 63]), [0x1000, 0x1008 + 62 * 8]);
        // A second entry of bits goes on where the first ended, whatever that said.
        assert_eq!(words(&[0x1000, 0b11, 0b101]), [0x1000, 0x1008, 0x1008 + 64 * 8]);
        assert_eq!(words(&[0x1000, 1, 0b11, 0x40]), [0x1000, 0x1008 + 63 * 8, 0x40]);
    }
}
