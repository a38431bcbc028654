//! Finding out how two sets differ by sums over ranges of their order.
//!
//! After Meyer, *Range-based set reconciliation*, SRDS 2023 (arXiv 2212.13567).
//!
//! For sets with an order in which differences are neighbours, as those of the newest are in order
//! of time: they then cost little more than one. Differences at random places cost a path each, and
//! [sketches](crate::sketch) far less.
//!
//! ```text
//! ask:          about the range of all items
//! asked:        up to LEAF items in the range: send them
//!               more: send the sums of PARTS parts of it, as many items in each
//! on items:     what only one side has is the difference in this range
//! on sums:      ask about the parts whose sums differ from ours
//! when nothing is left to ask: the difference must take our sum to theirs, all 128 bits; else the
//!               session has failed
//! when nothing comes: ask again
//! ```
//!
//! # What holds
//!
//! A session ends with the difference of both sets, or says why not: see [`End`]. That it ends with
//! another has probability 2^-128 for those who do not know the secret of the fingerprints. Answers
//! that were not asked for are not read, and each that is read settles a range that was: a session
//! takes as many answers as it was opened for, and nobody can keep it busy.
//!
//! # Deviations from the paper
//!
//! - One side asks and learns the difference, the other remembers nothing: loss, doubling and order
//!   of datagrams cost time only.
//! - A question is about [`RANGES`] ranges, and the next waits for its answers: round trips grow
//!   with the number of differences, d / 16 and more, where the paper's grow with the depth alone.
//!   That bounds what is under way, and costs time only.
//! - Sums of parts travel as 64 bits. If those of two different parts agree, the sum at the end
//!   does not, and the session says so.

use alloc::vec::Vec;

use gossip_core::message;
use gossip_core::wire::{Bounded, Wire};

use super::parts::Parts;
pub use super::sorted::{Item, Sorted};
use super::{End, Reconcile};
use crate::page::MESSAGE;

/// Items that are sent rather than the sums of their parts. Our choice: as long as the sums.
pub const LEAF: usize = 32;

/// Parts of a range. The number that negentropy, the best known implementation, has.
pub const PARTS: usize = 16;

/// Ranges in a question, and therefore answers on their way. Our choice: a datagram's worth.
pub const RANGES: usize = 16;

message! {
    /// All items from one to another, both included.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Range {
        /// The first.
        pub from: Item,
        /// The last.
        pub to: Item,
    }
}

message! {
    /// A part of a range. It begins where the part before it ends.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Part {
        /// The last item that would be in it.
        pub to: Item,
        /// The lowest 64 bits of the sum of its fingerprints.
        pub sum: [u8; 8],
    }
}

message! {
    /// What one side asks of the other.
    #[derive(PartialEq)]
    pub struct Ask {
        /// The session, drawn at random by the one who asks.
        pub nonce: [u8; 4],
        /// What about.
        pub ranges: Bounded<Range, RANGES>,
    }
}

message! {
    /// What is in a range.
    #[derive(PartialEq)]
    pub enum Body {
        /// These.
        Items(Bounded<Item, LEAF>),
        /// More than fit.
        Parts(Bounded<Part, PARTS>),
    }
}

message! {
    /// The answer about one range.
    #[derive(PartialEq)]
    pub struct Answer {
        /// That of the question.
        pub nonce: [u8; 4],
        /// The sum of all fingerprints of the set: answers about different states do not mix.
        pub sum: [u8; 16],
        /// The range.
        pub range: Range,
        /// What is in it.
        pub body: Body,
    }
}

const _: () = assert!(Ask::MAX_LEN <= MESSAGE && Answer::MAX_LEN <= MESSAGE, "too long");

const fn short(sum: u128) -> [u8; 8] {
    (sum as u64).to_le_bytes()
}

/// The places of a range's items.
fn places(set: &Sorted, range: &Range) -> core::ops::Range<usize> {
    let start = set.before(&range.from);
    start..set.up_to(&range.to).max(start)
}

