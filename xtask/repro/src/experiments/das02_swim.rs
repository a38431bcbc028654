//! SWIM's closed forms: detection, load, false positives, dissemination.

use gossip_core::membership::{Command, Config, Event, State, Suspicion, Swim, Why};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Latency, Network};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `das02-swim`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Das02Swim;

static PARAMS: [Param; 7] = [
    Param::int("n", 56, 4..=100_000, "members", "group size"),
    Param::int("k", 1, 0..=16, "members", "helpers of an indirect probe"),
    Param::float("delivered", 0.95, 0.01..=1.0, "of messages", "q, while probes are counted"),
    Param::int("lambda", 3, 1..=16, "times ln(n + 1)", "how often an update is told"),
    Param::int("updates", 6, 2..=8, "updates", "in a message, at most"),
    Param::int("periods", 2_000, 1..=1_000_000, "periods", "in which probes are counted"),
    Param::int("crashes", 3, 0..=1_000, "members", "that die one after the other"),
];

static METRICS: [Metric; 5] = [
    Metric::mean("detection", "periods until the first member misses one that died"),
    Metric::mean("load", "messages per member and period, nothing being wrong"),
    Metric::mean("false_positives", "share of probes of the living that nobody answers"),
    Metric::mean("reached", "periods until all have heard that a member left"),
    Metric::mean("missed", "share of members that have not, after lambda ln n periods"),
];

impl Experiment for Das02Swim {
    fn id(&self) -> &'static str {
        "das02-swim"
    }

    fn summary(&self) -> &'static str {
        "SWIM's detection time, load, false positives, dissemination"
    }

    fn source(&self) -> &'static str {
        "Das, Gupta, Motivala, SWIM: scalable weakly-consistent infection-style process group \
         membership protocol, DSN 2002, sections 3 to 5"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        20
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        let (crashes, n) = (params.int("crashes"), params.int("n"));
        if crashes > n / 2 {
            return Err(format!("`crashes` = {crashes} must be at most half of `n` = {n}"));
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let mut sim = settled(params, seed);
        let mut samples = vec![Sample::new("load", load(&mut sim))];
        samples.extend(farewell(&mut sim, params));
        samples.extend(detection(&mut sim, params.int("crashes") as u32));
        // In a group in which nobody has died: the dead do not answer either.
        let whole = settled(params, !seed);
        samples.push(Sample::new("false_positives", false_positives(whole, params)));
        samples
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let (n, q) = (params.int("n") as f64, params.float("delivered"));
        match metric {
            "detection" if params.int("crashes") > 0 => {
                // One crash has a standard deviation of .96; 4.5 of the mean of 60.
                let crashes = params.int("crashes") as f64 * f64::from(self.seeds());
                let tolerance = 4.5 * 0.96 / crashes.sqrt();
                Some(Published { value: 1.58, tolerance, source: "section 3.1, e / (e - 1)" })
            }
            "load" => Some(Published { value: 2.0, tolerance: 0.05, source: "section 3.1" }),
            "false_positives" => {
                let helpers = libm::pow(1.0 - libm::pow(q, 4.0), params.int("k") as f64);
                let value = (1.0 - q * q) * helpers;
                let probes = n * params.int("periods") as f64 * f64::from(self.seeds());
                let tolerance = 4.5 * (value * (1.0 - value) / probes).sqrt() + 1e-9;
                Some(Published { value, tolerance, source: "section 3.1, (1 - q^2) (1 - q^4)^k" })
            }
            "missed" if params.int("lambda") >= 3 => {
                Some(Published { value: 0.0, tolerance: 0.001, source: "section 4.1" })
            }
            _ => None,
        }
    }
}

/// A group that has joined through node 0 and has told all there was to tell.
fn settled(params: &Params, seed: u64) -> Simulation<Swim<u32>, (), Network> {
    let config = Config {
        helpers: params.count("k"),
        lambda: params.int("lambda") as u8,
        updates: Some(params.count("updates")),
        // Long enough for nobody to die of loss: what is counted is probes.
        suspicion: Suspicion::Natural(30.0),
        sync: 1_024,
        recontact: 0,
        members: 1_000_000,
        ..Config::paper()
    };
    let node = Swim::new(config).expect("within the bounds");
    let link = Network::new(Latency::Constant(core::time::Duration::ZERO));
    let nodes = vec![node; params.count("n")];
    let mut sim = Simulation::with(nodes, seed, Order::Sequential, (), link);
    (1..params.int("n") as u32).for_each(|node| sim.contact(node, 0));
    sim.run(SETTLED);
    sim
}

/// Cycles in which a group settles. Contacts are asked again after 127 and 255.
const SETTLED: u32 = 140;

/// Cycles in which messages are counted.
const COUNTED: u32 = 60;

fn load(sim: &mut Simulation<Swim<u32>, (), Network>) -> f64 {
    let before = sim.sent();
    sim.run(COUNTED);
    (sim.sent() - before) as f64 / f64::from(COUNTED) / sim.live() as f64
}

/// Node 1 leaves: who hears of it, and when.
fn farewell(sim: &mut Simulation<Swim<u32>, (), Network>, params: &Params) -> Vec<Sample> {
    let asked = sim.command(1, Command::Leave(0));
    asked.expect("whoever lives may leave");
    let others = sim.live() - 1;
    let periods = params.int("lambda") as f64 * libm::ceil(libm::log(sim.live() as f64 + 1.0));
    let mut reached = None;
    for period in 1..=periods as u32 {
        sim.step();
        if heard(sim) == others {
            reached.get_or_insert(period);
        }
    }
    let missed = (others - heard(sim)) as f64 / others as f64;
    sim.kill(1);
    let reached = reached.map(|period| Sample::new("reached", period.into()));
    reached.into_iter().chain([Sample::new("missed", missed)]).collect()
}

/// How many know that node 1 has left.
fn heard(sim: &Simulation<Swim<u32>, (), Network>) -> usize {
    let state = |node: &Swim<u32>| node.standing(1).map(|held| held.state);
    sim.nodes().filter(|(_, node)| state(node) == Some(State::Left)).count()
}

/// Nodes die one after the other: periods until the first member misses each, on average.
fn detection(sim: &mut Simulation<Swim<u32>, (), Network>, crashes: u32) -> Option<Sample> {
    let mut sum = 0;
    for node in 2..2 + crashes {
        sim.kill(node);
        sim.events().take().for_each(drop);
        let missed = |(_, event): (u32, Event<u32>)| match event {
            Event::Changed { peer, why, .. } => peer == node && why == Why::NoAnswer,
            _ => false,
        };
        // A probe is judged at the end of its period, in the next cycle.
        sum += (0..1_000).position(|_| {
            sim.step();
            sim.events().take().any(missed)
        })?;
        sim.run(8);
    }
    (crashes > 0).then(|| Sample::new("detection", sum as f64 / f64::from(crashes)))
}

/// The share of probes of living members that fail while messages are lost.
fn false_positives(mut sim: Simulation<Swim<u32>, (), Network>, params: &Params) -> f64 {
    let lost = 1.0 - params.float("delivered");
    sim.link_mut().set_loss(lost).expect("a probability");
    let count = |sim: &Simulation<Swim<u32>, (), Network>| {
        let stats = sim.nodes().map(|(_, node)| node.stats());
        stats.fold((0, 0), |sum, stats| (sum.0 + stats.failed, sum.1 + stats.probes))
    };
    let before = count(&sim);
    sim.run(params.int("periods") as u32);
    let after = count(&sim);
    (after.0 - before.0) as f64 / (after.1 - before.1).max(1) as f64
}
