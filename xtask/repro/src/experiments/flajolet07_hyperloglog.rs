//! HyperLogLog by gossip: the spread of its counts, by how many registers there are.

use gossip_aggregate::Spread;
use gossip_aggregate::epoch::Config;
use gossip_aggregate::hyperloglog::Census;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Network;

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};
use xtask_repro::wiring::Everybody;

/// `flajolet07-hyperloglog`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flajolet07Hyperloglog;

static PARAMS: [Param; 4] = [
    Param::int("n", 2_000, 2..=1_000_000, "nodes", "network size"),
    Param::choice("m", "256", &["16", "64", "256", "1024"], "registers"),
    Param::float("loss", 0.0, 0.0..=0.9, "of the messages", "share that is lost"),
    Param::int("rounds", 20, 1..=1_000, "rounds", "after which the first node is asked"),
];

static METRICS: [Metric; 3] = [
    Metric::mean("estimate", "count over n"),
    Metric::mean("square", "square of the relative error, times M / 1.04^2: 1 at the paper's sd"),
    Metric::mean("agree", "share of the nodes that say the same as the first"),
];

impl Experiment for Flajolet07Hyperloglog {
    fn id(&self) -> &'static str {
        "flajolet07-hyperloglog"
    }

    fn summary(&self) -> &'static str {
        "HyperLogLog by gossip: error of a census by register maximum"
    }

    fn source(&self) -> &'static str {
        "Flajolet, Fusy, Gandouet, Meunier, HyperLogLog, AofA 2007, theorem 1"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        200
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        match params.choice("m") {
            "16" => counted::<16>(params, seed),
            "64" => counted::<64>(params, seed),
            "256" => counted::<256>(params, seed),
            _ => counted::<1_024>(params, seed),
        }
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let registers: f64 = params.choice("m").parse().ok()?;
        let nodes = params.int("n") as f64;
        let enough = params.int("rounds") >= 20 && params.float("loss") == 0.0;
        // Below five halves of M zeros are counted, with a smaller error.
        if !enough || nodes > 100_000.0 || nodes < 5.0 * registers || registers < 64.0 {
            return None;
        }
        let sd = 1.04 / libm::sqrt(registers * 200.0);
        let source = "theorem 1: a relative sd of 1.04 / sqrt(M)";
        match metric {
            "estimate" => Some(Published { value: 1.0, tolerance: 4.0 * sd, source }),
            "square" => Some(Published { value: 1.0, tolerance: 0.45, source }),
            "agree" => Some(Published { value: 1.0, tolerance: 1e-3, source: "a merge" }),
            _ => None,
        }
    }
}

/// What the first node counts of all, by the greatest of `M` registers each.
fn counted<const M: usize>(params: &Params, seed: u64) -> Vec<Sample> {
    let nodes = params.int("n") as u32;
    let config = Config::founding(Census::<M>::salted(seed)).endless();
    let node = Spread::<u32, _>::new(config).expect("an endless epoch has no bounds");
    let network = Network::default().loss(params.float("loss")).expect("a probability");
    let all = vec![node; nodes as usize];
    let mut sim = Simulation::with(all, seed, Order::Sequential, Everybody::of(nodes), network);
    sim.run(params.int("rounds") as u32);
    let first = sim.node(0).and_then(|node| node.value()).expect("a founder has a value");
    let estimate = first.count() / f64::from(nodes);
    let same = sim.nodes().filter(|(_, node)| node.value() == Some(first)).count();
    let error = estimate - 1.0;
    vec![
        Sample::new("estimate", estimate),
        Sample::new("square", error * error * M as f64 / (1.04 * 1.04)),
        Sample::new("agree", same as f64 / f64::from(nodes)),
    ]
}
