//! Chord on demand: routes to whoever owns a key, from the views that T-Man leaves behind.
//!
//! Montresor, Jelasity, Babaoglu, *Chord on demand*, P2P 2005, section 3 (T-Chord). Lookups are as
//! in Stoica et al., *Chord*, SIGCOMM 2001, section 4, iterative.
//!
//! ```text
//! successors:  the next r of the view, clockwise
//! finger k:    the nearest of the view whose clockwise distance is in [2^k, 2^(k+1))
//! owner(key):  the first node at or after key, clockwise
//!
//! answer(key): if key lies between me and the third successor: its owner is the first of
//!                  these at or after key
//!              otherwise: the links that precede key, the nearest to it first
//! look up:     ask the nearest, and so on; who does not answer is passed over
//! ```
//!
//! Links are chosen from the view when they are needed, so they are as good as the ring below is,
//! and repaired with it; no message is spent on fingers.
//!
//! # What holds
//!
//! Over a perfect ring every lookup finds the owner, in about log2(N) / 2 hops; with nodes down,
//! the
//! next best link is tried, up to 64 questions in all. An answer is a hint: two nodes may believe
//! themselves the owner while the ring below is wrong.
//!
//! # Deviations from the paper
//!
//! - Of the successors, the first three name owners, which are those that T-Man must not miss: a
//!   gap behind them would name the wrong one.
//! - Fingers follow the view; the paper takes them once, at the end of the construction.
//! - The variant by proximity is left out: no layer here knows latencies.

use core::cmp::Reverse;
use core::time::Duration;

use alloc::vec::Vec;

use gossip_core::{
    Bounded, Context, Layer, ParameterError, PeerId, Protocol, Receipt, Refusal, Time, exchange,
    message,
};

use crate::ring::RingRank;
use crate::tman::TMan;

/// What a [`Chord`] reads of the ring below it.
pub trait RingView {
    /// How peers are named.
    type Id: PeerId;

    /// Where this node stands; none before its first call.
    fn position(&self) -> Option<u64>;

    /// Every peer known, with its position; of those nearest only who is believed to live.
    fn for_each_position(&self, visit: impl FnMut(Self::Id, u64));

    /// Where `peer` stands.
    fn position_of(&self, peer: Self::Id) -> Option<u64>;
}

impl<I: PeerId, const M: usize> RingView for TMan<I, RingRank, M> {
    type Id = I;

    fn position(&self) -> Option<u64> {
        self.place()
    }

    fn for_each_position(&self, mut visit: impl FnMut(I, u64)) {
        let is_doubtful = |peer| self.links().any(|link| link == peer) && !self.is_trusted(peer);
        self.places()
            .filter(|known| !is_doubtful(known.0))
            .for_each(|(peer, place)| visit(peer, place));
    }

    fn position_of(&self, peer: I) -> Option<u64> {
        crate::Ranking::place(self.ranking(), peer, &())
    }
}

/// Alternatives that an answer names.
const CLOSER: usize = 4;

/// Lookups under way at a node, at most. Our choice.
const LOOKUPS: usize = 64;

/// Questions in a lookup, at most: far beyond what a ring that is nearly right needs.
const QUESTIONS: u32 = 64;

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId> {
        /// Who owns this key? With the question's number.
        Find(u32, u64),
        /// This peer.
        Owner(u32, I),
        /// These are nearer, the nearest first.
        Closer(u32, Bounded<I, CLOSER>),
    }
}

message! {
    /// What the owner may ask.
    #[derive(Copy, PartialEq)]
    pub struct Lookup {
        /// Comes back with the result.
        pub ticket: u32,
        /// A position on the ring.
        pub key: u64,
    }
}

/// What became of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<I> {
    /// The owner of the key.
    Found {
        /// The lookup's.
        ticket: u32,
        /// Who owns the key.
        owner: I,
        /// Nodes on the way, the owner included: 0 if the key is this node's own position.
        hops: u32,
    },
    /// Nobody could tell.
    Failed {
        /// The lookup's.
        ticket: u32,
    },
}

/// Parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The length r of the successor list, from 1 to 64. The paper's simulations have 5.
    pub successors: usize,
    /// How long to wait for an answer: a microsecond to an hour, above a round trip.
    pub patience: Duration,
}

impl Default for Config {
    /// 5 successors, and the patience of exchanges.
    fn default() -> Self {
        Self { successors: 5, patience: exchange::PATIENCE }
    }
}

/// A lookup under way.
#[derive(Clone, Debug)]
struct Search<I> {
    lookup: Lookup,
    /// The number of the question that is open, and whom it went to.
    number: u32,
    asked: I,
    due: Time,
    /// Nodes that have answered, and so are on the way.
    hops: u32,
    questions: u32,
    /// Whom to ask if this one is silent, the best last.
    others: Vec<I>,
}

/// Chord as a layer over a ring.
#[derive(Clone, Debug)]
pub struct Chord<I> {
    config: Config,
    searches: Vec<Search<I>>,
    number: u32,
}

/// What a node says of a key.
enum Answer<I> {
    Owner(I),
    Closer(Vec<I>),
}

