//! The image of the program `posix`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::POSIX);
