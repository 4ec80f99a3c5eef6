//! [`Whole`]: a system that is checked when a test is done with it.

use std::ops::Deref;
use std::thread::panicking;

use anchorite_syscalls::System;

/// A system whose ramdisk must be whole when this is dropped: else the test that has it
/// panics, with the report of [`System::check`].
pub struct Whole(pub System);

impl Deref for Whole {
    type Target = System;

    fn deref(&self) -> &System {
        &self.0
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if !panicking() {
            assert_whole(&self.0);
        }
    }
}

/// Panics with the report of [`System::check`] unless there are no problems.
#[track_caller]
pub fn assert_whole(system: &System) {
    let report = system.check().expect("memory to check with");
    assert!(report.problems.is_empty(), "{report}");
}
