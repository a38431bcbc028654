//! Not a protocol: how much a node sends in an exchange, which makes reconciliation paged.
//!
//! Every exchange has an allowance for each level of the descent, for requests, for entries sent
//! unasked and for entries asked for: what comes first cannot use up what its result needs. A peer
//! has at most two exchanges with us in a round, the one that we open and the one that it opens;
//! and only so many peers are served in a round. What is not sent is found again later.

use alloc::vec::Vec;

use gossip_core::PeerId;

use crate::message::Question;
use crate::path::DEEPEST;

/// Peers that a node exchanges with in a round: the one it chose, and those that chose it. With
/// uniform choice more than 7 others come with probability 1e-5. Our choice.
pub(crate) const PEERS: usize = 8;

/// Questions of a peer that are answered in a round: those of three comparisons of many
/// differences. Our choice.
const QUESTIONS: usize = 64;

/// What a message carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Digests of the children of subtrees at this depth.
    Digests(u32),
    /// Lists of what is in subtrees at this depth.
    Lists(u32),
    /// Requests for entries.
    Wants,
    /// Updates that nobody asked for yet.
    News,
    /// Entries that the other side does not list.
    Pushed,
    /// Entries that were asked for.
    Supplied,
    /// Sketches.
    Sketches,
}

const LEVELS: usize = DEEPEST as usize + 1;
const KINDS: usize = 2 * LEVELS + 5;

impl Kind {
    const fn index(self) -> usize {
        match self {
            Self::Digests(depth) => depth as usize,
            Self::Lists(depth) => LEVELS + depth as usize,
            Self::Wants => 2 * LEVELS,
            Self::News => 2 * LEVELS + 1,
            Self::Pushed => 2 * LEVELS + 2,
            Self::Supplied => 2 * LEVELS + 3,
            Self::Sketches => 2 * LEVELS + 4,
        }
    }
}

/// A peer's allowance.
#[derive(Clone, Debug)]
struct Served<I> {
    peer: I,
    /// Whether it has opened an exchange in this round.
    opened: bool,
    /// Messages that may still be sent, by kind.
    left: [u16; KINDS],
    /// Questions that were answered in this round.
    answered: Vec<(Question, u8)>,
    /// The comparison that it made offers in last, and the numbers of those that came.
    offers: ([u8; 2], [bool; 256]),
}

/// What may still be sent in this round.
#[derive(Clone, Debug)]
pub(crate) struct Budget<I> {
    served: Vec<Served<I>>,
    /// The allowance of an exchange.
    whole: [u16; KINDS],
    /// Exchanges that peers may open in a round.
    limit: usize,
}

impl<I: PeerId> Budget<I> {
    /// `page` messages of entries, `probe` of any other kind; `limit` exchanges a round are opened
    /// by peers.
    pub(crate) const fn new(page: u16, probe: u16, limit: usize) -> Self {
        let mut whole = [probe; KINDS];
        whole[Kind::Pushed.index()] = page;
        whole[Kind::Supplied.index()] = page;
        whole[Kind::Sketches.index()] = page;
        Self { served: Vec::new(), whole, limit }
    }

    /// A new round.
    pub(crate) fn renew(&mut self) {
        self.served.clear();
    }

    /// `peer` opens an exchange: the first time in a round, it gets a whole allowance for it.
    /// Returns false, and nothing has changed, if as many others have as may.
    pub(crate) fn open(&mut self, peer: I) -> bool {
        let whole = self.whole;
        let others = |served: &&Served<I>| served.opened && served.peer != peer;
        if self.served.iter().filter(others).count() >= self.limit {
            return false;
        }
        let Some(served) = self.served(peer) else { return false };
        if !served.opened {
            (served.opened, served.left) = (true, whole);
        }
        true
    }

    /// Takes one message for `peer`; false if its allowance is spent.
    pub(crate) fn take(&mut self, peer: I, kind: Kind) -> bool {
        let Some(served) = self.served(peer) else { return false };
        let left = &mut served.left[kind.index()];
        let Some(less) = left.checked_sub(1) else { return false };
        *left = less;
        true
    }

    /// Whether part `more` of a question of `peer` comes for the first time in this round.
    pub(crate) fn is_new(&mut self, peer: I, of: Question, more: u8) -> bool {
        let Some(served) = self.served(peer) else { return false };
        let new = !served.answered.contains(&(of, more)) && served.answered.len() < QUESTIONS;
        if new {
            served.answered.push((of, more));
        }
        new
    }

    /// An offer of `peer` has come. Returns which of the eight before it have in this round, a bit
    /// each, the last one's first.
    pub(crate) fn take_offer(&mut self, peer: I, of: [u8; 2], number: u8) -> u8 {
        let Some(served) = self.served(peer) else { return 0 };
        if served.offers.0 != of {
            served.offers = (of, [false; 256]);
        }
        let number = usize::from(number);
        served.offers.1[number] = true;
        let last = served.offers.1[..number].iter().rev().take(8);
        last.zip(0..).fold(0, |bits, (&came, bit)| bits | u8::from(came) << bit)
    }

    fn served(&mut self, peer: I) -> Option<&mut Served<I>> {
        let known = self.served.iter().position(|served| served.peer == peer);
        if known.is_none() && self.served.len() < PEERS {
            self.served.push(Served {
                peer,
                opened: false,
                left: self.whole,
                answered: Vec::new(),
                offers: ([0; 2], [false; 256]),
            });
            return self.served.last_mut();
        }
        self.served.get_mut(known?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_peers_open_an_exchange_in_a_round() {
        let mut budget = Budget::new(5, 2, 3);
        let opened = |budget: &mut Budget<u32>| (0..20).filter(|at| budget.open(at % 10)).count();
        assert_eq!(opened(&mut budget), 6, "three, and these again");
        assert!(budget.take(9, Kind::News), "who opened none can be served");
        budget.renew();
        assert_eq!(opened(&mut budget), 6);
    }

    #[test]
    fn a_receipt_names_the_eight_offers_before_it_that_came() {
        let mut budget = Budget::new(5, 2, PEERS);
        let mut take = |of, number| budget.take_offer(1_u32, [of; 2], number);
        assert_eq!([take(1, 0), take(1, 1), take(1, 3), take(1, 9)], [0, 1, 0b110, 0b1010_0000]);
        assert_eq!(take(1, 255), 0);
        assert_eq!(take(2, 2), 0, "another comparison's");
    }

    #[test]
    fn each_cap_is_reached_and_held() {
        let mut budget = Budget::new(5, 2, PEERS);
        let taken = |budget: &mut Budget<u32>, peer, kind| {
            (0..100).filter(|_| budget.take(peer, kind)).count()
        };
        assert_eq!(taken(&mut budget, 1, Kind::Pushed), 5);
        assert_eq!(taken(&mut budget, 1, Kind::Supplied), 5);
        assert_eq!(taken(&mut budget, 1, Kind::Digests(DEEPEST)), 2);
        assert_eq!(taken(&mut budget, 1, Kind::Lists(DEEPEST)), 2);
        let opened: usize = (0..100)
            .map(|_| {
                budget.open(1);
                taken(&mut budget, 1, Kind::Pushed)
            })
            .sum();
        assert_eq!(opened, 5, "a peer opens one exchange a round");
        assert_eq!((2..100).filter(|&peer| budget.take(peer, Kind::Wants)).count(), PEERS - 1);
        budget.renew();
        assert_eq!(taken(&mut budget, 50, Kind::Pushed), 5);
    }
}
