//! The report: what a unikernel's system calls are worth.
//!
//! [`measure`] measures, by the same path as `anchorite compare` does; [`data`] is what comes of
//! it, in a file. [`typeset`] makes the report of the data, for which [`facts`] has all statistics
//! and [`figures`] what is drawn of them; the text is in `report/text`.
#![forbid(unsafe_code)]

pub mod data;
pub mod facts;
pub mod figures;
pub mod measure;
pub mod typeset;
