//! Demers et al. 1987, table 1: rumor mongering by push, with feedback and counters.

use gossip_core::sim::cycle::Order;
use gossip_core::sim::link::Perfect;
use gossip_dissem::rumor::{Config, Interest};
use xtask_repro::uniform::{Uniform, epidemic};
use xtask_repro::{Experiment, Metric, Param, Params, Published, Sample};

/// The experiment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demers87Table1;

static PARAMS: [Param; 4] = [
    Param::int("n", 1000, 2..=1_000_000, "nodes", "network size; complete graph"),
    Param::int("k", 1, 1..=1000, "contacts", "useless contacts before a node loses interest"),
    Param::choice(
        "counter",
        "consecutive",
        &["consecutive", "cumulative"],
        "whether a useful contact resets the counter; `cumulative` is the control",
    ),
    Param::choice(
        "answers",
        "start",
        &["start", "live"],
        "which state feedback comes from: that at the start of the cycle, or the control, that of \
         the moment",
    ),
];

static METRICS: [Metric; 3] = [
    Metric::mean("residue", "share of nodes that never hear of the rumor (s)"),
    Metric::mean("traffic", "copies sent, per node (m)"),
    Metric::mean("t_last", "cycle of the last infection"),
];

/// A row of published values: k, then value and tolerance of residue, traffic and t_last. The
/// tolerances are those of section 1.3 of the papers file, or four standard errors of 1000 trials
/// and half of the last digit where that is more. Traffic and t_last are at hand for k up to 3.
type Row = (i64, (f64, f64), Option<[(f64, f64); 2]>);

const ROWS: [Row; 5] = [
    (1, (0.18, 0.0108), Some([(1.7, 0.06), (16.8, 0.35)])),
    (2, (0.037, 0.0022), Some([(3.3, 0.06), (16.9, 0.35)])),
    (3, (0.011, 0.000_66), Some([(4.5, 0.06), (17.4, 0.35)])),
    (4, (0.0036, 0.0003), None),
    (5, (0.0012, 0.0002), None),
];

impl Experiment for Demers87Table1 {
    fn id(&self) -> &'static str {
        "demers87-table1"
    }

    fn summary(&self) -> &'static str {
        "rumor mongering by push with feedback and counters: residue, traffic, last infection"
    }

    fn source(&self) -> &'static str {
        "Demers, Greene, Hauser, Irish, Larson, Shenker, Sturgis, Swinehart, Terry, Epidemic \
         algorithms for replicated database maintenance, PODC 1987, section 1.4, table 1"
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
        let k = params.count("k") as u16;
        let interest = match params.choice("counter") {
            "cumulative" => Interest::Cumulative { k },
            _ => Interest::Consecutive { k },
        };
        let order = match params.choice("answers") {
            "live" => Order::Sequential,
            _ => Order::Synchronous,
        };
        let nodes = params.count("n") as u32;
        let config = Config::push(k).interest(interest);
        let out = epidemic(config, (nodes, order, seed), (Uniform::of(nodes), Perfect), false);
        vec![
            Sample::new("residue", out.residue),
            Sample::new("traffic", out.copies),
            Sample::new("t_last", out.t_last),
        ]
    }

    fn published(&self, params: &Params, metric: &str, _: Option<u32>) -> Option<Published> {
        let row = ROWS.iter().find(|row| row.0 == params.int("k"))?;
        let (value, tolerance) = match (metric, row) {
            _ if !params.are_default_but(&["k"]) => return None,
            ("residue", &(_, residue, _)) => residue,
            ("traffic", &(_, _, Some([traffic, _]))) => traffic,
            ("t_last", &(_, _, Some([_, t_last]))) => t_last,
            _ => return None,
        };
        Some(Published { value, tolerance, source: "Demers et al. 1987, table 1" })
    }
}
