//! HyParView's overlay, and what floods over it reach after many nodes have crashed at once.

use core::marker::PhantomData;

use gossip_core::random::Key;
use gossip_core::sampling::{HyParView, hyparview};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::{Context, Layer, Nothing, PeerId, Peers, Protocol, Receipt, Refusal, stack};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `leitao07-hyparview`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leitao07Hyparview;

/// The most links, and the most spares, in this experiment.
const ACTIVE: usize = 16;
const PASSIVE: usize = 64;

static PARAMS: [Param; 10] = [
    Param::int("n", 10_000, 2..=1_000_000, "nodes", "network size"),
    Param::int("active", 5, 1..=ACTIVE as i64, "peers", "active view size"),
    Param::int("passive", 30, 1..=PASSIVE as i64, "peers", "passive view size"),
    Param::int("arwl", 6, 0..=64, "steps", "how far a newcomer is carried"),
    Param::int("prwl", 3, 0..=64, "steps", "with how many left it becomes a spare, at most arwl"),
    Param::int("cycles", 50, 1..=10_000, "cycles", "before the crash"),
    Param::float("failed", 0.8, 0.0..=0.99, "of the nodes", "share that crashes at once"),
    Param::choice("detection", "all", &["all", "senders"], "who notices a dead neighbour"),
    Param::int("floods", 100, 1..=10_000, "messages", "sent before the next cycle"),
    Param::int("healing", 2, 0..=1_000, "cycles", "after which floods are sent again"),
];

static METRICS: [Metric; 9] = [
    Metric::mean("full", "share of nodes whose active view is full, before the crash"),
    Metric::mean("one_sided", "links that only one end has, before the crash"),
    Metric::mean("path", "average path length, before the crash"),
    Metric::mean("clustering", "clustering coefficient, before the crash"),
    Metric::mean("largest", "share of the living in the largest part left by the crash"),
    Metric::mean("reliability", "share of the living that a flood reaches after the crash"),
    Metric::mean("first", "the same of the first twentieth of the floods"),
    Metric::mean("last", "the same of the last twentieth"),
    Metric::mean("healed", "the same after the cycles of healing"),
];

impl Experiment for Leitao07Hyparview {
    fn id(&self) -> &'static str {
        "leitao07-hyparview"
    }

    fn summary(&self) -> &'static str {
        "HyParView's overlay, and floods after crashes"
    }

    fn source(&self) -> &'static str {
        "Leitao, Pereira, Rodrigues, HyParView: a membership protocol for reliable gossip-based \
         broadcast, DSN 2007, section 5"
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
        let (arwl, prwl) = (params.int("arwl"), params.int("prwl"));
        if prwl > arwl {
            return Err(format!("`prwl` = {prwl} must not exceed `arwl` = {arwl} steps"));
        }
        if params.float("failed") * params.int("n") as f64 > params.int("n") as f64 - 1.0 {
            return Err("`failed` must leave a node alive".to_owned());
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let mut sim = settled(params, seed);
        let graph = Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(&node.peers))));
        let links = graph.nodes().flat_map(|at| graph.known_to(at).iter().map(move |&to| (at, to)));
        let one_sided = links.filter(|&(at, to)| !graph.known_to(to).contains(&at)).count();
        let full = sim.nodes().filter(|(_, node)| node.peers.degree() == params.count("active"));
        let mut random = Key::new(seed).with(CRASHES).random(0);
        let undirected = graph.undirected();
        let mut samples = vec![
            Sample::new("full", full.count() as f64 / sim.live() as f64),
            Sample::new("one_sided", one_sided as f64),
            Sample::new("path", undirected.paths(40, &mut random).mean),
            Sample::new("clustering", undirected.clustering()),
        ];
        let mut nodes: Vec<u32> = graph.nodes().collect();
        let failed = (params.float("failed") * nodes.len() as f64) as usize;
        sim.kill_all(random.choose(&mut nodes, failed).iter().copied());
        samples.push(Sample::new("largest", largest_part(&sim)));
        let reached = reached(&mut sim, params, 0, &mut random);
        let part = reached.len().div_ceil(20);
        samples.push(Sample::new("reliability", mean(&reached)));
        samples.push(Sample::new("first", mean(&reached[..part])));
        samples.push(Sample::new("last", mean(&reached[reached.len() - part..])));
        sim.run(params.int("healing") as u32);
        samples.push(Sample::new("healed", mean(&self::reached(&mut sim, params, 1, &mut random))));
        samples
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let overlay = params.int("n") == 10_000
            && params.int("active") == 5
            && params.int("passive") == 30
            && params.int("cycles") == 50;
        if !overlay {
            return None;
        }
        let published = |value, tolerance, source| Some(Published { value, tolerance, source });
        match metric {
            // Where newcomers end up varies with how they join: here all at once.
            "path" => published(6.38542, 0.05, "table 1"),
            // Anything up to .002: a random regular graph has .0004.
            "clustering" => published(0.00092, 0.00108, "table 1"),
            "reliability" if params.choice("detection") == "all" => match params.float("failed") {
                failed if failed <= 0.5 => published(1.0, 0.001, "figure 2"),
                failed if failed <= 0.8 => published(1.0, 0.005, "figure 2"),
                failed if failed <= 0.9 => published(1.0, 0.02, "figure 2"),
                0.95 => published(0.9, 0.06, "figure 2"),
                _ => None,
            },
            // A random regular graph without a share of its nodes. The largest part's share of n
            // nodes has an sd of 1/sqrt(n) or so, more near the threshold, which is at .75.
            "largest" if params.choice("detection") == "senders" => {
                let failed = params.float("failed");
                let tolerance = if (0.65..0.85).contains(&failed) { 0.08 } else { 0.02 };
                published(giant(params.int("active"), failed), tolerance, "percolation, derived")
            }
            // Floods start anywhere, and only those from the largest part reach it. Of 20 first
            // ones, in four trials, a share has an sd of .1 at most. What they repair adds to it.
            "first" if params.choice("detection") == "senders" => {
                let share = giant(params.int("active"), params.float("failed"));
                published(share * share, 0.25, "percolation squared, derived")
            }
            _ => None,
        }
    }
}

