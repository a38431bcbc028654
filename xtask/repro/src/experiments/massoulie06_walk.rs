//! Random walks with and without degree correction: what they sample, and at what cost.

use core::time::Duration;

use gossip_core::random::Key;
use gossip_core::sampling::walk::{Config, Hold, Walk};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::observe::{Graph, Spread};
use gossip_core::sim::{Neighbourhood, topology};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `massoulie06-walk`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Massoulie06Walk;

/// The most walks of a node in a round.
const WALKS: usize = 64;

static PARAMS: [Param; 8] = [
    Param::int("n", 10_000, 3..=1_000_000, "nodes", "network size"),
    Param::choice(
        "graph",
        "heterogeneous",
        &["heterogeneous", "scale-free", "regular", "small-world"],
        "what the walks walk on",
    ),
    Param::int("degree", 10, 1..=1_000, "links", "at most, of a newcomer, or of each"),
    Param::float("time", 10.0, 0.001..=1_000.0, "stays with one link", "walking time T"),
    Param::choice("hold", "degree", &["degree", "even"], "stay by degree, or the same everywhere"),
    Param::choice("origin", "all", &["all", "one"], "who begins walks"),
    Param::int("samples", 100_000, 1..=100_000_000, "walks", "begun in all, about"),
    Param::float("loss", 0.0, 0.0..=0.99, "of the messages", "share that is lost"),
];

static METRICS: [Metric; 5] = [
    Metric::mean("sampled_degree", "mean degree of the samples"),
    Metric::mean("graph_degree", "mean degree of the graph"),
    Metric::mean("messages", "messages in a walk, its answer among them"),
    Metric::mean("returned", "share of the walks that gave a sample"),
    Metric::mean("chi", "chi-square of the samples per degree of freedom: 1 if they are uniform"),
];

impl Experiment for Massoulie06Walk {
    fn id(&self) -> &'static str {
        "massoulie06-walk"
    }

    fn summary(&self) -> &'static str {
        "sampling by random walks with degree correction"
    }

    fn source(&self) -> &'static str {
        "Massoulie, Le Merrer, Kermarrec, Ganesh, Peer counting and sampling in overlay networks: \
         random walk methods, PODC 2006, sections 4.1 and 5"
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
        graph(params, 1).map(drop).map_err(|error| format!("`graph`, `degree`, `n`: {error}"))
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let graph = graph(params, seed).expect("checked");
        let nodes = params.count("n");
        let one = params.choice("origin") == "one";
        let origins = if one { 1 } else { nodes };
        // Enough rounds for all walks, and no more walks in each than that needs.
        let rounds = params.count("samples").div_ceil(origins * WALKS);
        let walks = params.count("samples").div_ceil(origins * rounds).min(WALKS);
        let config = config(params);
        let states = graph.nodes().map(|at| {
            let walks = if one && at > 0 { 0 } else { walks };
            Walk::<u32, WALKS>::new(Config { walks, ..config }).expect("within the bounds")
        });
        let states: Vec<_> = states.collect();
        let link = Network::new(Latency::Constant(Duration::ZERO));
        let link = link.loss(params.float("loss")).expect("a probability");
        let below = Neighbourhood::new(graph.clone());
        let mut sim = Simulation::with(states, seed, Order::Sequential, below, link);
        let mut cells = vec![0_u32; nodes];
        let mut taken = vec![0; origins];
        for _ in 0..rounds {
            sim.step();
            for (before, (_, node)) in taken.iter_mut().zip(sim.nodes()) {
                let new = (node.taken() - *before) as usize;
                node.samples().take(new).for_each(|peer| cells[peer as usize] += 1);
                *before = node.taken();
            }
        }
        let begun = (origins * rounds * walks) as f64;
        let returned = f64::from(cells.iter().sum::<u32>());
        let degrees: f64 =
            (0..).zip(&cells).map(|(at, &n)| degree(&graph, at) * f64::from(n)).sum();
        // With one origin, which is not its own sample, the others are all there is.
        let cells = if one { &cells[1..] } else { &cells[..] };
        let expected = returned / cells.len() as f64;
        let squares = cells.iter().map(|&n| (f64::from(n) - expected) * (f64::from(n) - expected));
        let chi = squares.sum::<f64>() / expected / (cells.len() - 1) as f64;
        vec![
            Sample::new("sampled_degree", degrees / returned),
            Sample::new(
                "graph_degree",
                Spread::of(graph.nodes().map(|at| degree(&graph, at))).mean,
            ),
            Sample::new("messages", sim.sent() as f64 / begun),
            Sample::new("returned", returned / begun),
            Sample::new("chi", chi),
        ]
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let paper = params.choice("graph") == "heterogeneous" && params.int("degree") == 10;
        if !paper || params.int("n") < 1_000 || params.float("loss") > 0.0 {
            return None;
        }
        let by_degree = params.choice("hold") == "degree";
        let time = params.float("time");
        match metric {
            "graph_degree" => Some(Published {
                value: 7.2,
                tolerance: 0.1,
                source: "section 5; the mean of the paper's graph",
            }),
            "sampled_degree" if by_degree && time >= 10.0 => Some(Published {
                value: 7.2,
                tolerance: 0.1,
                source: "section 4.1: uniform, so the mean of the graph",
            }),
            "sampled_degree" if !by_degree && time >= 10.0 => Some(Published {
                value: 8.03,
                tolerance: 0.1,
                source: "independent simulation, without correction",
            }),
            "messages" if by_degree && params.choice("origin") == "all" => Some(Published {
                value: 7.2 * time + 1.0,
                tolerance: 0.13 * time,
                source: "section 4.1: T times the mean degree, and an answer",
            }),
            _ => None,
        }
    }
}

fn degree(graph: &Graph, node: u32) -> f64 {
    graph.known_to(node).len() as f64
}

fn config(params: &Params) -> Config {
    Config {
        time: params.float("time"),
        hold: if params.choice("hold") == "even" { Hold::Even } else { Hold::ByDegree },
        // A walk that is lost is no longer waited for in the next round: none flows over a round.
        patience: 1,
        longest: u16::MAX,
        ..Config::default()
    }
}

fn graph(params: &Params, seed: u64) -> Result<Graph, gossip_core::ParameterError> {
    let (nodes, degree) = (params.int("n") as u32, params.int("degree") as u32);
    let key = Key::new(seed).with(GRAPH);
    match params.choice("graph") {
        "scale-free" => topology::barabasi_albert(nodes, degree, key),
        "regular" => topology::random_regular(nodes, degree, key),
        "small-world" => topology::watts_strogatz(nodes, degree, 0.1, key),
        _ => topology::heterogeneous(nodes, degree, key),
    }
}

/// Names the randomness of the graph.
const GRAPH: u64 = gossip_core::id::hash(b"xtask::repro::massoulie06_walk");
