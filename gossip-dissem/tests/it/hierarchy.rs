//! Claims of Gupta, Kermarrec, Ganesh, *Efficient epidemic-style protocols for reliable and
//! scalable multicast*, SRDS 2002, on the simulated numbers of the papers file, section 7: K = 4,
//! push once a round until all know.

use core::cell::Cell;

use crate::common::News;
use gossip_core::random::Random;
use gossip_core::sampling::Fixed;
use gossip_core::sampling::Weighted;
use gossip_core::sim::cycle::Simulation;
use gossip_core::sim::link::Perfect;
use gossip_core::sim::{Activation, World};
use gossip_core::{PeerId, Peers, stack};
use gossip_dissem::hierarchy::{Hierarchical, LeafBoxes};
use gossip_dissem::rumor::{Command, Config};

/// Members 0 to n - 1, four to a box, each with its own choice; counts contacts, and those over the
/// topmost boundary.
struct Tree {
    choices: Vec<Weighted<u32>>,
    me: u32,
    contacts: Cell<u64>,
    over: Cell<u64>,
}

impl Tree {
    fn new(nodes: u32, flat: bool) -> Self {
        let boxes = LeafBoxes::new(4, nodes.ilog(4) - 1).unwrap();
        let place = |node: u32| u64::from(node / 4);
        let choice = |me: u32| {
            let others = (0..nodes).filter(|&peer| peer != me);
            let weights = boxes.weigh(place(me), others.map(|peer| (peer, place(peer))));
            let even = |(peer, weight)| (peer, if flat { 1.0 } else { weight });
            Weighted::new(weights.into_iter().map(even)).unwrap()
        };
        let choices = (0..nodes).map(choice).collect();
        Self { choices, me: 0, contacts: Cell::new(0), over: Cell::new(0) }
    }
}

impl<S> World<S> for Tree {
    fn enter(&mut self, node: u32, _: u32, _: Activation) {
        self.me = node;
    }
}

impl Peers for Tree {
    type Id = u32;

    fn sample(&self, random: &mut Random) -> Option<u32> {
        let peer = self.choices[self.me as usize].sample(random)?;
        let top = self.choices.len() as u32 / 4;
        self.contacts.set(self.contacts.get() + 1);
        self.over.set(self.over.get() + u64::from(peer / top != self.me / top));
        Some(peer)
    }

    fn for_each(&self, visit: impl FnMut(u32, u64)) {
        self.choices[self.me as usize].for_each(visit);
    }
}

/// Rounds until all know, and n times the share of contacts over the topmost boundary, in the mean
/// over so many seeds.
fn push(nodes: u32, flat: bool, seeds: u64) -> (f64, f64) {
    let (mut rounds, mut contacts, mut over) = (0, 0, 0);
    let config = Config::push(60_000).age(60_000).intake(1).memory(60_002);
    for seed in 1..=seeds {
        let all = (0..nodes).map(|_| News::new(config).unwrap());
        let mut sim = Simulation::synchronous(all, seed, Tree::new(nodes, flat), Perfect);
        sim.command(0, Command::Publish(1)).unwrap();
        while sim.nodes().any(|(_, node)| node.hot() == 0) {
            sim.step();
        }
        rounds += sim.cycle();
        contacts += sim.world_mut().contacts.get();
        over += sim.world_mut().over.get();
    }
    (f64::from(rounds) / seeds as f64, f64::from(nodes) * over as f64 / contacts as f64)
}

/// n times the share over the topmost boundary is 3.0 for any n, within 20 %; rounds are 32 and
/// 51.5 at n = 256 and 1024, at most 3.5 times those of flat push (14.7 and 18.1), which has .75 n.
/// Measured with these seeds: 32.2 and 46.7 rounds, 3.05 and 2.90 over the top.
#[test]
fn contacts_over_the_topmost_boundary_do_not_grow_with_the_group() {
    for (nodes, seeds, expected) in [(256, 12, 32.0), (1_024, 3, 51.5)] {
        let (rounds, over) = push(nodes, false, seeds);
        let (flat, wide) = push(nodes, true, 2);
        assert!((over - 3.0).abs() <= 0.6, "{over} over the top at n={nodes}, seeds 1 to {seeds}");
        assert!(rounds <= 3.5 * flat, "{rounds} rounds, flat {flat}");
        // An sd of 5 rounds a run, at a guess; four standard errors.
        assert!((rounds - expected).abs() <= 20.0 / (seeds as f64).sqrt(), "{rounds} at {nodes}");
        assert!((wide / f64::from(nodes) - 0.75).abs() < 0.03, "the control: {wide}");
    }
}

#[test]
#[ignore = "soak: 4096 nodes, each with a choice among all"]
fn soak_rounds_grow_as_the_square_of_the_logarithm() {
    let (small, large) = (push(256, false, 10), push(4_096, false, 3));
    assert!((large.1 - 3.0).abs() <= 0.6, "{large:?}");
    assert!(large.0 / small.0 <= 2.6, "{small:?} {large:?}");
}

stack! {
    /// Choice among fixed members.
    #[derive(Clone, Debug)]
    pub struct Group<I: PeerId> {
        members: Fixed<I, 64>,
        #[uses(members)]
        near: Hierarchical<I>,
    }
}

/// Boxes that are empty lose no weight: each of 20 members in 4^4 boxes, most of them empty, is
/// drawn, and the layer follows its source.
#[test]
fn empty_boxes_are_passed_over() {
    let near = Hierarchical::new(LeafBoxes::new(4, 4).unwrap());
    let group = |node| Group::new(Fixed::new((0..20).filter(|&peer| peer != node)), near.clone());
    let mut sim =
        Simulation::new((0..20).map(group), 1, gossip_core::sim::cycle::Order::Sequential);
    sim.run(1);
    let mut random = gossip_core::random::Key::new(1).random(0);
    for (at, node) in sim.nodes() {
        let drawn: std::collections::BTreeSet<u32> =
            (0..20_000).filter_map(|_| node.near.sample(&mut random)).collect();
        assert_eq!(drawn.len(), 19, "node {at}");
        assert!(!drawn.contains(&at));
    }
}
