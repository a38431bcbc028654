//! Full membership with failure detection: the same nodes, joins, crashes, losses and pauses, in
//! the same network, for each contender.

#[cfg(feature = "foca")]
mod foca;
mod ours;

use std::ops::Range;
use std::time::Duration;

use gossip_core::Layer;
use gossip_core::membership::Swim;
use gossip_core::sim::event::{Config, Simulation, Status};
use gossip_core::sim::link::{Latency, Network};

use crate::table::{Row, Table};

/// What is asked of who takes part.
pub(crate) trait Contender: Layer<(), Id = u32> + Send + Sized + 'static {
    const NAME: &str;
    /// Its parameters, in words.
    fn configuration() -> String;
    /// Node `at` of `nodes`.
    fn make(nodes: u32, at: u32, seed: u64) -> Self;
    /// Members known, itself not included.
    fn count(&self) -> usize;
    /// Whether `peer` is a member.
    fn holds(&self, peer: u32) -> bool;
    /// Who was declared dead.
    fn died(event: &Self::Event) -> Option<u32>;
    /// Bytes of datagrams that all nodes have sent.
    fn sent(sim: &Simulation<Self>) -> u64;
    /// Bytes of memory that a node takes that was told of `count` members.
    fn memory(count: u32) -> usize;
}

/// Rows on which ours may be behind, if they say why.
const BEHIND: usize = 2;

const SECOND: Duration = Duration::from_secs(1);
/// How exactly times are measured.
const STEP: Duration = Duration::from_millis(100);

/// What one contender does in one run: the rows in order.
type Measure = fn(u64) -> f64;

/// A row for each contender: names, unit, why ours is behind, and the same function of each.
macro_rules! row {
    ($name:literal, $unit:literal, $measure:ident($($arg:expr),*), $why:expr) => {{
        let ours: Measure = |seed| $measure::<Swim<u32>>($($arg,)* seed);
        #[cfg(feature = "foca")]
        let all: Vec<Measure> = vec![ours, |seed| $measure::<foca::Rival>($($arg,)* seed)];
        #[cfg(not(feature = "foca"))]
        let all: Vec<Measure> = vec![ours];
        ($name, $unit, $why, all)
    }};
}

fn network(loss: f64) -> Network {
    let latency = Latency::Uniform(Duration::from_millis(5), Duration::from_millis(50));
    Network::new(latency).loss(loss).expect("a probability")
}

/// `nodes` that all ask node 0 to be let in at the same moment.
fn joining<C: Contender>(nodes: u32, seed: u64) -> Simulation<C> {
    let make = move |at| C::make(nodes, at, seed);
    let config = Config { detection: None, ..Config::seeded(seed) };
    let mut sim = Simulation::new(nodes, make, network(0.0), config).expect("right parameters");
    (1..nodes).for_each(|node| sim.contact(node, 0));
    sim
}

fn complete<C: Contender>(sim: &Simulation<C>) -> bool {
    sim.nodes().all(|(_, node)| node.count() as u32 == sim.size() - 1)
}

/// Steps until `done`; NaN if that takes more than ten minutes.
fn until<C: Contender>(
    sim: &mut Simulation<C>,
    mut done: impl FnMut(&mut Simulation<C>) -> bool,
) -> f64 {
    for step in 0..6_000 {
        if done(sim) {
            return f64::from(step) * STEP.as_secs_f64();
        }
        sim.run_for(STEP);
    }
    f64::NAN
}

/// Nodes that all know each other, and have had time to fall silent.
fn settled<C: Contender>(nodes: u32, seed: u64) -> Simulation<C> {
    let mut sim = joining::<C>(nodes, seed);
    until(&mut sim, |sim| complete(sim));
    sim.run_for(SECOND * 60);
    sim.events().take().for_each(drop);
    sim
}

fn join<C: Contender>(nodes: u32, seed: u64) -> f64 {
    until(&mut joining::<C>(nodes, seed), |sim| complete(sim))
}

/// Moments of a period in which a node crashes. Nodes may be in step: one moment tells little.
const MOMENTS: u32 = 16;

