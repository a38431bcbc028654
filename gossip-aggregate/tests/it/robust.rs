//! Liars: what one can do to means and rankings that are guarded, and to those that are not.

use crate::common::Uniform;
use gossip_aggregate::grouped::{Combine, Grouped, Groups};
use gossip_aggregate::merge::{Source, check};
use gossip_aggregate::push_pull::{self, Function};
use gossip_aggregate::signed::{Claim, Claims, Order as Ask, Vouched};
use gossip_aggregate::{Mean, Merge, PushPull, PushSum, Spread, epoch, push_sum};
use gossip_core::auth::{Authority, Keyed};
use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_core::{Bounded, Finite, Local, Protocol, Refusal, Wire};
use proptest::collection::vec;
use proptest::prelude::*;

const NODES: u32 = 1_000;
/// The bound that all declare: far beyond what is honest.
const MOST: f64 = 1e6;

/// Uniform from 0 to 1; the first `liars` say the most that the bounds allow.
fn input(seed: u64, node: u32, liars: u32) -> f64 {
    if node < liars { MOST } else { Key::new(seed).with(57).random(node.into()).unit() }
}

/// The farthest of all estimates from 1/2 after 30 cycles.
fn worst<F: Function>(seed: u64, function: impl Fn(u32) -> F) -> f64 {
    let config = |at| push_pull::Config::founding(function(at)).endless();
    let nodes = (0..NODES).map(|at| PushPull::<u32, F>::new(config(at)).unwrap());
    let world = Uniform::of(NODES);
    let mut sim = Simulation::with(nodes, seed, Order::Sequential, world, Perfect);
    sim.run(30);
    let off = |node: &PushPull<u32, F>| (node.running_estimate().unwrap() - 0.5).abs();
    sim.nodes().map(|(_, node)| off(node)).fold(0.0, f64::max)
}

/// Seven liars spoil at most 7 of 15 groups, whatever they say: the median is one of the others'
/// means, of 66 nodes each on average: an sd of .289 / sqrt(66) = .036, and of groups of only 35
/// (four sd fewer) .049; four of that, and one more for the extreme of 15. The mean is off by
/// .7 % of what liars say. With trimming to the middle third five liars are borne.
#[test]
fn grouped_means_bear_liars_in_less_than_half_of_the_groups() {
    for seed in 1..6 {
        let grouped = |combine, liars| {
            move |at| Grouped::<15>::new(input(seed, at, liars), (0.0, MOST), combine).unwrap()
        };
        let median = worst(seed, grouped(Combine::Median, 7));
        assert!(median < 0.25, "seed {seed}: the median is off by {median}");
        let trimmed = worst(seed, grouped(Combine::Trimmed, 5));
        assert!(trimmed < 0.25, "seed {seed}: the trimmed mean is off by {trimmed}");
        let mean = worst(seed, |at| Mean::of(input(seed, at, 7)).unwrap());
        assert!((mean / (0.007 * MOST) - 1.0).abs() < 1e-3, "seed {seed}: the mean, {mean}");
    }
}

/// The control: 100 liars are in every group.
#[test]
fn grouped_means_do_not_bear_liars_in_all_groups() {
    let grouped = |at| Grouped::<15>::new(input(1, at, 100), (0.0, MOST), Combine::Median).unwrap();
    assert!(worst(1, grouped) > 0.05 * MOST);
}

/// Without liars the median of 15 groups' means has an sd of 1.25 times the mean's, .289 / sqrt(N),
/// by push-sum as by push-pull.
#[test]
fn grouped_means_cost_a_quarter_of_the_accuracy() {
    let mut squares = (0.0, 0.0);
    for seed in 0..60 {
        let grouped = |at: u32| {
            let input = Key::new(seed).with(58).random(at.into()).unit();
            let grouped = Grouped::<15>::new(input, (0.0, 1.0), Combine::Median).unwrap();
            push_sum::Config::new(epoch::Config::founding(grouped).endless())
        };
        let nodes = (0..400).map(|at| PushSum::<u32, _>::new(grouped(at)).unwrap());
        let mut sim = Simulation::synchronous(nodes, seed, Uniform::of(400), Perfect);
        sim.run(60);
        let truth: f64 =
            (0..400).map(|at| Key::new(seed).with(58).random(at).unit()).sum::<f64>() / 400.0;
        let said = sim.node(0).unwrap().running_estimate().unwrap();
        squares.0 += (said - 0.5) * (said - 0.5) / 60.0;
        squares.1 += (truth - 0.5) * (truth - 0.5) / 60.0;
    }
    // The root of a mean square of 60 is known to 9.1 %: four of that.
    let sd = squares.0.sqrt() / (0.2887 / 20.0);
    assert!((sd / 1.25 - 1.0).abs() < 0.37, "{sd} times the mean's; the truth's {squares:?}");
}

/// What no node can have: weights that do not add up to 1, that are negative, a value beyond its
/// weight, too few groups.
#[test]
fn grouped_states_that_nobody_can_have_are_refused() {
    let grouped = Grouped::<2>::new(0.5, (0.0, 1.0), Combine::Median).unwrap();
    let state = |entries: &[(f64, f64)]| {
        let mut all: Groups<2> = Bounded::new();
        let finite = |x| Finite::new(x).unwrap();
        all.fill(entries.iter().map(|&(sum, weight)| (finite(sum), finite(weight))));
        all
    };
    assert!(grouped.is_sound(&state(&[(0.2, 0.5), (0.5, 0.5)])));
    for unsound in [
        &[(0.5, 1.0), (0.5, 1.0)][..],
        &[(0.0, -0.5), (0.5, 1.5)],
        &[(0.9, 0.5), (0.1, 0.5)],
        &[(-0.1, 0.5), (0.1, 0.5)],
        &[(0.5, 1.0)],
    ] {
        assert!(!grouped.is_sound(&state(unsound)), "{unsound:?}");
    }
}

