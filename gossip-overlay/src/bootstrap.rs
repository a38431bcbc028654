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
//! ```
//!
//! The ring sorts itself as T-Man's does; on the way each node sees nodes with ever longer prefixes
//! of its own, and fills its table at no further cost.
//!
//! # What holds
//!
//! From random samples all leaf sets and tables are perfect after 10 to 12 rounds at N = 1,024, and
//! one or two more each time N quadruples (`repro jelasity06-bootstrap`). Over perfect ones
//! [`State::next_hop`] leads to the node nearest to a key in about log N / log 2^b steps.
//!
//! # Deviations from the paper
//!
//! - A message has room for `M` nodes. What is for q's table and does not fit is left out, that
//!   with the shortest common prefix first: such nodes are many, and random samples have them.
//! - As in the paper, who is once known is never dropped: it builds, among nodes that stay, and
//!   hands over to a protocol that maintains. [`Command::Restart`] begins anew, with who is below.
//! - It never ends, says when it has converged, and goes on.

use core::cmp::Reverse;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use gossip_core::{
    Bounded, Configured, Exchange, Local, Pairwise, ParameterError, PeerId, Peers, Protocol,
    Random, Receipt, Refusal, Round, Time, id, message,
};

use crate::chord::RingView;

/// The bootstrapping service as a layer over any [`Peers`]; a message names at most `M` nodes, at
/// least as many as a leaf set has.
pub type Bootstrap<I, const M: usize> = Pairwise<State<I, M>, 0>;

