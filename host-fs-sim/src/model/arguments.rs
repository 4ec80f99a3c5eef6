//! [`Arguments`]: the arguments of a call, as the types that it takes.
//!
//! A call with arguments of other kinds than it takes is a mistake in a test: it panics.

use anchorite_programs::posix::script::Value;
use anchorite_syscalls::Errno;

use super::tree::Time;

/// The arguments of a call, by their places. Of a word the low half is taken where C has an
/// `int`.
#[derive(Clone, Copy)]
pub struct Arguments<'a>(pub &'a [Value]);

impl<'a> Arguments<'a> {
    /// A number.
    pub fn long(&self, at: usize) -> i64 {
        match self.0.get(at) {
            Some(Value::Word(word)) => *word,
            other => panic!("argument {at} is {other:?}, no number"),
        }
    }

    /// A descriptor, flags, and the like.
    pub fn int(&self, at: usize) -> i32 {
        self.long(at) as i32
    }

    /// A user, a mode, and the like.
    pub fn id(&self, at: usize) -> u32 {
        self.long(at) as u32
    }

    /// A string; none where there is no pointer.
    pub fn text_or_null(&self, at: usize) -> Option<&'a [u8]> {
        match self.0.get(at) {
            Some(Value::Text(text)) => Some(text),
            Some(Value::Null) => None,
            other => panic!("argument {at} is {other:?}, no text"),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// EFAULT where there is no pointer.
    pub fn text(&self, at: usize) -> Result<&'a [u8], Errno> {
        self.text_or_null(at).ok_or(Errno::EFAULT)
    }

    /// How many bytes there is room for.
    pub fn room(&self, at: usize) -> usize {
        match self.0.get(at) {
            Some(Value::Room(len)) => *len,
            other => panic!("argument {at} is {other:?}, no room"),
        }
    }

    /// An array; none where there is no pointer.
    pub fn list(&self, at: usize) -> Option<Arguments<'a>> {
        match self.0.get(at) {
            Some(Value::List(list)) => Some(Arguments(list)),
            Some(Value::Null) => None,
            other => panic!("argument {at} is {other:?}, no list"),
        }
    }

    /// An array of numbers; none where there is no pointer.
    pub fn numbers(&self, at: usize) -> Option<Vec<i64>> {
        let list = self.list(at)?;
        Some((0..list.0.len()).map(|at| list.long(at)).collect())
    }

    /// Two times; none where there is no pointer.
    pub fn times(&self, at: usize) -> Option<[Time; 2]> {
        let numbers = self.numbers(at)?;
        let time = |at: usize| Time { seconds: numbers[at], nanoseconds: numbers[at + 1] };
        Some([time(0), time(2)])
    }
}
