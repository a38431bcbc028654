//! Gossip sorting: a list in the order of attributes, from one contact, under changes and deaths.
//!
//! Section 19 of `papers/aggregate-overlay.md`: attributes in 20 patches do not disconnect it. From
//! one contact it forms as a ring does, in 12 rounds at N = 1,024 (`GUARANTEES.md`); three more are
//! allowed for attributes, which are asked for first. 15 rounds after half have died: the bar of
//! every structure with probes.

use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, cyclon};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::{Finite, PeerId, Protocol, stack};
use gossip_overlay::sorting::{self, Sorted, missing_links};
use gossip_overlay::tman;

stack! {
    /// A sorted list over a sampler that knows no attributes.
    #[derive(Debug)]
    pub struct Node<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        list: Sorted<I, 20>,
    }
}

type Sim = Simulation<Node<u32>>;
type Event = <Node<u32> as Protocol>::Event;
type Command = <Node<u32> as Protocol>::Command;

/// Patches with gaps a million times as wide as what is within; each value twice.
fn attribute(node: u32) -> Finite {
    Finite::new(f64::from(node * 7 % 20) * 1e6 + f64::from(node / 40)).unwrap()
}

fn joined(n: u32, seed: u64) -> Sim {
    let node = |i| {
        let peers = Cyclon::new(cyclon::Config::default()).unwrap();
        Node::new(peers, Sorted::new(sorting::config(attribute(i))).unwrap())
    };
    let mut sim = Simulation::new((0..n).map(node), seed, Order::Sequential);
    (1..n).for_each(|node| sim.contact(node, 0));
    sim
}

fn missing(sim: &Sim) -> usize {
    missing_links(sim.nodes().map(|(id, node)| (id, &*node.list)))
}

/// How many nodes have said this.
fn told(sim: &mut Sim, what: tman::Event) -> usize {
    sim.events()
        .take()
        .filter(|(_, event)| matches!(event, Event::list(told) if *told == what))
        .count()
}

#[test]
fn all_are_sorted_and_say_so() {
    for (n, seed) in [(1, 1), (2, 1), (40, 1), (320, 1), (320, 2)] {
        let mut sim = joined(n, seed);
        sim.run(1);
        assert!(n < 300 || missing(&sim) > 100, "the control, n {n}: {}", missing(&sim));
        sim.run(14);
        assert_eq!(missing(&sim), 0, "n {n}, seed {seed}");
        sim.run(10);
        let stand = told(&mut sim, tman::Event::Converged);
        assert!(n == 1 || stand >= n as usize, "{stand} of {n} have said so, seed {seed}");
        for (id, node) in sim.nodes().filter(|_| n > 1) {
            let health = node.list.health();
            assert!(health.converged && health.links > 0, "{id}: {health:?}");
            assert_eq!(health.right, health.links, "{id}: {health:?}");
        }
    }
}

/// A tenth has other attributes: within as many rounds as it took to form, all stand right, and
/// whoever has new neighbours has said so.
#[test]
fn whoever_changes_moves() {
    let mut sim = joined(320, 3);
    sim.run(25);
    told(&mut sim, tman::Event::Converged);
    for node in (0..320).step_by(10) {
        let elsewhere = attribute((node + 163) % 320);
        sim.command(node, Command::list(tman::Command::Describe(elsewhere))).unwrap();
    }
    assert!(missing(&sim) > 32, "the control, seed 3");
    sim.run(15);
    assert!(told(&mut sim, tman::Event::Disturbed) >= 32, "seed 3");
    assert_eq!(missing(&sim), 0, "seed 3");
}

#[test]
fn half_die_and_the_list_closes_within_15_rounds() {
    for seed in 0..3 {
        let mut sim = joined(320, seed);
        sim.run(20);
        let mut all: Vec<u32> = (0..320).collect();
        let dead = Key::new(seed).with(5).random(0).choose(&mut all, 160).to_vec();
        sim.kill_all(dead);
        assert!(missing(&sim) > 100, "the control, seed {seed}");
        sim.run(15);
        assert_eq!(missing(&sim), 0, "seed {seed}");
    }
}
