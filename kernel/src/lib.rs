//! The bare-metal library OS: what lies between a hypervisor and the call layer.
//!
//! Portable layers, compiled and tested on the host; nothing in them touches the
//! machine:
//!
//! - [`strings`]: `memcpy` and its kin
//! - [`bootinfo`]: the device tree, and where things lie in memory
//! - [`cmdline`]: the boot command line
//! - [`paging`]: page tables
//! - [`memory`]: the heap
//! - [`clock`]: time from the time-stamp counter
//! - [`console`]: lines and frames
//! - [`exception`]: what exceptions mean
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bootinfo;
pub mod clock;
pub mod cmdline;
pub mod console;
pub mod exception;
#[allow(unsafe_code)]
pub mod memory;
#[allow(unsafe_code)]
pub mod paging;
#[allow(unsafe_code)]
pub mod strings;
