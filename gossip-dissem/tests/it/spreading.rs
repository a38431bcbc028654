//! How long rumors take to reach all, against closed forms, and what push-pull costs that stops by
//! itself: Pittel 1987; Karp, Schindelhauer, Shenker, Vocking, *Randomized rumor spreading*, FOCS
//! 2000. Synchronous cycles, uniform partners, one rumor at node 0; numbers: papers file, section
//! 2.

use crate::common::{Everyone, Mean, epidemic_until_all, naive, trials};
use gossip_core::sim::cycle::Simulation;
use gossip_core::sim::link::Perfect;
use gossip_dissem::median::{self, MedianCounter};
use gossip_dissem::rumor::Config;

const SEED: u64 = 1;

/// Loses no interest while it spreads.
const PUSH: Config = Config::push(60);
const PULL: Config = Config::pull(60);
const BOTH: Config = Config::push_pull(60);

/// The mean number of rounds until all have heard; this share of calls fails.
fn rounds(config: Config, nodes: u32, failing: f64, seeds: u32) -> f64 {
    let runs = trials(seeds, SEED, |seed| epidemic_until_all(config, nodes, failing, seed));
    assert!(runs.iter().all(|run| run.residue <= 0.0), "somebody lost interest too soon");
    runs.iter().map(|run| run.t_last).sum::<f64>() / f64::from(seeds)
}

/// Without loss push takes 17.99 (sd 1.29) and 23.77 rounds at 10^3 and 10^4 nodes, pull 13.77 and
/// 17.51, push-pull 9.14 (sd .5), 11.58 and 13.93 at 10^5. Tolerance: .1, and four standard errors
/// by an sd of 1.3, or .5 for push-pull.
#[test]
fn rounds_until_all_have_heard() {
    for (config, nodes, seeds, expected, sd) in [
        (PUSH, 1_000, 16, 17.99, 1.3),
        (PULL, 1_000, 16, 13.77, 1.3),
        (BOTH, 1_000, 16, 9.14, 0.5),
        (PUSH, 10_000, 2, 23.77, 1.3),
        (PULL, 10_000, 2, 17.51, 1.3),
        (BOTH, 10_000, 2, 11.58, 0.5),
        (BOTH, 100_000, 1, 13.93, 0.5),
    ] {
        let measured = rounds(config, nodes, 0.0, seeds);
        let tolerance = 0.1 + 4.0 * sd / f64::from(seeds).sqrt();
        let close = (measured - expected).abs() <= tolerance;
        assert!(close, "{measured} rounds, {expected} +- {tolerance}; n={nodes}, {config:?}");
    }
}

/// The same at 10^5 and 10^6 nodes, of which the papers file has 29.62, 21.33, 13.93 rounds, and
/// 16.33 for push-pull. Push keeps within Doerr and Kunnemann's bounds there, too.
#[test]
#[ignore = "soak: a million nodes"]
fn soak_rounds_until_a_million_have_heard() {
    for (config, nodes, seeds, expected, sd) in [
        (PUSH, 100_000, 2, 29.62, 1.3),
        (PULL, 100_000, 2, 21.33, 1.3),
        (BOTH, 100_000, 2, 13.93, 0.5),
        (BOTH, 1_000_000, 1, 16.33, 0.5),
    ] {
        let measured = rounds(config, nodes, 0.0, seeds);
        let tolerance = 0.1 + 4.0 * sd / f64::from(seeds).sqrt();
        let close = (measured - expected).abs() <= tolerance;
        assert!(close, "{measured} rounds, {expected} +- {tolerance}; n={nodes}, {config:?}");
    }
    let million = 1_000_000.0_f64;
    let offset = rounds(PUSH, 1_000_000, 0.0, 1) - libm::log(million);
    let (least, most) = (19.0 - 1.116 - 4.0 * 1.3, 20.0 + 2.765 + 4.0 * 1.3);
    assert!((least..=most).contains(&offset), "{offset} not in {least} to {most}");
}

/// A share of all calls fails: push, pull and push-pull take 18.8, 14.8, 9.7 rounds at 5 %, 21.9,
/// 18.1, 11.3 at 20 %, 33.2, 29.7, 17.2 at 50 %, n = 1000. The sd is a fourteenth of the rounds
/// without loss, and grows no faster than they do: four standard errors of 8 runs are a tenth.
#[test]
fn lost_calls_slow_an_epidemic_down_and_do_not_stop_it() {
    for (failing, expected) in
        [(0.05, [18.8, 14.8, 9.7]), (0.2, [21.9, 18.1, 11.3]), (0.5, [33.2, 29.7, 17.2])]
    {
        for (config, expected) in [PUSH, PULL, BOTH].into_iter().zip(expected) {
            let measured = rounds(config, 1_000, failing, 8);
            let close = (measured - expected).abs() <= 0.1 + expected / 10.0;
            assert!(close, "{measured} rounds, {expected} at {failing}; {config:?}");
        }
    }
}

