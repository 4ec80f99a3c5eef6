//! The rows that are text, on the system by numbers, against the outcomes that were recorded
//! on Linux: what the oracle's tests do beside Linux itself, without it, so also where this
//! process may not have a world of its own there. There is one test in this program, since it
//! has to be the only thread that uses the system.

use anchorite_programs::posix::ROWS;
use anchorite_programs::posix::script::rows;
use anchorite_syscalls::{declare_alone, declare_shared};
use host_fs_sim::worlds::{Numbers, ROOMY, assert_whole, system_by_numbers};

/// The texts of rows that no guest does.
const TEXTS: &[(&str, &str)] = &[
    ("by_number", include_str!("oracle/rows/by_number.txt")),
    ("by_number_inotify", include_str!("oracle/rows/by_number_inotify.txt")),
    ("identity", include_str!("oracle/rows/identity.txt")),
];

/// Also where locks and counts are those of a program with one thread.
#[test]
fn recorded_outcomes_are_had_without_linux() {
    assert_recorded_outcomes();
    // SAFETY: the other thread of this program waits for this one.
    unsafe { declare_alone() };
    assert_recorded_outcomes();
    declare_shared();
    assert_recorded_outcomes();
}

fn assert_recorded_outcomes() {
    let (mut wrong, mut lines) = (Vec::new(), 0);
    for (_, text) in ROWS.iter().chain(TEXTS) {
        // A text that says so has a process of its own for each row.
        let alone = text.starts_with("# alone");
        let mut system = system_by_numbers(ROOMY);
        if text.starts_with("# furnished") {
            system.furnish().unwrap();
        }
        for row in rows(text) {
            if alone {
                system = system_by_numbers(ROOMY);
            }
            let syscall = |number, words| system.syscall(number, words);
            row.run(&mut Numbers { syscall: &syscall }, &mut |line, outcome| {
                lines += 1;
                if line.recorded != Some(outcome) {
                    wrong.push(format!("{}: {}\n    {outcome}", row.name, line.text));
                }
            });
            assert_whole(&system);
        }
    }
    assert!(wrong.is_empty(), "{} of {lines} lines:\n{}", wrong.len(), wrong.join("\n"));
    assert!(lines > 1500, "only {lines} lines were compared");
}
