//! Whether a history of calls that overlapped could have come from the same calls one
//! after another, each at a moment between its beginning and its end: linearizability.
//!
//! The search is Wing and Gong's, with Lowe's memory of what was tried: it takes any call
//! that began before the first end of those that are left, and goes back where the answer
//! does not fit. (Of the crates that do this, `stateright`'s tester keeps no such memory
//! and comes with an actor framework and a web server.)

use std::collections::HashSet;
use std::fmt::{Debug, Write};
use std::hash::Hash;

/// How calls behave one after another.
pub trait Spec: Clone + Eq + Hash {
    /// A call with its answer.
    type Call: Debug;

    /// The state after `call`; none if it would have had another answer.
    fn after(&self, call: &Self::Call) -> Option<Self>;
}

/// A call of a history.
#[derive(Clone, Debug)]
pub struct Event<C> {
    /// Who called.
    pub thread: usize,
    /// The call and its answer.
    pub call: C,
    /// When it began; no two moments of a history are the same.
    pub start: u64,
    /// When it ended.
    pub end: u64,
}

/// An order that explains the history, as indices of its events.
///
/// # Errors
/// The history, told, with the longest order that explains a part of it.
pub fn linearize<S: Spec>(initial: &S, history: &[Event<S::Call>]) -> Result<Vec<usize>, String> {
    let mut tried: HashSet<(Vec<u64>, S)> = HashSet::new();
    let mut done = vec![0u64; history.len().div_ceil(64)];
    // Each step: the event that was taken, the state before it, and where to go on.
    let mut path: Vec<(usize, S)> = Vec::new();
    let mut longest: Vec<usize> = Vec::new();
    let (mut state, mut from) = (initial.clone(), 0);
    while path.len() < history.len() {
        let is_done = |at: usize| done[at / 64] & 1 << (at % 64) != 0;
        let open = |at: &usize| !is_done(*at);
        let first_end = (0..history.len()).filter(open).map(|at| history[at].end).min();
        let next = (from..history.len()).filter(open).find_map(|at| {
            if Some(history[at].start) > first_end {
                return None;
            }
            let after = state.after(&history[at].call)?;
            let mut then = done.clone();
            then[at / 64] |= 1 << (at % 64);
            tried.insert((then.clone(), after.clone())).then_some((at, after, then))
        });
        if let Some((at, after, then)) = next {
            path.push((at, std::mem::replace(&mut state, after)));
            (done, from) = (then, 0);
            if path.len() > longest.len() {
                longest = path.iter().map(|(at, _)| *at).collect();
            }
        } else if let Some((at, before)) = path.pop() {
            done[at / 64] &= !(1 << (at % 64));
            (state, from) = (before, at + 1);
        } else {
            return Err(told(history, &longest));
        }
    }
    Ok(path.into_iter().map(|(at, _)| at).collect())
}

fn told<C: Debug>(history: &[Event<C>], longest: &[usize]) -> String {
    let mut text = String::from("no order of the calls explains the history:\n");
    let mut by_start: Vec<usize> = (0..history.len()).collect();
    by_start.sort_by_key(|&at| history[at].start);
    for at in by_start {
        let Event { thread, call, start, end } = &history[at];
        let place = longest.iter().position(|&explained| explained == at);
        let place = place.map_or("unexplained".to_owned(), |place| format!("#{place}"));
        let _ = writeln!(text, "  {start:5}..{end:<5} thread {thread} {call:?} ({place})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that can be set and read.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct Register(i32);

    #[derive(Clone, Copy, Debug)]
    enum Call {
        Set(i32),
        Read(i32),
    }

    impl Spec for Register {
        type Call = Call;

        fn after(&self, call: &Call) -> Option<Register> {
            match *call {
                Call::Set(value) => Some(Register(value)),
                Call::Read(value) => (value == self.0).then(|| self.clone()),
            }
        }
    }

    fn event(thread: usize, call: Call, start: u64, end: u64) -> Event<Call> {
        Event { thread, call, start, end }
    }

    #[test]
    fn reads_that_overlap_a_write_may_see_either_value_but_not_go_back() {
        let write = event(0, Call::Set(1), 0, 10);
        let read = |value, start, end| event(1, Call::Read(value), start, end);
        let fits = [write.clone(), read(0, 1, 2), read(1, 3, 4)];
        assert_eq!(linearize(&Register(0), &fits), Ok(vec![1, 0, 2]));
        let goes_back = [write, read(1, 1, 2), read(0, 3, 4)];
        let told = linearize(&Register(0), &goes_back).unwrap_err();
        assert!(told.contains("Read(0) (unexplained)"), "{told}");
    }

    #[test]
    fn a_lost_update_is_refused() {
        let history = [
            event(0, Call::Set(1), 0, 1),
            event(1, Call::Set(2), 2, 3),
            event(0, Call::Read(1), 4, 5),
        ];
        assert!(linearize(&Register(0), &history).is_err());
    }

    #[test]
    fn what_ended_before_another_began_comes_first() {
        let history = [event(0, Call::Read(1), 0, 1), event(1, Call::Set(1), 2, 3)];
        assert!(linearize(&Register(0), &history).is_err());
    }

    #[test]
    fn wrong_first_choices_are_taken_back() {
        let history = [
            event(0, Call::Set(1), 0, 10),
            event(1, Call::Set(2), 1, 11),
            event(2, Call::Set(3), 2, 12),
            event(0, Call::Read(1), 13, 14),
        ];
        let order = linearize(&Register(0), &history).unwrap();
        assert_eq!(order[2..], [0, 3]);
    }
}
