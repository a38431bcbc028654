//! Push-sum: rounds until all are right, and what detected loss costs.

use gossip_aggregate::{Mean, PushSum, epoch, push_sum};
use gossip_core::random::{Key, Random};
use gossip_core::sim::cycle::Simulation;
use gossip_core::sim::link::{Copies, Link, Trip};

use xtask_repro::experiment::{Experiment, Metric, Published, Sample};
use xtask_repro::params::{Param, Params};
use xtask_repro::wiring::Everybody;

/// `kempe03-push-sum`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kempe03PushSum;

static PARAMS: [Param; 4] = [
    Param::int("n", 1_000, 2..=1_000_000, "nodes", "network size"),
    Param::float("eps", 0.01, 1e-9..=0.5, "of the truth", "error that no node exceeds in the end"),
    Param::choice("what", "mean", &["mean", "count"], "of uniform inputs, or of one leader's 1"),
    Param::float("loss", 0.0, 0.0..=0.9, "of the shares", "lost, of which the sender hears"),
];

static METRICS: [Metric; 2] = [
    Metric::mean("rounds", "until the error of no node exceeds eps"),
    Metric::mean("weight", "sum of all weights at the end, over n"),
];

impl Experiment for Kempe03PushSum {
    fn id(&self) -> &'static str {
        "kempe03-push-sum"
    }

    fn summary(&self) -> &'static str {
        "push-sum: rounds to a given error, without loss and with loss that is heard of"
    }

    fn source(&self) -> &'static str {
        "Kempe, Dobra, Gehrke, Gossip-based computation of aggregate information, FOCS 2003, \
         sections 2 and 3"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        10
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let nodes = params.int("n") as u32;
        let leads = params.choice("what") == "count";
        let input = |at: u32| {
            if leads {
                f64::from(u8::from(at == 0))
            } else {
                Key::new(seed).with(INPUTS).random(at.into()).unit()
            }
        };
        let node = |at| {
            let mean = Mean::of(input(at)).expect("finite");
            let config = push_sum::Config::new(epoch::Config::founding(mean).endless());
            PushSum::<u32, Mean>::new(config.attempts(1)).expect("within the bounds")
        };
        let link = Losing(params.float("loss"));
        let all = (0..nodes).map(node);
        let mut sim = Simulation::synchronous(all, seed, Everybody::of(nodes), link);
        let truth = (0..nodes).map(input).sum::<f64>() / f64::from(nodes);
        let eps = params.float("eps");
        let near = |said: f64| (said / truth - 1.0).abs() <= eps;
        let mut samples = Vec::new();
        for round in 1..=2_000 {
            sim.step();
            if sim.nodes().all(|(_, node)| node.running_estimate().is_some_and(near)) {
                samples.push(Sample::new("rounds", f64::from(round)));
                break;
            }
        }
        let weight = |node: &PushSum<u32, Mean>| {
            let held = node.held().map_or(0.0, |share| share.weight.get());
            held + node.under_way().map_or(0.0, |(_, share)| share.weight.get())
        };
        let sum: f64 = sim.nodes().map(|(_, node)| weight(node)).sum();
        samples.push(Sample::new("weight", sum / f64::from(nodes)));
        samples
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        if metric == "weight" {
            return Some(Published { value: 1.0, tolerance: 1e-9, source: "mass is conserved" });
        }
        let source = "independent simulation";
        let published = |value, tolerance| Some(Published { value, tolerance, source });
        let is_count = params.choice("what") == "count";
        let (n, eps, loss) = (params.int("n"), params.float("eps"), params.float("loss"));
        // Four standard errors of the difference between means of ten, and a round for the last.
        match (n, is_count, eps <= 1e-6, eps == 0.01, loss == 0.0) {
            (1_000, false, false, true, true) => published(20.0, 3.6),
            (10_000, false, false, true, true) => published(22.1, 3.3),
            (1_000, true, false, true, true) => published(31.3, 4.7),
            (10_000, true, false, true, true) => published(37.6, 4.7),
            _ if n == 10_000 && !is_count && eps == 0.01 && loss == 0.5 => published(48.4, 5.6),
            _ => None,
        }
    }
}

/// Names the randomness of inputs.
const INPUTS: u64 = gossip_core::id::hash(b"xtask::repro::kempe03_push_sum");

/// Loses shares, and no acknowledgements.
struct Losing(f64);

impl Link for Losing {
    fn carry(&mut self, trip: &Trip, random: &mut Random) -> Copies {
        let is_lost = trip.opening && random.chance(self.0);
        (!is_lost).then_some(core::time::Duration::ZERO).into_iter().collect()
    }
}
