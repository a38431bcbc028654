//! Chord on demand: routes to whoever owns a key, from the views that T-Man leaves behind.
//!
//! Montresor, Jelasity, Babaoglu, *Chord on demand*, P2P 2005, section 3 (T-Chord, T-Chord-Prox).
//! Lookups are as in Stoica et al., *Chord*, SIGCOMM 2001, section 4, iterative.
//!
//! ```text
//! successors:  the next r of the view, clockwise
//! finger k:    the nearest of the view whose clockwise distance is in [2^k, 2^(k+1))
//! owner(key):  the first node at or after key, clockwise
//!
//! answer(key): if key lies between my predecessor and me: I am its owner
//!              if key lies between me and the third successor: its owner is the first of
//!                  these at or after key
//!              otherwise: the links that precede key, the nearest to it first
//! look up:     ask the nearest, and so on; who does not answer is passed over
//!
//! every round: fingers nearer than mine, if the view has any, are mine
//!              by order:     look up the start 2^k of the next interval, or the end of the
//!                            successors if it lies in it: its owner is finger k
//!              by proximity: ask a random one of the view in the next interval; whoever answers
//!                            sooner than finger k is finger k
//! silent thrice: no finger
//! no finger changed in a whole turn through the intervals: converged
//! ```
//!
//! Successors are read from the view when they are needed, so they are as good as the ring below
//! is. Fingers are kept: a view in which nothing is older than a lifetime holds the nearest, and
//! some twenty random peers besides, too few for all intervals.
//!
//! # What holds
//!
//! Over a perfect ring every lookup finds the owner, in about log2(N) / 2 hops; with nodes down,
//! the next best link is tried, up to 64 questions in all. An answer is a hint: two nodes may
//! believe themselves the owner while the ring below is wrong.
//!
//! # Deviations from the paper
//!
//! - Of the successors, the first three name owners, which are those that T-Man must not miss: a
//!   gap behind them would name the wrong one.
//! - That it says when it has converged is ours.
//! - The paper takes fingers once, at the end of the construction, and spends no message on them.
//!   That is [`Fingers::Found`]; by default they are looked up in turn, one a round, as in Stoica
//!   et al., section 4.4.
//! - By proximity (the paper's T-Chord-Prox), one candidate a round is measured, for ever, instead
//!   of a given number at the end; and latency is the time that an answer took.

mod fingers;

use core::cmp::Reverse;
use core::time::Duration;

use alloc::vec::Vec;

use gossip_core::{
    Bounded, Context, Layer, ParameterError, PeerId, Protocol, Receipt, Refusal, Time, exchange,
    message,
};

use crate::health::Health;
use crate::ring::RingRank;
use crate::tman::TMan;
use fingers::Table;

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

/// Whom a search may still ask, at most.
const OTHERS: usize = 2 * CLOSER;

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
        /// Nodes on the way, the owner included: 0 if the key is this node's own.
        hops: u32,
    },
    /// Nobody could tell.
    Failed {
        /// The lookup's.
        ticket: u32,
    },
    /// No finger has changed in a whole turn through the intervals.
    Converged,
    /// A finger has changed since.
    Disturbed,
}

/// Parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The length r of the successor list, from 1 to 64. The paper's simulations have 5.
    pub successors: usize,
    /// How long to wait for an answer: a microsecond to an hour, above a round trip.
    pub patience: Duration,
    /// How fingers are chosen.
    pub fingers: Fingers,
}

impl Default for Config {
    /// 5 successors, the patience of exchanges, and fingers that are looked up.
    fn default() -> Self {
        Self { successors: 5, patience: exchange::PATIENCE, fingers: Fingers::LookedUp }
    }
}

/// How fingers are chosen, of the nodes in their intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fingers {
    /// The nearest that was ever in view: T-Chord, which costs no message. Intervals that it has
    /// nobody in stay empty until somebody comes into view.
    Found,
    /// The nearest there is: besides, the start of one interval is looked up each round, in turn.
    LookedUp,
    /// Who answers soonest: T-Chord-Prox. One of those in view is asked each round.
    Near,
}

/// Why something is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// For the owner of this node, who gave this ticket.
    Ticket(u32),
    /// Whoever owns the key is a finger.
    Finger,
    /// To measure how soon the one asked answers.
    Latency,
}

