//! Lifeguard against its paper: Dadgar, Phillips, Currey, *Lifeguard: Local Health Awareness for
//! More Accurate Failure Detection*, DSN 2018.
//!
//! Expected values are those of an independent model of the paper's experiment: 128 nodes, of which
//! 16 are blocked for 16.384 s and free for 64 ms in turns, from second 15 to 135.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_core::membership::{
    Claim, Config, Event, Lifeguard, Message, Request, State, Suspicion, Swim, Update,
};
use gossip_core::node::{self, Clock, Effects, Node};
use gossip_core::packet::Header;
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::sim::slow::{Slow, Turns};
use gossip_core::wire::Bounded;
use gossip_core::{Time, Wire};

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

/// A node that 127 others have joined, at time 0; it runs no rounds, so it suspects nobody itself.
fn joined(config: Config) -> Told {
    let node = Node::new(0, Swim::<u32>::new(config).unwrap(), node::Config::default()).unwrap();
    let mut told = Told { node, effects: Effects::default() };
    for peer in 1..NODES {
        let own = Update { peer, incarnation: 0, claim: Claim::Alive(0, ()) };
        let request = Request { number: 1, digest: 0, after: None, own };
        told.hear(peer, &Message::Sync(request));
    }
    told
}

/// A node that is told things at time 0.
struct Told {
    node: Node<Swim<u32>>,
    effects: Effects<Swim<u32>>,
}

impl Told {
    fn hear(&mut self, from: u32, message: &Message<u32, (), 8>) {
        let mut bytes = Vec::new();
        Header::of::<Message<u32, (), 8>>(<_>::default()).write(&mut bytes);
        message.encode(&mut bytes);
        let clock = Clock { now: Time::ZERO, wall: 0 };
        self.node.datagram(from, &bytes, clock, &mut self.effects);
    }

    /// Node 7 is accused by these: seconds until it is presumed dead.
    fn accused_by(&mut self, accusers: &[u32]) -> f64 {
        for &by in accusers {
            let mut news = Bounded::new();
            news.fill([Update { peer: 7, incarnation: 0, claim: Claim::Suspected(by) }]);
            self.hear(by, &Message::News(news));
        }
        self.node.wake_at().since(Time::ZERO).as_secs_f64()
    }
}

/// News on probes only: no deadline but those of suspicions.
fn quiet(lifeguard: Lifeguard, alpha: f64) -> Config {
    Config { gossip: 0, ..with(lifeguard, alpha) }
}

/// Section IV.B: max(Min, Max - (Max - Min) log(C + 1) / log(K + 1)), with Min = 5 log10(128) =
/// 10.536050 s, Max = 6 Min, K = 3, to the microsecond; each accuser counts once; without the
/// component it is Min.
#[test]
fn section_4_b_suspicion_timeouts_are_those_of_the_formula() {
    let min = 10.536_050;
    let expected = [63.216_299, 36.876_175, 21.468_189, min, min];
    let accusers = [1, 2, 3, 4, 5];
    for (confirmed, expected) in expected.into_iter().enumerate() {
        let mut told = joined(quiet(Lifeguard::ALL, 5.0));
        let mut by = accusers[..=confirmed].to_vec();
        by.extend_from_within(..);
        let seconds = told.accused_by(&by);
        assert!((seconds - expected).abs() < 3e-6, "C = {confirmed}: {seconds}, {expected}");
    }
    let seconds = joined(quiet(Lifeguard::OFF, 5.0)).accused_by(&[1]);
    assert!((seconds - min).abs() < 3e-6, "{seconds}");
    // Another base and span: alpha 2, beta 4, K = 1.
    let lifeguard = Lifeguard { confirmations: 1, beta: 4.0, ..Lifeguard::ALL };
    let min = 2.0 * libm::log10(128.0);
    for (accusers, expected) in [(&[1][..], 4.0 * min), (&[1, 2], min)] {
        let seconds = joined(quiet(lifeguard, 2.0)).accused_by(accusers);
        assert!((seconds - expected).abs() < 3e-6, "{seconds}, {expected}");
    }
}

