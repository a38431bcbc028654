//! JK against its figures, its conserved multiset, and over samplers.
//!
//! Figures: an independent simulation (`papers/aggregate-overlay.md`, section 6), N = 10^4, 20
//! fresh uniform peers a cycle, Pareto(1.5) attributes, mean of 3 runs.

use gossip_core::random::Key;
use gossip_core::sampling::{Cyclon, Newscast, cyclon, newscast};
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::{Link, Perfect};
use gossip_core::sim::{Network, Oracle, World};
use gossip_core::{Describe, Finite, Layer, Local, PeerId, Protocol, Wire, stack};
use gossip_overlay::slicing::{Jk, Profile, Slices, Value, jk, metrics};
use proptest::prelude::*;

type Slicing<L = Perfect> = Simulation<Jk<u32>, Oracle<Jk<u32>, Profile>, L>;

/// A uniform number of node `node`, independent of its protocols' draws.
fn unit(seed: u64, node: u32) -> f64 {
    Key::new(seed).with(77).random(node.into()).unit()
}

fn pareto(u: f64) -> f64 {
    libm::pow(1.0 - u, -1.0 / 1.5)
}

/// Over an ideal sampler of `c` peers; every value is drawn before the first cycle.
fn ideal<L: Link>(
    n: u32,
    c: usize,
    slices: u32,
    seed: u64,
    attribute: impl Fn(f64) -> f64,
    link: L,
) -> Slicing<L> {
    let slices = Slices::equal(slices).unwrap();
    let config =
        |node| jk::Config { attribute: attribute(unit(seed, node)), slices: slices.clone() };
    let nodes = (0..n).map(|node| Jk::new(config(node)).unwrap());
    let oracle = Oracle::new(n, c, seed, |node: &Jk<u32>| Some(node.describe()));
    let mut sim = Simulation::with(nodes, seed, Order::Sequential, oracle, link);
    (0..n).for_each(|node| sim.contact(node, node));
    sim
}

fn gdm<S, D: World<S>, L: Link>(sim: &Simulation<S, D, L>, of: impl Fn(&S) -> &Jk<u32>) -> f64
where
    S: Protocol<Id = u32>,
{
    let pair = |node: &Jk<u32>| (node.attribute().get(), node.value().unwrap().get());
    let pairs: Vec<_> = sim.nodes().map(|(_, node)| pair(of(node))).collect();
    metrics::gdm(&pairs)
}

/// (SDM, its floor for these values).
fn sdm<L: Link>(sim: &Slicing<L>) -> (f64, f64) {
    let slices = sim.node(0).unwrap().slices();
    let pair = |node: &Jk<u32>| (node.attribute().get(), node.slice().unwrap());
    let pairs: Vec<_> = sim.nodes().map(|(_, node)| pair(node)).collect();
    let believed: Vec<u32> = pairs.iter().map(|pair| pair.1).collect();
    (metrics::sdm(&pairs, slices) as f64, metrics::sdm_floor(&believed, slices) as f64)
}