/// Doerr and Kunnemann: floor(log2 n) + ln n - 1.116 <= E <= ceil(log2 n) + ln n + 2.765 for push,
/// at n = 2^8 to 2^14; the sd is 1.3.
#[test]
fn push_keeps_within_the_sharp_bounds() {
    for (power, seeds) in [(8, 32), (9, 16), (10, 8), (11, 4), (12, 2), (13, 2), (14, 1)] {
        let nodes = 1_u32 << power;
        let offset =
            rounds(PUSH, nodes, 0.0, seeds) - f64::from(power) - libm::log(f64::from(nodes));
        let error = 4.0 * 1.3 / f64::from(seeds).sqrt();
        let within = -1.116 - error <= offset && offset <= 2.765 + error;
        assert!(within, "{offset} at n={nodes}; {seeds} seeds from {SEED} on");
    }
}

type Median = MedianCounter<u32, u32>;

/// How the median counter ended: nodes left out, copies a node, cycle of the last infection.
fn count_median(config: median::Config, nodes: u32, seed: u64) -> (u32, f64, f64) {
    let all = (0..nodes).map(|_| Median::new(config).unwrap());
    let mut sim = Simulation::synchronous(all, seed, Everyone::of(nodes), Perfect);
    sim.command(0, median::Command::Publish(1)).unwrap();
    let mut heard = sim.events().take().count() as u32;
    let mut last = 0;
    while sim.nodes().any(|(_, node)| node.hot() > 0) {
        sim.step();
        let new = sim.events().take().count() as u32;
        heard += new;
        last = if new > 0 { sim.cycle() } else { last };
    }
    let sent = |node: &Median| node.traffic().pushed + node.traffic().answered;
    let sent: u64 = sim.nodes().map(|(_, node)| sent(node)).sum();
    (nodes - heard, sent as f64 / f64::from(nodes), f64::from(last))
}

/// The paper moves a player to C when its counter would reach the limit. The papers file's
/// simulation moves it when the counter would exceed it: a stage, and so 1.5 rounds, more. Each
/// reading as arrays of states, at n = 1000, limit 2, three rounds in C: 9.22 and 12.24 copies a
/// node; the latter is the file's 12.2. The messages do what the arrays do, at limits 2 and 3.
/// Tolerance: four standard errors of both.
#[test]
fn the_median_counter_makes_the_copies_that_arrays_of_states_make() {
    for limit in [2, 3] {
        let arrays: Vec<f64> =
            (0..100).map(|seed| naive::median(limit, 3, 1_000, seed).copies).collect();
        let config = median::Config::default().limit(limit as u16);
        let ours: Vec<f64> =
            (SEED..).take(20).map(|seed| count_median(config, 1_000, seed).1).collect();
        let (arrays, ours) = (Mean::of(&arrays), Mean::of(&ours));
        let tolerance = 4.0 * arrays.error;
        assert!(ours.is(arrays.mean, tolerance), "messages {ours:?}, arrays {arrays:?}");
        if limit == 3 {
            assert!(arrays.is(12.2, 0.05), "{arrays:?}, papers file: 12.2");
        }
    }
}

/// With limit 2 and three rounds in C nobody is left out, last infections come at 9.14 rounds at
/// 10^3 nodes and 11.55 at 10^4 (simulated), and copies a node do not grow: by less than 1.15.
/// Measured: 9.20 and 9.22 copies.
/// The control never stops, and is stopped after twice log2 n rounds: 2 copies a node and round,
/// and so n log n.
#[test]
fn the_median_counter_stops_by_itself_at_a_cost_that_does_not_grow() {
    let mut costs = Vec::new();
    for (nodes, seeds, last) in [(1_000, 20, 9.14), (10_000, 2, 11.55)] {
        let runs: Vec<_> = (SEED..)
            .take(seeds)
            .map(|seed| count_median(median::Config::default(), nodes, seed))
            .collect();
        let count = runs.len() as f64;
        let average = |of: fn(&(u32, f64, f64)) -> f64| runs.iter().map(of).sum::<f64>() / count;
        assert!(runs.iter().all(|run| run.0 == 0), "left out at n={nodes}; seeds from {SEED} on");
        // The sd of a last infection is .5.
        let rounds = average(|run| run.2);
        assert!((rounds - last).abs() <= 4.0 * 0.5 / count.sqrt() + 0.1, "{rounds} at n={nodes}");
        costs.push(average(|run| run.1));
    }
    assert!(costs[1] / costs[0] <= 1.15, "{costs:?}; seeds from {SEED} on");

    let endless = |nodes: u32| {
        let age = 2 * libm::log2(f64::from(nodes)) as u16;
        count_median(median::Config::default().limit(60_000).age(age), nodes, SEED).1
    };
    assert!(endless(10_000) / endless(1_000) > 1.2, "the control; seed {SEED}");
}

/// The control: with counter 1 and two rounds in C, some runs leave nodes out.
#[test]
fn the_median_counter_leaves_nodes_out_if_it_stops_too_soon() {
    let config = median::Config::default().limit(1).linger(2);
    let left: u32 = (SEED..).take(40).map(|seed| count_median(config, 1_000, seed).0).sum();
    assert!(left > 0, "40 runs from seed {SEED}");
}
