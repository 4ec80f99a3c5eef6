//! `calls`: a sequence of calls by number, with arguments that a program may well pass, and
//! with such as only a hostile one does.
//!
//! Nothing is known of what a call should answer, except that it is an answer; what is
//! checked is that memory stays the program's, limits are kept, and nothing is left in the
//! end. What calls should answer is compared with Linux and with a model elsewhere.

mod table;

use std::fmt;

use anchorite_syscalls::Errno;
use arbitrary::{Arbitrary, Result, Unstructured};

use crate::ground::{Memory, Tight, check_limits, end, system};
use crate::path::Path;
use table::CALLS;

/// Calls in one input, at most.
const MOST_CALLS: usize = 100;
/// A call whose first byte is not below this one may have any number.
const ANY_NUMBER: u8 = 252;
/// Calls that end the process.
const LEFT_OUT: [i64; 2] = [libc::SYS_exit, libc::SYS_exit_group];
/// Where in the second piece of memory buffers are. Strings are in the first.
const BUFFERS: usize = 1;
const STRINGS: usize = 0;

/// A process's life.
#[derive(Debug)]
pub struct Input {
    limits: Tight,
    calls: Vec<Call>,
}

/// A call and its arguments.
pub struct Call {
    number: i64,
    words: [Word; 6],
}

/// An argument, before it has an address.
#[derive(Arbitrary, Clone, Debug)]
enum Word {
    /// A number.
    Plain(u64),
    /// The address of a path that ends in NUL.
    Text(Path),
    /// The address of a path whose NUL is the last byte of memory, or is missing there.
    TextAtEnd(Path, Ending),
    /// The address of room.
    Room(u16),
    /// The address of these last bytes of memory.
    RoomAtEnd(u8),
    /// The address of words.
    Words(Small<u64>),
    /// The address of an array of buffers.
    Vector(Small<Buffer>),
    /// The address of nothing that may be named.
    Wild(Wild),
}

/// What ends the last string in memory.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Ending {
    Nul,
    Nothing,
}

/// Addresses outside of memory.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Wild {
    Null,
    First,
    BeforeMemory(u8),
    AfterMemory(u8),
    /// In memory, but so near its end that what is there is not whole.
    NearEnd(u8),
    Kernel(u32),
    Last(u8),
}

/// An element of a vector.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Buffer {
    Room(u16),
    AtEnd(u8),
    Wild(Wild, u64),
}

/// At most sixteen of a kind.
#[derive(Clone, Debug)]
struct Small<T>(Vec<T>);

impl<'a, T: Arbitrary<'a>> Arbitrary<'a> for Small<T> {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Small<T>> {
        let count = u.int_in_range(0..=16)?;
        (0..count).map(|_| u.arbitrary()).collect::<Result<_>>().map(Small)
    }
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Input> {
        let limits = u.arbitrary()?;
        let mut calls = Vec::new();
        while calls.len() < MOST_CALLS && !u.is_empty() {
            calls.push(u.arbitrary()?);
        }
        Ok(Input { limits, calls })
    }
}

impl<'a> Arbitrary<'a> for Call {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Call> {
        let which: u8 = u.arbitrary()?;
        if which >= ANY_NUMBER {
            let number = match u.arbitrary::<u16>()? {
                number if LEFT_OUT.contains(&number.into()) => -1,
                number => number.into(),
            };
            return Ok(Call { number, words: u.arbitrary()? });
        }
        let (number, kinds) = CALLS[usize::from(which) % CALLS.len()];
        let mut words = [const { Word::Plain(0) }; 6];
        for (word, kind) in words.iter_mut().zip(kinds) {
            *word = kind.word(u)?;
        }
        Ok(Call { number, words })
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} {:?}", self.number, self.words)
    }
}

