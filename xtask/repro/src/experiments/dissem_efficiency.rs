//! All protocols of dissemination side by side, in virtual time, with loss and churn.

mod stacks;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use gossip_core::Protocol;
use gossip_core::random::{Key, Random};
use gossip_core::sim::dynamics::{Dynamics, Exit, Model};
use gossip_core::sim::event::{self, Simulation, Status};
use gossip_core::sim::link::{Latency, Network};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

use stacks::{Boxed, Counted, Flooding, Rumors, Spreads, Tree, value};

/// `dissem-efficiency`.
#[derive(Debug, Clone, Copy)]
pub(super) struct DissemEfficiency;

static PARAMS: [Param; 13] = [
    Param::int("n", 1_000, 8..=100_000, "nodes", "network size"),
    Param::choice(
        "protocol",
        "plumtree",
        &["plumtree", "paper", "flood", "push", "push-pull", "median", "adaptive"],
        "what spreads; `paper`, the control, is Plumtree for links that lose nothing; `adaptive` \
         stands over SWIM",
    ),
    Param::choice(
        "trees",
        "default",
        &["default", "shared", "own", "demand"],
        "Plumtree's: one for all, or one for each origin, which floods or asks at first",
    ),
    Param::int("burst", 600, 0..=1_000_000, "copies", "of a first publication that are pushed"),
    Param::int("timeout1", 80, 1..=60_000, "ms", "Plumtree's patience with its tree"),
    Param::int(
        "publishers",
        20,
        0..=100_000,
        "nodes",
        "that publish, in turn; 0: any, at random, none again before it must",
    ),
    Param::int("messages", 1_000, 1..=100_000, "messages", "published and measured"),
    Param::float("rate", 10.0, 0.1..=1_000.0, "messages a second", "published in all"),
    Param::float("loss", 0.05, 0.0..=0.9, "probability", "of a datagram"),
    Param::float("churn", 0.01, 0.0..=0.5, "of the nodes a minute", "that crash, and as many join"),
    Param::int("size", 200, 4..=256, "bytes", "of a value"),
    Param::int("settling", 300, 1..=100_000, "s", "in which the overlay settles"),
    Param::int("warm_up", 40, 0..=10_000, "messages", "published before those measured"),
];

static METRICS: [Metric; 10] = [
    Metric::mean("pairs", "of a message and a node that lives from then to 30 s later"),
    Metric::mean("missing", "of a million of them: not delivered within 30 s"),
    Metric::mean("copies", "values sent for each delivery"),
    Metric::mean("control", "bytes of the protocol for each delivery that are not values"),
    Metric::mean("median", "latency, ms"),
    Metric::mean("p99", "latency, ms"),
    Metric::mean("most", "latency, ms"),
    Metric::mean("load", "values sent by the node that sends most, over the mean"),
    Metric::mean("median_ratio", "to the median latency of a flood of HyParView's overlay"),
    Metric::mean("p99_ratio", "the same of the 99th percentile"),
];

impl Experiment for DissemEfficiency {
    fn id(&self) -> &'static str {
        "dissem-efficiency"
    }

    fn summary(&self) -> &'static str {
        "all protocols of dissemination with loss and churn: reach, copies, bytes, latency, load"
    }

    fn source(&self) -> &'static str {
        "ours; gossipsub's simulations have 6.3 to 6.7 copies a delivery"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        1
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let flood = measure::<Flooding<u32>>(params, seed);
        let found = match params.choice("protocol") {
            "flood" => flood.clone(),
            "push" | "push-pull" => measure::<Rumors<u32>>(params, seed),
            "median" => measure::<Counted<u32>>(params, seed),
            "adaptive" => measure::<Boxed<u32>>(params, seed),
            _ => measure::<Tree<u32>>(params, seed),
        };
        let deliveries = found.latencies.len() as f64;
        let [median, p99, most] = [0.5, 0.99, 1.0].map(|share| found.latency(share));
        let values = found.copies as f64 * params.int("size") as f64;
        vec![
            Sample::new("pairs", found.pairs as f64),
            Sample::new("missing", found.missing as f64 / found.pairs as f64 * 1e6),
            Sample::new("copies", found.copies as f64 / deliveries),
            Sample::new("control", (found.bytes as f64 - values) / deliveries),
            Sample::new("median", median),
            Sample::new("p99", p99),
            Sample::new("most", most),
            Sample::new("load", found.load),
            Sample::new("median_ratio", median / flood.latency(0.5)),
            Sample::new("p99_ratio", p99 / flood.latency(0.99)),
        ]
    }

    /// The goals that the project has set itself, for the tree.
    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        if params.choice("protocol") != "plumtree" {
            return None;
        }
        let goal = |most: f64| {
            let half = most / 2.0;
            Some(Published { value: half, tolerance: half, source: "goal: at most twice that" })
        };
        match metric {
            "missing" | "p99_ratio" => goal(3.0),
            "copies" => goal(1.2),
            "median_ratio" => goal(1.5),
            _ => None,
        }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
struct Found {
    pairs: u64,
    missing: u64,
    copies: u64,
    bytes: u64,
    load: f64,
    /// Of every delivery within 30 s but the publisher's own, in ms, sorted.
    latencies: Vec<u32>,
}

impl Found {
    fn latency(&self, share: f64) -> f64 {
        let at = (self.latencies.len() as f64 * share) as usize;
        let at = at.min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |&latency| f64::from(latency))
    }
}

/// A message under way.
struct Open {
    published: Duration,
    /// Who lived then.
    living: Vec<u32>,
    heard: BTreeMap<u32, u32>,
}

/// How long a delivery may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How exactly latencies are known.
const STEP: Duration = Duration::from_millis(10);
/// Names the randomness of contacts and publishers.
const CHOICES: u64 = gossip_core::id::hash(b"xtask::repro::dissem_efficiency");

