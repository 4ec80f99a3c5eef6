//! What can go wrong between threads, looked for in three ways.
//!
//! * `scenario`, `scenarios.txt`: two or three threads with a few calls each. Built with
//!   `--cfg anchorite_model="loom"` or `"shuttle"` (see [`anchorite_fs::sync`]) a process
//!   explores interleavings of them, down to single atomic operations. After each: what
//!   the calls returned and what they left is what some order of the calls returns and
//!   leaves, an order that agrees with which call ended before another began; and
//!   `System::check` finds nothing.
//! * [`driver`]: builds the explorers with a nested cargo, runs them on every scenario, and
//!   on every planted bug ([`anchorite_fs::plants`]), which must be caught.
//! * [`linear`]: whether the history of real threads could have come from calls in some
//!   order; `tests/linearizability.rs` makes such histories.
//! * [`sanitizers`]: those histories and the stress run of the call layer, under the nightly
//!   compiler's sanitizers.

#![forbid(unsafe_code)]

#[cfg(not(anchorite_model))]
pub mod driver;
pub mod ground;
pub mod linear;
#[cfg(not(anchorite_model))]
pub mod sanitizers;
pub mod scenario;
