//! Reconciliation: making the difference of two sets known over bounded datagrams.
//!
//! Not a protocol: what all ways to do it have in common. The ways are in the modules below.
//!
//! | Module | What | When |
//! |---|---|---|
//! | [`full`] | all identifiers | sets are small, or most elements differ |
//! | [`peel_back`] | the newest first, until the rest is the same | the last few differ |
//! | [`activity`] | what was last active here first | exchanges are frequent |
//! | [`merkle`] | digests of a tree | differences are too many for sketches |
//! | [`range`] | sums of ranges, divided down to the items | differences are neighbours |
//! | [`sketch`](crate::sketch) | sketches as long as the difference | it is far below the sets |
//!
//! [`method`] has them all by name, and chooses among them by itself.
//!
//! Not behind the trait are [Scuttlebutt](crate::scuttlebutt) and the replica's list of
//! recent updates. The former compares what is the latest of each origin, of which a later change
//! replaces an earlier: what it sends is no difference of two sets, it may leave some for
//! later, and nothing that both could sum up would prove the end. The latter is sent without any
//! question, and
//! leaves to a comparison what it has missed.
//!
//! One side asks and learns the difference; the other remembers nothing between two questions, so
//! that loss, doubling and order of datagrams cost bytes and time, never a wrong result.

pub mod activity;
pub mod full;
pub mod merkle;
pub mod method;
mod parts;
pub mod peel_back;
pub mod range;
mod set;
mod sorted;

use alloc::vec::Vec;

use crate::sketch::digest::Check;

pub use set::Known;
pub use sorted::{Item, Sorted};

/// The side that asks in a session that makes the difference of two sets known.
///
/// What it is opened with differs from way to way, and so it is opened by a function of its own.
/// The set must stay as it is while a session lasts, unless its type says otherwise.
///
/// ```
/// use gossip_entropy::reconcile::range::{Item, Session, Sorted};
/// use gossip_entropy::reconcile::{Reconcile, Step};
/// use gossip_entropy::sketch::Fingerprint;
///
/// let here = Sorted::new([Item::new(1, Fingerprint(7))]);
/// let there = Sorted::new([Item::new(1, Fingerprint(7)), Item::new(2, Fingerprint(9))]);
/// let (mut session, ask) = Session::open([0; 4], 100);
/// let answers = Session::answer(&there, &ask, 10);
/// let Step::Done(difference) = session.take(&here, &answers[0]) else { panic!() };
/// assert_eq!(difference.theirs, [Item::new(2, Fingerprint(9))]);
/// ```
pub trait Reconcile {
    /// A set, as both sides hold it.
    type Set: ?Sized;
    /// A question.
    type Ask;
    /// An answer.
    type Answer;
    /// By which an element of the difference is known.
    type Key;

    /// Takes an answer. `set` is that of the side that asks.
    fn take(&mut self, set: &Self::Set, answer: &Self::Answer) -> Step<Self::Ask, Self::Key>;

    /// Nothing has come for as long as a round trip takes.
    fn silence(&mut self, set: &Self::Set) -> Step<Self::Ask, Self::Key>;

    /// Answers `ask` about `set`, that of the side that is asked, with as many datagrams as `most`
    /// allows.
    fn answer(set: &Self::Set, ask: &Self::Ask, most: usize) -> Vec<Self::Answer>;
}

/// What the other side's set is to ours, each in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference<K> {
    /// Those that only the other side has.
    pub theirs: Vec<K>,
    /// Those that only we have.
    pub ours: Vec<K>,
}

impl<K> Default for Difference<K> {
    fn default() -> Self {
        Self { theirs: Vec::new(), ours: Vec::new() }
    }
}

impl<K> Difference<K> {
    /// The same as the other side sees it.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { theirs: self.ours, ours: self.theirs }
    }
}

impl<K: Clone + Ord> Difference<K> {
    /// Adds in what `ours` and `theirs`, each in order, differ.
    fn compare(&mut self, ours: &[K], theirs: &[K]) {
        let only = |these: &[K], others: &[K]| -> Vec<K> {
            these.iter().filter(|key| others.binary_search(key).is_err()).cloned().collect()
        };
        self.theirs.extend(only(theirs, ours));
        self.ours.extend(only(ours, theirs));
    }

    /// The end of a session: what was found must take the sum of ours to that of theirs.
    fn prove<A>(&mut self, bits: fn(&K) -> u128, ours: u128, theirs: [u8; 16]) -> Step<A, K> {
        let mut found = core::mem::take(self);
        let sum = |keys: &[K]| keys.iter().map(bits).fold(0, u128::wrapping_add);
        let reached = ours.wrapping_add(sum(&found.theirs)).wrapping_sub(sum(&found.ours));
        if reached.to_le_bytes() != theirs {
            return Step::Ended(End::Inconsistent);
        }
        found.theirs.sort_unstable();
        found.ours.sort_unstable();
        Step::Done(found)
    }
}

impl Difference<u64> {
    /// Whether it takes a set of this check to one of check `theirs`.
    pub(crate) fn leads_to(&self, mut check: Check, theirs: [u8; 16]) -> bool {
        self.theirs.iter().for_each(|&id| check.add(id));
        self.ours.iter().for_each(|&id| check.subtract(id));
        check.to_bytes() == theirs
    }
}

/// Why a session has ended without a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There are more differences than can be told, or more answers than may be taken.
    TooMany,
    /// What came is not from a set, or two elements share an identifier. Another salt helps against
    /// the latter.
    Inconsistent,
    /// The other side did not answer.
    Silent,
    /// The other side's set does not stay as it is for long enough.
    Restless,
}

/// What comes next in a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Step<A, K> {
    /// Nothing: wait.
    Wait,
    /// Send this.
    Ask(A),
    /// The difference is known, and proven by 128 bits.
    Done(Difference<K>),
    /// It will not be known.
    Ended(End),
}
