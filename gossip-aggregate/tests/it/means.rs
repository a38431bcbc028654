//! The functions of push-pull aggregation beside the mean and the count: Jelasity, Montresor,
//! Babaoglu, ACM TOCS 23(3), 2005, section 3. All nodes must agree with the inputs' own value
//! after 60 cycles over uniform peers: .3033^30 of the deviation is left, 3e-16.

use crate::common::Uniform;
use gossip_aggregate::push_pull::{Config, Function, PushPull};
use gossip_aggregate::{Extreme, Leaders, Mean, PowerMean, Total, Variance, Within};
use gossip_core::Finite;
use gossip_core::random::Key;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use proptest::prelude::*;

const NODES: u32 = 256;

fn input(node: u32) -> f64 {
    1.0 + Key::new(9).random(node.into()).unit()
}

/// What every node says after 60 cycles.
fn estimates<F: Function>(function: impl Fn(u32) -> F) -> Vec<f64> {
    let node = |at| PushPull::<u32, F>::new(Config::founding(function(at)).endless()).unwrap();
    let (world, order) = (Uniform::of(NODES), Order::Sequential);
    let mut sim = Simulation::with((0..NODES).map(node), 4, order, world, Perfect);
    sim.run(60);
    sim.nodes().map(|(_, node)| node.running_estimate().unwrap()).collect()
}

fn check<F: Function>(name: &str, expected: f64, function: impl Fn(u32) -> F) {
    for estimate in estimates(function) {
        let off = (estimate / expected - 1.0).abs();
        assert!(off < 1e-8, "{name}: {estimate}, expected {expected}");
    }
}

#[test]
fn section_3_generalised_means_and_totals_are_those_of_the_inputs() {
    let all = || (0..NODES).map(input);
    let n = f64::from(NODES);
    let power = |p: f64| libm::pow(all().map(|x| libm::pow(x, p)).sum::<f64>() / n, 1.0 / p);
    for p in [-1.0, 1.0, 2.0, 3.5] {
        check("power", power(p), |at| PowerMean::of(input(at), p).unwrap());
    }
    let logarithms: f64 = all().map(libm::log).sum();
    check("geometric", libm::exp(logarithms / n), |at| PowerMean::of(input(at), 0.0).unwrap());
    check("least", all().fold(9.0, f64::min), |at| Extreme::least(input(at)).unwrap());
    check("greatest", all().fold(0.0, f64::max), |at| Extreme::greatest(input(at)).unwrap());
    let mean = all().sum::<f64>() / n;
    let variance = all().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
    check("variance", variance, |at| Variance::of(input(at)).unwrap());
    let leaders = Leaders::default;
    check("sum", mean * n, |at| Total::<Mean>::sum(input(at), leaders()).unwrap());
    check("product", libm::exp(logarithms), |at| {
        Total::<PowerMean>::product(input(at), leaders()).unwrap()
    });
}

/// The mean of squares less the square of the mean, in doubles, is the control: at inputs about
/// 10^9 it is wrong in its first digit.
#[test]
fn a_variance_far_from_zero_is_exact() {
    let far = |node| 1e9 + input(node);
    let values: Vec<f64> = (0..NODES).map(far).collect();
    let n = f64::from(NODES);
    let mean = (0..NODES).map(input).sum::<f64>() / n;
    let variance = (0..NODES).map(|at| (input(at) - mean) * (input(at) - mean)).sum::<f64>() / n;
    let square = |x: &f64| x * x;
    let (m, s) = (values.iter().sum::<f64>() / n, values.iter().map(square).sum::<f64>() / n);
    assert!(((s - m * m) / variance - 1.0).abs() > 0.1, "the control is right: {}", s - m * m);
    for estimate in estimates(|at| Variance::of(far(at)).unwrap()) {
        assert!((estimate / variance - 1.0).abs() < 1e-5, "{estimate}, expected {variance}");
    }
}

/// One node in a hundred claims the moon: with bounds declared, its state is refused everywhere,
/// and the mean is that of the others.
#[test]
fn a_state_out_of_bounds_is_refused() {
    let within = |at| Within::new(Mean::of(input(at)).unwrap(), 0.0, 10.0).unwrap();
    let moon = Finite::new(384_400.0).unwrap();
    assert!(!within(0).is_sound(&moon) && Mean::of(1.0).unwrap().is_sound(&moon));
    let set = gossip_aggregate::mean::Set(moon);
    let mut one = within(0);
    assert!(one.set(set).is_err());
    check("bounded mean", (0..NODES).map(input).sum::<f64>() / f64::from(NODES), within);
}

proptest! {
    /// Whatever two sound states say, an update of them is sound, and the same from both sides.
    #[test]
    fn updates_stay_sound(a in any::<f64>(), b in any::<f64>(), p in -5.0..5.0_f64) {
        if let (Ok(one), Ok(two)) = (PowerMean::of(a, p), PowerMean::of(b, p)) {
            let both = one.update(&one.transformed(), &two.transformed());
            prop_assert!(one.is_sound(&both));
            prop_assert_eq!(both, two.update(&two.transformed(), &one.transformed()));
        }
        if let (Ok(one), Ok(two)) = (Variance::of(a), Variance::of(b)) {
            let both = one.update(&one.moments(), &two.moments());
            prop_assert!(one.is_sound(&both));
            prop_assert_eq!(both, two.update(&two.moments(), &one.moments()));
        }
    }
}