/// What an argument is for.
#[derive(Clone, Copy)]
enum Kind {
    /// A descriptor.
    Fd,
    /// A directory's descriptor, or AT_FDCWD.
    At,
    Path,
    /// A buffer.
    Room,
    /// How long a buffer is.
    Length,
    /// A position or a size.
    Offset,
    /// None, or any of these bits.
    Flags(&'static [i32]),
    /// Flags of `open(2)`.
    Open,
    /// One of these.
    One(&'static [i32]),
    Mode,
    /// A user or a group.
    Id,
    /// An array of buffers.
    Vector,
    /// How many are in an array.
    Count,
    /// Some words: times, a position, limits, groups; or NULL.
    Words,
    /// The name of an extended attribute.
    Xattr,
    /// A `struct flock`.
    Lock,
    /// Descriptors, and what of them is asked for.
    Polled,
}

impl Kind {
    fn word(self, u: &mut Unstructured<'_>) -> Result<Word> {
        let odd: u8 = u.arbitrary()?;
        if odd >= 244 {
            return u.arbitrary();
        }
        // Most of the choices below need no more than this byte.
        let small = u64::from(odd);
        Ok(match self {
            Kind::Fd => Word::Plain(small % 8),
            Kind::At if odd.is_multiple_of(2) => Word::Plain(libc::AT_FDCWD as u64),
            Kind::At => Word::Plain(small / 2 % 8),
            Kind::Path if odd < 230 => Word::Text(u.arbitrary()?),
            Kind::Path => Word::TextAtEnd(u.arbitrary()?, u.arbitrary()?),
            Kind::Room if odd < 200 => Word::Room(0),
            Kind::Room => Word::RoomAtEnd(u.arbitrary()?),
            Kind::Length => match odd {
                0..120 => Word::Plain(small),
                _ => Word::Plain(u64::from(u.arbitrary::<u16>()?) % 0x2100),
            },
            Kind::Offset => match odd {
                0..60 => Word::Plain(small),
                60..160 => Word::Plain(u64::from(u.arbitrary::<u16>()?) * 8),
                160..200 => Word::Plain((small - 160) * 4096),
                200..220 => Word::Plain(u.arbitrary()?),
                // Around the largest offset, and below zero.
                220..230 => Word::Plain(i64::MAX as u64 - (small - 220)),
                _ => Word::Plain((-(i64::from(odd) - 230)) as u64),
            },
            Kind::Flags(_) if odd < 130 => Word::Plain(0),
            Kind::Flags(known) => any_of(known, u.arbitrary()?),
            // Most sets of flags are refused: these are usual.
            Kind::Open if odd < 190 => one_of(table::USUAL_OPEN, odd),
            Kind::Open => any_of(table::OPEN, u.arbitrary()?),
            Kind::One(known) => one_of(known, odd),
            Kind::Mode => Word::Plain(u.arbitrary::<u16>()?.into()),
            Kind::Id => Word::Plain([0, 0, 0, u64::MAX, 1, 65_534][usize::from(odd) % 6]),
            Kind::Vector => Word::Vector(u.arbitrary()?),
            Kind::Count => Word::Plain(small % 18),
            Kind::Words if odd < 60 => Word::Plain(0),
            Kind::Words => Word::Words(u.arbitrary()?),
            Kind::Xattr if odd < 200 => {
                Word::Text(Path(table::XATTRS[usize::from(odd) % table::XATTRS.len()].to_vec()))
            }
            Kind::Xattr => Word::TextAtEnd(u.arbitrary()?, u.arbitrary()?),
            Kind::Lock => {
                let [start, len, whence] = u.arbitrary::<[u8; 3]>()?;
                // The types that there are and one more, mostly from the start, and few bytes.
                let whence = if whence < 200 { 0 } else { u64::from(whence) % 4 };
                let len = if len < 200 { i64::from(len) % 8 } else { 198 - i64::from(len) };
                let kinds = (small % 13 % 4) | (whence << 16);
                Word::Words(Small(vec![kinds, u64::from(start) % 16, len as u64, 0]))
            }
            Kind::Polled => {
                let file = |word: &u8| u64::from(word % 8) | u64::from(word / 8) << 32;
                let files: [u8; 4] = u.arbitrary()?;
                Word::Words(Small(files.iter().map(file).collect()))
            }
        })
    }
}

fn one_of(known: &[i32], which: u8) -> Word {
    Word::Plain(known[usize::from(which) % known.len()] as u64)
}

/// The bits that the bits of `chosen` choose.
fn any_of(known: &[i32], chosen: u32) -> Word {
    let bits = known.iter().enumerate().filter(|(at, _)| chosen >> at & 1 != 0);
    Word::Plain(bits.fold(0, |all, (_, bit)| all | *bit as u64))
}

/// Does the calls of an input.
pub fn run(input: Input) {
    let memory = Memory::new();
    let typed = b"typed\n".repeat(20);
    let system = system(memory.ranges().to_vec(), typed, input.limits.into());
    for call in &input.calls {
        let mut addresses = Addresses { memory: &memory, used: 0 };
        let words = call.words.each_ref().map(|word| addresses.of(word));
        let no_time = addresses.put(&[0; 16]) as u64;
        let (number, words) = without_waiting(call.number, words, no_time);
        let done = system.syscall(number, words);
        if done < 0 {
            let known = u16::try_from(-done).is_ok_and(|raw| raw < 4096);
            assert!(known, "{call:?} answers {done}");
            let unknown = done == -i64::from(Errno::ENOSYS.raw());
            // The console is in no file system.
            let ours = CALLS.iter().any(|(number, _)| *number == call.number)
                && call.number != libc::SYS_fstatfs;
            assert!(!(ours && unknown), "{call:?} answers ENOSYS");
        }
        check_limits(&system);
    }
    end(&system);
}

/// A call as one that does not wait: nobody is there to wake it. `no_time` is where a time is that
/// is over at once.
fn without_waiting(number: i64, mut words: [u64; 6], no_time: u64) -> (i64, [u64; 6]) {
    let is_fifo = |mode: u64| mode as u32 & libc::S_IFMT == libc::S_IFIFO;
    let to_socket = u64::from(libc::S_IFIFO ^ libc::S_IFSOCK);
    let nonblock = libc::O_NONBLOCK as u64;
    match number {
        libc::SYS_pipe => return (libc::SYS_pipe2, [words[0], nonblock, 0, 0, 0, 0]),
        libc::SYS_pipe2 => words[1] |= nonblock,
        libc::SYS_inotify_init => return (libc::SYS_inotify_init1, [nonblock, 0, 0, 0, 0, 0]),
        libc::SYS_inotify_init1 => words[0] |= nonblock,
        libc::SYS_ioctl if words[1] as u32 == libc::FIONBIO as u32 => words[1] = libc::FIOCLEX,
        // Who opens a fifo waits: it is a socket.
        libc::SYS_mknod if is_fifo(words[1]) => words[1] ^= to_socket,
        libc::SYS_mknodat if is_fifo(words[2]) => words[2] ^= to_socket,
        libc::SYS_poll => words[2] = 0,
        libc::SYS_ppoll => words[2] = no_time,
        libc::SYS_select | libc::SYS_pselect6 => words[4] = no_time,
        libc::SYS_flock => words[1] |= libc::LOCK_NB as u64,
        libc::SYS_fcntl => match words[1] as i32 {
            libc::F_SETFL => words[2] |= nonblock,
            libc::F_SETLKW => words[1] = libc::F_SETLK as u64,
            libc::F_OFD_SETLKW => words[1] = libc::F_OFD_SETLK as u64,
            _ => {}
        },
        _ => {}
    }
    (number, words)
}

/// Where the arguments of one call are.
struct Addresses<'a> {
    memory: &'a Memory,
    /// Bytes of the first piece that have been given out.
    used: usize,
}

impl Addresses<'_> {
    fn of(&mut self, word: &Word) -> u64 {
        let ends = self.memory.ranges().map(|range| range.end);
        let address = match word {
            Word::Plain(word) => return *word,
            Word::Text(path) => self.put(&[&path.0[..], b"\0"].concat()),
            Word::TextAtEnd(path, ending) => {
                let mut bytes = path.0.clone();
                if let Ending::Nul = ending {
                    bytes.push(0);
                }
                let at = Memory::LENGTHS[BUFFERS].saturating_sub(bytes.len());
                self.memory.put(BUFFERS, at, &bytes);
                self.memory.ranges()[BUFFERS].start + at
            }
            Word::Room(at) => self.room(*at),
            Word::RoomAtEnd(len) => ends[BUFFERS] - usize::from(*len),
            Word::Words(words) => {
                let bytes: Vec<u8> = words.0.iter().flat_map(|word| word.to_ne_bytes()).collect();
                self.put(&bytes)
            }
            Word::Vector(buffers) => {
                let pairs = buffers.0.iter().flat_map(|buffer| match buffer {
                    Buffer::Room(len) => [self.room(0), usize::from(*len)],
                    Buffer::AtEnd(len) => [ends[BUFFERS] - usize::from(*len), usize::from(*len)],
                    Buffer::Wild(wild, len) => [self.wild(*wild), *len as usize],
                });
                let bytes: Vec<u8> = pairs.flat_map(usize::to_ne_bytes).collect();
                self.put(&bytes)
            }
            Word::Wild(wild) => self.wild(*wild),
        };
        address as u64
    }

    /// Puts bytes behind what is there for this call; what finds no room is cut.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let at = self.used;
        self.memory.put(STRINGS, at, bytes);
        // Words may be anywhere, which is no multiple of anything.
        self.used = (at + bytes.len()).min(Memory::LENGTHS[STRINGS]);
        self.memory.ranges()[STRINGS].start + at
    }

    fn room(&self, at: u16) -> usize {
        self.memory.ranges()[BUFFERS].start + usize::from(at) % Memory::LENGTHS[BUFFERS]
    }

    fn wild(&self, wild: Wild) -> usize {
        let [first, second] = self.memory.ranges();
        match wild {
            Wild::Null => 0,
            Wild::First => 1,
            Wild::BeforeMemory(by) => first.start - 1 - usize::from(by),
            Wild::AfterMemory(by) => second.end + usize::from(by),
            Wild::NearEnd(by) => first.end - 1 - usize::from(by),
            Wild::Kernel(low) => 0xffff_8000_0000_0000 | low as usize,
            Wild::Last(by) => usize::MAX - usize::from(by),
        }
    }
}
