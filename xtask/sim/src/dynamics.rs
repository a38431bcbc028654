//! What happens to nodes and links while a scenario runs.

use super::driver::Driver;
use super::scenario::Point;
use super::stack::refused;
use gossip_core::random::{Key, Random};
use gossip_core::sim::dynamics::{After, Dynamics, Exit, Law, Model, Trace};
use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;
use xtask_base::Failure;

/// What the core lets happen while time passes: crashes, sessions, oscillation, traces.
pub(super) fn models(point: &Point, period: Duration, seed: u64) -> Result<Dynamics, Failure> {
    let exit = if point.text("sessions.exit") == "leave" { Exit::Leave } else { Exit::Crash };
    let mut models = Vec::new();
    let share = point.float("crash.share");
    if share > 0.0 {
        let at = period.saturating_mul(point.count("crash.at"));
        models.push(Model::Catastrophe { at, share, exit: Exit::Crash });
    }
    if let Some(mean) = point.span("sessions.up") {
        let down = point.span("sessions.down").unwrap_or(mean);
        let back = |with_state| After::Return { down: law(point, down), with_state };
        let after = match point.text("sessions.after") {
            "return" => back(false),
            "return-with-state" => back(true),
            "gone" => After::Gone,
            _ => After::Replaced,
        };
        models.push(Model::Sessions { up: law(point, mean), exit, after });
    }
    if let Some(cycle) = point.span("oscillation.time") {
        let (low, high) = (point.count("oscillation.low"), point.count("oscillation.high"));
        models.push(Model::Oscillate { low, high, cycle, exit: Exit::Crash });
    }
    if let Some(path) = point.file("trace.file") {
        let shown = path.display();
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Failure::Usage(format!("cannot read trace.file {shown}: {e}")))?;
        let trace: Trace =
            text.parse().map_err(|e| Failure::Usage(format!("trace.file {shown}: {e}")))?;
        models.push(Model::Trace(trace));
    }
    Dynamics::new(models, seed)
        .and_then(|dynamics| dynamics.period(period))
        .map_err(|e| refused("dynamics", e))
}

fn law(point: &Point, mean: Duration) -> Law {
    let shape = point.float("sessions.shape");
    match point.text("sessions.law") {
        "constant" => Law::Constant(mean),
        "weibull" => Law::Weibull { shape, mean },
        "pareto" => Law::Pareto { shape, mean },
        _ => Law::Exponential { mean },
    }
}

/// What has a beginning and an end: churn, downtimes, growth and a partition, in that order before
/// a cycle.
#[derive(Debug)]
pub(super) struct Windows {
    key: Key,
    churn: (Range<u32>, f64),
    down: (Range<u32>, f64),
    /// Cycles that who stops is down.
    downtime: u32,
    /// Who is down, and until which cycle; the next to come back first.
    sleeping: VecDeque<(u32, Vec<u32>)>,
    growth: (Range<u32>, u32),
    partition: (Range<u32>, f64),
    /// Parts of a node that churn owes from earlier cycles: a small network replaces one now and
    /// then.
    owed: f64,
    /// The same of downtimes.
    owed_down: f64,
}

impl Windows {
    pub(super) fn new(point: &Point, seed: u64) -> Self {
        let span = |section: &str| {
            point.count(&format!("{section}.from"))..point.count(&format!("{section}.until"))
        };
        Self {
            key: Key::new(seed).with(DYNAMICS),
            churn: (span("churn"), point.float("churn.share")),
            down: (span("down"), point.float("down.share")),
            downtime: point.count("down.cycles"),
            sleeping: VecDeque::new(),
            growth: (span("growth"), point.count("growth.nodes")),
            partition: (span("partition"), point.float("partition.share")),
            owed: 0.0,
            owed_down: 0.0,
        }
    }

    /// What happens before `cycle`.
    pub(super) fn apply(&mut self, driver: &mut dyn Driver, cycle: u32) -> Result<(), Failure> {
        let mut random = self.key.random(cycle.into());
        if self.churn.0.contains(&cycle) && self.churn.1 > 0.0 {
            let mut live = driver.live();
            self.owed += self.churn.1 * live.len() as f64;
            // The last node stays: newcomers need a contact.
            let count = (self.owed as usize).min(live.len().saturating_sub(1));
            self.owed -= count as f64;
            driver.kill(random.choose(&mut live, count));
            join(driver, count as u32, &mut random)?;
        }
        self.rest(driver, cycle, &mut random);
        if self.growth.0.contains(&cycle) && self.growth.1 > 0 {
            join(driver, self.growth.1, &mut random)?;
        }
        if self.partition.1 > 0.0 {
            if self.partition.0.start == cycle {
                let mut live = driver.live();
                let count = (self.partition.1 * live.len() as f64).round() as usize;
                for &mut node in random.choose(&mut live, count) {
                    driver.network().set_side(node, 1);
                }
            }
            if self.partition.0.end == cycle {
                driver.network().heal();
            }
        }
        Ok(())
    }
}

impl Windows {
    /// Who has been down long enough comes back, and others stop.
    fn rest(&mut self, driver: &mut dyn Driver, cycle: u32, random: &mut Random) {
        while self.sleeping.front().is_some_and(|sleeping| sleeping.0 <= cycle) {
            for node in self.sleeping.pop_front().into_iter().flat_map(|sleeping| sleeping.1) {
                driver.revive(node);
            }
        }
        if !self.down.0.contains(&cycle) || self.down.1 <= 0.0 {
            return;
        }
        let mut live = driver.live();
        self.owed_down += self.down.1 * live.len() as f64;
        let count = (self.owed_down as usize).min(live.len());
        self.owed_down -= count as f64;
        let stopped = random.choose(&mut live, count).to_vec();
        driver.kill(&stopped);
        self.sleeping.push_back((cycle.saturating_add(self.downtime), stopped));
    }
}

/// `count` nodes join, each told of a random one that lives.
fn join(driver: &mut dyn Driver, count: u32, random: &mut Random) -> Result<(), Failure> {
    let live = driver.live();
    for _ in 0..count {
        let node = driver.join()?;
        if let Some(&contact) = random.pick(&live) {
            driver.contact(node, contact);
        }
    }
    Ok(())
}

/// Names the randomness of what happens.
const DYNAMICS: u64 = gossip_core::id::hash(b"xtask::sim::dynamics");
