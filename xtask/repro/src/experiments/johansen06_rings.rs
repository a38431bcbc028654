//! Fireflies among liars: how many rings it takes, whom they remove, and when crashes are seen.

use std::time::Duration;

use gossip_core::auth::{Authority, Signer};
use gossip_core::membership::fireflies::{Certificate, Config, Fireflies, Rings, tolerated};
use gossip_core::membership::{Event, State};
use gossip_core::random::Key;
use gossip_core::sim::adversary::{Accuser, Malice, Member};
use gossip_core::sim::event::{self, Simulation, Status};
use gossip_core::sim::link::{Latency, Network};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `johansen06-rings`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Johansen06Rings;

const SWITCH: [&str; 2] = ["on", "off"];

static PARAMS: [Param; 13] = [
    Param::int("n", 50, 4..=1_000, "members", "of the group that is simulated"),
    Param::float("p", 0.2, 0.0..=0.49, "-", "share of liars"),
    Param::int("group", 1_000, 4..=1_000_000, "members", "of the group that t is computed for"),
    Param::float("risk", 0.001, 1e-9..=1.0, "members", "expected with too many liars before them"),
    Param::int("t", 0, 0..=63, "rings", "tolerated of 2t + 1; 0: as computed, for n"),
    Param::choice("accuse", "on", &SWITCH, "whether liars accuse all whom they precede"),
    Param::choice("unfounded", "on", &SWITCH, "whether they accuse all others as well"),
    Param::choice("replay", "on", &SWITCH, "whether they say again what they heard"),
    Param::float("delta", 10.0, 1.0..=3_600.0, "s", "Delta: half the time to rebut"),
    Param::int("misses", 3, 1..=16, "pings", "unanswered in a row, before a member is accused"),
    Param::float("attack", 60.0, 1.0..=86_400.0, "s", "of lying, before members crash"),
    Param::int("crashes", 5, 0..=500, "members", "correct ones, all at once"),
    Param::float("loss", 0.0, 0.0..=0.9, "-", "share of datagrams lost"),
];

static METRICS: [Metric; 6] = [
    Metric::mean("t", "rings tolerated, computed for group, p and risk; 64: there is no such t"),
    Metric::mean("removed", "times a correct member that lives is removed by another"),
    Metric::mean("accusations", "accepted by each correct member, in a second of the attack"),
    Metric::mean("disabled", "rings disabled by each correct member at the end of the attack"),
    Metric::mean("detection", "s until all correct members have removed all that crashed"),
    Metric::mean("bytes", "sent by each correct member or liar in a second of the attack"),
];

impl Experiment for Johansen06Rings {
    fn id(&self) -> &'static str {
        "johansen06-rings"
    }

    fn summary(&self) -> &'static str {
        "Fireflies among liars: rings needed, members removed, crashes detected"
    }

    fn source(&self) -> &'static str {
        "Johansen, Allavena, van Renesse, Fireflies: scalable support for intrusion-tolerant \
         network overlays, EuroSys 2006"
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
        let correct = params.int("n") - liars(params);
        if params.int("crashes") >= correct {
            return Err(format!("`crashes` must be below the {correct} correct members"));
        }
        if rings(params).is_none() {
            return Err("63 rings tolerated are too few for `n`, `p` and `risk`: give `t`".into());
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let computed =
            tolerated(params.int("group") as u32, params.float("p"), params.float("risk"));
        let mut samples = vec![Sample::new("t", computed.map_or(64.0, f64::from))];
        let mut sim = cluster(params, seed);
        let before = sim.traffic().bytes;
        sim.run_for(Duration::from_secs_f64(params.float("attack")));
        let bytes = (sim.traffic().bytes - before) as f64;
        let per = params.float("attack") * params.int("n") as f64;
        samples.push(Sample::new("bytes", bytes / per));
        let correct = (params.int("n") - liars(params)) as f64;
        let all = sim.nodes().filter(|(_, node)| !node.is_cheat());
        let disabled: usize = all.map(|(_, node)| node.honest().disabled().len()).sum();
        samples.push(Sample::new("disabled", disabled as f64 / correct));
        let [accused, mut removed] = turned(&mut sim, 0);
        samples.push(Sample::new("accusations", accused / correct / params.float("attack")));
        let crashes = params.int("crashes") as u32;
        (0..crashes).for_each(|node| _ = sim.crash(node));
        let start = sim.now();
        let limit = Duration::from_secs_f64(params.float("delta") * 4.0 + 120.0);
        while !agreed(&sim) && sim.now().since(start) < limit {
            sim.run_for(Duration::from_millis(250));
        }
        removed += turned(&mut sim, crashes)[1];
        samples.push(Sample::new("removed", removed));
        if crashes > 0 && agreed(&sim) {
            samples.push(Sample::new("detection", sim.now().since(start).as_secs_f64()));
        }
        samples
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let published = |value, tolerance, source| Some(Published { value, tolerance, source });
        let enough = params.int("t") == 0 && params.float("risk") <= 0.001;
        let quiet = params.float("loss") == 0.0;
        match metric {
            "t" => published(table(params)?, 0.0, "n P[Bin(2t + 1, p) > t] < risk"),
            "removed" if enough && quiet => published(0.0, 0.0, "no correct member is removed"),
            // Between the misses and the gossip, of up to Delta.
            "detection" if enough && quiet => {
                let fewest = params.int("misses") as f64 - 1.0 + 2.0 * params.float("delta");
                let slack = params.float("delta") / 2.0 + 2.0;
                published(fewest + slack, slack, "pings, 2 Delta and gossip")
            }
            _ => None,
        }
    }
}

