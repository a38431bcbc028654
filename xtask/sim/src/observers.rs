//! What is looked at, by name, each every so many cycles.

use super::driver::{Driver, Traffic};
use super::scenario::Point;
use super::stack::Reading;
use super::stop;
use gossip_core::random::Key;
use gossip_core::sim::observe::{Components, Graph, Spread};
use std::collections::BTreeMap;
use xtask_base::output::median_of;

/// How exact a spectral gap is.
const PRECISION: f64 = 1e-3;
/// Steps to it at most; an overlay that mixes well takes some dozens.
const STEPS: usize = 500;

/// The observers of `point`, in the order of their declaration; `preset` if it names none.
pub(super) fn observed(point: &Point, preset: &[&'static str]) -> Vec<&'static str> {
    let named: Vec<_> = stop::observers().filter(|name| point.period(name).is_some()).collect();
    if named.is_empty() { preset.to_vec() } else { named }
}

/// The observers of a run.
#[derive(Debug)]
pub(super) struct Observers {
    /// Each with its period.
    all: Vec<(&'static str, u32)>,
    key: Key,
    /// What was sent when each observer of traffic last looked, and the cycle of that.
    before: BTreeMap<&'static str, (Traffic, u32)>,
    /// Nodes whose clustering is looked at, and from which paths are measured.
    clustering: usize,
    paths: usize,
}

/// What several observers of one cycle share; made when the first of them asks.
struct Look<'a> {
    driver: &'a dyn Driver,
    cycle: u32,
    readings: Option<Readings>,
    graph: Option<Graph>,
    undirected: Option<Graph>,
    parts: Option<Components>,
}

/// What the applications say.
struct Readings {
    truth: f64,
    nodes: usize,
    estimates: Vec<f64>,
    finished: Vec<f64>,
    informed: usize,
}

impl Observers {
    pub(super) fn new(point: &Point, names: &[&'static str], seed: u64) -> Self {
        let all = names.iter().map(|name| (*name, point.period(name).unwrap_or(1))).collect();
        Self {
            all,
            key: Key::new(seed).with(OBSERVE),
            before: BTreeMap::new(),
            clustering: point.size("sample.clustering"),
            paths: point.size("sample.paths"),
        }
    }

    /// What is to be seen after `cycle`, if it is the turn of any.
    pub(super) fn look(
        &mut self,
        driver: &dyn Driver,
        cycle: u32,
        is_last: bool,
    ) -> Option<Vec<Option<f64>>> {
        let is_due = |period: u32| is_last || cycle.is_multiple_of(period);
        if !self.all.iter().any(|(_, period)| is_due(*period)) {
            return None;
        }
        let mut look =
            Look { driver, cycle, readings: None, graph: None, undirected: None, parts: None };
        let all = self.all.clone();
        let values =
            all.iter().map(
                |(name, period)| {
                    if is_due(*period) { self.value(name, &mut look, cycle) } else { None }
                },
            );
        Some(values.collect())
    }

    fn value(&mut self, name: &'static str, look: &mut Look<'_>, cycle: u32) -> Option<f64> {
        match name {
            "messages" => self.sent(name, look, |traffic| Some(traffic.messages)),
            "bytes" => self.sent(name, look, |traffic| traffic.bytes),
            "bytes-peers" => self.sent(name, look, |traffic| traffic.peers),
            "bytes-app" => self.sent(name, look, |traffic| traffic.app),
            "path" => {
                let mut random = self.key.random(cycle.into());
                let paths = look.undirected().paths(self.paths, &mut random);
                (paths.mean > 0.0).then_some(paths.mean)
            }
            "clustering" => {
                let mut random = self.key.with(CLUSTERING).random(cycle.into());
                Some(look.undirected().sampled_clustering(self.clustering, &mut random).mean)
            }
            "spectral-gap" => {
                let spectrum = look.undirected().spectrum(PRECISION, STEPS)?;
                Some(spectrum.gap())
            }
            "nodes" | "estimate" | "error" | "max-error" | "epoch-error" | "variance"
            | "informed" => look.readings().value(name),
            "missing" => look.driver.missing(),
            _ => Some(look.overlay(name)),
        }
    }

    /// What was sent since the last time, per node and cycle.
    fn sent(
        &mut self,
        name: &'static str,
        look: &mut Look<'_>,
        of: impl Fn(Traffic) -> Option<u64>,
    ) -> Option<f64> {
        let now = look.driver.traffic();
        let cycle = look.cycle;
        let (before, since) = self.before.insert(name, (now, cycle)).unwrap_or_default();
        let sent = of(now)? - of(before).unwrap_or(0);
        let share = look.readings().nodes as f64 * f64::from(cycle - since);
        (share > 0.0).then(|| sent as f64 / share)
    }
}

impl Look<'_> {
    fn readings(&mut self) -> &mut Readings {
        let (driver, is_start) = (self.driver, self.cycle == 0);
        self.readings.get_or_insert_with(|| Readings::of(driver, is_start))
    }

    fn graph(&mut self) -> &Graph {
        let driver = self.driver;
        self.graph.get_or_insert_with(|| driver.graph())
    }

    fn undirected(&mut self) -> &Graph {
        if self.undirected.is_none() {
            self.undirected = Some(self.graph().undirected());
        }
        self.undirected.get_or_insert_with(|| Graph::new::<[u32; 0]>([]))
    }

    fn parts(&mut self) -> &Components {
        if self.parts.is_none() {
            self.parts = Some(self.graph().components());
        }
        self.parts.get_or_insert_with(|| Components { sizes: Vec::new() })
    }

    fn overlay(&mut self, name: &str) -> f64 {
        match name {
            "in-degree-sd" => self.graph().in_degree().sd,
            "in-degree-max" => self.graph().in_degree().max,
            "components" => self.parts().count() as f64,
            "largest" => {
                let parts = self.parts();
                let all = parts.largest() + parts.outside();
                f64::from(parts.largest()) / f64::from(all.max(1))
            }
            _ => {
                let graph = self.graph();
                graph.dead_links() as f64 / graph.nodes().count().max(1) as f64
            }
        }
    }
}

impl Readings {
    /// At the start, when no node was called yet, each estimates what it measures.
    fn of(driver: &dyn Driver, is_start: bool) -> Self {
        let (mut sum, mut inputs) = (0.0, 0_usize);
        let (mut estimates, mut finished) = (Vec::new(), Vec::new());
        let (mut nodes, mut informed) = (0, 0);
        driver.read(&mut |reading: Reading| {
            nodes += 1;
            informed += usize::from(reading.informed);
            let first = reading.input.filter(|_| is_start);
            estimates.extend(reading.estimate.or(first));
            finished.extend(reading.finished);
            if let Some(input) = reading.input {
                sum += input;
                inputs += 1;
            }
        });
        let truth = if inputs > 0 { sum / inputs as f64 } else { nodes as f64 };
        Self { truth, nodes, estimates, finished, informed }
    }

    fn value(&mut self, name: &str) -> Option<f64> {
        let Self { truth, nodes, estimates, finished, informed } = self;
        let error = |estimate: f64| ((estimate - *truth) / *truth).abs();
        // Lists of a million are not copied: nothing but the nodes would take more memory.
        let value = match name {
            "nodes" => *nodes as f64,
            "informed" => *informed as f64 / *nodes as f64,
            "estimate" => median_of(estimates, |estimate| estimate),
            "error" => median_of(estimates, error),
            "epoch-error" => median_of(finished, error),
            "max-error" => estimates.iter().copied().map(error).reduce(f64::max)?,
            "variance" if estimates.is_empty() => return None,
            _ => Spread::of(estimates.iter().copied()).variance(),
        };
        (!value.is_nan()).then_some(value)
    }
}

/// Names the randomness of measures.
const OBSERVE: u64 = gossip_core::id::hash(b"xtask::sim::observe");
/// And of the nodes whose clustering is looked at, since paths begin elsewhere.
const CLUSTERING: u64 = 1;
