//! The calls of `anchorite-syscalls`, as methods and by number, beside other file systems in
//! memory. What those have no call for is theirs to leave out.
#![allow(missing_docs)]

use std::time::Duration;

use anchorite_bench_fs::{CALLS, Work, measure};
use criterion::{Criterion, criterion_group, criterion_main};

fn calls(criterion: &mut Criterion) {
    measure(criterion, &Work::OF_CALLS, &CALLS);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = calls
}
criterion_main!(benches);
