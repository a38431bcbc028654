//! `jelasity06-bootstrap`: leaf sets and prefix tables of all nodes at once.

use gossip_core::ParameterError;
use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::{Network, Oracle};
use gossip_overlay::Bootstrap;
use gossip_overlay::bootstrap::{self, Config};
use xtask_repro::{Experiment, Metric, Param, Params, Published, Sample};

/// The bootstrapping service over the ideal sampler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jelasity06Bootstrap;

/// The most nodes that a message names: a leaf set, and a table of 2^18 nodes nearly whole.
const MESSAGE: usize = 192;
/// Peers that each node knows at the start: a leaf set.
const START: usize = 20;

static PARAMS: [Param; 8] = [
    Param::int("n", 1024, 2..=262_144, "nodes", "network size"),
    Param::int("c", 20, 2..=64, "nodes", "in a leaf set; even"),
    Param::int("b", 4, 1..=8, "bits", "of a digit: 1, 2, 4 or 8"),
    Param::int("k", 3, 1..=16, "nodes", "for each prefix in a table"),
    Param::int("cr", 30, 0..=256, "nodes", "random samples that go into a message"),
    Param::float("loss", 0.0, 0.0..=0.9, "probability", "of each message to be lost"),
    Param::int("routes", 1_000, 1..=1_000_000, "routes", "from random nodes, to random keys"),
    Param::int("cycles", 40, 1..=1_000, "cycles", "run at most; what is perfect stays"),
];

static METRICS: [Metric; 4] = [
    Metric::median("cycles_to_perfect", "first cycle after which nothing is missing"),
    Metric::mean("missing_leaves", "entries of leaf sets that are missing, a node"),
    Metric::mean("missing_prefixes", "entries of prefix tables that are missing, a node"),
    Metric::mean("hops_mean", "steps to the node that is nearest to a key, at the end"),
];

type Node = Bootstrap<u32, MESSAGE>;

fn trial(params: &Params, seed: u64) -> Result<Vec<Sample>, ParameterError> {
    let n = params.count("n") as u32;
    let config = Config {
        leaves: params.count("c"),
        bits: params.count("b") as u32,
        alternatives: params.count("k"),
        samples: params.count("cr"),
        repair: None,
    };
    let nodes = (0..n).map(|_| Node::new(config)).collect::<Result<Vec<_>, _>>()?;
    let network = Network::default().loss(params.float("loss"))?;
    let oracle = Oracle::new(n, START, seed, |_: &Node| Some(()));
    let mut sim = Simulation::with(nodes, seed, Order::Sequential, oracle, network);
    let mut samples = Vec::new();
    let mut perfect = f64::INFINITY;
    let each = |count: usize| count as f64 / f64::from(n);
    for cycle in 1..=params.count("cycles") as u32 {
        let mut missing = (0, 0);
        if perfect.is_infinite() {
            sim.step();
            missing = bootstrap::missing(sim.nodes());
        }
        if missing == (0, 0) {
            perfect = perfect.min(f64::from(cycle));
        }
        samples.push(Sample::at("missing_leaves", cycle, each(missing.0)));
        samples.push(Sample::at("missing_prefixes", cycle, each(missing.1)));
    }
    samples.push(Sample::new("cycles_to_perfect", perfect));
    let mut random = Key::new(seed).with(ROUTES).random(0);
    let (mut hops, routes) = (0_u64, params.count("routes"));
    for _ in 0..routes {
        let (mut at, key) = (random.below(n as usize) as u32, random.next_u64());
        // Tables that are not yet perfect may lead in circles.
        for _ in 0..LONGEST {
            let Some(next) = sim.node(at).and_then(|node| node.next_hop(key)) else { break };
            (at, hops) = (next, hops + 1);
        }
    }
    samples.push(Sample::new("hops_mean", hops as f64 / routes as f64));
    Ok(samples)
}

/// Steps of a route, at most.
const LONGEST: u32 = 64;

/// The name of the routes' randomness.
const ROUTES: u64 = 0x726f_7574_6573;

impl Experiment for Jelasity06Bootstrap {
    fn id(&self) -> &'static str {
        "jelasity06-bootstrap"
    }

    fn summary(&self) -> &'static str {
        "leaf sets and prefix tables built together: cycles until all are perfect"
    }

    fn source(&self) -> &'static str {
        "Jelasity, Montresor, Babaoglu, The bootstrapping service, ICDCS workshops 2006, section 5"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        3
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        let (c, b) = (params.int("c"), params.int("b"));
        if c % 2 != 0 {
            return Err(format!("`c` = {c} nodes must be even"));
        }
        if !matches!(b, 1 | 2 | 4 | 8) {
            return Err(format!("`b` = {b} bits must be 1, 2, 4 or 8"));
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        trial(params, seed).expect("parameters are within the bounds that the protocol has, too")
    }

    fn published(&self, params: &Params, metric: &str, cycle: Option<u32>) -> Option<Published> {
        let enough = params.int("cycles") >= 30 && params.int("n") >= 64;
        let known = enough && params.are_default_but(&["n", "loss", "cycles", "routes"]);
        if !known || cycle.is_some() || params.float("loss") > 0.2 {
            return None;
        }
        let digits = libm::log2(params.count("n") as f64) / 4.0;
        match metric {
            "cycles_to_perfect" => Some(Published {
                value: 15.0,
                tolerance: 15.0,
                source: "a few tens of cycles at n=2^14 to 2^18, also with 20 % lost",
            }),
            // The last step may be among the leaves; many keys are found sooner.
            "hops_mean" => Some(Published {
                value: digits,
                tolerance: 1.0,
                source: "log(n) / log(2^b) steps (Rowstron, Druschel, Pastry, 2001, section 2)",
            }),
            _ => None,
        }
    }
}