/// The share of the living in the giant component of a random graph of this degree of which a share
/// of `failed` nodes is gone: 1 - (failed + (1 - failed) u)^degree, where u is the chance that what
/// is behind a link is finite, u = (failed + (1 - failed) u)^(degree - 1).
fn giant(degree: i64, failed: f64) -> f64 {
    let ends = |u: f64, links: i64| libm::pow(failed + (1.0 - failed) * u, links as f64);
    let finite = (0..10_000).fold(0.0, |u, _| ends(u, degree - 1));
    1.0 - ends(finite, degree)
}

/// Names the randomness of crashes and sources.
const CRASHES: u64 = gossip_core::id::hash(b"xtask::repro::leitao07_hyparview");

/// Passes on what is new over every link but the one it came by.
#[derive(Clone, Debug)]
struct Flood<I> {
    latest: u32,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId> Protocol for Flood<I> {
    type Id = I;
    type Message = u32;
    type Event = Nothing;
    type Command = u32;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Flood<I> {
    fn on_round(&mut self, _: &D, _: &mut impl Context<Self>) {}

    fn on_message(&mut self, below: &D, from: I, number: u32, cx: &mut impl Context<Self>) {
        if number > self.latest {
            self.latest = number;
            below.for_each(|peer, _| {
                if peer != from {
                    cx.send(peer, number);
                }
            });
        }
    }

    fn on_command(
        &mut self,
        below: &D,
        number: u32,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.latest = number;
        below.for_each(|peer, _| cx.send(peer, number));
        Ok(Receipt::default())
    }
}

stack! {
    /// A flood over HyParView.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: HyParView<I, ACTIVE, PASSIVE>,
        #[uses(peers)]
        flood: Flood<I>,
    }
}

/// The overlay before the crash: all have joined through node 0 in the first cycle.
fn settled(params: &Params, seed: u64) -> Simulation<Node<u32>> {
    let config = hyparview::Config {
        active: Some(params.count("active")),
        passive: Some(params.count("passive")),
        arwl: params.int("arwl") as u8,
        prwl: params.int("prwl") as u8,
        watch: params.choice("detection") == "all",
        ..hyparview::Config::default()
    };
    let peers = HyParView::new(config).expect("within the capacities");
    let nodes = vec![Node::new(peers, Flood { latest: 0, id: PhantomData }); params.count("n")];
    let mut sim = Simulation::new(nodes, seed, Order::Sequential).telling();
    (1..params.int("n") as u32).for_each(|node| sim.contact(node, 0));
    sim.run(params.int("cycles") as u32);
    sim
}

/// The share of the living in the largest part of the overlay.
fn largest_part(sim: &Simulation<Node<u32>>) -> f64 {
    let graph = Graph::new(sim.nodes().map(|(at, node)| {
        let known = neighbours(&node.peers).into_iter().filter(|&peer| sim.is_alive(peer));
        (at, known.collect::<Vec<u32>>())
    }))
    .undirected();
    let live: Vec<u32> = sim.nodes().map(|(at, _)| at).collect();
    let last = live.last().map_or(0, |&at| at as usize + 1);
    let (mut seen, mut largest) = (vec![false; last], 0);
    for &start in &live {
        let (mut part, mut next) = (Vec::new(), vec![start]);
        while let Some(node) = next.pop() {
            if !core::mem::replace(&mut seen[node as usize], true) {
                part.push(node);
                next.extend(graph.known_to(node));
            }
        }
        largest = largest.max(part.len());
    }
    largest as f64 / live.len() as f64
}

/// The share of the living that floods from random ones of them reach, in order.
fn reached(
    sim: &mut Simulation<Node<u32>>,
    params: &Params,
    series: u32,
    random: &mut gossip_core::Random,
) -> Vec<f64> {
    let live: Vec<u32> = sim.nodes().map(|(at, _)| at).collect();
    let floods = params.int("floods") as u32;
    let flood = |flood| {
        let number = series * floods + flood;
        let source = random.pick(&live).copied().unwrap_or_default();
        let asked = sim.command(source, <Node<u32> as Protocol>::Command::flood(number));
        asked.expect("a flood takes any number");
        let reached = sim.nodes().filter(|(_, node)| node.flood.latest == number).count();
        reached as f64 / live.len() as f64
    };
    (1..=floods).map(flood).collect()
}

fn mean(shares: &[f64]) -> f64 {
    shares.iter().sum::<f64>() / shares.len() as f64
}
