//! Brahms against its paper: Bortnikov, Gurevich, Keidar, Kliot, Shraer, *Brahms: Byzantine
//! resilient random membership sampling*, PODC 2008, sections 4 to 6.
//!
//! Rounds are in lockstep: all nodes begin a round, then all messages arrive. The faulty push as
//! often as the limit lets them, to honest nodes only, and answer pulls with faulty ids only.

use gossip_core::random::Key;
use gossip_core::sampling::brahms::{Brahms, Config};
use gossip_core::sampling::min_wise::MinWise;
use gossip_core::sim::adversary::{Attack, Faulty, Member};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::testkit::{SoundViews, Trial};

/// The most members of a view, and the most samplers, in these tests.
const C: usize = 64;
const NODES: u32 = 1_000;

type Honest = Brahms<u32, C, C>;
type Node = Member<Honest, Faulty>;

/// Nodes that know random others at first, of which some are faulty.
fn start(config: Config, attack: Attack, seed: u64) -> Simulation<Node> {
    let nodes = attack.members(config, seed).unwrap();
    Simulation::new(nodes, seed, Order::Blocked(NODES as usize))
}

fn balanced(faulty: u32) -> Attack {
    Attack::balanced(NODES, faulty)
}

fn honest(sim: &Simulation<Node>) -> impl Iterator<Item = &Honest> {
    sim.nodes().filter(|(_, node)| !node.is_cheat()).map(|(_, node)| node.honest())
}

/// The share of `ids` below `faulty`.
fn share(ids: impl Iterator<Item = u32>, faulty: u32) -> f64 {
    let (mut all, mut of_them) = (0, 0);
    ids.for_each(|id| (all, of_them) = (all + 1, of_them + u32::from(id < faulty)));
    f64::from(of_them) / f64::from(all)
}

fn view_share(sim: &Simulation<Node>, faulty: u32) -> f64 {
    share(honest(sim).flat_map(|node| node.view().iter().copied()), faulty)
}

/// The share of honest nodes that know no honest node.
fn isolated(sim: &Simulation<Node>, faulty: u32) -> f64 {
    let lost = honest(sim).filter(|node| node.view().iter().all(|&id| id < faulty)).count();
    lost as f64 / f64::from(NODES - faulty)
}

#[track_caller]
fn assert_near(what: &str, seed: u64, measured: f64, expected: f64, tolerance: f64) {
    let near = (measured - expected).abs() <= tolerance;
    assert!(near, "{what}: {measured}, expected {expected} +- {tolerance}; seed {seed}");
}

fn config(size: usize, samples: usize) -> Config {
    Config { size: Some(size), samples: Some(samples), ..Config::default() }
}

/// The history is off: (alpha, beta, gamma) = (1/2, 1/2, 0); all pushes count, as in the paper.
fn without_history(size: usize) -> Config {
    Config { alpha: 0.5, beta: 0.5, gamma: 0.0, repeats: None, ..config(size, 1) }
}

/// Section 5.2: under the balanced attack the faulty share x of views settles where
/// x = alpha a / (a + 1 - x) + beta (2 x - x^2) + gamma f, a = f / (1 - f): .304 at f = .1, .521
/// at .2. With l1 = 60 an independent simulation gives .32 at f = .1; views of finite size have a
/// little more than the fixed point, hence .06. Samples become uniform (section 5.1): a share of
/// f. N = 1000, l1 = 60: 54,000 entries a round, sd below .003.
#[test]
fn section_5_2_views_settle_at_the_fixed_point_and_samples_are_uniform() {
    for (faulty, fixed_point) in [(100, 0.304), (200, 0.521)] {
        let seed = 7 + u64::from(faulty);
        let mut sim = start(config(60, 30), balanced(faulty), seed);
        sim.run(30);
        let mut settled = 0.0;
        for _ in 0..10 {
            sim.step();
            settled += view_share(&sim, faulty) / 10.0;
        }
        let f = f64::from(faulty) / f64::from(NODES);
        assert_near("view share", seed, settled, fixed_point, 0.06);
        if faulty == 100 {
            assert_near("view share, l1 = 60", seed, settled, 0.32, 0.02);
        }
        let sampled = share(honest(&sim).flat_map(Brahms::samples), faulty);
        assert_near("sample share", seed, sampled, f, 0.05);
        assert!(isolated(&sim, faulty) == 0.0, "isolated nodes; seed {seed}");
        assert!(sim.counts().total("pull reply not asked for") > 0, "seed {seed}");
    }
}

