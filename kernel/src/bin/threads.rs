//! The image of the program `threads`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::THREADS);
