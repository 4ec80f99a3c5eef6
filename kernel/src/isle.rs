//! What differs between the machines that this kernel runs on, once it runs.

use crate::hypercall::Uhyve;
use crate::pc::{self, Pc};
use crate::platform::time_stamp;

/// A machine.
pub trait Isle {
    /// Sends bytes to the launcher, or to whoever looks.
    fn send(&self, bytes: &[u8]);
    /// Ends the machine. Where it can take a `status` out, it does; the exit record has it anyway.
    fn exit(&self, status: i32) -> !;
    /// Whether [`Isle::exit`] cannot take a status out, so that people have to read it.
    fn leaves_status_untold(&self) -> bool;
    /// Leaves the machine and comes back, for nothing.
    fn leave(&self);
}

/// The machine that this is: uhyve's, until the boot knows better.
pub fn current() -> &'static dyn Isle {
    if pc::is_here() { &Pc } else { &Uhyve }
}

/// How many counts of the time-stamp counter it takes to leave the machine and come back: the
/// least of a few.
pub fn cost() -> u64 {
    let isle = current();
    (0..8)
        .map(|_| {
            let start = time_stamp();
            isle.leave();
            time_stamp() - start
        })
        .min()
        .unwrap_or(0)
}
