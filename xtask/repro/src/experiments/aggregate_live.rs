//! All aggregation protocols side by side, on a lossy network whose nodes come and go; and the bars
//! for mean, count and sum there.

mod bars;

use std::time::Duration;

use gossip_aggregate::extrema::Draws;
use gossip_aggregate::flow_updating::Config as Flows;
use gossip_aggregate::grouped::{Combine, Grouped, median};
use gossip_aggregate::hyperloglog::Census;
use gossip_aggregate::{
    Average, Extrema, FlowUpdating, Leaders, LiMoSense, Mean, PushFlow, PushPull, PushSum,
    Registers, Size, Spread, epoch, live, push_sum,
};
use gossip_core::random::{Key, Random};
use gossip_core::sampling::{HyParView, Newscast, hyparview, newscast};
use gossip_core::sim::Network;
use gossip_core::sim::event::{Config, Simulation};
use gossip_core::sim::link::Latency;
use gossip_core::{Layer, PeerId, stack};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `aggregate-live`.
#[derive(Debug, Clone, Copy)]
pub(super) struct AggregateLive;

static PARAMS: [Param; 5] = [
    Param::int("n", 1_000, 20..=100_000, "nodes", "network size"),
    Param::float("loss", 0.1, 0.0..=0.9, "of the messages", "lost where loss is measured"),
    Param::float("churn", 0.01, 0.0..=0.2, "of the nodes", "replaced in a round, likewise"),
    Param::int("epoch", 40, 10..=1_000, "rounds", "of those that restart"),
    Param::int("watched", 300, 1..=10_000, "rounds", "of live, after two thirds as many"),
];

/// What is measured of each protocol, in this order.
macro_rules! metrics {
    ($($name:literal),+) => {
        [$([
            Metric::median(concat!($name, ".rounds"), "until nine in ten nodes are within 1 %"),
            Metric::median(concat!($name, ".bytes"), "a node and round, headers and sampler in it"),
            Metric::median(concat!($name, ".loss"), "error under loss, median over nodes and time"),
            Metric::median(concat!($name, ".churn"), "error under churn, likewise"),
            Metric::median(
                concat!($name, ".recovery"),
                "rounds after the upper half dies until the median node is within 5 %",
            ),
        ]),+]
    };
}

/// How many numbers there are of each protocol.
const KINDS: usize = 5;

/// By protocol.
static ROWS: [[Metric; KINDS]; 10] = metrics![
    "average",
    "grouped",
    "push-sum",
    "flow-updating",
    "limosense",
    "push-flow",
    "count",
    "extrema",
    "hyperloglog",
    "live-count"
];

/// All of them, one after the other, and the bars.
static METRICS: [Metric; ROWS.len() * KINDS + bars::METRICS.len()] = {
    let mut all = [ROWS[0][0]; ROWS.len() * KINDS + bars::METRICS.len()];
    let mut at = 0;
    while at < all.len() {
        all[at] = if at < ROWS.len() * KINDS {
            ROWS[at / KINDS][at % KINDS]
        } else {
            bars::METRICS[at - ROWS.len() * KINDS]
        };
        at += 1;
    }
    all
};

impl Experiment for AggregateLive {
    fn id(&self) -> &'static str {
        "aggregate-live"
    }

    fn summary(&self) -> &'static str {
        "all aggregation protocols: time, bytes, error under loss and churn, recovery"
    }

    fn source(&self) -> &'static str {
        "not of a paper: protocols of gossip-aggregate on one simulated network"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        2
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let world = World::of(params, seed);
        let rows = [
            world.measure(average, |node| epochs(&*node.what), false),
            world.measure(grouped, |node| epochs(&*node.what), false),
            world.measure(
                pushed,
                |node| [node.what.running_estimate(), node.what.last_estimate()],
                false,
            ),
            world.measure(updating, |node| [Some(node.what.estimate()); 2], false),
            world.measure(limosense, |node| [node.what.estimate(); 2], false),
            world.measure(push_flow, |node| [node.what.estimate(); 2], false),
            world.measure(
                count,
                |node| [node.what.running_estimate(), node.what.last_estimate()],
                true,
            ),
            world.measure(extrema, |node| spread(&*node.what, Extrema::sum), true),
            world.measure(census, |node| spread(&*node.what, Registers::count), true),
            world.measure(
                live_count,
                |node| {
                    // Whose age does not matter here.
                    let said = node.what.estimate(0).map(|said| said.value);
                    [node.what.value().map(Registers::count), said]
                },
                true,
            ),
        ];
        let named = ROWS.iter().zip(rows).flat_map(|(metrics, row)| metrics.iter().zip(row));
        let table = named.filter_map(|(metric, value)| Some(Sample::new(metric.name, value?)));
        table.chain(bars::measured(&world, params.int("watched") as u32)).collect()
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        params.are_default_but(&[]).then(|| bars::bar(metric)).flatten()
    }
}

/// Names the randomness of inputs and of churn.
const NAME: u64 = gossip_core::id::hash(b"xtask::repro::aggregate_live");

