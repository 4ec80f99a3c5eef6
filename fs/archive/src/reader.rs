//! Which format it is, by content.

use crate::cpio::{Cpio, is_cpio};
use crate::tar::{Tar, is_like_tar, is_tar};
use crate::{Damage, Entry, What};

/// The entries of an archive in memory, in the archive's order.
///
/// After an `Err` it goes on with the next entry if that one's place is known; else it ends.
#[derive(Clone, Debug)]
pub struct Reader<'a>(Format<'a>);

#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each archive")]
enum Format<'a> {
    Tar(Tar<'a>),
    Cpio(Cpio<'a>),
}

impl<'a> Reader<'a> {
    /// A reader of an archive: `bytes` is all of it. Nothing, or nothing but zeros, is an
    /// archive without entries.
    ///
    /// # Errors
    /// [`What::Compressed`] and [`What::Unrecognised`].
    #[inline(never)]
    pub fn new(bytes: &'a [u8]) -> Result<Reader<'a>, Damage> {
        if is_tar(bytes) {
            return Ok(Reader(Format::Tar(Tar::new(bytes))));
        }
        // Linux lets zeros stand before an initramfs, too.
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        if is_cpio(&bytes[zeros..]) {
            return Ok(Reader(Format::Cpio(Cpio::new(bytes, zeros))));
        }
        if zeros == bytes.len() || is_like_tar(bytes) {
            return Ok(Reader(Format::Tar(Tar::new(bytes))));
        }
        let what = compressed_by(&bytes[zeros..]).map_or(What::Unrecognised, What::Compressed);
        Err(Damage { offset: zeros as u64, entry: None, what })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Entry<'a>, Damage>;

    // Images have it compiled for size, which it would not be within a caller.
    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Format::Tar(tar) => tar.next(),
            Format::Cpio(cpio) => cpio.next(),
        }
    }
}

/// The program that made compressed data with this beginning, if they are.
pub(crate) fn compressed_by(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some("zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        _ => None,
    }
}
