//! HyParView against its paper: Leitao, Pereira, Rodrigues, *HyParView*, DSN 2007 (TR-07-13).
//!
//! Expected values are the paper's or those of an independent simulation, N = 10^4, active views of
//! 5, passive ones of 30, 50 cycles. Nodes join through one contact, all in the first cycle.

use core::marker::PhantomData;
use std::collections::BTreeMap;
use std::time::Duration;

use gossip_core::context::Tap;
use gossip_core::random::{Key, Random};
use gossip_core::sampling::hyparview::{Config, Message};
use gossip_core::sampling::{Cyclon, HyParView, cyclon};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::event::{self, Status};
use gossip_core::sim::link::{Latency, Network, Perfect};
use gossip_core::sim::observe::{Graph, neighbours};
use gossip_core::sim::topology;
use gossip_core::testkit::{Finally, Invariant, Kinds, SoundViews, Trial, Violation, check_views};
use gossip_core::wire::Bounded;
use gossip_core::{
    Context, Layer, Nothing, PeerId, Peers, Protocol, Receipt, Refusal, Time, stack,
};
use proptest::prelude::*;

/// Floods: what is new here is passed on over every link but the one it came by.
#[derive(Clone, Debug)]
struct Flood<I> {
    latest: u32,
    id: PhantomData<fn() -> I>,
}

impl<I: PeerId> Protocol for Flood<I> {
    type Id = I;
    type Message = u32;
    type Event = Nothing;
    type Command = u32;
}

impl<I: PeerId, D: Peers<Id = I>> Layer<D> for Flood<I> {
    fn on_round(&mut self, _: &D, _: &mut impl Context<Self>) {}

    fn on_message(&mut self, below: &D, from: I, number: u32, cx: &mut impl Context<Self>) {
        if number > self.latest {
            self.latest = number;
            below.for_each(|peer, _| {
                if peer != from {
                    cx.send(peer, number);
                }
            });
        }
    }

    fn on_command(
        &mut self,
        below: &D,
        number: u32,
        cx: &mut impl Context<Self>,
    ) -> Result<Receipt, Refusal> {
        self.latest = number;
        below.for_each(|peer, _| cx.send(peer, number));
        Ok(Receipt::default())
    }
}

stack! {
    /// A flood over HyParView.
    #[derive(Clone, Debug)]
    struct Node<I: PeerId> {
        peers: HyParView<I, 6, 30>,
        #[uses(peers)]
        flood: Flood<I>,
    }
}

type Ask = <Node<u32> as Protocol>::Command;

const PAPER: (u32, usize) = (10_000, 5);

/// `nodes` nodes with `active` links have joined, and `cycles` cycles have passed.
fn overlay(
    (nodes, active): (u32, usize),
    config: Config,
    cycles: u32,
    seed: u64,
) -> Simulation<Node<u32>> {
    let config = Config { active: Some(active), ..config };
    let peers = HyParView::new(config).unwrap();
    let node = Node::new(peers, Flood { latest: 0, id: PhantomData });
    let nodes = vec![node; nodes as usize];
    let mut sim = Simulation::new(nodes, seed, Order::Sequential).telling();
    (1..sim.live() as u32).for_each(|node| sim.contact(node, 0));
    sim.run(cycles);
    sim
}

fn graph<S, P, L>(sim: &Simulation<S, (), L>, peers: impl Fn(&S) -> &P) -> Graph
where
    S: Protocol<Id = u32>,
    P: Peers<Id = u32>,
{
    Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(peers(node)))))
}

/// Links that only one end has, among nodes that live.
fn one_sided(graph: &Graph) -> Vec<(u32, u32)> {
    let links =
        graph.nodes().flat_map(|node| graph.known_to(node).iter().map(move |&to| (node, to)));
    let lives: Vec<u32> = graph.nodes().collect();
    let lives = |node: u32| lives.binary_search(&node).is_ok();
    links.filter(|&(node, to)| lives(to) && !graph.known_to(to).contains(&node)).collect()
}

#[track_caller]
fn assert_near(what: &str, seed: u64, measured: f64, expected: f64, tolerance: f64) {
    let near = (measured - expected).abs() <= tolerance;
    assert!(near, "{what}: {measured}, expected {expected} +- {tolerance}; seed {seed}");
}

