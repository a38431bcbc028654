//! Mass in the event simulator: exchanges overlap, messages are late, overtaken, doubled and lost.
//!
//! Jelasity et al. 2005, section 7.2: a lost reply changes the sum. The ledger below knows by how
//! much, from nothing but what was on the wire; the sum of the nodes must agree with it at every
//! moment, to rounding.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_aggregate::push_pull::{Config, Message};
use gossip_aggregate::{Average, Mean};
use gossip_core::exchange::PATIENCE;
use gossip_core::packet::HEADER;
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::event::{self, Passage, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::{Leg, PeerId, Protocol, Time, Wire, stack};

stack! {
    /// Averaging over Cyclon.
    #[derive(Clone, Debug)]
    struct Averaging<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        load: Average<I>,
    }
}

type Frame = <Averaging<u32> as Protocol>::Message;

const NODES: u32 = 200;

fn input(node: u32) -> f64 {
    f64::from(node * node % 1_000)
}

fn simulation(network: Network, seed: u64) -> Simulation<Averaging<u32>> {
    let make = |node| {
        let mean = Mean::of(input(node)).unwrap();
        let load = Average::new(Config::founding(mean).endless()).unwrap();
        Averaging::new(Cyclon::new(cyclon::Config::default()).unwrap(), load)
    };
    let mut sim = Simulation::new(NODES, make, network, event::Config::seeded(seed)).unwrap();
    for node in 1..NODES {
        sim.contact(node, node - 1);
    }
    sim.record(1_000_000);
    sim
}

/// What replies carried that their initiators have not taken, or never will.
#[derive(Default)]
struct Ledger {
    /// Requests: when, and what the initiator held, which stays until the exchange is settled.
    asked: BTreeMap<(u32, u32), (Time, f64)>,
    /// Replies that are on their way: arrival, and half the difference.
    flying: Vec<(Time, f64)>,
    /// Half the difference of replies lost, and of replies late.
    lost: f64,
    late: f64,
}

impl Ledger {
    fn read(&mut self, passage: &Passage) {
        let mut frames = &passage.bytes[HEADER..];
        while let Ok(frame) = Frame::decode(&mut frames) {
            match frame {
                Frame::load(Leg::Request(number, Message { state: Some(held), .. })) => {
                    let asked = (passage.trip.at, held.get());
                    self.asked.insert((passage.trip.from, number), asked);
                }
                Frame::load(Leg::Reply(number, Message { state: Some(held), .. })) => {
                    self.reply(passage, (passage.trip.to, number), held.get());
                }
                _ => {}
            }
        }
    }

    fn reply(&mut self, passage: &Passage, request: (u32, u32), held: f64) {
        let (sent, asked) = self.asked[&request];
        let half = (held - asked) / 2.0;
        match passage.copies.iter().min().map(|&delay| passage.trip.at + delay) {
            None => self.lost += half,
            Some(arrival) if arrival >= sent + PATIENCE => self.late += half,
            Some(arrival) => self.flying.push((arrival, half)),
        }
    }

    /// What the sum lacks at `now`.
    fn missing(&mut self, now: Time) -> f64 {
        self.flying.retain(|reply| reply.0 > now);
        self.lost + self.late + self.flying.iter().map(|reply| reply.1).sum::<f64>()
    }
}

/// Runs for a minute, compares the sum with the ledger every 100 ms, and returns the ledger.
fn audit(network: Network, seed: u64) -> Ledger {
    let expected: f64 = (0..NODES).map(input).sum();
    let mut sim = simulation(network, seed);
    let mut ledger = Ledger::default();
    for _ in 0..600 {
        sim.run_for(Duration::from_millis(100));
        sim.recorded().for_each(|passage| ledger.read(&passage));
        let held = |node: &Averaging<u32>| node.load.running_estimate().unwrap_or(0.0);
        // A founder takes part from its first round on; until then its input is not yet in.
        let waiting: f64 = sim
            .nodes()
            .filter(|(_, node)| node.load.running_estimate().is_none())
            .map(|(at, _)| input(at))
            .sum();
        let sum: f64 = sim.nodes().map(|(_, node)| held(node)).sum();
        let drift = (sum + waiting + ledger.missing(sim.now()) - expected).abs() / expected;
        assert!(drift < 1e-9, "seed {seed}, {:?}: unexplained drift {drift:e}", sim.now());
    }
    assert!(sim.counts().get("load", "refused: exchange under way") > 100, "nothing overlapped");
    ledger
}

fn network(low: u64, high: u64) -> Network {
    Network::new(Latency::Uniform(Duration::from_millis(low), Duration::from_millis(high)))
}

/// Round trips below the patience (at most 2 x 5 x 40 ms): nothing is lost, whatever overlaps,
/// overtakes or comes twice. Deterministic: no false alarm.
#[test]
fn mass_is_conserved_while_round_trips_are_below_the_patience() {
    for seed in 0..4 {
        let network = network(5, 40).reordering(0.3).unwrap().duplication(0.2).unwrap();
        let ledger = audit(network, seed);
        assert_eq!((ledger.lost, ledger.late), (0.0, 0.0), "seed {seed}");
    }
}

/// Beyond the patience, the drift is what the late replies carried.
#[test]
fn late_replies_carry_the_drift_away() {
    for seed in 0..4 {
        let ledger = audit(network(5, 400).reordering(0.2).unwrap(), seed);
        assert!(ledger.late != 0.0 && ledger.lost == 0.0, "seed {seed}");
    }
}

/// With loss, the drift is what the lost replies carried.
#[test]
fn lost_replies_carry_the_drift_away() {
    for seed in 0..4 {
        let ledger = audit(network(5, 40).loss(0.2).unwrap().duplication(0.1).unwrap(), seed);
        assert!(ledger.lost != 0.0, "seed {seed}");
    }
}
