//! The hourglass: a loop that does nothing but read the time-stamp counter, and looks
//! for gaps. A gap of the usual few cycles is the loop's own; whatever is longer was
//! taken away by an interrupt, the host, or another core's use of this one.

use alloc::string::String;
use core::fmt::Write;

use super::bench::Bench;
use super::time_stamp::time_stamp;
use super::{Calls, Group, rows};
use crate::io::Failure;

/// Readings between two looks at the clock, which would be a gap itself.
const READINGS: u32 = 1 << 16;

struct Gaps {
    least: u64,
    longest: u64,
    sum: u64,
    count: u64,
    /// How many gaps had their highest set bit at which place: from 2^n to below 2^(n+1)
    /// cycles.
    histogram: [u64; 64],
}

/// Looks for gaps for [`hourglass_ns`](super::Options::hourglass_ns).
///
/// # Errors
/// The clock's; the console's.
pub fn hourglass<C: Calls>(bench: &mut Bench<'_, C>) -> Result<(), Failure> {
    if !bench.options.wants_any(Group::Hourglass) {
        return Ok(());
    }
    let mut gaps = Gaps { least: u64::MAX, longest: 0, sum: 0, count: 0, histogram: [0; 64] };
    let end = bench.now_ns()?.saturating_add(bench.options.hourglass_ns);
    while bench.now_ns()? < end {
        watch(&mut gaps);
    }
    bench.tell_value(rows::LEAST_GAP, "cycles", gaps.least as f64)?;
    bench.tell_value(rows::MEAN_GAP, "cycles", gaps.sum as f64 / gaps.count.max(1) as f64)?;
    bench.tell_value(rows::LONGEST_GAP, "cycles", gaps.longest as f64)?;

    let mut line = String::new();
    write!(line, "{{\"name\":\"{}\",\"gaps\":[", rows::HOURGLASS)?;
    let bins = (0..).zip(gaps.histogram).filter(|(_, count)| *count > 0);
    for (index, (bits, count)) in bins.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(line, "{comma}[{bits},{count}]")?;
    }
    line.push_str("]}\n");
    bench.print(&line)
}

fn watch(gaps: &mut Gaps) {
    let mut last = time_stamp();
    for _ in 0..READINGS {
        let now = time_stamp();
        let gap = now.saturating_sub(last);
        last = now;
        // The next core's counter may be a hair behind.
        if gap == 0 {
            continue;
        }
        gaps.least = gaps.least.min(gap);
        gaps.longest = gaps.longest.max(gap);
        gaps.sum += gap;
        gaps.count += 1;
        gaps.histogram[gap.ilog2() as usize] += 1;
    }
}
