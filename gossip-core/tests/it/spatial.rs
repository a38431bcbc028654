//! Spatial and weighted choice, against Kempe, Kleinberg, Demers 2001 and Demers et al. 1987.

use gossip_core::random::{Key, Random};
use gossip_core::sampling::{Lattice, Weighted};
use gossip_core::{ParameterError, Peers};
use proptest::prelude::*;

const SIDE: u32 = 256;

/// Mean rounds until a rumor pushed from the middle reaches the nodes at distance d along an axis
/// (four nodes each) in `runs` runs, for each d of `at`.
fn reach(side: u32, rho: f64, at: &[u32], runs: u64) -> Vec<f64> {
    let nodes: Vec<_> = Lattice::all(side, 2, rho).expect("parameters").collect();
    let mut sums = vec![0.0; at.len()];
    for run in 0..runs {
        let heard = spread(&nodes, side, &mut Key::new(run).random(0));
        let middle = side / 2;
        for (sum, &d) in sums.iter_mut().zip(at) {
            let ends = [
                (middle - d, middle),
                ((middle + d) % side, middle),
                (middle, middle - d),
                (middle, (middle + d) % side),
            ];
            let rounds = ends.map(|(x, y)| f64::from(heard[(x * side + y) as usize]));
            *sum += rounds.iter().sum::<f64>() / 4.0;
        }
    }
    sums.into_iter().map(|sum| sum / runs as f64).collect()
}

/// The round in which each node hears: every node that has heard pushes once a round, and what is
/// heard in a round is pushed in the next.
fn spread(nodes: &[Lattice], side: u32, random: &mut Random) -> Vec<u32> {
    let mut heard = vec![u32::MAX; nodes.len()];
    let mut infected = vec![side / 2 * side + side / 2];
    heard[infected[0] as usize] = 0;
    for round in 1.. {
        if infected.len() == nodes.len() {
            break;
        }
        for at in 0..infected.len() {
            let peer = nodes[infected[at] as usize].sample(random).expect("a peer");
            if heard[peer as usize] == u32::MAX {
                heard[peer as usize] = round;
                infected.push(peer);
            }
        }
    }
    heard
}

/// Kempe et al. 2001, section 2; papers file 3, tests 1 and 2: at 256 x 256, T(128)/T(8) is 2.3 for
/// rho = 1.5 and T(4) 9.5; for the uniform choice 1 and 16.3. Bounds are the file's. 6 runs, seeds
/// 0 to 5: a run's mean spreads by about 1.5 rounds, the mean of 6 by 0.6.
#[test]
fn news_travels_far_in_polylogarithmic_time_and_near_at_once() {
    let near = reach(SIDE, 1.5, &[4, 8, 128], 6);
    assert!(near[2] / near[1] <= 3.0, "rho = 1.5 reaches 4, 8, 128 in {near:?}");
    assert!(near[0] <= 11.0 + 4.0 * 0.6, "rho = 1.5 reaches distance 4 in {}", near[0]);
    let uniform = reach(SIDE, 0.0, &[4, 8, 128], 6);
    let ratio = uniform[2] / uniform[1];
    assert!((0.9..=1.1).contains(&ratio), "the uniform choice reaches 4, 8, 128 in {uniform:?}");
    assert!(uniform[0] >= 14.0, "the uniform choice reaches distance 4 in {}", uniform[0]);
}

/// The control, papers file 3, test 1: for rho = 3, time is polynomial in distance; 12.9 there.
#[test]
fn above_two_time_grows_like_a_power_of_distance() {
    let far = reach(SIDE, 3.0, &[8, 128], 2);
    assert!(far[1] / far[0] >= 8.0, "rho = 3 reaches 8 and 128 in {far:?}");
}

/// Kempe et al. 2001; papers file 3, test 3: with four times the nodes, T(16) and T(32) at
/// rho = 1.5 change by less than 15 %, while the uniform choice takes 14.2 and then 16.2.
#[test]
fn time_depends_on_distance_and_not_on_size() {
    let small = reach(128, 1.5, &[16, 32], 12);
    let large = reach(SIDE, 1.5, &[16, 32], 12);
    for (small, large) in small.iter().zip(&large) {
        assert!((large / small - 1.0).abs() < 0.15, "{small} rounds at side 128, {large} at 256");
    }
    let uniform = [128, SIDE].map(|side| reach(side, 0.0, &[16], 6)[0]);
    assert!(uniform[1] - uniform[0] > 1.0, "uniform: {uniform:?} at sides 128 and 256");
}

/// Mean conversations a link of a line of `n` sites carries when every site starts one.
fn traffic(n: u32, a: f64) -> f64 {
    let mut random = Key::new(u64::from(n)).random(0);
    let draws = 40;
    let steps: f64 = (0..n)
        .map(|me| {
            let others = (0..n).filter(|&peer| peer != me);
            let distances = others.map(|peer| (peer, f64::from(peer.abs_diff(me))));
            let peers = Weighted::by_distance(distances, a).expect("parameters");
            let mut draw = || peers.sample(&mut random).map_or(0, |peer| peer.abs_diff(me));
            (0..draws).map(|_| f64::from(draw())).sum::<f64>()
        })
        .sum();
    steps / f64::from(draws) / f64::from(n - 1)
}