/// Table 1 and figure 5: nearly all nodes have 5 links (simulated: 99.8 %), all symmetric; paths
/// 6.38542 (6.395), clustering .00092 (.0015, bound .002). The tolerance of paths is the
/// reference's .05: where newcomers end up varies with how they join, and here all join at once.
#[test]
fn table_1_links_are_symmetric_and_the_overlay_nearly_random_regular() {
    let seed = 1;
    let sim = overlay(PAPER, Config::default(), 50, seed);
    let graph = graph(&sim, |node| &node.peers);
    assert_eq!(one_sided(&graph), [], "seed {seed}");
    let full = sim.nodes().filter(|(_, node)| node.peers.degree() == 5).count();
    assert!(full >= 9_900, "{full} of 10,000 have 5 links; seed {seed}");
    assert!(graph.is_connected(), "seed {seed}");
    let paths = graph.paths(40, &mut Key::new(seed).random(0));
    assert_near("path length", seed, paths.mean, 6.39, 0.05);
    assert!(graph.clustering() <= 0.002, "{}; seed {seed}", graph.clustering());
}

/// Rare shuffles and keep-alives leave one component: of 1,000 nodes with 224 cycles behind them a
/// half crashes; those left are connected eleven rounds after the links to the dead were given up,
/// and each link has both ends. How many links each has by then is not compared. Messages a node
/// and cycle at rest: 7 for a shuffle of six steps and its answer, and a keep-alive a link, in a
/// pause each; in cycles 128 and 256 the contact is asked again, which takes walks. The control: by
/// default they are those of every cycle, 12.
#[test]
fn rare_shuffles_and_keep_alives_cost_little_and_leave_one_component() {
    let rare = Config { shuffle_pause: 64, keep_alive: 5, silence: 25, ..Config::default() };
    for (config, most) in [(rare, 1.5), (Config::default(), 13.0)] {
        let seed = 17;
        let mut sim = overlay((1_000, 5), config, 160, seed);
        let before = sim.sent();
        sim.run(64);
        let each = (sim.sent() - before) as f64 / 64_000.0;
        assert!(each <= most && each > 0.6 * most, "{each} messages a node and cycle; seed {seed}");
        sim.kill_all((0..1_000).filter(|node| node % 2 == 0));
        sim.run(36);
        let graph = graph(&sim, |node| &node.peers);
        assert_eq!(one_sided(&graph), [], "seed {seed}");
        assert!(graph.is_connected(), "seed {seed}");
    }
}

/// Other sizes than the paper's: paths are those of a random regular graph of the same size and
/// degree. Both are means over 40 sources; between two random regular graphs of 2,000 they differ
/// by less than .02. A few nodes lack a link, which makes paths longer: 1 % of 99 % full, as above,
/// is .02 more. The control: with one link more per node they are shorter by more than that.
#[test]
fn table_1_paths_are_those_of_random_regular_graphs_for_any_size() {
    let seed = 2;
    let length = |graph: &Graph| graph.paths(40, &mut Key::new(seed).random(0)).mean;
    let regular =
        |nodes, known| length(&topology::random_regular(nodes, known, Key::new(seed)).unwrap());
    for (nodes, active) in [(2_000, 4), (2_000, 5), (1_000, 6)] {
        let sim = overlay((nodes, active), Config::default(), 50, seed);
        let paths = length(&graph(&sim, |node| &node.peers));
        let expected = regular(nodes, active as u32);
        assert_near("path length", seed, paths, expected, 0.06);
        assert!(paths - regular(nodes, active as u32 + 1) > 0.2, "control; seed {seed}");
    }
}

/// The mean share of the live that `count` floods from random live nodes reach.
fn reliability(sim: &mut Simulation<Node<u32>>, count: u32, random: &mut Random) -> f64 {
    let live: Vec<u32> = sim.nodes().map(|(at, _)| at).collect();
    let before = sim.nodes().map(|(_, node)| node.flood.latest).max().unwrap_or(0);
    let mut share = 0.0;
    for number in before + 1..=before + count {
        let source = *random.pick(&live).unwrap();
        sim.command(source, Ask::flood(number)).unwrap();
        let reached = sim.nodes().filter(|(_, node)| node.flood.latest == number).count();
        share += reached as f64 / live.len() as f64 / f64::from(count);
    }
    share
}

