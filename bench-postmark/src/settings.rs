//! [`Settings`]: what the `set` commands change, with the original's checks.
//!
//! A command that is refused changes nothing.

use alloc::vec::Vec;

/// Whether files are read and written through stdio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffering {
    /// Through `fopen`, `fread` and `fwrite`.
    Stdio,
    /// By `open`, `read` and `write` themselves.
    Raw,
}

/// How a run's result is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Sentences.
    Verbose,
    /// One line of numbers.
    Terse,
}

/// A directory that files are made in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its path, as it was typed.
    pub path: Vec<u8>,
    /// How many times as likely it is as one of weight 1.
    pub weight: i32,
}

/// Everything that can be set. The numbers are C's `int`s, as in the original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The files that exist at first.
    pub number: i32,
    /// The transactions.
    pub transactions: i32,
    /// The smallest size of a new file, in bytes.
    pub size_low: i32,
    /// The greatest size of a file, in bytes; never below `size_low`.
    pub size_high: i32,
    /// Directories below each location; 0 or 1 for none.
    pub subdirectories: i32,
    /// Bytes in one request to read.
    pub read_block: i32,
    /// Bytes in one request to write.
    pub write_block: i32,
    /// In ten transactions, how many read and do not append; -1 for neither.
    pub bias_read: i32,
    /// In ten transactions, how many create and do not delete; -1 for neither.
    pub bias_create: i32,
    /// Whether stdio is used.
    pub buffering: Buffering,
    /// Where each run's random numbers start.
    pub seed: i32,
    /// How a run's result is told.
    pub format: Format,
    /// Where files are made; none is the working directory.
    pub locations: Vec<Location>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            number: 500,
            transactions: 500,
            size_low: 500,
            size_high: 10000,
            subdirectories: 0,
            read_block: 512,
            write_block: 512,
            bias_read: 5,
            bias_create: 5,
            buffering: Buffering::Stdio,
            seed: 42,
            format: Format::Verbose,
            locations: Vec::new(),
        }
    }
}

/// One of the settings that is a number and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// `set number`.
    Files,
    /// `set seed`.
    Seed,
    /// `set transactions`.
    Transactions,
    /// `set subdirectories`.
    Subdirectories,
    /// `set read`.
    Read,
    /// `set write`.
    Write,
    /// `set bias read`.
    BiasRead,
    /// `set bias create`.
    BiasCreate,
}

/// Why a `set` was refused, or taken only in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Complaint<'a> {
    /// The whole sentence, without "Error: ".
    Sentence(&'static str),
    /// The text is no weight; 1 was taken.
    Weight(&'a [u8]),
    /// There is no such location.
    NoLocation(&'a [u8]),
}

impl Settings {
    /// `set size LOW [HIGH]`. A high below the low, or that is no number, is
    /// the low.
    ///
    /// # Errors
    /// The low is not above 0.
    pub fn set_size(&mut self, argument: Option<&[u8]>) -> Result<(), Complaint<'static>> {
        let argument = argument.unwrap_or_default();
        let low = integer(argument);
        if low <= 0 {
            return Err(Complaint::Sentence("no file size low or high bounds specified"));
        }
        let space = argument.iter().position(|byte| *byte == b' ');
        self.size_low = low;
        self.size_high = space.map_or(low, |at| integer(&argument[at..])).max(low);
        Ok(())
    }

    /// `set` of one of the numbers.
    ///
    /// # Errors
    /// The number is missing or out of its range.
    pub fn set_number(
        &mut self,
        which: Number,
        argument: Option<&[u8]>,
    ) -> Result<(), Complaint<'static>> {
        const BIAS: &str = "no bias specified (0-10 for greater chance,-1 to disable)";
        let (setting, least, most, sentence) = match which {
            Number::Files => (&mut self.number, 1, i32::MAX, "invalid number of files"),
            Number::Seed => (&mut self.seed, 1, i32::MAX, "invalid seed for random numbers"),
            Number::Transactions => {
                (&mut self.transactions, 1, i32::MAX, "no transactions specified")
            }
            Number::Subdirectories => {
                (&mut self.subdirectories, 1, i32::MAX, "invalid number of subdirectories")
            }
            Number::Read => (&mut self.read_block, 1, i32::MAX, "invalid read block size"),
            Number::Write => (&mut self.write_block, 1, i32::MAX, "invalid write block size"),
            Number::BiasRead => (&mut self.bias_read, -1, 10, BIAS),
            Number::BiasCreate => (&mut self.bias_create, -1, 10, BIAS),
        };
        match argument.map(integer) {
            Some(value) if (least..=most).contains(&value) => *setting = value,
            _ => return Err(Complaint::Sentence(sentence)),
        }
        Ok(())
    }

    /// `set buffering true|false`.
    ///
    /// # Errors
    /// It is neither word.
    pub fn set_buffering(&mut self, argument: Option<&[u8]>) -> Result<(), Complaint<'static>> {
        self.buffering = match argument {
            Some(b"true") => Buffering::Stdio,
            Some(b"false") => Buffering::Raw,
            _ => {
                return Err(Complaint::Sentence("no buffering mode (true/false) specified"));
            }
        };
        Ok(())
    }

    /// `set report verbose|terse`.
    ///
    /// # Errors
    /// It is neither word.
    pub fn set_format(&mut self, argument: Option<&[u8]>) -> Result<(), Complaint<'static>> {
        self.format = match argument {
            Some(b"verbose") => Format::Verbose,
            Some(b"terse") => Format::Terse,
            _ => return Err(Complaint::Sentence("either 'verbose' or 'terse' required")),
        };
        Ok(())
    }

    /// `set location PATH [WEIGHT]` for the only one, `+PATH [WEIGHT]` for one
    /// more, `-PATH` for one less.
    ///
    /// # Errors
    /// There is no argument, no weight where one should be, or no such
    /// location.
    pub fn set_location<'a>(&mut self, argument: Option<&'a [u8]>) -> Result<(), Complaint<'a>> {
        match argument {
            None => Err(Complaint::Sentence("no directory name specified")),
            Some([b'-', path @ ..]) => self.delete_location(Some(path)),
            Some([b'+', rest @ ..]) => self.add_location(rest),
            Some(rest) => {
                self.locations.clear();
                self.add_location(rest)
            }
        }
    }

    /// `del location PATH`: the first one that is called so.
    ///
    /// # Errors
    /// There is no argument or no such location.
    pub fn delete_location<'a>(&mut self, path: Option<&'a [u8]>) -> Result<(), Complaint<'a>> {
        let path = path.ok_or(Complaint::Sentence("no directory name specified"))?;
        let found = self.locations.iter().position(|each| each.path == path);
        self.locations.remove(found.ok_or(Complaint::NoLocation(path))?);
        Ok(())
    }

    /// Adds the location `PATH [WEIGHT]`, the weight after the last space.
    fn add_location<'a>(&mut self, text: &'a [u8]) -> Result<(), Complaint<'a>> {
        let space = text.iter().rposition(|byte| *byte == b' ');
        let (path, weight, result) = match space {
            None => (text, 1, Ok(())),
            Some(at) => match integer(&text[at + 1..]) {
                weight if weight > 0 => (&text[..at], weight, Ok(())),
                _ => (&text[..at], 1, Err(Complaint::Weight(&text[at + 1..]))),
            },
        };
        self.locations.push(Location { path: path.to_vec(), weight });
        result
    }
}