/// Section 5: history is what keeps nodes from being cut off for good. l1 = 20, l2 = 40, f = .1,
/// 120 rounds: with it no honest node is isolated. Without it an independent simulation isolates
/// 35 % at f = .1 and 99 % at f = .2; the papers file asks for more than 20 % at .1. Of 900 nodes
/// those isolated have an sd of about .02.
#[test]
fn section_5_history_prevents_isolation() {
    let seed = 11;
    let mut with = start(config(20, 40), balanced(100), seed);
    with.run(120);
    assert!(isolated(&with, 100) == 0.0, "{}; seed {seed}", isolated(&with, 100));
    let sampled = share(honest(&with).flat_map(Brahms::samples), 100);
    assert_near("sample share", seed, sampled, 0.1, 0.05);

    for (faulty, least) in [(100, 0.2), (200, 0.95)] {
        let mut without = start(without_history(20), balanced(faulty), seed);
        without.run(120);
        let lost = isolated(&without, faulty);
        assert!(lost > least, "control: {lost} isolated, {faulty} faulty; seed {seed}");
    }
}

/// Section 4.1: a sampler keeps each id seen with the same probability, however often it came. Ids
/// come 1 to 32 times each; chi-square of 10^4 samples over 1000 ids has 999 degrees of freedom,
/// mean 999, sd 45; it exceeds 1172 with p < 1e-4. The control samples the stream itself.
#[test]
fn section_4_1_samplers_are_uniform_over_a_biased_stream() {
    let seed = 5;
    let mut random = Key::new(seed).random(0);
    let mut stream: Vec<u32> =
        (0..1_000_u32).flat_map(|id| (0..=id / 32).map(move |_| id)).collect();
    random.shuffle(&mut stream);
    let chi = |cells: &[u32]| {
        cells.iter().map(|&n| (f64::from(n) - 10.0) * (f64::from(n) - 10.0) / 10.0).sum::<f64>()
    };
    let (mut cells, mut biased) = (vec![0_u32; 1_000], vec![0_u32; 1_000]);
    for _ in 0..100 {
        let mut samplers = MinWise::<u32, 100>::new(100, &mut random);
        for &id in &stream {
            samplers.see(id);
        }
        samplers.ids().for_each(|id| cells[id as usize] += 1);
        (0..100).for_each(|_| biased[*random.pick(&stream).unwrap() as usize] += 1);
    }
    assert!(chi(&cells) < 1_172.0, "chi-square {}; seed {seed}", chi(&cells));
    assert!(chi(&biased) > 2_000.0, "control: {}; seed {seed}", chi(&biased));
}

/// A node flooded by all the faulty keeps its view, and its samples, which have converged, do not
/// change but for the last few ids not seen yet (below 1 % after 40 rounds: .3 of 40, at most 4).
#[test]
fn section_4_2_a_flooded_node_keeps_its_view() {
    let (seed, victim, faulty) = (13, 500, 100);
    let mut sim = start(config(20, 40), Attack::targeted(NODES, faulty, victim), seed);
    // Not yet: they answer, and do not push.
    let pushes = |sim: &mut Simulation<Node>, pushes: usize| {
        for node in 0..faulty {
            let liar = sim.node_mut(node).and_then(Node::cheat_mut).unwrap();
            liar.attack.pushes = Some(pushes);
        }
    };
    let look = |sim: &Simulation<Node>| {
        let node = sim.node(victim).map(Node::honest).unwrap();
        let mut view = node.view().to_vec();
        view.sort_unstable();
        (view, node.samples().collect::<Vec<_>>())
    };
    pushes(&mut sim, 0);
    sim.run(40);
    pushes(&mut sim, 9);
    // What came before the flood ends with its first round.
    sim.step();
    let (view, samples) = look(&sim);
    for round in 0..20 {
        sim.step();
        assert_eq!(look(&sim).0, view, "flooded round {round}; seed {seed}");
    }
    let changed = look(&sim).1.iter().zip(&samples).filter(|(now, then)| now != then).count();
    assert!(changed <= 4, "{changed} samples changed; seed {seed}");
    // The flood is over: the node takes part again.
    pushes(&mut sim, 0);
    sim.run(5);
    assert_ne!(look(&sim).0, view, "seed {seed}");
}

