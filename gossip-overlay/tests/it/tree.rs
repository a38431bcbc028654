//! GAP's tree and questions over trees: levels, repair, exactness, and under faults.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, HyParView, cyclon, hyparview};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::event;
use gossip_core::sim::link::Perfect;
use gossip_core::sim::observe::Graph;
use gossip_core::sim::{Activation, Neighbourhood, Network, World, topology};
use gossip_core::testkit::{Bounds, Finally, Invariants, Kinds, Trial, Violation};
use gossip_core::{PeerId, Protocol, Tree, stack};
use gossip_overlay::tree::{Gap, Query, Summary, gap, query};
use gossip_overlay::{TMan, rank, tman};
use proptest::prelude::*;

type Growing = Simulation<Gap<u32>, Neighbourhood>;

fn value(node: u32) -> i64 {
    i64::from(node) * 31 % 101 - 50
}

/// GAP over `graph`, with its root at node 0.
fn growing(graph: Graph, seed: u64, config: impl Fn(gap::Config) -> gap::Config) -> Growing {
    let n = graph.nodes().count() as u32;
    let node = |node| Gap::new(config(gap::Config::new(node == 0).value(value(node)))).unwrap();
    let below = Neighbourhood::new(graph);
    Simulation::with((0..n).map(node), seed, Order::Sequential, below, Perfect)
}

/// Distances from node 0 in `graph`, through live nodes only.
fn distances(graph: &Graph, is_alive: impl Fn(u32) -> bool) -> BTreeMap<u32, u32> {
    let mut found = BTreeMap::from([(0, 0)]);
    let mut next = VecDeque::from([0]);
    while let Some(node) = next.pop_front() {
        for &peer in graph.known_to(node) {
            if is_alive(peer) && !found.contains_key(&peer) {
                found.insert(peer, found[&node] + 1);
                next.push_back(peer);
            }
        }
    }
    found
}