/// The C expression `(int) strtol(text, NULL, 10)`.
pub fn integer(text: &[u8]) -> i32 {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !blank(byte));
    let text = &text[start.unwrap_or(text.len())..];
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let mut value: i64 = 0;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        let digit = i64::from(digit - b'0');
        value = value.saturating_mul(10);
        value = if negative { value.saturating_sub(digit) } else { value.saturating_add(digit) };
    }
    // The low half, as the original's assignment to an `int` keeps.
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_strtols_cut_to_an_int() {
        for (text, value) in [
            (&b""[..], 0),
            (b"x", 0),
            (b"-", 0),
            (b"7x", 7),
            (b" \t\n\x0b\x0c\r+7 8", 7),
            (b"-7", -7),
            (b"0x5", 0),
            (b"2147483647", i32::MAX),
            (b"2147483648", i32::MIN),
            (b"4294967299", 3),
            (b"9223372036854775807", -1),
            (b"99999999999999999999", -1),
            (b"-99999999999999999999", 0),
        ] {
            assert_eq!(integer(text), value, "{:?}", text.escape_ascii());
        }
    }

    #[test]
    fn a_refused_size_changes_nothing_and_a_high_below_the_low_is_the_low() {
        let mut settings = Settings::default();
        let mut set = |text: &[u8]| {
            let result = settings.set_size(Some(text));
            (result.is_ok(), settings.size_low, settings.size_high)
        };
        assert_eq!(set(b"0 5"), (false, 500, 10000));
        assert_eq!(set(b"5 9"), (true, 5, 9));
        assert_eq!(set(b"-5 100"), (false, 5, 9));
        assert_eq!(set(b"7"), (true, 7, 7));
        assert_eq!(set(b"100 -5"), (true, 100, 100));
        assert_eq!(set(b"100 x"), (true, 100, 100));
        assert_eq!(set(b"3   8"), (true, 3, 8));
        assert_eq!(set(b" 4"), (true, 4, 4));
    }

    #[test]
    fn locations_are_replaced_added_and_deleted() {
        let mut settings = Settings::default();
        assert!(settings.set_location(None).is_err());
        settings.set_location(Some(b"/a b 3")).unwrap();
        settings.set_location(Some(b"+/c")).unwrap();
        assert_eq!(settings.set_location(Some(b"+/d x")), Err(Complaint::Weight(b"x")));
        let names = |settings: &Settings| -> Vec<(Vec<u8>, i32)> {
            let all = settings.locations.iter();
            all.map(|each| (each.path.clone(), each.weight)).collect()
        };
        assert_eq!(
            names(&settings),
            [(b"/a b".to_vec(), 3), (b"/c".to_vec(), 1), (b"/d".to_vec(), 1)]
        );
        assert_eq!(settings.set_location(Some(b"-/c 1")), Err(Complaint::NoLocation(b"/c 1")));
        settings.set_location(Some(b"-/c")).unwrap();
        settings.delete_location(Some(b"/a b")).unwrap();
        assert_eq!(names(&settings), [(b"/d".to_vec(), 1)]);
        settings.set_location(Some(b"/e")).unwrap();
        assert_eq!(names(&settings), [(b"/e".to_vec(), 1)]);
    }
}
