//! Time from the time-stamp counter.
//!
//! The counter runs at the frequency that boot info (or the device tree) tells, or that a PC's
//! processor tells or its timer shows, from the kernel's first instruction on; the wall clock is
//! boot info's boot time, or what a PC's clock shows, plus that. Hypervisors write the boot time a moment before the first
//! instruction, so the wall clock is late by that moment (under a millisecond
//! under uhyve 0.10).

/// Nanoseconds of a second.
pub const SECOND_NS: u64 = 1_000_000_000;

/// Turns counts of the time-stamp counter into nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    khz: u32,
    /// Nanoseconds of one count, times 2³².
    factor: u64,
}

impl Scale {
    /// For a counter of `khz` kilohertz; of 1 GHz if that is 0.
    pub const fn new(khz: u32) -> Self {
        let khz = if khz == 0 { 1_000_000 } else { khz };
        Self { khz, factor: (1_000_000 << 32) / khz as u64 }
    }

    /// The frequency in kilohertz.
    pub const fn khz(self) -> u32 {
        self.khz
    }

    /// How many nanoseconds `counts` are.
    #[inline(always)]
    pub const fn nanoseconds(self, counts: u64) -> u64 {
        ((counts as u128 * self.factor as u128) >> 32) as u64
    }
}

/// Seconds and nanoseconds of `ns` since 1970, which may be before it. Every file call
/// asks for the time: 64 bits, divided by a constant, cost a few cycles and last until
/// the year 2262.
#[inline(always)]
pub fn seconds_and_nanoseconds(ns: i64) -> (i64, i64) {
    const SECOND: i64 = SECOND_NS as i64;
    (ns.div_euclid(SECOND), ns.rem_euclid(SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_become_nanoseconds_within_a_millionth() {
        for khz in [1, 999, 1_000_000, 2_100_000, 2_599_998, 5_000_000] {
            for seconds in [0, 1, 60, 86_400, 31_536_000] {
                let got = Scale::new(khz).nanoseconds(u64::from(khz) * 1000 * seconds);
                let want = seconds * SECOND_NS;
                assert!(got.abs_diff(want) <= want / 1_000_000, "{khz} {seconds} {got}");
            }
        }
        assert_eq!(Scale::new(0).nanoseconds(5), 5);
    }

    #[test]
    fn wall_clock_time_has_positive_nanoseconds() {
        assert_eq!(seconds_and_nanoseconds(1_500_000_000), (1, 500_000_000));
        assert_eq!(seconds_and_nanoseconds(-1), (-1, 999_999_999));
    }
}
