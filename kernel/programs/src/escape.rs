//! Names in lines of text: a name may have any byte but `/` and NUL, so what would end a line
//! or a field is written as two others.

use alloc::vec::Vec;

use crate::io::{Failure, Output};

/// Which bytes are escaped, each as a backslash and a letter; all others are as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Backslash, line feed and carriage return, as GNU coreutils' `sha256sum` has them.
    Line,
    /// The tab too, where it parts fields.
    Field,
}

impl Style {
    /// The letter for a byte that is escaped.
    pub fn letter(self, byte: u8) -> Option<u8> {
        match byte {
            b'\\' => Some(b'\\'),
            b'\n' => Some(b'n'),
            b'\r' => Some(b'r'),
            b'\t' if self == Style::Field => Some(b't'),
            _ => None,
        }
    }

    /// Whether there is anything to escape.
    pub fn touches(self, name: &[u8]) -> bool {
        name.iter().any(|&byte| self.letter(byte).is_some())
    }

    /// The name that is written so, if any is.
    pub fn unescaped(self, written: &[u8]) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        let mut bytes = written.iter().copied();
        while let Some(byte) = bytes.next() {
            name.push(match byte {
                b'\\' => {
                    let letter = Some(bytes.next()?);
                    b"\\\n\r\t".iter().copied().find(|&byte| self.letter(byte) == letter)?
                }
                byte => byte,
            });
        }
        Some(name)
    }

    /// Writes `name`, escaped.
    ///
    /// # Errors
    /// [`Failure::Console`].
    pub fn write(self, out: &mut Output<'_>, name: &[u8]) -> Result<(), Failure> {
        let mut rest = name;
        while let Some(at) = rest.iter().position(|&byte| self.letter(byte).is_some()) {
            out.bytes(&rest[..at])?;
            out.bytes(b"\\")?;
            out.bytes(self.letter(rest[at]).as_slice())?;
            rest = &rest[at + 1..];
        }
        out.bytes(rest)
    }
}
