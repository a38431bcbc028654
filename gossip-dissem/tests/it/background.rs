//! Background dissemination: its budget, its order, its ages, and that the newest wins.

use std::collections::BTreeSet;

use crate::common::Everyone;
use gossip_core::sampling::Fixed;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Network;
use gossip_core::testkit::{Bounds, Finally, Invariant, Kinds, Trial, Violation};
use gossip_core::{PeerId, Protocol, stack};
use gossip_dissem::background::{Background, Command, Config, Event};
use proptest::prelude::*;

type Load = Background<u32, u32>;
type Run = Simulation<Load, Everyone, Network>;

fn start(nodes: u32, config: Config, loss: f64, seed: u64) -> Run {
    let all = (0..nodes).map(|_| Load::new(config).unwrap());
    let link = Network::default().loss(loss).unwrap();
    let mut sim = Simulation::with(all, seed, Order::Sequential, Everyone::of(nodes), link);
    for node in 0..nodes {
        sim.command(node, Command::Set(node)).unwrap();
    }
    sim
}

/// The mean and the greatest age that nodes see, and how many pairs of nodes know nothing.
fn ages(sim: &Run) -> (f64, u16, usize) {
    let nodes = sim.live();
    let known: Vec<u16> =
        sim.nodes().flat_map(|(_, node)| node.iter().map(|(_, told)| told.age)).collect();
    let sum: f64 = known.iter().map(|&age| f64::from(age)).sum();
    let most = known.iter().copied().max().unwrap_or(0);
    (sum / known.len() as f64, most, nodes * (nodes - 1) - known.len())
}

/// With room for all entries each version is an epidemic of push, whose age at a random node is
/// about log2 n + ln n in the mean at most (Pittel 1987): 13 at n = 200. A tenth of the room
/// makes entries older, never more than ten times.
#[test]
fn ages_are_those_of_push_epidemics_and_grow_with_a_smaller_budget() {
    let entry = 4 + 10;
    let mut means = Vec::new();
    for share in [1, 10] {
        let budget = (200 * entry / share).max(40);
        let config = Config { budget, ..Config::default() };
        let mut sim = start(200, config, 0.0, 1);
        sim.run(150);
        let (mean, most, unknown) = ages(&sim);
        assert!(most <= 150, "{most} rounds old, share {share}; seed 1");
        assert_eq!(unknown, 0, "seed 1");
        means.push(mean);
    }
    assert!(means[0] <= 13.0, "{means:?}");
    assert!(means[1] > means[0] && means[1] < 10.0 * means[0], "{means:?}");
}

/// What a node said last is what all others read in the end; what it said before is nowhere.
#[test]
fn the_newest_wins_everywhere_although_links_lose() {
    let mut sim = start(100, Config::default(), 0.2, 2);
    for version in 1..=5 {
        sim.run(3);
        for node in 0..100 {
            sim.command(node, Command::Set(1_000 * version + node)).unwrap();
        }
    }
    sim.run(60);
    for (at, node) in sim.nodes() {
        assert_eq!(node.iter().count(), 99, "node {at}, seed 2");
        assert!(node.iter().all(|(origin, told)| *told.value == 5_000 + origin), "node {at}");
    }
}

/// Who is gone is forgotten after `expiry` rounds, everywhere, and the owner is told.
#[test]
fn what_the_dead_said_expires() {
    let config = Config { expiry: 30, ..Config::default() };
    let mut sim = start(50, config, 0.0, 3);
    sim.run(20);
    assert_eq!(ages(&sim).2, 0, "seed 3");
    sim.kill(7);
    sim.events().take().for_each(drop);
    sim.run(31);
    assert!(sim.nodes().all(|(_, node)| node.get(7).is_none()), "seed 3");
    // Some are told again, by those who hold a later version, before it expires there, too.
    let expired = sim.events().take().filter(|told| told.1 == Event::Expired { origin: 7 });
    let told: BTreeSet<u32> = expired.map(|told| told.0).collect();
    assert_eq!(told.len(), 49, "seed 3");
    assert_eq!(ages(&sim).2, 0, "the living do not expire; seed 3");
}

/// A node that lost its state and whose clock went back goes on from the versions of its earlier
/// life: what it says now wins.
#[test]
fn a_restarted_node_outbids_its_earlier_life() {
    let config = Config { expiry: 1_000, ..Config::default() };
    let mut sim = start(30, config, 0.0, 4);
    sim.run(200);
    sim.kill(5);
    assert!(sim.restart(5, Load::new(config).unwrap()));
    sim.command(5, Command::Set(777)).unwrap();
    sim.run(60);
    assert!(sim.nodes().all(|(at, node)| at == 5 || *node.get(5).unwrap().value == 777), "seed 4");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// No round costs more than the budget, no table outgrows its bound, no version goes back, and
    /// no age is below the truth: a node's own version tells how many rounds ago it was made.
    #[test]
    fn budget_bounds_versions_and_ages_hold(
        nodes in 2_u32..30,
        budget in 28_usize..200,
        entries in 1_usize..40,
        loss in 0.0..0.5,
        seed in any::<u64>(),
    ) {
        let config = Config { budget, entries, ..Config::default() };
        let mut sim = start(nodes, config, loss, seed);
        let mut last = std::collections::BTreeMap::new();
        for cycle in 1..40_u64 {
            sim.step();
            for (at, node) in sim.nodes() {
                prop_assert!(node.spent() <= budget);
                prop_assert!(node.iter().count() <= entries);
                for (origin, told) in node.iter() {
                    // All set out at version 0 of a clock at 0, so a version is its round.
                    prop_assert!(told.version <= cycle);
                    let truth = cycle - told.version;
                    prop_assert!(u64::from(told.age) + 1 >= truth, "{} {truth}", told.age);
                    let before = last.insert((at, origin), told.version).unwrap_or(0);
                    prop_assert!(told.version >= before || entries < nodes as usize);
                }
            }
        }
    }
}

stack! {
    /// State among fixed neighbours.
    #[derive(Clone, Debug)]
    pub struct Group<I: PeerId> {
        peers: Fixed<I, 8>,
        #[uses(peers)]
        load: Background<I, u32>,
    }
}

/// Under all faults tables stay bounded; when they are over, all know what all say.
#[test]
fn all_know_what_all_say_after_faults() {
    type Ask = <Group<u32> as Protocol>::Command;
    let make = |node| {
        let load = Background::new(Config::default()).unwrap();
        Group::new(Fixed::new((0..6).filter(|&peer| peer != node)), load)
    };
    let trial = Trial::new(6, make).cases(24).healing().faults(Kinds::NETWORK | Kinds::PAUSES);
    let trial = trial.prepare(|sim| {
        for node in 0..6 {
            sim.command(node, Ask::load(Command::Set(40 + node))).unwrap();
        }
    });
    trial.check(|| -> Vec<Box<dyn Invariant<Group<u32>>>> {
        let all = Finally::new(|sim: &gossip_core::sim::event::Simulation<Group<u32>>| {
            let knows = |node: &Group<u32>| {
                node.load.iter().filter(|(origin, told)| *told.value == 40 + origin).count() == 5
            };
            let lacking = sim.nodes().find(|(_, node)| !knows(node));
            Violation::unless(lacking.is_none(), || format!("{lacking:?}"))
        });
        let bound = Bounds::new("entries", 5, |node: &Group<u32>| node.load.iter().count());
        vec![Box::new(all), Box::new(bound)]
    });
}
