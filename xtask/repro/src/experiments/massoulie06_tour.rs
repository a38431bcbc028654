//! Random Tour: what tours say, how they spread, and which come home under loss.

use core::time::Duration;

use gossip_aggregate::tour::{Config, Tour};
use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::observe::Graph;
use gossip_core::sim::{Neighbourhood, topology};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `massoulie06-tour`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Massoulie06Tour;

static PARAMS: [Param; 5] = [
    Param::int("n", 1_000, 10..=100_000, "nodes", "network size"),
    Param::choice("graph", "regular", &["regular", "heterogeneous"], "what the tours walk on"),
    Param::int("degree", 10, 3..=100, "links", "of each node, or at most"),
    Param::int("tours", 2_000, 100..=100_000, "tours", "begun by the first node"),
    Param::float("loss", 0.0, 0.0..=0.5, "of the steps", "share that is lost"),
];

static METRICS: [Metric; 3] = [
    Metric::mean("estimate", "mean of the tours that come home, over n"),
    Metric::mean("variance", "of them, over n^2"),
    Metric::mean("home", "share of the tours that come home"),
];

impl Experiment for Massoulie06Tour {
    fn id(&self) -> &'static str {
        "massoulie06-tour"
    }

    fn summary(&self) -> &'static str {
        "Random Tour: bias and variance of counts by walks that come home"
    }

    fn source(&self) -> &'static str {
        "Massoulie, Le Merrer, Kermarrec, Ganesh, Peer counting and sampling in overlay networks: \
         random walk methods, PODC 2006, section 3"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        4
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        graph(params, 1).map(drop)
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let nodes = params.count("n");
        let all = (0..nodes as u32).map(|at| {
            // A tour ends in the cycle in which it begins, or never.
            let every = u32::from(at == 0);
            let config = Config { every, tours: 8, patience: 1, ..Config::default() };
            Tour::<u32>::new(config).expect("within the bounds")
        });
        let below = Neighbourhood::new(graph(params, seed).expect("checked"));
        let link = Network::new(Latency::Constant(Duration::ZERO));
        let link = link.loss(params.float("loss")).expect("a probability");
        let mut sim = Simulation::with(all, seed, Order::Sequential, below, link);
        let (mut taken, mut said) = (0, Vec::new());
        for _ in 0..params.int("tours") {
            sim.step();
            let tour = sim.node(0).expect("nobody dies");
            if tour.taken() > taken {
                taken = tour.taken();
                said.extend(tour.tours().last().map(|said| said / nodes as f64));
            }
        }
        let count = said.len() as f64;
        let mean = said.iter().sum::<f64>() / count;
        let squares: f64 = said.iter().map(|one| (one - mean) * (one - mean)).sum();
        vec![
            Sample::new("estimate", mean),
            Sample::new("variance", squares / (count - 1.0)),
            Sample::new("home", count / params.int("tours") as f64),
        ]
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let (tours, degree) = (4.0 * params.int("tours") as f64, params.int("degree") as f64);
        let regular = params.choice("graph") == "regular";
        let away = (degree - 1.0) / (degree - 2.0);
        let variance = 2.0 * away - 1.0;
        let (n, loss) = (params.int("n") as f64, params.float("loss"));
        match metric {
            "home" if regular => {
                // One tour in d - 1 comes home at once, in two steps or a few more; the others take
                // Z n steps and are exponential.
                let soon = 1.0 - 1.0 / away;
                let home = soon * (1.0 - 3.0 * loss) + (1.0 - soon) / (1.0 + loss * away * n);
                let tolerance = 4.0 * libm::sqrt(home * (1.0 - home) / tours) + 0.02 * loss * n;
                let source = "E (1 - p)^length, lengths by the graph's degree; derived";
                Some(Published { value: home, tolerance: tolerance.min(0.1), source })
            }
            "estimate" if loss == 0.0 => {
                let sd = libm::sqrt(if regular { variance } else { 1.5 } / tours);
                Some(Published { value: 1.0, tolerance: 4.0 * sd, source: "section 3: no bias" })
            }
            "variance" if regular && loss == 0.0 => Some(Published {
                value: variance,
                tolerance: variance * (12.0 / libm::sqrt(tours) + 0.05),
                source: "2 Z - 1, Z = (d - 1) / (d - 2), derived",
            }),
            _ => None,
        }
    }
}

fn graph(params: &Params, seed: u64) -> Result<Graph, String> {
    let (nodes, degree) = (params.int("n") as u32, params.int("degree") as u32);
    let key = Key::new(seed);
    let graph = match params.choice("graph") {
        "regular" => topology::random_regular(nodes, degree, key),
        _ => topology::heterogeneous(nodes, degree, key),
    };
    graph.map_err(|error| format!("`graph`, `degree`, `n`: {error}"))
}
