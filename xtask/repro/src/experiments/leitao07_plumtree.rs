//! Plumtree over HyParView's overlay: what broadcasts cost, and what a crash does to them.

use gossip_core::random::Key;
use gossip_core::sampling::{HyParView, hyparview};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Link, Perfect};
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::sim::{Neighbourhood, World};
use gossip_core::{Layer, PeerId, Protocol, stack};
use gossip_dissem::plumtree::{Command, Config, Event, Plumtree, Traffic};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `leitao07-plumtree`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leitao07Plumtree;

static PARAMS: [Param; 6] = [
    Param::int("n", 10_000, 2..=1_000_000, "nodes", "network size"),
    Param::int("cycles", 50, 1..=10_000, "cycles", "in which the overlay settles"),
    Param::int("broadcasts", 10, 3..=1_000, "messages", "before the crash; the last is measured"),
    Param::choice("senders", "one", &["one", "many"], "who publishes"),
    Param::choice("config", "paper", &["paper", "default"], "for links that lose nothing, or may"),
    Param::float("failed", 0.4, 0.0..=0.9, "of the nodes", "share that crashes at once"),
];

static METRICS: [Metric; 12] = [
    Metric::mean("payload", "copies sent in the last broadcast"),
    Metric::mean("links", "of the overlay; the paper's has 24,992.5"),
    Metric::mean("control", "announcements in it; the paper's figure 3: 29,987 for its links"),
    Metric::mean("excess", "of them above two for each link that is not in the tree"),
    Metric::mean("late", "hops of its last delivery above those of a flood"),
    Metric::mean("first", "copies a node of the first broadcast, less 1: redundancy of the flood"),
    Metric::mean(
        "rmr",
        "copies a node too many of the first broadcast after a crash: grafts alone",
    ),
    Metric::mean("grafted", "share of the living that it reaches"),
    Metric::mean("rmr_later", "the same four broadcasts later"),
    Metric::mean(
        "reliability",
        "share of the living that it reaches while the overlay repairs itself",
    ),
    Metric::mean("rmr_repaired", "copies a node too many of it, over links that replace the dead"),
    Metric::mean("rmr_repaired_later", "the same four broadcasts later: views fill up still"),
];

impl Experiment for Leitao07Plumtree {
    fn id(&self) -> &'static str {
        "leitao07-plumtree"
    }

    fn summary(&self) -> &'static str {
        "Plumtree over HyParView: payload and control of broadcasts, and repair after a crash"
    }

    fn source(&self) -> &'static str {
        "Leitao, Pereira, Rodrigues, Epidemic broadcast trees, SRDS 2007, section 4"
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
        let mut samples = settled(params, seed);
        samples.extend(cut(params, seed));
        samples.extend(crashed(params, seed));
        samples
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let paper = params.choice("config") == "paper";
        let published = |value, tolerance, source| Some(Published { value, tolerance, source });
        let nodes = params.int("n") as f64;
        match metric {
            "payload" => published(nodes - 1.0, 0.0, "section 4.2: n - 1"),
            "excess" if paper => published(0.0, 0.0, "two a link outside the tree, derived"),
            "late" if paper && params.choice("senders") == "one" => {
                published(0.0, 1.0, "papers file, section 14, test 1")
            }
            "first" if params.are_default_but(&["senders"]) => published(3.0, 0.01, "figure 3"),
            "reliability" | "grafted" if params.float("failed") <= 0.4 => published(
                1.0,
                0.03,
                "section 4.3: about .99; papers file, section 14: at least .97",
            ),
            "rmr" if params.float("failed") <= 0.4 => {
                published(0.15, 0.15, "papers file, section 14, test 3: below .3")
            }
            "rmr_later" if paper && params.float("failed") <= 0.4 => {
                published(0.0, 0.0, "papers file, section 14, test 3: 0 within four broadcasts")
            }
            "rmr_repaired" => {
                let most = most_redundant(params.float("failed"));
                published(most / 2.0, most / 2.0, "at most three times the share failed, derived")
            }
            _ => None,
        }
    }
}

