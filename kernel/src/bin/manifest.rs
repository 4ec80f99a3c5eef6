//! The image of the program `manifest`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::MANIFEST);
