//! The ramdisk.
#![no_std]
mod errno;
pub use errno::{Errno, Result};
