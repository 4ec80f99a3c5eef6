//! The worlds in which sequences of calls are done, and what they are made of.
//!
//! A *world* ([`World`]) does calls that are given by name, with arguments as data: the
//! language of `anchorite_programs::posix::script`. There are [`Numbers`], who calls by
//! Linux's numbers, with pointers, either Linux itself ([`on_linux`], [`linux_call`]) or a
//! [`System`]; and [`Methods`], who calls a system's methods.
//!
//! It has this crate's unsafe code, since it gives pointers away; but for what `soak` declares.
#![allow(unsafe_code)]

mod arena;
mod linux;
mod numbers;
mod platform;
mod whole;

use std::ops::Range;
use std::sync::Arc;

pub use anchorite_programs::posix::methods::Methods;
pub use anchorite_programs::posix::script::World;
use anchorite_syscalls::{Limits, System};

pub use self::arena::Arena;
pub use self::linux::{linux_call, on_furnished_linux, on_linux};
pub use self::numbers::{Numbers, arguments_of, check, names};
pub use self::platform::{TestPlatform, WAITS};
pub use self::whole::{Whole, assert_whole};

/// No limit that a test meets.
pub const ROOMY: Limits = Limits { size_bytes: 1 << 40, inodes: 1 << 40 };

/// The addresses that a process of Linux can have.
pub const ADDRESSES: Range<usize> = 4096..1 << 47;

/// A system with these limits, whose clock moves on by a millisecond a look. Its programs
/// have no memory: it is for methods.
pub fn system(limits: Limits) -> System {
    System::new(Arc::new(TestPlatform::new(Vec::new())), limits).expect("a new system")
}

/// As [`system`], but its programs may name any address: it is for [`Numbers`].
pub fn system_by_numbers(limits: Limits) -> System {
    System::new(Arc::new(TestPlatform::new(vec![ADDRESSES])), limits).expect("a new system")
}