/// Uniform from 50 to 150, whatever the seed.
fn input(node: u32) -> f64 {
    50.0 + 100.0 * Key::new(NAME).random(node.into()).unit()
}

/// A protocol over a sampler.
macro_rules! node {
    ($name:ident, $peers:ty, $what:ty) => {
        stack! {
            /// One protocol over its sampler.
            #[derive(Clone, Debug)]
            struct $name<I: PeerId> {
                peers: $peers,
                #[uses(peers)]
                what: $what,
            }
        }
    };
}

node!(Averaging, Newscast<I, 30>, Average<I>);
node!(Grouping, Newscast<I, 30>, PushPull<I, Grouped<15>>);
node!(Pushing, Newscast<I, 30>, PushSum<I, Mean>);
node!(Updating, HyParView<I, 5, 30>, FlowUpdating<I>);
node!(Sensing, HyParView<I, 5, 30>, LiMoSense<I>);
node!(Flowing, HyParView<I, 5, 30>, PushFlow<I>);
node!(Counting, Newscast<I, 30>, PushSum<I, Leaders<48>>);
node!(Drawing, Newscast<I, 30>, Spread<I, Draws<400>>);
node!(Registering, Newscast<I, 30>, Spread<I, Census<512>>);
node!(Living, Newscast<I, 30>, Size<I>);

/// Who a node is, whether it joins a running system, and the rounds of an epoch.
type Born = (u32, bool, u32);

fn fresh() -> Newscast<u32, 30> {
    Newscast::new(newscast::Config::default()).expect("the default")
}

fn stable() -> HyParView<u32, 5, 30> {
    HyParView::new(hyparview::Config::default()).expect("the default")
}

fn restarting<F>((_, joins, rounds): Born, function: F) -> epoch::Config<F> {
    let config =
        if joins { epoch::Config::joining(function) } else { epoch::Config::founding(function) };
    config.epoch(rounds)
}

fn mean(at: u32) -> Mean {
    Mean::of(input(at)).expect("finite")
}

fn average(born: Born) -> Averaging<u32> {
    Averaging::new(fresh(), Average::new(restarting(born, mean(born.0))).expect("valid"))
}

fn grouped(born: Born) -> Grouping<u32> {
    let function = Grouped::new(input(born.0), (0.0, 200.0), Combine::Median).expect("within");
    Grouping::new(fresh(), PushPull::new(restarting(born, function)).expect("valid"))
}

fn pushed(born: Born) -> Pushing<u32> {
    let config = push_sum::Config::new(restarting(born, mean(born.0))).attempts(4);
    Pushing::new(fresh(), PushSum::new(config).expect("valid"))
}

fn updating((at, ..): Born) -> Updating<u32> {
    Updating::new(stable(), FlowUpdating::new(Flows::of(input(at))).expect("finite"))
}

fn limosense((at, ..): Born) -> Sensing<u32> {
    Sensing::new(stable(), LiMoSense::new(Flows::of(input(at))).expect("finite"))
}

fn push_flow((at, ..): Born) -> Flowing<u32> {
    Flowing::new(stable(), PushFlow::new(Flows::of(input(at))).expect("finite"))
}

fn count(born: Born) -> Counting<u32> {
    let leaders = Leaders::expecting(24.0, 1.0).expect("within the bounds");
    let config = push_sum::Config::new(restarting(born, leaders)).attempts(4);
    Counting::new(fresh(), PushSum::new(config).expect("valid"))
}

fn extrema(born: Born) -> Drawing<u32> {
    let draws = Draws::counting().salted(NAME);
    Drawing::new(fresh(), Spread::new(restarting(born, draws)).expect("valid"))
}

fn census(born: Born) -> Registering<u32> {
    let census = Census::salted(NAME);
    Registering::new(fresh(), Spread::new(restarting(born, census)).expect("valid"))
}

fn live_count((_, joins, _): Born) -> Living<u32> {
    Living::new(fresh(), Size::new(live::census(!joins)).expect("valid"))
}

/// What the epoch under way says, and what the last said.
fn epochs<F: gossip_aggregate::push_pull::Function>(
    state: &gossip_aggregate::push_pull::State<u32, F>,
) -> [Option<f64>; 2] {
    [state.running_estimate(), state.last_estimate()]
}

fn spread<S: gossip_aggregate::merge::Source>(
    state: &gossip_aggregate::spread::State<u32, S>,
    read: fn(&S::Value) -> f64,
) -> [Option<f64>; 2] {
    [state.value().map(read), state.last().map(read)]
}

/// One network and what befalls it.
struct World {
    nodes: u32,
    loss: f64,
    churn: f64,
    epoch: u32,
    seed: u64,
}

/// A run of it.
struct Run<'a, S: gossip_core::Protocol, R> {
    sim: Simulation<S, Network>,
    living: Vec<u32>,
    /// The first nodes, and the one that joined last.
    nodes: u32,
    newest: u32,
    /// Replacements that are due.
    owed: f64,
    random: Random,
    read: &'a R,
    counts: bool,
}

impl World {
    fn of(params: &Params, seed: u64) -> Self {
        let (nodes, epoch) = (params.int("n") as u32, params.int("epoch") as u32);
        Self { nodes, loss: params.float("loss"), churn: params.float("churn"), epoch, seed }
    }