/// Seconds from a crash to `end`, the mean over moments.
fn crash<C: Contender>(nodes: u32, seed: u64, end: impl Fn(&Simulation<C>) -> bool) -> f64 {
    let after = |moment: u32| {
        let mut sim = settled::<C>(nodes, seed * u64::from(MOMENTS) + u64::from(moment));
        sim.run_for(SECOND * moment / MOMENTS);
        sim.crash(7);
        until(&mut sim, |sim| end(sim))
    };
    (0..MOMENTS).map(after).sum::<f64>() / f64::from(MOMENTS)
}

/// Seconds from a crash until the first declares the node dead.
fn first<C: Contender>(nodes: u32, seed: u64) -> f64 {
    crash::<C>(nodes, seed, |sim| sim.nodes().any(|(_, node)| !node.holds(7)))
}

/// And until all know.
fn all<C: Contender>(nodes: u32, seed: u64) -> f64 {
    crash::<C>(nodes, seed, |sim| sim.nodes().all(|(_, node)| !node.holds(7)))
}

/// How often a node, for which `counts` holds, was declared dead since the last look, by nodes that
/// run.
fn deaths<C: Contender>(sim: &mut Simulation<C>, counts: impl Fn(u32) -> bool) -> f64 {
    let told: Vec<(u32, C::Event)> = sim.events().take().collect();
    let runs = |by: u32| sim.status(by) == Some(Status::Alive);
    let died = told.iter().filter(|(by, _)| runs(*by)).filter_map(|(_, event)| C::died(event));
    died.filter(|&peer| counts(peer)).count() as f64
}

/// False deaths of 100 nodes in five minutes, `percent` of all messages being lost.
fn lossy<C: Contender>(percent: u32, seed: u64) -> f64 {
    let mut sim = settled::<C>(100, seed);
    sim.link_mut().set_loss(f64::from(percent) / 100.0).expect("a probability");
    sim.run_for(SECOND * 300);
    deaths(&mut sim, |_| true)
}

/// Stops `nodes`, or lets them go on.
fn set_paused<C: Contender>(sim: &mut Simulation<C>, nodes: Range<u32>, stop: bool) {
    for node in nodes {
        let changed = if stop { sim.pause(node) } else { sim.resume(node) };
        debug_assert!(changed, "{node} was not as thought");
    }
}

/// Lifeguard's experiment: 16 of 128 nodes stop for 16.384 s, run for 64 ms, and so on for five
/// minutes. Deaths of the others, declared by anybody that runs.
fn healthy<C: Contender>(seed: u64) -> f64 {
    let mut sim = settled::<C>(128, seed);
    for _ in 0..18 {
        set_paused(&mut sim, 0..16, true);
        sim.run_for(Duration::from_millis(16_384));
        set_paused(&mut sim, 0..16, false);
        sim.run_for(Duration::from_millis(64));
    }
    sim.run_for(SECOND);
    deaths(&mut sim, |peer| peer >= 16)
}

/// Ten of 100 nodes stop for 5 s: deaths of anybody.
fn paused<C: Contender>(seed: u64) -> f64 {
    let mut sim = settled::<C>(100, seed);
    for first in (0..100).step_by(10) {
        set_paused(&mut sim, first..first + 10, true);
        sim.run_for(SECOND * 5);
        set_paused(&mut sim, first..first + 10, false);
        sim.run_for(SECOND * 25);
    }
    deaths(&mut sim, |_| true)
}

/// Bytes that a node sends in a second when nothing happens.
fn quiet<C: Contender>(nodes: u32, seed: u64) -> f64 {
    let mut sim = settled::<C>(nodes, seed);
    let before = C::sent(&sim);
    sim.run_for(SECOND * 60);
    (C::sent(&sim) - before) as f64 / 60.0 / f64::from(nodes)
}

/// Bytes that a node sends in a second of the first half minute after it asked to be let in.
fn busy<C: Contender>(nodes: u32, seed: u64) -> f64 {
    let mut sim = joining::<C>(nodes, seed);
    sim.run_for(SECOND * 30);
    C::sent(&sim) as f64 / 30.0 / f64::from(nodes)
}

/// Bytes of memory for each of 10^4 members.
fn memory<C: Contender>(_: u64) -> f64 {
    let count = 10_000;
    C::memory(count) as f64 / f64::from(count)
}

/// The most that a period may take in a table ten times as large, of 10^4: names are longer and lie
/// farther apart in memory. 1.03 was measured; the rest is for what else the machine does.
const FLAT: f64 = 1.25;