/// Names the randomness of crashes and sources.
const CRASHES: u64 = gossip_core::id::hash(b"xtask::repro::leitao07_plumtree");

stack! {
    /// Plumtree over HyParView.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: HyParView<I, 5, 30>,
        #[uses(peers)]
        news: Plumtree<I, u32>,
    }
}

fn config(params: &Params) -> Config {
    if params.choice("config") == "paper" { Config::paper() } else { Config::default() }
}

/// The overlay with a node's part of Plumtree on it.
fn overlay(params: &Params, seed: u64) -> Simulation<Node<u32>> {
    let peers = HyParView::new(hyparview::Config::default()).expect("the default");
    let news = Plumtree::new(config(params)).expect("valid");
    let nodes = vec![Node::new(peers, news); params.count("n")];
    let mut sim = Simulation::new(nodes, seed, Order::Sequential).telling();
    (1..params.int("n") as u32).for_each(|node| sim.contact(node, 0));
    sim.run(params.int("cycles") as u32);
    sim
}

/// Who publishes the broadcast of this number.
fn sender(params: &Params, number: u32) -> u32 {
    let step = if params.choice("senders") == "many" { 7_919 } else { 0 };
    (u64::from(number) * step % params.int("n") as u64) as u32
}

fn sum(parts: impl Iterator<Item = Traffic>) -> Traffic {
    parts.fold(Traffic::default(), |sum, one| Traffic {
        payloads: sum.payloads + one.payloads,
        announced: sum.announced + one.announced,
        prunes: sum.prunes + one.prunes,
        ..sum
    })
}

/// The most hops from `start` in `graph`.
fn depth(graph: &Graph, start: u32) -> u32 {
    let mut seen = vec![false; graph.nodes().count()];
    seen[start as usize] = true;
    let (mut edge, mut hops) = (vec![start], 0);
    loop {
        let next = edge.iter().flat_map(|&at| graph.known_to(at)).copied();
        edge = next.filter(|&to| !core::mem::replace(&mut seen[to as usize], true)).collect();
        if edge.is_empty() {
            return hops;
        }
        hops += 1;
    }
}

/// Plumtree on an overlay that does not move.
type Still = Simulation<Plumtree<u32, u32>, Neighbourhood>;

/// The overlay as it is, with a new part of Plumtree on each node of it.
fn still(params: &Params, seed: u64) -> (Still, Graph) {
    let overlay = overlay(params, seed);
    let graph = Graph::new(overlay.nodes().map(|(at, node)| (at, neighbours(&node.peers))));
    let news = Plumtree::<u32, u32>::new(config(params)).expect("valid");
    let all = graph.nodes().map(|_| news.clone());
    let world = Neighbourhood::new(graph.clone());
    (Simulation::with(all, seed, Order::Sequential, world, Perfect), graph)
}

/// Broadcasts on the overlay as it is: what is exact there.
fn settled(params: &Params, seed: u64) -> Vec<Sample> {
    let (mut sim, graph) = still(params, seed);
    let nodes = graph.nodes().count() as f64;
    let links = graph.nodes().map(|at| graph.known_to(at).len()).sum::<usize>() as f64 / 2.0;
    let (mut before, mut found, mut first) = (Traffic::default(), Traffic::default(), 0.0);
    let (mut hops, mut source) = (0, 0);
    for number in 0..params.int("broadcasts") as u32 {
        source = sender(params, number);
        sim.events().take().for_each(drop);
        sim.command(source, Command::Publish(number)).expect("one a round");
        sim.run(2);
        hops =
            sim.events().take().map(|(_, Event::Delivered { hops, .. })| hops).max().unwrap_or(0);
        let after = sum(sim.nodes().map(|(_, node)| node.traffic()));
        found.payloads = after.payloads - before.payloads;
        found.announced = after.announced - before.announced;
        before = after;
        if number == 0 {
            first = found.payloads as f64 / (nodes - 1.0) - 1.0;
        }
    }
    let late = f64::from(hops) - f64::from(depth(&graph, source));
    let control = found.announced as f64;
    vec![
        Sample::new("payload", found.payloads as f64),
        Sample::new("links", links),
        Sample::new("control", control),
        Sample::new("excess", control - 2.0 * (links - (nodes - 1.0))),
        Sample::new("late", late.max(0.0)),
        Sample::new("first", first),
    ]
}

