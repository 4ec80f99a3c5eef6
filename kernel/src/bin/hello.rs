//! The image of the program `hello`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::HELLO);
