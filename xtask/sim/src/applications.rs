//! The applications, as scenarios name them.

use super::scenario::Point;
use super::stack::{Application, Maker, Reading, refused};
use gossip_aggregate::push_pull::{Config, State};
use gossip_aggregate::{Average, Count, Leaders, Mean, push_pull};
use gossip_core::random::Key;
use gossip_core::sim::initial::{self, Initial};
use gossip_core::{Card, ParameterError};
use gossip_dissem::{RumorMongering, rumor};
use gossip_overlay::{RingRank, TMan, ring, tman};
use xtask_base::Failure;

/// No application: the sampler alone.
pub(super) type Idle<I> = Card<I, ()>;

impl Application for Idle<u32> {
    const NAME: &'static str = "none";
    const OBSERVED: &'static [&'static str] = &["in-degree-sd", "clustering", "components"];

    fn maker(_: &Point, _: u64) -> Result<Maker<Self>, Failure> {
        Ok(Box::new(|_| Card::of(())))
    }
}

/// The configuration of a founder or of a newcomer, with epochs of so many rounds.
fn config<F>(function: F, founder: bool, epoch: u32) -> Config<F> {
    let config = if founder { Config::founding(function) } else { Config::joining(function) };
    if epoch == 0 { config.endless() } else { config.epoch(epoch) }
}

fn reading<F: push_pull::Function>(state: &State<u32, F>, input: Option<f64>) -> Reading {
    let estimate = state.running_estimate();
    Reading { estimate, finished: state.last_estimate(), input, informed: false }
}

impl Application for Average<u32> {
    const NAME: &'static str = "mean";
    const OBSERVED: &'static [&'static str] = &["error", "variance"];

    fn maker(point: &Point, seed: u64) -> Result<Maker<Self>, Failure> {
        let (size, epoch) = (point.count("size"), point.count("mean.epoch"));
        let inputs = inputs(point, Key::new(seed).with(INPUTS))?;
        let make = move |node| {
            // Newcomers measure what others did.
            let mean = Mean::of(inputs[node as usize % inputs.len()])?;
            Average::new(config(mean, node < size, epoch))
        };
        checked("mean", make)
    }

    fn reading(&self) -> Reading {
        reading(self, Some(self.function().input()))
    }
}

/// What the nodes that are there from the start measure.
fn inputs(point: &Point, key: Key) -> Result<Vec<f64>, Failure> {
    let size = point.count("size");
    let value = |name: &str| point.float(&format!("mean.{name}"));
    let (low, high, mean) = (value("low"), value("high"), value("mean"));
    let law = match point.text("mean.inputs") {
        "peak" => Initial::Peak { total: size.into() },
        "linear" => Initial::Linear { low, high },
        "exponential" => Initial::Exponential { mean },
        "normal" => Initial::Normal { mean, sd: value("sd") },
        "pareto" => Initial::Pareto { least: 1.0, shape: value("shape") },
        "file" => return read(point),
        _ => Initial::Uniform { low, high },
    };
    law.draw(size, key).map_err(|e| refused("mean", e))
}

/// The inputs of `mean.file`.
fn read(point: &Point) -> Result<Vec<f64>, Failure> {
    let Some(path) = point.file("mean.file") else {
        return Err(Failure::Usage("mean.inputs = \"file\" needs mean.file".to_owned()));
    };
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::Usage(format!("cannot read mean.file {}: {why}", path.display()))
    };
    let text = std::fs::read_to_string(&path).map_err(|e| wrong(&e))?;
    let inputs = initial::read(&text).map_err(|e| wrong(&e))?;
    let size = point.size("size");
    if inputs.len() == size {
        Ok(inputs)
    } else {
        Err(wrong(&format!("it has {} numbers, but size is {size}", inputs.len())))
    }
}

impl<const L: usize> Application for Count<u32, L> {
    const NAME: &'static str = "count";
    const OBSERVED: &'static [&'static str] = &["error", "max-error"];

    /// Nodes 0, 1, ... lead in the first epoch, and nobody else, as in the paper's experiments; in
    /// each later one everybody may.
    fn maker(point: &Point, _: u64) -> Result<Maker<Self>, Failure> {
        let (size, epoch) = (point.count("size"), point.count("count.epoch"));
        let leaders = point.count("count.leaders");
        let make = move |node| {
            let expected = if node < leaders { 1.0 } else { NOBODY };
            let function = Leaders::expecting(f64::from(leaders), expected)?;
            Count::new(config(function, node < size, epoch))
        };
        checked("count", make)
    }

    fn reading(&self) -> Reading {
        reading(self, None)
    }
}

/// So many nodes are expected that nobody leads.
const NOBODY: f64 = 1e300;

impl Application for RumorMongering<u32, u32> {
    const NAME: &'static str = "rumor";
    const OBSERVED: &'static [&'static str] = &["informed", "messages"];

    fn maker(point: &Point, _: u64) -> Result<Maker<Self>, Failure> {
        let k = u16::try_from(point.count("rumor.k")).unwrap_or(u16::MAX);
        let style = match point.text("rumor.style") {
            "push" => rumor::Config::push(k),
            "pull" => rumor::Config::pull(k),
            _ => rumor::Config::push_pull(k),
        };
        let config = style.fanout(point.size("rumor.fanout"));
        let node = Self::new(config).map_err(|e| refused("rumor", e))?;
        Ok(Box::new(move |_| node.clone()))
    }

    fn opening() -> Option<Self::Command> {
        Some(rumor::Command::Publish(1))
    }

    fn reading(&self) -> Reading {
        Reading { informed: self.remembered() > 0, ..Reading::default() }
    }
}

impl Application for TMan<u32, RingRank, 20> {
    const NAME: &'static str = "t-man";
    const OBSERVED: &'static [&'static str] = &["missing"];

    fn maker(point: &Point, _: u64) -> Result<Maker<Self>, Failure> {
        let rank = RingRank::indexed(point.count("size")).map_err(|e| refused("t-man", e))?;
        let config = tman::Config::new(rank)
            .message(point.size("t-man.message"))
            .psi(point.size("t-man.psi"))
            .fresh(point.size("t-man.fresh"));
        let node = Self::new(config).map_err(|e| refused("t-man", e))?;
        Ok(Box::new(move |_| node.clone()))
    }

    fn missing(nodes: &[(u32, &Self)]) -> Option<f64> {
        let missing = ring::missing_links(nodes.iter().map(|(id, node)| (*id, &***node)));
        Some(missing as f64 / (2 * nodes.len().max(1)) as f64)
    }
}

/// A maker of nodes, once the first is made: a node's number decides no bounds.
fn checked<T: 'static>(
    name: &str,
    make: impl Fn(u32) -> Result<T, ParameterError> + Send + 'static,
) -> Result<Maker<T>, Failure> {
    make(0).map_err(|e| refused(name, e))?;
    Ok(Box::new(move |node| make(node).expect("checked for node 0")))
}

/// Names the randomness of the inputs.
const INPUTS: u64 = gossip_core::id::hash(b"xtask::sim::inputs");
