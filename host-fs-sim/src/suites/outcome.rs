//! [`Outcome`]: what a suite found on one ground, and what of it counts.

/// What a suite found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that do not apply, by name.
    pub skipped: Vec<String>,
    /// What failed.
    pub failures: Vec<Failure>,
    /// How long it took.
    pub seconds: f64,
}

/// Something that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The case; none for what no other ground excuses: the time was up, the daemon did not
    /// end well, or data was wrong.
    pub case: Option<String>,
    /// What is known of it; may be empty.
    pub story: String,
}

impl Failure {
    /// Of a case.
    pub fn of(case: impl Into<String>, story: impl Into<String>) -> Failure {
        Failure { case: Some(case.into()), story: story.into() }
    }

    /// Of what nothing excuses.
    pub fn of_run(story: impl Into<String>) -> Failure {
        Failure { case: None, story: story.into() }
    }
}

impl Outcome {
    /// Whether this case failed.
    pub fn fails(&self, case: &str) -> bool {
        self.failures.iter().any(|failure| failure.case.as_deref() == Some(case))
    }

    /// Whether each failure is one of `others` too.
    pub fn is_excused_by(&self, others: &[&Outcome]) -> bool {
        self.failures.iter().all(|failure| {
            let case = failure.case.as_deref();
            case.is_some_and(|case| others.iter().any(|other| other.fails(case)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(failures: &[Failure]) -> Outcome {
        Outcome { failures: failures.to_vec(), ..Outcome::default() }
    }

    #[test]
    fn a_case_is_excused_where_it_fails_elsewhere_too() {
        let ours = outcome(&[Failure::of("a", "x"), Failure::of("b", "")]);
        let (one, two) = (outcome(&[Failure::of("a", "y")]), outcome(&[Failure::of("b", "")]));
        assert!(ours.is_excused_by(&[&one, &two]));
        assert!(!ours.is_excused_by(&[&one]));
        assert!(!ours.is_excused_by(&[]));
        assert!(outcome(&[]).is_excused_by(&[]));
    }

    #[test]
    fn a_run_that_went_wrong_is_never_excused() {
        let ours = outcome(&[Failure::of_run("time limit")]);
        assert!(!ours.is_excused_by(&[&ours.clone()]));
    }
}
