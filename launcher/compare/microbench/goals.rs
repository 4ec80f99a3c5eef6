//! What is to be reached: [`GOALS`], and the rows that are only reckoned from others.

use anchorite_programs::microbench::rows::{
    APART_CREATE_ALL, APART_CREATE_ONE, APART_READ_ALL, APART_READ_ONE, APART_WRITE_ALL,
    APART_WRITE_ONE, APPEND, APPEND_FIRST, APPEND_LAST, ATOMIC, HANDOVER, LINE, MANY_STAT, MEMCPY,
    MEMCPY_4K, PREAD_4K, PREAD_64K, PWRITE_64K, STREAM_FAR, TOGETHER_CREATE_ALL,
    TOGETHER_CREATE_ONE, TOGETHER_READ_ALL, TOGETHER_READ_ONE,
};

/// Cores that work at once where one is compared with several.
pub const CORES: u32 = 2;

/// What a row's value on the ramdisk is to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// This many times less than the native one.
    TimesNative(f64),
    /// At most this much, in the row's unit.
    AtMost(f64),
    /// At least this much, in the row's unit.
    AtLeast(f64),
}

impl Goal {
    /// Its number, and what that is, as the JSON has them.
    pub fn parts(self) -> (f64, &'static str) {
        match self {
            Goal::TimesNative(times) => (times, "times_native"),
            Goal::AtMost(most) => (most, "at_most"),
            Goal::AtLeast(least) => (least, "at_least"),
        }
    }

    /// Whether it is met, where both values are known.
    pub fn is_met(self, ramdisk: Option<f64>, native: Option<f64>) -> Option<bool> {
        match self {
            Goal::TimesNative(times) => Some(ratio(ramdisk, native)? >= times),
            Goal::AtMost(most) => Some(ramdisk? <= most),
            Goal::AtLeast(least) => Some(ramdisk? >= least),
        }
    }
}

/// How many times less `ramdisk` is than `native`.
pub fn ratio(ramdisk: Option<f64>, native: Option<f64>) -> Option<f64> {
    let ramdisk = ramdisk.filter(|value| *value > 0.0)?;
    Some(native? / ramdisk)
}

/// A row that is one row's median over another's, in times.
pub struct Reckoned {
    /// Its name.
    pub name: &'static str,
    /// What is divided …
    pub dividend: &'static str,
    /// … and by what.
    pub divisor: &'static str,
}

/// `pread 64 KiB` beside the copy that it is.
const PREAD_TO_MEMCPY: &str = "pread 64 KiB to memcpy";
/// `pwrite 64 KiB` beside the copy that it is.
const PWRITE_TO_MEMCPY: &str = "pwrite 64 KiB to memcpy";
/// An append to a long file beside one to a short file.
const APPEND_GROWTH: &str = "append 4 KiB, last tenth to first";
/// What two cores do beside what one does, each in a directory of its own …
const APART_CREATE: &str = "create, a directory each, two cores to one";
const APART_READ: &str = "pread 4 KiB, a file each, two cores to one";
const APART_WRITE: &str = "pwrite 4 KiB, a file each, two cores to one";
/// … and on the same.
const TOGETHER_CREATE: &str = "create, one directory, two cores to one";
const TOGETHER_READ: &str = "pread 4 KiB, one file, two cores to one";

/// All reckoned rows.
pub const RECKONED: [Reckoned; 8] = [
    Reckoned { name: PREAD_TO_MEMCPY, dividend: PREAD_64K, divisor: MEMCPY },
    Reckoned { name: PWRITE_TO_MEMCPY, dividend: PWRITE_64K, divisor: MEMCPY },
    Reckoned { name: APPEND_GROWTH, dividend: APPEND_LAST, divisor: APPEND_FIRST },
    Reckoned { name: APART_CREATE, dividend: APART_CREATE_ONE, divisor: APART_CREATE_ALL },
    Reckoned { name: APART_READ, dividend: APART_READ_ONE, divisor: APART_READ_ALL },
    Reckoned { name: APART_WRITE, dividend: APART_WRITE_ONE, divisor: APART_WRITE_ALL },
    Reckoned { name: TOGETHER_CREATE, dividend: TOGETHER_CREATE_ONE, divisor: TOGETHER_CREATE_ALL },
    Reckoned { name: TOGETHER_READ, dividend: TOGETHER_READ_ONE, divisor: TOGETHER_READ_ALL },
];

