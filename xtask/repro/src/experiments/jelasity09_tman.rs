//! `jelasity09-tman`: a topology emerges by T-Man, in its forms of 2009 and of 2005.

use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, Newscast, cyclon, newscast};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_core::sim::{Oracle, World};
use gossip_core::{Layer, ParameterError, PeerId, stack};
use gossip_overlay::{RingRank, TMan, ring, tman};
use xtask_repro::{Experiment, Metric, Param, Params, Published, Sample};

/// A ring of evenly spaced nodes, each of which starts with some random ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Jelasity09Tman;

/// The longest message that may be asked for.
const MESSAGE: usize = 128;
/// View size of the samplers: the papers' 20 and 30.
const CYCLON: usize = 20;
const NEWSCAST: usize = 30;

static PARAMS: [Param; 11] = [
    Param::int("n", 1024, 2..=1_000_000, "nodes", "network size"),
    Param::int("m", 20, 1..=MESSAGE as i64, "descriptors", "sent in a message"),
    Param::int("psi", 10, 1..=256, "peers", "nearest, among which partners are chosen"),
    Param::choice("ranking", "ring", &["ring"], "the target topology"),
    Param::choice(
        "sampler",
        "uniform",
        &["uniform", "cyclon", "newscast"],
        "where peers come from",
    ),
    Param::choice("form", "2009", &["2009", "2005"], "of the protocol; 2005 has bounded views"),
    Param::int("c", 20, 2..=MESSAGE as i64, "descriptors", "in a view, in the form of 2005"),
    Param::int("start", 10, 1..=1_000, "peers", "random, that a node knows before cycle 1"),
    Param::int("fresh", 0, 0..=256, "peers", "of the sampler, that a node hears of in a cycle"),
    Param::int("limit", 1024, 2..=65_535, "descriptors", "in a view; 40 stalls at n=8192"),
    Param::int("cycles", 20, 1..=10_000, "cycles", "run at most; a perfect ring stays"),
];

static METRICS: [Metric; 2] = [
    Metric::median("cycles_to_perfect", "first cycle after which no link is missing"),
    Metric::mean("missing_links", "of the 2n links to both neighbours, those missing"),
];

/// Missing ring links at n = 8192 after cycles 1 to 10; and 5 sd of the difference of two runs,
/// from the sd over 20 of ours (11 27 52 72 66 33 11 5.6 1.8 .6).
const MISSING: [(f64, f64); 10] = [
    (16_291.0, 78.0),
    (15_911.0, 190.0),
    (14_468.0, 370.0),
    (10_136.0, 510.0),
    (3_999.0, 470.0),
    (876.0, 230.0),
    (172.0, 79.0),
    (37.0, 40.0),
    (6.0, 13.0),
    (0.0, 4.2),
];

/// Right ring links of the form of 2005 at n = 16384 with c = 20, and their sd.
///
/// What the authors' program calls a cycle is half of one here: its paper has each view updated
/// once in a cycle on average, and an exchange updates two. A view of c that is merged with another
/// and with their owners' descriptors makes at most 2 (c + 1) / c = 2.1 times as many right links,
/// which is the upper end of that paper's plots, [.95, 2.1]; in a cycle here there are up to 4.4
/// times as many. After 2, 4, .. 12 of its cycles the program had 151, 530, 1794, 5523, 14265 and
/// 25712 in one run.
const RIGHT: [(f64, f64); 7] = [
    (183.0, 15.4),
    (729.0, 35.4),
    (2_566.0, 56.1),
    (7_704.0, 71.2),
    (16_687.0, 99.1),
    (25_907.0, 108.0),
    (29_626.0, 106.0),
];

stack! {
    /// T-Man over Cyclon.
    #[derive(Debug)]
    struct OverCyclon<I: PeerId> {
        peers: Cyclon<I, CYCLON>,
        #[uses(peers)]
        ring: Ring<I>,
    }
}

stack! {
    /// T-Man over Newscast.
    #[derive(Debug)]
    struct OverNewscast<I: PeerId> {
        peers: Newscast<I, NEWSCAST>,
        #[uses(peers)]
        ring: Ring<I>,
    }
}

type Ring<I> = TMan<I, RingRank, MESSAGE>;

/// What a trial is made of.
struct Trial<'a> {
    params: &'a Params,
    seed: u64,
}