message! {
    /// What an exchange carries: at most `M` nodes, the sender besides.
    #[derive(PartialEq)]
    pub struct Message<I: PeerId, const M: usize> {
        /// For leaf set and table.
        pub peers: Bounded<I, M>,
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
}

impl Default for Config {
    /// The paper's: 20 leaves, digits of 4 bits, 3 alternatives, 30 samples (section 5).
    fn default() -> Self {
        Self { leaves: 20, bits: 4, alternatives: 3, samples: 30 }
    }
}

/// A node, and where it stands.
type Stands<I> = (I, u64);

/// Rounds without a change after which it says that it has converged. T-Man's.
const SETTLED: Round = 8;

/// A node's part in it.
#[derive(Clone, Debug)]
pub struct State<I, const M: usize> {
    config: Config,
    me: Option<Stands<I>>,
    /// Clockwise from this node, each with the version at which it came.
    leaves: Vec<(Stands<I>, u64)>,
    /// In order of slots.
    table: Vec<Stands<I>>,
    version: u64,
    /// Whom to ask first.
    contact: Option<I>,
    /// Rounds since the last change.
    unchanged: Round,
    converged: bool,
}

impl<I: PeerId, const M: usize> Configured for State<I, M> {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ParameterError> {
        let Config { leaves, bits, alternatives, samples } = config;
        ParameterError::new("leaves c", leaves as f64, "nodes", "even, 2 to the capacity M")
            .unless(leaves % 2 == 0 && (2..=M).contains(&leaves))?;
        ParameterError::new("digit width b", bits.into(), "bits", "1, 2, 4 or 8")
            .unless(matches!(bits, 1 | 2 | 4 | 8))?;
        ParameterError::new("alternatives k", alternatives as f64, "nodes", "1 to 16")
            .unless((1..=16).contains(&alternatives))?;
        ParameterError::new("samples cr", samples as f64, "nodes", "at most 256")
            .unless(samples <= 256)?;
        Ok(Self {
            config,
            me: None,
            leaves: Vec::new(),
            table: Vec::new(),
            version: 0,
            contact: None,
            unchanged: 0,
            converged: false,
        })
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

impl<I: PeerId, const M: usize> State<I, M> {
    /// The leaf set, clockwise from this node: the nodes after it, then those before it.
    pub fn leaves(&self) -> impl ExactSizeIterator<Item = I> {
        self.leaves.iter().map(|leaf| leaf.0.0)
    }

    /// The prefix table: nodes, each with the digits it has in common with this one, and its next.
    pub fn table(&self) -> impl ExactSizeIterator<Item = (I, u32, u64)> {
        self.table.iter().map(|&(peer, at)| {
            let (row, digit) = self.slot(self.me.map_or(0, |me| me.1), at);
            (peer, row, digit)
        })
    }

    /// Who is nearer to `key` than this node, and next on the way to who is nearest: Pastry's
    /// routing. None if nobody known is nearer.
    pub fn next_hop(&self, key: u64) -> Option<I> {
        let here = self.me?.1;
        let known = || self.leaves.iter().map(|leaf| leaf.0).chain(self.table.iter().copied());
        let closest = |peers: &mut dyn Iterator<Item = Stands<I>>| {
            let near = peers.filter(|peer| apart(peer.1, key) < apart(here, key));
            near.min_by_key(|peer| (apart(peer.1, key), peer.0)).map(|peer| peer.0)
        };
        if self.covers(here, key) {
            return closest(&mut self.leaves.iter().map(|leaf| leaf.0));
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
            key.wrapping_sub(first.0.1) <= last.0.1.wrapping_sub(first.0.1)
                && here.wrapping_sub(first.0.1) <= last.0.1.wrapping_sub(first.0.1)
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
        all.extend(self.leaves.iter().map(|leaf| leaf.0).chain(self.table.iter().copied()));
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
    fn settle(&mut self, below: &impl Peers<Id = I>, cx: &mut impl Local<Self>) {
        if self.me.is_none() {
            self.me = Some((cx.me(), position(&cx.me())));
        }
        if self.leaves.len() < self.config.leaves {
            let mut peers = Vec::new();
            below.for_each(|peer, _| peers.push(peer));
            self.learn(peers);
        }
    }

    /// `from` speaks, and names `peers`.
    fn hear(&mut self, from: I, peers: Bounded<I, M>) {
        self.learn(peers.into_iter().chain([from]));
    }

    /// Takes `peers` into leaf set and table, where they belong.
    fn learn(&mut self, peers: impl IntoIterator<Item = I>) {
        let Some((me, here)) = self.me else { return };
        let mut near: Vec<Stands<I>> = self.leaves.iter().map(|leaf| leaf.0).collect();
        let mut changed = false;
        for peer in peers {
            if peer == me {
                continue;
            }
            let known = (peer, position(&peer));
            near.push(known);
            changed |= self.tabulate(here, known);
        }
        let near = nearest(here, near, self.config.leaves);
        if changed || !near.iter().eq(self.leaves.iter().map(|leaf| &leaf.0)) {
            self.relink(near);
        }
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

    /// Leaf set or table is another.
    fn relink(&mut self, near: Vec<Stands<I>>) {
        self.unchanged = 0;
        self.version = self.version.wrapping_add(1);
        let since = |leaf: &Stands<I>| self.leaves.iter().find(|old| old.0 == *leaf);
        let versions: Vec<u64> =
            near.iter().map(|leaf| since(leaf).map_or(self.version, |old| old.1)).collect();
        self.leaves = near.into_iter().zip(versions).collect();
    }

    /// Tells the owner whether all stands.
    fn report(&mut self, cx: &mut impl Local<Self>) {
        self.unchanged = self.unchanged.saturating_add(1);
        let stands = self.unchanged >= SETTLED && !self.leaves.is_empty();
        if stands != self.converged {
            self.converged = stands;
            cx.emit(if stands { Event::Converged } else { Event::Disturbed });
        }
    }

    /// A contact, or one of the nearer half of the leaf set.
    fn choose(&mut self, random: &mut Random) -> Option<I> {
        let me = self.me?;
        if let Some(contact) = self.contact.take().filter(|&contact| contact != me.0) {
            return Some(contact);
        }
        let mut near: Vec<Stands<I>> = self.leaves.iter().map(|leaf| leaf.0).collect();
        near.sort_unstable_by_key(|leaf| (apart(leaf.1, me.1), leaf.0));
        near.truncate(near.len().div_ceil(2));
        random.pick(&near).map(|leaf| leaf.0)
    }
}

impl<I: PeerId, const M: usize> Protocol for State<I, M> {
    type Id = I;
    type Message = Message<I, M>;
    type Event = Event;
    type Command = Command;

    fn wake_at(&self) -> Time {
        Time::NEVER
    }

    fn version(&self) -> u64 {
        self.version
    }
}

impl<I, const M: usize, D> Exchange<D> for State<I, M>
where
    I: PeerId,
    D: Peers<Id = I>,
{
    fn initiate(&mut self, below: &D, cx: &mut impl Local<Self>) -> Option<(I, Message<I, M>)> {
        self.settle(below, cx);
        self.report(cx);
        let partner = self.choose(cx.rng())?;
        Some((partner, self.describe_for(partner, below, cx.rng())))
    }

    fn respond(
        &mut self,
        below: &D,
        from: I,
        request: Message<I, M>,
        cx: &mut impl Local<Self>,
    ) -> Option<Message<I, M>> {
        self.settle(below, cx);
        let reply = self.describe_for(from, below, cx.rng());
        self.hear(from, request.peers);
        Some(reply)
    }

    fn complete(&mut self, _: &D, from: I, reply: Message<I, M>, _: &mut impl Local<Self>) {
        self.hear(from, reply.peers);
    }

    fn abandon(&mut self, _: &D, to: I, _: &mut impl Local<Self>) {
        if self.leaves.is_empty() {
            // A contact, and nobody else is known.
            self.contact = Some(to);
        }
    }

    fn on_contact(&mut self, _: &D, peer: I, _: &mut impl Local<Self>) {
        self.contact = Some(peer);
    }

    fn on_command(
        &mut self,
        below: &D,
        Command::Restart: Command,
        cx: &mut impl Local<Self>,
    ) -> Result<Receipt, Refusal> {
        self.table.clear();
        self.relink(Vec::new());
        self.settle(below, cx);
        Ok(Receipt::default())
    }
}

impl<I: PeerId, const M: usize> Peers for State<I, M> {
    type Id = I;

    fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.leaves).map(|leaf| leaf.0.0)
    }

    fn for_each(&self, mut visit: impl FnMut(I, u64)) {
        self.leaves.iter().for_each(|leaf| visit(leaf.0.0, leaf.1));
    }

    fn degree(&self) -> usize {
        self.leaves.len()
    }
}

/// Chord's lookups run over it, too.
impl<I: PeerId, const M: usize> RingView for Bootstrap<I, M> {
    type Id = I;

    fn position(&self) -> Option<u64> {
        self.me.map(|me| me.1)
    }

    fn for_each_position(&self, mut visit: impl FnMut(I, u64)) {
        self.leaves.iter().for_each(|leaf| visit(leaf.0.0, leaf.0.1));
        let is_leaf = |peer| self.leaves.iter().any(|leaf| leaf.0.0 == peer);
        let others = self.table.iter().filter(|known| !is_leaf(known.0));
        others.for_each(|known| visit(known.0, known.1));
    }

    fn position_of(&self, peer: I) -> Option<u64> {
        Some(position(&peer))
    }
}

/// How many entries are missing among `nodes`: of their leaf sets, and of their prefix tables. None
/// are when it is perfect.
///
/// It looks at all nodes at once, as only a simulation can.
///
/// ```
/// use gossip_overlay::{Bootstrap, bootstrap};
///
/// let alone = Bootstrap::<u32, 40>::new(bootstrap::Config::default())?;
/// assert_eq!(bootstrap::missing([(0, &*alone)]), (0, 0));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn missing<'a, I: PeerId, const M: usize>(
    nodes: impl IntoIterator<Item = (I, &'a State<I, M>)>,
) -> (usize, usize) {
    let mut all: Vec<(u64, I, &State<I, M>)> =
        nodes.into_iter().map(|(peer, state)| (position(&peer), peer, state)).collect();
    all.sort_unstable_by_key(|node| (node.0, node.1));
    let n = all.len();
    let (mut leaves, mut table) = (0, 0);
    for (at, &(here, _, state)) in all.iter().enumerate() {
        let half = (state.config.leaves / 2).min(n - 1);
        let wanted = (1..=half).flat_map(|by| [(at + by) % n, (at + n - by) % n]);
        let wanted: BTreeSet<I> = wanted.map(|at| all[at].1).collect();
        leaves += wanted.iter().filter(|&&peer| state.leaves().all(|leaf| leaf != peer)).count();
        let bits = state.config.bits;
        // One row after the other, until nobody else shares the prefix.
        for row in 0..64 / bits {
            let (shift, prefix) = (64 - bits * (row + 1), bits * row);
            let first = if prefix == 0 { 0 } else { here >> (64 - prefix) << bits };
            let holds = |digit: u64| {
                let low = (first | digit) << shift;
                let high = low | ((1 << shift) - 1);
                let from = all.partition_point(|node| node.0 < low);
                all.partition_point(|node| node.0 <= high) - from
            };
            let own = here >> shift & ((1 << bits) - 1);
            for digit in (0..1 << bits).filter(|&digit| digit != own) {
                let wanted = holds(digit).min(state.config.alternatives);
                let has = state.table().filter(|known| (known.1, known.2) == (row, digit)).count();
                table += wanted.saturating_sub(has);
            }
            if holds(own) == 1 {
                break;
            }
        }
    }
    (leaves, table)
}