/// How often what a period takes is measured.
const TURNS: usize = 3;

/// Why ours may be later by about a period.
const ROUNDS: &str = "ours asks and tells at the driver's rounds, once a period; foca at once, and \
                      five times a second";

/// Why ours may send more bytes when nothing happens.
const HEADER: &str = "11 bytes of each datagram tell version, cluster and shape of the stack; \
                      foca's has none of that";

/// Measures everything.
pub(crate) fn compare(seeds: Range<u64>) -> Table {
    let rows = [
        row!("full membership, 100 join at once", "s", join(100), Some(ROUNDS)),
        row!("full membership, 1000 join at once", "s", join(1_000), None),
        row!("a crash among 100: first to know", "s", first(100), None),
        row!("a crash among 100: all know", "s", all(100), Some(ROUNDS)),
        row!("false deaths, 10 % loss", "in 300 s", lossy(10), None),
        row!("false deaths, 20 % loss", "in 300 s", lossy(20), None),
        row!("false deaths, 30 % loss", "in 300 s", lossy(30), None),
        row!("false deaths of the healthy, 16 of 128 paused", "in 300 s", healthy(), None),
        row!("false deaths, each paused for 5 s", "in 300 s", paused(), None),
        row!("traffic of 100, nothing happens", "B/node/s", quiet(100), Some(HEADER)),
        row!("traffic of 1000, nothing happens", "B/node/s", quiet(1_000), Some(HEADER)),
        row!("traffic of 100, the half minute of joining", "B/node/s", busy(100), None),
        row!("memory of 10^4 members", "B/member", memory(), None),
    ];
    let mut faults = Vec::new();
    let mut measured: Vec<Row> = Vec::new();
    for (name, unit, why, contenders) in rows {
        let runs = contenders.iter().map(|measure| seeds.clone().map(measure).collect());
        let runs: Vec<Vec<f64>> = runs.collect();
        eprintln!("membership: {name}: {runs:.2?}");
        if runs[0].iter().any(|value| value.is_nan()) {
            faults.push(format!("`{name}` did not come to an end"));
        }
        // A rival that does not end has no figure.
        let ended = |runs: Vec<f64>| runs.into_iter().filter(|value| !value.is_nan()).collect();
        let runs = runs.into_iter().map(ended).collect();
        measured.push(Row { name: name.to_owned(), unit, why, runs });
    }
    measured.extend(periods(&mut faults));
    if measured.iter().any(|row| row.unit == "B/member" && row.runs[0][0] > 200.0) {
        faults.push("ours takes more than 200 bytes a member".to_owned());
    }
    #[cfg(feature = "foca")]
    let rivals = [(foca::Rival::NAME, foca::Rival::configuration())];
    #[cfg(not(feature = "foca"))]
    let rivals = [];
    let ours = (<Swim<u32>>::NAME, <Swim<u32>>::configuration());
    let contenders = [ours].into_iter().chain(rivals).collect();
    let title = "membership: latency 5 to 50 ms; means over the seeds; less is better";
    Table { title, contenders, rows: measured, unbuilt: Vec::new(), faults, behind: BEHIND }
}

/// Ours alone: what a period costs, which must not grow with the table. By turns, so that what else
/// the machine does slows all tables alike.
fn periods(faults: &mut Vec<String>) -> Vec<Row> {
    let tables = [
        ("processor, 10^3 members", 1_000),
        ("processor, 10^4 members", 10_000),
        ("processor, 10^5 members", 100_000),
    ];
    let turns: Vec<_> = (0..TURNS).map(|_| tables.map(|(_, n)| ours::period(n, 20_000))).collect();
    let row = |(at, (name, _)): (usize, (&str, u32))| {
        let costs = turns.iter().map(|turn: &[f64; 3]| turn[at]).collect();
        Row { name: name.to_owned(), unit: "us/period", why: None, runs: vec![costs] }
    };
    let least = |at: usize| turns.iter().map(|turn| turn[at]).fold(f64::INFINITY, f64::min);
    let (few, many) = (least(0), least(1));
    if many > FLAT * few {
        faults.push(format!("a period takes {few:.1} us among 10^3, {many:.1} us among 10^4"));
    }
    tables.into_iter().enumerate().map(row).collect()
}
