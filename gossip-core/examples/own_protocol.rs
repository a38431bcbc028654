//! A protocol of your own, from nothing to both simulators: the highest reading of all nodes.
//!
//! ```text
//! cargo run --release -p gossip-core --example own_protocol
//! ```
//!
//! Four steps: what travels (`message!`), what a node holds and how it behaves ([`Protocol`],
//! [`Layer`]), over which layers it stands (`stack!`), and a simulation. The same stack runs on
//! sockets with `gossip_net`.
//!
//! # In scenario files
//!
//! `cargo xtask sim` knows stacks by name, so a protocol that is to be swept, replicated and plotted
//! by it is registered there, in three steps: implement `Application` for it (or `Sampler`, if it
//! is a source of peers) in `xtask/src/sim/applications.rs`: its name, how a node is built from the
//! scenario's keys, what its estimate is; add that name and its keys to `xtask/src/sim/schema.rs`;
//! and add its type to the list in `xtask/src/sim/registry.rs`, one line. All drivers, networks,
//! dynamics, observers and outputs then work with it.

use core::marker::PhantomData;
use core::time::Duration;

use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::cycle::{self, Order};
use gossip_core::sim::event;
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::observe::{Graph, Spread, neighbours};
use gossip_core::{
    Context, Layer, Nothing, ParameterError, PeerId, Peers, Protocol, Receipt, Refusal, message,
    stack,
};

message! {
    /// What travels: bounded, so that every driver knows that it fits a datagram.
    #[derive(Copy, PartialEq)]
    pub enum Word {
        /// The highest reading that the sender knows of.
        Told(u32),
        /// The same, from somebody who was told of a lower one. Nobody answers an answer.
        Answer(u32),
    }
}

message! {
    /// What the owner may ask: takes a new reading.
    #[derive(Copy, PartialEq)]
    pub struct Read(pub u32);
}

/// A node's part: it tells a random peer in each round.
///
/// It has no clock, no socket and no randomness of its own: the [`Context`] of each call has.
#[derive(Clone, Debug)]
pub struct Highest<I> {
    known: u32,
    id: PhantomData<fn() -> I>,
}

impl<I> Highest<I> {
    /// A node with this reading.
    pub const fn new(reading: u32) -> Self {
        Self { known: reading, id: PhantomData }
    }

    /// The highest reading that this node knows of.
    pub const fn known(&self) -> u32 {
        self.known
    }
}

impl<I: PeerId> Protocol for Highest<I> {
    type Id = I;
    type Message = Word;
    type Event = Nothing;
    type Command = Read;
}

/// Over any source of peers `D`: this is all it asks of the layer below.
impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Highest<I> {
    fn on_round(&mut self, below: &D, cx: &mut impl Context<Self>) {
        if let Some(peer) = below.sample(cx.rng()) {
            cx.send(peer, Word::Told(self.known));
        }
    }

    fn on_message(&mut self, _: &D, from: I, word: Word, cx: &mut impl Context<Self>) {
        match word {
            Word::Told(told) if told < self.known => cx.send(from, Word::Answer(self.known)),
            Word::Told(told) | Word::Answer(told) => self.known = self.known.max(told),
        }
    }

    fn on_command(
        &mut self,
        _: &D,
        Read(reading): Read,
        _: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.known = self.known.max(reading);
        Ok(Receipt::default())
    }
}

stack! {
    /// The protocol over Cyclon: to try another sampler, change one line.
    #[derive(Clone, Debug)]
    pub struct Node<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        highest: Highest<I>,
    }
}

const NODES: u32 = 1_000;

/// Node i has read i.
fn node(number: u32) -> Result<Node<u32>, ParameterError> {
    Ok(Node::new(Cyclon::new(cyclon::Config::default())?, Highest::new(number)))
}

/// How many nodes know of a reading of `least` or more.
fn informed<'a>(nodes: impl Iterator<Item = (u32, &'a Node<u32>)>, least: u32) -> usize {
    nodes.filter(|(_, node)| node.highest.known() >= least).count()
}