fn body(set: &Sorted, range: &Range) -> Body {
    let core::ops::Range { start, end } = places(set, range);
    let len = end - start;
    if len <= LEAF {
        let mut items = Bounded::new();
        items.fill(set.items()[start..end].iter().copied());
        return Body::Items(items);
    }
    let mut parts = Bounded::new();
    parts.fill((0..PARTS).map(|part| {
        let (first, past) = (start + part * len / PARTS, start + (part + 1) * len / PARTS);
        let to = if past == end { range.to } else { set.items()[past - 1] };
        Part { to, sum: short(set.sum(first..past)) }
    }));
    Body::Parts(parts)
}

/// What the other side's items are to ours.
pub type Difference = super::Difference<Item>;

/// What comes next.
pub type Step = super::Step<Ask, Item>;

/// The side of a session that asks. The set must stay as it is while it lasts.
#[derive(Clone, Debug)]
pub struct Session {
    nonce: [u8; 4],
    ranges: Parts<Range>,
    found: Difference,
}

impl Session {
    /// Opens a session that takes `most` answers at most, named by 32 random bits.
    pub fn open(nonce: [u8; 4], most: u32) -> (Self, Ask) {
        let all = Range { from: Item::FIRST, to: Item::LAST };
        let session = Self { nonce, ranges: Parts::new(all, most), found: Difference::default() };
        let ask = session.ask();
        (session, ask)
    }

    fn ask(&self) -> Ask {
        let mut ranges = Bounded::new();
        ranges.fill(self.ranges.asked().iter().copied());
        Ask { nonce: self.nonce, ranges }
    }

    fn compare(&mut self, set: &Sorted, range: &Range, theirs: &[Item]) -> bool {
        let inside = theirs.iter().all(|item| range.from <= *item && *item <= range.to);
        if !inside || !theirs.is_sorted_by(|a, b| a < b) {
            return false;
        }
        self.found.compare(&set.items()[places(set, range)], theirs);
        true
    }

    fn divide(&mut self, set: &Sorted, range: &Range, parts: &[Part]) -> bool {
        let ends = parts.last().is_some_and(|last| last.to == range.to);
        let first = parts.first().is_some_and(|first| first.to >= range.from);
        if !ends || !first || !parts.is_sorted_by(|a, b| a.to < b.to) {
            return false;
        }
        let mut from = range.from;
        for part in parts {
            let range = Range { from, to: part.to };
            if short(set.sum(places(set, &range))) != part.sum {
                self.ranges.push(range);
            }
            from = part.to.next();
        }
        true
    }
}

impl Reconcile for Session {
    type Set = Sorted;
    type Ask = Ask;
    type Answer = Answer;
    type Key = Item;

    fn take(&mut self, set: &Sorted, answer: &Answer) -> Step {
        if answer.nonce != self.nonce {
            return Step::Wait;
        }
        if let Err(step) = self.ranges.settle(answer.range, answer.sum) {
            return step;
        }
        let sound = match &answer.body {
            Body::Items(theirs) => self.compare(set, &answer.range, theirs),
            Body::Parts(parts) => self.divide(set, &answer.range, parts),
        };
        if !sound {
            Step::Ended(End::Inconsistent)
        } else if !self.ranges.asked().is_empty() {
            Step::Wait
        } else if self.ranges.next(RANGES) {
            Step::Ask(self.ask())
        } else {
            self.found.prove(Item::bits, set.total(), answer.sum)
        }
    }

    fn silence(&mut self, _: &Sorted) -> Step {
        let ask = self.ask();
        self.ranges.silences.again(ask)
    }

    fn answer(set: &Sorted, ask: &Ask, most: usize) -> Vec<Answer> {
        let sum = set.total().to_le_bytes();
        let about =
            |range: &Range| Answer { nonce: ask.nonce, sum, range: *range, body: body(set, range) };
        ask.ranges.iter().take(most).map(about).collect()
    }
}
