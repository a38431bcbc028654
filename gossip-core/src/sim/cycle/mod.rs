//! Rounds without time or bytes: the driver for large runs and for the papers' closed forms.
//!
//! A cycle is one period of virtual time. Papers differ in what happens inside it, and numbers move
//! with that, so the [`Order`] is part of every result:
//!
//! - **Sequential** (PeerSim): every live node acts once a cycle, in freshly shuffled order; each
//!   activation is atomic. Its messages are delivered until none is left, and if an answer was
//!   lost, the node's clock runs on to its own deadlines of this period.
//! - **Synchronous** (Demers, pbcast, lpbcast): all decide on the state at the start of the cycle.
//!   Messages arrive at its end, and are answered from the state at its start, so that what is
//!   learned in this cycle counts as not yet known; an answer (a message back to the sender)
//!   arrives in the same cycle, anything else in the next.
//! - **Blocked**: sequential in blocks, whose cache misses overlap: for speed at sizes beyond the
//!   cache. Within a block exchanges overlap, so about B/N of atomic ones are refused. Several
//!   threads can serve a block at once, with the same result (`Simulation::on_threads`).
//!
//! ```
//! use gossip_core::sampling::Cyclon;
//! use gossip_core::sim::cycle::{Order, Simulation};
//!
//! let nodes = (0..100).map(|_| Cyclon::<u32, 20>::new(Default::default()));
//! let mut sim = Simulation::new(nodes.collect::<Result<Vec<_>, _>>()?, 42, Order::Sequential);
//! for node in 1..100 {
//!     sim.contact(node, 0);
//! }
//! sim.run(50);
//! assert!(sim.nodes().all(|(_, cyclon)| cyclon.view(50).len() == 20));
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

mod context;
mod engine;
mod lives;
pub(super) mod memory;
#[cfg(feature = "std")]
mod parallel;
mod synchronous;

use core::fmt;
use core::mem;
use core::time::Duration;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use self::context::CycleContext;
use self::engine::{Engine, Envelope};
use self::memory::{Bits, Slot, prefetch, room_for};
use super::TraceHash;
use super::events::Events;
use super::link::{Link, Perfect, Trip};
use super::world::{Activation, World};
use crate::counts::Counts;
use crate::packet::BUDGET;
use crate::protocol::{Layer, Protocol, Receipt, Refusal};
use crate::random::{Key, Stream};
use crate::time::Round;
use crate::wire::Wire;

/// What happens inside a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// One node after the other, each activation atomic.
    Sequential,
    /// All on the state at the start of the cycle.
    Synchronous,
    /// This many nodes at a time, so that their cache misses overlap.
    Blocked(usize),
}

impl Order {
    /// Blocks that are worth sharing between threads: a 64th of this many nodes, but at least
    /// [`BLOCK`] and at most 2,048, which fit the cache.
    ///
    /// ```
    /// use gossip_core::sim::cycle::Order;
    /// assert_eq!(Order::in_shared_blocks(100_000), Order::Blocked(1_562));
    /// ```
    pub fn in_shared_blocks(nodes: usize) -> Self {
        Self::Blocked((nodes / 64).clamp(BLOCK, 2_048))
    }
}

/// The block size that is fast on the machines we measured: 64 misses in flight.
pub const BLOCK: usize = 64;

/// The period a cycle stands for, by default.
pub const PERIOD: Duration = Duration::from_secs(1);

/// Wakes served in one activation before the driver takes the layer for stuck, and counts.
const WAKES: usize = 1_000;

/// Serves a cycle, of this schedule in blocks of this size, on so many threads.
type ServeBlocks<T> = fn(&mut T, &[u32], usize, usize);

/// A simulation of nodes `S` over the world `D`, joined by links `L`.
pub struct Simulation<S: Protocol, D = (), L = Perfect> {
    nodes: Vec<Slot<S>>,
    order: Order,
    /// Every node, in the order of the latest cycle.
    schedule: Vec<u32>,
    /// Who lives. Apart from the nodes, so that it stays in the cache.
    alive: Bits,
    /// Who is paused: does not live for now.
    paused: BTreeSet<u32>,
    /// Calls of each node that drew random numbers. Stacks count for their layers, and draw none.
    draws: Vec<u32>,
    /// An empty queue, kept for its memory.
    empty: Vec<Envelope<S::Message>>,
    /// Messages for the next cycle (synchronous order).
    later: Vec<Envelope<S::Message>>,
    /// Copies a node, for the synchronous order.
    copy: Option<fn(&S) -> S>,
    /// How many threads serve a block, and how.
    team: Option<(usize, ServeBlocks<Self>)>,
    engine: Engine<S>,
    world: D,
    link: L,
}