/// Cycles: no time and no bytes, for a million nodes. Returns when all knew of the first peak, and
/// of one that was read after half had died and a hundred had joined.
fn in_cycles(seed: u64) -> Result<(u32, u32), ParameterError> {
    let nodes = (0..NODES).map(node).collect::<Result<Vec<_>, _>>()?;
    let mut sim = cycle::Simulation::new(nodes, seed, Order::Sequential);
    (1..NODES).for_each(|node| sim.contact(node, 0));
    while informed(sim.nodes(), NODES - 1) < sim.live() {
        sim.step();
    }
    let first = sim.cycle();

    // Dynamics: half of the nodes die, others come.
    sim.kill_all((0..NODES).step_by(2));
    for number in NODES..NODES + 100 {
        let newcomer = sim.join(node(0)?);
        assert_eq!(newcomer, number);
        sim.contact(newcomer, 1);
    }
    sim.command(1, <Node<u32> as Protocol>::Command::highest(Read(5_000))).expect("it lives");
    while informed(sim.nodes(), 5_000) < sim.live() {
        sim.step();
    }
    let second = sim.cycle() - first;

    // Observers: what the overlay looks like, and what the nodes hold.
    let graph = Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(&*node.peers))));
    let held = Spread::of(sim.nodes().map(|(_, node)| f64::from(node.highest.known())));
    println!(
        "cycles: all knew after {first}; after a crash of half, after {second} more; in-degrees \
         vary by {:.2}, connected: {}, readings vary by {}",
        graph.in_degree().sd,
        graph.undirected().is_connected(),
        held.sd
    );
    Ok((first, second))
}

/// Virtual time: every message is encoded, packed, lost or late. Returns the seconds it took, and
/// the bytes sent per node and second.
fn in_time(seed: u64, loss: f64) -> Result<(u64, f64), ParameterError> {
    let latency = Latency::Uniform(Duration::from_millis(10), Duration::from_millis(200));
    let network = Network::new(latency).loss(loss)?;
    node(0)?; // its parameters are right
    let make = |number| node(number).expect("the same parameters");
    let mut sim = event::Simulation::new(NODES, make, network, event::Config::seeded(seed))?;
    (1..NODES).for_each(|node| sim.contact(node, 0));
    let mut seconds = 0;
    while informed(sim.nodes(), NODES - 1) < NODES as usize {
        sim.run_for(Duration::from_secs(1));
        seconds += 1;
    }
    let rate = sim.traffic().bytes as f64 / f64::from(NODES) / seconds as f64;
    println!("time: all knew after {seconds} s at a loss of {loss}; {rate:.0} bytes/s a node");
    Ok((seconds, rate))
}

fn main() -> Result<(), ParameterError> {
    in_cycles(42)?;
    in_time(42, 0.0)?;
    in_time(42, 0.2)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Push alone reaches 1,000 nodes in log2 n + ln n + O(1) = 17 rounds (Pittel 1987); answers
    /// make it faster. Beyond twice that something is wrong. The star that the nodes start from
    /// takes Cyclon some rounds more. Seeds 1 to 5.
    #[test]
    fn the_highest_reading_reaches_everybody_in_both_simulators() {
        for seed in 1..=5 {
            let (first, second) = in_cycles(seed).expect("right parameters");
            assert!(first <= 34 && second <= 34, "{first} and {second} cycles, seed {seed}");
        }
        for loss in [0.0, 0.2] {
            let (seconds, _) = in_time(1, loss).expect("right parameters");
            assert!(seconds <= 45, "{seconds} s at a loss of {loss}, seed 1");
        }
    }

    /// The same seed gives the same run.
    #[test]
    fn runs_repeat() {
        assert_eq!(in_cycles(7), in_cycles(7));
        assert_eq!(in_time(7, 0.2), in_time(7, 0.2));
    }
}