/// The share of the live in the largest part that is connected by what its nodes know, spares
/// included. Nobody can reach more.
fn reachable(sim: &Simulation<Node<u32>>) -> f64 {
    let known = |node: &Node<u32>| {
        let spares = node.peers.passive().iter().copied();
        node.peers.active().chain(spares).collect::<Vec<_>>()
    };
    let graph = Graph::new(sim.nodes().map(|(at, node)| (at, known(node))));
    let graph = graph.undirected();
    let mut left: Vec<u32> = graph.nodes().collect();
    let (all, mut largest) = (left.len(), 0);
    while let Some(&first) = left.first() {
        let (mut part, mut next) = (vec![first], 0);
        let mut seen = vec![false; all.max(left.last().map_or(0, |&last| last as usize + 1))];
        seen[first as usize] = true;
        while next < part.len() {
            for &to in graph.known_to(part[next]) {
                if !core::mem::replace(&mut seen[to as usize], true) {
                    part.push(to);
                }
            }
            next += 1;
        }
        left.retain(|&node| !seen[node as usize]);
        largest = largest.max(part.len());
    }
    largest as f64 / all as f64
}

/// A settled overlay in which the share `failed` crashes at one moment.
fn crashed(failed: f64, config: Config, seed: u64) -> (Simulation<Node<u32>>, Random) {
    let mut sim = overlay(PAPER, config, 50, seed);
    let mut random = Key::new(seed).with(1).random(0);
    let mut nodes: Vec<u32> = (0..PAPER.0).collect();
    let count = (failed * f64::from(PAPER.0)) as usize;
    sim.kill_all(random.choose(&mut nodes, count).iter().copied());
    (sim, random)
}

/// Figure 2, with a driver that tells every node of its dead neighbours: floods before the next
/// cycle reach 100 % up to 80 % failures, .998 at 90 %, .895 at 95 % (simulated). The bounds are
/// the reference's, .999, .995 and .85 to .96. Section 5.3, healing: .999 of what can be reached at
/// all after 2 cycles.
///
/// At 90 % the reference's bound is .98. Ours reach .991 in the mean of 100 seeds (sd .011, since
/// now and then a part of 20 or so is cut off) and as much 5 cycles later: the mean of four must be
/// above .965, 4.7 deviations below.
#[test]
fn figure_2_floods_reach_the_living_where_all_hear_of_the_dead() {
    for (seed, failed, least) in [(3, 0.5, 0.999), (4, 0.8, 0.995)] {
        let (mut sim, mut random) = crashed(failed, Config::default(), seed);
        let reached = reliability(&mut sim, 40, &mut random);
        assert!(reached >= least, "{reached} at {failed}; seed {seed}");
        sim.run(2);
        // A part that is cut off is also where some floods start, and then reach nobody else.
        let most = reachable(&sim);
        let healed = reliability(&mut sim, 40, &mut random);
        assert!(healed >= 0.999 * most * most, "{healed} of {most} at {failed}; seed {seed}");
        assert!(most >= least, "{most} at {failed}; seed {seed}");
    }
    let mut mean = [0.0; 2];
    for seed in 10..14 {
        let (mut sim, mut random) = crashed(0.9, Config::default(), seed);
        mean[0] += reliability(&mut sim, 40, &mut random) / 4.0;
        sim.run(5);
        mean[1] += reliability(&mut sim, 40, &mut random) / 4.0;
    }
    assert!(mean[0] >= 0.965 && mean[1] >= 0.965, "{mean:?} at .9; seeds 10 to 13");
    let (mut sim, mut random) = crashed(0.95, Config::default(), 6);
    let reached = reliability(&mut sim, 200, &mut random);
    assert!((0.85..=0.96).contains(&reached), "{reached} at .95; seed 6");
}

/// The same overlay where only those who send to the dead notice. The crash leaves a random regular
/// graph without a share f of its nodes, whose largest part holds S = 1 - (f + (1 - f) u)^5 of the
/// living, u = (f + (1 - f) u)^4: .952, .842, .474 and 0 at f = .5, .6, .7 and .8. That is what an
/// independent simulation has for a flood, .95, .83, .54 and 0 to .07, and what ours reach if they
/// start in that part. They start anywhere here, which makes S^2 at first: .91, .71, .22. What they
/// repair lets later ones reach more: .92, .77, .49, .30 in the mean of 1,000 (`repro
/// leitao07-hyparview`). The bounds tell that from the other model, no more. After a cycle, in
/// which all nodes send to all neighbours, the overlay is as good as there.
#[test]
fn figure_2_is_not_reached_where_only_senders_notice() {
    let silent = Config { watch: false, ..Config::default() };
    for (seed, failed, range) in [(7, 0.5, 0.85..=0.98), (8, 0.8, 0.0..=0.2)] {
        let (mut sim, mut random) = crashed(failed, silent, seed);
        let reached = reliability(&mut sim, 100, &mut random);
        assert!(range.contains(&reached), "{reached} at {failed}; seed {seed}");
        sim.run(2);
        let healed = reliability(&mut sim, 40, &mut random);
        assert!(healed >= 0.995, "{healed} at {failed}; seed {seed}");
    }
}

