//! Averaging in blocks that several threads serve, against its closed form.

use gossip_aggregate::push_pull::Config;
use gossip_aggregate::{Average, Mean};
use gossip_core::sampling::Complete;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::observe::Spread;
use gossip_core::{PeerId, stack};

stack! {
    /// Averaging with uniform partners.
    #[derive(Debug)]
    pub struct Uniform<I: PeerId> {
        peers: Complete,
        #[uses(peers)]
        load: Average<I>,
    }
}

const NODES: u32 = 6_400;

fn sim(seed: u64, order: Order, threads: usize) -> Simulation<Uniform<u32>> {
    let nodes = (0..NODES).map(|node| {
        let mean = Mean::of(f64::from(node)).expect("finite");
        let load = Average::new(Config::founding(mean).endless()).expect("valid");
        Uniform::new(Complete::new(node, NODES), load)
    });
    Simulation::new(nodes, seed, order).on_threads(threads)
}

fn spread(sim: &Simulation<Uniform<u32>>) -> Spread {
    Spread::of(sim.nodes().filter_map(|(_, node)| node.load.running_estimate()))
}

/// The geometric mean of the factors by which the variance falls in ten cycles.
fn factor(seed: u64, order: Order, threads: usize) -> f64 {
    let mut sim = sim(seed, order, threads);
    let before = spread(&sim);
    sim.run(10);
    let after = spread(&sim);
    assert!((after.mean / before.mean - 1.0).abs() < 1e-12, "seed {seed}: the mean has moved");
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

/// Estimates are the same to the last bit on any number of threads.
#[test]
fn estimates_are_the_same_on_any_number_of_threads() {
    let estimates = |threads| -> Vec<u64> {
        let mut sim = sim(7, Order::in_shared_blocks(NODES as usize), threads);
        sim.run(10);
        let held = sim.nodes().filter_map(|(_, node)| node.load.running_estimate());
        held.map(f64::to_bits).collect()
    };
    let one = estimates(1);
    assert_eq!(one.len(), NODES as usize);
    for threads in [2, 3, 8] {
        assert!(one == estimates(threads), "{threads} threads");
    }
}
