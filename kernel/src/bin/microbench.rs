//! The image of the program `microbench`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::MICROBENCH);