/// Over how many seeds 64 nodes that join through one contact in the same round are not one overlay
/// after 30. Blocked: all ask before anything is answered.
fn islands<S>(node: &S, seeds: core::ops::Range<u64>) -> Vec<u64>
where
    S: Layer<(), Id = u32> + Peers<Id = u32> + Clone,
{
    let apart = |&seed: &u64| {
        let mut sim = Simulation::new(vec![node.clone(); 65], seed, Order::Blocked(65));
        (1..65).for_each(|node| sim.contact(node, 0));
        sim.run(30);
        !graph(&sim, |node| node).undirected().is_connected()
    };
    seeds.filter(apart).collect()
}

fn bursts(seeds: u64) {
    let node = HyParView::<u32, 4, 24>::new(Config::default()).unwrap();
    assert_eq!(islands(&node, 0..seeds), [], "HyParView: seeds");
    let config = cyclon::Config { shuffle: 4, size: Some(8), ..cyclon::Config::default() };
    assert_eq!(islands(&Cyclon::<u32, 8>::new(config).unwrap(), 0..seeds), [], "Cyclon: seeds");
}

/// The contact lets go of most of 64 newcomers at once, who then know each other; all the same they
/// are one overlay within 30 rounds, since the contact is asked again.
#[test]
fn a_burst_of_joins_through_one_contact_is_one_overlay() {
    bursts(500);
}

#[test]
#[ignore = "soak: 10,000 seeds take a minute"]
fn soak_a_burst_of_joins_through_one_contact_is_one_overlay() {
    bursts(10_000);
}

/// The control: without asking the contact again, about 3 % of seeds are left with islands, so at
/// least 5 of 500 are with more than 99.9 %.
/// 500 nodes join at one moment, each through any of those before it, over links that lose 5 %:
/// one overlay after 30 rounds. Each asks its contact in rounds 0, 1, 3, 7 and 15. If nothing is
/// tried again when the walk from there is lost, 11 of 30 such overlays of 1,000 are in parts after
/// 30 s, and 2 after a minute.
#[test]
fn joins_through_one_another_are_one_overlay_although_walks_are_lost() {
    for seed in 1..=12 {
        let latency = Latency::Uniform(Duration::from_millis(20), Duration::from_millis(80));
        let network = Network::new(latency).loss(0.05).unwrap();
        let make = |_| HyParView::<u32, 5, 30>::new(Config::default()).unwrap();
        let settings = event::Config { detection: None, ..event::Config::seeded(seed) };
        let mut sim = event::Simulation::new(500, make, network, settings).unwrap();
        let mut random = Key::new(seed).with(2).random(0);
        (1..500).for_each(|node| sim.contact(node, random.below(node as usize) as u32));
        sim.run_for(Duration::from_secs(30));
        let links = sim.nodes().map(|(at, node)| (at, node.active().collect::<Vec<_>>()));
        assert!(Graph::new(links).undirected().is_connected(), "seed {seed}");
    }
}

#[test]
fn a_burst_of_joins_leaves_islands_if_the_contact_is_not_asked_again() {
    let config = Config { recontact: false, ..Config::default() };
    let apart = islands(&HyParView::<u32, 4, 24>::new(config).unwrap(), 0..500);
    assert!(apart.len() >= 5, "islands in seeds {apart:?} only");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Where nothing is lost, all links are the same from either end after every cycle, whoever
    /// joins and dies, however many act at once.
    #[test]
    fn links_are_symmetric_after_every_cycle(
        seed in any::<u64>(),
        (active, passive) in (1_usize..=6, 1_usize..=12),
        block in 0_usize..30,
        watch in any::<bool>(),
    ) {
        let (active, passive) = (Some(active), Some(passive));
        let config = Config { active, passive, watch, ..Config::default() };
        let node = HyParView::<u32, 6, 12>::new(config).unwrap();
        let order = if block == 0 { Order::Sequential } else { Order::Blocked(block) };
        let mut sim = Simulation::new(vec![node.clone(); 30], seed, order);
        (1..30).for_each(|node| sim.contact(node, 0));
        for cycle in 0..40 {
            sim.step();
            let graph = graph(&sim, |node| node);
            prop_assert_eq!(one_sided(&graph), [], "cycle {}", cycle);
            for (at, node) in sim.nodes() {
                prop_assert_eq!(check_views(at, node, node.size()), Ok(()));
                prop_assert!(node.passive().iter().all(|&peer| peer != at));
                prop_assert!(node.active().all(|peer| !node.passive().contains(&peer)));
                prop_assert!(node.passive().len() <= 12);
            }
            if cycle % 5 == 4 {
                sim.kill(cycle / 5);
                let new = sim.join(node.clone());
                sim.contact(new, cycle);
            }
        }
    }
}