/// The most copies a node too many after a crash of this share, if each link lost is replaced.
///
/// New neighbours are eager at both ends (section 3.6, `NeighborUp`), and what is eager at both
/// ends and not in the tree carries a value twice: with L eager links a node that is 2 L - 2. Of
/// the tree's links there are left 1 - `failed` a node, and 5 `failed` / 2 are new.
fn most_redundant(failed: f64) -> f64 {
    2.0 * (1.0 - failed + 2.5 * failed) - 2.0
}

/// Publishes at `source`. Returns how many hear of it, and the copies too many for each: what comes
/// twice is pruned, so prunes count those at the living.
fn broadcast<S, D, L>(
    sim: &mut Simulation<S, D, L>,
    (source, command): (u32, S::Command),
    traffic: fn(&S) -> Traffic,
) -> (f64, f64)
where
    S: Layer<D, Id = u32>,
    D: World<S>,
    L: Link,
{
    let prunes = |sim: &Simulation<S, D, L>| sum(sim.nodes().map(|(_, node)| traffic(node))).prunes;
    let before = prunes(sim);
    sim.events().take().for_each(drop);
    sim.command(source, command).expect("one a round");
    sim.run(2);
    let reached = sim.events().take().count() as f64;
    (reached, (prunes(sim) - before) as f64 / (reached - 1.0).max(1.0))
}

/// Who crashes; node 0 does not.
fn failing(params: &Params, seed: u64) -> Vec<u32> {
    let mut nodes: Vec<u32> = (1..params.int("n") as u32).collect();
    let failed = (params.float("failed") * nodes.len() as f64) as usize;
    Key::new(seed).with(CRASHES).random(0).choose(&mut nodes, failed).to_vec()
}

/// Broadcasts on the overlay as it is, in which a share of the nodes crashes: nobody repairs it.
fn cut(params: &Params, seed: u64) -> Vec<Sample> {
    let mut sim = still(params, seed).0;
    let publish = |sim: &mut Still, source, number| {
        broadcast(sim, (source, Command::Publish(number)), Plumtree::traffic)
    };
    for number in 0..5 {
        publish(&mut sim, sender(params, number), number);
    }
    sim.kill_all(failing(params, seed));
    let found: Vec<_> = (100..105).map(|number| publish(&mut sim, 0, number)).collect();
    vec![
        Sample::new("rmr", found[0].1),
        Sample::new("grafted", found[0].0 / sim.live() as f64),
        Sample::new("rmr_later", found[4].1),
    ]
}

/// Broadcasts on the living overlay, in which a share of the nodes crashes.
fn crashed(params: &Params, seed: u64) -> Vec<Sample> {
    let mut sim = overlay(params, seed);
    let publish = |sim: &mut Simulation<Node<u32>>, source, number| {
        let command = <Node<u32> as Protocol>::Command::news(Command::Publish(number));
        broadcast(sim, (source, command), |node| node.news.traffic())
    };
    for number in 0..5 {
        publish(&mut sim, sender(params, number), number);
    }
    sim.kill_all(failing(params, seed));
    let found: Vec<_> = (100..105).map(|number| publish(&mut sim, 0, number)).collect();
    vec![
        Sample::new("reliability", found[0].0 / sim.live() as f64),
        Sample::new("rmr_repaired", found[0].1),
        Sample::new("rmr_repaired_later", found[4].1),
    ]
}
