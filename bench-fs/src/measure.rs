//! [`measure`]: the way through criterion.

use criterion::Criterion;

use crate::subject::Maker;
use crate::work::Work;

/// Measures each work by each maker's subject that can do it. Each is done by a subject of
/// its own, so that none finds what another left, and through an indirect call, which is
/// about a nanosecond of each.
pub fn measure(criterion: &mut Criterion, works: &[Work], makers: &[Maker]) {
    for work in works {
        let mut group = criterion.benchmark_group(work.name());
        for (name, make) in makers {
            let subject = make();
            if let Some(mut operation) = subject.prepare(*work) {
                group.bench_function(*name, |bencher| bencher.iter(&mut operation));
            }
        }
        group.finish();
    }
}
