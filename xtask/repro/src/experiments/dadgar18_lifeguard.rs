//! Lifeguard's false deaths and detection time against plain SWIM's, some nodes being slow.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_core::membership::{Config, Event, Lifeguard, State, Suspicion, Swim};
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::slow::{Slow, Turns};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `dadgar18-lifeguard`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dadgar18Lifeguard;

const SWITCH: [&str; 2] = ["on", "off"];

static PARAMS: [Param; 15] = [
    Param::int("n", 128, 4..=10_000, "nodes", "group size"),
    Param::int("c", 16, 0..=5_000, "nodes", "slow ones, all at once"),
    Param::float("d", 16.384, 0.001..=3_600.0, "s", "for how long they are blocked each time"),
    Param::float("i", 0.064, 0.0..=3_600.0, "s", "for how long they are free in between"),
    Param::float("anomaly", 120.0, 0.0..=86_400.0, "s", "how long this goes on"),
    Param::float("alpha", 5.0, 0.1..=100.0, "-", "least suspicion timeout / log10 n, periods"),
    Param::float("swim_alpha", 5.0, 0.1..=100.0, "-", "the same for plain SWIM"),
    Param::float("beta", 6.0, 1.0..=100.0, "-", "longest by least suspicion timeout"),
    Param::int("k", 3, 0..=7, "members", "confirmations for the least timeout; 0: always it"),
    Param::int("health", 8, 0..=60, "-", "S, maximum of the health multiplier; 0: off"),
    Param::choice("nacks", "on", &SWITCH, "whether helpers send nacks"),
    Param::choice("buddy", "on", &SWITCH, "whether suspects are told first"),
    Param::int("helpers", 3, 0..=16, "members", "of an indirect probe"),
    Param::int("gossip", 15, 0..=64, "members", "told the news in a period besides probes"),
    Param::int("crashes", 16, 0..=1_000, "nodes", "that truly die, in a run of their own"),
];

static METRICS: [Metric; 8] = [
    Metric::mean("swim", "declarations that a node never slow is dead, plain SWIM"),
    Metric::mean("lifeguard", "the same with the components that are on"),
    Metric::mean("share", "the latter by the former"),
    Metric::mean("share_healthy", "the same of declarations by nodes never slow"),
    Metric::mean("messages", "datagrams sent by those of plain SWIM"),
    Metric::median("swim_detects", "s until a crash is first declared, plain SWIM"),
    Metric::median("detects", "the same with the components that are on"),
    Metric::median("detection", "the latter by the former"),
];

impl Experiment for Dadgar18Lifeguard {
    fn id(&self) -> &'static str {
        "dadgar18-lifeguard"
    }

    fn summary(&self) -> &'static str {
        "Lifeguard's false deaths and detection time against SWIM's"
    }

    fn source(&self) -> &'static str {
        "Dadgar, Phillips, Currey, Lifeguard: local health awareness for more accurate failure \
         detection, DSN 2018, section V"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        3
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        let (n, c, crashes) = (params.int("n"), params.int("c"), params.int("crashes"));
        if c >= n {
            return Err(format!("`c` = {c} must be below `n` = {n}"));
        }
        if crashes > n / 4 {
            return Err(format!("`crashes` = {crashes} must be at most a quarter of `n` = {n}"));
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let both = configs(params);
        let [swim, lifeguard] = both.map(|config| false_deaths(params, config, seed));
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { f64::NAN };
        let mut samples = vec![
            Sample::new("swim", swim.all),
            Sample::new("lifeguard", lifeguard.all),
            Sample::new("share", ratio(lifeguard.all, swim.all)),
            Sample::new("share_healthy", ratio(lifeguard.healthy, swim.healthy)),
            Sample::new("messages", ratio(lifeguard.datagrams, swim.datagrams)),
        ];
        if params.int("crashes") > 0 {
            let [swim, lifeguard] = both.map(|config| detection(params, config, seed));
            samples.push(Sample::new("swim_detects", swim));
            samples.push(Sample::new("detects", lifeguard));
            samples.push(Sample::new("detection", ratio(lifeguard, swim)));
        }
        samples
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let on = ["nacks", "buddy"].iter().all(|switch| params.choice(switch) == "on")
            && params.int("health") == 8
            && params.int("k") == 3;
        let same_alpha = params.float("alpha") == params.float("swim_alpha");
        let table = params.int("n") == 128 && params.int("c") == 16 && params.float("d") == 16.384;
        let published = |value, tolerance, source| Some(Published { value, tolerance, source });
        match metric {
            // At most 2 %: the paper's table IV has 1.9 % over its whole grid.
            "share" | "share_healthy" if on && table && same_alpha => {
                published(0.01, 0.01, "table IV")
            }
            // Of two medians of 16 crashes each: 10 %.
            "detection" if on && same_alpha => published(1.0, 0.1, "section V"),
            _ => None,
        }
    }
}

