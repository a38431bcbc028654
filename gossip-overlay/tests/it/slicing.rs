//! mod-JK, Ranking and Sliver against their figures, and side by side under churn.
//!
//! Figures: an independent simulation (`papers/aggregate-overlay.md`, section 6), N = 10^4, fresh
//! uniform peers each cycle, Pareto(1.5) attributes; and closed forms.

use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_core::sim::{Network, Oracle, World};
use gossip_core::{Describe, Finite, Layer, Wire};
use gossip_overlay::slicing::metrics::{self, expected_sdm_floor, expected_sdm_sampled};
use gossip_overlay::slicing::{
    Command, Event, Jk, ModJk, Profile, Ranking, Sliced, Slices, Sliver, Value, jk, ranking,
    samples_needed, sliver,
};
use proptest::prelude::*;

pub(super) type Slicing<S> = Simulation<S, Oracle<S, Profile>>;

fn pareto(seed: u64, node: u32) -> f64 {
    let unit = Key::new(seed).with(77).random(node.into()).unit();
    libm::pow(1.0 - unit, -1.0 / 1.5)
}

fn tenths() -> Slices {
    Slices::equal(10).unwrap()
}

/// Over an ideal sampler of `c` peers; every node has been called once, and tells its profile.
pub(super) fn ideal<S>(n: u32, c: usize, seed: u64, node: impl Fn(u32) -> S) -> Slicing<S>
where
    S: Layer<Oracle<S, Profile>, Id = u32> + Describe<Profile>,
    Oracle<S, Profile>: World<S>,
{
    let oracle = Oracle::new(n, c, seed, |node: &S| Some(node.describe()));
    let nodes = (0..n).map(node);
    let mut sim = Simulation::with(nodes, seed, Order::Sequential, oracle, Perfect);
    (0..n).for_each(|node| sim.contact(node, node));
    sim
}

fn swapping(attribute: f64) -> Jk<u32> {
    Jk::new(jk::Config { attribute, slices: tenths() }).unwrap()
}

fn mod_swapping(attribute: f64) -> ModJk<u32> {
    ModJk::new(jk::Config { attribute, slices: tenths() }).unwrap()
}

fn counting(attribute: f64, window: Option<u32>) -> Ranking<u32> {
    Ranking::new(ranking::Config { attribute, slices: tenths(), window }).unwrap()
}

fn remembering(attribute: f64, timeout: u32) -> Sliver<u32> {
    let slices = tenths();
    Sliver::new(sliver::Config { attribute, slices, timeout, limit: 100_000 }).unwrap()
}

/// (attribute, slice believed) of all nodes that believe in one, by identifier.
fn believed<S>(sim: &Slicing<S>) -> Vec<(f64, u32)>
where
    S: Layer<Oracle<S, Profile>, Id = u32> + Describe<Profile> + Sliced,
{
    let pair = |(_, node): (u32, &S)| Some((node.describe().attribute.get(), node.slice()?));
    sim.nodes().filter_map(pair).collect()
}

/// The slice disorder measure, of nodes that go by tenths.
fn sdm<S>(sim: &Slicing<S>) -> f64
where
    S: Layer<Oracle<S, Profile>, Id = u32> + Describe<Profile> + Sliced,
{
    metrics::sdm(&believed(sim), &tenths()) as f64
}

