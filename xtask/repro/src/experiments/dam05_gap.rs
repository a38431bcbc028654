//! `dam05-gap`: an aggregate along GAP's tree, and its price under failures beside averaging by
//! gossip.

use gossip_aggregate::push_pull::Config;
use gossip_aggregate::{Average, Mean};
use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_core::sim::observe::Graph;
use gossip_core::sim::{Neighbourhood, topology};
use gossip_core::{PeerId, Peers, Protocol, Tree, stack};
use gossip_overlay::tree::{Gap, Query, gap, query};
use xtask_repro::{Experiment, Metric, Param, Params, Published, Sample};

/// Both over the same random regular graph, with the same values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dam05Gap;

static PARAMS: [Param; 4] = [
    Param::int("n", 1_000, 10..=100_000, "nodes", "network size"),
    Param::int("degree", 8, 3..=64, "neighbours", "of each node, in a random regular graph"),
    Param::float("crashed", 0.0, 0.0..=0.9, "of all nodes", "that crash on the way, unnoticed"),
    Param::int("cycles", 30, 1..=1_000, "cycles", "of averaging"),
];

static METRICS: [Metric; 8] = [
    Metric::mean("depth", "greatest depth of the tree, once steady"),
    Metric::mean("tree_missing", "share of the live nodes that the tree's answer lacks"),
    Metric::mean("tree_error", "relative error of the tree's mean, against that of the live"),
    Metric::mean("tree_messages", "per live node, for the answer"),
    Metric::mean("gossip_error", "mean over nodes of the relative error of averaging"),
    Metric::mean("gossip_messages", "per live node, for all cycles"),
    Metric::mean("repaired_missing", "as tree_missing, 60 rounds later, asked again"),
    Metric::mean("reachable", "share of the live nodes that the root is still connected to"),
];

stack! {
    /// Questions over a tree over the graph.
    #[derive(Debug)]
    struct Node<I: PeerId> over D: Peers<Id = I> {
        #[uses(below)]
        tree: Gap<I>,
        #[uses(tree)]
        query: Query<I>,
    }
}

type Ask = <Node<u32> as Protocol>::Command;
type Told = <Node<u32> as Protocol>::Event;
type Trees = Simulation<Node<u32>, Neighbourhood>;

/// Names of the randomness.
const GRAPH: u64 = gossip_core::id::hash(b"dam05-gap graph");
const CRASHES: u64 = gossip_core::id::hash(b"dam05-gap crashes");
const VALUES: u64 = gossip_core::id::hash(b"dam05-gap values");

struct Trial {
    n: u32,
    seed: u64,
    graph: Graph,
    dead: Vec<u32>,
}

impl Trial {
    fn new(params: &Params, seed: u64) -> Self {
        let (n, degree) = (params.count("n") as u32, params.count("degree") as u32);
        let graph = topology::random_regular(n, degree, Key::new(seed).with(GRAPH))
            .expect("checked")
            .undirected();
        let count = (params.float("crashed") * f64::from(n)) as usize;
        let mut random = Key::new(seed).with(CRASHES).random(0);
        // The root stays: 1 to n - 1.
        let mut dead: Vec<u32> = (1..n).collect();
        random.shuffle(&mut dead);
        dead.truncate(count.min(n as usize - 1));
        Self { n, seed, graph, dead }
    }

    fn value(&self, node: u32) -> i64 {
        (Key::new(self.seed).with(VALUES).random(node.into()).unit() * 1e6) as i64
    }

    /// Of the live.
    fn mean(&self) -> f64 {
        let live = (0..self.n).filter(|node| !self.dead.contains(node));
        let values: Vec<f64> = live.map(|node| self.value(node) as f64).collect();
        values.iter().sum::<f64>() / values.len() as f64
    }

    /// The share of live nodes missing from an answer, and the error of its mean.
    fn ask(&self, sim: &mut Trees) -> (f64, f64) {
        sim.events().take().for_each(drop);
        let all = query::Command::Ask { low: i64::MIN, high: i64::MAX };
        sim.command(0, Ask::query(all)).expect("no other question is open");
        let answer = |sim: &mut Trees| {
            sim.events().take().find_map(|(_, told)| match told {
                Told::query(answer) => Some(answer.summary),
                Told::tree(_) => None,
            })
        };
        let mut found = answer(sim);
        // At most as long as an asker waits.
        while found.is_none() {
            sim.step();
            found = answer(sim);
        }
        let summary = found.expect("it was waited for");
        let live = sim.live() as f64;
        let mean = summary.sum as f64 / summary.count as f64;
        (1.0 - summary.count as f64 / live, (mean / self.mean() - 1.0).abs())
    }