impl Trial<'_> {
    fn nodes(&self) -> u32 {
        self.params.count("n") as u32
    }

    /// As published: nothing expires. Over the ideal sampler nothing comes in from below, either:
    /// that is where the ten random peers at the start were from.
    fn ring(&self, me: u32) -> Result<Ring<u32>, ParameterError> {
        let params = self.params;
        let least = usize::from(params.choice("sampler") != "uniform");
        let mut config = tman::Config::new(RingRank::indexed(self.nodes())?)
            .message(params.count("m"))
            .psi(params.count("psi"))
            .limit(params.count("limit"))
            .lifetime(65_535)
            .probes(0)
            .fresh(params.count("fresh").max(least));
        if params.choice("form") == "2005" {
            // Two of the paper's cycles are one here.
            let nodes_a_view = f64::from(self.nodes()) / params.count("c") as f64;
            let endgame = (libm::log2(nodes_a_view) / 2.0).ceil().max(0.0) as u32;
            config = config.bounded(params.count("c"), endgame);
        }
        let mut ring = Ring::new(config)?;
        for peer in self.random(me, params.count("start"), 0) {
            ring.inner_mut().introduce(peer);
        }
        Ok(ring)
    }

    /// `count` random peers of `me`, fewer if there are not so many.
    fn random(&self, me: u32, count: usize, purpose: u64) -> Vec<u32> {
        let n = self.nodes() as usize;
        let mut random = Key::new(self.seed).with(START_PEERS).with(purpose).random(me.into());
        let mut peers = Vec::with_capacity(count);
        while peers.len() < count.min(n - 1) {
            let peer = random.below(n) as u32;
            if peer != me && !peers.contains(&peer) {
                peers.push(peer);
            }
        }
        peers
    }

    fn over_cyclon(&self, me: u32) -> Result<OverCyclon<u32>, ParameterError> {
        let mut peers = Cyclon::new(cyclon::Config::default())?;
        for peer in self.random(me, CYCLON, 1) {
            peers.inner_mut().introduce(peer, ());
        }
        Ok(OverCyclon::new(peers, self.ring(me)?))
    }

    fn over_newscast(&self, me: u32) -> Result<OverNewscast<u32>, ParameterError> {
        let mut peers = Newscast::new(newscast::Config::default())?;
        for peer in self.random(me, NEWSCAST, 1) {
            peers.inner_mut().introduce(peer, ());
        }
        Ok(OverNewscast::new(peers, self.ring(me)?))
    }

    fn run<S, D>(
        &self,
        node: impl Fn(u32) -> Result<S, ParameterError>,
        world: D,
        ring: fn(&S) -> &Ring<u32>,
    ) -> Result<Vec<Sample>, ParameterError>
    where
        S: Layer<D, Id = u32>,
        D: World<S>,
    {
        let nodes = (0..self.nodes()).map(node).collect::<Result<Vec<_>, _>>()?;
        let mut sim = Simulation::with(nodes, self.seed, Order::Sequential, world, Perfect);
        let mut samples = Vec::new();
        let mut perfect = f64::INFINITY;
        for cycle in 1..=self.params.count("cycles") as u32 {
            // Without faults a perfect ring stays perfect.
            if perfect.is_infinite() {
                sim.step();
            }
            let missing = if perfect.is_finite() {
                0
            } else {
                ring::missing_links(sim.nodes().map(|(id, node)| (id, &**ring(node))))
            };
            if missing == 0 {
                perfect = perfect.min(f64::from(cycle));
            }
            samples.push(Sample::at("missing_links", cycle, missing as f64));
        }
        samples.push(Sample::new("cycles_to_perfect", perfect));
        Ok(samples)
    }
}

/// The name of the randomness that the start is drawn from.
const START_PEERS: u64 = 0x7374_6172_7400;

/// The rows of [`RIGHT`].
fn published_2005(params: &Params, metric: &str, cycle: u32) -> Option<Published> {
    let same = params.int("n") == 16_384 && params.int("start") == params.int("c");
    if !same || metric != "missing_links" || !params.are_default_but(&SET_2005) {
        return None;
    }
    let (right, sd) = *RIGHT.get(cycle as usize - 1)?;
    Some(Published {
        value: 32_768.0 - right,
        // Here the three nearest either way come first, which costs 2 to 3 %; 4.5 sd of the
        // difference of two means of 10.
        tolerance: 0.04 * right + 2.0 * sd,
        source: "2005 form, c=20, independent simulation of 12 runs at n=16384",
    })
}

/// What one sets for the form of 2005.
const SET_2005: [&str; 4] = ["form", "n", "start", "cycles"];

impl Experiment for Jelasity09Tman {
    fn id(&self) -> &'static str {
        "jelasity09-tman"
    }

    fn summary(&self) -> &'static str {
        "a ring emerges by T-Man: cycles until it is perfect, and links missing until then; \
         `--set form=2005 --set n=16384 --set start=20` for the other form"
    }

    fn source(&self) -> &'static str {
        "Jelasity, Montresor, Babaoglu, T-Man: Gossip-based fast overlay topology construction, \
         Computer Networks 53(13), 2009, section 5; Jelasity, Babaoglu, T-Man: Gossip-based \
         overlay topology management, ESOA 2005"
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
        let trial = Trial { params, seed };
        let samples = match params.choice("sampler") {
            "cyclon" => trial.run(|me| trial.over_cyclon(me), (), |node| &node.ring),
            "newscast" => trial.run(|me| trial.over_newscast(me), (), |node| &node.ring),
            _ => {
                let fresh = params.count("fresh").max(1);
                let oracle = Oracle::new(trial.nodes(), fresh, seed, |_: &Ring<u32>| Some(()));
                trial.run(|me| trial.ring(me), oracle, |node| node)
            }
        };
        samples.expect("parameters are within the bounds that the protocols have, too")
    }

    fn published(&self, params: &Params, metric: &str, cycle: Option<u32>) -> Option<Published> {
        if params.choice("form") == "2005" {
            return published_2005(params, metric, cycle?);
        }
        if !params.are_default_but(&["n", "cycles"]) {
            return None;
        }
        // A trial that is cut short may not be perfect, however good it is.
        let enough = params.int("cycles") >= 12;
        match (metric, cycle, params.int("n")) {
            ("cycles_to_perfect", None, 1024) if enough => Some(Published {
                value: 7.5,
                tolerance: 1.5,
                source: "2009 algorithm, independent simulation of 5 runs at n=1024: 8,7,7,7,8; \
                         tolerance for the median of at least 5 trials",
            }),
            ("cycles_to_perfect", None, 8192) if enough => Some(Published {
                value: 10.0,
                tolerance: 2.0,
                source: "2009 algorithm, independent simulation of 2 runs at n=8192: 10,10",
            }),
            ("missing_links", Some(cycle), 8192) => {
                let (value, tolerance) = *MISSING.get(cycle as usize - 1)?;
                let source = "2009 algorithm, independent simulation of 1 run at n=8192";
                Some(Published { value, tolerance, source })
            }
            _ => None,
        }
    }
}
