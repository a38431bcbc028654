//! Invariant 1: same seed, same run, bit for bit; and adding a layer moves no other layer's draws.

use core::time::Duration;

use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::cycle::{self, Order};
use gossip_core::sim::event::{self, Config};
use gossip_core::sim::link::{Latency, Network, Perfect};
use gossip_core::{Layer, PeerId, stack};

stack! {
    /// One sampler.
    #[derive(Clone, Debug)]
    pub struct One<I: PeerId> {
        peers: Cyclon<I, 8>,
    }
}

stack! {
    /// The same sampler, and another after and before it.
    #[derive(Clone, Debug)]
    pub struct Three<I: PeerId> {
        before: Cyclon<I, 5>,
        peers: Cyclon<I, 8>,
        #[every(2)]
        after: Cyclon<I, 12>,
    }
}

fn sampler<const C: usize>() -> Cyclon<u32, C> {
    Cyclon::new(cyclon::Config::default()).unwrap()
}

fn one() -> One<u32> {
    One::new(sampler())
}

fn three() -> Three<u32> {
    Three::new(sampler(), sampler(), sampler())
}

/// Views after 30 cycles of 60 nodes, and the trace.
fn cycles<S>(
    seed: u64,
    order: Order,
    make: fn() -> S,
    peers: fn(&S) -> &Cyclon<u32, 8>,
) -> (Vec<Vec<u32>>, u64)
where
    S: Layer<(), Id = u32> + Clone,
{
    let nodes = (0..60).map(|_| make());
    let mut sim = match order {
        Order::Synchronous => cycle::Simulation::synchronous(nodes, seed, (), Perfect),
        order => cycle::Simulation::new(nodes, seed, order),
    }
    .traced();
    for node in 1..60 {
        sim.contact(node, node - 1);
    }
    sim.run(30);
    let views = sim.nodes().map(|(_, node)| peers(node).view(30).map(|peer| peer.0).collect());
    (views.collect(), sim.trace().unwrap())
}

fn events(seed: u64) -> (Vec<Vec<u32>>, u64) {
    let latency = Latency::Exponential(Duration::from_millis(5), Duration::from_millis(40));
    let network = Network::new(latency).loss(0.1).unwrap().duplication(0.1).unwrap();
    let network = network.reordering(0.2).unwrap();
    let mut sim = event::Simulation::new(60, |_| one(), network, Config::seeded(seed)).unwrap();
    for node in 1..60 {
        sim.contact(node, node - 1);
    }
    sim.run_for(Duration::from_secs(20));
    sim.crash(7);
    sim.restart(7).unwrap();
    sim.pause(9);
    sim.run_for(Duration::from_secs(10));
    let views = sim.nodes().map(|(_, node)| node.peers.view(30).map(|peer| peer.0).collect());
    (views.collect(), sim.trace())
}

#[test]
fn same_seed_same_run() {
    for order in [Order::Sequential, Order::Synchronous, Order::Blocked(16)] {
        let run = |seed| cycles(seed, order, one, |node| &node.peers);
        assert_eq!(run(5), run(5), "{order:?}");
        assert_ne!(run(5), run(6), "{order:?}: the seed has no effect");
    }
    assert_eq!(events(5), events(5));
    assert_ne!(events(5), events(6), "the seed has no effect");
}

/// The same values on every platform and in every version. If a change of the protocol or the
/// driver moves them on purpose, say so in the changelog: it moves everybody's golden traces.
#[test]
fn golden_traces() {
    let trace = |order| cycles(42, order, one, |node| &node.peers).1;
    assert_eq!(trace(Order::Sequential), SEQUENTIAL, "sequential");
    assert_eq!(trace(Order::Synchronous), SYNCHRONOUS, "synchronous");
    assert_eq!(trace(Order::Blocked(16)), BLOCKED, "blocked");
    assert_eq!(events(42).1, EVENTS, "events");
}

const SEQUENTIAL: u64 = 11821316381169268504;
const SYNCHRONOUS: u64 = 10185951621987648633;
const BLOCKED: u64 = 12512266570125909835;
const EVENTS: u64 = 9970870826902495511;

#[test]
fn adding_a_layer_moves_no_other_layers_draws() {
    for order in [Order::Sequential, Order::Synchronous] {
        let alone = cycles(3, order, one, |node| &node.peers).0;
        let among = cycles(3, order, three, |node| &node.peers).0;
        assert_eq!(alone, among, "{order:?}");
    }
}

/// Blocks of one are the sequential order: this also is the test of the prefetch, which must
/// change nothing.
#[test]
fn blocked_is_sequential_in_blocks_of_one() {
    let run = |order| cycles(11, order, one, |node| &node.peers);
    assert_eq!(run(Order::Blocked(1)), run(Order::Sequential));
}
