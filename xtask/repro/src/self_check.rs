//! An experiment on the framework itself, whose answers are known. It is not listed; tests run it.

use super::experiment::{Experiment, Metric, Published, Sample};
use super::params::{Param, Params};

/// Means of uniform numbers.
#[derive(Debug, Clone, Copy)]
pub struct SelfCheck;

static PARAMS: [Param; 4] = [
    Param::int("n", 1000, 1..=1_000_000, "numbers", "how many are drawn"),
    Param::int("cycles", 3, 0..=1000, "cycles", "how many cycles are reported"),
    Param::float("shift", 0.0, -1.0..=1.0, "units", "added to every number"),
    Param::choice("mode", "plain", &["plain", "odd", "nan", "panic"], "what goes wrong"),
];

static METRICS: [Metric; 3] = [
    Metric::mean("mean", "mean of the numbers"),
    Metric::median("seed", "the seed itself, in odd mode of odd seeds only"),
    Metric::mean("halved", "one half to the power of the cycle"),
];

impl Experiment for SelfCheck {
    fn id(&self) -> &'static str {
        "self-check"
    }

    fn summary(&self) -> &'static str {
        "means of uniform numbers, to check the framework"
    }

    fn source(&self) -> &'static str {
        "arithmetic"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        8
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        let (n, cycles) = (params.int("n"), params.int("cycles"));
        if cycles > n && n > 500 {
            return Err(format!("`cycles` = {cycles} must not exceed `n` = {n} numbers"));
        }
        Ok(())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        assert_ne!(params.choice("mode"), "panic", "told to");
        let n = params.count("n");
        let mut state = seed;
        let sum: f64 = (0..n).map(|_| uniform(&mut state)).sum();
        let mean = sum / n as f64 + params.float("shift");
        let is_nan = params.choice("mode") == "nan";
        let mut samples = vec![Sample::new("mean", if is_nan { f64::NAN } else { mean })];
        if params.choice("mode") != "odd" || seed % 2 == 1 {
            samples.push(Sample::new("seed", seed as f64));
        }
        let mut value = 1.0;
        for cycle in 1..=params.int("cycles") as u32 {
            value /= 2.0;
            samples.push(Sample::at("halved", cycle, value));
        }
        samples
    }

    fn published(&self, params: &Params, metric: &str, cycle: Option<u32>) -> Option<Published> {
        let published = |value, tolerance, source| Some(Published { value, tolerance, source });
        match (metric, cycle) {
            ("mean", None) if params.are_default_but(&["shift", "mode"]) => {
                published(0.5, 0.02, "half of the unit interval")
            }
            ("halved", Some(2)) => published(0.25, 0.0, "a quarter"),
            _ => None,
        }
    }
}

/// SplitMix64, by Steele, Lea and Flood (2014), as a number in [0, 1).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}
