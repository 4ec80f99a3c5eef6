//! Random sequences of calls: [`Sequences`], a strategy of `proptest`.
//!
//! A sequence is a list of [`Statement`]s, over few names so that they meet often, with edge
//! values, and with hostile ones. It is generated knowing what exists: see [`mod@generate`]. It
//! shrinks as a list of statements, each of which means what it says: by leaving some out,
//! then by simpler arguments.

pub mod generate;

use std::sync::atomic::Ordering;

use anchorite_fs::Limits;
use anchorite_programs::posix::script::{Statement, Value};
use proptest::prelude::Rng;
use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use self::generate::generate;
use crate::campaign::judge::Against;
use crate::programs::INTERRUPTED;

/// The row, and so the directory, in which sequences are done.
pub const ROW: &str = "soak";

/// Sequences of this many statements that both of two worlds can do.
#[derive(Clone, Copy, Debug)]
pub struct Sequences {
    /// What the ramdisk is compared with.
    pub against: Against,
    /// The ramdisk's limits.
    pub limits: Limits,
    /// Statements.
    pub len: usize,
}

impl Strategy for Sequences {
    type Tree = Shrinking;
    type Value = Vec<Statement>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Sequences> {
        let mut draw = || runner.rng().next_u64();
        Ok(Shrinking::new(generate(&mut draw, self)))
    }
}

/// A sequence that is made smaller, as long as it does not lose what it shows.
#[derive(Clone, Debug)]
pub struct Shrinking {
    /// What is tried.
    current: Vec<Statement>,
    /// The smallest that is known to show it.
    kept: Vec<Statement>,
    next: Change,
    /// Whether this round made anything smaller, so that another is worth it.
    has_shrunk: bool,
}

/// What is tried next.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// To leave out this many statements before the one of this number, counted from 0.
    Cut {
        len: usize,
        end: usize,
    },
    /// To make the statement of this number simpler in this way.
    Simplify {
        at: usize,
        way: usize,
    },
    Nothing,
}

impl Shrinking {
    fn new(sequence: Vec<Statement>) -> Shrinking {
        let next = Change::Cut { len: sequence.len().max(1), end: sequence.len() };
        Shrinking { kept: sequence.clone(), current: sequence, next, has_shrunk: false }
    }

    /// Makes the next change to what is kept; none is left if it says no.
    fn propose(&mut self) -> bool {
        let total = self.kept.len();
        self.current = self.kept.clone();
        if INTERRUPTED.load(Ordering::Relaxed) {
            // Nobody waits for a shorter one.
            return false;
        }
        loop {
            match self.next {
                Change::Cut { len, end } => {
                    let end = end.min(total);
                    let start = end.saturating_sub(len);
                    self.next = match (start, len) {
                        (0, 0 | 1) => Change::Simplify { at: 0, way: 0 },
                        (0, _) => Change::Cut { len: len / 2, end: total },
                        _ => Change::Cut { len, end: start },
                    };
                    if start < end {
                        self.current.drain(start..end);
                        return true;
                    }
                }
                Change::Simplify { at, .. } if at >= total => {
                    let again = std::mem::take(&mut self.has_shrunk);
                    let round = Change::Cut { len: 1, end: total };
                    self.next = if again { round } else { Change::Nothing };
                }
                Change::Simplify { at, way } => {
                    match simpler(&self.kept[at]).into_iter().nth(way) {
                        Some(simple) => {
                            self.next = Change::Simplify { at, way: way + 1 };
                            self.current[at] = simple;
                            return true;
                        }
                        None => self.next = Change::Simplify { at: at + 1, way: 0 },
                    }
                }
                Change::Nothing => return false,
            }
        }
    }
}

impl ValueTree for Shrinking {
    type Value = Vec<Statement>;

    fn current(&self) -> Vec<Statement> {
        self.current.clone()
    }

    fn simplify(&mut self) -> bool {
        if self.current != self.kept {
            self.kept = self.current.clone();
            self.has_shrunk = true;
            // A simpler statement may become simpler yet, in the ways that it has now.
            if let Change::Simplify { at, .. } = self.next {
                self.next = Change::Simplify { at, way: 0 };
            }
        }
        self.propose()
    }

    fn complicate(&mut self) -> bool {
        self.propose()
    }
}

/// A statement, made simpler in each way that there is.
fn simpler(statement: &Statement) -> Vec<Statement> {
    let mut all = Vec::new();
    if !statement.watched.is_empty() {
        all.push(Statement { watched: Vec::new(), ..statement.clone() });
    }
    for (at, argument) in statement.arguments.iter().enumerate() {
        let values = match argument {
            Value::Word(word) => [0, 1]
                .into_iter()
                .filter(|simple| *simple < word.unsigned_abs())
                .map(|word| Value::Word(word as i64))
                .collect(),
            Value::Text(text) if text.len() > 1 => {
                vec![
                    Value::Text(b"a".to_vec()),
                    Value::Text(text[..1].to_vec()),
                    Value::Text(text[..text.len() / 2].to_vec()),
                ]
            }
            Value::Room(len) if *len > 1 => vec![Value::Room(1)],
            Value::List(list)
                if list.len() > 1 && matches!(list[0], Value::Room(_) | Value::Text(_)) =>
            {
                vec![Value::List(list[..1].to_vec()), Value::List(list[1..].to_vec())]
            }
            _ => Vec::new(),
        };
        for value in values {
            let mut simple = statement.clone();
            simple.arguments[at] = value;
            all.push(simple);
        }
    }
    all
}
