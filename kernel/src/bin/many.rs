//! The image of the program `many`.
#![no_std]
#![no_main]
anchorite_kernel::image!(anchorite_programs::MANY);