/// Whether parents lead to the root by one level a link, and parents and children agree.
fn check_tree<'a, T: Tree<Id = u32> + 'a>(
    nodes: impl Iterator<Item = (u32, &'a T)>,
) -> Result<(), String> {
    let nodes: BTreeMap<u32, &T> = nodes.collect();
    for (&id, node) in &nodes {
        let Some(depth) = node.depth() else { continue };
        let mut children = Vec::new();
        node.for_each_child(|child| children.push(child));
        for child in children {
            let parent = nodes.get(&child).and_then(|child| child.parent());
            if child == id || parent != Some(id) {
                return Err(format!("{child}, child of {id}, has parent {parent:?}"));
            }
        }
        let Some(parent) = node.parent() else {
            if depth == 0 && node.root() == Some(id) {
                continue;
            }
            return Err(format!("{id} has no parent at depth {depth}"));
        };
        let above = nodes.get(&parent).and_then(|parent| parent.depth());
        if above != Some(depth - 1) {
            return Err(format!("{id} at depth {depth}, its parent {parent} at {above:?}"));
        }
    }
    Ok(())
}

fn graphs(seed: u64) -> Vec<Graph> {
    vec![
        topology::random_regular(400, 6, Key::new(seed)).unwrap().undirected(),
        topology::torus(&[12, 9]).unwrap(),
        topology::ring_lattice(64, 4).unwrap(),
        topology::barabasi_albert(300, 2, Key::new(seed)).unwrap().undirected(),
        topology::complete(20).unwrap(),
    ]
}

/// GAP, section 3: levels become the distances from the root, as they grow by one a round at
/// least; the aggregate is exact as many rounds later. Graphs of depth 1 to 16.
#[test]
fn levels_are_distances_and_the_aggregate_is_exact() {
    for seed in 0..3 {
        for graph in graphs(seed) {
            let truth = distances(&graph, |_| true);
            let depth = *truth.values().max().unwrap();
            let n = truth.len() as u32;
            let mut sim = growing(graph, seed, |config| config);
            // One round to tell, and one a level.
            sim.run(depth + 1);
            for (id, node) in sim.nodes() {
                assert_eq!(node.depth(), Some(truth[&id]), "node {id}, seed {seed}");
                assert_eq!(node.root(), Some(0));
            }
            sim.run(depth + 2);
            check_tree(sim.nodes()).unwrap();
            let all = (0..n).map(|id| Summary::of(value(id))).reduce(Summary::and).unwrap();
            assert_eq!(sim.node(0).unwrap().aggregate(), all, "seed {seed}");
            // A changed value is there after as many rounds as its node is deep.
            let (&far, _) = truth.iter().max_by_key(|(_, depth)| **depth).unwrap();
            sim.command(far, gap::Command::SetValue(1_000)).unwrap();
            sim.run(depth + 1);
            let sum = all.sum - value(far) + 1_000;
            assert_eq!(sim.node(0).unwrap().aggregate().sum, sum, "seed {seed}");
        }
    }
}

/// Once quiet nothing is sent but repeats: every fourth round, to each neighbour.
#[test]
fn a_steady_tree_says_so_and_sends_repeats_only() {
    let mut sim = growing(topology::torus(&[10, 10]).unwrap(), 1, |config| config);
    sim.run(60);
    let told: Vec<_> = sim.events().take().collect();
    let steady = told.iter().filter(|told| told.1 == gap::Event::Steady);
    assert_eq!(steady.count(), 100, "each once");
    let before = sim.sent();
    sim.run(40);
    assert_eq!(sim.sent() - before, 100 * 4 * 10);
    assert_eq!(sim.events().take().count(), 0);
}

/// After a tenth of all nodes crash at once, the silent expire after 20 rounds, and after the
/// levels have counted up, a round each, they are distances again, and the aggregate exact.
/// Before that it is not: the dead are counted.
#[test]
fn a_tree_repairs_itself_after_crashes() {
    for seed in 0..4 {
        let graph = topology::random_regular(400, 6, Key::new(seed)).unwrap().undirected();
        let mut sim = growing(graph.clone(), seed, |config| config);
        sim.run(30);
        let mut random = Key::new(seed).with(5).random(0);
        for _ in 0..40 {
            sim.kill(1 + random.below(399) as u32);
        }
        let truth = distances(&graph, |node| sim.is_alive(node));
        sim.run(10);
        let root = |sim: &Growing| sim.node(0).unwrap().aggregate();
        assert_eq!(root(&sim).count, 400, "the control: nobody has noticed yet");
        sim.run(40);
        for (id, node) in sim.nodes() {
            assert_eq!(node.depth(), truth.get(&id).copied(), "node {id}, seed {seed}");
        }
        check_tree(sim.nodes()).unwrap();
        let all = truth.keys().map(|&id| Summary::of(value(id))).reduce(Summary::and);
        assert_eq!(Some(root(&sim)), all, "seed {seed}");
    }
}

/// A part that is cut off counts up to `deepest`, and then is in no tree: it does not count for
/// ever. At worst levels grow by one a round, after the silent have expired.
#[test]
fn what_is_cut_off_leaves_the_tree() {
    let lattice = topology::ring_lattice(40, 4).unwrap();
    let mut sim = growing(lattice, 1, |config| config.deepest(24));
    sim.run(40);
    // The ring with second neighbours falls apart at two pairs: 10 to 29 are cut off.
    sim.kill_all([8, 9, 30, 31]);
    sim.run(20 + 24 + 10);
    for (id, node) in sim.nodes() {
        assert_eq!(node.depth().is_none(), (10..30).contains(&id), "node {id}");
    }
    assert_eq!(sim.node(0).unwrap().aggregate().count, 16);
    // And without a root nobody is in a tree.
    sim.kill(0);
    sim.run(20 + 24 + 10);
    assert!(sim.nodes().all(|(_, node)| node.depth().is_none()));
    let cut = sim.events().take().filter(|told| told.1 == gap::Event::Cut).count();
    assert!(cut >= 35, "{cut} of 35 have said so");
}

/// A tree that is given: node i's parent is any earlier node.
#[derive(Clone, Debug)]
struct Given {
    parents: Arc<Vec<Option<u32>>>,
    me: u32,
}

impl World<Query<u32>> for Given {
    fn enter(&mut self, node: u32, _: u32, _: Activation) {
        self.me = node;
    }
}

impl Tree for Given {
    type Id = u32;

    fn parent(&self) -> Option<u32> {
        self.parents[self.me as usize]
    }

    fn root(&self) -> Option<u32> {
        Some(0)
    }

    fn depth(&self) -> Option<u32> {
        Some(0)
    }

    fn for_each_child(&self, mut visit: impl FnMut(u32)) {
        let children = (0..).zip(self.parents.iter());
        children.filter(|child| *child.1 == Some(self.me)).for_each(|(child, _)| visit(child));
    }
}

fn given(n: u32, seed: u64, network: Network) -> Simulation<Query<u32>, Given, Network> {
    let mut random = Key::new(seed).with(9).random(0);
    let parent = |node: u32| (node > 0).then(|| random.below(node as usize) as u32);
    let below = Given { parents: Arc::new((0..n).map(parent).collect()), me: 0 };
    let nodes = (0..n).map(|node| Query::new(query::Config::new(value(node))).unwrap());
    Simulation::with(nodes, seed, Order::Sequential, below, network)
}

/// What `asker` is to hear of values from `low` to `high`.
fn truth(n: u32, low: i64, high: i64) -> Summary {
    let inside = (0..n).map(value).filter(|value| (low..=high).contains(value));
    inside.map(Summary::of).fold(Summary::NONE, Summary::and)
}

/// Segall 1983: two messages a link, and every node counted once: exact, to the last digit.
#[test]
fn an_answer_is_exact_for_two_messages_a_link() {
    for (n, seed) in [(1, 1), (2, 1), (500, 1), (500, 2), (3_000, 3)] {
        for (low, high) in [(i64::MIN, i64::MAX), (-3, 3), (51, 60)] {
            let mut sim = given(n, seed, Network::default());
            let asker = n / 3;
            sim.command(asker, query::Command::Ask { low, high }).unwrap();
            let told: Vec<_> = sim.events().take().collect();
            let expected = truth(n, low, high);
            assert_eq!(told.len(), 1);
            assert_eq!((told[0].0, told[0].1.summary), (asker, expected), "n {n}, seed {seed}");
            assert!(told[0].1.is_whole);
            assert_eq!(told[0].1.found.len() as u64, expected.count.min(query::NAMES as u64));
            assert!(told[0].1.found.iter().all(|&id| (low..=high).contains(&value(id))));
            assert_eq!(sim.sent(), 2 * u64::from(n - 1));
        }
    }
}

stack! {
    /// Questions over the tree that T-Man builds, over a sampler.
    #[derive(Debug)]
    pub struct Ranked<I: PeerId> {
        peers: Cyclon<I, 20>,
        #[uses(peers)]
        tree: TMan<I, rank::Tree, 20>,
        #[uses(tree)]
        asks: Query<I>,
    }
}

type RankedEvent = <Ranked<u32> as Protocol>::Event;

/// T-Man, section 2: trees by hops, here of two and four children. Parents and children agree and
/// lead to the root, an answer is exact for two messages a link; when a fifth of all but the root
/// have died, their children come to whoever is next above, and answers are exact again.
#[test]
fn t_man_grows_trees_that_close_over_the_dead() {
    for (arity, n, seed) in [(2, 255, 1), (2, 300, 2), (4, 341, 3)] {
        let shape = rank::Tree::new(arity, n).unwrap();
        let node = |node| {
            let tree = TMan::new(tman::Config::new(shape)).unwrap();
            let asks = Query::new(query::Config::new(value(node))).unwrap();
            Ranked::new(Cyclon::new(cyclon::Config::default()).unwrap(), tree, asks)
        };
        let mut sim = Simulation::new((0..n).map(node), seed, Order::Sequential);
        (1..n).for_each(|node| sim.contact(node, 0));
        sim.run(25);
        check_tree(sim.nodes().map(|(id, node)| (id, &node.tree))).unwrap();
        let mut all: Vec<u32> = (1..n).collect();
        let dead = Key::new(seed).with(5).random(0).choose(&mut all, n as usize / 5).to_vec();
        for dead in [Vec::new(), dead] {
            sim.kill_all(dead);
            sim.run(20);
            for (id, node) in sim.nodes() {
                let above = core::iter::successors(shape.parent(id.into()), |&at| shape.parent(at));
                let nearest = above.map(|place| place as u32).find(|&place| sim.is_alive(place));
                assert_eq!(node.tree.parent(), nearest, "of {id}, arity {arity}, seed {seed}");
            }
            sim.events().take().count();
            let asker = sim.nodes().last().unwrap().0;
            let ask = query::Command::Ask { low: i64::MIN, high: i64::MAX };
            sim.command(asker, <Ranked<u32> as Protocol>::Command::asks(ask)).unwrap();
            sim.run(3);
            let answers = sim.events().take().filter_map(|(_, event)| match event {
                RankedEvent::asks(answer) => Some(answer),
                _ => None,
            });
            let answers: Vec<_> = answers.collect();
            assert_eq!(answers.len(), 1, "arity {arity}, seed {seed}");
            assert!(answers[0].is_whole, "arity {arity}, seed {seed}");
            let all = sim.nodes().map(|node| Summary::of(value(node.0)));
            assert_eq!(answers[0].summary, all.fold(Summary::NONE, Summary::and), "seed {seed}");
        }
    }
}

/// With a node that is dead its subtree is missing, and the answer says so.
#[test]
fn a_failed_node_costs_its_subtree_and_is_told() {
    let mut sim = given(300, 4, Network::default());
    let parents = Arc::clone(&sim.world_mut().parents);
    let dead = 2;
    let is_lost = |node: u32| {
        core::iter::successors(Some(node), |&node| parents[node as usize]).any(|up| up == dead)
    };
    let lost = (0..300).filter(|&node| is_lost(node)).count() as u64;
    assert!(lost > 1, "node 2 has a subtree, seed 4");
    sim.kill(dead);
    sim.command(0, query::Command::Ask { low: i64::MIN, high: i64::MAX }).unwrap();
    assert_eq!(sim.events().take().count(), 0, "it waits");
    sim.run(64);
    let (_, answer) = sim.events().take().next().unwrap();
    assert!(!answer.is_whole);
    assert_eq!(answer.summary.count, 300 - lost);
    sim.run(2);
    assert!(sim.nodes().all(|(_, node)| node.open() == 0), "nothing is kept for ever");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is lost or doubled: one answer; never a node twice; exact if it says it is whole,
    /// which it is with patience.
    #[test]
    fn answers_are_exact_whatever_is_lost(
        n in 1_u32..60,
        seed: u64,
        asker in 0_u32..60,
        loss in 0.0..0.4,
        copies in 0.0..1.0,
    ) {
        let network = Network::default().loss(loss).unwrap().duplication(copies).unwrap();
        let mut sim = given(n, seed, network);
        let (low, high) = (i64::MIN, i64::MAX);
        sim.command(asker % n, query::Command::Ask { low, high }).unwrap();
        sim.run(66);
        let told: Vec<_> = sim.events().take().collect();
        prop_assert_eq!(told.len(), 1);
        let answer = &told[0].1;
        prop_assert!(answer.summary.count <= n.into());
        prop_assert!(!answer.is_whole || answer.summary == truth(n, low, high));
        // A level takes some rounds at this loss; trees of 60 are some 10 deep.
        prop_assert!(answer.is_whole || loss > 0.2);
        prop_assert!(sim.nodes().all(|(_, node)| node.open() == 0));
    }
}

stack! {
    /// Questions over a tree over HyParView, whose links are symmetric.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: HyParView<I, 4, 12>,
        #[uses(peers)]
        tree: Gap<I>,
        #[uses(tree)]
        query: Query<I>,
    }
}

