//! The bootstrapping service: leaf sets and prefix tables, as Pastry's and Bamboo's, of all nodes
//! at once and from nothing.
//!
//! Jelasity, Montresor, Babaoglu, *The bootstrapping service*, ICDCS workshops 2006, section 4.
//!
//! ```text
//! leaf set:      the c/2 next nodes either way round the ring
//! prefix table:  for each length of a common prefix and each other next digit, up to k nodes
//! every round:   q = one of the nearer half of the leaf set, uniformly
//!                send q, of all in leaf set, table and cr random samples, and me:
//!                    the c/2 nearest to q either way, and whatever fits into q's table
//!                on reply: take it into both
//! on request from q:  reply likewise; take the request into both
//!
//! to repair, every round:  ask all leaves, and the next few of the table, whether they live; who
//!                          is silent to four questions is buried: taken from both, and kept out
//!                          for a while, or until it speaks; whoever is named and would be a leaf
//!                          is asked first
//! ```
//!
//! The ring sorts itself as T-Man's does; on the way each node sees nodes with ever longer prefixes
//! of its own, and fills its table at no further cost.
//!
//! # What holds
//!
//! From random samples all leaf sets and tables are perfect after 10 to 12 rounds at N = 1,024, and
//! one or two more each time N quadruples (`repro jelasity06-bootstrap`). Over perfect ones
//! [`Bootstrap::next_hop`] leads to the node nearest to a key in about log N / log 2^b steps.
//!
//! # Deviations from the paper
//!
//! - A message has room for `M` nodes. What is for q's table and does not fit is left out, that
//!   with the shortest common prefix first: such nodes are many, and random samples have them.
//! - The paper's form ([`Config::published`]) never drops who is once known: it builds, among nodes
//!   that stay, and hands over to a protocol that maintains. [`Command::Restart`] begins anew, with
//!   who is below. Probes and burials are ours, and the default.
//! - It never ends, says when it has converged, and goes on.

mod layer;
mod missing;

use core::cmp::Reverse;
use core::time::Duration;

use alloc::vec::Vec;

use gossip_core::{
    Bounded, Context, ParameterError, PeerId, Peers, Random, Round, exchange, id, message,
};

use crate::health::Notes;
use crate::probes::Probes;

pub use crate::health::Health;
pub use missing::missing;

message! {
    /// What an exchange carries: at most `M` nodes, the sender besides.
    #[derive(PartialEq)]
    pub struct Message<I: PeerId, const M: usize> {
        /// For leaf set and table.
        pub peers: Bounded<I, M>,
    }
}

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Talk<I: PeerId, const M: usize> {
        /// This is for you; and what is for me?
        Request(Message<I, M>),
        /// This is for you.
        Reply(Message<I, M>),
        /// Do you live?
        Probe,
        /// I do.
        Alive,
    }
}

message! {
    /// What the owner may ask.
    #[derive(Copy, PartialEq)]
    pub enum Command {
        /// Forget leaf set and table, and build them anew.
        Restart,
    }
}

/// What the owner hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Leaf set and table have been the same for eight rounds.
    Converged,
    /// One has changed since.
    Disturbed,
}

/// Parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// The size c of the leaf set: even, from 2 to the capacity `M` of messages.
    pub leaves: usize,
    /// Bits b of a digit: 1, 2, 4 or 8.
    pub bits: u32,
    /// The nodes k for each prefix in the table, from 1 to 16.
    pub alternatives: usize,
    /// Random samples cr that go into a message, at most 256.
    pub samples: usize,
    /// Nodes of the table that are asked each round, in turn, whether they live, besides all
    /// leaves, at most 256; with none, nobody is asked, and who dies is not dropped.
    pub repair: Option<usize>,
}

impl Config {
    /// As in the paper, without repair: 20 leaves, digits of 4 bits, 3 alternatives, 30 samples
    /// (section 5).
    pub const fn published() -> Self {
        Self { leaves: 20, bits: 4, alternatives: 3, samples: 30, repair: None }
    }
}

impl Default for Config {
    /// The paper's numbers, and repair: 8 of the table a round (our choice: a table of 10^4 nodes
    /// has some 110, and is asked through in 14 rounds).
    fn default() -> Self {
        Self { repair: Some(8), ..Self::published() }
    }
}

/// A node, and where it stands.
type Stands<I> = (I, u64);

/// Rounds without a change after which it says that it has converged. T-Man's.
const SETTLED: Round = 8;

/// Rounds for which the buried are kept out, unless they speak: others hear of the death in one
/// turn of their tables. Our choice.
const BURIED: Round = 40;

/// Burials remembered; the oldest is forgotten first. Our choice: when half of all nodes die at
/// once, some 50 of a node's do.
const GRAVES: usize = 256;

