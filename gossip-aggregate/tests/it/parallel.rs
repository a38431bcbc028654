//! Averaging in blocks that several threads serve, against its closed form.

use gossip_aggregate::push_pull::Config;
use gossip_aggregate::{Average, Mean};
use gossip_core::Layer;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Latency, Link, Network, Perfect};
use gossip_core::sim::observe::Spread;
use gossip_core::sim::pairs::{Pairs, Selection};
use gossip_core::sim::{Divide, Neighbourhood, World, topology};

const NODES: u32 = 6_400;

/// Averaging over `world`; nodes begin with their numbers.
fn sim<D, L>(seed: u64, order: Order, threads: usize, world: D, link: L) -> Sim<D, L>
where
    D: World<Average<u32>> + Divide,
    L: Link + Divide,
    Average<u32>: Layer<D, Id = u32>,
{
    let nodes = (0..NODES).map(|node| {
        let mean = Mean::of(f64::from(node)).expect("finite");
        Average::new(Config::founding(mean).endless()).expect("valid")
    });
    Simulation::with(nodes, seed, order, world, link).on_threads(threads)
}

type Sim<D, L> = Simulation<Average<u32>, D, L>;

fn uniform(seed: u64) -> Pairs {
    Pairs::new(Selection::Sequential, NODES, seed).expect("valid")
}

fn estimates<D, L>(sim: &Sim<D, L>) -> impl Iterator<Item = f64> {
    sim.nodes().filter_map(|(_, node)| node.running_estimate())
}

/// The geometric mean of the factors by which the variance falls in ten cycles. Before the first,
/// nobody estimates.
fn factor(seed: u64, order: Order, threads: usize) -> f64 {
    let mut sim = sim(seed, order, threads, uniform(seed), Perfect);
    sim.run(1);
    let before = Spread::of(estimates(&sim));
    sim.run(10);
    let after = Spread::of(estimates(&sim));
    let drift = after.mean / before.mean - 1.0;
    assert!(drift.abs() < 1e-12, "seed {seed}: the mean has moved by {drift:e}");
    libm::pow(after.variance() / before.variance(), 0.1)
}

/// Jelasity et al., TOCS 23(3), 2005, section 5: variance falls by 1/(2 sqrt e) a cycle. A request
/// is refused if it goes to a node of the same block, all of which wait for answers. A part p =
/// 1 - B/N of exchanges succeeds, and then (their section 6.2, of failing links: of the node's own
/// exchange p, of a Poisson number of others' with mean p) it falls by (1 - p/2) e^(-p/2).
///
/// N = 6,400, B = 100, seeds 1 to 20. Student's t of 20 exceeds 4.9 with probability 1e-4. A node
/// that is refused asks no other: of second order in B/N, 2.4e-4, which is let.
#[test]
fn variance_falls_as_the_sequential_orders_does() {
    for (order, p) in
        [(Order::Sequential, 1.0), (Order::in_shared_blocks(NODES as usize), 63.0 / 64.0)]
    {
        let expected = (1.0 - p / 2.0) * libm::exp(-p / 2.0);
        let found = Spread::of((1..=20).map(|seed| factor(seed, order, 2)));
        let error = 4.9 * found.sd / libm::sqrt(19.0) + 2.4e-4;
        let off = (found.mean - expected).abs();
        assert!(off < error, "{order:?}: {found:?}, not {expected} +- {error}");
    }
}

/// Estimates are the same to the last bit on any number of threads: with partners from an oracle,
/// and over a graph, where messages are lost and doubled, and nodes die.
#[test]
fn estimates_are_the_same_on_any_number_of_threads() {
    fn run<D, L>(threads: usize, world: D, link: L) -> Vec<u64>
    where
        D: World<Average<u32>> + Divide,
        L: Link + Divide,
        Average<u32>: Layer<D, Id = u32>,
    {
        let mut sim = sim(7, Order::in_shared_blocks(NODES as usize), threads, world, link);
        sim.run(5);
        sim.kill_all((0..NODES).step_by(9));
        sim.run(5);
        estimates(&sim).map(f64::to_bits).collect()
    }
    let graph = topology::ring_lattice(NODES, 20).expect("valid");
    let faulty = || {
        let network = Network::new(Latency::Constant(core::time::Duration::ZERO));
        network.loss(0.1).expect("valid").duplication(0.1).expect("valid")
    };
    let pairs = |threads| run(threads, uniform(7), Perfect);
    let wired = |threads| run(threads, Neighbourhood::new(graph.clone()), faulty());
    let (one, other) = (pairs(1), wired(1));
    assert!(one.len() > 5_000 && other.len() > 5_000);
    for threads in [2, 3, 8] {
        assert!(one == pairs(threads), "an oracle's pairs, {threads} threads");
        assert!(other == wired(threads), "a graph, {threads} threads");
    }
}