type Ask = <Node<u32> as Protocol>::Command;

const NODES: u32 = 12;

fn node(at: u32) -> Node<u32> {
    Node::new(
        HyParView::new(hyparview::Config::default()).unwrap(),
        Gap::new(gap::Config::new(at == 0).value(value(at)).deepest(16)).unwrap(),
        Query::new(query::Config::new(value(at)).limit(4)).unwrap(),
    )
}

fn trial() -> Trial<Node<u32>> {
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(70));
    let trial = Trial::new(NODES, node).cases(32).schedule(20, span, rest).healing();
    let all = query::Command::Ask { low: i64::MIN, high: i64::MAX };
    let ask = |at, node| (Duration::from_secs(at), node, Ask::query(all));
    [ask(8, 3), ask(12, 5), ask(16, 0)]
        .into_iter()
        .fold(trial, |trial, (at, node, command)| trial.ask(at, node, command))
}

/// Under every fault: no node is its own parent or child, depths and questions are bounded.
fn is_sound() -> Invariants<Node<u32>> {
    let own = |sim: &event::Simulation<Node<u32>>| {
        for (id, node) in sim.nodes() {
            let mut links = Vec::new();
            node.tree.for_each_link(|peer| links.push(peer));
            links.sort_unstable();
            let is_sound = !links.contains(&id) && links.windows(2).all(|pair| pair[0] < pair[1]);
            Violation::unless(is_sound, || format!("{id} has links {links:?}"))?;
        }
        Ok(())
    };
    vec![
        Box::new(own),
        Box::new(Bounds::new("depth", 16, |node: &Node<u32>| {
            node.tree.depth().unwrap_or_default() as usize
        })),
        Box::new(Bounds::new("questions", 4, |node: &Node<u32>| node.query.open())),
    ]
}