/// Demers et al. 1987, section 3.1; papers file 1.3, test 5: the ratio of traffic a link at n =
/// 1600 to n = 400 is 3.98, 2.02, 1.25 and 1.0 for a = 0, 1.5, 2 and 3.
#[test]
fn traffic_on_a_line_grows_with_the_exponent_as_derived() {
    for (a, expected, tolerance) in
        [(0.0, 3.98, 0.1), (1.5, 2.02, 0.15), (2.0, 1.25, 0.08), (3.0, 1.0, 0.03)]
    {
        let ratio = traffic(1_600, a) / traffic(400, a);
        assert!((ratio - expected).abs() < tolerance, "a = {a}: {ratio}, expected {expected}");
    }
}

/// Demers et al. 1987, equation (3.1.1); papers file 1.3, test 5: for two clusters of 100, a = 2
/// sends 1/100 as many conversations over the bridge as the uniform choice. Of 4 10^5 draws 2,010
/// cross for a = 2: the ratio's standard deviation is 2.2 %.
#[test]
fn rank_squared_relieves_the_bridge_a_hundredfold() {
    let crossing = |a| {
        let sites = (1..200_u32).map(|peer| (peer, if peer < 100 { 1.0 } else { 50.0 }));
        let peers = Weighted::by_rank(sites, a).expect("parameters");
        let mut random = Key::new(3).random(0);
        let draws = (0..400_000).filter_map(|_| peers.sample(&mut random));
        draws.filter(|&peer| peer >= 100).count() as f64
    };
    let ratio = crossing(0.0) / crossing(2.0);
    assert!((ratio - 100.0).abs() < 9.0, "ratio {ratio}, seed 3");
}

/// Chi-square over the 143 offsets of a 12 x 12 torus and 10^6 draws: 142 degrees of freedom exceed
/// 210 with p < 1e-4.
#[test]
fn offsets_are_drawn_by_their_weights() {
    let node = Lattice::all(12, 2, 1.0).expect("parameters").nth(17).expect("node 17");
    let squared = |peer: u32| {
        let along = |one: u32, other: u32| {
            let apart = one.abs_diff(other);
            let apart = f64::from(apart.min(12 - apart));
            apart * apart
        };
        along(peer / 12, 17 / 12) + along(peer % 12, 17 % 12)
    };
    let weights: Vec<f64> =
        (0..144).map(|peer| if peer == 17 { 0.0 } else { 1.0 / squared(peer) }).collect();
    let mut counts = [0.0; 144];
    let mut random = Key::new(11).random(0);
    for _ in 0..1_000_000 {
        counts[node.sample(&mut random).expect("a peer") as usize] += 1.0;
    }
    assert_eq!(counts[17], 0.0, "it never draws itself");
    let sum: f64 = weights.iter().sum();
    let chi: f64 = (0..144)
        .filter(|&peer| peer != 17)
        .map(|peer| {
            let expected = weights[peer] / sum * 1e6;
            (counts[peer] - expected) * (counts[peer] - expected) / expected
        })
        .sum();
    assert!(chi < 210.0, "chi-square {chi}, seed 11");
}

/// Of 10^5 draws 5,000 leave the zone, with a standard deviation of 69.
#[test]
fn zones_are_left_as_often_as_asked() {
    let zones = (1..50_u32).map(|peer| (peer, peer % 5));
    let peers = Weighted::by_zone(&0, zones, 0.05).expect("parameters");
    let mut random = Key::new(5).random(0);
    let drawn = (0..100_000).filter_map(|_| peers.sample(&mut random));
    let left = drawn.filter(|peer| peer % 5 != 0).count();
    assert!((4_720..5_280).contains(&left), "{left} left, seed 5");
}

#[test]
fn parameters_out_of_bounds_are_named() {
    let named = |error: Option<ParameterError>| error.map(|error| error.parameter);
    let weights = |weights: [f64; 2]| Weighted::new([0_u32, 1].into_iter().zip(weights)).err();
    assert_eq!(named(weights([1.0, -1.0])), Some("weight"));
    assert_eq!(named(weights([1.0, f64::NAN])), Some("weight"));
    assert_eq!(named(weights([0.0, 0.0])), Some("sum of weights"));
    assert_eq!(named(weights([f64::MAX, f64::MAX])), Some("sum of weights"));
    assert_eq!(named(Lattice::all(1, 2, 1.5).err()), Some("sites side^D"));
    assert_eq!(named(Lattice::all(u32::MAX, 9, 1.5).err()), Some("sites side^D"));
    assert_eq!(named(Lattice::all(8, 2, f64::NAN).err()), Some("exponent"));
    assert_eq!(named(Weighted::by_zone(&0, [(1_u32, 0)], 1.1).err()).map(str::len), Some(29));
    assert!(Weighted::<u32>::new([]).is_ok_and(|nobody| nobody.degree() == 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_weighs_nothing_is_never_drawn(
        weights in proptest::collection::vec(prop_oneof![Just(0.0), 1e-9..1e9_f64], 1..60),
        seed in any::<u64>(),
    ) {
        let peers = Weighted::new((0_u32..).zip(weights.iter().copied()));
        let Ok(peers) = peers else {
            prop_assert!(weights.iter().all(|&weight| weight == 0.0));
            return Ok(());
        };
        let mut random = Key::new(seed).random(0);
        for _ in 0..500 {
            let peer = peers.sample(&mut random).expect("a peer");
            prop_assert!(weights[peer as usize] > 0.0, "{peer} of {weights:?}");
        }
    }
}
