//! Parameters of Fireflies.
//!
//! Not a protocol: what its constructor checks.

use core::time::Duration;

use super::rings::Rings;
use crate::error::ParameterError;
use crate::membership::detector::{Detector, Probes};

/// Parameters of [`Fireflies`](super::Fireflies), whose authority is known by `K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config<K> {
    /// By what key the authority is known, which admits members.
    pub authority: K,
    /// The driver's tick: successors are pinged once in each. From 1 microsecond to an hour.
    pub period: Duration,
    /// How long a pong is waited for. Above the usual round trip, at most the period.
    pub timeout: Duration,
    /// Pings in a row without a pong, after which a successor is accused: 1 to 16.
    pub misses: u8,
    /// The paper's Delta: within it, news reach all correct members with high probability. An
    /// accusation that is not rebutted within twice that removes its member. Up to an hour.
    pub delta: Duration,
    /// The paper's t: see [`tolerated`](super::tolerated). There are 2t + 1 rings. 1 to 63.
    pub tolerated: u8,
    /// The group's key for places on rings, the same at all members.
    pub rings: u64,
    /// Members told the news in each period: 1 to 16.
    pub fanout: u8,
    /// Periods between two attempts, in the long run, to tell some removed member that it is; 0:
    /// never, and then what a partition has parted stays apart.
    pub recontact: u16,
    /// Members known at most, removed and left ones included: 1 to 10^5.
    pub members: usize,
    /// Removed and left ones known at most; those gone for longest are forgotten first.
    pub remembered: usize,
    /// The epoch to begin with, as [`SWIM`](crate::membership::Config::incarnation) has it.
    pub epoch: u32,
}

impl<K> Config<K> {
    /// With this authority, and so many lying predecessors tolerated. Pings each second, answered
    /// within a half; Delta is 10 s. Our choice.
    pub const fn new(authority: K, tolerated: u8) -> Self {
        Self {
            authority,
            period: Duration::from_secs(1),
            timeout: Duration::from_millis(500),
            misses: 3,
            delta: Duration::from_secs(10),
            tolerated,
            rings: 0,
            fanout: 3,
            recontact: 64,
            members: 4_096,
            remembered: 1_024,
            epoch: 0,
        }
    }

    /// Checks all bounds; the rings, the detector, and its line.
    pub(super) fn check(&self) -> Result<(Rings, Probes, usize), ParameterError> {
        let error = ParameterError::new;
        for (name, span) in [("period", self.period), ("Delta", self.delta)] {
            let micros = span.as_micros();
            error(name, micros as f64, "microseconds", "1 to 3.6e9, an hour")
                .unless((1..=3_600_000_000).contains(&micros))?;
        }
        error("fanout", self.fanout.into(), "members", "1 to 16")
            .unless((1..=16).contains(&self.fanout))?;
        error("members", self.members as f64, "members", "1 to 10^5")
            .unless((1..=100_000).contains(&self.members))?;
        let timeout = self.timeout.as_micros();
        error("timeout", timeout as f64, "microseconds", "1 to the period")
            .unless(self.timeout <= self.period)?;
        let detector = Probes::new(self.timeout)?;
        let line = detector.limit(self.misses.into())?;
        Ok((Rings::tolerating(self.tolerated, self.rings)?, detector, line))
    }
}
