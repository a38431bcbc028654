//! Lifeguard against its paper: Dadgar, Phillips, Currey, *Lifeguard: Local Health Awareness for
//! More Accurate Failure Detection*, DSN 2018.
//!
//! Expected values are those of an independent model of the paper's experiment: 128 nodes, of which
//! 16 are blocked for 16.384 s and free for 64 ms in turns, from second 15 to 135.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_core::membership::{Config, Event, Lifeguard, State, Suspicion, Swim};
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::slow::{Slow, Turns};

const SECOND: Duration = Duration::from_secs(1);
const NODES: u32 = 128;
const SLOW: u32 = 16;

type Cluster = Simulation<Swim<u32>, Slow<Network>>;

fn cluster(config: Config, slow: u32, blocked: Duration, seed: u64) -> Cluster {
    let (from, until) = (SECOND * 15, SECOND * 135);
    let turns = Turns { blocked, free: Duration::from_millis(64), from, until };
    let links = Latency::Uniform(Duration::from_micros(500), Duration::from_millis(2));
    // Spread over the numbers, though these mean nothing.
    let nodes = (0..slow).map(|at| 1 + at * (NODES / slow.max(1)) % (NODES - 1));
    let link = Slow::new(Network::new(links), nodes, turns).unwrap();
    let node = Swim::new(config).unwrap();
    let config = event::Config::seeded(seed);
    let mut sim = Simulation::new(NODES, move |_| node.clone(), link, config).unwrap();
    (1..NODES).for_each(|node| sim.contact(node, 0));
    sim
}

/// The parameters of the experiment, with these components and this alpha, and nothing that is
/// neither in SWIM nor in Lifeguard.
fn with(lifeguard: Lifeguard, alpha: f64) -> Config {
    Config {
        lifeguard,
        suspicion: Suspicion::Decimal(alpha),
        gossip: 15,
        doubt: false,
        accusations: 1.0,
        damping: 0,
        ..Config::default()
    }
}

const PROBE: Lifeguard = Lifeguard { health: 8, nacks: true, ..Lifeguard::OFF };
const SUSPICION: Lifeguard = Lifeguard { confirmations: 3, beta: 6.0, ..Lifeguard::OFF };
const BUDDY: Lifeguard = Lifeguard { buddy: true, ..Lifeguard::OFF };

/// Declarations that a node that was never slow is dead: by all, and by those never slow.
fn false_deaths(config: Config, blocked: Duration, seed: u64) -> (u32, u32) {
    let mut sim = cluster(config, SLOW, blocked, seed);
    sim.run_for(SECOND * 14);
    let known = sim.nodes().map(|(_, node)| node.known().count()).min();
    assert_eq!(known, Some(NODES as usize - 1), "all know all before it begins; seed {seed}");
    sim.run_for(SECOND * 156);
    let told: Vec<_> = sim.events().take().collect();
    let (mut all, mut healthy) = (0, 0);
    for (by, event) in told {
        if let Event::Changed { peer, to, .. } = event
            && to.state == State::Dead
            && !sim.link_mut().is_slow(peer)
        {
            all += 1;
            healthy += u32::from(!sim.link_mut().is_slow(by));
        }
    }
    (all, healthy)
}

/// Table IV and section V: all components together leave at most 2 % of SWIM's false deaths, LHA-
/// Probe and LHA-Suspicion alone at most 20 % each, and Buddy alone does no harm (1.1 times).
#[test]
fn table_4_lifeguard_leaves_at_most_two_percent_of_false_deaths() {
    let (blocked, seed) = (Duration::from_millis(16_384), 1);
    let (swim, healthy) = false_deaths(with(Lifeguard::OFF, 5.0), blocked, seed);
    assert!(swim >= 1_000, "control: {swim} false deaths without Lifeguard; seed {seed}");
    let parts =
        [("all", Lifeguard::ALL), ("probe", PROBE), ("suspicion", SUSPICION), ("buddy", BUDDY)];
    let deaths: BTreeMap<&str, (u32, u32)> = parts
        .map(|(name, part)| (name, false_deaths(with(part, 5.0), blocked, seed)))
        .into_iter()
        .collect();
    let seen = format!("SWIM {swim}, {healthy}; {deaths:?}; seed {seed}");
    assert!(deaths["all"].0 * 50 <= swim && deaths["all"].1 * 50 <= healthy, "{seen}");
    assert!(deaths["probe"].0 * 5 <= swim, "{seen}");
    assert!(deaths["suspicion"].0 * 5 <= swim, "{seen}");
    assert!(f64::from(deaths["buddy"].0) <= 1.1 * f64::from(swim), "{seen}");
    // The abstract: timeouts may be shorter, too. With alpha = 2 there still are fewer.
    let hasty = false_deaths(with(Lifeguard::ALL, 2.0), blocked, seed);
    assert!(hasty.0 < swim && hasty.1 < healthy, "alpha 2: {hasty:?}; {seen}");
}

/// Seconds until the first declares a crashed node dead: the median of 16 crashes, four at a time.
fn declared(config: Config, seed: u64) -> f64 {
    let mut sim = cluster(config, 0, SECOND, seed);
    sim.run_for(SECOND * 40);
    let mut times = Vec::new();
    for batch in 0..4 {
        let crashed: Vec<u32> = (1..=4).map(|at| batch * 4 + at).collect();
        for &node in &crashed {
            sim.crash(node);
        }
        let start = sim.now();
        let mut seen = BTreeMap::new();
        sim.events().take().for_each(drop);
        while seen.len() < crashed.len() {
            sim.run_for(SECOND / 10);
            let after = sim.now().since(start).as_secs_f64();
            assert!(after < 90.0, "a crash is never declared; seed {seed}");
            for (_, event) in sim.events().take() {
                if let Event::Changed { peer, to, .. } = event
                    && to.state == State::Dead
                    && crashed.contains(&peer)
                {
                    seen.entry(peer).or_insert(after);
                }
            }
        }
        times.extend(seen.into_values());
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Section V: true crashes are declared as soon as with SWIM, since the healthy soon agree: within
/// 10 %, at alpha 2 and 5 (model: 6.2 s and 12.5 s for both), and so at alpha 2 in half the time.
#[test]
fn section_5_true_crashes_are_declared_as_soon_as_with_swim() {
    for (alpha, seed) in [(2.0, 3), (5.0, 4)] {
        let swim = declared(with(Lifeguard::OFF, alpha), seed);
        let lifeguard = declared(with(Lifeguard::ALL, alpha), seed);
        assert!((lifeguard / swim - 1.0).abs() <= 0.1, "{lifeguard} s, {swim} s; seed {seed}");
    }
}
