//! The model against what Linux does: each line of the recorded rows must have the outcome
//! that is recorded, the system's where Linux' is another on purpose; and of generated rows
//! the outcome that the system has, of which the call layer's tests show that it is Linux'.

use anchorite_programs::posix::ROWS;
use anchorite_programs::posix::script::{Row, rows};
use host_fs_sim::grids::{grids, random_rows};
use host_fs_sim::model::{BEYOND, Model};
use host_fs_sim::worlds::{Methods, ROOMY, World, system};

/// The texts of rows that no guest does.
const TEXTS: &[(&str, &str)] = &[
    ("by_number", include_str!("../../syscalls/tests/oracle/rows/by_number.txt")),
    ("identity", include_str!("../../syscalls/tests/oracle/rows/identity.txt")),
];

/// The lines of a row whose outcome is another than recorded, with that outcome, and how
/// many lines there are.
fn wrong_lines(row: &Row<'_>, model: &mut Model) -> (Vec<String>, usize) {
    let (mut wrong, mut count) = (Vec::new(), 0);
    row.run(model, &mut |line, outcome| {
        count += 1;
        if line.recorded != Some(outcome) {
            wrong.push(format!("{}: {}\n    {outcome}", row.name, line.text));
        }
    });
    (wrong, count)
}

#[test]
fn recorded_rows_have_the_recorded_outcomes() {
    let (mut wrong, mut lines) = (Vec::new(), 0);
    let is_known = |name: &str| BEYOND.iter().all(|(text, _)| *text != name);
    for (_, text) in ROWS.iter().chain(TEXTS).filter(|(name, _)| is_known(name)) {
        // A text that says so has a process of its own for each row.
        let alone = text.starts_with("# alone");
        let mut model = Model::new(ROOMY);
        for row in rows(text) {
            if alone {
                model = Model::new(ROOMY);
            }
            let (found, count) = wrong_lines(&row, &mut model);
            wrong.extend(found);
            lines += count;
        }
    }
    assert!(wrong.is_empty(), "{} of {lines} lines:\n{}", wrong.len(), wrong.join("\n"));
    assert!(lines > 1500, "only {lines} lines were compared");
}

/// The outcomes of each line of each row.
fn outcomes(text: &str, world: &mut dyn World) -> Vec<Vec<String>> {
    let each = rows(text).map(|row| {
        let mut told = Vec::new();
        row.run(world, &mut |line, outcome| told.push(format!("{} = {outcome}", line.call)));
        told
    });
    each.collect()
}

#[test]
fn generated_rows_have_the_outcomes_of_the_system() {
    let random = ("random", random_rows(300, 1));
    for (name, text) in grids().into_iter().chain([random]) {
        let of_model = outcomes(&text, &mut Model::new(ROOMY));
        let of_system = outcomes(&text, &mut Methods(&system(ROOMY)));
        assert!(of_model.len() > 10, "{name}: rows were generated");
        for ((row, model), system) in rows(&text).zip(of_model).zip(of_system) {
            assert_eq!(model, system, "{name}, {}: the model (left), the system", row.name);
        }
    }
}
