//! Two nodes of one name.

use gossip_core::node::{self, Clock, Effects, Node};
use gossip_core::{Card, Protocol, Time};

use super::lessons::tell;
use super::users::{Courier, Loaded, label};
use super::*;

type LoadedEvent = <Loaded<u32> as Protocol>::Event;

/// Every second for ten minutes somebody else says of itself that it is node 5. Both owners are to
/// hear of it; node 5 contradicts 3 times as for a former life, 8 times while pauses double to 256
/// rounds, and 600 / 256 times more. It is a member for all throughout.
#[test]
fn another_node_of_the_same_name_is_reported_and_fought_at_a_decaying_rate() {
    let seed = 52;
    let mut sim = cluster(8, Config::default(), seed);
    let mut reports = 0;
    for _ in 0..600 {
        let incarnation = sim.node(5).unwrap().incarnation() + 1;
        let claim = claims(&[(5, incarnation, Claim::Alive(0, ()))]);
        tell(&mut sim, 1, 5, datagram(&[Said::News(claim)]));
        sim.run_for(SECOND);
        let told = sim.events().take();
        reports += told.filter(|told| matches!(told, (5, Event::Duplicate))).count();
        assert_eq!(disagreement(&sim), None, "seed {seed}");
    }
    let refuted = sim.node(5).unwrap().stats().refuted;
    assert!((11..=3 + 8 + 3).contains(&refuted), "{refuted}; seed {seed}");
    assert_eq!(reports as u64, refuted - 3, "seed {seed}");
}

/// Something that is called on a node.
type Call<'a> = dyn Fn(&mut Node<Loaded<u32>>, Clock, &mut Effects<Loaded<u32>>) + 'a;

/// Six nodes without a network between them, the last two of one name: what is sent to it comes to
/// one of them, at random.
struct Twins {
    nodes: Vec<Node<Loaded<u32>>>,
    effects: Effects<Loaded<u32>>,
    now: u64,
    random: gossip_core::Random,
    /// Reports of another of its name, node by node.
    reports: [u32; 6],
}

impl Twins {
    fn new(seed: u64) -> Self {
        let node = |(at, me): (u8, u32)| {
            let swim = Swim::new(Config::default()).unwrap();
            let (label, courier) = (Card::of(label(at)), Courier(None, <_>::default()));
            let config = node::Config { seed: seed + u64::from(at), ..<_>::default() };
            Node::new(me, Loaded::new(label, swim, courier), config).unwrap()
        };
        let nodes = [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 4)].map(node).into();
        let random = Key::new(seed).random(0);
        Self { nodes, effects: Effects::default(), now: 0, random, reports: [0; 6] }
    }

    fn call(&mut self, at: usize, call: &Call<'_>) {
        let clock = Clock { now: Time::from_micros(self.now), wall: 0 };
        call(&mut self.nodes[at], clock, &mut self.effects);
        let told = self.effects.events.drain(..);
        let twin = |event: &LoadedEvent| matches!(event, LoadedEvent::peers(Event::Duplicate));
        self.reports[at] += told.filter(twin).count() as u32;
        let from = self.nodes[at].me();
        let sent: Vec<_> = self.effects.datagrams.drain(..).collect();
        for datagram in sent {
            let to = if datagram.to == 4 { 4 + self.random.below(2) } else { datagram.to as usize };
            self.call(to, &|node, clock, effects| {
                node.datagram(from, &datagram.bytes, clock, effects);
            });
        }
    }

    fn second(&mut self) {
        for at in 0..6 {
            self.call(at, &Node::round);
        }
        for _ in 0..10 {
            self.now += 100_000;
            (0..6).for_each(|at| self.call(at, &Node::wake));
        }
    }
}

/// Two nodes of one name and different profiles, for ten minutes: both owners hear of it, in the
/// first minute; each contradicts 3 times at once, 8 times while pauses double, and 600 / 256 times
/// more; and the name stands for a member that is alive, with one of the two profiles.
#[test]
fn of_two_nodes_of_one_name_both_hear_and_one_member_stays() {
    for seed in 60..63 {
        let mut twins = Twins::new(seed);
        for at in 1..6 {
            twins.call(at, &|node, clock, effects| node.contact(0, clock, effects));
        }
        (0..60).for_each(|_| twins.second());
        assert!(twins.reports[4] > 0 && twins.reports[5] > 0, "{:?}; seed {seed}", twins.reports);
        (0..540).for_each(|_| twins.second());
        assert_eq!(twins.reports[..4], [0; 4], "seed {seed}");
        for twin in &twins.nodes[4..] {
            let refuted = twin.stack().peers.stats().refuted;
            assert!(refuted <= 3 + 8 + 3, "{refuted}; seed {seed}");
        }
        for node in &twins.nodes[..4] {
            let peers = &node.stack().peers;
            assert!(peers.standing(4).unwrap().state.is_member(), "seed {seed}");
            let label = peers.profile(4).unwrap();
            assert!(label[0] == 4 || label[0] == 5, "seed {seed}");
        }
    }
}