/// The control: without the limit on pushes, and without history, the flooded node is captured
/// fully. 100 pushes of the faulty against 10 (1 - x) honest ones leave x = 1 only.
#[test]
fn without_the_push_limit_a_flooded_node_is_captured() {
    let (seed, victim, faulty) = (17, 500, 100);
    let open = Config { limit: Some(u16::MAX), ..without_history(20) };
    let mut sim = start(open, Attack::targeted(NODES, faulty, victim), seed);
    sim.run(60);
    let node = sim.node(victim).map(Node::honest).unwrap();
    let captured = share(node.view().iter().copied(), faulty);
    assert!(captured == 1.0, "control: {captured}; seed {seed}");
}

/// Ours: one faulty node that pushes 100 times a round to the same victim does not freeze its view,
/// since 3 of them count: with at most 6 honest ones, which come with a mean of 9 and so in .2 of
/// the rounds, the view changes. That it never does in 60 rounds has a probability of 1e-6. The
/// control counts all, as the paper does.
#[test]
fn one_peer_alone_cannot_flood() {
    let (seed, victim) = (23, 500);
    let attack = Attack { pushes: Some(100), ..Attack::targeted(NODES, 1, victim) };
    for (repeats, frozen) in [(Some(3), false), (None, true)] {
        let mut sim = start(Config { repeats, ..config(20, 40) }, attack, seed);
        let view = |sim: &Simulation<Node>| {
            let mut view = sim.node(victim).map(Node::honest).unwrap().view().to_vec();
            view.sort_unstable();
            view
        };
        sim.step();
        let before = view(&sim);
        sim.run(60);
        assert_eq!(view(&sim) == before, frozen, "{repeats:?}; seed {seed}");
    }
}

/// Ours: however often a node is asked, by however many, it tells its view 4 beta l1 = 36 times a
/// round, and 3 times to the same peer. 100 faulty nodes ask 5 times each in each of 10 rounds: 200
/// a round are repeated, 300 - 36 and those of the honest beyond the limit.
#[test]
fn pull_requests_draw_a_bounded_number_of_answers() {
    let (seed, victim) = (29, 500);
    let attack = Attack { asks: 5, pushes: Some(0), ..Attack::targeted(NODES, 100, victim) };
    let mut sim = start(config(20, 40), attack, seed);
    sim.run(10);
    let count = |cause| sim.counts().total(cause);
    let (repeated, beyond) =
        (count("pull request repeated"), count("pull request beyond the limit"));
    assert!(repeated + beyond >= 10 * (500 - 36), "{repeated} and {beyond}; seed {seed}");
    assert!(beyond >= 10 * (300 - 36), "{beyond} beyond the limit; seed {seed}");
    let mut control = start(config(20, 40), balanced(0), seed);
    control.run(10);
    assert_eq!(control.counts().total("pull request beyond the limit"), 0, "seed {seed}");
}

/// Section 4.1: a sampler whose id is dead starts again. Half of 200 nodes die; 10 samplers are
/// probed in turn, three rounds each at most, and new ids may be dead ones as long as views hold
/// some: gone after 100 rounds. Not at once, which is the control.
#[test]
fn section_4_1_the_dead_leave_the_samples() {
    let (seed, nodes) = (19, 200);
    let node = Brahms::<u32, 10, 10>::new(Config::default()).unwrap();
    let started = (0..nodes).map(|at| {
        let mut node = node.clone();
        (1..=10).for_each(|step| assert!(node.introduce((at + step * step) % nodes)));
        node
    });
    let mut sim = Simulation::new(started, seed, Order::Blocked(200));
    sim.run(50);
    (0..nodes).step_by(2).for_each(|node| assert!(sim.kill(node)));
    let dead = |sim: &Simulation<Brahms<u32, 10, 10>>| {
        sim.nodes().flat_map(|(_, node)| node.samples()).filter(|id| id % 2 == 0).count()
    };
    assert!(dead(&sim) > 300, "control: {}; seed {seed}", dead(&sim));
    sim.run(100);
    assert_eq!(dead(&sim), 0, "seed {seed}");
    assert!(sim.nodes().all(|(_, node)| node.samples().count() > 0), "seed {seed}");
}

/// Whatever is lost, doubled, late, cut, paused or dead: nobody in its own view, none above the
/// bound.
#[test]
fn views_stay_sound_under_any_faults() {
    let node = Brahms::<u32, 8, 8>::new(Config::default()).unwrap();
    Trial::new(12, move |_| node.clone())
        .cases(24)
        .check(|| vec![Box::new(SoundViews::new(8, |node: &Brahms<u32, 8, 8>| node))]);
}
