//! Claims of Leitao, Pereira, Rodrigues, *Epidemic broadcast trees*, SRDS 2007, and what the
//! additions for links that lose promise. Numbers: papers file, section 14.

mod bursts;

use core::time::Duration;
use std::collections::BTreeSet;

use gossip_core::random::Key;
use gossip_core::sampling::{Fixed, HyParView, hyparview};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::event;
use gossip_core::sim::link::{Latency, Network, Perfect};
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::sim::{Neighbourhood, topology};
use gossip_core::testkit::{
    Bounds, DeliveredOnce, Finally, Invariant, Kinds, NoPhantoms, Trial, Violation,
};
use gossip_core::{PeerId, Protocol, stack};
use gossip_dissem::MessageId;
use gossip_dissem::plumtree::{Command, Config, Event, Plumtree, Traffic, Trees};

type News = Plumtree<u32, u32>;
type Static = Simulation<News, Neighbourhood>;

/// Plumtree over a graph that stays.
fn over(graph: Graph, config: Config, seed: u64) -> Static {
    let news = News::new(config).unwrap();
    let nodes: Vec<News> = graph.nodes().map(|_| news.clone()).collect();
    Simulation::with(nodes, seed, Order::Sequential, Neighbourhood::new(graph), Perfect)
}

fn regular(nodes: u32, degree: u32, seed: u64) -> Graph {
    topology::random_regular(nodes, degree, Key::new(seed)).unwrap()
}

/// What one broadcast came to.
#[derive(Debug)]
struct Broadcast {
    /// Nodes it reached, the publisher included.
    reached: usize,
    /// Hops of the last delivery.
    last: u16,
    payloads: u64,
    announced: u64,
    grafts: u64,
    /// Copies of what was there, which prune a link.
    prunes: u64,
}

fn total(nodes: impl Iterator<Item = Traffic>) -> Traffic {
    nodes.fold(Traffic::default(), |sum, one| Traffic {
        payloads: sum.payloads + one.payloads,
        announced: sum.announced + one.announced,
        grafts: sum.grafts + one.grafts,
        prunes: sum.prunes + one.prunes,
        ..sum
    })
}

/// Publishes at `node` and lets two rounds pass.
fn broadcast(sim: &mut Static, node: u32) -> Broadcast {
    let before = total(sim.nodes().map(|(_, node)| node.traffic()));
    sim.events().take().for_each(drop);
    sim.command(node, Command::Publish(1)).unwrap();
    sim.run(2);
    let heard: Vec<u16> =
        sim.events().take().map(|(_, Event::Delivered { hops, .. })| hops).collect();
    let after = total(sim.nodes().map(|(_, node)| node.traffic()));
    Broadcast {
        reached: heard.len(),
        last: heard.iter().copied().max().unwrap_or(0),
        payloads: after.payloads - before.payloads,
        announced: after.announced - before.announced,
        grafts: after.grafts - before.grafts,
        prunes: after.prunes - before.prunes,
    }
}

/// Publishes so often at `node`.
fn settle(sim: &mut Static, node: u32, count: u32) {
    for _ in 0..count {
        broadcast(sim, node);
    }
}

/// The nodes connected to `start`, and how far the farthest is.
fn reach(graph: &Graph, start: u32) -> (BTreeSet<u32>, u16) {
    let (mut seen, mut edge, mut hops) = (BTreeSet::from([start]), vec![start], 0);
    loop {
        let next = edge.iter().flat_map(|&at| graph.known_to(at)).copied();
        edge = next.filter(|&peer| seen.insert(peer)).collect();
        if edge.is_empty() {
            return (seen, hops);
        }
        hops += 1;
    }
}

fn edges(graph: &Graph) -> u64 {
    graph.nodes().map(|at| graph.known_to(at).len() as u64).sum::<u64>() / 2
}

/// The overlay of the paper: active views of 5.
fn hyparview(nodes: u32, seed: u64) -> Graph {
    let node = HyParView::<u32, 5, 30>::new(hyparview::Config::default()).unwrap();
    let mut sim = Simulation::new(vec![node; nodes as usize], seed, Order::Sequential);
    (1..nodes).for_each(|node| sim.contact(node, 0));
    sim.run(30);
    Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(node))))
}