/// A node of the leaf set.
#[derive(Clone, Copy, Debug)]
struct Leaf<I> {
    stands: Stands<I>,
    /// The version at which it came.
    since: u64,
    /// The round in which it last spoke; none if it is hearsay.
    heard: Option<Round>,
}

/// The bootstrapping service as a layer over any [`Peers`]; a message names at most `M` nodes, at
/// least as many as a leaf set has.
#[derive(Clone, Debug)]
pub struct Bootstrap<I, const M: usize> {
    config: Config,
    me: Option<Stands<I>>,
    /// Clockwise from this node.
    leaves: Vec<Leaf<I>>,
    /// In order of slots.
    table: Vec<Stands<I>>,
    version: u64,
    /// Whom to ask first.
    contact: Option<I>,
    round: Round,
    notes: Notes,
    probes: Probes<I>,
    /// Between two questions whether a node lives.
    wait: Duration,
    /// Who of the table is asked next.
    turn: usize,
    /// Who will be a leaf if it answers.
    strangers: Vec<I>,
    /// The buried, and in which round, the oldest first.
    graves: Vec<(I, Round)>,
}

impl<I: PeerId, const M: usize> Bootstrap<I, M> {
    /// The bootstrapping service with these parameters.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds, its unit and its bound.
    pub fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { leaves, bits, alternatives, samples, repair } = config;
        ParameterError::new("leaves c", leaves as f64, "nodes", "even, 2 to the capacity M")
            .unless(leaves % 2 == 0 && (2..=M).contains(&leaves))?;
        ParameterError::new("digit width b", bits.into(), "bits", "1, 2, 4 or 8")
            .unless(matches!(bits, 1 | 2 | 4 | 8))?;
        ParameterError::new("alternatives k", alternatives as f64, "nodes", "1 to 16")
            .unless((1..=16).contains(&alternatives))?;
        ParameterError::new("samples cr", samples as f64, "nodes", "at most 256")
            .unless(samples <= 256)?;
        let asked = repair.unwrap_or(0);
        ParameterError::new("repair", asked as f64, "nodes", "at most 256").unless(asked <= 256)?;
        Ok(Self {
            config,
            me: None,
            leaves: Vec::new(),
            table: Vec::new(),
            version: 0,
            contact: None,
            round: 0,
            notes: Notes::default(),
            probes: Probes::new(),
            wait: exchange::PATIENCE / 2,
            turn: 0,
            strangers: Vec::new(),
            graves: Vec::new(),
        })
    }

    /// Asks a silent node again after half of `patience`, instead of half of
    /// [`PATIENCE`](exchange::PATIENCE). It should be a bit less than half a period: four questions
    /// fill the round.
    ///
    /// # Errors
    ///
    /// If it is zero, or above an hour.
    pub fn patience(self, patience: Duration) -> Result<Self, ParameterError> {
        let micros = patience.as_micros();
        ParameterError::new("patience", micros as f64, "microseconds", "1 to 3.6e9, an hour")
            .unless((1..=3_600_000_000).contains(&micros))?;
        Ok(Self { wait: patience / 2, ..self })
    }
}

/// Where a node stands on the ring, and by which digits it is found.
fn position(peer: &impl PeerId) -> u64 {
    id::digest(peer)
}

/// The shorter way round from one position to another.
fn apart(one: u64, other: u64) -> u64 {
    one.wrapping_sub(other).min(other.wrapping_sub(one))
}

/// The `count` of `all` that are nearest to `here`, half of them either way, clockwise; `all` if
/// there are no more.
fn nearest<I: PeerId>(here: u64, mut all: Vec<Stands<I>>, count: usize) -> Vec<Stands<I>> {
    all.sort_unstable_by_key(|&(peer, at)| (at.wrapping_sub(here), peer));
    all.dedup();
    if all.len() > count {
        all.drain(count / 2..all.len() - count / 2);
    }
    all
}

impl<I: PeerId, const M: usize> Bootstrap<I, M> {
    /// The leaf set, clockwise from this node: the nodes after it, then those before it.
    pub fn leaves(&self) -> impl ExactSizeIterator<Item = I> {
        self.leaves.iter().map(|leaf| leaf.stands.0)
    }

    /// The prefix table: nodes, each with the digits it has in common with this one, and its next.
    pub fn table(&self) -> impl ExactSizeIterator<Item = (I, u32, u64)> {
        self.table.iter().map(|&(peer, at)| {
            let (row, digit) = self.slot(self.me.map_or(0, |me| me.1), at);
            (peer, row, digit)
        })
    }

    /// How well the leaf set stands, by this node's own knowledge. Without repair a leaf is heard
    /// of only when there is an exchange with it.
    pub fn health(&self) -> Health {
        let ages = self.leaves.iter().filter_map(|leaf| Some(self.round.wrapping_sub(leaf.heard?)));
        self.notes.health(self.leaves.len(), 0, ages)
    }

