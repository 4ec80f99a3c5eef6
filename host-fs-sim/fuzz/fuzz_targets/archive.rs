#![no_main]
use anchorite_fuzz_targets::archive::{Input, run};
libfuzzer_sys::fuzz_target!(|input: Input| run(input));