/// The eager links, of which both ends must think so.
fn eager(sim: &Static) -> Graph {
    Graph::new(sim.nodes().map(|(at, node)| {
        (at, node.neighbours().filter(|link| link.1).map(|link| link.0).collect::<Vec<_>>())
    }))
}

/// Section 4.2: "from the second cycle on" there is no redundancy: n - 1 payloads, and every link
/// that is not in the tree carries one announcement each way, 2 (E - (n - 1)) (derived; the paper
/// has 29,987 at 10^4). The last delivery is at most a hop later than by flooding. The eager links
/// are then a spanning tree.
fn a_tree_emerges(graph: &Graph, config: Config, exact: bool, seed: u64) {
    let nodes = graph.nodes().count() as u64;
    let control = 2 * (edges(graph) - (nodes - 1));
    let (all, flood) = reach(graph, 0);
    assert_eq!(all.len() as u64, nodes, "the graph is in parts; seed {seed}");
    let mut sim = over(graph.clone(), config, seed);
    for number in 1..=10 {
        let found = broadcast(&mut sim, 0);
        let what = format!("broadcast {number}, n = {nodes}, seed {seed}: {found:?}");
        assert_eq!(found.reached as u64, nodes, "{what}");
        if number >= 3 {
            assert_eq!(found.payloads, nodes - 1, "{what}");
            assert!(!exact || found.announced == control, "{what}; not {control}");
            assert!(found.last <= flood + 1, "{what}; a flood has {flood}");
            assert_eq!(found.grafts, 0, "{what}");
        }
    }
    let tree = eager(&sim);
    assert_eq!(edges(&tree), nodes - 1, "eager links; seed {seed}");
    assert!(tree.undirected().is_connected(), "eager links; seed {seed}");
    let back = |at: u32, to: u32| tree.known_to(to).contains(&at);
    assert!(tree.nodes().all(|at| tree.known_to(at).iter().all(|&to| back(at, to))));
}

#[test]
fn from_the_third_broadcast_there_are_n_minus_1_payloads_and_2_announcements_a_spare_link() {
    for (seed, (nodes, degree)) in (1..).zip([(1_000, 5), (500, 4), (300, 7), (2, 1)]) {
        a_tree_emerges(&regular(nodes, degree, seed), Config::paper(), true, seed);
    }
    a_tree_emerges(&hyparview(1_000, 5), Config::paper(), true, 5);
}

#[test]
#[ignore = "soak: 10,000 nodes, the paper's size"]
fn soak_a_tree_emerges_at_the_papers_size() {
    a_tree_emerges(&hyparview(10_000, 1), Config::paper(), true, 1);
}

/// The same of the default, whose announcements are acknowledged and whose values are confirmed:
/// a tree is also carved, at n - 1 payloads.
#[test]
fn confirmations_and_suppression_leave_the_tree_alone() {
    a_tree_emerges(&regular(500, 5, 6), shared(), false, 6);
}

/// The default but for its trees.
fn shared() -> Config {
    Config { trees: Trees::Shared, ..Config::default() }
}

/// A tree that grows on demand costs no flood: without a burst, every publication of every origin,
/// the first included, comes once to each of the others. Of a burst of .6 n copies, (.6 - 1 + (1 -
/// 1.2 / 5)^2.5) n = 104 come to who has it (`plumtree/burst.rs`); the sd is at most 8.1 (that of
/// empty cells, if they went to any node), four of it 32. The control: where trees begin as floods,
/// an origin's first costs 4 n + 1.
#[test]
fn a_tree_that_grows_on_demand_needs_no_flood() {
    let bursts = Config { burst: 600, ..Config::default() };
    let floods = Config { trees: Trees::PerOrigin, ..bursts };
    for (config, first) in [
        (Config { burst: 0, ..bursts }, 999..=999),
        (bursts, 999 + 72..=999 + 136),
        (floods, 4_001..=4_001),
    ] {
        let mut sim = over(regular(1_000, 5, 10), config, 10);
        for publisher in [0, 500, 999] {
            for payloads in [first.clone(), 999..=999, 999..=999] {
                let found = broadcast(&mut sim, publisher);
                assert_eq!(found.reached, 1_000, "{found:?}");
                assert!(payloads.contains(&found.payloads), "{found:?}, not {payloads:?}");
            }
        }
    }
}