/// A lookup under way.
#[derive(Clone, Debug)]
struct Search<I> {
    purpose: Purpose,
    key: u64,
    /// The number of the question that is open, and whom it went to.
    number: u32,
    asked: I,
    since: Time,
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
    table: Table<I>,
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
        let Config { successors, patience, fingers: _ } = config;
        ParameterError::new("successors r", successors as f64, "peers", "1 to 64")
            .unless((1..=64).contains(&successors))?;
        let micros = patience.as_micros();
        ParameterError::new("patience", micros as f64, "microseconds", "1 to 3.6e9, an hour")
            .unless((1..=3_600_000_000).contains(&micros))?;
        Ok(Self { config, searches: Vec::new(), number: 0, table: Table::new() })
    }

    /// Successors and fingers of a node with this ring, clockwise, with their distances.
    pub fn links(&self, ring: &impl RingView<Id = I>) -> Vec<(I, u64)> {
        let view = clockwise(ring);
        self.table.links(&view, self.config.successors)
    }

    /// How well the fingers stand, by this node's own knowledge: right are those that have
    /// answered, or were found again, in the last turn through the intervals, which
    /// [`Fingers::Found`] does not ask for. The health of the successors is the ring's.
    pub fn health(&self) -> Health {
        self.table.health()
    }

    /// What this node says of `key`, by `ring`.
    fn answer(&self, me: I, ring: &impl RingView<Id = I>, key: u64) -> Answer<I> {
        let view = clockwise(ring);
        let Some(here) = ring.position() else { return Answer::Owner(me) };
        let far = key.wrapping_sub(here);
        // No distance is 0 but that of this node itself; a key there is its own, and so are those
        // that no other node lies behind.
        if far == 0 || view.last().is_none_or(|predecessor| predecessor.1 < far) {
            return Answer::Owner(me);
        }
        // Of the nearest, the ring misses none but behind the first of these.
        let sure = <RingRank as crate::Ranking<I>>::LEAD.min(self.config.successors);
        let near = &view[..view.len().min(sure)];
        if let Some(owner) = near.iter().find(|link| link.1 >= far) {
            return Answer::Owner(owner.0);
        }
        let links = self.table.links(&view, self.config.successors);
        let before = links.iter().rev().filter(|link| link.1 < far);
        Answer::Closer(before.take(OTHERS).map(|link| link.0).collect())
    }

    /// Begins to look up `key`, or ends at once: then it returns the owner.
    fn seek(
        &mut self,
        ring: &impl RingView<Id = I>,
        purpose: Purpose,
        key: u64,
        cx: &mut impl Context<Self>,
    ) -> Option<I> {
        match self.answer(cx.me(), ring, key) {
            Answer::Owner(owner) => Some(owner),
            Answer::Closer(mut others) => {
                others.reverse();
                self.ask(purpose, key, others, cx);
                None
            }
        }
    }

    /// Asks the last of `others` for `key`, and the rest if it is silent.
    fn ask(&mut self, purpose: Purpose, key: u64, others: Vec<I>, cx: &mut impl Context<Self>) {
        let (asked, since) = (cx.me(), cx.now());
        let (number, hops, questions) = (0, 0, 0);
        self.pursue(Search { purpose, key, number, asked, since, hops, questions, others }, cx);
    }

    /// Goes on with a search, or ends it.
    fn pursue(&mut self, mut search: Search<I>, cx: &mut impl Context<Self>) {
        let Some(next) = search.others.pop().filter(|_| search.questions < QUESTIONS) else {
            if let Purpose::Ticket(ticket) = search.purpose {
                cx.emit(Event::Failed { ticket });
            }
            return;
        };
        self.number = self.number.wrapping_add(1);
        search.number = self.number;
        search.questions += 1;
        search.asked = next;
        search.since = cx.now();
        cx.send(next, Message::Find(search.number, search.key));
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
        self.table.heard(from, cx.now().since(search.since));
        Some(search)
    }

    /// One more finger is looked for.
    fn mend(&mut self, ring: &impl RingView<Id = I>, cx: &mut impl Context<Self>) {
        let Some(here) = ring.position() else { return };
        let view = clockwise(ring);
        let by_order = self.config.fingers != Fingers::Near;
        self.table.learn(&view, self.config.successors, by_order);
        let Some(first) = view.get(self.config.successors) else { return };
        let interval = self.table.turn(first.1);
        if self.searches.len() >= LOOKUPS {
            return;
        }
        match self.config.fingers {
            Fingers::Found => {}
            Fingers::LookedUp => {
                let key = here.wrapping_add(self.table.start(interval));
                if let Some(owner) = self.seek(ring, Purpose::Finger, key, cx) {
                    self.adopt(ring, owner, key);
                }
            }
            Fingers::Near => {
                let inside = |link: &&(I, u64)| fingers::interval(link.1) == interval;
                let candidates: Vec<I> = view.iter().filter(inside).map(|link| link.0).collect();
                if let Some(peer) = cx.rng().pick(&candidates).copied()
                    && let Some(key) = ring.position_of(peer)
                {
                    self.ask(Purpose::Latency, key, [peer].into(), cx);
                }
            }
        }
    }

    /// A candidate has answered, so soon.
    fn measured(
        &mut self,
        ring: &impl RingView<Id = I>,
        peer: I,
        search: &Search<I>,
        cx: &impl Context<Self>,
    ) {
        if let Some(here) = ring.position() {
            let took = cx.now().since(search.since);
            self.table.compare(peer, search.key.wrapping_sub(here), took);
        }
    }

    /// `owner` is said to own `key`, the start of an interval.
    fn adopt(&mut self, ring: &impl RingView<Id = I>, owner: I, key: u64) {
        if let (Some(here), Some(at)) = (ring.position(), ring.position_of(owner)) {
            self.table.adopt(owner, at.wrapping_sub(here), key.wrapping_sub(here));
        }
    }
}

