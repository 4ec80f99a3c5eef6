//! The image of the program `sha256sum`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::SHA256SUM);
