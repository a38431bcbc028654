//! `jelasity06-jk`: ordered slicing by swaps of random values.

use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, Newscast, cyclon, newscast};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_core::sim::{Oracle, World};
use gossip_core::{Describe, Finite, Layer, ParameterError, PeerId, stack};
use gossip_overlay::slicing::{Jk, Profile, Slices, jk, metrics};
use xtask_repro::{Dot, Experiment, Ink, Metric, Panel, Param, Params, Picture, Published, Sample};

/// Pareto(1.5) attributes, all values drawn before the first cycle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jelasity06Jk;

/// The largest view of a real sampler whose messages fit a datagram.
const CAPACITY: usize = 45;

static PARAMS: [Param; 5] = [
    Param::int("n", 10_000, 2..=1_000_000, "nodes", "network size"),
    Param::int("c", 20, 1..=1_000, "peers", "view size; at most 45 for cyclon and newscast"),
    Param::int("k", 10, 1..=1_000_000, "slices", "number of slices"),
    Param::int("cycles", 40, 0..=100_000, "cycles", "how long"),
    Param::choice(
        "sampler",
        "uniform",
        &["uniform", "cyclon", "newscast"],
        "where peers come from",
    ),
];

static METRICS: [Metric; 2] = [
    Metric::mean("gdm", "mean over nodes of (rank by attribute - rank by value)^2"),
    Metric::mean("sdm", "sum over nodes of the slices between the true one and the believed"),
];

/// Cycle, GDM and SDM (k = 10) at n = 10^4, c = 20; mean of 3 runs.
const TABLE: [(u32, f64, f64); 6] = [
    (1, 4.74e6, 16_207.0),
    (2, 1.45e6, 8_657.0),
    (5, 8.65e4, 2_131.0),
    (10, 9.78e3, 727.0),
    (40, 312.0, 226.0),
    (100, 40.6, 184.0),
];

/// Sd of one trial, over 30 of ours: of GDM as a share, of SDM in slices.
const SPREAD: [(f64, f64); 6] =
    [(0.019, 178.0), (0.023, 121.0), (0.023, 51.0), (0.023, 48.0), (0.018, 110.0), (0.02, 119.0)];

/// Sd of the difference between one trial and a mean of three, 4.5 times.
const SIGMAS: f64 = 5.2;

stack! {
    /// JK over Cyclon.
    #[derive(Debug)]
    struct OverCyclon<I: PeerId> {
        #[uses(slices)]
        peers: Cyclon<I, CAPACITY, Profile>,
        #[uses(peers)]
        slices: Jk<I>,
    }
}

stack! {
    /// JK over Newscast.
    #[derive(Debug)]
    struct OverNewscast<I: PeerId> {
        #[uses(slices)]
        peers: Newscast<I, CAPACITY, Profile>,
        #[uses(peers)]
        slices: Jk<I>,
    }
}

/// What a trial is made of.
struct Trial<'a> {
    params: &'a Params,
    seed: u64,
}

