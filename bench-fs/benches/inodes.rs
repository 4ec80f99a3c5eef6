//! The inodes of `anchorite-fs`, without descriptors and paths, beside other file systems in
//! memory, which have no such thing below and are called as they are meant to be.
#![allow(missing_docs)]

use std::time::Duration;

use anchorite_bench_fs::{INODES, Work, measure};
use criterion::{Criterion, criterion_group, criterion_main};

fn inodes(criterion: &mut Criterion) {
    measure(criterion, &Work::OF_INODES, &INODES);
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(30)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = inodes
}
criterion_main!(benches);