    fn tree(&self, samples: &mut Vec<Sample>) {
        let node = |node| {
            let config = gap::Config::new(node == 0).value(self.value(node));
            let query = query::Config::new(self.value(node)).patience(16);
            Node::new(Gap::new(config).expect("valid"), Query::new(query).expect("valid"))
        };
        let below = Neighbourhood::new(self.graph.clone());
        let nodes = (0..self.n).map(node);
        let mut sim = Simulation::with(nodes, self.seed, Order::Sequential, below, Perfect);
        sim.run(40);
        let depth = sim.nodes().filter_map(|(_, node)| node.tree.depth()).max();
        samples.push(Sample::new("depth", f64::from(depth.unwrap_or_default())));
        sim.kill_all(self.dead.iter().copied());
        let live = sim.live() as f64;
        let (cycle, before) = (sim.cycle(), sim.sent());
        let (missing, error) = self.ask(&mut sim);
        let updates = if cycle == sim.cycle() { sim.sent() - before } else { u64::MAX };
        samples.push(Sample::new("tree_missing", missing));
        samples.push(Sample::new("tree_error", error));
        // Where it has to wait, the updates of the tree are among the messages: not told.
        if updates < u64::MAX {
            samples.push(Sample::new("tree_messages", updates as f64 / live));
        }
        sim.run(60);
        samples.push(Sample::new("repaired_missing", self.ask(&mut sim).0));
        let inside = sim.nodes().filter(|(_, node)| node.tree.depth().is_some()).count();
        samples.push(Sample::new("reachable", inside as f64 / live));
    }

    fn gossip(&self, cycles: u32, samples: &mut Vec<Sample>) {
        let node = |node| {
            let mean = Mean::of(self.value(node) as f64).expect("values are finite");
            Average::<u32>::new(Config::founding(mean).endless()).expect("it has no bounds")
        };
        let below = Neighbourhood::new(self.graph.clone());
        let nodes = (0..self.n).map(node);
        let mut sim = Simulation::with(nodes, self.seed, Order::Sequential, below, Perfect);
        // They crash when values are half mixed: before, nothing would be lost with them.
        let first = cycles.min(3);
        sim.run(first);
        sim.kill_all(self.dead.iter().copied());
        sim.run(cycles - first);
        let truth = self.mean();
        let off = |node: &Average<u32>| {
            let held = node.running_estimate().unwrap_or(node.function().input());
            (held / truth - 1.0).abs()
        };
        let (live, sent) = (sim.live() as f64, sim.sent());
        let error = sim.nodes().map(|(_, node)| off(node)).sum::<f64>() / live;
        samples.push(Sample::new("gossip_error", error));
        samples.push(Sample::new("gossip_messages", sent as f64 / live));
    }
}

impl Experiment for Dam05Gap {
    fn id(&self) -> &'static str {
        "dam05-gap"
    }

    fn summary(&self) -> &'static str {
        "exact aggregation along a tree, and its price under failures beside gossip's averaging"
    }

    fn source(&self) -> &'static str {
        "Dam, Stadler, A generic protocol for network state aggregation, RVK 2005; Jelasity, \
         Montresor, Babaoglu, Gossip-based aggregation, ACM TOCS 23(3), 2005"
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

    fn check(&self, params: &Params) -> Result<(), String> {
        let (n, degree) = (params.int("n"), params.int("degree"));
        if degree >= n || n * degree % 2 == 1 {
            return Err(format!(
                "`degree` = {degree} does not go with `n` = {n}: it must be less than n, and n \
                 times degree even"
            ));
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let trial = Trial::new(params, seed);
        let mut samples = Vec::new();
        trial.tree(&mut samples);
        trial.gossip(params.count("cycles") as u32, &mut samples);
        samples
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        if params.float("crashed") > 0.0 {
            return None;
        }
        let exact = |value, source| Some(Published { value, tolerance: 1e-9, source });
        let links = params.count("n") as f64 - 1.0;
        match metric {
            "tree_missing" | "tree_error" => exact(0.0, "exact without failures"),
            "tree_messages" => exact(2.0 * links / params.count("n") as f64, "two messages a link"),
            _ => None,
        }
    }
}