/// Frames that travelled in a minute in which node 3 of 12 was dead: when, from whom, to whom.
fn minute(lifeguard: Lifeguard) -> Vec<(Time, u32, u32, Message<u32, (), 8>)> {
    let config = Config { lifeguard, ..Config::default() };
    let node = Swim::<u32>::new(config).unwrap();
    let links = Network::new(Latency::Constant(Duration::from_millis(10)));
    let seeded = event::Config::seeded(5);
    let mut sim = Simulation::new(12, move |_| node.clone(), links, seeded).unwrap();
    (1..12).for_each(|node| sim.contact(node, 0));
    sim.run_for(SECOND * 30);
    sim.crash(3);
    sim.record(1 << 16);
    sim.run_for(SECOND * 60);
    let mut frames = Vec::new();
    for passage in sim.recorded() {
        let (_, mut rest) = Header::read(&passage.bytes, <_>::default()).unwrap();
        while !rest.is_empty() {
            let message = Message::decode(&mut rest).unwrap();
            frames.push((passage.trip.at, passage.trip.from, passage.trip.to, message));
        }
    }
    frames
}

/// Section IV.A: a helper that has no answer says so after 80 % of the timeout, 400 ms after the
/// question came, which takes 10 ms. None does without nacks.
#[test]
fn section_4_a_helpers_send_nacks_at_80_percent_of_the_timeout() {
    let frames = minute(Lifeguard::ALL);
    let mut nacks = 0;
    for (at, helper, asker, message) in &frames {
        let Message::Nack(number) = message else { continue };
        nacks += 1;
        let asked = frames.iter().find(|(_, from, to, message)| {
            let fits = matches!(message, Message::PingReq(theirs, 3, _) if theirs == number);
            fits && (from, to) == (asker, helper)
        });
        let after = asked.map(|asked| at.since(asked.0));
        assert_eq!(after, Some(Duration::from_millis(410)));
    }
    assert!(nacks >= 3, "{nacks}");
    let without = minute(Lifeguard { nacks: false, ..Lifeguard::ALL });
    assert!(!without.iter().any(|frame| matches!(frame.3, Message::Nack(_))));
}

/// Pings to the suspected node 3, by those who know it and do not say that it is dead, and how many
/// of them say first of all that it is suspected.
fn buddies(lifeguard: Lifeguard) -> (usize, usize) {
    let suspected =
        |update: &Update<u32, ()>| update.peer == 3 && matches!(update.claim, Claim::Suspected(_));
    let dead = |update: &Update<u32, ()>| update.peer == 3 && update.claim == Claim::Dead;
    let (mut known, mut pings, mut first) = (Vec::new(), 0, 0);
    for (_, from, to, message) in minute(lifeguard) {
        let (Message::Ping(_, news) | Message::PingReq(_, _, news) | Message::Ack(_, news)) =
            &message
        else {
            continue;
        };
        let asks = to == 3 && matches!(message, Message::Ping(..));
        if asks && known.contains(&from) && !news.iter().any(dead) {
            pings += 1;
            first += usize::from(news.first().is_some_and(suspected));
        }
        // Who says it knows it.
        if news.iter().any(suspected) {
            known.push(from);
        }
    }
    (pings, first)
}

/// Section IV.C: who pings a suspect tells it so first of all; without Buddy only while that is
/// news
/// anyway.
#[test]
fn section_4_c_a_suspect_is_told_first_of_all() {
    // Many confirmations wanted: suspicions last long enough for many pings.
    let lifeguard = Lifeguard { confirmations: 7, ..Lifeguard::ALL };
    let (pings, first) = buddies(lifeguard);
    assert!(pings >= 10 && first == pings, "{first} of {pings}");
    let (pings, first) = buddies(Lifeguard { buddy: false, ..lifeguard });
    assert!(first < pings, "control: {first} of {pings}");
}

/// Section IV.A: with the multiplier at S = 8, probes come once in 9 periods instead of one: 10 in
/// 90 s at a node that hears nothing, 90 without.
#[test]
fn section_4_a_a_node_that_hears_nothing_probes_once_in_nine_periods() {
    for (health, expected) in [(8, 10), (4, 18), (0, 90)] {
        let lifeguard = Lifeguard { health, ..Lifeguard::ALL };
        // Nobody dies, so that there is somebody to probe.
        let suspicion = Suspicion::Decimal(1_000.0);
        let node = Swim::<u32>::new(Config { lifeguard, suspicion, ..Config::default() }).unwrap();
        let links = Network::new(Latency::Constant(Duration::from_millis(10)));
        let seeded = event::Config::seeded(6);
        let mut sim = Simulation::new(12, move |_| node.clone(), links, seeded).unwrap();
        (1..12).for_each(|node| sim.contact(node, 0));
        sim.run_for(SECOND * 30);
        sim.link_mut().set_side(3, 1);
        sim.run_for(SECOND * 40);
        let probes = |sim: &Simulation<Swim<u32>>| sim.node(3).unwrap().stats().probes;
        let before = probes(&sim);
        sim.run_for(SECOND * 90);
        assert!((probes(&sim) - before).abs_diff(expected) <= 1, "S = {health}");
    }
}