impl<S: Layer<(), Id = u32>> Simulation<S> {
    /// A simulation of `nodes`, over nothing, with perfect links, in the order that `order` names.
    ///
    /// [`Order::Synchronous`] has a constructor of its own, since it copies nodes; here it means
    /// the same as [`Order::Sequential`].
    pub fn new(nodes: impl IntoIterator<Item = S>, seed: u64, order: Order) -> Self {
        Self::with(nodes, seed, order, (), Perfect)
    }
}

impl<S: Layer<D, Id = u32>, D: World<S>, L: Link> Simulation<S, D, L> {
    /// A simulation of `nodes` over `world`, joined by `link`.
    pub fn with(
        nodes: impl IntoIterator<Item = S>,
        seed: u64,
        order: Order,
        world: D,
        link: L,
    ) -> Self {
        const { assert!(S::Message::MAX_LEN <= BUDGET, "a message does not fit a datagram") };
        let made = nodes.into_iter().map(Slot);
        let mut nodes = room_for(made.size_hint().0);
        nodes.extend(made);
        let mut schedule = room_for(nodes.len());
        schedule.extend(0..nodes.len() as u32);
        Self {
            order,
            schedule,
            alive: Bits::all(nodes.len()),
            paused: BTreeSet::new(),
            draws: alloc::vec![0; nodes.len()],
            empty: Vec::new(),
            later: Vec::new(),
            copy: None,
            team: None,
            nodes,
            engine: Engine::new(Key::new(seed)),
            world,
            link,
        }
    }

    /// The same in the synchronous order, which answers from copies of the nodes.
    pub fn synchronous(nodes: impl IntoIterator<Item = S>, seed: u64, world: D, link: L) -> Self
    where
        S: Clone,
    {
        let mut sim = Self::with(nodes, seed, Order::Synchronous, world, link);
        sim.copy = Some(S::clone);
        sim
    }

    /// Keeps a [hash](Self::trace) of all that is delivered from now on.
    pub const fn traced(mut self) -> Self {
        self.engine.trace = Some(TraceHash(0));
        self
    }

    /// Tells senders at once ([`Layer::on_unreachable`]) that whom they addressed is dead, as a
    /// refused connection does. By default only those who watch a node hear of its death.
    pub const fn telling(mut self) -> Self {
        self.engine.telling = true;
        self
    }

    /// Lets `count` cycles pass.
    pub fn run(&mut self, count: u32) {
        for _ in 0..count {
            self.step();
        }
    }

    /// Lets one cycle pass.
    pub fn step(&mut self) {
        self.engine.ahead.clear();
        let mut schedule = mem::take(&mut self.schedule);
        self.engine.draw(SHUFFLE).shuffle(&mut schedule);
        match (self.order, self.copy) {
            (Order::Synchronous, Some(copy)) => self.cycle_synchronous(&schedule, copy),
            (Order::Blocked(size), _) => match self.team {
                Some((threads, cycle)) => cycle(self, &schedule, size.max(1), threads),
                None => self.cycle_blocked(&schedule, size.max(1)),
            },
            _ => self.cycle_sequential(&schedule),
        }
        self.schedule = schedule;
        self.engine.cycle = self.engine.cycle.wrapping_add(1);
        self.engine.began = self.engine.began + self.engine.period;
    }

    fn cycle_sequential(&mut self, schedule: &[u32]) {
        for &node in schedule {
            self.begin(node);
            self.flow();
            self.serve_timers(1);
        }
    }

    fn cycle_blocked(&mut self, schedule: &[u32], size: usize) {
        let mut blocks = schedule.chunks(size).peekable();
        while let Some(block) = blocks.next() {
            // The next block's nodes come while this one's are served, and each partner's while
            // the rest of the block chooses.
            for &node in blocks.peek().copied().unwrap_or_default() {
                prefetch(&self.nodes[node as usize]);
            }
            for &node in block {
                let queued = self.engine.queue.len();
                self.begin(node);
                for envelope in &self.engine.queue[queued..] {
                    prefetch(&self.nodes[envelope.to as usize]);
                }
            }
            self.flow();
            self.serve_timers(usize::MAX);
        }
    }

