//! What a program in C is linked with beside the calls of [`anchorite_syscalls::c`]: the functions
//! of POSIX and C whose declarations a compiler's own headers have, as far as they need no more
//! than the calls; there is no other C library. `syscalls/include/anchorite.h` lists them.
//!
//! * `posix`: the calls by their names in POSIX, with `errno`
//! * `dir`: directories, as `<dirent.h>` has them
//! * `memory`: `malloc` and its kin
//! * `string`: text
//! * `stdio`: standard output and error
//! * `process`: `main`, its environment and its end
//!
//! C has no threads here, so that there is one `errno`, and a static is as good as a local.

mod dir;
mod memory;
mod posix;
mod process;
mod stdio;
mod string;

#[doc(hidden)]
pub use process::run;

/// Makes this library what programs in C are linked with, once.
#[macro_export]
macro_rules! c_library {
    () => {
        $crate::kernel::image!($crate::Program { name: "main", summary: "", main: $crate::c::run });
    };
}
