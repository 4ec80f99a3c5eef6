//! The ramdisk, by its inodes and by its calls.

mod calls;
mod inodes;

pub use calls::{Methods, Numbers};
pub use inodes::Inodes;

use anchorite_syscalls::Limits;

/// Room for everything here.
const LIMITS: Limits = Limits { size_bytes: 64 << 20, inodes: 10_000 };