/// The table of rings, where the parameters are in it.
fn table(params: &Params) -> Option<f64> {
    let rows = [
        (0.10, [4, 6, 9], [9, 11, 13]),
        (0.20, [10, 15, 20], [20, 25, 30]),
        (0.25, [16, 24, 31], [31, 39, 47]),
    ];
    let (_, likely, sure) = rows.into_iter().find(|row| row.0 == params.float("p"))?;
    let column = [100, 1_000, 10_000].into_iter().position(|n| n == params.int("group"))?;
    let risk = params.float("risk");
    let found = if risk == 0.1 { likely } else { sure };
    (risk == 0.1 || risk == 0.001).then(|| f64::from(found[column]))
}

fn liars(params: &Params) -> i64 {
    (params.int("n") as f64 * params.float("p")).round() as i64
}

/// t, if there is one.
fn rings(params: &Params) -> Option<u8> {
    match params.int("t") as u8 {
        0 => tolerated(params.int("n") as u32, params.float("p"), params.float("risk")),
        t => Some(t),
    }
}

type Cluster = Simulation<Member<Fireflies<u32, gossip_core::auth::Keyed>, Accuser>>;

/// Seconds after which all know all, and liars begin to lie.
const TURN: u32 = 60;

const AUTHORITY: u32 = u32::MAX;

/// A group that knows itself, at the moment at which the liars begin.
fn cluster(params: &Params, seed: u64) -> Cluster {
    let (n, t) = (params.int("n") as u32, rings(params).expect("it was checked"));
    let liars = liars(params) as u32;
    let config = Config {
        delta: Duration::from_secs_f64(params.float("delta")),
        misses: params.int("misses") as u8,
        ..Config::new(AUTHORITY, t)
    };
    let on = |name| params.choice(name) == "on";
    let malice = Malice { accuse: on("accuse"), unfounded: on("unfounded"), replay: on("replay") };
    let world = Authority::new(seed);
    let make = move |at: u32| {
        let (authority, signer) = (world.signer(AUTHORITY), world.signer(at));
        let number = Key::new(seed).random(at.into()).next_u64();
        let certificate = Certificate::issue(&authority, at, signer.key(), number);
        let honest = Fireflies::new(config, signer.clone(), certificate).expect("it was checked");
        let rings = Rings::tolerating(t, config.rings).expect("it was checked");
        let liar = Accuser::new(signer, certificate, rings, (n - liars, n), malice);
        Member::new(honest, (at >= n - liars).then_some((TURN, liar)))
    };
    let links = Latency::Uniform(Duration::from_millis(5), Duration::from_millis(50));
    let links = Network::new(links).loss(params.float("loss")).expect("a probability");
    let mut sim = Simulation::new(n, make, links, event::Config::seeded(seed)).expect("it fits");
    (1..n).for_each(|node| sim.contact(node, 0));
    sim.run_for(Duration::from_secs(TURN.into()));
    sim.events().take().for_each(drop);
    sim
}

/// At correct members, how often a member was accused, and how often one was removed that is
/// correct and lives: those below `crashed` do not.
fn turned(sim: &mut Cluster, crashed: u32) -> [f64; 2] {
    let told: Vec<_> = sim.events().take().collect();
    let correct = |at: u32| sim.node(at).is_some_and(|node| !node.is_cheat());
    let mut turned = [0.0; 2];
    for (by, event) in told {
        if let Event::Changed { peer, to, .. } = event
            && correct(by)
        {
            turned[0] += f64::from(u8::from(to.state == State::Suspected));
            let wrong = to.state == State::Dead && peer >= crashed && correct(peer);
            turned[1] += f64::from(u8::from(wrong));
        }
    }
    turned
}

/// Whether no correct member counts one as a member that has crashed.
fn agreed(sim: &Cluster) -> bool {
    let crashed = |at: &u32| sim.status(*at) == Some(Status::Crashed);
    sim.nodes().filter(|(_, node)| !node.is_cheat()).all(|(_, node)| {
        let members = node.honest().known().filter(|(_, standing)| standing.state.is_member());
        !members.map(|(peer, _)| peer).any(|peer| crashed(&peer))
    })
}
