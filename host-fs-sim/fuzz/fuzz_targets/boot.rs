#![no_main]
use anchorite_fuzz_targets::boot::{Input, run};
libfuzzer_sys::fuzz_target!(|input: Input| run(input));
