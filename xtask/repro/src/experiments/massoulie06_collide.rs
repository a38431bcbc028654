//! Sample & Collide over perfect samples: bias, spread and cost of both estimators.

use gossip_aggregate::collide::Run;
use gossip_core::random::Key;

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};

/// `massoulie06-collide`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Massoulie06Collide;

static PARAMS: [Param; 2] = [
    Param::int("n", 10_000, 10..=10_000_000, "nodes", "network size"),
    Param::int("l", 100, 1..=10_000, "collisions", "after which a run ends"),
];

static METRICS: [Metric; 4] = [
    Metric::mean("estimate", "count by maximum likelihood over n"),
    Metric::mean("square", "square of its relative error, times l"),
    Metric::mean("short", "X^2 / (2 l) over n"),
    Metric::mean("samples", "X, over sqrt(2 l n)"),
];

impl Experiment for Massoulie06Collide {
    fn id(&self) -> &'static str {
        "massoulie06-collide"
    }

    fn summary(&self) -> &'static str {
        "Sample & Collide: error and cost of counts by collisions of samples"
    }

    fn source(&self) -> &'static str {
        "Massoulie, Le Merrer, Kermarrec, Ganesh, Peer counting and sampling in overlay networks: \
         random walk methods, PODC 2006, section 4.2"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        300
    }

    fn check(&self, params: &Params) -> Result<(), String> {
        let (nodes, collisions) = (params.int("n"), params.int("l"));
        // Where nearly all have been seen, every sample collides.
        (2 * collisions <= nodes)
            .then_some(())
            .ok_or_else(|| format!("`l` = {collisions}: at most half of `n` = {nodes}"))
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let (nodes, collisions) = (params.count("n"), params.count("l"));
        let mut random = Key::new(seed).with(SAMPLES).random(0);
        let mut run = Run::<u32>::default();
        while run.collisions() < collisions {
            run.draw(random.below(nodes) as u32);
        }
        let (n, l, x) = (nodes as f64, collisions as f64, run.draws() as f64);
        let error = run.estimate() / n - 1.0;
        vec![
            Sample::new("estimate", run.estimate() / n),
            Sample::new("square", error * error * l),
            Sample::new("short", x * x / (2.0 * l * n)),
            Sample::new("samples", x / libm::sqrt(2.0 * l * n)),
        ]
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let (n, l) = (params.int("n") as f64, params.int("l") as f64);
        if l < 50.0 || l > 4.0 * libm::sqrt(n) {
            return None;
        }
        match metric {
            "estimate" => Some(Published {
                value: 1.0,
                tolerance: 4.0 / libm::sqrt(300.0 * l) + 0.5 / l,
                source: "section 4.2, maximum likelihood; 1.007 at l = 100 in a simulation",
            }),
            "square" => Some(Published {
                value: 1.0,
                tolerance: 0.45,
                source: "section 4.2: a relative variance of about 1 / l",
            }),
            "samples" => Some(Published {
                value: 1.0,
                tolerance: 0.05,
                source: "section 4.2: about sqrt(2 l N)",
            }),
            _ => None,
        }
    }
}

/// Names the randomness of the samples.
const SAMPLES: u64 = gossip_core::id::hash(b"xtask::repro::massoulie06_collide");
