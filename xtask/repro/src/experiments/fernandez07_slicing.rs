//! `fernandez07-slicing`: slicing protocols side by side, also under churn that goes with the
//! attribute.

use gossip_core::random::Key;
use gossip_core::sim::Oracle;
use gossip_core::sim::cycle::{Order, Simulation};
use gossip_core::sim::link::Perfect;
use gossip_core::{Describe, Layer, ParameterError};
use gossip_overlay::slicing::{
    Jk, ModJk, Profile, Ranking, Sliced, Slices, Sliver, jk, metrics, ranking, sliver,
};
use xtask_repro::{Experiment, Metric, Param, Params, Published, Sample};

/// JK, mod-JK, Ranking with and without a window, and Sliver, over the ideal sampler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fernandez07Slicing;

static PARAMS: [Param; 8] = [
    Param::int("n", 10_000, 2..=1_000_000, "nodes", "network size"),
    Param::int("c", 10, 1..=1_000, "peers", "view size"),
    Param::int("k", 10, 1..=1_000_000, "slices", "number of equal slices"),
    Param::int("cycles", 100, 1..=100_000, "cycles", "how long"),
    Param::int("every", 10, 1..=100_000, "cycles", "between two rows"),
    Param::int(
        "turnover",
        0,
        0..=10_000,
        "nodes",
        "lowest that leave, above all that join, a cycle",
    ),
    Param::int("window", 500, 1..=1_048_576, "observations", "of Ranking with a window"),
    Param::int("timeout", 23, 1..=100_000, "cycles", "after which Sliver forgets a peer"),
];

static METRICS: [Metric; 10] = [
    Metric::mean("jk_wrong", "JK: share of nodes in a wrong slice"),
    Metric::mean("mod_jk_wrong", "mod-JK: the same"),
    Metric::mean("ranking_wrong", "Ranking: the same"),
    Metric::mean("window_wrong", "Ranking with a window: the same"),
    Metric::mean("sliver_wrong", "Sliver: the same"),
    Metric::mean("jk_off", "JK: slices between the true one and the believed, per node"),
    Metric::mean("mod_jk_off", "mod-JK: the same"),
    Metric::mean("ranking_off", "Ranking: the same"),
    Metric::mean("window_off", "Ranking with a window: the same"),
    Metric::mean("sliver_off", "Sliver: the same"),
];

/// Share of nodes in a wrong slice under Ranking, by cycle, at n = 10^4, c = 10, k = 10.
const WRONG: [(u32, f64); 7] =
    [(1, 0.63), (10, 0.27), (50, 0.117), (100, 0.082), (200, 0.058), (500, 0.034), (1_000, 0.023)];

/// The name of the attributes' randomness.
const ATTRIBUTES: u64 = gossip_core::id::hash(b"fernandez07-slicing attributes");

struct Trial<'a> {
    params: &'a Params,
    seed: u64,
    slices: Slices,
}

impl Trial<'_> {
    /// Pareto(1.5); with turnover in the order of identifiers, so that the lowest are known.
    fn attribute(&self, node: u32) -> f64 {
        if self.params.count("turnover") > 0 {
            return node.into();
        }
        let unit = Key::new(self.seed).with(ATTRIBUTES).random(node.into()).unit();
        libm::pow(1.0 - unit, -1.0 / 1.5)
    }

    fn run<S>(
        &self,
        (wrong, off): (&'static str, &'static str),
        make: impl Fn(f64) -> Result<S, ParameterError>,
        samples: &mut Vec<Sample>,
    ) -> Result<(), ParameterError>
    where
        S: Layer<Oracle<S, Profile>, Id = u32> + Describe<Profile> + Sliced,
    {
        let (n, c) = (self.params.count("n") as u32, self.params.count("c"));
        let nodes = (0..n).map(|node| make(self.attribute(node))).collect::<Result<Vec<_>, _>>()?;
        let oracle = Oracle::new(n, c, self.seed, |node: &S| Some(node.describe()));
        let mut sim = Simulation::with(nodes, self.seed, Order::Sequential, oracle, Perfect);
        (0..n).for_each(|node| sim.contact(node, node));
        let mut gone = 0;
        for cycle in 1..=self.params.count("cycles") as u32 {
            for _ in 0..self.params.count("turnover").min(n as usize - 1) {
                sim.kill(gone);
                gone += 1;
                let node = sim.join(make(self.attribute(sim.size()))?);
                sim.contact(node, node);
            }
            sim.step();
            if cycle == 1 || cycle % self.params.count("every") as u32 == 0 {
                let pair = |node: &S| Some((node.describe().attribute.get(), node.slice()?));
                let pairs: Vec<_> = sim.nodes().filter_map(|(_, node)| pair(node)).collect();
                let misplaced = metrics::misplaced(&pairs, &self.slices) as f64;
                let sdm = metrics::sdm(&pairs, &self.slices) as f64;
                samples.push(Sample::at(wrong, cycle, misplaced / f64::from(n)));
                samples.push(Sample::at(off, cycle, sdm / f64::from(n)));
            }
        }
        Ok(())
    }

    fn all(&self) -> Result<Vec<Sample>, ParameterError> {
        let (mut samples, slices) = (Vec::new(), || self.slices.clone());
        let swap = |attribute| jk::Config { attribute, slices: slices() };
        self.run(("jk_wrong", "jk_off"), |x| Jk::new(swap(x)), &mut samples)?;
        self.run(("mod_jk_wrong", "mod_jk_off"), |x| ModJk::new(swap(x)), &mut samples)?;
        let rank = |attribute, window| {
            Ranking::new(ranking::Config { attribute, slices: slices(), window })
        };
        self.run(("ranking_wrong", "ranking_off"), |x| rank(x, None), &mut samples)?;
        let window = Some(self.params.count("window") as u32);
        self.run(("window_wrong", "window_off"), |x| rank(x, window), &mut samples)?;
        let timeout = self.params.count("timeout") as u32;
        let limit = 1 << 20;
        let remember =
            |attribute| Sliver::new(sliver::Config { attribute, slices: slices(), timeout, limit });
        self.run(("sliver_wrong", "sliver_off"), remember, &mut samples)?;
        Ok(samples)
    }
}

