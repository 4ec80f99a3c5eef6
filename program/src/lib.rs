//! What a program of one's own depends on. `anchorite new NAME` makes a crate that does, by the
//! name `anchorite`:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! use anchorite::{Context, Result, api, println};
//!
//! anchorite::main!(main);
//!
//! fn main(ctx: &Context<'_>) -> Result<()> {
//!     api::write(ctx.sys, "/greeting", "Hello!")?;
//!     println!(ctx, "{}", api::read_to_string(ctx.sys, "/greeting")?);
//!     Ok(())
//! }
//! ```
//!
//! [`api`] has files in the manner of `std::fs`, [`System`] each call by itself, [`thread`]
//! threads; memory comes from `alloc`. What `main` may return is an [`Outcome`].
//!
//! `anchorite build` switches the feature `bare-metal` on and makes an image; `anchorite run --isle
//! hosted` the feature `hosted`, for a process of the host. Without both the crate is one for the
//! host too, so that `cargo check`, an editor and `cargo clippy` can do their work; run as it is,
//! it only tells how to run it.
//!
//! * `outcome`: what `main` may return
//! * `hosted` (feature `hosted`): a process of the host under a program
//! * `c` (feature `c`): what programs in C are linked with
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;
// Brings a panic handler and an allocator.
#[cfg(not(feature = "bare-metal"))]
extern crate std;

#[cfg(feature = "c")]
#[allow(unsafe_code)]
#[doc(hidden)]
pub mod c;
#[cfg(all(not(feature = "bare-metal"), feature = "hosted"))]
#[allow(unsafe_code)]
mod hosted;
mod outcome;

pub use anchorite_syscalls::program::{Context, Program, Text};
pub use anchorite_syscalls::{Errno, Result, System, api, thread};
pub use outcome::Outcome;

#[doc(hidden)]
#[cfg(feature = "bare-metal")]
pub use anchorite_kernel as kernel;

/// Makes this binary a program, which begins with the function that is named: it takes a
/// [`&Context`](Context) and returns an [`Outcome`].
#[cfg(feature = "bare-metal")]
#[macro_export]
macro_rules! main {
    ($main:expr) => {
        $crate::kernel::image!($crate::Program {
            name: ::core::env!("CARGO_BIN_NAME"),
            summary: "",
            main: |context| $crate::Outcome::status($main(context), context),
        });
    };
}

/// Makes this binary a program, which begins with the function that is named: it takes a
/// [`&Context`](Context) and returns an [`Outcome`].
#[cfg(not(feature = "bare-metal"))]
#[macro_export]
macro_rules! main {
    ($main:expr) => {
        const _: () = {
            // Under another name here: the program's own may be this one.
            #[unsafe(export_name = "main")]
            extern "C" fn start() -> i32 {
                $crate::run_on_host(&$crate::Program {
                    name: ::core::env!("CARGO_BIN_NAME"),
                    summary: "",
                    main: |context| $crate::Outcome::status($main(context), context),
                })
            }
        };
    };
}

/// What a program does that is started as one of the host's.
#[doc(hidden)]
#[cfg(all(not(feature = "bare-metal"), feature = "hosted"))]
pub fn run_on_host(program: &Program) -> ! {
    hosted::run(program)
}

/// What a program does that is started as one of the host's, and is none.
#[doc(hidden)]
#[cfg(not(any(feature = "bare-metal", feature = "hosted")))]
pub fn run_on_host(program: &Program) -> i32 {
    std::eprintln!(
        "{} needs anchorite's kernel under it: start it with `anchorite run DIRECTORY/`",
        program.name
    );
    2
}

/// Prints a line on the standard output of a [`Context`], as `std`'s macro of this name does
/// on a process's. A console that fails has nobody to tell.
#[macro_export]
macro_rules! println {
    ($context:expr $(,)?) => { $crate::println!($context, "") };
    ($context:expr, $($text:tt)*) => {{
        let mut text = $crate::Text::stdout($context);
        let _ = ::core::fmt::Write::write_fmt(
            &mut text,
            ::core::format_args!("{}\n", ::core::format_args!($($text)*)),
        );
    }};
}

/// Prints a line on the standard error of a [`Context`]; see [`println!`].
#[macro_export]
macro_rules! eprintln {
    ($context:expr $(,)?) => { $crate::eprintln!($context, "") };
    ($context:expr, $($text:tt)*) => {{
        let mut text = $crate::Text::stderr($context);
        let _ = ::core::fmt::Write::write_fmt(
            &mut text,
            ::core::format_args!("{}\n", ::core::format_args!($($text)*)),
        );
    }};
}
