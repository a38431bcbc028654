//! What Kempe, Dobra, Gehrke, *Gossip-based computation of aggregate information*, FOCS 2003,
//! section 3, builds on sums: random elements, quantiles, synopses.

use crate::common::Uniform;
use gossip_aggregate::push_pull::{self, Function};
use gossip_aggregate::synopsis::Thing;
use gossip_aggregate::{Alike, Draw, PushPull, PushSum, Quantile, epoch, push_sum, quantile};
use gossip_core::Finite;
use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;

/// How often node 0 drew each of 10 nodes, in 2,000 epochs of 20 rounds.
fn drawn<const PULL: bool>(weight: impl Fn(u32) -> f64) -> Vec<f64> {
    let draw = |at| Draw::weighted(f64::from(at), weight(at)).unwrap();
    let config = |at| epoch::Config::founding(draw(at)).endless();
    let world = || Uniform::of(10);
    let mut counts = vec![0.0; 10];
    for seed in 0..2_000 {
        let said = if PULL {
            let nodes = (0..10).map(|at| PushPull::<u32, Draw>::new(config(at)).unwrap());
            let mut sim = Simulation::with(nodes, seed, Order::Sequential, world(), Perfect);
            sim.run(20);
            sim.node(0).unwrap().running_estimate().unwrap()
        } else {
            let config = |at| push_sum::Config::new(config(at));
            let nodes = (0..10).map(|at| PushSum::<u32, Draw>::new(config(at)).unwrap());
            let mut sim = Simulation::synchronous(nodes, seed, world(), Perfect);
            sim.run(30);
            sim.node(0).unwrap().running_estimate().unwrap()
        };
        counts[said as usize] += 1.0;
    }
    counts
}

/// Chi-square of counts against shares.
fn chi_square(counts: &[f64], weight: impl Fn(u32) -> f64) -> f64 {
    let total: f64 = (0..10).map(&weight).sum();
    let one = |(at, count): (u32, &f64)| {
        let expected = 2_000.0 * weight(at) / total;
        if expected == 0.0 {
            *count * 1e9
        } else {
            (count - expected) * (count - expected) / expected
        }
    };
    (0..).zip(counts).map(one).sum()
}

/// Section 3.1: push-random draws each element with the probability of its weight, and one without
/// weight never. Chi-square with 9 degrees of freedom is above 34 once in 10^4 times.
#[test]
fn section_3_1_push_random_draws_in_proportion_to_weights() {
    let (even, uneven) = (|_| 1.0, f64::from);
    let (pushed, pulled) = (drawn::<false>(even), drawn::<true>(even));
    let heavy = drawn::<false>(uneven);
    assert!(chi_square(&pushed, even) < 34.0, "{pushed:?}");
    assert!(chi_square(&pulled, even) < 34.0, "push-pull: {pulled:?}");
    assert!(chi_square(&heavy, uneven) < 34.0, "weighted: {heavy:?}");
    // The control: weights do matter.
    assert!(chi_square(&heavy, even) > 34.0, "weighted: {heavy:?}");
}

type Searching = Simulation<PushPull<u32, Quantile>, Uniform>;

fn searching(inputs: &[f64], phi: f64, seed: u64) -> Searching {
    let node = |input: &f64| {
        let search = Quantile::of(*input, phi).unwrap();
        PushPull::new(push_pull::Config::founding(search).epoch(30)).unwrap()
    };
    let world = Uniform::of(inputs.len() as u32);
    Simulation::with(inputs.iter().map(node), seed, Order::Sequential, world, Perfect)
}

/// The least input that at least `phi` of all do not exceed.
fn true_quantile(inputs: &[f64], phi: f64) -> f64 {
    let mut sorted = inputs.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((phi * inputs.len() as f64 - 1e-9).ceil() as usize).max(1) - 1]
}

/// Epochs until all say the same, and what that is; at most 40.
fn found(sim: &mut Searching) -> (u32, f64) {
    for epochs in 1..=40 {
        sim.run(30);
        let mut said = sim.nodes().map(|(_, node)| node.running_estimate());
        if let Some(Some(first)) = said.next() {
            assert!(said.all(|other| other == Some(first)), "not all say the same");
            return (epochs, first);
        }
    }
    panic!("nothing was found in 40 epochs");
}

/// Section 3.1: by random pivots the search ends after O(log n) epochs, and exactly. Random pivots
/// need 2 ln n = 10.6 steps at n = 200 with an sd of below 2.6 (Quickselect's depth to one element
/// is at most that of a random search tree's node: 2 ln n, variance 2 ln n); one more draws the
/// first. Six searches: below 11.6 + 4 * 3.3 / sqrt(6) = 17 on average.
#[test]
fn section_3_1_quantiles_by_random_pivots_are_exact() {
    let mut epochs = 0.0;
    for (seed, phi) in [(1, 0.5), (2, 0.9), (3, 0.01), (4, 1.0), (5, 0.335), (6, 0.995)] {
        let mut random = Key::new(seed).random(7);
        let inputs: Vec<f64> = (0..200).map(|_| random.unit() * 100.0 - 50.0).collect();
        let mut sim = searching(&inputs, phi, seed);
        let (steps, said) = found(&mut sim);
        assert_eq!(said, true_quantile(&inputs, phi), "phi {phi}, seed {seed}, {steps} epochs");
        epochs += f64::from(steps) / 6.0;
    }
    assert!(epochs < 17.0, "{epochs} epochs on average");
}