impl Experiment for Fernandez07Slicing {
    fn id(&self) -> &'static str {
        "fernandez07-slicing"
    }

    fn summary(&self) -> &'static str {
        "five slicing protocols side by side; `--set turnover=20 --set cycles=500 --set every=50` \
         for churn that goes with the attribute"
    }

    fn source(&self) -> &'static str {
        "Fernandez, Gramoli, Jimenez, Kermarrec, Raynal, Distributed slicing in dynamic systems, \
         ICDCS 2007; Gramoli et al., Slicing distributed systems, IEEE ToC 58(11), 2009"
    }

    fn params(&self) -> &'static [Param] {
        &PARAMS
    }

    fn metrics(&self) -> &'static [Metric] {
        &METRICS
    }

    fn seeds(&self) -> u32 {
        1
    }

    fn run(&self, params: &Params, seed: u64) -> Vec<Sample> {
        let bounds = "parameters are within the bounds that the protocols have, too";
        let slices = Slices::equal(params.count("k") as u32).expect(bounds);
        Trial { params, seed, slices }.all().expect(bounds)
    }

    fn published(&self, params: &Params, metric: &str, cycle: Option<u32>) -> Option<Published> {
        let free = ["cycles", "every", "window", "timeout"];
        if metric == "ranking_wrong" && params.are_default_but(&free) {
            let value = WRONG.iter().find(|row| Some(row.0) == cycle)?.1;
            // The difference of two runs, each with a binomial error; and half a digit.
            let tolerance =
                4.5 * (2.0 * value * (1.0 - value) / 1e4).sqrt() + 0.005 * value.min(0.1);
            let source = "Ranking, independent simulation (n=10^4, c=10, k=10)";
            return Some(Published { value, tolerance, source });
        }
        churned(params, metric, cycle?)
    }
}

/// What is said under turnover, once half of the nodes or more have been replaced, and what was
/// there at the start is no longer sorted well: JK and mod-JK drift as they must, and what forgets
/// is never farther off than the error of its samples and the turnover in half of its memory.
fn churned(params: &Params, metric: &str, cycle: u32) -> Option<Published> {
    let [n, k, c] = ["n", "k", "c"].map(|name| params.count(name) as f64);
    let share = params.count("turnover") as f64 / n;
    let turned = share * f64::from(cycle);
    if !(0.5..=1.0).contains(&turned) || k < 10.0 {
        return None;
    }
    let remembering = |samples: f64, cycles: f64| {
        let slices = Slices::equal(params.count("k") as u32).ok()?;
        let error = metrics::expected_sdm_sampled(n as usize, samples, &slices) / n;
        // Nodes near a boundary are heard of more often than others, which costs a little.
        let most = 1.2 * (error + k * share * cycles / 2.0);
        let source = "at most the error of the samples, and the turnover in half of the memory";
        Some(Published { value: most / 2.0, tolerance: most / 2.0, source })
    };
    match metric {
        "jk_off" | "mod_jk_off" => {
            // Values then lie evenly above u / (1 + u): nodes believe to be half of that too high.
            let value = k * turned / (1.0 + turned) / 2.0;
            let source = "k u / (2 (1 + u)) once the share u of the nodes has been replaced";
            Some(Published { value, tolerance: 0.1 * value, source })
        }
        "window_off" => {
            let window = params.count("window") as f64;
            remembering(window, window / c)
        }
        "sliver_off" => {
            let timeout = params.count("timeout") as f64;
            remembering(timeout * c, timeout)
        }
        _ => None,
    }
}
