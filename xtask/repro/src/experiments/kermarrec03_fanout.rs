//! Kermarrec, Massoulie, Ganesh 2003: how many each node must tell once for all to hear.

use gossip_core::sim::cycle::Order;
use gossip_core::sim::link::Network;
use gossip_dissem::rumor::{Config, FANOUT_MAX, Interest};
use xtask_repro::uniform::{Uniform, epidemic};
use xtask_repro::{Experiment, Metric, Param, Params, Published, Sample};

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kermarrec03Fanout;

static PARAMS: [Param; 3] = [
    Param::int("n", 1000, 2..=100_000, "nodes", "network size; complete graph"),
    Param::int("fanout", 8, 1..=FANOUT_MAX as i64, "peers", "how many each node tells, once"),
    Param::float("loss", 0.0, 0.0..=0.9, "share", "share of messages lost"),
];

static METRICS: [Metric; 2] = [
    Metric::mean("all", "share of runs in which all heard"),
    Metric::mean("coverage", "share of nodes that heard, in runs that did not die out at once"),
];

impl Experiment for Kermarrec03Fanout {
    fn id(&self) -> &'static str {
        "kermarrec03-fanout"
    }

    fn summary(&self) -> &'static str {
        "infect and die: the fanout at which all hear is the logarithm of their number"
    }

    fn source(&self) -> &'static str {
        "Kermarrec, Massoulie, Ganesh, Probabilistic reliable dissemination in large-scale \
         systems, IEEE TPDS 2003, section 3"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        1000
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let nodes = params.count("n") as u32;
        let config = Config::push(1)
            .interest(Interest::BlindCounter { k: 1 })
            .fanout(params.count("fanout"));
        let link = Network::default().loss(params.float("loss")).expect("within bounds");
        let place = (nodes, Order::Synchronous, seed);
        let out = epidemic(config, place, (Uniform::of(nodes), link), false);
        let mut samples = vec![Sample::new("all", f64::from(u8::from(out.residue <= 0.0)))];
        if out.residue < 0.5 {
            samples.push(Sample::new("coverage", 1.0 - out.residue));
        }
        samples
    }

    /// All hear with probability exp(-exp(-c)), F = ln n + c; a share pi = 1 - exp(-pi F) does. Of
    /// F, what is not lost counts. Within .04 (papers file, section 3).
    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let (n, fanout) = (params.int("n"), params.int("fanout"));
        let f = fanout as f64 * (1.0 - params.float("loss"));
        // The laws are limits: targets differ from each other, and from their sender.
        if n < 1_000 || f < 3.0 {
            return None;
        }
        let source = "Kermarrec, Massoulie, Ganesh 2003, section 3";
        let (value, tolerance) = if metric == "all" {
            (libm::exp(-(n as f64) * libm::exp(-f)), 0.04)
        } else {
            ((0..100).fold(1.0, |pi, _| 1.0 - libm::exp(-pi * f)), 0.002)
        };
        Some(Published { value, tolerance, source })
    }
}