/// The most that a row can reach on this machine: what it cannot do without, by rows that measure
/// that.
pub struct Limit {
    /// The row.
    pub name: &'static str,
    /// Of a row of two cores beside one: what one takes. Each of two takes as long for its own work,
    /// and what they share comes to it. How that is derived is in `fs/DESIGN.md`, "Several cores".
    /// Of others, which are compared with Linux, none.
    pub one: Option<&'static str>,
    /// What cannot be done without, and how often.
    pub parts: &'static [(&'static str, f64)],
}

impl Limit {
    /// The limit, by the row's median natively and by medians of rows on the ramdisk; none where one
    /// of them is not known.
    pub fn times(&self, native: Option<f64>, median: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        let mut least = 0.0;
        for (part, count) in self.parts {
            least += count * median(part)?;
        }
        match self.one {
            None => ratio(Some(least), native),
            Some(one) => {
                let one = median(one).filter(|ns| *ns > 0.0)?;
                Some(f64::from(CORES) * one / (one + least))
            }
        }
    }

    /// Whether it is reckoned of this row.
    pub fn is_of(&self, row: &str) -> bool {
        self.one == Some(row) || self.parts.iter().any(|(part, _)| *part == row)
    }
}

/// What `open` takes, it fetches: the numbers that are free; `close` adds to them as one who has
/// them still, at best.
const SHARED: &[(&str, f64)] = &[(ATOMIC, 1.0), (HANDOVER, 1.0)];

/// The rows that have such a limit. A file among many is found by two lines: that which a name's hash
/// leads to tells where the entry and the inode are.
pub const LIMITS: [Limit; 7] = [
    Limit { name: PWRITE_64K, one: None, parts: &[(MEMCPY, 1.0)] },
    Limit { name: PREAD_4K, one: None, parts: &[(MEMCPY_4K, 1.0)] },
    Limit { name: PREAD_64K, one: None, parts: &[(MEMCPY, 1.0)] },
    Limit { name: MANY_STAT, one: None, parts: &[(LINE, 2.0)] },
    Limit { name: APPEND, one: None, parts: &[(STREAM_FAR, 1.0)] },
    Limit { name: APART_CREATE, one: Some(APART_CREATE_ONE), parts: SHARED },
    Limit { name: TOGETHER_CREATE, one: Some(TOGETHER_CREATE_ONE), parts: SHARED },
];

/// Rows of HermitCore's own table, which has them in cycles.
pub const IN_CYCLES: [&str; 5] =
    ["getpid", "sched_yield", "pwrite 1 B", "malloc 4 KiB", "first write to a page"];

/// All goals, by row.
pub const GOALS: [(&str, Goal); 33] = [
    ("getpid", Goal::TimesNative(30.0)),
    ("sched_yield", Goal::TimesNative(15.0)),
    ("lseek", Goal::TimesNative(12.0)),
    ("pwrite 1 B", Goal::TimesNative(15.0)),
    ("pwrite 512 B", Goal::TimesNative(12.0)),
    ("pwrite 64 KiB", Goal::TimesNative(4.0)),
    ("pread 512 B", Goal::TimesNative(10.0)),
    ("pread 4 KiB", Goal::TimesNative(4.0)),
    ("pread 64 KiB", Goal::TimesNative(3.0)),
    (PREAD_TO_MEMCPY, Goal::AtMost(1.5)),
    (PWRITE_TO_MEMCPY, Goal::AtMost(1.5)),
    ("fstat", Goal::TimesNative(15.0)),
    ("stat a/b/c/f", Goal::TimesNative(10.0)),
    ("stat a missing name", Goal::TimesNative(10.0)),
    ("open+close a/b/c/f", Goal::TimesNative(10.0)),
    ("create+close+unlink", Goal::TimesNative(20.0)),
    ("create+write 4 KiB+close+unlink", Goal::TimesNative(20.0)),
    ("mkdir+rmdir", Goal::TimesNative(15.0)),
    ("two renames", Goal::TimesNative(15.0)),
    ("readlink", Goal::TimesNative(10.0)),
    ("create among many", Goal::TimesNative(15.0)),
    ("stat in random order", Goal::TimesNative(3.0)),
    ("getdents64, an entry", Goal::TimesNative(15.0)),
    ("unlink among many", Goal::TimesNative(10.0)),
    ("memory of an empty file", Goal::AtMost(256.0)),
    ("memory of a 100-byte file", Goal::AtMost(512.0)),
    ("append 4 KiB", Goal::TimesNative(4.0)),
    // Constant, within what one run differs from the next by.
    (APPEND_GROWTH, Goal::AtMost(1.25)),
    (APART_CREATE, Goal::AtLeast(1.8)),
    (APART_READ, Goal::AtLeast(1.8)),
    (APART_WRITE, Goal::AtLeast(1.8)),
    (TOGETHER_CREATE, Goal::AtLeast(1.3)),
    (TOGETHER_READ, Goal::AtLeast(1.8)),
];

