//! Push-sum against its paper: Kempe, Dobra, Gehrke, *Gossip-based computation of aggregate
//! information*, FOCS 2003.
//!
//! Rounds are synchronous, partners uniform over the other nodes. The expected rounds are those of
//! an independent simulation of the paper's protocol (whose nodes may choose themselves: at these
//! sizes that makes no difference), with the standard deviation of a run beside them.

use crate::common::Uniform;
use gossip_aggregate::push_sum::{Config, Linear, Message, Share, State};
use gossip_aggregate::{Leaders, Mean, PowerMean, PushSum, Total, epoch, push_pull::Function};
use gossip_core::random::Key;
use gossip_core::sim::cycle::Simulation;
use gossip_core::sim::link::{Copies, Link, Network, Perfect, Trip};
use gossip_core::{Bounded, Finite, Local, Nothing, Protocol, Random, Refusal, Wire};

/// Loses shares, and acknowledgements at another rate.
struct Losing {
    shares: f64,
    acknowledgements: f64,
}

impl Link for Losing {
    fn carry(&mut self, trip: &Trip, random: &mut Random) -> Copies {
        let loss = if trip.opening { self.shares } else { self.acknowledgements };
        (!random.chance(loss)).then_some(core::time::Duration::ZERO).into_iter().collect()
    }
}

type Sim<F, L> = Simulation<PushSum<u32, F>, Uniform, L>;

fn start<F: Linear, L: Link>(
    nodes: usize,
    seed: u64,
    (link, attempts): (L, u8),
    function: impl Fn(u32) -> F,
) -> Sim<F, L> {
    let node = |at| {
        let config = Config::new(epoch::Config::founding(function(at)).endless());
        PushSum::new(config.attempts(attempts)).unwrap()
    };
    let world = Uniform::of(nodes as u32);
    Simulation::synchronous((0..nodes as u32).map(node), seed, world, link)
}

fn input(seed: u64, node: u32) -> f64 {
    Key::new(seed).with(55).random(node.into()).unit()
}

fn mean(seed: u64) -> impl Fn(u32) -> Mean {
    move |node| Mean::of(input(seed, node)).unwrap()
}

/// The largest relative error over all nodes; infinite while one says nothing.
fn worst<F: Linear, L: Link>(sim: &Sim<F, L>, truth: f64) -> f64 {
    let error = |node: &PushSum<u32, F>| {
        node.running_estimate().map_or(f64::INFINITY, |estimate| (estimate / truth - 1.0).abs())
    };
    sim.nodes().map(|(_, node)| error(node)).fold(0.0, f64::max)
}

/// Rounds until the largest error is below each of the `bounds`, which fall.
fn rounds<F: Linear, L: Link>(mut sim: Sim<F, L>, truth: f64, bounds: &[f64]) -> Vec<f64> {
    let mut round = 0.0;
    let until = |&bound: &f64| {
        while worst(&sim, truth) > bound {
            sim.step();
            round += 1.0;
            assert!(round < 400.0, "no end: still {} off", worst(&sim, truth));
        }
        round
    };
    bounds.iter().map(until).collect()
}

fn averaged(runs: impl ExactSizeIterator<Item = Vec<f64>>) -> Vec<f64> {
    let count = runs.len() as f64;
    let sum = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(&b).map(|(a, b)| a + b).collect();
    runs.reduce(sum).unwrap().iter().map(|total| total / count).collect()
}

fn check(name: &str, measured: &[f64], expected: &[(f64, f64)], runs: f64) {
    for (measured, &(rounds, sd)) in measured.iter().zip(expected) {
        // Four standard deviations of the difference between two means of `runs` runs, one round
        // for the counting of the last, and a tenth of a round for the rounding of the expected.
        let tolerance = 4.0 * sd * (2.0 / runs).sqrt() + 1.1;
        let off = (measured - rounds).abs();
        assert!(off < tolerance, "{name}: {measured} rounds, expected {rounds} +- {tolerance:.2}");
    }
}

/// Which part of every input a node's values are made of: the paper's contribution vectors.
#[derive(Clone, Debug)]
struct Contributions<const N: usize>(u32);

impl<const N: usize> Function for Contributions<N> {
    type State = Bounded<Finite, N>;
    type Input = Nothing;

    fn set(&mut self, never: Nothing) -> Result<(), Refusal> {
        match never {}
    }

    fn start<P: Protocol + ?Sized>(
        &mut self,
        _: Option<&Self::State>,
        _: &mut impl Local<P>,
    ) -> Self::State {
        let unit = |at| f64::from(u8::from(at == self.0));
        let mut all = Bounded::new();
        all.fill((0..N as u32).map(unit).filter_map(Finite::new));
        all
    }