/// Who is in view, clockwise, with distances.
fn clockwise<I: PeerId>(ring: &impl RingView<Id = I>) -> Vec<(I, u64)> {
    let Some(here) = ring.position() else { return Vec::new() };
    let mut all = Vec::new();
    ring.for_each_position(|peer, at| all.push((peer, at.wrapping_sub(here))));
    all.sort_unstable_by_key(|link| (link.1, link.0));
    all
}

impl<I: PeerId> Protocol for Chord<I> {
    type Id = I;
    type Message = Message<I>;
    type Event = Event<I>;
    type Command = Lookup;

    fn wake_at(&self) -> Time {
        let oldest = self.searches.iter().map(|search| search.since).min();
        oldest.map_or(Time::NEVER, |since| since + self.config.patience)
    }
}

impl<I: PeerId, D: RingView<Id = I>> Layer<D> for Chord<I> {
    fn on_round(&mut self, ring: &D, cx: &mut impl Context<Self>) {
        self.table.begin();
        self.mend(ring, cx);
        match self.table.settle() {
            Some(true) => cx.emit(Event::Converged),
            Some(false) => cx.emit(Event::Disturbed),
            None => {}
        }
    }

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
                match search.purpose {
                    Purpose::Ticket(ticket) => cx.emit(Event::Found { ticket, owner, hops }),
                    Purpose::Finger => self.adopt(ring, owner, search.key),
                    Purpose::Latency => self.measured(ring, from, &search, cx),
                }
            }
            Message::Closer(number, peers) => {
                let Some(mut search) = self.settle(number, from, cx) else { return };
                if search.purpose == Purpose::Latency {
                    return self.measured(ring, from, &search, cx);
                }
                let key = search.key;
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
                let excess = search.others.len().saturating_sub(OTHERS);
                search.others.drain(..excess);
                self.pursue(search, cx);
            }
        }
    }

    fn on_wake(&mut self, _: &D, cx: &mut impl Context<Self>) {
        let (now, patience) = (cx.now(), self.config.patience);
        let late = |search: &Search<I>| search.since + patience <= now;
        while let Some(at) = self.searches.iter().position(late) {
            let search = self.searches.swap_remove(at);
            cx.count("no answer");
            self.table.silent(search.asked);
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
        let Lookup { ticket, key } = lookup;
        match self.seek(ring, Purpose::Ticket(ticket), key, cx) {
            Some(owner) => {
                cx.emit(Event::Found { ticket, owner, hops: u32::from(owner != cx.me()) });
                Ok(Receipt::default())
            }
            None => Ok(Receipt::attempted(1)),
        }
    }
}
