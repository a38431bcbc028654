//! Every sampler among liars: two of twenty nodes say anything that is well-formed, to anybody.
//! Views stay sound and work bounded; when the liars are gone, the others are one overlay again.

use gossip_core::auth::Authority;
use gossip_core::sampling::{
    Allavena, Brahms, Cyclon, HyParView, Newscast, PeerSampling, SecureCyclon, allavena, brahms,
    cyclon, framework, hyparview, newscast, secure_cyclon,
};
use gossip_core::sim::adversary::{Liar, Member};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::testkit::check_views;
use gossip_core::{Layer, Peers};

const NODES: u32 = 20;
const LIARS: [u32; 2] = [18, 19];

/// Lies a round and liar.
const LIES: u32 = 60;

/// What is checked of one sampler.
struct Bound {
    /// Peers in a view.
    view: usize,
    /// Messages that an honest node sends in a round of its own and for every message it gets.
    work: u64,
    /// Cycles of healing after the liars have gone.
    healing: u32,
}

/// Seeds 0 to 11. They lie for 30 cycles.
fn among_liars<S>(name: &str, make: impl Fn(u32, u64) -> S, bound: &Bound)
where
    S: Layer<Id = u32> + Peers<Id = u32>,
{
    for seed in 0..12 {
        let member = |at| {
            // They listen for two cycles first.
            let liar = LIARS.contains(&at).then(|| (2, Liar::new(NODES, LIES)));
            Member::new(make(at, seed), liar)
        };
        let mut sim = Simulation::new((0..NODES).map(member), seed, Order::Sequential);
        (1..NODES).for_each(|node| sim.contact(node, node / 2));
        let usual = u64::from(NODES) + 2 * u64::from(LIES);
        for cycle in 0..32 {
            let before = sim.sent();
            sim.step();
            let sent = sim.sent() - before;
            assert!(sent < usual * bound.work, "{name}: {sent} sent in {cycle}; seed {seed}");
            for (at, node) in sim.nodes() {
                let sound = check_views(at, node.honest(), bound.view);
                assert_eq!(sound, Ok(()), "{name}, cycle {cycle}, seed {seed}");
            }
        }
        sim.kill_all(LIARS);
        sim.run(bound.healing);
        let rows = sim.nodes().map(|(at, node)| (at, neighbours(node.honest())));
        let graph = Graph::new(rows);
        assert!(graph.undirected().is_connected(), "{name}: parted; seed {seed}");
        // Who does not exist is forgotten, as the dead are.
        let (dead, all) = (graph.dead_links(), graph.nodes().map(|at| graph.known_to(at).len()));
        let all: usize = all.sum();
        assert!(dead * 5 <= all, "{name}: {dead} dead of {all} links; seed {seed}");
    }
}

#[test]
fn cyclon_outlives_liars() {
    let make = |partner| {
        move |_, _| {
            let config = cyclon::Config { shuffle: 4, partner, ..cyclon::Config::default() };
            Cyclon::<u32, 8>::new(config).unwrap()
        }
    };
    let bound = Bound { view: 8, work: 4, healing: 60 };
    among_liars("enhanced", make(cyclon::Partner::Oldest), &bound);
    // The odds of the dead fall as exp(-t / c) only: in 15 c, from 1,000 to 3 in 10^4.
    among_liars("basic", make(cyclon::Partner::Random), &Bound { healing: 120, ..bound });
}

/// With views of c, 2 (c + 1) nodes come apart by themselves, sooner or later, into two parts that
/// are all known to each other: 18 with c = 8 do. With c = 12 there are too few for two such parts.
#[test]
fn newscast_outlives_liars() {
    let make = |_, _| Newscast::<u32, 12>::new(newscast::Config::default()).unwrap();
    among_liars("Newscast", make, &Bound { view: 12, work: 4, healing: 60 });
}

#[test]
fn the_framework_outlives_liars() {
    for (name, config) in
        [("healer", framework::Config::healer(8)), ("swapper", framework::Config::swapper(8))]
    {
        let make = |_, _| PeerSampling::<u32, 9>::new(config).unwrap();
        among_liars(name, make, &Bound { view: 8, work: 4, healing: 60 });
    }
}

#[test]
fn brahms_outlives_liars() {
    let make = |_, _| Brahms::<u32, 8, 8>::new(brahms::Config::default()).unwrap();
    among_liars("Brahms", make, &Bound { view: 8, work: 16, healing: 60 });
}

#[test]
fn allavena_outlives_liars() {
    let make = |_, _| Allavena::<u32, 8>::new(allavena::Config::default()).unwrap();
    among_liars("Allavena", make, &Bound { view: 8, work: 16, healing: 60 });
}

#[test]
fn hyparview_outlives_liars() {
    let make = |_, _| HyParView::<u32, 3, 8>::new(hyparview::Config::default()).unwrap();
    among_liars("HyParView", make, &Bound { view: 3, work: 40, healing: 30 });
}

/// Exchanges take many messages here: gifts both ways, and whole views shown.
#[test]
fn secure_cyclon_outlives_liars() {
    let make = |at, seed| {
        let config = secure_cyclon::Config::default();
        SecureCyclon::<u32, _, 8>::new(config, Authority::new(seed).signer(at)).unwrap()
    };
    among_liars("SecureCyclon", make, &Bound { view: 9, work: 40, healing: 60 });
}