    fn update(&self, mine: &Self::State, _: &Self::State) -> Self::State {
        mine.clone()
    }

    fn estimate(&self, state: &Self::State) -> Option<f64> {
        Some(state.len() as f64)
    }
}

impl<const N: usize> Linear for Contributions<N> {
    fn scaled(state: &Self::State, factor: f64) -> Option<Self::State> {
        let mut all = Bounded::new();
        all.fill(state.iter().filter_map(|value| Finite::new(value.get() * factor)));
        Some(all)
    }

    fn plus(one: &Self::State, other: &Self::State) -> Option<Self::State> {
        let mut all = Bounded::new();
        all.fill(one.iter().zip(other).filter_map(|(a, b)| Finite::new(a.get() + b.get())));
        Some(all)
    }
}

/// The sum over i and j of (v_ij - w_i / n)^2.
fn potential<const N: usize>(sim: &Sim<Contributions<N>, Perfect>) -> f64 {
    let of = |share: &Share<Bounded<Finite, N>>| {
        let even = share.weight.get() / N as f64;
        share.sum.iter().map(|part| (part.get() - even) * (part.get() - even)).sum::<f64>()
    };
    sim.nodes().filter_map(|(_, node)| node.held().map(of)).sum()
}

/// Mean of the potential's factor over `runs` of four rounds each.
fn factor<const N: usize>(runs: u64) -> f64 {
    let mut ratios = Vec::new();
    for seed in 0..runs {
        let mut sim = start(N, seed, (Perfect, 1), Contributions::<N>);
        sim.step();
        for _ in 0..4 {
            let before = potential(&sim);
            sim.step();
            ratios.push(potential(&sim) / before);
        }
    }
    ratios.iter().sum::<f64>() / ratios.len() as f64
}

/// Lemma 2.3, whose printed constant (1/2 - 1/(2n) = .45 and .49) is off: without choosing oneself
/// the factor is 1/2 - 1/(2(n-1)) - (n-2)/(4(n-1)^2) = .4198 at n = 10 and .4848 at n = 50
/// (derived;
/// simulated independently: .4201 and .4848). One round's factor has an sd of about .1 at n = 10
/// and
/// .05 at n = 50: a mean over 20,000 and 8,000 of them errs by .0007 and .0006.
#[test]
fn lemma_2_3_the_potential_falls_by_the_exact_factor() {
    let exact = |n: f64| 0.5 - 0.5 / (n - 1.0) - (n - 2.0) / (4.0 * (n - 1.0) * (n - 1.0));
    for (n, measured) in [(10.0, factor::<10>(5_000)), (50.0, factor::<50>(2_000))] {
        let off = (measured - exact(n)).abs();
        assert!(off < 0.003, "n = {n}: {measured:.4}, expected {:.4}", exact(n));
    }
}

/// Theorem 3.1: rounds grow with log n + log 1/eps, by two or three per decade of n and by 26.5 for
/// a 10^-4 of the error.
#[test]
fn theorem_3_1_the_mean_is_right_everywhere_soon() {
    let bounds = [0.1, 0.01, 1e-6];
    for (nodes, runs, expected) in [
        (100, 40_u64, [(10.9, 1.4), (17.2, 1.4), (43.7, 1.6)]),
        (1_000, 20, [(13.1, 1.4), (20.0, 1.4), (46.4, 1.4)]),
        (10_000, 6, [(15.9, 1.2), (22.1, 1.2), (48.4, 1.6)]),
    ] {
        let run = |seed| {
            let truth = (0..nodes as u32).map(|at| input(seed, at)).sum::<f64>() / nodes as f64;
            rounds(start(nodes, seed, (Perfect, 1), mean(seed)), truth, &bounds)
        };
        check(
            &format!("{nodes} nodes"),
            &averaged((0..runs as i32).map(|s| run(s as u64))),
            &expected,
            runs as f64,
        );
    }
}

/// A count takes about as long again as it takes for word of the leader to reach everyone: 25.5,
/// 31.3 and 37.6 rounds to 1 %, 51.8, 57.8 and 63.3 to 10^-6.
#[test]
fn a_count_is_right_everywhere_soon() {
    for (nodes, runs, expected) in
        [(100, 40_i32, [(25.5, 2.0), (51.8, 2.0)]), (1_000, 20, [(31.3, 2.0), (57.8, 2.0)])]
    {
        let count = |node: u32| Mean::of(f64::from(u8::from(node == 0))).unwrap();
        let run = |seed: i32| {
            let sim = start(nodes, seed as u64, (Perfect, 1), count);
            rounds(sim, 1.0 / nodes as f64, &[0.01, 1e-6])
        };
        check(&format!("{nodes} nodes"), &averaged((0..runs).map(run)), &expected, runs.into());
    }
}