    /// Delivers what is on its way, and what is sent in answer, until nothing is left.
    #[inline]
    fn flow(&mut self) {
        while !self.engine.queue.is_empty() {
            let empty = mem::take(&mut self.empty);
            let mut wave = mem::replace(&mut self.engine.queue, empty);
            for envelope in wave.drain(..) {
                self.carry(envelope);
            }
            self.empty = wave;
        }
    }

    /// A node's due wakes, then its round.
    #[inline]
    fn begin(&mut self, node: u32) {
        if self.alive.has(node) {
            if self.nodes[node as usize].0.wake_at() <= self.engine.now(node) {
                self.call(node, Activation::Other, |state, below, cx| state.on_wake(below, cx));
            }
            self.call(node, Activation::Round, |state, below, cx| state.on_round(below, cx));
        }
    }

    /// How many copies of `envelope` arrive.
    #[inline]
    fn copies(&mut self, envelope: &Envelope<S::Message>) -> usize {
        if L::PERFECT {
            self.engine.sent += 1;
            return 1;
        }
        let Envelope { from, to, opening, .. } = *envelope;
        let trip = Trip { from, to, at: self.engine.began, len: 0, opening };
        let mut stream = Stream::new(self.engine.key.with(LINK), self.engine.sent);
        self.engine.sent += 1;
        let copies = self.link.carry(&trip, stream.random()).len();
        if copies == 0 {
            self.engine.counts.add("network", "lost");
        }
        copies
    }

    #[inline]
    fn carry(&mut self, envelope: Envelope<S::Message>) {
        let copies = self.copies(&envelope);
        let Envelope { from, to, message, .. } = envelope;
        for _ in 1..copies {
            self.deliver(from, to, message.clone());
        }
        if copies > 0 {
            self.deliver(from, to, message);
        }
    }

    #[inline]
    fn deliver(&mut self, from: u32, to: u32, message: S::Message) {
        if !self.is_alive(to) {
            self.engine.counts.add("network", "to the dead");
            if self.engine.telling && self.is_alive(from) {
                self.call(from, Activation::Other, |state, below, cx| {
                    state.on_unreachable(below, to, cx);
                });
            }
            return;
        }
        self.engine.note(from, to, &message);
        self.call(to, Activation::Other, |state, below, cx| {
            state.on_message(below, from, message, cx);
        });
    }

    /// Calls a node, and offers the room left in each of its datagrams.
    #[inline]
    fn call<R>(
        &mut self,
        node: u32,
        why: Activation,
        handler: impl FnOnce(&mut S, &D, &mut CycleContext<'_, S>) -> R,
    ) -> R {
        let Self { nodes, draws, engine, world, .. } = self;
        let Slot(state) = &mut nodes[node as usize];
        world.enter(node, engine.cycle, why);
        let node_and_draws = (&mut *state, &mut draws[node as usize]);
        let result = engine.call(node, why, node_and_draws, &*world, handler);
        world.leave(node, state);
        result
    }

    /// Runs the clocks of the nodes called in this activation on to their own deadlines within
    /// this period: what a lost answer leaves waiting times out now, not beside its peers' rounds.
    /// Of nodes with the same deadline, `most` are woken before anything is delivered.
    fn serve_timers(&mut self, most: usize) {
        let end = self.engine.began + self.engine.period;
        for _ in 0..WAKES {
            let wake_at = |node: u32| self.nodes[node as usize].0.wake_at();
            let touched = self.engine.touched.iter().copied();
            let next = touched.clone().map(wake_at).min().filter(|&at| at < end);
            let Some(at) = next else { return self.engine.touched.clear() };
            let mut due: Vec<u32> = touched.filter(|&node| wake_at(node) == at).collect();
            due.sort_unstable();
            due.dedup();
            for node in due.into_iter().take(most) {
                self.engine.advance(node, at);
                self.call(node, Activation::Other, |state, below, cx| state.on_wake(below, cx));
            }
            self.flow();
        }
        self.engine.counts.add("driver", "wakes cut short");
        self.engine.touched.clear();
    }

    /// Gives `node` somebody to talk to first.
    pub fn contact(&mut self, node: u32, peer: u32) {
        if self.is_alive(node) {
            self.call(node, Activation::Other, |state, below, cx| {
                state.on_contact(below, peer, cx);
            });
            self.quiesce();
        }
    }

    /// Asks something of `node`.
    ///
    /// # Errors
    ///
    /// The stack's [`Refusal`]; [`Refusal::NoPeers`] for a node that does not live.
    pub fn command(&mut self, node: u32, command: S::Command) -> Result<Receipt, Refusal> {
        if !self.is_alive(node) {
            return Err(Refusal::NoPeers);
        }
        let result = self
            .call(node, Activation::Other, |state, below, cx| state.on_command(below, command, cx));
        self.quiesce();
        result
    }

    /// `node` dies without notice. Whoever watches it is told. Returns whether it lived.
    pub fn kill(&mut self, node: u32) -> bool {
        self.kill_all([node]) == 1
    }

    /// These nodes die at the same moment: whoever watches one of them is told when all are dead.
    /// Returns how many lived.
    pub fn kill_all(&mut self, nodes: impl IntoIterator<Item = u32>) -> usize {
        let mut killed: Vec<u32> = nodes.into_iter().collect();
        killed.retain(|&node| {
            let lived = self.is_alive(node) || self.paused.remove(&node);
            if lived {
                self.alive.clear(node);
                self.world.died(node);
            }
            lived
        });
        for &node in &killed {
            for watcher in self.engine.watches.remove(&node).unwrap_or_default() {
                if self.is_alive(watcher) {
                    self.call(watcher, Activation::Other, |state, below, cx| {
                        state.on_unreachable(below, node, cx);
                    });
                }
            }
        }
        if !killed.is_empty() {
            self.quiesce();
        }
        killed.len()
    }

    /// A new node joins; returns its number.
    pub fn join(&mut self, state: S) -> u32 {
        let node = self.nodes.len() as u32;
        self.nodes.push(Slot(state));
        self.alive.push();
        self.draws.push(0);
        self.schedule.push(node);
        node
    }

    /// Delivers what was sent between cycles; in the synchronous order it waits for the next.
    fn quiesce(&mut self) {
        if self.order == Order::Synchronous {
            self.later.append(&mut self.engine.queue);
        }
        self.flow();
        self.engine.touched.clear();
    }
}

impl<S: Protocol<Id = u32>, D, L> Simulation<S, D, L> {
    /// Cycles passed.
    pub const fn cycle(&self) -> Round {
        self.engine.cycle
    }

