//! The calls, by their names.

mod attributes;
mod identity;
mod locks;
mod names;
mod open;
mod pipes;
mod poll;
mod process;
mod ranges;
mod rename;
mod times;
mod transfer;
mod xattrs;

use anchorite_programs::posix::script::Reply;
use anchorite_syscalls::Errno;

use super::arguments::Arguments;
use super::{Done, Model};

/// What F_GETFL tells of every file on a machine of 64 bits.
pub const O_LARGEFILE: i32 = 0o100_000;

/// Does the call `name`; none if there is no such call.
pub fn call(model: &mut Model, name: &str, given: Arguments<'_>) -> Option<Done> {
    open::call(model, name, given)
        .or_else(|| pipes::call(model, name, given))
        .or_else(|| locks::call(model, name, given))
        .or_else(|| poll::call(model, name, given))
        .or_else(|| transfer::call(model, name, given))
        .or_else(|| ranges::call(model, name, given))
        .or_else(|| names::call(model, name, given))
        .or_else(|| attributes::call(model, name, given))
        .or_else(|| xattrs::call(model, name, given))
        .or_else(|| times::call(model, name, given))
        .or_else(|| identity::call(model, name, given))
        .or_else(|| process::call(model, name, given))
}

/// Success without a number.
fn done(result: Result<(), Errno>) -> Done {
    result.map(|()| Reply::Done(0))
}

/// A descriptor.
fn fd(result: Result<i32, Errno>) -> Done {
    result.map(|fd| Reply::Done(fd.into()))
}