impl Trial<'_> {
    fn nodes(&self) -> u32 {
        self.params.count("n") as u32
    }

    fn attribute(&self, node: u32) -> f64 {
        let unit = Key::new(self.seed).with(ATTRIBUTES).random(node.into()).unit();
        libm::pow(1.0 - unit, -1.0 / 1.5)
    }

    fn slices(&self, node: u32) -> Result<Jk<u32>, ParameterError> {
        let slices = Slices::equal(self.params.count("k") as u32)?;
        Jk::new(jk::Config { attribute: self.attribute(node), slices })
    }

    /// The peers of `me` in a random start, with what they told: not yet their values.
    fn start(&self, me: u32) -> Vec<(u32, Profile)> {
        let (n, c) = (self.nodes() as usize, self.params.count("c"));
        let mut random = Key::new(self.seed).with(START).random(me.into());
        let mut peers: Vec<(u32, Profile)> = Vec::with_capacity(c);
        while peers.len() < c.min(n - 1) {
            let peer = random.below(n) as u32;
            if peer != me && peers.iter().all(|known| known.0 != peer) {
                let attribute = Finite::new(self.attribute(peer)).unwrap_or_default();
                peers.push((peer, Profile { attribute, value: None }));
            }
        }
        peers
    }

    fn over_cyclon(&self, me: u32) -> Result<OverCyclon<u32>, ParameterError> {
        let size = Some(self.params.count("c"));
        let mut peers = Cyclon::new(cyclon::Config { size, ..cyclon::Config::default() })?;
        for (peer, profile) in self.start(me) {
            peers.inner_mut().introduce(peer, profile);
        }
        Ok(OverCyclon::new(peers, self.slices(me)?))
    }

    fn over_newscast(&self, me: u32) -> Result<OverNewscast<u32>, ParameterError> {
        let mut peers = Newscast::new(newscast::Config { size: Some(self.params.count("c")) })?;
        for (peer, profile) in self.start(me) {
            peers.inner_mut().introduce(peer, profile);
        }
        Ok(OverNewscast::new(peers, self.slices(me)?))
    }

    fn run<S, D>(
        &self,
        node: impl Fn(u32) -> Result<S, ParameterError>,
        world: D,
        slices: fn(&S) -> &Jk<u32>,
        look: &mut Look<'_>,
    ) -> Result<(), ParameterError>
    where
        S: Layer<D, Id = u32>,
        D: World<S>,
    {
        let n = self.nodes();
        let nodes = (0..n).map(node).collect::<Result<Vec<_>, _>>()?;
        let mut sim = Simulation::with(nodes, self.seed, Order::Sequential, world, Perfect);
        // A node draws its value when it is first called.
        for node in 0..n {
            let peer = Key::new(self.seed).with(CONTACTS).random(node.into()).below(n as usize - 1);
            sim.contact(node, (node + 1 + peer as u32) % n);
        }
        for cycle in 0..=self.params.count("cycles") as u32 {
            if cycle > 0 {
                sim.step();
            }
            let seen =
                |node: &Jk<u32>| Some((node.attribute().get(), node.value()?.get(), node.slice()?));
            look(cycle, sim.nodes().filter_map(|(_, node)| seen(slices(node))).collect());
        }
        Ok(())
    }

    /// Runs, over whatever sampler was asked for.
    fn observe(&self, look: &mut Look<'_>) -> Result<(), ParameterError> {
        match self.params.choice("sampler") {
            "cyclon" => self.run(|me| self.over_cyclon(me), (), |node| &node.slices, look),
            "newscast" => self.run(|me| self.over_newscast(me), (), |node| &node.slices, look),
            _ => {
                let (n, c) = (self.nodes(), self.params.count("c"));
                let oracle = Oracle::new(n, c, self.seed, |node: &Jk<u32>| Some(node.describe()));
                self.run(|me| self.slices(me), oracle, |node| node, look)
            }
        }
    }

    fn samples(&self) -> Result<Vec<Sample>, ParameterError> {
        let slices = Slices::equal(self.params.count("k") as u32)?;
        let mut samples = Vec::new();
        self.observe(&mut |cycle, seen| {
            let values: Vec<_> = seen.iter().map(|node| (node.0, node.1)).collect();
            let believed: Vec<_> = seen.iter().map(|node| (node.0, node.2)).collect();
            samples.push(Sample::at("gdm", cycle, metrics::gdm(&values)));
            samples.push(Sample::at("sdm", cycle, metrics::sdm(&believed, &slices) as f64));
        })?;
        Ok(samples)
    }

    /// Each node by its rank to the right and its value upwards: a cloud at first, the diagonal in
    /// the end. Blue are those that are in the right slice.
    fn picture(&self) -> Result<Picture, ParameterError> {
        let slices = Slices::equal(self.params.count("k") as u32)?;
        let mut panels = Vec::new();
        self.observe(&mut |cycle, mut seen| {
            if !SHOWN.contains(&cycle) {
                return;
            }
            seen.sort_by(|one, other| one.0.total_cmp(&other.0));
            let n = seen.len();
            let is_right = |rank: usize| seen[rank].2 == slices.of_rank(rank, n);
            let wrong = (0..n).filter(|&rank| !is_right(rank)).count();
            let dot = |rank: usize| Dot {
                at: ((rank as f64 + 0.5) / n as f64, 1.0 - seen[rank].1),
                ink: if is_right(rank) { Ink::Right } else { Ink::Wrong },
            };
            let dots = (0..n).step_by(n.div_ceil(DOTS).max(1)).map(dot).collect();
            let title = format!("cycle {cycle}: {wrong} of {n} misplaced");
            panels.push(Panel { title, lines: Vec::new(), dots });
        })?;
        Ok(Picture { panels })
    }
}

/// What looks at the nodes after a cycle: attribute, value, slice.
type Look<'a> = dyn FnMut(u32, Vec<(f64, f64, u32)>) + 'a;

/// Cycles that the picture shows, and how many nodes at most.
const SHOWN: [u32; 5] = [0, 1, 2, 5, 40];
const DOTS: usize = 2_000;

/// Names of the experiment's own randomness.
const ATTRIBUTES: u64 = 0x6174_7472_0000;
const START: u64 = 0x7374_6172_0000;
const CONTACTS: u64 = 0x636f_6e74_0000;

impl Experiment for Jelasity06Jk {
    fn id(&self) -> &'static str {
        "jelasity06-jk"
    }

    fn summary(&self) -> &'static str {
        "JK ordered slicing: disorder by cycle; --plot draws it at cycles 0, 1, 2, 5 and 40"
    }

    fn source(&self) -> &'static str {
        "Jelasity, Kermarrec, Ordered slicing of very large-scale overlay networks, P2P 2006"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        5
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        let (c, sampler) = (params.count("c"), params.choice("sampler"));
        if sampler != "uniform" && c > CAPACITY {
            return Err(format!(
                "`c` = {c} peers with `sampler` = {sampler} does not fit a datagram: it must be 1 \
                 to {CAPACITY}"
            ));
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let samples = Trial { params, seed }.samples();
        samples.expect("parameters are within the bounds that the protocols have, too")
    }

    fn picture(&self, params: &Params, seed: u64) -> Option<Picture> {
        Trial { params, seed }.picture().ok()
    }

    fn published(&self, params: &Params, metric: &str, cycle: Option<u32>) -> Option<Published> {
        let gdm = metric == "gdm" && params.are_default_but(&["k", "cycles"]);
        let sdm = metric == "sdm" && params.are_default_but(&["cycles"]);
        let source = "JK, independent simulation, mean of 3 runs (n=10^4, c=20, k=10, Pareto 1.5)";
        if gdm && cycle == Some(0) {
            let n = params.count("n");
            let value = metrics::expected_gdm(n);
            // Spearman's rank correlation of n pairs has a variance of 1 / (n - 1).
            let tolerance = 4.5 * value / ((n - 1) as f64).sqrt();
            return Some(Published { value, tolerance, source: "(n^2 - 1) / 6" });
        }
        let at = TABLE.iter().position(|row| Some(row.0) == cycle)?;
        if gdm {
            let value = TABLE[at].1;
            Some(Published { value, tolerance: SIGMAS * SPREAD[at].0 * value, source })
        } else if sdm {
            Some(Published { value: TABLE[at].2, tolerance: SIGMAS * SPREAD[at].1, source })
        } else {
            None
        }
    }
}