/// Plain SWIM, and Lifeguard with the components that are on.
fn configs(params: &Params) -> [Config; 2] {
    let helpers = params.count("helpers");
    let suspicion = |alpha| Suspicion::Decimal(params.float(alpha));
    let lifeguard = Lifeguard {
        health: params.int("health") as u8,
        nacks: params.choice("nacks") == "on",
        confirmations: params.int("k") as u8,
        beta: if params.int("k") == 0 { 1.0 } else { params.float("beta") },
        buddy: params.choice("buddy") == "on",
    };
    let (gossip, suspicion_of_swim) = (params.count("gossip"), suspicion("swim_alpha"));
    // Nothing that is neither in SWIM nor in Lifeguard.
    let (accusations, damping, doubt) = (1.0, 0, false);
    let base = Config { helpers, gossip, accusations, damping, doubt, ..Config::default() };
    let base = Config { suspicion: suspicion_of_swim, ..base };
    let plain = Config { lifeguard: Lifeguard::OFF, ..base };
    [plain, Config { lifeguard, suspicion: suspicion("alpha"), ..base }]
}

type Cluster = Simulation<Swim<u32>, Slow<Network>>;

/// When the anomalies begin.
const START: Duration = Duration::from_secs(40);

/// A group in which `slow` nodes, evenly spread over the numbers, will be slow.
fn cluster(params: &Params, config: Config, slow: u32, seed: u64) -> Cluster {
    let n = params.int("n") as u32;
    let span = |name| Duration::from_secs_f64(params.float(name));
    let (blocked, free) = (span("d"), span("i"));
    let turns = Turns { blocked, free, from: START, until: START + span("anomaly") };
    let links = Latency::Uniform(Duration::from_micros(500), Duration::from_millis(2));
    let nodes = (0..slow).map(|at| at * n / slow.max(1));
    let link = Slow::new(Network::new(links), nodes, turns).expect("blocked for a while");
    let node = Swim::new(config).expect("within the bounds");
    let driver = event::Config::seeded(seed);
    let mut sim = Simulation::new(n, move |_| node.clone(), link, driver).expect("it fits");
    (1..n).for_each(|node| sim.contact(node, 0));
    sim.run_for(START.saturating_sub(Duration::from_secs(1)));
    sim.events().take().for_each(drop);
    sim
}

struct Deaths {
    all: f64,
    healthy: f64,
    datagrams: f64,
}

/// Declarations that a node never slow is dead: by all, and by those never slow themselves.
fn false_deaths(params: &Params, config: Config, seed: u64) -> Deaths {
    let mut sim = cluster(params, config, params.int("c") as u32, seed);
    let before = sim.traffic().datagrams;
    sim.run_for(Duration::from_secs_f64(params.float("anomaly") + 36.0));
    let datagrams = (sim.traffic().datagrams - before) as f64;
    let told: Vec<_> = sim.events().take().collect();
    let link = sim.link_mut();
    let (mut all, mut healthy) = (0.0, 0.0);
    for (by, event) in told {
        if let Event::Changed { peer, to, .. } = event
            && to.state == State::Dead
            && !link.is_slow(peer)
        {
            all += 1.0;
            healthy += f64::from(u8::from(!link.is_slow(by)));
        }
    }
    Deaths { all, healthy, datagrams }
}

/// Seconds until the first declares a crashed node dead: the median of crashes, four at a time.
fn detection(params: &Params, config: Config, seed: u64) -> f64 {
    let mut sim = cluster(params, config, 0, seed);
    let crashes: Vec<u32> = (1..=params.int("crashes") as u32).collect();
    let mut times = Vec::new();
    for batch in crashes.chunks(4) {
        sim.events().take().for_each(drop);
        for &node in batch {
            sim.crash(node);
        }
        let start = sim.now();
        let mut seen = BTreeMap::new();
        for _ in 0..3_000 {
            sim.run_for(Duration::from_millis(100));
            let after = sim.now().since(start).as_secs_f64();
            for (_, event) in sim.events().take() {
                if let Event::Changed { peer, to, .. } = event
                    && to.state == State::Dead
                    && batch.contains(&peer)
                {
                    seen.entry(peer).or_insert(after);
                }
            }
            if seen.len() == batch.len() {
                break;
            }
        }
        times.extend(seen.into_values());
    }
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
