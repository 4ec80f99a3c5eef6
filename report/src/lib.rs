//! The report: what a unikernel's system calls are worth.
//!
//! [`measure`] measures, by the same path as `anchorite compare` does; [`data`] is what comes of
//! it, in a file.
#![forbid(unsafe_code)]

pub mod data;
pub mod measure;