/// Section 2.2, faults: with loss mu of which the sender hears, time grows by at most 2/(1-mu)^2.
/// Expected at N = 10^4 and 1 %: 24.5, 29.4 and 48.4 rounds for mu = .05, .2 and .5. One attempt
/// and
/// no acknowledgement lost is the paper's model; the result is exact whatever was lost.
#[test]
fn section_2_2_losses_that_are_heard_of_cost_time_and_nothing_else() {
    for (mu, expected) in [(0.05, 24.5), (0.2, 29.4), (0.5, 48.4)] {
        let run = |seed: i32| {
            let seed = seed as u64;
            let truth = (0..10_000).map(|at| input(seed, at)).sum::<f64>() / 10_000.0;
            let link = Losing { shares: mu, acknowledgements: 0.0 };
            rounds(start(10_000, seed, (link, 1), mean(seed)), truth, &[0.01])
        };
        let measured = averaged((0..4).map(run));
        check(&format!("loss {mu}"), &measured, &[(expected, 2.5)], 4.0);
        assert!(measured[0] < 22.1 * 2.0 / ((1.0 - mu) * (1.0 - mu)), "loss {mu}: {measured:?}");
    }
}

/// Sums of values and weights over nodes and what they gave away.
fn mass<L: Link>(sim: &Sim<Mean, L>) -> (f64, f64) {
    let share = |share: &Share<Finite>| (share.sum.get(), share.weight.get());
    let held = |node: &PushSum<u32, Mean>| {
        let (s, w) = node.held().map_or((0.0, 0.0), share);
        let (away, weight) = node.under_way().map_or((0.0, 0.0), |(_, part)| share(part));
        (s + away, w + weight)
    };
    sim.nodes().map(|(_, node)| held(node)).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))
}

/// The invariant, to rounding, every round: with half of the shares lost, N = 1,000.
#[test]
fn mass_stays_whatever_shares_are_lost() {
    let link = Losing { shares: 0.5, acknowledgements: 0.0 };
    let mut sim = start(1_000, 1, (link, 3), mean(1));
    sim.step();
    let (s, w) = mass(&sim);
    for round in 0..60 {
        sim.step();
        let (sum, weight) = mass(&sim);
        assert!((sum / s - 1.0).abs() < 1e-12, "round {round}: {sum} of {s}");
        assert!((weight / w - 1.0).abs() < 1e-12, "round {round}: {weight} of {w}");
    }
}

/// With a fifth of all messages lost, acknowledgements too: a share whose acknowledgements are all
/// lost is there twice. One attempt is the control: it doubles a share in (1-p)p = 16 % of rounds,
/// a gain of 8 % in weight a round. Eight attempts: 200 nodes give 12,000 shares in 60 rounds, of
/// which fewer than (1 - .64)^8 = 3e-4 of halves are doubled, 2 % of the weight in the end.
#[test]
fn lost_acknowledgements_double_shares_unless_there_are_many_attempts() {
    let weight = |attempts| {
        let mut sim = start(200, 3, (Network::default().loss(0.2).unwrap(), attempts), mean(3));
        (0..60).for_each(|_| sim.step());
        mass(&sim).1 / 200.0
    };
    assert!(weight(1) > 4.0, "one attempt: {}", weight(1));
    // What is under way and taken already is counted twice here: at most .2 of a half each.
    assert!((0.95..1.15).contains(&weight(8)), "eight attempts: {}", weight(8));
}

/// Sums and products over nodes are those of push-pull: the same functions run here. N = 200,
/// inputs of 1 to 2, 80 rounds.
#[test]
fn totals_are_right() {
    let inputs = |node: u32| 1.0 + f64::from(node) / 200.0;
    let mut sums = start(200, 5, (Perfect, 1), |at| {
        Total::<Mean>::sum(inputs(at), Leaders::default()).unwrap()
    });
    let mut logs = start(200, 5, (Perfect, 1), |at| PowerMean::of(inputs(at), 0.0).unwrap());
    (0..80).for_each(|_| (sums.step(), logs.step()).0);
    let total: f64 = (0..200).map(inputs).sum();
    let logarithms: f64 = (0..200).map(|at| libm::log(inputs(at))).sum();
    assert!(worst(&sums, total) < 1e-6, "{}", worst(&sums, total));
    assert!(worst(&logs, libm::exp(logarithms / 200.0)) < 1e-6);
}

/// A message fits a datagram with room to spare, whatever it is told.
#[test]
fn messages_are_small() {
    const { assert!(<Message<Finite> as Wire>::MAX_LEN <= 40) }
    assert!(size_of::<State<u32, Mean>>() <= 288);
}
