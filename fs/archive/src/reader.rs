//! Which format it is, by content.

use crate::{Damage, Entry, What};

/// The entries of an archive in memory, in the archive's order.
///
/// After an `Err` it goes on with the next entry if that one's place is known; else it ends.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    format: Format<'a>,
}

#[derive(Clone, Debug)]
enum Format<'a> {
    /// Nothing, or zeros.
    Empty(core::marker::PhantomData<&'a [u8]>),
}

impl<'a> Reader<'a> {
    /// A reader of an archive: `bytes` is all of it. Nothing, and nothing but zeros, is an
    /// archive without entries.
    ///
    /// # Errors
    /// [`What::Compressed`] and [`What::Unrecognised`], at the start.
    pub fn new(bytes: &'a [u8]) -> Result<Reader<'a>, Damage> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(Reader { format: Format::Empty(core::marker::PhantomData) });
        }
        Err(Damage { offset: 0, entry: None, what: What::Unrecognised })
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Entry<'a>, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        match &self.format {
            Format::Empty(_) => None,
        }
    }
}
