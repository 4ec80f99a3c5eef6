//! What the crates `anchorite-fs` and `anchorite-syscalls` cost, as processes of the host
//! have them, and beside them other file systems in memory that anybody can have from
//! crates.io, doing the same work where they can.
//!
//! It is for work on the crates themselves: it needs no guest, and is in the hands of
//! `criterion`, which tells what changed since the last run. What calls cost in
//! a guest, and next to Linux, is what `anchorite compare microbench` measures.
//!
//! ```text
//! cargo bench --manifest-path bench-fs/Cargo.toml                        # everything
//! cargo bench --manifest-path bench-fs/Cargo.toml --bench inodes         # inodes alone
//! cargo bench --manifest-path bench-fs/Cargo.toml --bench calls -- fstat # one call
//! ```
//!
//! # Modules
//! * [`work`]: what is done, and to which files.
//! * [`subject`]: who does it: the trait, and all that have it.
//! * [`ours`]: the inodes; the calls as methods and by number.
//! * [`others`]: the others.
//! * [`measure()`]: the way through criterion.
//!
//! # Others do less
//! None of the others is meant to do what a kernel does, and most do less for each call, so
//! a smaller time is not a better file system. What each lacks, read in its source:
//!
//! | | `anchorite-fs` | `vfs` 0.13.0, `MemoryFS` | `axfs_ramfs` 0.1.2 | `rsfs` 0.4.1, `mem::FS` | `fs-core` 0.4.0, `thread-safe` |
//! |---|---|---|---|---|---|
//! | is | a kernel's ramdisk | for tests | the ramdisk of ArceOS | for tests | for WebAssembly |
//! | names | hashed, per directory | one hash table of whole paths | a B-tree per directory | hashed, per directory | a B-tree per directory |
//! | locks | one per inode | one for all | one per inode | one for all names, one per file | one per inode, a sharded table of all |
//! | content | pages | one block | one block | one block | pages |
//! | holes | yes | no | no | no | yes |
//! | reading at an offset | yes | what the file was when opened | yes | yes | yes, and moves the descriptor |
//! | writing at an offset | yes | into a copy; others see it after a flush, which copies the file | yes | yes | yes, and moves the descriptor |
//! | rename | files and directories, also over others, exchange | no (`VfsPath` copies) | no | yes | yes |
//! | hard links | yes | no | no | yes | no |
//! | symbolic links | yes | no | no | yes | no |
//! | fifos, sockets, device nodes | yes | no | no | no | no |
//! | owners, groups | yes | no | no | no | no |
//! | permissions | checked | no | no | the owner's, checked | no |
//! | times | four | three | no | three | two |
//! | an unlinked open file | lives until closed | a reader's does; a writer's gets its name back | lives until closed | lives until closed | is never freed, open or not |
//! | a list that goes on where it was | by stable cookies | no | by position, skipping from the start | no | no |
//! | limits of space and files | yes | no | no | no | no |
//! | without memory | ENOMEM | ends the process | ends the process | ends the process | ends the process |
//! | names that are not UTF-8 | yes | no | no | yes | no |
//!
//! Only `fs-core` numbers open files, as the call layer does; it does not reuse numbers. The
//! inodes are given the time; the calls, and all others but `axfs_ramfs`, ask the host's
//! clock, which is a part of each call that stamps a file. `rsfs` is old (it builds on
//! `parking_lot` 0.4); it is here since it does the most.
//!
//! Left out: `virtual-fs` (Wasmer's; some 240 crates to build, and asynchronous files),
//! `remotefs-memory` (whole files as streams), and file systems on a block device.
#![forbid(unsafe_code)]

mod measure;
pub mod others;
pub mod ours;
pub mod subject;
pub mod work;

pub use measure::measure;
pub use subject::{CALLS, INODES, Operation, Subject};
pub use work::Work;
