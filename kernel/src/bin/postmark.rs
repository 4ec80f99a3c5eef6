//! The image of the program `postmark`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::POSTMARK);