impl<I: PeerId> Chord<I> {
    /// Chord with these parameters.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { successors, patience } = config;
        ParameterError::new("successors r", successors as f64, "peers", "1 to 64")
            .unless((1..=64).contains(&successors))?;
        let micros = patience.as_micros();
        ParameterError::new("patience", micros as f64, "microseconds", "1 to 3.6e9, an hour")
            .unless((1..=3_600_000_000).contains(&micros))?;
        Ok(Self { config, searches: Vec::new(), number: 0 })
    }

    /// Successors and fingers of a node with this ring, clockwise, with their distances.
    pub fn links(&self, ring: &impl RingView<Id = I>) -> Vec<(I, u64)> {
        let Some(here) = ring.position() else { return Vec::new() };
        let mut all = Vec::new();
        ring.for_each_position(|peer, at| all.push((peer, at.wrapping_sub(here))));
        all.sort_unstable_by_key(|link| (link.1, link.0));
        let mut last = u32::MAX;
        let mut count = 0;
        all.retain(|link| {
            // The first in each interval [2^k, 2^(k+1)) is a finger.
            let interval = link.1.leading_zeros();
            count += 1;
            core::mem::replace(&mut last, interval) != interval || count <= self.config.successors
        });
        all
    }

    /// What this node says of `key`, by `ring`.
    fn answer(&self, me: I, ring: &impl RingView<Id = I>, key: u64) -> Answer<I> {
        let links = self.links(ring);
        let Some(here) = ring.position() else { return Answer::Owner(me) };
        let far = key.wrapping_sub(here);
        // No distance is 0 but that of this node itself; a key there is its own.
        if far == 0 || links.is_empty() {
            return Answer::Owner(me);
        }
        // Of the nearest, the ring misses none but behind the first of these.
        let sure = <RingRank as crate::Ranking<I>>::LEAD.min(self.config.successors);
        let near = &links[..links.len().min(sure)];
        if let Some(owner) = near.iter().find(|link| link.1 >= far) {
            return Answer::Owner(owner.0);
        }
        let before = links.iter().rev().filter(|link| link.1 < far);
        Answer::Closer(before.take(CLOSER).map(|link| link.0).collect())
    }

    /// Goes on with a search, or ends it.
    fn pursue(&mut self, mut search: Search<I>, cx: &mut impl Context<Self>) {
        let ticket = search.lookup.ticket;
        let Some(next) = search.others.pop().filter(|_| search.questions < QUESTIONS) else {
            return cx.emit(Event::Failed { ticket });
        };
        self.number = self.number.wrapping_add(1);
        search.number = self.number;
        search.questions += 1;
        search.asked = next;
        search.due = cx.now() + self.config.patience;
        cx.send(next, Message::Find(search.number, search.lookup.key));
        self.searches.push(search);
    }

    /// The search whose open question `from` answers.
    fn settle(&mut self, number: u32, from: I, cx: &mut impl Context<Self>) -> Option<Search<I>> {
        let open = |search: &Search<I>| search.number == number && search.asked == from;
        let Some(at) = self.searches.iter().position(open) else {
            cx.count("answer to no question");
            return None;
        };
        let mut search = self.searches.swap_remove(at);
        search.hops += 1;
        Some(search)
    }
}

impl<I: PeerId> Protocol for Chord<I> {
    type Id = I;
    type Message = Message<I>;
    type Event = Event<I>;
    type Command = Lookup;

    fn wake_at(&self) -> Time {
        self.searches.iter().map(|search| search.due).min().unwrap_or(Time::NEVER)
    }
}

impl<I: PeerId, D: RingView<Id = I>> Layer<D> for Chord<I> {
    fn on_round(&mut self, _: &D, _: &mut impl Context<Self>) {}

    fn on_message(&mut self, ring: &D, from: I, message: Message<I>, cx: &mut impl Context<Self>) {
        match message {
            Message::Find(number, key) => {
                let reply = match self.answer(cx.me(), ring, key) {
                    Answer::Owner(owner) => Message::Owner(number, owner),
                    Answer::Closer(peers) => {
                        let mut closer = Bounded::new();
                        closer.fill(peers);
                        Message::Closer(number, closer)
                    }
                };
                cx.send(from, reply);
            }
            Message::Owner(number, owner) => {
                let Some(search) = self.settle(number, from, cx) else { return };
                let hops = search.hops + u32::from(owner != from);
                cx.emit(Event::Found { ticket: search.lookup.ticket, owner, hops });
            }
            Message::Closer(number, peers) => {
                let Some(mut search) = self.settle(number, from, cx) else { return };
                let key = search.lookup.key;
                let far = |peer| Some(key.wrapping_sub(ring.position_of(peer)?));
                // Every step must come nearer, or a liar could lead in circles.
                let bound = far(from);
                let nearer = |peer: &I| far(*peer).is_some_and(|far| Some(far) < bound);
                let known: Vec<I> = peers.into_iter().filter(nearer).collect();
                if known.is_empty() {
                    cx.count("no nearer");
                }
                search.others.extend(known);
                search.others.sort_unstable_by_key(|&peer| (Reverse(far(peer)), peer));
                search.others.dedup();
                // The farthest are the first to go.
                let excess = search.others.len().saturating_sub(2 * CLOSER);
                search.others.drain(..excess);
                self.pursue(search, cx);
            }
        }
    }

    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        let now = cx.now();
        while let Some(at) = self.searches.iter().position(|search| search.due <= now) {
            let search = self.searches.swap_remove(at);
            cx.count("no answer");
            self.pursue(search, cx);
        }
    }

    fn on_command(
        &mut self,
        ring: &D,
        lookup: Lookup,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        if self.searches.len() >= LOOKUPS {
            return Err(Refusal::Full { limit: LOOKUPS });
        }
        let (me, ticket) = (cx.me(), lookup.ticket);
        match self.answer(me, ring, lookup.key) {
            Answer::Owner(owner) => {
                cx.emit(Event::Found { ticket, owner, hops: u32::from(owner != me) });
                Ok(Receipt::default())
            }
            Answer::Closer(mut others) => {
                others.reverse();
                let (number, due) = (0, Time::NEVER);
                let search =
                    Search { lookup, number, asked: me, due, hops: 0, questions: 0, others };
                self.pursue(search, cx);
                Ok(Receipt::attempted(1))
            }
        }
    }
}
