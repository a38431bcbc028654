//! Finding out how two sets differ from the newest items down, until the rest is the same: peeling
//! back.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, section
//! 1.3: updates are exchanged in reverse timestamp order, until checksums agree.
//!
//! Where updates have reached all but for the last few, that costs these few and no more than one
//! sum. What is old and missing costs all that is newer: [ranges](super::range) and
//! [sketches](crate::sketch) do not mind.
//!
//! ```text
//! ask:          for the items before one; first, for the last of all
//! asked:        send the last ITEMS before it, and the sum of all that come before these
//! on items:     what only one side has among them is part of the difference
//!               our sum of all that come before is another: ask for those before the first
//! when it is the same: the difference must take our sum to theirs, all 128 bits; else the session
//!               has failed
//! when nothing comes: ask again
//! ```
//!
//! # What holds
//!
//! As of [ranges](super::range). Round trips grow with what is newer than the oldest difference.
//!
//! # Deviations from the paper
//!
//! - One side asks and learns the difference, the other remembers nothing: both databases do not
//!   change on the way, and a lost datagram costs a round trip.
//! - Sums of fingerprints under a secret are the checksums.

use alloc::vec::Vec;

use gossip_core::message;
use gossip_core::wire::{Bounded, Wire};

use super::parts::Parts;
use super::{Difference, End, Item, Reconcile, Sorted};
use crate::page::MESSAGE;

/// Items in an answer.
pub const ITEMS: usize = 38;

message! {
    /// What one side asks of the other.
    #[derive(Copy, PartialEq)]
    pub struct Ask {
        /// The session, drawn at random by the one who asks.
        pub nonce: [u8; 4],
        /// The last items before this; `None`: of all.
        pub before: Option<Item>,
    }
}

message! {
    /// The answer.
    #[derive(PartialEq)]
    pub struct Answer {
        /// That of the question.
        pub nonce: [u8; 4],
        /// As in the question.
        pub before: Option<Item>,
        /// The sum of all fingerprints of the set: answers about different states do not mix.
        pub sum: [u8; 16],
        /// That of those before the items.
        pub rest: [u8; 16],
        /// The items, in order.
        pub items: Bounded<Item, ITEMS>,
    }
}

const _: () = assert!(Ask::MAX_LEN < MESSAGE && Answer::MAX_LEN < MESSAGE, "too long");

/// What comes next.
pub type Step = super::Step<Ask, Item>;

/// The side of a session that asks. The set must stay as it is while it lasts.
///
/// ```
/// use gossip_entropy::reconcile::{Item, Reconcile, Sorted, Step, peel_back::Session};
/// use gossip_entropy::sketch::Fingerprint;
///
/// let here = Sorted::new([Item::new(1, Fingerprint(7))]);
/// let there = Sorted::new([Item::new(1, Fingerprint(7)), Item::new(2, Fingerprint(9))]);
/// let (mut session, ask) = Session::open([0; 4], 100);
/// let answers = Session::answer(&there, &ask, 10);
/// let Step::Done(difference) = session.take(&here, &answers[0]) else { panic!() };
/// assert_eq!(difference.theirs, [Item::new(2, Fingerprint(9))]);
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    nonce: [u8; 4],
    /// What comes before an item.
    pages: Parts<Option<Item>>,
    found: Difference<Item>,
}

impl Session {
    /// Opens a session that takes `most` answers at most, named by 32 random bits.
    pub fn open(nonce: [u8; 4], most: u32) -> (Self, Ask) {
        let session = Self { nonce, pages: Parts::new(None, most), found: Difference::default() };
        let ask = session.ask();
        (session, ask)
    }

    fn ask(&self) -> Ask {
        Ask { nonce: self.nonce, before: self.pages.asked().first().copied().flatten() }
    }
}

/// How many items come before one, or are there at all.
fn end(set: &Sorted, before: Option<Item>) -> usize {
    before.map_or(set.items().len(), |item| set.before(&item))
}

impl Reconcile for Session {
    type Set = Sorted;
    type Ask = Ask;
    type Answer = Answer;
    type Key = Item;

    fn take(&mut self, set: &Sorted, answer: &Answer) -> Step {
        let Answer { nonce, before, sum, rest, items } = answer;
        if *nonce != self.nonce {
            return Step::Wait;
        }
        if let Err(step) = self.pages.settle(*before, *sum) {
            return step;
        }
        let inside = before.is_none_or(|before| items.iter().all(|item| *item < before));
        if !inside || !items.is_sorted_by(|a, b| a < b) {
            return Step::Ended(End::Inconsistent);
        }
        let first = items.first().copied();
        let start = first.map_or(0, |first| set.before(&first));
        let end = end(set, *before).max(start);
        self.found.compare(&set.items()[start..end], items);
        if set.sum(0..start).to_le_bytes() == *rest {
            return self.found.prove(Item::bits, set.total(), *sum);
        }
        if first.is_none() {
            return Step::Ended(End::Inconsistent);
        }
        self.pages.push(first);
        self.pages.next(1);
        Step::Ask(self.ask())
    }

    fn silence(&mut self, _: &Sorted) -> Step {
        let ask = self.ask();
        self.pages.silences.again(ask)
    }

    fn answer(set: &Sorted, ask: &Ask, most: usize) -> Vec<Answer> {
        let end = end(set, ask.before);
        let start = end.saturating_sub(ITEMS);
        let mut items = Bounded::new();
        items.fill(set.items()[start..end].iter().copied());
        let (sum, rest) = (set.total().to_le_bytes(), set.sum(0..start).to_le_bytes());
        let answer = Answer { nonce: ask.nonce, before: ask.before, sum, rest, items };
        if most == 0 { Vec::new() } else { Vec::from([answer]) }
    }
}