type Rate = Vouched<Keyed, u16, 4>;
type Rates = Claims<u32, u16, u64, 4>;

fn claim(authority: &Authority, epoch: u64, who: u32, score: u16) -> Claim<u32, u16, u64> {
    Rate::claim(&authority.signer(who), epoch, score)
}

/// Believed are claims of this epoch, within the bound, signed by whom they name and not excluded.
#[test]
fn claims_are_believed_when_their_signature_holds() {
    let authority = Authority::new(3);
    let mut rate = Rate::new(authority.signer(0), 10).at_most(100);
    rate.set(Ask::Exclude(9)).unwrap();
    let known = Rates::of([claim(&authority, 5, 0, 10)]);
    let admitted = |claims: &[Claim<u32, u16, u64>]| {
        let mut theirs = Rates::of(claims.iter().cloned());
        let refused = rate.admit(5, &known, &mut theirs);
        (theirs.ranking().len(), refused)
    };
    let good = claim(&authority, 5, 1, 50);
    assert_eq!(admitted(&[good.clone(), known.ranking()[0].clone()]), (2, 0));
    let framed = Claim { who: 2, ..good.clone() };
    let raised = Claim { score: 99, ..good.clone() };
    let old = claim(&authority, 4, 1, 80);
    let wild = claim(&authority, 5, 1, 101);
    let excluded = claim(&authority, 5, 9, 60);
    let forged = claim(&Authority::new(4), 5, 1, 60);
    for bad in [framed, raised, old, wild, excluded, forged] {
        assert_eq!(admitted(core::slice::from_ref(&bad)), (0, 1), "{bad:?}");
    }
    assert!(rate.set(Ask::Score(101)).is_err());
    rate.set(Ask::Admit(9)).unwrap();
    assert!(rate.excluded().is_empty());
}

proptest! {
    /// The laws of a merge, with names and scores that tie, and signatures that differ.
    #[test]
    fn claims_obey_the_laws_of_a_merge(
        a in vec((0_u32..6, 0_u16..4, 0_u64..2), 0..6),
        b in vec((0_u32..6, 0_u16..4, 0_u64..2), 0..6),
        c in vec((0_u32..6, 0_u16..4, 0_u64..2), 0..6),
    ) {
        let [a, b, c] = [a, b, c].map(|claims| {
            let one = |(who, score, signature)| Claim { score, who, signature };
            Rates::of(claims.into_iter().map(one))
        });
        prop_assert_eq!(check(&a, &b, &c), Ok(()));
        prop_assert!(a.is_sound());
    }

    /// Whatever bytes come.
    #[test]
    fn hostile_claims_do_no_harm(bytes in vec(any::<u8>(), 0..60)) {
        if let Ok(mut value) = Rates::decode_all(&bytes) {
            let rate = Rate::new(Authority::new(3).signer(0), 10);
            let known = Rates::of([]);
            rate.admit(0, &known, &mut value);
            prop_assert!(value.ranking().is_empty(), "forged: {:?}", value);
        }
    }
}

/// Among 200 honest nodes five liars claim the bound, and each frames another node, too. All learn
/// the same eight: the five liars under their own names, and the three best of the honest.
#[test]
fn a_liar_takes_one_place_and_frames_nobody() {
    #[derive(Clone, Debug)]
    struct Liar(Vouched<Keyed, u16, 8>, Authority);

    impl Source for Liar {
        type Value = Claims<u32, u16, u64, 8>;
        type Input = Ask<u32, u16>;

        fn set(&mut self, order: Self::Input) -> Result<Option<Self::Value>, Refusal> {
            self.0.set(order)
        }

        fn start<P: Protocol + ?Sized>(&self, epoch: u64, cx: &mut impl Local<P>) -> Self::Value {
            let mut value = self.0.start(epoch, cx);
            if value.ranking()[0].score == 1_000 {
                let me = value.ranking()[0].who;
                let framing = Vouched::<_, u16, 8>::claim(&self.1.signer(me), epoch, 999);
                value.merge(&Claims::of([Claim { who: me + 100, ..framing }]));
            }
            value
        }

        fn admit(&self, epoch: u64, known: &Self::Value, theirs: &mut Self::Value) -> usize {
            self.0.admit(epoch, known, theirs)
        }
    }

    let authority = Authority::new(6);
    let node = |at: u32| {
        let score = if at < 5 { 1_000 } else { at as u16 };
        let vouched = Vouched::new(authority.signer(at), score).at_most(1_000);
        Spread::<u32, _>::new(epoch::Config::founding(Liar(vouched, authority.clone()))).unwrap()
    };
    let nodes = (0..200).map(node);
    let mut sim = Simulation::with(nodes, 2, Order::Sequential, Uniform::of(200), Perfect);
    sim.run(25);
    let expected = [0, 1, 2, 3, 4, 199, 198, 197];
    for (at, node) in sim.nodes().filter(|(at, _)| *at >= 5) {
        let names: Vec<u32> =
            node.value().unwrap().ranking().iter().map(|claim| claim.who).collect();
        assert_eq!(names, expected, "node {at}");
    }
    assert!(sim.counts().total("not believed") >= 5);
}