/// The first broadcast floods: (degree - 1) n + 1 payloads on a regular graph, RMR 3 at degree 5
/// (the paper's figure 3). The control for what follows.
#[test]
fn the_first_broadcast_is_a_flood() {
    let mut sim = over(regular(1_000, 5, 7), Config::paper(), 7);
    assert_eq!(broadcast(&mut sim, 0).payloads, 4 * 1_000 + 1);
}

/// Many publishers, one after the other, share the tree: it does not move.
#[test]
fn many_publishers_share_one_tree() {
    let mut sim = over(regular(1_000, 5, 8), shared(), 8);
    settle(&mut sim, 0, 3);
    let tree = eager(&sim);
    for publisher in (0..1_000).step_by(97) {
        let found = broadcast(&mut sim, publisher);
        assert_eq!((found.reached, found.payloads), (1_000, 999), "{publisher}: {found:?}");
    }
    let moved = eager(&sim);
    assert!(tree.nodes().all(|at| tree.known_to(at) == moved.known_to(at)), "seed 8");
}

/// A settled tree over a graph in which 40 % crash, and the graph of those left.
fn crashed(config: Config, seed: u64) -> (Static, Graph, u32) {
    let graph = regular(1_000, 5, seed);
    let mut sim = over(graph.clone(), config, seed);
    settle(&mut sim, 0, 5);
    let mut all: Vec<u32> = (1..1_000).collect();
    let dead = Key::new(seed).with(1).random(0).choose(&mut all, 400).to_vec();
    sim.kill_all(dead.iter().copied());
    let left = graph.nodes().filter(|at| !dead.contains(at));
    let known = |at: u32| graph.known_to(at).iter().copied().filter(|to| !dead.contains(to));
    (sim, Graph::new(left.map(|at| (at, known(at).collect::<Vec<_>>()))), 0)
}

/// Section 4.3, after 40 % crash at once and with no help from the overlay: grafts reach all who
/// are still connected (.98 of the living: percolation of 5-regular graphs), with less than .3
/// copies too many a node, and none after 4 broadcasts more (papers file, test 3).
#[test]
fn a_crash_of_40_percent_is_repaired_by_grafts() {
    for seed in 11..=13 {
        let (mut sim, graph, source) = crashed(Config::paper(), seed);
        let connected = reach(&graph, source).0.len();
        let first = broadcast(&mut sim, source);
        assert_eq!(first.reached, connected, "seed {seed}: {first:?}");
        assert!(connected as f64 >= 0.97 * 600.0, "seed {seed}: {connected} of 600");
        let redundancy = first.prunes as f64 / (connected - 1) as f64;
        assert!(redundancy < 0.3, "seed {seed}: {first:?}");
        settle(&mut sim, source, 3);
        let later = broadcast(&mut sim, source);
        assert_eq!((later.reached, later.prunes), (connected, 0), "seed {seed}: {later:?}");
    }
}

/// The control: with timers that never end nothing is grafted, and a part of the tree is all that
/// is reached.
#[test]
fn a_crash_of_40_percent_is_not_repaired_without_grafts() {
    let config = Config { timeout1: Duration::from_secs(100_000), ..Config::paper() };
    for seed in 11..=13 {
        let (mut sim, _, source) = crashed(config, seed);
        let found = broadcast(&mut sim, source);
        assert!(found.reached < 300, "seed {seed}: {found:?}");
    }
}

