//! The image of the program `ls`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::LS);