/// No link between running nodes is one-sided for long: silence is 5 rounds, so the link goes in
/// the sixth, of 1.1 s with jitter; what was said before may come 2.5 s late; and ticks are a
/// second apart.
struct Mended(BTreeMap<(u32, u32, u64), Time>);

const MENDED: Duration = Duration::from_millis(6 * 1_100 + 2_500 + 1_000);

type Small = HyParView<u32, 3, 8>;

impl Invariant<Small> for Mended {
    fn check(&mut self, sim: &event::Simulation<Small>) -> Result<(), Violation> {
        let runs = |node| sim.status(node) == Some(Status::Alive);
        let mut found = BTreeMap::new();
        for (me, node) in sim.nodes().filter(|&(me, _)| runs(me)) {
            node.for_each(|peer, made| {
                let back = sim.node(peer).is_some_and(|peer| peer.active().any(|back| back == me));
                if runs(peer) && !back {
                    let since = self.0.get(&(me, peer, made)).copied().unwrap_or(sim.now());
                    found.insert((me, peer, made), since);
                }
            });
        }
        self.0 = found;
        let late = self.0.iter().find(|&(_, &since)| sim.now().since(since) > MENDED);
        Violation::unless(late.is_none(), || format!("one-sided for too long: {late:?}"))
    }
}

fn trial() -> Trial<Small> {
    let node = Small::new(Config::default()).unwrap();
    let (span, rest) = (Duration::from_secs(20), Duration::from_secs(40));
    Trial::new(12, move |_| node.clone()).schedule(20, span, rest).cases(48)
}

fn sound() -> Box<dyn Invariant<Small>> {
    Box::new(SoundViews::new(3, |node: &Small| node))
}

/// Views are sound and links that only one end has are mended under every fault.
#[test]
fn one_sided_links_are_mended_under_any_faults() {
    trial().check(|| vec![sound(), Box::new(Mended(BTreeMap::new()))]);
}

/// The control: with longer silences, one-sided links last longer than that.
#[test]
fn one_sided_links_last_as_long_as_silence_is_allowed() {
    let node = Small::new(Config { silence: 60, ..Config::default() }).unwrap();
    let (span, rest) = (Duration::from_secs(10), Duration::from_secs(50));
    let trial = Trial::new(12, move |_| node.clone()).schedule(10, span, rest).cases(48);
    let trial = trial.faults(Kinds::PARTITIONS);
    assert!(trial.search(|| vec![Box::new(Mended(BTreeMap::new()))]).is_err());
}

/// When faults are over, there is one overlay again, all its links symmetric. Crashes and
/// partitions are not among them: with 3 links and 8 spares they may part 12 nodes for good.
#[test]
fn the_overlay_is_whole_again_after_faults() {
    let whole = |sim: &event::Simulation<Small>| {
        let graph = Graph::new(sim.nodes().map(|(at, node)| (at, neighbours(node))));
        Violation::unless(graph.undirected().is_connected(), || format!("in parts: {graph:?}"))
    };
    let kinds = Kinds::LOSS | Kinds::DUPLICATION | Kinds::DELAY | Kinds::PAUSES;
    trial().healing().faults(kinds).check(|| vec![sound(), Box::new(Finally::new(whole))]);
}

