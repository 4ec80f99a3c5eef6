//! `script`: rows of calls, as people write them.

use anchorite_programs::posix::script::{Statement, check, rows};

/// A text of rows.
pub type Input<'a> = &'a str;

/// Reads a text: what is read as a statement is written down as the same statement.
pub fn run(text: Input<'_>) {
    let well_formed = check(text).is_ok();
    for row in rows(text) {
        for line in row.lines() {
            match line.statement() {
                Ok(statement) => {
                    let written = statement.to_string();
                    let read = written.parse::<Statement>();
                    assert_eq!(read.as_ref(), Ok(&statement), "{written}");
                }
                Err(malformed) => assert!(!well_formed, "{malformed}"),
            }
        }
    }
}
