//! The hub attack: some nodes collude to be all that anybody knows.

use gossip_core::auth::{Authority, Keyed};
use gossip_core::sampling::{Cyclon, SecureCyclon, cyclon, secure_cyclon};
use gossip_core::sim::adversary::{CyclonHub, Fraud, Member, SecureHub};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::observe::neighbours;

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};
use xtask_repro::wiring::{CAPACITY, random_peers};

/// `antonov23-hub`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Antonov23Hub;

static PARAMS: [Param; 8] = [
    Param::int("n", 1_000, 3..=100_000, "nodes", "network size"),
    Param::int("view", 20, 1..=CAPACITY as i64, "descriptors", "view size"),
    Param::int("shuffle", 3, 1..=16, "descriptors", "swapped each way, at most view"),
    Param::float("cheats", 0.02, 0.0..=0.9, "of the nodes", "share that colludes"),
    Param::choice("attack", "cloning", &["cloning", "frequency"], "how, against SecureCyclon"),
    Param::int("turn", 50, 0..=10_000, "cycles", "after which they turn"),
    Param::int("cycles", 150, 1..=10_000, "cycles", "after which it is measured"),
    Param::choice("protocol", "secure", &["secure", "cyclon"], "SecureCyclon, or plain Cyclon"),
];

static METRICS: [Metric; 3] = [
    Metric::mean("peak", "largest share of cheats in honest views, after they turned"),
    Metric::mean("share", "share of cheats in honest views in the end"),
    Metric::mean("aware", "share of honest nodes that know all cheats in the end"),
];

impl Experiment for Antonov23Hub {
    fn id(&self) -> &'static str {
        "antonov23-hub"
    }

    fn summary(&self) -> &'static str {
        "the hub attack on SecureCyclon and Cyclon"
    }

    fn source(&self) -> &'static str {
        "Antonov, Voulgaris, SecureCyclon: Dependable peer sampling, ICDCS 2023, section 6"
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

    fn check(&self, params: &Params) -> Result<(), String> {
        let (n, view, shuffle) = (params.int("n"), params.int("view"), params.int("shuffle"));
        if shuffle > view {
            return Err(format!("`shuffle` = {shuffle} must not exceed `view` = {view}"));
        }
        if view >= n {
            return Err(format!("`view` = {view} must be below `n` = {n}"));
        }
        if honest(params) < 1 {
            return Err("`cheats` must leave an honest node".to_owned());
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let (peak, share, aware) = match params.choice("protocol") {
            "cyclon" => plain(params, seed),
            _ => secure(params, seed),
        };
        [("peak", peak), ("share", share), ("aware", aware)]
            .map(|(name, value)| Sample::new(name, value))
            .to_vec()
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let paper = params.int("n") == 1_000
            && params.int("view") == 20
            && params.int("shuffle") == 3
            && params.float("cheats") == 0.02
            && params.int("turn") == 50;
        if !paper {
            return None;
        }
        let (cycles, source) = (params.int("cycles"), "section 6");
        match (params.choice("protocol"), metric) {
            ("cyclon", "share") if cycles >= 200 => {
                Some(Published { value: 1.0, tolerance: 0.1, source })
            }
            ("secure", "share") if cycles >= 150 => {
                Some(Published { value: 0.0, tolerance: 0.01, source })
            }
            ("secure", "aware") if cycles >= 150 => {
                Some(Published { value: 1.0, tolerance: 0.01, source })
            }
            _ => None,
        }
    }
}

/// Honest nodes; the cheats come after them.
fn honest(params: &Params) -> u32 {
    let nodes = params.int("n") as f64;
    (nodes - (nodes * params.float("cheats")).round()) as u32
}

/// The share of `entries` that are cheats'.
fn cheats(entries: impl Iterator<Item = u32>, honest: u32) -> f64 {
    let (mut all, mut bad) = (0_u32, 0_u32);
    for peer in entries {
        all += 1;
        bad += u32::from(peer >= honest);
    }
    f64::from(bad) / f64::from(all.max(1))
}

fn plain(params: &Params, seed: u64) -> (f64, f64, f64) {
    let (nodes, honest, shuffle) =
        (params.int("n") as u32, honest(params), params.count("shuffle"));
    let size = Some(params.count("view"));
    let config = cyclon::Config { shuffle, size, ..cyclon::Config::default() };
    let hub = CyclonHub { honest, colluders: nodes - honest, shuffle };
    let turn = params.int("turn") as u32;
    let members = (0..nodes).map(|at| {
        let mut node = Cyclon::<u32, CAPACITY>::new(config).expect("within the capacity");
        for peer in random_peers(at, nodes, params.count("view"), seed) {
            node.inner_mut().introduce(peer, ());
        }
        Member::new(node, (at >= honest).then(|| (turn, hub.clone())))
    });
    let mut sim = Simulation::new(members, seed, Order::Sequential);
    let (mut peak, mut share) = (0.0_f64, 0.0);
    for cycle in 1..=params.int("cycles") as u32 {
        sim.step();
        let views = sim.nodes().filter(|(at, _)| *at < honest);
        share = cheats(views.flat_map(|(_, node)| neighbours(node.honest())), honest);
        if cycle > turn {
            peak = peak.max(share);
        }
    }
    (peak, share, 0.0)
}

fn secure(params: &Params, seed: u64) -> (f64, f64, f64) {
    let (nodes, honest, turn) = (params.int("n") as u32, honest(params), params.int("turn") as u32);
    let mut sim = Simulation::new(members(params, seed), seed, Order::Sequential);
    let (mut peak, mut share) = (0.0_f64, 0.0);
    for cycle in 1..=params.int("cycles") as u32 {
        sim.step();
        let views = sim.nodes().filter(|(at, _)| *at < honest);
        share = cheats(views.flat_map(|(_, node)| node.honest().view()), honest);
        if cycle > turn {
            peak = peak.max(share);
        }
    }
    let knows = |node: &Secured| node.honest().culprits().count() == (nodes - honest) as usize;
    let aware = sim.nodes().filter(|(at, node)| *at < honest && knows(node)).count();
    (peak, share, aware as f64 / f64::from(honest))
}

type Secure = SecureCyclon<u32, Keyed, CAPACITY>;
type Secured = Member<Secure, SecureHub<14>>;

fn members(params: &Params, seed: u64) -> Vec<Secured> {
    let (nodes, honest, turn) = (params.int("n") as u32, honest(params), params.int("turn") as u32);
    let size = params.count("view");
    let config = secure_cyclon::Config {
        size: Some(size),
        swaps: params.count("shuffle"),
        samples: size + 5,
        memory: 2 * size,
        culprits: 65_536,
        ..secure_cyclon::Config::default()
    };
    let authority = Authority::new(seed);
    let make = |at| Secure::new(config, authority.signer(at)).expect("within the capacity");
    let mut states: Vec<Secure> = (0..nodes).map(make).collect();
    for at in 0..nodes {
        for peer in random_peers(at, nodes, size, seed) {
            let pair = states.get_disjoint_mut([at as usize, peer as usize]);
            let [one, other] = pair.expect("two nodes");
            one.introduce(other, peer);
        }
    }
    let colluders: Vec<Keyed> = (honest..nodes).map(|at| authority.signer(at)).collect();
    let fraud = match params.choice("attack") {
        "frequency" => Fraud::Frequency,
        _ => Fraud::Cloning,
    };
    let cheat = |at| SecureHub::new(honest, colluders.clone(), authority.signer(at), fraud);
    let states = states.into_iter().zip(0..);
    states.map(|(node, at)| Member::new(node, (at >= honest).then(|| (turn, cheat(at))))).collect()
}
