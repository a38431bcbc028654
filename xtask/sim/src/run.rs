//! One run: a point of a scenario with one seed.

use super::driver::Driver;
use super::dynamics::{self, Windows};
use super::observers::{Observers, observed};
use super::overlay;
use super::scenario::Point;
use super::stop::Rule;
use gossip_core::random::{Key, Random};
use xtask_base::Failure;

/// What a run showed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    /// The observers.
    pub(super) names: Vec<&'static str>,
    /// What they saw, in the order of cycles.
    pub(super) rows: Vec<Row>,
}

impl Series {
    /// The cycle after which the run was over.
    pub(super) fn end(&self) -> Option<u32> {
        self.rows.last().map(|row| row.cycle)
    }

    /// What an observer saw last.
    pub(super) fn last(&self, name: &str) -> Option<f64> {
        let at = self.names.iter().position(|n| *n == name)?;
        self.rows.iter().rev().find_map(|row| row.values[at])
    }
}

/// What was seen after a cycle; 0 is the start.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) cycle: u32,
    /// `None`: not looked at in this cycle, or there was nothing to see.
    pub(super) values: Vec<Option<f64>>,
}

/// How nodes begin, which depends on their sampler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// Peers that a node knows at first.
    pub(super) known: u32,
    /// Whether they can be put into its view; otherwise it joins by a contact.
    pub(super) introduces: bool,
}

/// Runs `driver` as `point` says, and calls `step` after each cycle. What is looked at is `preset`
/// if the scenario does not say.
pub(super) fn run(
    driver: &mut dyn Driver,
    point: &Point,
    seed: u64,
    (start, preset): (Start, &[&'static str]),
    step: &dyn Fn(),
) -> Result<Series, Failure> {
    if start.known > 0 {
        acquaint(driver, point, seed, start);
    }
    driver.open();
    let mut windows = Windows::new(point, seed);
    let mut models = dynamics::models(point, driver.period(), seed)?;
    let names = observed(point, preset);
    let mut observers = Observers::new(point, &names, seed);
    let cycles = point.count("cycles");
    let mut end = End::of(point, &names)?;
    let mut rows = Vec::new();
    for cycle in 0..=cycles {
        let is_last = cycle == cycles;
        if let Some(values) = observers.look(driver, cycle, is_last) {
            let is_over = end.is_reached(&values);
            rows.push(Row { cycle, values });
            if is_over {
                // For the progress bar.
                (cycle..cycles).for_each(|_| step());
                break;
            }
        }
        if !is_last {
            windows.apply(driver, cycle)?;
            driver.step(&mut models)?;
            step();
        }
    }
    if let Some(path) = point.file("output.overlay").filter(|_| point.is_first(seed)) {
        let text = overlay::format(&path).write(&driver.graph());
        super::save(&path, &text)?;
    }
    Ok(Series { names, rows })
}

/// That a run of `point` can end as it says. What is looked at is `preset` if it does not say.
pub(super) fn check(point: &Point, preset: &[&'static str]) -> Result<(), Failure> {
    End::of(point, &observed(point, preset)).map(drop)
}

/// When a run is over before its cycles are.
struct End {
    /// The rule, and which of the observers it asks.
    rule: Option<(Rule, usize)>,
    /// How often it must still hold.
    left: u32,
    times: u32,
}

impl End {
    fn of(point: &Point, names: &[&'static str]) -> Result<Self, Failure> {
        let times = point.count("stop.times");
        let Some(rule) = point.optional_text("stop.when").and_then(Rule::read) else {
            return Ok(Self { rule: None, left: times, times });
        };
        let Some(at) = names.iter().position(|name| *name == rule.observer) else {
            let name = rule.observer;
            return Err(Failure::Usage(format!(
                "stop.when asks `{name}`, which does not look: set observe.{name} = 1"
            )));
        };
        Ok(Self { rule: Some((rule, at)), left: times, times })
    }

    /// Whether the run is over, now that this was seen.
    fn is_reached(&mut self, values: &[Option<f64>]) -> bool {
        let Some((rule, at)) = &self.rule else { return false };
        let seen = values[*at];
        if seen.is_some() {
            self.left = if rule.holds(seen) { self.left - 1 } else { self.times };
        }
        self.left == 0
    }
}

/// Tells the nodes whom they know at first.
fn acquaint(driver: &mut dyn Driver, point: &Point, seed: u64, start: Start) {
    let size = point.count("size");
    let overlay = point.text("start.overlay");
    for node in 0..size {
        let mut random = Key::new(seed).with(START).random(node.into());
        match overlay {
            "star" if node > 0 => driver.contact(node, 0),
            "star" => {}
            // Who takes no links by itself begins with a node that is there already.
            _ if !start.introduces && node == 0 => {}
            "lattice" if !start.introduces => driver.contact(node, node - 1),
            _ if !start.introduces => driver.contact(node, random.below(node as usize) as u32),
            "lattice" => driver.introduce(node, &nearest(node, size, start.known)),
            _ => driver.introduce(node, &others(node, size, start.known, &mut random)),
        }
    }
}

/// `known` random nodes but `node`, or all if there are fewer.
fn others(node: u32, size: u32, known: u32, random: &mut Random) -> Vec<u32> {
    let known = known.min(size - 1) as usize;
    let mut drawn = Vec::with_capacity(known);
    while drawn.len() < known {
        let peer = random.below(size as usize) as u32;
        if peer != node && !drawn.contains(&peer) {
            drawn.push(peer);
        }
    }
    drawn
}

/// The `known` nodes nearest to `node` on a ring, on both sides in turn.
fn nearest(node: u32, size: u32, known: u32) -> Vec<u32> {
    let around = (1..size).flat_map(|step| [step, size - step]);
    let known = around.take(known.min(size - 1) as usize);
    known.map(|step| ((u64::from(node) + u64::from(step)) % u64::from(size)) as u32).collect()
}

/// Names the randomness of the first acquaintances.
const START: u64 = gossip_core::id::hash(b"xtask::sim::start");
