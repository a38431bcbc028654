//! What happens to nodes and links while a scenario runs.

use super::driver::Driver;
use super::scenario::Point;
use crate::Failure;
use gossip_core::random::{Key, Random};
use std::ops::Range;

/// A crash, churn, growth and a partition, in that order before each cycle.
#[derive(Debug)]
pub(super) struct Dynamics {
    key: Key,
    crash: (u32, f64),
    churn: (Range<u32>, f64),
    growth: (Range<u32>, u32),
    partition: (Range<u32>, f64),
    /// Parts of a node that churn owes from earlier cycles: a small network replaces one now and
    /// then.
    owed: f64,
}

impl Dynamics {
    pub(super) fn new(point: &Point, seed: u64) -> Self {
        let span = |section: &str| {
            point.count(&format!("{section}.from"))..point.count(&format!("{section}.until"))
        };
        Self {
            key: Key::new(seed).with(DYNAMICS),
            crash: (point.count("crash.at"), point.float("crash.share")),
            churn: (span("churn"), point.float("churn.share")),
            growth: (span("growth"), point.count("growth.nodes")),
            partition: (span("partition"), point.float("partition.share")),
            owed: 0.0,
        }
    }

    /// What happens before `cycle`.
    pub(super) fn apply(&mut self, driver: &mut dyn Driver, cycle: u32) -> Result<(), Failure> {
        let mut random = self.key.random(cycle.into());
        if self.crash.0 == cycle && self.crash.1 > 0.0 {
            let mut live = driver.live();
            let count = (self.crash.1 * live.len() as f64).round() as usize;
            driver.kill(random.choose(&mut live, count));
        }
        if self.churn.0.contains(&cycle) && self.churn.1 > 0.0 {
            let mut live = driver.live();
            self.owed += self.churn.1 * live.len() as f64;
            // The last node stays: newcomers need a contact.
            let count = (self.owed as usize).min(live.len().saturating_sub(1));
            self.owed -= count as f64;
            driver.kill(random.choose(&mut live, count));
            join(driver, count as u32, &mut random)?;
        }
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
