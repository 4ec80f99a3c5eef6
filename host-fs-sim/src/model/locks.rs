//! [`Locks`]: what is locked of a file.
//!
//! Nothing is split or merged here: all requests that were granted are kept, and a byte is
//! locked as the last of its owner's that names it says.

use std::collections::{BTreeMap, BTreeSet};

use super::descriptors::Object;

/// The locks of all files that have any.
pub type AllLocks = BTreeMap<Object, Locks>;

/// Who locks ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The process.
    Process,
    /// An open file description.
    Description(usize),
}

/// What a lock is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To read.
    Read,
    /// To write.
    Write,
}

/// The bytes from the first to the last.
pub type Bytes = (i64, i64);

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Whose.
    pub owner: Owner,
    /// Which bytes.
    pub bytes: Bytes,
    /// None to give them up.
    pub kind: Option<Kind>,
}

/// The locks of a file.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    /// Of ranges, in the order in which they were granted.
    granted: Vec<Request>,
    /// Of the whole file.
    wholes: BTreeMap<usize, Kind>,
}

impl Locks {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.granted.is_empty() && self.wholes.is_empty()
    }

    /// What an owner has of a byte.
    fn at(&self, owner: Owner, byte: i64) -> Option<Kind> {
        let names = |request: &&Request| {
            request.owner == owner && (request.bytes.0..=request.bytes.1).contains(&byte)
        };
        self.granted.iter().rev().find(names)?.kind
    }

    /// What an owner has, in the order of the bytes.
    pub fn of(&self, owner: Owner) -> Vec<(Bytes, Kind)> {
        let own = self.granted.iter().filter(|request| request.owner == owner);
        // What is locked changes only where some request begins or ends.
        let borders =
            own.flat_map(|request| [Some(request.bytes.0), request.bytes.1.checked_add(1)]);
        let borders: Vec<i64> = borders.flatten().collect::<BTreeSet<_>>().into_iter().collect();
        let mut all: Vec<(Bytes, Kind)> = Vec::new();
        for (at, &first) in borders.iter().enumerate() {
            let Some(kind) = self.at(owner, first) else { continue };
            let last = borders.get(at + 1).map_or(i64::MAX, |next| next - 1);
            match all.last_mut() {
                Some((bytes, before)) if bytes.1 == first - 1 && *before == kind => bytes.1 = last,
                _ => all.push(((first, last), kind)),
            }
        }
        all
    }

    /// The owners, in the order in which they came.
    fn owners(&self) -> Vec<Owner> {
        let mut owners = Vec::new();
        for request in &self.granted {
            if !owners.contains(&request.owner) {
                owners.push(request.owner);
            }
        }
        owners
    }

    /// What is in the way of a request, the first: whose, which bytes, and what for.
    pub fn conflict(&self, wanted: Request) -> Option<(Owner, Bytes, Kind)> {
        let kind = wanted.kind?;
        let others = self.owners().into_iter().filter(|owner| *owner != wanted.owner);
        let all = others.flat_map(|owner| {
            self.of(owner).into_iter().map(move |(bytes, kind)| (owner, bytes, kind))
        });
        all.into_iter().find(|(_, bytes, other)| {
            meet(*bytes, wanted.bytes) && (kind == Kind::Write || *other == Kind::Write)
        })
    }

    /// Grants a request.
    pub fn grant(&mut self, request: Request) {
        self.granted.push(request);
        if self.of(request.owner).is_empty() {
            self.granted.retain(|other| other.owner != request.owner);
        }
    }

    /// Gives up all ranges of an owner.
    pub fn give_up(&mut self, owner: Owner) {
        self.granted.retain(|request| request.owner != owner);
    }

    /// Locks the whole file for a description, which loses another lock that it has first; whether
    /// it got it.
    pub fn lock_whole(&mut self, description: usize, kind: Kind) -> bool {
        self.wholes.remove(&description);
        let is_free = self.wholes.values().all(|other| (kind, *other) == (Kind::Read, Kind::Read));
        if is_free {
            self.wholes.insert(description, kind);
        }
        is_free
    }

    /// Gives up the lock on the whole file.
    pub fn unlock_whole(&mut self, description: usize) {
        self.wholes.remove(&description);
    }
}

/// Whether there is a byte in both.
pub fn meet(one: Bytes, other: Bytes) -> bool {
    one.0 <= other.1 && other.0 <= one.1
}
