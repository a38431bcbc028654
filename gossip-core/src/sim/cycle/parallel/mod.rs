//! The blocked order on several threads: the same run, bit for bit, as on one.
//!
//! ```text
//! own:    every node belongs to one thread, which calls it
//! begin:  the nodes of a block have their rounds, each called by its thread
//! wave:   what was sent is numbered in the order of the calls that sent it, and delivered by the
//!         receivers' threads, by each in that order; what is sent in answer is the next wave,
//!         until a wave is empty
//! timers: the earliest deadlines within this period, then waves, until none is left
//! ```
//!
//! This is what one thread does, too, but for the order of calls of different nodes within a wave.
//! Those change nothing of each other's: a call changes its own node, and what it sends is
//! numbered. What does have an order among all of them (events, watches, the trace) each thread
//! writes down with the number of the call, to be put in order when the cycle is over.
//!
//! Threads meet between waves. The numbers of a wave's messages are sums over what each call of
//! the wave before has sent, which all threads write to one table.

mod layout;
mod meeting;
mod shard;

use std::thread;

use alloc::vec::Vec;

use self::layout::Layout;
use self::meeting::{Parcels, Table};
use self::shard::Shard;
use super::Simulation;
use super::engine::{Engine, Journal};
use super::memory::Bits;
use crate::protocol::{Layer, Protocol};
use crate::sim::divide::Divide;
use crate::sim::link::Link;
use crate::sim::world::World;

/// The most threads that help.
const MOST: usize = 64;

impl<S, D, L> Simulation<S, D, L>
where
    S: Layer<D, Id = u32> + Send,
    S::Message: Send,
    S::Event: Send,
    D: World<S> + Divide,
    L: Link + Divide,
{
    /// Serves blocks on `threads` threads, at most 64. They change the time that it takes, and
    /// nothing else. Orders other than the blocked one know nothing to do at once.
    ///
    /// Blocks should be as [`in_shared_blocks`](super::Order::in_shared_blocks) has them: of
    /// smaller ones, threads wait for each other.
    ///
    /// ```
    /// use gossip_core::sampling::Cyclon;
    /// use gossip_core::sim::cycle::{Order, Simulation};
    ///
    /// let run = |threads| {
    ///     let nodes = (0..1_000).map(|_| Cyclon::<u32, 8>::new(Default::default()).unwrap());
    ///     let order = Order::in_shared_blocks(1_000);
    ///     let mut sim = Simulation::new(nodes, 42, order).on_threads(threads).traced();
    ///     (1..1_000).for_each(|node| sim.contact(node, node - 1));
    ///     sim.run(20);
    ///     sim.trace()
    /// };
    /// assert_eq!(run(1), run(3));
    /// ```
    ///
    /// A world that nodes change for each other, such as an [`Oracle`](crate::sim::Oracle), cannot
    /// be [divided](Divide):
    ///
    /// ```compile_fail
    /// use gossip_core::sampling::Cyclon;
    /// use gossip_core::sim::cycle::{Order, Simulation};
    /// use gossip_core::sim::{Oracle, link::Perfect};
    ///
    /// let nodes = (0..100).map(|_| Cyclon::<u32, 8>::new(Default::default()).unwrap());
    /// let world = Oracle::new(100, 20, 42, |_: &Cyclon<u32, 8>| Some(()));
    /// Simulation::with(nodes, 42, Order::Blocked(64), world, Perfect).on_threads(2);
    /// ```
    pub fn on_threads(mut self, threads: usize) -> Self {
        self.team = (threads > 1).then_some((threads.min(MOST), cycle));
        self
    }
}

/// One cycle on `threads` threads.
fn cycle<S, D, L>(sim: &mut Simulation<S, D, L>, schedule: &[u32], block: usize, threads: usize)
where
    S: Layer<D, Id = u32> + Send,
    S::Message: Send,
    S::Event: Send,
    D: World<S> + Divide,
    L: Link + Divide,
{
    let Simulation { nodes, draws, alive, engine, world, link, .. } = sim;
    let plan = Plan { schedule, block, alive, layout: Layout::new(nodes.len(), threads) };
    let table = Table::new(threads);
    let mut shards: Vec<_> = (0..threads)
        .map(|number| {
            let (world, link) = (world.part(engine.cycle), link.part(engine.cycle));
            Shard::new(number, engine.part(), world, link, &plan, &table)
        })
        .collect();
    let run = plan.layout.run();
    for (at, lent) in nodes.chunks_mut(run).zip(draws.chunks_mut(run)).enumerate() {
        shards[at % threads].lend(lent);
    }
    thread::scope(|scope| {
        let mut shards = shards.iter_mut();
        // The first is this thread's own.
        let own = shards.next();
        for shard in shards {
            scope.spawn(|| shard.work());
        }
        if let Some(shard) = own {
            shard.work();
        }
    });
    let parts: Vec<_> = shards.into_iter().map(Shard::into_engine).collect();
    engine.absorb(parts);
}

/// What threads read of a cycle.
struct Plan<'a> {
    schedule: &'a [u32],
    block: usize,
    alive: &'a Bits,
    layout: Layout,
}

impl<S: Protocol<Id = u32>> Engine<S> {
    /// What serves some of the nodes in this cycle.
    fn part(&self) -> Self {
        Self {
            cycle: self.cycle,
            began: self.began,
            period: self.period,
            trace: self.trace,
            sent: self.sent,
            telling: self.telling,
            journal: Some(Journal { call: (0, 0), entries: Vec::new() }),
            ..Self::new(self.key)
        }
    }

    /// Takes over what became of the parts, in the order of calls.
    fn absorb(&mut self, parts: Vec<Self>) {
        let mut entries = Vec::new();
        for mut part in parts {
            self.counts.merge(&part.counts);
            self.ahead.append(&mut part.ahead);
            // All have counted all.
            self.sent = part.sent;
            entries.extend(part.journal.into_iter().flat_map(|journal| journal.entries));
        }
        // Those of one call are in order already, and of one thread.
        entries.sort_by_key(|entry| entry.0);
        for (_, entry) in entries {
            self.record(entry);
        }
    }
}
