//! `model`: a sequence of calls in the language of rows, on the ramdisk by numbers and on the
//! naive model, with every outcome compared.
//!
//! The bytes are the random numbers from which [`generate`] makes the sequences of `soak`: so
//! each input is a sequence that knows which names and descriptors exist, and each change of
//! a byte changes one choice and what follows from it.

use std::fmt;

use anchorite_programs::posix::script::Statement;
use anchorite_syscalls::Limits;
use arbitrary::Arbitrary;
use host_fs_sim::campaign::judge::Against;
use host_fs_sim::campaign::{compare, row};
use host_fs_sim::sequence::Sequences;
use host_fs_sim::sequence::generate::generate;
use host_fs_sim::worlds::ROOMY;

use crate::ground::Tight;

/// Calls in one input, at most.
const MOST_CALLS: usize = 100;
/// Bytes for each call; most take that many choices, of two bytes each.
const CALL_BYTES: usize = 16;
/// Bytes of a choice: no choice is among more.
const CHOICE_BYTES: usize = 2;

/// Limits, and choices.
#[derive(Arbitrary)]
pub struct Input<'a> {
    limits: Option<Tight>,
    choices: &'a [u8],
}

impl Input<'_> {
    fn limits(&self) -> Limits {
        self.limits.map_or(ROOMY, Limits::from)
    }

    fn statements(&self) -> Vec<Statement> {
        let mut choices = self.choices.chunks_exact(CHOICE_BYTES);
        // Where they end, within a call: always zero could be refused for ever.
        let mut end = 0_u64;
        let mut draw = || match choices.next() {
            Some(choice) => u64::from(choice[0]) | u64::from(choice[1]) << 8,
            None => {
                end = end.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                end >> 33
            }
        };
        let len = self.choices.len().div_ceil(CALL_BYTES).min(MOST_CALLS);
        generate(&mut draw, &Sequences { against: Against::Model, limits: self.limits(), len })
    }
}

/// The row that an input is, for `host-fs-sim check`.
impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statements = self.statements();
        f.write_str(&row(statements.iter().map(|one| (one, None, None)), self.limits()))
    }
}

/// Does the sequence in both worlds.
pub fn run(input: Input<'_>) {
    if let Err(difference) = compare(&input.statements(), Against::Model, input.limits()) {
        panic!("{difference}");
    }
}