#[test]
fn trees_are_sound_under_every_fault() {
    trial().check(is_sound);
}

/// After faults and quiet: parents lead to the root one level a link, so there is no cycle, and
/// parents and children agree.
#[test]
fn trees_have_no_cycle_after_quiet() {
    let kinds = Kinds::LOSS | Kinds::DUPLICATION | Kinds::DELAY | Kinds::PAUSES | Kinds::CHURN;
    trial().faults(kinds).check(|| {
        let mut all = is_sound();
        all.push(Box::new(Finally::new(|sim: &event::Simulation<Node<u32>>| {
            check_tree(sim.nodes().map(|(id, node)| (id, &node.tree))).map_err(Violation)
        })));
        all
    });
}

#[test]
fn wrong_parameters_are_refused_by_name() {
    let gap = |config| Gap::<u32>::new(config).unwrap_err().to_string();
    let config = gap::Config::new(true);
    assert!(gap(config.refresh(0)).contains("refresh is 0"));
    assert!(gap(config.lifetime(4)).contains("1 to lifetime - 1"));
    assert!(gap(config.deepest(0)).contains("deepest is 0"));
    assert!(gap(config.limit(1 << 16)).contains("neighbours is 65536"));
    let query = |config| Query::<u32>::new(config).unwrap_err().to_string();
    assert!(query(query::Config::new(0).patience(0)).contains("patience is 0"));
    assert!(query(query::Config::new(0).limit(0)).contains("questions is 0"));
    let mut sim = given(3, 1, Network::default());
    let refusal = sim.command(0, query::Command::Ask { low: 1, high: 0 }).unwrap_err();
    assert!(refusal.to_string().contains("must not be above"));
}