/// A link that went and came back bears another version.
#[test]
fn a_link_that_comes_back_has_a_new_version() {
    let node = Small::new(Config::default()).unwrap();
    let nodes = vec![node; 2];
    let mut sim = Simulation::with(nodes, 1, Order::Sequential, (), Network::default());
    let link = |sim: &Simulation<Small, (), Network>| {
        let mut found = Vec::new();
        sim.node(1).unwrap().for_each(|peer, made| found.push((peer, made)));
        found
    };
    sim.contact(1, 0);
    sim.run(10);
    let first = link(&sim);
    assert_eq!((first.len(), first[0].0), (1, 0));
    sim.link_mut().set_side(1, 1);
    sim.run(6);
    assert_eq!(link(&sim), [], "silent for 6 rounds");
    sim.link_mut().heal();
    sim.run(2);
    let second = link(&sim);
    assert!(second.len() == 1 && second[0].1 > first[0].1, "{first:?} {second:?}");
}

/// An honest node, or one that says anything to anybody.
#[derive(Clone, Debug)]
struct Member {
    honest: Small,
    lies: bool,
}

impl Protocol for Member {
    type Id = u32;
    type Message = Message<u32>;
    type Event = Nothing;
    type Command = Nothing;

    fn wake_at(&self) -> Time {
        self.honest.wake_at()
    }
}

fn lie(random: &mut Random) -> Message<u32> {
    let number = random.next_u64() as u32;
    let mut peers = Bounded::new();
    peers.fill((0..16).map(|_| random.below(40) as u32));
    let (origin, ttl) = (random.below(40) as u32, random.below(256) as u8);
    match random.below(9) {
        0 => Message::Join(number),
        1 => Message::ForwardJoin(origin, ttl),
        2 => Message::Neighbor(number, random.chance(0.5)),
        3 => Message::Accept(number),
        4 => Message::Refuse(number),
        5 => Message::Disconnect,
        6 => Message::KeepAlive,
        7 => {
            let walk = gossip_core::sampling::hyparview::Walk { origin, number, ttl, peers };
            Message::Shuffle(walk)
        }
        _ => Message::ShuffleReply(number, peers),
    }
}

impl Layer for Member {
    fn on_round(&mut self, below: &(), cx: &mut impl Context<Self>) {
        if self.lies {
            for to in 0..20 {
                let message = lie(cx.rng());
                cx.send(to, message);
            }
        } else {
            self.honest.on_round(below, &mut Tap::<Self, _, _>::new(cx, &mut Vec::new()));
        }
    }

    fn on_message(&mut self, below: &(), from: u32, m: Message<u32>, cx: &mut impl Context<Self>) {
        if !self.lies {
            let mut heard = Vec::new();
            let cx = &mut Tap::<Self, _, _>::new(cx, &mut heard);
            self.honest.on_message(below, from, m, cx);
        }
    }

    fn on_wake(&mut self, below: &(), cx: &mut impl Context<Self>) {
        self.honest.on_wake(below, &mut Tap::<Self, _, _>::new(cx, &mut Vec::new()));
    }

    fn on_contact(&mut self, below: &(), peer: u32, cx: &mut impl Context<Self>) {
        self.honest.on_contact(below, peer, &mut Tap::<Self, _, _>::new(cx, &mut Vec::new()));
    }
}

/// Two of 20 nodes send every other 20 lies a round, some of them about nodes that do not exist:
/// views stay sound and work bounded. When they are gone, the others are one overlay again.
#[test]
fn liars_do_no_lasting_harm() {
    for seed in 0..20 {
        let honest = Small::new(Config::default()).unwrap();
        let member = |at| Member { honest: honest.clone(), lies: at >= 18 };
        let mut sim = Simulation::with((0..20).map(member), seed, Order::Sequential, (), Perfect);
        (1..20).for_each(|node| sim.contact(node, 0));
        for _ in 0..20 {
            let before = sim.sent();
            sim.step();
            // 40 lies, 18 nodes: a join costs 3 walks of 6 steps, and each link may cost another.
            assert!(sim.sent() - before < 5_000, "{}; seed {seed}", sim.sent() - before);
            for (at, node) in sim.nodes() {
                assert_eq!(check_views(at, &node.honest, 3), Ok(()), "seed {seed}");
                assert!(node.honest.passive().len() <= 8, "seed {seed}");
            }
        }
        assert!(sim.counts().iter().any(|(_, cause, _)| cause == "shuffle reply not asked for"));
        sim.kill_all([18, 19]);
        sim.run(30);
        let graph = graph(&sim, |node| &node.honest);
        assert!(graph.undirected().is_connected(), "seed {seed}");
        assert_eq!(one_sided(&graph), [], "seed {seed}");
    }
}
