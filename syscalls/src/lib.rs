//! The system-call layer.
#![no_std]
extern crate alloc;

pub mod host;
pub mod platform;
mod system;

pub use anchorite_fs::Errno;
pub use anchorite_fs::Result;
pub use host::{HostFd, HostFiles};
pub use platform::{Platform, Stream};
pub use system::{Limits, System};
