//! The image of the program `cat`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::CAT);
