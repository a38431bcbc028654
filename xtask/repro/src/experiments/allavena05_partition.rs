//! How long views that are rebuilt from scratch keep an overlay in one part.

use gossip_core::random::Key;
use gossip_core::sampling::{Allavena, allavena::Config};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::sim::topology;

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};
use xtask_repro::wiring::CAPACITY;

/// `allavena05-partition`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allavena05Partition;

static PARAMS: [Param; 6] = [
    Param::int("n", 32, 3..=100_000, "nodes", "network size"),
    Param::int("k", 2, 1..=CAPACITY as i64, "peers", "view size, below n"),
    Param::int("fanout", 2, 1..=CAPACITY as i64, "peers", "views pulled in a round, at most k"),
    Param::float("w", 0.5, 0.0..=1.0, "of the places", "weight of reinforcement"),
    Param::int("cycles", 200, 1..=1_000_000, "rounds", "after which in-degrees are measured"),
    Param::int("limit", 10_000, 0..=10_000_000, "rounds", "after which no partition is awaited"),
];

static METRICS: [Metric; 5] = [
    Metric::median("partition", "rounds until the overlay falls apart, infinite after the limit"),
    Metric::mean("parted", "share of runs in which it does within the limit"),
    Metric::mean("indegree_sd", "standard deviation of in-degrees over nodes"),
    Metric::mean("indegree_max", "the largest in-degree"),
    Metric::mean("unknown", "nodes that nobody knows"),
];

impl Experiment for Allavena05Partition {
    fn id(&self) -> &'static str {
        "allavena05-partition"
    }

    fn summary(&self) -> &'static str {
        "time to partition and in-degrees, with and without reinforcement"
    }

    fn source(&self) -> &'static str {
        "Allavena, Demers, Hopcroft, Correctness of a gossip based membership protocol, PODC 2005, \
         sections 2 and 4"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        20
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        let (n, k, fanout) = (params.int("n"), params.int("k"), params.int("fanout"));
        if k >= n {
            return Err(format!("`k` = {k} must be below `n` = {n}: a node knows others only"));
        }
        if fanout > k {
            return Err(format!("`fanout` = {fanout} must not exceed `k` = {k} peers"));
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let mut sim = started(params, seed);
        let (cycles, limit) = (params.int("cycles") as u32, params.int("limit") as u32);
        let (mut parted, mut samples) = (None, Vec::new());
        for round in 1..=cycles.max(limit) {
            if round > cycles && parted.is_some() {
                break;
            }
            sim.step();
            let waits = parted.is_none() && round <= limit;
            if !waits && round != cycles {
                continue;
            }
            let graph = Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(node))));
            if waits && !graph.undirected().is_connected() {
                parted = Some(round);
            }
            if round == cycles {
                let unknown = graph.in_degrees().iter().filter(|&&degree| degree == 0).count();
                samples.push(Sample::new("indegree_sd", graph.in_degree().sd));
                samples.push(Sample::new("indegree_max", graph.in_degree().max));
                samples.push(Sample::new("unknown", unknown as f64));
            }
        }
        samples.push(Sample::new("partition", parted.map_or(f64::INFINITY, f64::from)));
        samples.push(Sample::new("parted", f64::from(u8::from(parted.is_some()))));
        samples
    }

    /// The paper proves orders of magnitude; these are an independent simulation's, w = 1/2.
    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let source = "independent simulation";
        let nodes = (params.int("n"), params.int("k"), params.int("fanout"));
        if params.float("w") != 0.5 {
            return None;
        }
        match (metric, nodes) {
            ("indegree_sd", (1_000, 20, 3)) if params.int("cycles") >= 40 => {
                Some(Published { value: 8.0, tolerance: 1.5, source })
            }
            // Times are about exponential, so medians of 20 runs spread widely: 40 to 1500.
            ("partition", (32, 2, 2)) if params.int("limit") >= 1_500 => {
                Some(Published { value: 770.0, tolerance: 730.0, source })
            }
            ("parted", (32, 3, 2)) if params.int("limit") <= 10_000 => {
                Some(Published { value: 0.0, tolerance: 0.0, source })
            }
            _ => None,
        }
    }
}

/// Nodes that know random others.
fn started(params: &Params, seed: u64) -> Simulation<Allavena<u32, CAPACITY>> {
    let (nodes, size) = (params.int("n") as u32, params.count("k"));
    let (fanout, reinforcement) = (params.count("fanout"), params.float("w"));
    let node = Allavena::new(Config { size: Some(size), fanout, reinforcement });
    let node = node.expect("within the capacity");
    let known = topology::k_out(nodes, size as u32, Key::new(seed).with(VIEWS));
    let known = known.expect("a view is smaller than the network");
    let states = (0..nodes).map(|at| {
        let mut node = node.clone();
        known.known_to(at).iter().for_each(|&peer| {
            node.introduce(peer);
        });
        node
    });
    // In lockstep, as the paper: all begin a round, then all messages arrive.
    Simulation::new(states, seed, Order::Blocked(usize::MAX))
}

/// Names the randomness of the first views.
const VIEWS: u64 = gossip_core::id::hash(b"xtask::repro::allavena05_partition");