/// Among few different inputs, of which a half is at most 2 exactly; and after all have changed.
#[test]
fn quantiles_of_ties_are_exact_and_follow() {
    let inputs: Vec<f64> = (0..100).map(|at| f64::from(at % 4 + 1)).collect();
    let mut sim = searching(&inputs, 0.5, 9);
    assert_eq!(found(&mut sim).1, 2.0);
    for at in 0..100 {
        let set = gossip_aggregate::mean::Set(Finite::new(f64::from(at % 4 + 11)).unwrap());
        sim.command(at, set).unwrap();
    }
    // The search under way, of few steps among four inputs, and the next.
    sim.run(30 * 16);
    assert!(sim.nodes().all(|(_, node)| node.running_estimate() == Some(12.0)));
}

/// Who was called away and lost its place takes that of the others, and adds its input once: a
/// third of the nodes start an epoch without knowing where the search is.
#[test]
fn who_has_lost_its_place_is_told_and_counted_once() {
    let place = |found: f64, pivot| quantile::Place {
        found: Finite::new(found),
        pivot: Finite::new(pivot),
        ..Default::default()
    };
    let knows = Quantile::of(1.0, 0.5).unwrap();
    let step =
        |place| quantile::Step { place, below: Finite::new(1.0).unwrap(), left: None, right: None };
    let (there, lost) = (step(place(2.0, 2.0)), step(quantile::Place::default()));
    // Who knows stays as it was; who is lost brings its own input.
    assert_eq!(knows.update(&there, &lost), there);
    let back = Quantile::of(3.0, 0.5).unwrap().update(&lost, &there);
    assert_eq!((back.place, back.below.get()), (there.place, 0.0));
    assert_eq!(back.right.map(|ticket| ticket.1.get()), Some(3.0));
    assert!(knows.is_sound(&back));
    assert!(!knows.is_sound(&quantile::Step { left: back.right, ..back }));
}

/// Section 3.2: a linear synopsis may take a value's place. AMS (theorem 2.2): the mean of z^2 is
/// the second moment of the shares, without bias, with a relative sd of at most sqrt(2 / R). Four
/// things, shares .4, .3, .2, .1: .30. The mean of 300 sketches of 64 errs by .177 / sqrt(300).
#[test]
fn section_3_2_synopses_tell_how_alike_all_are() {
    let thing = |at: u32| (at % 10 >= 4) as u32 + (at % 10 >= 7) as u32 + (at % 10 >= 9) as u32;
    let sketch = |names: u64| {
        let all = (0..10).map(|at| Alike::<64>::of(&(names, thing(at))).sketch());
        let sums =
            all.reduce(|a, b| <Alike<64> as push_sum::Linear>::plus(&a, &b).unwrap()).unwrap();
        let mean = <Alike<64> as push_sum::Linear>::scaled(&sums, 0.1).unwrap();
        Alike::<64>::of(&0_u8).estimate(&mean).unwrap()
    };
    let all: Vec<f64> = (0..300).map(sketch).collect();
    let mean = all.iter().sum::<f64>() / 300.0;
    let bound = 4.0 * 0.3 * Alike::<64>::relative_sd() / 300_f64.sqrt();
    assert!((mean - 0.3).abs() < bound, "{mean}");
    let square = all.iter().map(|z| (z - mean) * (z - mean)).sum::<f64>() / 299.0;
    assert!(square.sqrt() < 0.3 * Alike::<64>::relative_sd() * 1.2, "sd {}", square.sqrt());
    // By gossip every node says what the sketch of all says, by push-sum and by push-pull.
    let config = |at: u32| epoch::Config::founding(Alike::<64>::of(&(7_u64, thing(at)))).endless();
    let pushes =
        (0..100).map(|at| PushSum::<u32, _>::new(push_sum::Config::new(config(at))).unwrap());
    let mut pushed = Simulation::synchronous(pushes, 1, Uniform::of(100), Perfect);
    let pulls = (0..100).map(|at| PushPull::<u32, _>::new(config(at)).unwrap());
    let mut pulled = Simulation::with(pulls, 1, Order::Sequential, Uniform::of(100), Perfect);
    pushed.run(60);
    pulled.run(30);
    let expected = sketch(7);
    let is_right = |said: Option<f64>| (said.unwrap() - expected).abs() < 1e-6;
    assert!(pushed.nodes().all(|(_, node)| is_right(node.running_estimate())));
    assert!(pulled.nodes().all(|(_, node)| is_right(node.running_estimate())));
    // The control: where all differ, and where none does.
    let one = Alike::<64>::of(&1_u8);
    assert_eq!(one.estimate(&one.sketch()), Some(1.0));
    assert_eq!(Thing::of(&5_u8), Thing::of(&5_u8));
}