/// The goal of the row called `name`.
pub fn goal(name: &str) -> Option<Goal> {
    GOALS.iter().find_map(|(row, goal)| (*row == name).then_some(*goal))
}

#[cfg(test)]
mod tests {
    use anchorite_programs::microbench::ROWS;

    use super::*;

    #[test]
    fn each_goal_is_a_rows() {
        let is_measured = |name: &str| ROWS.iter().any(|row| row.name == name);
        for (name, _) in GOALS {
            let is_reckoned = RECKONED.iter().any(|row| row.name == name);
            assert!(is_measured(name) || is_reckoned, "{name}");
        }
        for row in RECKONED {
            assert!(is_measured(row.dividend) && is_measured(row.divisor), "{}", row.name);
            assert!(goal(row.name).is_some(), "{}", row.name);
        }
        assert!(IN_CYCLES.into_iter().all(is_measured));
        for limit in LIMITS {
            let reckoned = RECKONED.iter().find(|row| row.name == limit.name);
            assert_eq!(reckoned.map(|row| row.dividend), limit.one, "{}", limit.name);
            assert!(limit.parts.iter().all(|(part, _)| is_measured(part)), "{}", limit.name);
            match goal(limit.name) {
                Some(Goal::AtLeast(_)) => assert!(limit.one.is_some(), "{}", limit.name),
                Some(Goal::TimesNative(_)) => assert!(limit.one.is_none(), "{}", limit.name),
                goal => panic!("{}: {goal:?}", limit.name),
            }
        }
    }

    #[test]
    fn two_cores_reach_twice_as_much_but_for_what_they_share() {
        let parts = &[(ATOMIC, 2.0), (HANDOVER, 1.0)];
        let limit = Limit { name: "", one: Some("one"), parts };
        let median = |name: &str| match name {
            "one" => Some(50.0),
            ATOMIC => Some(5.0),
            HANDOVER => Some(40.0),
            _ => None,
        };
        assert_eq!(limit.times(None, median), Some(1.0));
        let known = |name: &str| median(name).filter(|_| name != HANDOVER);
        assert_eq!(limit.times(None, known), None);
        assert_eq!(Limit { one: Some("none"), ..limit }.times(None, median), None);
    }

    #[test]
    fn a_call_takes_as_long_as_what_it_cannot_do_without() {
        let limit = Limit { name: "", one: None, parts: &[(MEMCPY, 1.0), (LINE, 2.0)] };
        let median = |name: &str| match name {
            MEMCPY => Some(100.0),
            LINE => Some(50.0),
            _ => None,
        };
        assert_eq!(limit.times(Some(500.0), median), Some(2.5));
        assert_eq!(limit.times(None, median), None);
        assert_eq!(limit.times(Some(500.0), |_| None), None);
        assert!(limit.is_of(MEMCPY) && limit.is_of(LINE) && !limit.is_of(ATOMIC));
    }

    #[test]
    fn goals_are_met_or_missed_or_nothing_is_known() {
        let ten_times = Goal::TimesNative(10.0);
        for (ramdisk, native, met) in [
            (Some(10.0), Some(100.0), Some(true)),
            (Some(10.1), Some(100.0), Some(false)),
            (None, Some(100.0), None),
            (Some(10.0), None, None),
            // Too fast for the clock, or broken: nothing is claimed.
            (Some(0.0), Some(100.0), None),
        ] {
            assert_eq!(ten_times.is_met(ramdisk, native), met, "{ramdisk:?} {native:?}");
        }
        let at_most = Goal::AtMost(256.0);
        assert_eq!(at_most.is_met(Some(256.0), None), Some(true));
        assert_eq!(at_most.is_met(Some(257.0), Some(1.0)), Some(false));
        assert_eq!(at_most.is_met(None, Some(1.0)), None);
        let at_least = Goal::AtLeast(1.8);
        assert_eq!(at_least.is_met(Some(1.8), None), Some(true));
        assert_eq!(at_least.is_met(Some(1.7), Some(2.0)), Some(false));
        assert_eq!(at_least.is_met(None, Some(2.0)), None);
        assert_eq!(ratio(Some(2.0), Some(5.0)), Some(2.5));
        assert_eq!(ratio(Some(-2.0), Some(5.0)), None);
    }
}