    /// The order of its activations.
    pub const fn order(&self) -> Order {
        self.order
    }

    /// Whether `node` exists and lives.
    #[inline]
    pub fn is_alive(&self, node: u32) -> bool {
        self.alive.has(node)
    }

    /// The state of a live node.
    pub fn node(&self, node: u32) -> Option<&S> {
        self.nodes.get(node as usize).filter(|_| self.is_alive(node)).map(|slot| &slot.0)
    }

    /// The state of a live node, to prepare it or to change its input.
    pub fn node_mut(&mut self, node: u32) -> Option<&mut S> {
        let alive = self.is_alive(node);
        self.nodes.get_mut(node as usize).filter(|_| alive).map(|slot| &mut slot.0)
    }

    /// Every live node's number and state.
    pub fn nodes(&self) -> impl Iterator<Item = (u32, &S)> {
        (0..).zip(&self.nodes).filter(|&(at, _)| self.is_alive(at)).map(|(at, slot)| (at, &slot.0))
    }

    /// How many nodes live.
    pub fn live(&self) -> usize {
        self.nodes().count()
    }

    /// What the nodes have told their owners.
    pub const fn events(&mut self) -> &mut Events<S::Event> {
        &mut self.engine.events
    }

    /// What was ignored, refused or lost.
    pub const fn counts(&self) -> &Counts {
        &self.engine.counts
    }

    /// Messages sent since the start.
    pub const fn sent(&self) -> u64 {
        self.engine.sent
    }

    /// The world below the stacks.
    pub const fn world_mut(&mut self) -> &mut D {
        &mut self.world
    }

    /// The link, to change its faults.
    pub const fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }

    /// The hash of all that was delivered, if it is [kept](Self::traced).
    pub fn trace(&self) -> Option<u64> {
        self.engine.trace.map(TraceHash::value)
    }

    /// Bytes the driver and the node take in memory for each node, beside what states hold on the
    /// heap.
    pub const fn bytes_per_node(&self) -> usize {
        mem::size_of::<Slot<S>>() + 2 * mem::size_of::<u32>()
    }
}

impl<S: Protocol, D, L> fmt::Debug for Simulation<S, D, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulation")
            .field("nodes", &self.nodes.len())
            .field("order", &self.order)
            .field("cycle", &self.engine.cycle)
            .finish_non_exhaustive()
    }
}

/// Names of the driver's own randomness; nodes are numbered below 2^32.
const SHUFFLE: u64 = 1 << 32;
const LINK: u64 = 2 << 32;
