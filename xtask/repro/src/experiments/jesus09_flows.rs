//! Averaging by flows under loss: Flow Updating, LiMoSense and Push-Flow.

use std::collections::BTreeSet;

use gossip_aggregate::flow_updating::Config;
use gossip_aggregate::{FlowUpdating, LiMoSense, PushFlow};
use gossip_core::random::Key;
use gossip_core::sim::cycle::Simulation;
use gossip_core::sim::link::Network;
use gossip_core::sim::observe::Graph;
use gossip_core::sim::{Neighbourhood, topology};
use gossip_core::{Layer, Protocol};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `jesus09-flows`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jesus09Flows;

static PARAMS: [Param; 5] = [
    Param::int("n", 1_000, 10..=100_000, "nodes", "network size"),
    Param::int("degree", 10, 4..=64, "links", "mean degree of the random graph"),
    Param::choice(
        "protocol",
        "flow-updating",
        &["flow-updating", "limosense", "push-flow"],
        "which",
    ),
    Param::float("loss", 0.6, 0.0..=0.95, "of the messages", "share that is lost"),
    Param::int("rounds", 200, 1..=100_000, "rounds", "after which the error is measured"),
];

static METRICS: [Metric; 2] = [
    Metric::mean("digits", "-log10 of the root of the mean square error over the mean"),
    Metric::mean("messages", "sent, over n and rounds"),
];

impl Experiment for Jesus09Flows {
    fn id(&self) -> &'static str {
        "jesus09-flows"
    }

    fn summary(&self) -> &'static str {
        "loss-proof averaging: how exact it is under loss"
    }

    fn source(&self) -> &'static str {
        "Jesus, Baquero, Almeida, Fault-tolerant aggregation by Flow Updating, DAIS 2009, section 4"
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

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        match params.choice("protocol") {
            "limosense" => {
                let make = |input| LiMoSense::<u32>::new(Config::of(input)).expect("finite");
                measured(params, seed, make, LiMoSense::estimate)
            }
            "push-flow" => {
                let make = |input| PushFlow::<u32>::new(Config::of(input)).expect("finite");
                measured(params, seed, make, PushFlow::estimate)
            }
            _ => {
                let make = |input| FlowUpdating::<u32>::new(Config::of(input)).expect("finite");
                measured(params, seed, make, |node| Some(node.estimate()))
            }
        }
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let like = params.int("n") == 1_000 && params.int("degree") == 10;
        let updating = params.choice("protocol") == "flow-updating";
        if metric != "digits" || !like || !updating || params.int("rounds") != 200 {
            return None;
        }
        // A decade either way is what a graph's gap moves.
        let published = |value| {
            let source = "independent simulation: CV(RMSE) at round 200";
            Some(Published { value, tolerance: 1.5, source })
        };
        match params.float("loss") {
            0.0 => published(9.4),
            0.2 => published(13.0),
            0.6 => published(8.3),
            _ => None,
        }
    }
}

/// Names the randomness of inputs and of the graph.
const NAME: u64 = gossip_core::id::hash(b"xtask::repro::jesus09_flows");

/// Random links, half as many a node as its mean degree.
fn graph(params: &Params, seed: u64) -> Graph {
    let nodes = params.count("n");
    let mut random = Key::new(seed).with(NAME).random(0);
    let mut end = || random.below(nodes) as u32;
    let links: BTreeSet<_> = std::iter::repeat_with(|| (end(), end()))
        .filter(|(one, other)| one < other)
        .take(nodes * params.count("degree") / 2)
        .collect();
    let both = links.iter().flat_map(|&(one, other)| [(one, other), (other, one)]);
    topology::edge_list(nodes as u32, &both.collect::<Vec<_>>()).expect("ends are nodes")
}

fn measured<S: Protocol<Id = u32> + Layer<Neighbourhood> + Clone>(
    params: &Params,
    seed: u64,
    make: impl Fn(f64) -> S,
    estimate: impl Fn(&S) -> Option<f64>,
) -> Vec<Sample> {
    let graph = graph(params, seed);
    let input = |at: u32| 100.0 * Key::new(seed).with(NAME).random(1 + u64::from(at)).unit();
    // Who has no link at all has nobody to agree with.
    let linked: Vec<u32> = graph.nodes().filter(|&at| !graph.known_to(at).is_empty()).collect();
    let mean = linked.iter().map(|&at| input(at)).sum::<f64>() / linked.len() as f64;
    let nodes = (0..params.int("n") as u32).map(|at| make(input(at)));
    let network = Network::default().loss(params.float("loss")).expect("a probability");
    let mut sim = Simulation::synchronous(nodes, seed, Neighbourhood::new(graph), network);
    let rounds = params.int("rounds") as u32;
    sim.run(rounds);
    let error = |&at: &u32| {
        let said = sim.node(at).and_then(&estimate).unwrap_or(f64::INFINITY);
        (said / mean - 1.0) * (said / mean - 1.0)
    };
    let square = linked.iter().map(error).sum::<f64>() / linked.len() as f64;
    let digits = -libm::log10(libm::sqrt(square).max(1e-16));
    let sent = sim.sent() as f64 / params.int("n") as f64 / f64::from(rounds);
    vec![Sample::new("digits", digits), Sample::new("messages", sent)]
}