fn gdm<S>(sim: &Slicing<S>) -> f64
where
    S: Layer<Oracle<S, Profile>, Id = u32> + Describe<Profile>,
{
    let pair = |node: &S| (node.describe().attribute.get(), node.describe().value.unwrap().get());
    metrics::gdm(&sim.nodes().map(|(_, node)| pair(node)).collect::<Vec<_>>())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Section 6, table for mod-JK at c = 20, means of 3 runs; and test 1: JK has 3 to 5 times its
/// disorder after a cycle. Sd of one run, relative, as for JK (`jk.rs`): at most .023 for GDM,
/// and 178, 121, 51, 48, 110 for SDM; the difference of two means of 3 has .82 of that; 4.5.
#[test]
fn mod_jk_orders_by_cycle_as_published() {
    let rows = [
        (1, 1.21e6, 8_161.0, 655.0),
        (2, 2.73e5, 3_785.0, 445.0),
        (5, 2.94e4, 1_231.0, 190.0),
        (10, 5.75e3, 557.0, 176.0),
        (40, 269.0, 217.0, 405.0),
    ];
    let make = |seed| ideal(10_000, 20, seed, |node| mod_swapping(pareto(seed, node)));
    let mut sims: Vec<_> = (0..3).map(make).collect();
    for (cycle, expected_gdm, expected_sdm, tolerance) in rows {
        for sim in &mut sims {
            sim.run(cycle - sim.cycle());
        }
        let gdms: Vec<f64> = sims.iter().map(gdm).collect();
        let off = mean(&gdms) / expected_gdm - 1.0;
        assert!(off.abs() < 0.085, "cycle {cycle}: GDM {gdms:?}, not {expected_gdm}");
        let sdms: Vec<f64> = sims.iter().map(sdm).collect();
        let off = mean(&sdms) - expected_sdm;
        assert!(off.abs() < tolerance, "cycle {cycle}: SDM {sdms:?}, not {expected_sdm}");
    }
}

/// Section 6, test 1, at N = 2,000: GDM_1 of JK over that of mod-JK in [3, 5], GDM_5 at least 2.
/// And both end at the floor of the same values.
#[test]
fn mod_jk_is_ahead_of_jk_and_ends_at_the_same_floor() {
    for seed in 0..3 {
        let mut plain = ideal(2_000, 20, seed, |node| swapping(pareto(seed, node)));
        let mut better = ideal(2_000, 20, seed, |node| mod_swapping(pareto(seed, node)));
        for (cycles, least, most) in [(1, 3.0, 5.0), (4, 2.0, 5.0)] {
            plain.run(cycles);
            better.run(cycles);
            let ratio = gdm(&plain) / gdm(&better);
            assert!(
                (least..most).contains(&ratio),
                "{ratio}, cycle {}, seed {seed}",
                plain.cycle()
            );
        }
        plain.run(95);
        better.run(95);
        let (slow, fast) = (sdm(&plain), sdm(&better));
        let slices: Vec<u32> = believed(&better).iter().map(|pair| pair.1).collect();
        let floor = metrics::sdm_floor(&slices, &tenths()) as f64;
        assert!(fast <= 1.1 * floor && (fast / slow - 1.0).abs() < 0.1, "{fast} {slow} {floor}");
    }
}

/// Share of nodes in a wrong slice under Ranking, c = 10, k = 10, N = 10^4, by cycle.
const WRONG: [(u32, f64); 6] =
    [(1, 0.63), (10, 0.27), (50, 0.117), (100, 0.082), (200, 0.058), (500, 0.034)];

/// Checks the rows of [`WRONG`] up to `last` in the mean of `seeds` runs: sd of one share
/// sqrt(w (1 - w) / N), as nodes' samples are independent, of the difference to one run published
/// with 2 to 3 digits sqrt(1 + 1 / runs) times that, and half a digit; 4.5 sd.
fn check_wrong(seeds: u32, last: u32) -> Vec<f64> {
    let make = |seed| ideal(10_000, 10, seed, |node| counting(pareto(seed, node), None));
    let mut sims: Vec<_> = (0..u64::from(seeds)).map(make).collect();
    let mut means = Vec::new();
    for (cycle, expected) in WRONG.into_iter().filter(|row| row.0 <= last) {
        for sim in &mut sims {
            sim.run(cycle - sim.cycle());
        }
        let wrong = |sim| metrics::misplaced(&believed(sim), &tenths()) as f64 / 10_000.0;
        let wrongs: Vec<f64> = sims.iter().map(wrong).collect();
        let digit = if expected > 0.2 { 0.005 } else { 0.0005 };
        let sd = (expected * (1.0 - expected) / 10_000.0 * (1.0 + 1.0 / f64::from(seeds))).sqrt();
        let off = (mean(&wrongs) - expected).abs();
        assert!(off < 4.5 * sd + digit, "cycle {cycle}: {wrongs:?}, not {expected}");
        means.push(mean(&wrongs));
    }
    means
}

/// Section 6, test 3: the share of wrong nodes falls as 1 / sqrt(t): from cycle 50 to 200 by a
/// half, within .42 to .58.
#[test]
fn rankings_error_falls_with_the_root_of_time() {
    let wrong = check_wrong(2, 200);
    let ratio = wrong[4] / wrong[2];
    assert!((0.42..0.58).contains(&ratio), "{ratio} of the error is left, seeds 0 and 1");
}

#[test]
#[ignore = "soak: 10^4 nodes for 500 cycles"]
fn soak_ranking_to_cycle_500() {
    check_wrong(1, 500);
}

/// Closed form: each node goes by m uniform samples, so SDM is N times the sum over b of sqrt(2
/// p (1 - p) / (pi m)), whatever c and k. Nodes near a boundary get more samples than others, as
/// they should: m is between c t, what all see, and 3 c t. Sd of SDM over nodes, below 1 %.
#[test]
fn rankings_error_is_that_of_its_samples() {
    for (n, c, k, seed) in [(2_000, 10, 4, 1), (2_000, 30, 10, 2), (1_000, 20, 2, 3)] {
        let slices = Slices::equal(k).unwrap();
        let make = |node| {
            let attribute = pareto(seed, node);
            Ranking::new(ranking::Config { attribute, slices: slices.clone(), window: None })
                .unwrap()
        };
        let mut sim = ideal(n, c, seed, make);
        sim.run(40);
        let sdm = metrics::sdm(&believed(&sim), &slices) as f64;
        let most = expected_sdm_sampled(n as usize, 40.0 * c as f64, &slices);
        let least = expected_sdm_sampled(n as usize, 120.0 * c as f64, &slices);
        assert!((0.85 * least..1.2 * most).contains(&sdm), "{sdm}: {least} to {most}, seed {seed}");
    }
}

/// Theorem 5.1: after m >= (Z sqrt(p (1 - p)) / d)^2 observations a node is right with confidence
/// 1 - alpha. Of those that say .9 and more, at least .9 are right, and of those that say less than
/// .6 far fewer; binomial: over 1,000 nodes each, 4 sd are .04.
#[test]
fn confidence_is_kept() {
    let n = 10_000;
    let mut sim = ideal(n, 10, 4, |node| counting(pareto(4, node), None));
    sim.run(12);
    let mut order: Vec<(f64, u32)> =
        sim.nodes().map(|(id, node)| (node.attribute().get(), id)).collect();
    order.sort_by(|a, b| a.partial_cmp(b).unwrap());
    let (mut sure, mut unsure) = ((0.0, 0.0), (0.0, 0.0));
    for (rank, (_, id)) in order.into_iter().enumerate() {
        let node = sim.node(id).unwrap();
        let is_right = node.slice() == Some(tenths().of_rank(rank, n as usize));
        let confidence = node.confidence().unwrap();
        assert_eq!(node.believed(confidence), node.slice());
        let group = match confidence {
            c if c >= 0.9 => &mut sure,
            c if c < 0.6 => &mut unsure,
            _ => continue,
        };
        group.0 += f64::from(u8::from(is_right));
        group.1 += 1.0;
    }
    assert!(sure.1 > 1_000.0 && unsure.1 > 1_000.0, "{sure:?} {unsure:?}");
    assert!(sure.0 / sure.1 > 0.9, "{sure:?}");
    assert!(unsure.0 / unsure.1 < 0.8, "the control: {unsure:?}");
}

/// Sliver is exact once all are remembered; until then its error is that of a sample of m
/// without repetition, sqrt((N - m) / N) of that with. N = 1,000, c = 20: at cycle 10 some 200
/// are remembered; SDM over 4 runs, relative sd of one 4 %.
#[test]
fn sliver_errs_as_a_sample_without_repetition() {
    let mut ratios = Vec::new();
    for seed in 0..4 {
        let mut sim = ideal(1_000, 20, seed, |node| remembering(pareto(seed, node), 1_000));
        sim.run(10);
        let seen = sim.nodes().map(|(_, node)| node.remembered() as f64).sum::<f64>() / 1_000.0;
        let with = expected_sdm_sampled(1_000, seen, &tenths());
        ratios.push(sdm(&sim) / (with * ((1_000.0 - seen) / 1_000.0).sqrt()));
    }
    assert!((mean(&ratios) - 1.0).abs() < 0.09, "{ratios:?} of the closed form, seeds 0 to 3");
}

/// N = 300, c = 20: one is not heard of in a cycle with probability .93 at most, and of 90,000
/// pairs some is not in 400 cycles with probability 3e-8.
#[test]
fn sliver_is_exact_once_all_are_remembered() {
    for seed in 0..2 {
        let mut sim = ideal(300, 20, seed, |node| remembering(pareto(seed, node), 1_000));
        sim.run(10);
        assert!(sdm(&sim) > 0.0, "the control, seed {seed}");
        sim.run(390);
        assert!(sim.nodes().all(|(_, node)| node.remembered() == 299), "seed {seed}");
        assert_eq!(sdm(&sim), 0.0, "seed {seed}");
    }
}

/// N = 500; each cycle the `gone` lowest leave and as many join above all: after 500 / `gone`
/// cycles nobody is left of the start. SDM per node by then.
fn after_turnover<S>(seed: u64, gone: u32, make: impl Fn(f64) -> S) -> f64
where
    S: Layer<Oracle<S, Profile>, Id = u32> + Describe<Profile> + Sliced,
{
    let n = 500;
    // Attributes in the order of identifiers: who leaves is known by number.
    let mut sim = ideal(n, 20, seed, |node| make(f64::from(node)));
    sim.run(50);
    for turn in 0..n / gone {
        for at in 0..gone {
            sim.kill(turn * gone + at);
            let node = sim.join(make(f64::from(n + turn * gone + at)));
            sim.contact(node, node);
        }
        sim.step();
    }
    sdm(&sim) / f64::from(n)
}

/// Issue, must be shown 5, at N = 500 and 0.4 % per cycle; `repro fernandez07-slicing` has 10^4.
/// JK: the lowest leave with the lowest values, and joiners bring uniform ones. Once all have been
/// replaced, values lie evenly over (a, 1], a = u / (1 + u) with u = 1, so nodes believe in a / 2 =
/// a quarter of the system too high a place: 2.5 of 10 slices. Ranking with a window of W = 500 at
/// 22 a cycle: the error of the samples, sum over b of sqrt(2 p (1 - p) / (pi W)) = .14, and a lag
/// of half the window, 500 / 22 / 2 cycles of .4 %, .046 of the system or .46 slices; Sliver with a
/// timeout of 23 cycles the same. The sum bounds them. Plain Ranking, the other control, counts the
/// dead for ever.
#[test]
fn under_correlated_churn_jk_drifts_and_windows_track() {
    let seed = 0;
    let jk = after_turnover(seed, 2, swapping);
    let mod_jk = after_turnover(seed, 2, mod_swapping);
    let plain = after_turnover(seed, 2, |attribute| counting(attribute, None));
    let window = after_turnover(seed, 2, |attribute| counting(attribute, Some(500)));
    let sliver = after_turnover(seed, 2, |attribute| remembering(attribute, 23));
    let all = [jk, mod_jk, plain, window, sliver];
    assert!((2.0..3.0).contains(&jk) && (2.0..3.0).contains(&mod_jk), "{all:?}, seed {seed}");
    assert!(plain > 1.0, "{all:?}, seed {seed}");
    assert!(window < 0.65 && sliver < 0.65, "{all:?}, seed {seed}");
}

/// Only samples are lost with a message, and a copy is one more: no bias. N = 1,000, 20 cycles at
/// 40 % loss and 30 % copies: as without, within a third, as views show most.
#[test]
fn loss_and_copies_leave_no_bias() {
    let slices = tenths();
    let oracle = Oracle::new(1_000, 20, 6, |node: &Ranking<u32>| Some(node.describe()));
    let nodes = (0..1_000).map(|node| counting(pareto(6, node), None));
    let network = Network::default().loss(0.4).unwrap().duplication(0.3).unwrap();
    let mut sim = Simulation::with(nodes, 6, Order::Sequential, oracle, network);
    (0..1_000).for_each(|node| sim.contact(node, node));
    sim.run(20);
    let pair = |node: &Ranking<u32>| (node.attribute().get(), node.slice().unwrap());
    let pairs: Vec<_> = sim.nodes().map(|(_, node)| pair(node)).collect();
    let sdm = metrics::sdm(&pairs, &slices) as f64;
    let expected = expected_sdm_sampled(1_000, 400.0, &slices);
    assert!((sdm / expected - 1.0).abs() < 0.33, "{sdm}, not {expected}, seed 6");
}

/// Equal attributes are ordered by identifier: all the same, and still a tenth in each slice.
#[test]
fn equal_attributes_are_spread_over_all_slices() {
    let mut sim = ideal(200, 20, 1, |_| remembering(7.0, 1_000));
    sim.run(400);
    for slice in 0..10 {
        let inside = sim.nodes().filter(|(_, node)| node.slice() == Some(slice)).count();
        assert_eq!(inside, 20, "slice {slice}, seed 1");
    }
    let mut sim = ideal(200, 20, 1, |_| counting(7.0, None));
    sim.run(400);
    let pairs: Vec<_> = sim.nodes().map(|(_, node)| (7.0, node.slice().unwrap())).collect();
    // 8,000 samples: sum over b of 200 sqrt(2 p (1 - p) / (pi 8,000)) = 6.8, sd below 3.
    assert!(metrics::sdm(&pairs, &tenths()) < 20, "seed 1");
}

/// A changed attribute takes its node to another slice, and each move is told from where the one
/// before led.
#[test]
fn a_changed_attribute_is_followed_and_moves_are_a_chain() {
    fn check<S>(mut sim: Slicing<S>)
    where
        S: Layer<Oracle<S, Profile>, Id = u32, Command = Command, Event = Event>,
        S: Describe<Profile> + Sliced,
    {
        sim.run(60);
        assert_eq!(sim.node(3).unwrap().slice(), Some(0));
        let rich = Finite::new(f64::MAX).unwrap();
        sim.command(3, Command::SetAttribute(rich)).unwrap();
        sim.run(60);
        assert_eq!(sim.node(3).unwrap().slice(), Some(9));
        assert_eq!(sim.events().shed(), 0);
        let moved = |(node, event)| match event {
            Event::Moved { from, to } => Some((node, from, to)),
            _ => None,
        };
        let moves: Vec<_> = sim.events().take().filter_map(moved).collect();
        for node in 0..500 {
            let told: Vec<_> = moves.iter().filter(|told| told.0 == node).collect();
            assert_eq!(told.first().unwrap().1, None);
            assert!(told.windows(2).all(|pair| Some(pair[0].2) == pair[1].1));
            assert_eq!(Some(told.last().unwrap().2), sim.node(node).unwrap().slice());
        }
    }
    check(ideal(500, 20, 9, |node| counting(node.into(), None)));
    check(ideal(500, 20, 9, |node| counting(node.into(), Some(700))));
    check(ideal(500, 20, 9, |node| remembering(node.into(), 30)));
    check(ideal(500, 20, 9, |node| swapping(node.into())));
}

#[test]
fn wrong_parameters_are_refused_by_name() {
    let cut = |cuts: &[f64]| Slices::cut_at(cuts).unwrap_err().to_string();
    assert!(cut(&[0.5, 0.5]).contains("cut is 0.5"));
    assert!(cut(&[f64::NAN]).contains("cut is NaN"));
    assert!(cut(&[0.0]).contains("above the cut before it"));
    assert!(cut(&[1.0]).contains("cut is 1"));
    assert!(Slices::top(1.5).is_err() && Slices::top(f64::INFINITY).is_err());
    assert!(Slices::cut_at(&vec![0.5; 70_000]).unwrap_err().to_string().contains("cut points"));
    let window = |window| {
        let config = ranking::Config { attribute: 1.0, slices: tenths(), window: Some(window) };
        Ranking::<u32>::new(config).unwrap_err().to_string()
    };
    assert!(window(0).contains("window W is 0") && window(u32::MAX).contains("1 to 2^20"));
    let sliver = |attribute, timeout, limit| {
        let config = sliver::Config { attribute, slices: tenths(), timeout, limit };
        Sliver::<u32>::new(config).unwrap_err().to_string()
    };
    assert!(sliver(f64::NAN, 1, 1).contains("attribute x"));
    assert!(sliver(1.0, 0, 1).contains("timeout") && sliver(1.0, 1, 0).contains("limit"));
    let floor = expected_sdm_floor(100, &Slices::equal(1).unwrap());
    assert!(floor == 0.0 && samples_needed(0.5, 0.1, 0.95) == 97);
}

/// A flood from one peer: Ranking believes it, as said; Sliver counts it once, and a table that is
/// full of news keeps what it has.
#[test]
fn a_peer_counts_once_for_sliver() {
    let crowd = |limit| {
        let slices = tenths();
        Sliver::new(sliver::Config { attribute: 0.5, slices, timeout: 10, limit }).unwrap()
    };
    let mut sim = ideal(40, 0, 1, |_| crowd(8));
    sim.run(30);
    assert!(sim.nodes().all(|(_, node)| node.remembered() <= 8));
    let mut pair = ideal(2, 1, 1, |_| crowd(8));
    pair.run(100);
    assert!(pair.nodes().all(|(_, node)| node.remembered() == 1));
    assert!(pair.nodes().map(|(_, node)| node.slice()).eq([Some(4), Some(9)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever finite attributes nodes have, with ties and extremes, and whoever vanishes: no
    /// panic, slices in range, and confidence a probability.
    #[test]
    fn any_attributes_and_departures_are_borne(
        raw in prop::collection::vec(any::<f64>(), 2..30),
        dead in prop::collection::vec(0_u32..30, 0..10),
        cuts in prop::collection::btree_set(1_u32..1_000, 0..6),
        window in 1_u32..70,
        seed: u64,
    ) {
        let cuts: Vec<f64> = cuts.into_iter().map(|cut| f64::from(cut) / 1_000.0).collect();
        let slices = Slices::cut_at(&cuts).unwrap();
        // Few different values, so that many are equal.
        let of = |node: u32| raw[node as usize / 2 * 2 % raw.len()];
        let of = |node| Some(of(node)).filter(|x| x.is_finite()).unwrap_or(f64::MIN);
        let n = raw.len() as u32;
        let limit = 1 + window as usize % 7;
        let mut ranking = ideal(n, 5, seed, |node| {
            let (attribute, slices, window) = (of(node), slices.clone(), Some(window));
            Ranking::new(ranking::Config { attribute, slices, window }).unwrap()
        });
        let mut sliver = ideal(n, 5, seed, |node| {
            let (attribute, slices, timeout) = (of(node), slices.clone(), window);
            Sliver::new(sliver::Config { attribute, slices, timeout, limit }).unwrap()
        });
        ranking.run(5);
        sliver.run(5);
        for node in dead {
            ranking.kill(node);
            sliver.kill(node);
        }
        ranking.run(5);
        sliver.run(5);
        for (_, node) in ranking.nodes() {
            prop_assert!(node.slice().is_none_or(|slice| slice < slices.count()));
            prop_assert!(node.observations() <= u64::from(window));
            prop_assert!(node.confidence().is_none_or(|c| (0.0..=1.0).contains(&c)));
        }
        for (_, node) in sliver.nodes() {
            prop_assert!(node.slice().is_none_or(|slice| slice < slices.count()));
            prop_assert!(node.remembered() <= limit);
            prop_assert!(node.confidence().is_none_or(|c| (0.0..=1.0).contains(&c)));
        }
    }

    /// Cut points and equal slices agree where they mean the same, and ranks with values.
    #[test]
    fn slices_by_value_and_by_rank_agree(shift in 0_u32..12, raw: u32, rank in 0_usize..4_096) {
        let k = 1_u32 << shift.min(9);
        let cuts: Vec<f64> = (1..k).map(|b| f64::from(b) / f64::from(k)).collect();
        let (equal, cut) = (Slices::equal(k).unwrap(), Slices::cut_at(&cuts).unwrap());
        let mut bytes = Vec::new();
        raw.encode(&mut bytes);
        let value = Value::decode_all(&bytes).unwrap();
        prop_assert_eq!(equal.of(value), cut.of(value));
        prop_assert_eq!(equal.of_rank(rank, 4_096), cut.of_rank(rank, 4_096));
        let place = Value::nearest((rank as f64 + 1.0) / 4_096.0);
        prop_assert_eq!(equal.of(place), equal.of_rank(rank, 4_096));
        prop_assert!(equal.distance(value).is_none_or(|d| (0.0..=1.0).contains(&d)));
    }
}
