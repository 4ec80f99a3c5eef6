//! The library that programs in C are linked with.
#![no_std]
anchorite::c_library!();