fn values<L: Link>(sim: &Slicing<L>) -> Vec<Value> {
    let mut values: Vec<Value> = sim.nodes().filter_map(|(_, node)| node.value()).collect();
    values.sort_unstable();
    values
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Section 6: E[GDM_0] = (N^2 - 1) / 6. Its sd over runs is N^2 / (6 sqrt N); 40 runs of N = 1,000:
/// 0.5 % of the mean; 4 sd leave 6e-5.
#[test]
fn disorder_of_random_values_is_a_sixth_of_n_squared() {
    let runs: Vec<f64> = (0..40)
        .map(|seed| gdm(&ideal(1_000, 20, 10, seed, pareto, Perfect), |node| node))
        .collect();
    let ratio = mean(&runs) / metrics::expected_gdm(1_000);
    assert!((ratio - 1.0).abs() < 0.02, "{ratio} of (N^2 - 1)/6, seeds 0 to 39");
}

/// Section 6: GDM and SDM (k = 10) by cycle at N = 10^4, c = 20, mean of 3 runs, against the mean
/// of 3 here. Sd of one run, over 30 of ours: GDM relative .019, .023, .023, .023, .018; SDM 178,
/// 121, 51, 48, 110 (from cycle 40 on mostly that of its floor). The difference of two means of 3
/// has .82 of that, and 4.5 of those leave 7e-6 a row. At cycle 40 SDM is 20 (sd 14) above the
/// floor of its values.
#[test]
fn disorder_by_cycle_is_that_published() {
    let rows = [
        (1, 4.74e6, 0.07, 16_207.0, 655.0),
        (2, 1.45e6, 0.085, 8_657.0, 445.0),
        (5, 8.65e4, 0.085, 2_131.0, 190.0),
        (10, 9.78e3, 0.085, 727.0, 176.0),
        (40, 312.0, 0.066, 226.0, 405.0),
    ];
    let mut sims: Vec<_> =
        (0..3).map(|seed| ideal(10_000, 20, 10, seed, pareto, Perfect)).collect();
    for (cycle, expected_gdm, relative, expected_sdm, tolerance) in rows {
        for sim in &mut sims {
            sim.run(cycle - sim.cycle());
        }
        let gdms: Vec<f64> = sims.iter().map(|sim| gdm(sim, |node| node)).collect();
        let sdms: Vec<f64> = sims.iter().map(|sim| sdm(sim).0).collect();
        let off = mean(&gdms) / expected_gdm - 1.0;
        assert!(off.abs() < relative, "cycle {cycle}: GDM {gdms:?}, not {expected_gdm}");
        let off = mean(&sdms) - expected_sdm;
        assert!(off.abs() < tolerance, "cycle {cycle}: SDM {sdms:?}, not {expected_sdm}");
    }
    let excess: Vec<f64> = sims.iter().map(sdm).map(|(sdm, floor)| sdm - floor).collect();
    assert!((0.0..60.0).contains(&mean(&excess)), "{excess:?} over the floor; seeds 0 to 2");
}

/// What falls is a share of GDM_0 that hardly depends on N: each swap is with a uniform peer. At
/// N = 1,000 the relative sd of one run is .052, .065, .085, .068 (200 of ours), of which 10 runs
/// leave a third; with the published rows' own error, 4.5 sd. At this size nodes near their
/// places run out of partners sooner: 4 % less is left after 5 cycles, 11 % less after 10.
#[test]
fn relative_disorder_does_not_depend_on_the_size() {
    let published = [(1, 4.74e6, 0.09), (2, 1.45e6, 0.11), (5, 8.65e4, 0.18), (10, 9.78e3, 0.22)];
    for (cycle, large, tolerance) in published {
        let ratios: Vec<f64> = (0..10)
            .map(|seed| {
                let mut sim = ideal(1_000, 20, 10, seed, pareto, Perfect);
                sim.run(cycle);
                gdm(&sim, |node| node) / metrics::expected_gdm(1_000)
            })
            .collect();
        let expected = large / metrics::expected_gdm(10_000);
        let off = mean(&ratios) / expected - 1.0;
        assert!(off.abs() < tolerance, "cycle {cycle}: {}, not {expected}", mean(&ratios));
    }
}

/// Section 6: even sorted, independent values leave sum over b of sqrt(2 N p_b (1 - p_b) / pi); S
/// had 270 (sd 140) at N = 10^4, k = 10. 200 draws of N = 1,000: sd of their mean 45 / sqrt(200)
/// = 3.2 of 96; 4 sd. And JK ends at the floor of its own values, not at zero: SDM_100 within 10
/// % (section 6, test 2).
#[test]
fn slices_stay_at_the_floor_of_their_values() {
    let floors: Vec<f64> =
        (0..200).map(|seed| sdm(&ideal(1_000, 20, 10, seed, pareto, Perfect)).1).collect();
    let expected = metrics::expected_sdm_floor(1_000, &Slices::equal(10).unwrap());
    assert!((mean(&floors) - expected).abs() < 13.0, "{} not {expected}", mean(&floors));
    for seed in 0..3 {
        let mut sim = ideal(2_000, 20, 10, seed, pareto, Perfect);
        let (before, floor) = sdm(&sim);
        assert!(before > 3.0 * floor, "the control, seed {seed}");
        sim.run(100);
        let (after, floor) = sdm(&sim);
        assert!(floor > 0.0 && after <= 1.1 * floor, "{after} over {floor}, seed {seed}");
    }
}

/// Only the order of attributes counts: the same run bit by bit whatever increasing function they
/// went through.
#[test]
fn attributes_count_by_their_order_only() {
    let run = |attribute: fn(f64) -> f64| {
        let mut sim = ideal(500, 20, 10, 3, attribute, Perfect);
        sim.run(10);
        sim.nodes().map(|(_, node)| node.value()).collect::<Vec<_>>()
    };
    let heavy = run(pareto);
    assert_eq!(heavy, run(|u| u));
    assert_eq!(heavy, run(|u| -1e300 + 1e299 * u));
    assert_ne!(heavy, run(|u| -u), "the control");
}

/// Equal attributes are ordered by identifier: all the same, and still sorted.
#[test]
fn equal_attributes_are_spread_over_the_slices() {
    let mut sim = ideal(400, 20, 4, 1, |_| 7.0, Perfect);
    sim.run(200);
    assert!(gdm(&sim, |node| node) < 0.5);
    for slice in 0..4 {
        let inside = sim.nodes().filter(|(_, node)| node.slice() == Some(slice)).count();
        // Binomial: sd 8.7; 4.5 sd.
        assert!((61..=139).contains(&inside), "{inside} in slice {slice}, seed 1");
    }
}

/// Without lost replies the multiset of values never changes, in whatever order nodes act and
/// however often requests come twice; a lost *reply* doubles one value and loses another, once.
#[test]
fn the_multiset_of_values_is_conserved_unless_replies_are_lost() {
    let doubled = Network::default().duplication(0.3).unwrap().link_failure(0.3).unwrap();
    let mut sim = ideal(300, 10, 10, 1, pareto, doubled);
    let before = values(&sim);
    for _ in 0..30 {
        sim.step();
        assert_eq!(values(&sim), before, "in cycle {}", sim.cycle());
    }
    let mut lossy = ideal(300, 10, 10, 1, pareto, Network::default().loss(0.2).unwrap());
    let before = values(&lossy);
    lossy.run(30);
    let mut distinct = values(&lossy);
    distinct.dedup();
    let lost = before.len() - distinct.len();
    let doubt = lossy.counts().total("swap in doubt") as usize;
    assert!(lost > 0 && lost <= doubt, "{lost} values lost, {doubt} swaps in doubt");
}

/// In blocks, exchanges overlap: some are refused, and the multiset holds all the same.
#[test]
fn overlapping_swaps_are_refused_and_conserve_values() {
    let config = |node| jk::Config { attribute: unit(5, node), slices: Slices::equal(4).unwrap() };
    let nodes = (0..256).map(|node| Jk::new(config(node)).unwrap());
    let oracle = Oracle::new(256, 20, 5, |node: &Jk<u32>| Some(node.describe()));
    let mut sim = Simulation::with(nodes, 5, Order::Blocked(64), oracle, Perfect);
    (0..256).for_each(|node| sim.contact(node, node));
    let before = values(&sim);
    sim.run(20);
    assert_eq!(values(&sim), before);
    assert!(sim.counts().total("refused by partner") > 50);
    assert!(gdm(&sim, |node| node) < metrics::expected_gdm(256) / 50.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn values_are_conserved_under_any_faults_of_requests(
        n in 1_u32..60,
        c in 1_usize..30,
        seed: u64,
        failure in 0.0..1.0,
        duplication in 0.0..1.0,
        cycles in 1_u32..20,
    ) {
        let network = Network::default();
        let network = network.link_failure(failure).unwrap().duplication(duplication).unwrap();
        let mut sim = ideal(n, c, 7, seed, |u| (u * 5.0).floor(), network);
        let (before, disorder) = (values(&sim), gdm(&sim, |node| node));
        sim.run(cycles);
        prop_assert_eq!(values(&sim), before);
        prop_assert!(gdm(&sim, |node| node) <= disorder, "a swap never adds disorder");
        prop_assert!(sim.nodes().all(|(_, node)| node.slice().is_some_and(|slice| slice < 7)));
    }

    /// Slices are (b / k, (b + 1) / k], exactly, against the definition in whole numbers.
    #[test]
    fn slices_are_closed_above(k in 1_u32..=u32::MAX, raw in 0_u32..=u32::MAX) {
        let mut bytes = Vec::new();
        raw.encode(&mut bytes);
        let slice = u128::from(Value::decode_all(&bytes).unwrap().slice(k));
        let scaled = (u128::from(raw) + 1) * u128::from(k);
        prop_assert!(slice << 32 < scaled && scaled <= (slice + 1) << 32 && slice < k.into());
    }
}

stack! {
    /// The cycle of uses: descriptors tell the slices' profile, which the slices read.
    #[derive(Debug)]
    pub struct OverCyclon<I: PeerId> {
        #[uses(slices)]
        peers: Cyclon<I, 20, Profile>,
        #[uses(peers)]
        slices: Jk<I>,
    }
}

stack! {
    /// The same over Newscast.
    #[derive(Debug)]
    pub struct OverNewscast<I: PeerId> {
        #[uses(slices)]
        peers: Newscast<I, 20, Profile>,
        #[uses(peers)]
        slices: Jk<I>,
    }
}

fn slicing(seed: u64, node: u32) -> Jk<u32> {
    let slices = Slices::equal(10).unwrap();
    Jk::new(jk::Config { attribute: pareto(unit(seed, node)), slices }).unwrap()
}

/// Profiles in descriptors are some rounds old, and partners check again: refused, never wrong.
/// Over either sampler, from one contact, N = 1,000, 60 cycles: at most 1 % of the disorder is
/// left (ours: .0005), and all values are still there.
#[test]
fn nodes_are_sliced_over_cyclon_and_newscast() {
    fn check<S: Layer<(), Id = u32>>(node: impl Fn(u32) -> S, slices: fn(&S) -> &Jk<u32>) {
        let mut sim = Simulation::new((0..1_000).map(node), 1, Order::Sequential);
        (1..1_000).for_each(|node| sim.contact(node, 0));
        sim.step();
        let all = |sim: &Simulation<S>| {
            let values = sim.nodes().filter_map(|(_, node)| slices(node).value());
            let mut values: Vec<Value> = values.collect();
            values.sort_unstable();
            values
        };
        let before = all(&sim);
        assert_eq!(before.len(), 1_000);
        sim.run(60);
        assert_eq!(all(&sim), before);
        let left = gdm(&sim, slices) / metrics::expected_gdm(1_000);
        assert!(left < 0.01, "{left} of the disorder is left, seed 1");
        assert!(sim.counts().total("in order already") > 0, "old profiles are tried and refused");
    }
    let peers = || Cyclon::new(cyclon::Config::default()).unwrap();
    check(|node| OverCyclon::new(peers(), slicing(1, node)), |node| &node.slices);
    let peers = || Newscast::new(newscast::Config::default()).unwrap();
    check(|node| OverNewscast::new(peers(), slicing(1, node)), |node| &node.slices);
}

/// Where everybody is in everybody's view nothing new ever comes, and still what peers tell of
/// themselves does: else nodes would go by the values of the first round, and stay unsorted.
#[test]
fn few_nodes_are_sliced_as_well() {
    for (n, seed) in [(4, 1), (8, 1), (8, 2), (8, 3), (16, 1)] {
        let peers = || Cyclon::new(cyclon::Config::default()).unwrap();
        let nodes = (0..n).map(|node| OverCyclon::new(peers(), slicing(seed, node)));
        let mut sim = Simulation::new(nodes, seed, Order::Sequential);
        (1..n).for_each(|node| sim.contact(node, 0));
        sim.run(100);
        let left = gdm(&sim, |node| &node.slices);
        assert_eq!(left, 0.0, "n {n}, seed {seed}");
    }
}

/// A node that grows richer moves up, and its owner hears of each move.
#[test]
fn a_changed_attribute_moves_its_node() {
    let mut sim = ideal(500, 20, 10, 9, |u| u, Perfect);
    sim.run(60);
    let poor = sim.nodes().find(|(_, node)| node.slice() == Some(0)).unwrap().0;
    sim.events().take().for_each(drop);
    let rich = jk::Command::SetAttribute(Finite::new(2.0).unwrap());
    sim.command(poor, rich).unwrap();
    sim.run(60);
    assert_eq!(sim.node(poor).unwrap().slice(), Some(9));
    let moved = |(node, event)| match event {
        jk::Event::Moved { from, to } if node == poor => Some((from, to)),
        _ => None,
    };
    let moves: Vec<_> = sim.events().take().filter_map(moved).collect();
    assert_eq!(moves.first().unwrap().0, Some(0));
    assert_eq!(moves.last().unwrap().1, 9);
    assert!(moves.windows(2).all(|pair| Some(pair[0].1) == pair[1].0));
}

#[test]
fn wrong_parameters_are_named() {
    let refusal = |attribute| {
        let slices = Slices::equal(10).unwrap();
        Jk::<u32>::new(jk::Config { attribute, slices }).unwrap_err().to_string()
    };
    assert!(refusal(f64::NAN).contains("attribute x is NaN"));
    assert!(refusal(f64::INFINITY).contains("must be finite"));
    assert!(Slices::equal(0).unwrap_err().to_string().contains("number of slices k is 0"));
}

/// Every message that decodes holds a value in (0, 1] and a finite attribute; what a peer sends out
/// of place changes nothing.
#[test]
fn hostile_messages_change_nothing() {
    for bytes in [&[0_u8, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f, 1][..], &[0, 0, 0], &[2, 1], &[1]] {
        assert!(jk::Message::decode_all(bytes).is_err(), "{bytes:?}");
    }
    let extremes = [u32::MIN, u32::MAX].map(|raw| {
        let mut bytes = vec![1];
        raw.encode(&mut bytes);
        match jk::Message::decode_all(&bytes) {
            Ok(jk::Message::Swapped(value)) => value.get(),
            other => panic!("{other:?}"),
        }
    });
    assert!(extremes[0] > 0.0 && extremes[1] == 1.0);

    let mut sim = ideal(2, 1, 4, 1, |u| u, Perfect);
    let before = values(&sim);
    let mut mute = Mute;
    let node = sim.node_mut(0).unwrap().inner_mut();
    let oracle = Oracle::new(2, 1, 1, |node: &Jk<u32>| Some(node.describe()));
    let out_of_place = jk::Message::Swapped(Value::nearest(0.5));
    assert_eq!(gossip_core::Exchange::respond(node, &oracle, 1, out_of_place, &mut mute), None);
    let offer = jk::Message::Offer(Finite::ZERO, Value::nearest(0.5));
    gossip_core::Exchange::complete(node, &oracle, 1, offer, &mut mute);
    assert_eq!(values(&sim), before);
}

/// A context that hears nothing.
struct Mute;

impl Local<jk::State<u32>> for Mute {
    fn me(&self) -> u32 {
        0
    }
    fn now(&self) -> gossip_core::Time {
        gossip_core::Time::ZERO
    }
    fn wall(&self) -> u64 {
        0
    }
    fn round(&self) -> u32 {
        0
    }
    fn rng(&mut self) -> &mut gossip_core::Random {
        unreachable!("nothing is drawn for a message out of place")
    }
    fn key(&self) -> Key {
        Key::new(0)
    }
    fn emit(&mut self, _: jk::Event) {}
    fn tally(&mut self, _: &'static str, cause: &'static str) {
        assert!(cause.ends_with("that is none"), "{cause}");
    }
}
