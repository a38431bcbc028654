//! Interval Density: the spread of its counts, from what is listened to.

use gossip_aggregate::density::{Config, Density};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `kostoulas05-density`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kostoulas05Density;

static PARAMS: [Param; 3] = [
    Param::int("n", 11_000, 10..=10_000_000, "nodes", "network size"),
    Param::float("interval", 0.01, 1e-6..=1.0, "of all hashes", "I: what is listened for"),
    Param::int(
        "capacity",
        65_536,
        1..=65_536,
        "nodes",
        "remembered; the interval is halved beyond",
    ),
];

static METRICS: [Metric; 2] = [
    Metric::mean("estimate", "count over n"),
    Metric::mean("square", "square of the relative error over that of the formula: 1"),
];

impl Experiment for Kostoulas05Density {
    fn id(&self) -> &'static str {
        "kostoulas05-density"
    }

    fn summary(&self) -> &'static str {
        "Interval Density: error of a count from identifiers heard"
    }

    fn source(&self) -> &'static str {
        "Kostoulas, Psaltoulis, Gupta, Birman, Demers, Decentralized schemes for size estimation, \
         NCA 2005"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        400
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        Density::<u32>::new(config(params, 0)).map(drop).map_err(|error| error.to_string())
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let (nodes, interval) = (params.int("n") as u32, params.float("interval"));
        let mut density = Density::new(config(params, seed)).expect("checked");
        (0..nodes).for_each(|peer| density.hear(peer, 0));
        let Some(said) = density.estimate(1) else { return Vec::new() };
        let n = f64::from(nodes);
        let error = said.value / n - 1.0;
        let formula = (1.0 - interval) / (n * interval);
        let mut samples = vec![Sample::new("estimate", said.value / n)];
        if formula > 0.0 {
            samples.push(Sample::new("square", error * error / formula));
        }
        samples
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let (n, interval) = (params.int("n") as f64, params.float("interval"));
        let within = n * interval;
        if within < 20.0 || within > 0.5 * params.int("capacity") as f64 || interval > 0.9 {
            return None;
        }
        let sd = libm::sqrt((1.0 - interval) / within);
        let source = "N = X / I, with a relative sd of sqrt((1 - I) / (N I))";
        match metric {
            "estimate" => Some(Published { value: 1.0, tolerance: 4.0 * sd / 20.0, source }),
            // The mean of 400 squares has an sd of sqrt(2 / 400), and a little for the tail.
            "square" => Some(Published { value: 1.0, tolerance: 0.32, source }),
            _ => None,
        }
    }
}

fn config(params: &Params, salt: u64) -> Config {
    let (interval, capacity) = (params.float("interval"), params.count("capacity"));
    Config { interval, capacity, keep: 1, salt }
}