stack! {
    /// Plumtree over fixed neighbours.
    #[derive(Clone, Debug)]
    pub struct Group<I: PeerId> {
        peers: Fixed<I, 8>,
        #[uses(peers)]
        news: Plumtree<I, u32>,
    }
}

type Ask = <Group<u32> as Protocol>::Command;
type Told = <Group<u32> as Protocol>::Event;

fn group(graph: &Graph, node: u32, config: Config) -> Group<u32> {
    let peers = Fixed::new(graph.known_to(node).iter().copied());
    Group::new(peers, Plumtree::new(config).unwrap())
}

/// A tree for each origin, and everything waits for others to go with it.
fn gathering() -> Config {
    let millis = Duration::from_millis;
    Config {
        trees: Trees::PerOrigin,
        gather: millis(100),
        acknowledge: millis(200),
        timeout1: millis(2_000),
        threshold: Some(1),
        ..Config::default()
    }
}

/// A simulation of a group over links that lose nothing and take 20 to 60 ms.
fn quick(graph: &Graph, config: Config, seed: u64) -> event::Simulation<Group<u32>> {
    let latency = Latency::Uniform(Duration::from_millis(20), Duration::from_millis(60));
    let (graph, nodes) = (graph.clone(), graph.nodes().count());
    let make = move |node| group(&graph, node, config);
    let settings = event::Config::seeded(seed);
    let mut sim =
        event::Simulation::new(nodes as u32, make, Network::new(latency), settings).unwrap();
    sim.run_for(Duration::from_secs(2));
    sim
}

/// How many of the deliveries of one publication at `node`, sent when the trees have settled, took
/// more hops than the graph makes necessary, and how many copies were sent.
fn detours(trees: Trees, node: u32, seed: u64) -> (usize, u64) {
    let graph = regular(60, 5, seed);
    let mut sim = quick(&graph, Config { trees, ..gathering() }, seed);
    let mut payloads = 0;
    // Every node publishes 12 times; the last is looked at.
    for number in 0..12 * 60 {
        payloads = total(sim.nodes().map(|(_, node)| node.news.traffic())).payloads;
        sim.events().take().for_each(drop);
        let publisher = (number + node + 1) % 60;
        sim.command(publisher, Ask::news(Command::Publish(number))).unwrap();
        sim.run_for(Duration::from_millis(if number < 11 * 60 { 100 } else { 2_000 }));
    }
    payloads = total(sim.nodes().map(|(_, node)| node.news.traffic())).payloads - payloads;
    let mut distance = std::collections::BTreeMap::from([(node, 0)]);
    let mut edge = vec![node];
    while let Some(at) = (!edge.is_empty()).then(|| edge.remove(0)) {
        for &peer in graph.known_to(at) {
            if !distance.contains_key(&peer) {
                distance.insert(peer, distance[&at] + 1);
                edge.push(peer);
            }
        }
    }
    let longer = sim.events().take().filter(|(at, told)| match told {
        Told::news(Event::Delivered { hops, .. }) => *hops > distance[at],
        Told::peers(never) => match *never {},
    });
    (longer.count(), payloads)
}

/// With a tree per origin every publication takes the shortest ways, n - 1 copies of it, however
/// quick the longer ways are; in a shared tree, the control, most take detours.
#[test]
fn a_tree_per_origin_leads_along_the_shortest_ways() {
    for seed in 31..=32 {
        let own = detours(Trees::PerOrigin, 7, seed);
        assert_eq!(own, (0, 59), "seed {seed}: detours and copies");
        let shared = detours(Trees::Shared, 7, seed);
        assert!(shared.0 > 20, "seed {seed}: only {shared:?} in a shared tree");
    }
}

