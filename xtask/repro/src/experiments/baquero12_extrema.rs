//! Extrema propagation: the spread of its counts, by how many numbers are kept.

use gossip_aggregate::Spread;
use gossip_aggregate::epoch::Config;
use gossip_aggregate::extrema::Draws;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Network;

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};
use xtask_repro::wiring::Everybody;

/// `baquero12-extrema`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Baquero12Extrema;

static PARAMS: [Param; 4] = [
    Param::int("n", 1_000, 2..=1_000_000, "nodes", "network size"),
    Param::choice("k", "100", &["10", "30", "100", "400"], "numbers kept"),
    Param::float("loss", 0.0, 0.0..=0.9, "of the messages", "share that is lost"),
    Param::int("rounds", 20, 1..=1_000, "rounds", "after which the first node is asked"),
];

static METRICS: [Metric; 3] = [
    Metric::mean("estimate", "count over n"),
    Metric::mean("square", "square of the relative error, times K - 2: 1 at the paper's sd"),
    Metric::mean("agree", "share of the nodes that say the same as the first"),
];

impl Experiment for Baquero12Extrema {
    fn id(&self) -> &'static str {
        "baquero12-extrema"
    }

    fn summary(&self) -> &'static str {
        "extrema propagation: error of a count from the least of random numbers"
    }

    fn source(&self) -> &'static str {
        "Baquero, Almeida, Menezes, Jesus, Extrema propagation, IEEE TPDS 23(4), 2012, section 3"
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
        match params.choice("k") {
            "10" => counted::<10>(params, seed),
            "30" => counted::<30>(params, seed),
            "100" => counted::<100>(params, seed),
            _ => counted::<400>(params, seed),
        }
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let enough = params.int("rounds") >= 20 && params.float("loss") == 0.0;
        let kept: f64 = params.choice("k").parse().ok()?;
        if !enough || params.int("n") > 100_000 {
            return None;
        }
        // Of 200 trials the mean is known to sd / sqrt(200), and a square to sqrt(2 / 200), or
        // more where few numbers make its tail long.
        let sd = 1.0 / libm::sqrt((kept - 2.0) * 200.0);
        let source = "section 3: no bias, a variance of 1 / (K - 2)";
        match metric {
            "estimate" => Some(Published { value: 1.0, tolerance: 4.0 * sd, source }),
            "square" if kept >= 100.0 => Some(Published { value: 1.0, tolerance: 0.45, source }),
            "agree" => Some(Published { value: 1.0, tolerance: 1e-3, source: "a merge" }),
            _ => None,
        }
    }
}

/// What the first node counts of all, by the least of `K` numbers each.
fn counted<const K: usize>(params: &Params, seed: u64) -> Vec<Sample> {
    let nodes = params.int("n") as u32;
    let config = Config::founding(Draws::<K>::counting().salted(seed)).endless();
    let node = Spread::<u32, _>::new(config).expect("an endless epoch has no bounds");
    let network = Network::default().loss(params.float("loss")).expect("a probability");
    let all = vec![node; nodes as usize];
    let mut sim = Simulation::with(all, seed, Order::Sequential, Everybody::of(nodes), network);
    sim.run(params.int("rounds") as u32);
    let first = sim.node(0).and_then(|node| node.value()).expect("a founder has a value");
    let estimate = first.sum() / f64::from(nodes);
    let same = sim.nodes().filter(|(_, node)| node.value() == Some(first)).count();
    let error = estimate - 1.0;
    vec![
        Sample::new("estimate", estimate),
        Sample::new("square", error * error * (K as f64 - 2.0)),
        Sample::new("agree", same as f64 / f64::from(nodes)),
    ]
}
