//! A set made equal by its sketches: whatever is lost, at the cost of the difference, among liars.

use std::time::Duration;

use gossip_core::node::{Clock, Config as NodeConfig, Effects, Node as Host};
use gossip_core::packet::{ClusterId, Header};
use gossip_core::sampling::Fixed;
use gossip_core::sim::event::{self, Simulation};
use gossip_core::sim::link::{Latency, Network};
use gossip_core::wire::{Blob, Bounded};
use gossip_core::{Layer, PeerId, Protocol, Time, Wire, stack};
use gossip_entropy::sketch::wire::{Ask, Frame, Need, Span};
use gossip_entropy::union::{Config, Message, Union};

stack! {
    /// A set that knows one peer.
    #[derive(Clone)]
    pub struct Node<I: PeerId> {
        peers: Fixed<I, 1>,
        #[uses(peers)]
        set: Union<I, 32>,
    }
}

/// An element of 32 bytes.
fn element(number: u32) -> Blob<32> {
    Blob::new(format!("{number:0>32}")).unwrap()
}

/// Two nodes with 2,000 common elements and `d` others, half on each side.
fn two(d: u32, loss: f64, seed: u64) -> Simulation<Node<u32>> {
    let make = move |me: u32| {
        let mut set = Union::new(Config::default()).unwrap();
        let own = (0..d).filter(|at| at % 2 == me).map(|at| 10_000 + at);
        (0..2_000).chain(own).for_each(|number| assert!(set.restore(element(number))));
        Node::new(Fixed::new([1 - me]), set)
    };
    let latency = Latency::Uniform(Duration::from_millis(10), Duration::from_millis(50));
    let network = Network::new(latency).loss(loss).unwrap();
    Simulation::new(2, make, network, event::Config::seeded(seed)).unwrap()
}

fn equal<S: Layer<(), Id = u32> + Protocol>(
    sim: &Simulation<S>,
    set: impl Fn(&S) -> &Union<u32, 32>,
    len: usize,
) -> bool {
    let mut nodes = sim.nodes().map(|(_, node)| set(node));
    let first = nodes.next().unwrap().digest();
    nodes.all(|set| set.digest() == first && set.len() == len)
}

#[test]
fn two_sets_become_equal_under_loss() {
    for (d, loss) in [(0, 0.0), (1, 0.0), (100, 0.05), (400, 0.2), (3_000, 0.1)] {
        for seed in 0..3 {
            let mut sim = two(d, loss, seed);
            let mut rounds = 0;
            while !equal(&sim, |node| &node.set, 2_000 + d as usize) {
                sim.run_for(Duration::from_secs(1));
                rounds += 1;
                // A lost question, answer or page is asked for again in the next round.
                assert!(rounds <= 40, "d = {d}, loss {loss}, seed {seed}");
            }
        }
    }
}

type Said = <Node<u32> as Protocol>::Message;

fn datagram(message: Message<32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header::of::<Said>(ClusterId::default()).write(&mut bytes);
    Said::set(message).encode(&mut bytes);
    bytes
}

const CLOCK: Clock = Clock { now: Time::ZERO, wall: 0 };

/// A node whose peer lies, and what it has said.
struct Victim {
    node: Host<Node<u32>>,
    effects: Effects<Node<u32>>,
}

impl Victim {
    fn new() -> Self {
        let mut set = Union::new(Config { traffic: 100, ..Config::default() }).unwrap();
        (0..500).for_each(|number| assert!(set.restore(element(number))));
        let node = Node::new(Fixed::new([1]), set);
        let node = Host::new(0, node, NodeConfig::default()).unwrap();
        Self { node, effects: Effects::default() }
    }

    /// How many datagrams a message is answered with.
    fn hears(&mut self, message: Message<32>) -> usize {
        self.node.datagram(1, &datagram(message), CLOCK, &mut self.effects);
        let answers = self.effects.datagrams.len();
        self.effects.datagrams.clear();
        answers
    }
}

/// Endless questions are answered with a round's traffic, salts with one pass over the set, and
/// answers without question not at all.
#[test]
fn a_liar_gets_a_rounds_traffic_and_changes_nothing() {
    let mut victim = Victim::new();
    let digest = victim.node.stack().set.digest();
    let ask = |salt| {
        let mut spans = Bounded::new();
        spans.fill([Span { first: 0, count: 255 }; 8]);
        Message::Ask(Ask { nonce: [7; 4], salt, need: Need::More { root: 255, spans } })
    };
    let answers: usize = (0..50).map(|_| victim.hears(ask(0))).sum();
    assert_eq!(answers, 100);
    victim.node.round(CLOCK, &mut victim.effects);
    victim.effects.datagrams.clear();
    assert!(victim.hears(ask(5)) > 0, "a salt is granted");
    assert!((6..50).all(|salt| victim.hears(ask(salt)) == 0), "others are not, for some rounds");
    assert_eq!(victim.effects.counts.total("salt refused"), 44);

    let made_up = Frame::Root {
        nonce: [9; 4],
        check: [1; 16],
        frames: 255,
        syndromes: Blob::new([0x55; 63]).unwrap(),
    };
    assert_eq!(victim.hears(Message::Frame(made_up)), 0);
    assert_eq!(victim.effects.counts.total("answer without question"), 1);
    assert_eq!(victim.node.stack().set.digest(), digest);
    // Another digest opens one session, however often it is said.
    let opened: usize = (0..20).map(|at| victim.hears(Message::Digest([at; 24]))).sum();
    assert_eq!(opened, 1);
}
