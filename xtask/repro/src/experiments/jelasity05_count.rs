//! COUNT under a crash and under loss, with one leader or several and their trimmed mean.

use gossip_aggregate::push_pull::Config;
use gossip_aggregate::{Count, Leaders};
use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Network;
use gossip_core::sim::{Activation, World};
use gossip_core::{Peers, Random};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `jelasity05-count`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jelasity05Count;

static PARAMS: [Param; 6] = [
    Param::int("n", 10_000, 10..=1_000_000, "nodes", "network size"),
    Param::int("leaders", 1, 1..=24, "leaders", "the paper's t instances, trimmed by thirds"),
    Param::float("loss", 0.0, 0.0..=0.9, "of the messages", "share of either that is lost"),
    Param::float("crash", 0.0, 0.0..=0.9, "of the nodes", "share that crashes at once"),
    Param::int("at", 5, 1..=100, "cycle", "before which they crash"),
    Param::int("cycles", 30, 1..=200, "cycles", "of the epoch"),
];

static METRICS: [Metric; 3] = [
    Metric::median("estimate", "count of the first living node over n"),
    Metric::mean("square", "square of its relative error, of trials that say something below 10 n"),
    Metric::mean("said", "share of the trials in which it does"),
];

impl Experiment for Jelasity05Count {
    fn id(&self) -> &'static str {
        "jelasity05-count"
    }

    fn summary(&self) -> &'static str {
        "COUNT under a crash of many, message loss, and several leaders"
    }

    fn source(&self) -> &'static str {
        "Jelasity, Montresor, Babaoglu, Gossip-based aggregation in large dynamic networks, \
         ACM TOCS 23(3), 2005, section 7, figures 11, 15 and 17"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        60
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let nodes = params.int("n") as u32;
        let leaders = params.int("leaders") as u32;
        let node = |at: u32| {
            // Who leads is settled here: a node that expects itself alone leads, and one that
            // expects 10^18 others does not.
            let expected = if at < leaders { 1.0 } else { 1e18 };
            let leads = Leaders::<48>::expecting(24.0, expected).expect("within the bounds");
            Count::<u32, 48>::new(Config::founding(leads).endless()).expect("an endless epoch")
        };
        let network = Network::default().loss(params.float("loss")).expect("a probability");
        let world = Living { all: (0..nodes).collect(), me: 0 };
        let all = (0..nodes).map(node);
        let mut sim = Simulation::with(all, seed, Order::Sequential, world, network);
        let (cycles, at) = (params.int("cycles") as u32, params.int("at") as u32);
        sim.run(at.min(cycles));
        let gone = (params.float("crash") * f64::from(nodes)) as usize;
        let mut random = Key::new(seed).with(CRASHES).random(0);
        let mut all: Vec<u32> = (0..nodes).collect();
        let dead = random.choose(&mut all, gone).to_vec();
        sim.kill_all(dead.iter().copied());
        let living = all.iter().copied().filter(|node| sim.node(*node).is_some()).collect();
        sim.world_mut().all = living;
        sim.run(cycles - at.min(cycles));
        let said = sim.nodes().next().and_then(|(_, node)| node.running_estimate());
        let over = said.map(|said| said / f64::from(nodes));
        let sound = over.filter(|over| *over < 10.0);
        let mut samples = vec![
            Sample::new("estimate", over.unwrap_or(f64::INFINITY)),
            Sample::new("said", f64::from(u8::from(sound.is_some()))),
        ];
        samples.extend(sound.map(|over| Sample::new("square", (over - 1.0) * (over - 1.0))));
        samples
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let (loss, crash) = (params.float("loss"), params.float("crash"));
        let like = params.int("cycles") == 30 && params.int("n") == 10_000;
        let one = params.int("leaders") == 1;
        let published = |value: f64, tolerance| {
            let source = "independent simulation, as figures 11 and 15: the square of the sd";
            Some(Published { value, tolerance, source })
        };
        match (metric, params.int("at")) {
            ("estimate", _) if like && loss == 0.0 && crash == 0.0 => published(1.0, 1e-4),
            // The mean of 60 squares has an sd of sqrt(2 / 60) of itself.
            ("square", 5) if like && one && loss == 0.0 && crash == 0.5 => {
                published(0.054 * 0.054, 0.8 * 0.054 * 0.054)
            }
            ("square", 8) if like && one && loss == 0.0 && crash == 0.5 => {
                published(0.008 * 0.008, 0.8 * 0.008 * 0.008)
            }
            _ => None,
        }
    }
}

/// Names the randomness of crashes.
const CRASHES: u64 = gossip_core::id::hash(b"xtask::repro::jelasity05_count");

/// Uniform peers among the living.
struct Living {
    all: Vec<u32>,
    me: u32,
}

impl<S> World<S> for Living {
    fn enter(&mut self, node: u32, _: u32, _: Activation) {
        self.me = node;
    }
}

impl Peers for Living {
    type Id = u32;

    fn sample(&self, random: &mut Random) -> Option<u32> {
        (0..100).find_map(|_| random.pick(&self.all).copied().filter(|&peer| peer != self.me))
    }

    fn for_each(&self, mut visit: impl FnMut(u32, u64)) {
        self.all.iter().for_each(|&peer| visit(peer, 0));
    }
}