    /// Who is nearer to `key` than this node, and next on the way to who is nearest: Pastry's
    /// routing. None if nobody known is nearer.
    pub fn next_hop(&self, key: u64) -> Option<I> {
        let here = self.me?.1;
        let known = || self.leaves.iter().map(|leaf| leaf.stands).chain(self.table.iter().copied());
        let closest = |peers: &mut dyn Iterator<Item = Stands<I>>| {
            let near = peers.filter(|peer| apart(peer.1, key) < apart(here, key));
            near.min_by_key(|peer| (apart(peer.1, key), peer.0)).map(|peer| peer.0)
        };
        if self.covers(here, key) {
            return closest(&mut self.leaves.iter().map(|leaf| leaf.stands));
        }
        let row = self.common(here, key);
        let mut longer = known().filter(|peer| self.common(peer.1, key) > row);
        // A longer prefix first, wherever it stands; else the same one, and nearer.
        longer
            .next()
            .map(|peer| peer.0)
            .or_else(|| closest(&mut known().filter(|peer| self.common(peer.1, key) >= row)))
    }

    /// Whether `key` lies among the leaves.
    fn covers(&self, here: u64, key: u64) -> bool {
        let half = self.config.leaves / 2;
        let all = self.leaves.len() < self.config.leaves;
        let ends = self.leaves.get(half - 1).zip(self.leaves.get(half));
        all || ends.is_some_and(|(last, first)| {
            key.wrapping_sub(first.stands.1) <= last.stands.1.wrapping_sub(first.stands.1)
                && here.wrapping_sub(first.stands.1) <= last.stands.1.wrapping_sub(first.stands.1)
        })
    }

    /// Digits that two positions have in common, from the first on.
    const fn common(&self, one: u64, other: u64) -> u32 {
        (one ^ other).leading_zeros() / self.config.bits
    }

    /// Where in the table of a node at `of` one at `at`, another, belongs: digits in common, and
    /// the next.
    const fn slot(&self, of: u64, at: u64) -> (u32, u64) {
        let row = self.common(of, at);
        let digit = at.wrapping_shl(row * self.config.bits) >> (64 - self.config.bits);
        (row, digit)
    }

    /// What `peer` is told.
    fn describe_for(
        &self,
        peer: I,
        below: &impl Peers<Id = I>,
        random: &mut Random,
    ) -> Message<I, M> {
        let (there, me) = (position(&peer), self.me.map(|me| me.0));
        let samples = (0..self.config.samples).filter_map(|_| below.sample(random));
        let mut all: Vec<Stands<I>> = samples.map(|peer| (peer, position(&peer))).collect();
        all.extend(self.leaves.iter().map(|leaf| leaf.stands).chain(self.table.iter().copied()));
        // This node is the datagram's sender, and needs no naming.
        all.retain(|known| known.0 != peer && Some(known.0) != me);
        let near = nearest(there, all.clone(), self.config.leaves);
        all.sort_unstable_by_key(|&(peer, at)| (Reverse(self.slot(there, at)), peer));
        all.dedup();
        let mut last = None;
        let mut count = 0;
        // Those among the nearest fill their slots as well.
        all.retain(|known| {
            let slot = Some(self.slot(there, known.1));
            count = if slot == last { count + 1 } else { 1 };
            last = slot;
            count <= self.config.alternatives && !near.contains(known)
        });
        let mut peers = Bounded::new();
        peers.fill(near.into_iter().chain(all).map(|known| known.0));
        Message { peers }
    }

    /// This node's name and place, from the first call on; and who is below, while it knows few.
    fn settle(&mut self, below: &impl Peers<Id = I>, cx: &impl Context<Self>) {
        if self.me.is_none() {
            self.me = Some((cx.me(), position(&cx.me())));
        }
        if self.leaves.len() < self.config.leaves {
            let mut peers = Vec::new();
            below.for_each(|peer, _| peers.push(peer));
            self.learn(peers, false);
        }
    }

    /// `from` speaks, and names `peers`.
    fn hear(&mut self, from: I, peers: impl IntoIterator<Item = I>) {
        self.probes.heard(from);
        self.graves.retain(|grave| grave.0 != from);
        self.learn(peers, false);
        self.learn([from], true);
        let leaf = self.leaves.iter_mut().find(|leaf| leaf.stands.0 == from);
        if let Some(leaf) = leaf {
            leaf.heard = Some(self.round);
        }
    }