/// A run under way.
struct Run<'a, S: Protocol> {
    sim: Simulation<S>,
    params: &'a Params,
    random: Random,
    /// Who has published, where any node may.
    turns: BTreeSet<u32>,
    /// Values sent by each node, as last seen, so that those of the dead count.
    sent: Vec<u64>,
    open: BTreeMap<u32, Open>,
    found: Found,
}

fn measure<S: Spreads>(params: &Params, seed: u64) -> Found {
    let latency = Latency::Uniform(Duration::from_millis(20), Duration::from_millis(80));
    let network = Network::new(latency).loss(params.float("loss")).expect("a probability");
    let (n, made) = (params.int("n") as u32, params.clone());
    let config = event::Config { detection: None, ..event::Config::seeded(seed) };
    let mut sim = Simulation::new(n, move |_| S::make(&made), network, config).expect("it fits");
    let mut random = Key::new(seed).with(CHOICES).random(0);
    for node in 1..n {
        sim.contact(node, random.below(node as usize) as u32);
    }
    sim.run_for(Duration::from_secs(params.count("settling") as u64));
    let (sent, open, found) = (Vec::new(), BTreeMap::new(), Found::default());
    let turns = BTreeSet::new();
    let mut run = Run { sim, params, random, turns, sent, open, found };
    for warm_up in 0..params.int("warm_up") as u32 {
        run.publish(u32::MAX - 1 - warm_up);
        run.sim.run_for(Duration::from_millis(500));
    }
    run.sim.run_for(PATIENCE);
    run.sim.events().take().for_each(drop);
    run.spread(seed);
    run.found
}

impl<S: Spreads> Run<'_, S> {
    /// Publishes a value at a random node, or at the next of the few publishers that lives.
    fn publish(&mut self, number: u32) {
        let living: Vec<u32> = self.sim.nodes().map(|(at, _)| at).collect();
        let publishers = self.params.count("publishers").min(living.len());
        let node = match publishers {
            0 => Some(self.pick(&living)),
            _ => living.get(number as usize % publishers).copied(),
        };
        let Some(node) = node else { return };
        let command = S::publish(value(number, self.params.count("size")));
        let published = self.sim.now().since(gossip_core::Time::ZERO);
        self.sim.command(node, command).expect("few publish at a node");
        self.open.insert(number, Open { published, living, heard: BTreeMap::from([(node, 0)]) });
    }

    /// A node of `living` that has not published, while there is one.
    fn pick(&mut self, living: &[u32]) -> u32 {
        if living.iter().all(|node| self.turns.contains(node)) {
            self.turns.clear();
        }
        loop {
            let node = living[self.random.below(living.len())];
            if self.turns.insert(node) {
                return node;
            }
        }
    }

    /// Publishes what is measured, while nodes come and go, and closes the books.
    fn spread(&mut self, seed: u64) {
        self.open.clear();
        let churn = Model::Replace { share: self.params.float("churn") / 60.0, exit: Exit::Crash };
        let mut dynamics = Dynamics::new([churn], seed).expect("a share");
        let messages = self.params.int("messages") as u32;
        let gap = 1.0 / self.params.float("rate");
        let before = self.sum_sent();
        let bytes = self.sim.sent().get("news").bytes;
        let (start, mut number, mut steps) = (self.sim.now(), 0, 0_u32);
        while number < messages || !self.open.is_empty() {
            let time = self.sim.now().since(start).as_secs_f64();
            while number < messages && f64::from(number) * gap <= time {
                self.publish(number);
                number += 1;
            }
            dynamics.run(&mut self.sim, STEP).expect("the models are valid");
            self.listen();
            steps += 1;
            if steps.is_multiple_of(100) {
                self.sum_sent();
            }
        }
        self.found.bytes = self.sim.sent().get("news").bytes - bytes;
        self.sum_sent();
        let each = self.sent.iter().enumerate();
        let each: Vec<u64> =
            each.map(|(at, &sent)| sent - before.get(at).copied().unwrap_or(0)).collect();
        self.found.copies = each.iter().sum();
        let mean = self.found.copies as f64 / f64::from(self.params.int("n") as u32);
        self.found.load = each.iter().copied().max().unwrap_or(0) as f64 / mean;
        self.found.latencies.sort_unstable();
    }

    /// Values sent by each node so far, the dead as last seen.
    fn sum_sent(&mut self) -> Vec<u64> {
        self.sent.resize(self.sim.size() as usize, 0);
        for (at, node) in self.sim.nodes() {
            self.sent[at as usize] = node.sent();
        }
        self.sent.clone()
    }

    /// Takes what was heard, and closes messages that are 30 s old.
    fn listen(&mut self) {
        let now = self.sim.now().since(gossip_core::Time::ZERO);
        let heard: Vec<(u32, u32)> = self
            .sim
            .events()
            .take()
            .filter_map(|(node, event)| Some((node, S::heard(&event)?)))
            .collect();
        for (node, number) in heard {
            if let Some(open) = self.open.get_mut(&number) {
                let latency = now.saturating_sub(open.published).as_millis() as u32;
                open.heard.entry(node).or_insert(latency);
            }
        }
        while let Some(first) = self.open.first_entry()
            && now >= first.get().published + PATIENCE
        {
            let open = first.remove();
            let lives = |&&node: &&u32| self.sim.status(node) == Some(Status::Alive);
            for node in open.living.iter().filter(lives) {
                self.found.pairs += 1;
                self.found.missing += u64::from(!open.heard.contains_key(node));
            }
            self.found.latencies.extend(open.heard.into_values().filter(|&latency| latency > 0));
        }
    }
}
