//! The bare-metal library OS: what lies between a hypervisor and the call layer.
//!
//! Portable layers, compiled and tested on the host; nothing in them touches the
//! machine:
//!
//! - [`strings`]: `memcpy` and its kin
//! - [`bootinfo`]: uhyve's device tree, and where things lie in memory
//! - [`multiboot`]: what a multiboot loader tells; [`rtc`]: a PC's clock
//! - [`cmdline`]: the boot command line
//! - [`paging`]: page tables
//! - [`memory`]: the heap; [`cache`]: what each core keeps of it
//! - [`clock`]: time from the time-stamp counter
//! - [`console`]: lines and frames
//! - [`exception`]: what exceptions mean
//! - [`random`]: unpredictable bytes
//!
//! Bare-metal layers (feature `bare-metal`), from the machine up:
//!
//! - `hypercall`: uhyve; `pc`: a PC; `isle`: what differs between them
//! - `cpu`: cores, what each has of its own, and the way into ring 0
//! - `output`, `heap`, `machine`: the one console, the one allocator, the facts
//! - `stack`, `thread`: threads on cores
//! - `trap`, `panic`: the ends that a program does not choose
//! - `boot`: from the first instruction to a heap and a stack
//! - `platform`, `host_files`: the call layer's two doors
//! - `preload`, `export`: archives, on their way in and out
//! - `start`: from a heap and a stack to the program
//! - `image`: the macro that makes a program an image
//!
//! **Rings.** Ring 0 holds the stub in `boot.s` only: the boot's first 200
//! instructions, the entries of the exceptions, and one service (set the page
//! tables). The library OS and the program share ring 3 and one address space;
//! a system call is a function call.
//!
//! **Lock order.** The console's and the heap's locks are leaves: whoever holds one
//! takes no other and does not allocate. The table of threads, then the page tables,
//! come before the heap's, since both allocate under their locks; and so does the host
//! files' table.
//!
//! `README.md` has the commands that build, check and start images.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bootinfo;
#[allow(unsafe_code)]
pub mod cache;
pub mod clock;
pub mod cmdline;
pub mod console;
pub mod exception;
#[allow(unsafe_code)]
pub mod memory;
pub mod multiboot;
#[allow(unsafe_code)]
pub mod paging;
pub mod random;
#[allow(unsafe_code)]
pub mod relocate;
pub mod rtc;
#[allow(unsafe_code)]
pub mod strings;

#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod boot;
#[cfg(all(feature = "bare-metal", anchorite_counts))]
#[allow(unsafe_code)]
pub mod counts;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod cpu;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod export;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod heap;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod host_files;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod hypercall;
#[cfg(feature = "bare-metal")]
pub mod image;
#[cfg(feature = "bare-metal")]
pub mod isle;
#[cfg(feature = "bare-metal")]
pub mod machine;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod output;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
mod panic;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod pc;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod platform;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod preload;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod stack;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod start;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod thread;
#[cfg(feature = "bare-metal")]
#[allow(unsafe_code)]
pub mod trap;

#[cfg(feature = "bare-metal")]
#[doc(hidden)]
pub use {anchorite_syscalls, hermit_entry};
