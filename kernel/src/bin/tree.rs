//! The image of the program `tree`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::TREE);