/// 40 publications a second among 40 nodes for ten seconds: the datagrams sent, and how many of the
/// deliveries are missing when the last has had the time of the longest way.
fn gathered(config: Config, seed: u64) -> (u64, usize) {
    let graph = regular(40, 5, seed);
    let mut sim = quick(&graph, config, seed);
    // The trees settle: 12 publications each.
    for number in 0..12 * 40 {
        sim.command(number % 40, Ask::news(Command::Publish(number))).unwrap();
        sim.run_for(Duration::from_millis(100));
    }
    sim.run_for(Duration::from_secs(3));
    sim.events().take().for_each(drop);
    let before = sim.traffic().datagrams;
    for number in 0..400 {
        sim.command(number * 7 % 40, Ask::news(Command::Publish(number))).unwrap();
        sim.run_for(Duration::from_millis(25));
    }
    // From everybody to everybody in so many hops.
    let hops = (0..40).map(|at| u32::from(reach(&graph, at).1)).max().unwrap();
    sim.run_for((Duration::from_millis(60) + config.gather) * hops);
    let missing = 400 * 40 - sim.events().take().count();
    (sim.traffic().datagrams - before, missing)
}

/// What waits for company leaves with it. A directed link (200 of them) carries 40 * 39 / 200 = 7.8
/// values a second, which makes a datagram in every gather + 1 / 7.8 s = 328 ms, since the first
/// that waits says when: 6,100 in ten seconds, where values alone make 15,600 without. With half of
/// that again for what finds nothing to ride in, 9,000. Nothing takes longer than a hop and the
/// gathering, times the hops.
#[test]
fn what_gathers_costs_fewer_datagrams_and_no_more_than_its_time() {
    for seed in 41..=42 {
        // What else there is to say can wait for longer than values do.
        let second = Duration::from_secs(1);
        let patient = |gather: Duration| Config {
            gather,
            acknowledge: second,
            announce: second,
            confirm: Some(second),
            repeat: Some(3 * second),
            ..gathering()
        };
        let (many, missing) = gathered(patient(Duration::ZERO), seed);
        assert!(missing == 0 && many > 15_600, "seed {seed}, apart: {many}, {missing} missing");
        let (few, missing) = gathered(patient(Duration::from_millis(200)), seed);
        assert!(missing == 0 && few < 9_000, "seed {seed}, together: {few}, {missing} missing");
    }
}

/// Publishes 40 values at 40 nodes over links that lose 5 %; returns how many of the 40 times 200
/// deliveries were missing 30 seconds later.
fn lossy(config: Config, seed: u64) -> u32 {
    let graph = regular(200, 5, seed);
    let latency = Latency::Uniform(Duration::from_millis(20), Duration::from_millis(60));
    let network = Network::new(latency).loss(0.05).unwrap();
    let make = move |node| group(&graph, node, config);
    let mut sim = event::Simulation::new(200, make, network, event::Config::seeded(seed)).unwrap();
    sim.run_for(Duration::from_secs(2));
    for number in 0..40 {
        sim.command(number * 5, Ask::news(Command::Publish(number))).unwrap();
        sim.run_for(Duration::from_secs(1));
    }
    sim.run_for(Duration::from_secs(29));
    40 * 200 - sim.events().take().count() as u32
}

/// Announcements that are repeated until they are acknowledged leave nobody out.
#[test]
fn everybody_hears_although_links_lose() {
    for seed in 21..=23 {
        assert_eq!(lossy(Config::default(), seed), 0, "seed {seed}");
        assert_eq!(lossy(gathering(), seed), 0, "gathering, seed {seed}");
    }
}

/// Copies for each delivery, where 5 publishers out of 200 take turns and links lose 5 %.
fn copies(config: Config, seed: u64) -> f64 {
    let graph = regular(200, 5, seed);
    let latency = Latency::Uniform(Duration::from_millis(20), Duration::from_millis(60));
    let network = Network::new(latency).loss(0.05).unwrap();
    let make = move |node| group(&graph, node, config);
    let mut sim = event::Simulation::new(200, make, network, event::Config::seeded(seed)).unwrap();
    sim.run_for(Duration::from_secs(2));
    for number in 0..100 {
        sim.command(number % 5 * 40, Ask::news(Command::Publish(number))).unwrap();
        sim.run_for(Duration::from_millis(100));
    }
    sim.run_for(Duration::from_secs(29));
    let sent = total(sim.nodes().map(|(_, node)| node.news.traffic())).payloads;
    sent as f64 / (sim.events().take().count() - 100) as f64
}