    /// Takes `peers` into leaf set and table, where they belong, but for the buried. With repair,
    /// who has not `spoken` makes no leaf give way: it may be dead, and is asked first.
    fn learn(&mut self, peers: impl IntoIterator<Item = I>, spoken: bool) {
        let Some((me, here)) = self.me else { return };
        let mut near: Vec<Stands<I>> = self.leaves.iter().map(|leaf| leaf.stands).collect();
        let mut changed = 0;
        for peer in peers {
            if peer == me || self.graves.iter().any(|grave| grave.0 == peer) {
                continue;
            }
            let known = (peer, position(&peer));
            near.push(known);
            changed += usize::from(self.tabulate(here, known));
        }
        let mut near = nearest(here, near, self.config.leaves);
        if self.config.repair.is_some() && !spoken && !self.leaves.is_empty() {
            let is_leaf = |known: &Stands<I>| self.leaves.iter().any(|leaf| leaf.stands == *known);
            let new = near.iter().filter(|&known| !is_leaf(known)).map(|known| known.0);
            self.strangers = new.collect();
            near = self.leaves.iter().map(|leaf| leaf.stands).collect();
        }
        if changed > 0 || !near.iter().eq(self.leaves.iter().map(|leaf| &leaf.stands)) {
            self.relink(near, changed);
        }
    }

    /// A silent node is forgotten, and kept out.
    fn bury(&mut self, peer: I, cx: &mut impl Context<Self>) {
        if self.graves.len() >= GRAVES {
            self.graves.remove(0);
            cx.count("grave shed");
        }
        self.graves.push((peer, self.round));
        self.notes.buried = self.notes.buried.saturating_add(1);
        let before = self.table.len();
        self.table.retain(|known| known.0 != peer);
        let mut near: Vec<Stands<I>> = self.leaves.iter().map(|leaf| leaf.stands).collect();
        near.retain(|leaf| leaf.0 != peer);
        self.relink(near, before - self.table.len());
    }

    /// Who is asked in this round whether it lives: all leaves, and the next of the table.
    fn next_asked(&mut self) -> Vec<I> {
        let Some(count) = self.config.repair else { return Vec::new() };
        let mut asked: Vec<I> = self.leaves().collect();
        for _ in 0..count.min(self.table.len()) {
            self.turn = (self.turn + 1) % self.table.len();
            let next = self.table[self.turn].0;
            if !asked.contains(&next) {
                asked.push(next);
            }
        }
        asked
    }

    /// Puts a node into its slot, if there is room. Returns whether there was.
    fn tabulate(&mut self, here: u64, known: Stands<I>) -> bool {
        if known.1 == here {
            return false; // Another identifier with this node's hash has no slot.
        }
        let slot = self.slot(here, known.1);
        let first = self.table.partition_point(|other| self.slot(here, other.1) < slot);
        let same = self.table[first..].iter().take_while(|o| self.slot(here, o.1) == slot);
        let (mut count, mut twice) = (0, false);
        for other in same {
            count += 1;
            twice |= other.0 == known.0;
        }
        if twice || count >= self.config.alternatives {
            return false;
        }
        self.table.insert(first + count, known);
        true
    }

    /// The leaf set is this, and so many entries of the table are others.
    fn relink(&mut self, near: Vec<Stands<I>>, entries: usize) {
        self.version = self.version.wrapping_add(1);
        let old = |stands: &Stands<I>| self.leaves.iter().find(|leaf| leaf.stands == *stands);
        let new = |stands| Leaf { stands, since: self.version, heard: None };
        let leaves: Vec<Leaf<I>> = near
            .into_iter()
            .map(|stands| old(&stands).copied().unwrap_or_else(|| new(stands)))
            .collect();
        let made = leaves.iter().filter(|leaf| leaf.since == self.version).count();
        let gone = self.leaves.len().saturating_sub(leaves.len() - made);
        self.leaves = leaves;
        self.notes.changed(entries + made.max(gone));
    }

    /// Tells the owner whether all stands.
    fn report(&mut self, cx: &mut impl Context<Self>) {
        let stands = self.notes.unchanged >= SETTLED && !self.leaves.is_empty();
        if stands != self.notes.converged {
            self.notes.converged = stands;
            cx.emit(if stands { Event::Converged } else { Event::Disturbed });
        }
    }

    /// A contact, or one of the nearer half of the leaf set.
    fn choose(&mut self, random: &mut Random) -> Option<I> {
        let me = self.me?;
        let contact = self.contact.filter(|&contact| contact != me.0);
        if contact.is_some() {
            // While nobody else is known it is asked again.
            self.contact = contact.filter(|_| self.leaves.is_empty());
            return contact;
        }
        let mut near: Vec<Stands<I>> = self.leaves.iter().map(|leaf| leaf.stands).collect();
        near.sort_unstable_by_key(|leaf| (apart(leaf.1, me.1), leaf.0));
        near.truncate(near.len().div_ceil(2));
        random.pick(&near).map(|leaf| leaf.0)
    }
}