    fn start<'a, S, R>(
        &self,
        loss: f64,
        make: fn(Born) -> S,
        (read, counts): (&'a R, bool),
    ) -> Run<'a, S, R>
    where
        S: Layer<(), Id = u32> + 'static,
        R: Fn(&S) -> [Option<f64>; 2],
    {
        let latency = Latency::Uniform(Duration::from_millis(10), Duration::from_millis(50));
        let network = Network::new(latency).loss(loss).expect("a probability");
        let (nodes, epoch) = (self.nodes, self.epoch);
        let born = move |at| make((at, at >= nodes, epoch));
        let mut sim =
            Simulation::new(nodes, born, network, Config::seeded(self.seed)).expect("the default");
        let random = Key::new(self.seed).with(NAME).random(0);
        (1..nodes).for_each(|at| sim.contact(at, 0));
        let living = (0..nodes).collect();
        Run { sim, living, nodes, newest: 0, owed: 0.0, random, read, counts }
    }

    /// The five numbers of a protocol.
    fn measure<S, R>(&self, make: fn(Born) -> S, read: R, counts: bool) -> [Option<f64>; KINDS]
    where
        S: Layer<(), Id = u32> + 'static,
        R: Fn(&S) -> [Option<f64>; 2],
    {
        let what = (&read, counts);
        let mut run = self.start(0.0, make, what);
        let rounds = run.rounds_until(self.epoch.max(100), |run| {
            let near = run.errors(0).iter().filter(|error| **error <= 0.01).count();
            near * 10 >= 9 * run.living.len()
        });
        let bytes = run.sim.traffic().bytes as f64;
        let bytes = bytes / run.sim.now().as_micros() as f64 * 1e6 / f64::from(self.nodes);
        let loss = self.start(self.loss, make, what).error_after(self.epoch, 0.0);
        let replaced = self.churn * f64::from(self.nodes);
        let churn = self.start(0.0, make, what).error_after(self.epoch, replaced);
        let mut run = self.start(0.0, make, what);
        run.rounds(2 * self.epoch, 0.0);
        run.halve();
        let recovery = run.rounds_until(10 * self.epoch, |run| {
            median(&mut run.errors(1)).is_some_and(|error| error <= 0.05)
        });
        [rounds, Some(bytes), loss, churn, recovery]
    }
}

impl<S, R> Run<'_, S, R>
where
    S: Layer<(), Id = u32>,
    R: Fn(&S) -> [Option<f64>; 2],
{
    /// How far every node is off that says something: of the epoch under way (0), or the last (1).
    fn errors(&self, which: usize) -> Vec<f64> {
        let count = self.living.len() as f64;
        let sum: f64 = self.living.iter().map(|&at| input(at)).sum();
        let truth = if self.counts { count } else { sum / count };
        let said = self.sim.nodes().filter_map(|(_, node)| (self.read)(node)[which]);
        said.map(|said| (said / truth - 1.0).abs()).collect()
    }

    /// Lets rounds pass, with so many nodes replaced in each.
    fn rounds(&mut self, rounds: u32, replaced: f64) {
        for _ in 0..rounds {
            self.replace(replaced);
            self.sim.run_for(Duration::from_secs(1));
        }
    }

    /// Some nodes go and as many come. These are told whom to ask for five rounds, as of a list of
    /// seeds: of one contact, that may die before it has answered, a node hears nothing more.
    fn replace(&mut self, replaced: f64) {
        self.owed += replaced;
        while self.owed >= 1.0 && self.living.len() > 1 {
            self.owed -= 1.0;
            let at = self.random.below(self.living.len());
            self.sim.crash(self.living.swap_remove(at));
            let Ok(new) = self.sim.join() else { return };
            self.newest = new;
            self.living.push(new);
        }
        let told = self.newest.saturating_sub((5.0 * replaced) as u32).max(self.nodes);
        for new in told..=self.newest {
            let known = *self.random.pick(&self.living).expect("there is one left");
            self.sim.contact(new, known);
        }
    }

    /// Rounds until something holds, if it does within so many.
    fn rounds_until(&mut self, most: u32, holds: impl Fn(&Self) -> bool) -> Option<f64> {
        (1..=most).find_map(|round| {
            self.rounds(1, 0.0);
            holds(self).then_some(f64::from(round))
        })
    }

    /// The median error over nodes and over two epochs, after three.
    fn error_after(mut self, epoch: u32, replaced: f64) -> Option<f64> {
        self.rounds(20, 0.0); // to get to know each other
        self.rounds(3 * epoch, replaced);
        let mut all = Vec::new();
        for _ in 0..2 * epoch / 5 {
            self.rounds(5, replaced);
            all.extend(self.errors(1));
        }
        median(&mut all)
    }

    /// The half with the greater inputs dies.
    fn halve(&mut self) {
        self.living.sort_by(|one, other| input(*one).total_cmp(&input(*other)));
        for at in self.living.split_off(self.living.len() / 2) {
            self.sim.crash(at);
        }
    }
}
