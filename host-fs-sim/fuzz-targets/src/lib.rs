//! What the fuzzer does with its inputs: each target takes one input apart, does what it
//! asks for, and panics over what must not be.
//!
//! `host-fs-sim/fuzz` runs the targets under libFuzzer and AddressSanitizer, on the nightly
//! compiler. A plain test here takes every input of the corpora again, on any compiler; with
//! an input that made a target fail, `cargo fuzz fmt TARGET FILE` prints what it asks for.
//!
//! # Modules, from the bottom
//! * [`path`]: paths that a hostile program passes.
//! * [`ground`]: a process, its memory, and what must hold in the end.
//! * [`calls`]: calls by number.
//! * [`paths`]: paths, against an independent walk.
//! * [`model`]: calls in the language of rows, against the naive model.
//! * [`boot`]: what a hypervisor tells a guest, and what a guest sends to its launcher.
//! * [`postmark`]: the benchmark's commands.
//! * [`script`]: rows of calls, as people write them.
//! * [`archive`]: archives, plain and compressed.
//!
//! Whatever else comes from outside gets a module, a line in [`TARGETS`], and three lines in
//! `host-fs-sim/fuzz/fuzz_targets`.

pub mod archive;
pub mod boot;
pub mod calls;
#[allow(unsafe_code)]
pub mod ground;
pub mod model;
pub mod path;
pub mod paths;
pub mod postmark;
pub mod script;

use arbitrary::{Arbitrary, Unstructured};

/// Something that takes inputs.
pub struct Target {
    /// The name of its corpus and its dictionary.
    pub name: &'static str,
    /// Does what the bytes of an input ask for.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 7] = [
    Target { name: "archive", run: |bytes| taken(bytes, archive::run) },
    Target { name: "boot", run: |bytes| taken(bytes, boot::run) },
    Target { name: "calls", run: |bytes| taken(bytes, calls::run) },
    Target { name: "model", run: |bytes| taken(bytes, model::run) },
    Target { name: "paths", run: |bytes| taken(bytes, paths::run) },
    Target { name: "postmark", run: |bytes| taken(bytes, postmark::run) },
    Target { name: "script", run: |bytes| taken(bytes, script::run) },
];

/// Takes an input apart as libFuzzer's own harness does; bytes that are no input are none.
fn taken<'a, T: Arbitrary<'a>>(bytes: &'a [u8], run: impl FnOnce(T)) {
    if bytes.len() < T::size_hint(0).0 {
        return;
    }
    if let Ok(input) = T::arbitrary_take_rest(Unstructured::new(bytes)) {
        run(input);
    }
}
