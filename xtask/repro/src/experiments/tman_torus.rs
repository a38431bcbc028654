//! `tman-torus`: a torus emerges by T-Man, in numbers and as a picture.

use std::fmt::Write;

use gossip_core::ParameterError;
use gossip_core::random::Key;
use gossip_core::sim::Oracle;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_overlay::rank::Torus;
use gossip_overlay::{Ranking, TMan, tman};
use xtask_repro::{Experiment, Metric, Param, Params, Published, Sample};

/// A square torus, from ten random peers each.
#[derive(Debug, Clone, Copy)]
pub(super) struct TmanTorus;

/// The longest message that may be asked for.
const MESSAGE: usize = 64;
/// Peers that each node knows at the start.
const START: usize = 10;
/// Cycles that the picture shows.
const SHOWN: [u32; 5] = [0, 3, 5, 8, 15];

static PARAMS: [Param; 4] = [
    Param::int("side", 32, 4..=512, "nodes", "along either axis"),
    Param::int("m", 20, 1..=MESSAGE as i64, "descriptors", "sent in a message"),
    Param::int("psi", 10, 1..=256, "peers", "nearest, among which partners are chosen"),
    Param::int("cycles", 20, 1..=1_000, "cycles", "run at most; a perfect torus stays"),
];

static METRICS: [Metric; 2] = [
    Metric::median("cycles_to_perfect", "first cycle after which no link is missing"),
    Metric::mean("missing_links", "of the 4 links of each node, those missing"),
];

type Node = TMan<u32, Torus<2>, MESSAGE>;
type Sim = Simulation<Node, Oracle<Node>>;

/// The name of the randomness that the start is drawn from.
const START_PEERS: u64 = 0x7374_6172_7400;

fn start(params: &Params, seed: u64) -> Result<Sim, ParameterError> {
    let side = params.count("side") as u32;
    let n = side * side;
    let config = tman::Config::new(Torus::new([side, side])?)
        .message(params.count("m"))
        .psi(params.count("psi"))
        .degree(4)
        .lifetime(65_535)
        .probes(0)
        .fresh(0);
    let node = |me: u32| {
        let mut node = Node::new(config.clone())?;
        let mut random = Key::new(seed).with(START_PEERS).random(me.into());
        while node.view().len() < START {
            let peer = random.below(n as usize) as u32;
            if peer != me {
                node.inner_mut().introduce(peer);
            }
        }
        Ok(node)
    };
    let nodes = (0..n).map(node).collect::<Result<Vec<_>, ParameterError>>()?;
    let oracle = Oracle::new(n, START, seed, |_: &Node| Some(()));
    Ok(Simulation::with(nodes, seed, Order::Sequential, oracle, Perfect))
}

/// Links of the torus that are in nobody's view.
fn missing(sim: &Sim) -> usize {
    let has = |(me, node): (u32, &Node)| {
        let ranking = node.ranking();
        let here = ranking.place(me, &()).unwrap_or_default();
        let is_near = |to: &(u32, [u32; 2])| Ranking::<u32>::distance(ranking, here, to.1) == 1;
        4 - node.places().filter(is_near).count().min(4)
    };
    sim.nodes().map(has).sum()
}

fn trial(params: &Params, seed: u64) -> Result<Vec<Sample>, ParameterError> {
    let mut sim = start(params, seed)?;
    let mut samples = Vec::new();
    let mut perfect = f64::INFINITY;
    for cycle in 1..=params.count("cycles") as u32 {
        if perfect.is_infinite() {
            sim.step();
        }
        let missing = missing(&sim);
        if missing == 0 {
            perfect = perfect.min(f64::from(cycle));
        }
        samples.push(Sample::at("missing_links", cycle, missing as f64));
    }
    samples.push(Sample::new("cycles_to_perfect", perfect));
    Ok(samples)
}

/// Pixels of a panel, and around it.
const PANEL: u32 = 320;
const MARGIN: u32 = 24;

/// Every node's four best links after some cycles, drawn at the places in the torus: noise at
/// first, a lattice in the end. Links round an edge are not drawn, since they would cross it all.
fn picture(params: &Params, seed: u64) -> Result<String, ParameterError> {
    let mut sim = start(params, seed)?;
    let side = params.count("side") as u32;
    let step = f64::from(PANEL) / f64::from(side);
    let at = |place: u32| (f64::from(place) + 0.5) * step;
    let width = SHOWN.len() as u32 * (PANEL + MARGIN) + MARGIN;
    let height = PANEL + 3 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"16\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (panel, cycle) in (0..).zip(SHOWN) {
        sim.run(cycle - sim.cycle());
        let left = MARGIN + panel * (PANEL + MARGIN);
        let missing = missing(&sim);
        let mut path = String::new();
        for (me, node) in sim.nodes() {
            let Some(here) = node.ranking().place(me, &()) else { continue };
            for (_, to) in nearest(node, here) {
                let round = here.iter().zip(to).any(|(from, to)| from.abs_diff(to) == side - 1);
                if !round {
                    let [x, y, u, v] = [here[1], here[0], to[1], to[0]].map(at);
                    let _ = write!(path, "M{x:.1} {y:.1}L{u:.1} {v:.1}");
                }
            }
        }
        let _ = writeln!(
            svg,
            "<g transform=\"translate({left} {MARGIN})\">\
             <text y=\"-6\">cycle {cycle}: {missing} links missing</text>\
             <rect width=\"{PANEL}\" height=\"{PANEL}\" fill=\"none\" stroke=\"#999\"/>\
             <path d=\"{path}\" stroke=\"#1f77b4\" stroke-width=\"0.7\" \
             stroke-opacity=\"0.5\" fill=\"none\"/></g>"
        );
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// The four of a view that are nearest to `here`.
fn nearest(node: &Node, here: [u32; 2]) -> Vec<(u32, [u32; 2])> {
    let mut all: Vec<(u32, [u32; 2])> = node.places().collect();
    all.sort_unstable_by_key(|to| (Ranking::<u32>::distance(node.ranking(), here, to.1), to.0));
    all.truncate(4);
    all
}

impl Experiment for TmanTorus {
    fn id(&self) -> &'static str {
        "tman-torus"
    }

    fn summary(&self) -> &'static str {
        "a torus emerges by T-Man; --plot draws it at cycles 0, 3, 5, 8 and 15"
    }

    fn source(&self) -> &'static str {
        "Jelasity, Montresor, Babaoglu, T-Man: Gossip-based fast overlay topology construction, \
         Computer Networks 53(13), 2009, sections 2 and 5"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        10
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        trial(params, seed).expect("parameters are within the bounds that the protocol has, too")
    }

    fn picture(&self, params: &Params, seed: u64) -> Option<String> {
        picture(params, seed).ok()
    }

    fn published(&self, params: &Params, metric: &str, cycle: Option<u32>) -> Option<Published> {
        let known = params.are_default_but(&["cycles"]) && params.int("cycles") >= 12;
        (known && metric == "cycles_to_perfect" && cycle.is_none()).then_some(Published {
            value: 7.5,
            tolerance: 1.5,
            source: "2009 algorithm, independent simulation of 5 runs at n=1024: 7,7,8,8,7; \
                     tolerance for the median of at least 5 trials",
        })
    }
}