/// What is lost is lost to a whole branch of the tree, which asks elsewhere: 5 % of losses over
/// some four hops are 1 / .95 + .19 copies if each of them both asks and is sent what the branch
/// gets.
/// With patience and announcements in place of values it stays below 1.2; without, as in the paper,
/// each such question also makes a link, and a value comes twice until it is pruned.
#[test]
fn what_is_lost_on_its_way_is_asked_for_and_the_tree_stays() {
    for seed in 51..=53 {
        let patient = copies(Config::default(), seed);
        assert!(patient < 1.2, "seed {seed}: {patient}");
        let hasty = copies(Config { patience: 0, ..Config::default() }, seed);
        assert!(hasty > patient + 0.1, "seed {seed}: {hasty}, with patience {patient}");
    }
}

/// The control: the paper's protocol asks once, and is not made for links that lose.
#[test]
fn links_that_lose_leave_nodes_out_without_repair() {
    let config = Config { timeout1: Duration::from_secs(100_000), ..Config::paper() };
    let missing = lossy(config, 21);
    assert!(missing > 800, "only {missing} of 8,000");
}

const fn told(event: &Told) -> (MessageId<u32>, u32) {
    match event {
        Told::news(Event::Delivered { id, value, .. }) => (*id, *value),
        Told::peers(never) => match *never {},
    }
}

fn trial(config: Config) -> Trial<Group<u32>> {
    let graph = topology::complete(7).unwrap();
    let config = Config { store: 16, missing: 16, ..config };
    Trial::new(7, move |node| group(&graph, node, config)).cases(32).prepare(|sim| {
        for node in 0..7 {
            sim.command(node, Ask::news(Command::Publish(node))).unwrap();
        }
    })
}

fn sound() -> Vec<Box<dyn Invariant<Group<u32>>>> {
    vec![
        Box::new(DeliveredOnce::new(|event| Some(told(event).0))),
        Box::new(NoPhantoms::new(|event| {
            let (id, value) = told(event);
            id.origin == value && id.sequence == 0
        })),
        Box::new(Bounds::new("kept", 16, |node: &Group<u32>| node.news.kept())),
        Box::new(Bounds::new("missing", 16, |node: &Group<u32>| node.news.missing())),
        Box::new(Bounds::new("queued", 96, |node: &Group<u32>| node.news.unacknowledged())),
    ]
}

/// Under every fault: crashes with and without state, pauses, partitions, loss, duplication,
/// reordering.
#[test]
fn each_once_none_invented_and_tables_bounded_under_all_faults() {
    trial(Config::default()).faults(Kinds::ALL).check(sound);
    trial(gathering()).faults(Kinds::ALL).check(sound);
}

/// When faults are over, everybody has everything.
#[test]
fn everybody_has_everything_after_faults() {
    let kinds = Kinds::NETWORK | Kinds::PAUSES;
    for config in [Config::default(), gathering()] {
        trial(config).healing().faults(kinds).check(|| {
            let all = Finally::new(|sim: &event::Simulation<Group<u32>>| {
                let lacking =
                    sim.nodes().find(|(_, node)| node.news.kept() + node.news.remembered() < 7);
                Violation::unless(lacking.is_none(), || format!("{lacking:?}"))
            });
            let mut invariants = sound();
            invariants.push(Box::new(all));
            invariants
        });
    }
}

/// Whatever was lost, messages end with the publication's age, although a neighbour is dead.
#[test]
fn messages_end() {
    let config = Config { age: 10, ..Config::default() };
    let graph = regular(30, 4, 9);
    let mut sim = over(graph, config, 9);
    for node in 0..30 {
        sim.command(node, Command::Publish(node)).unwrap();
    }
    sim.kill(3);
    sim.run(12);
    let before = sim.sent();
    sim.run(50);
    assert_eq!(sim.sent(), before, "seed 9");
    assert!(sim.nodes().all(|(_, node)| node.unacknowledged() + node.missing() + node.kept() == 0));
}
