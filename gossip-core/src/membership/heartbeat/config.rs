//! Parameters of heartbeats.
//!
//! Not a protocol: what its constructor checks.

use core::time::Duration;

use crate::error::ParameterError;
use crate::membership::detector::{Deadline, Detector, Phi, PhiConfig, Probes};

/// Parameters of [`Heartbeats`](super::Heartbeats) with the detector `D`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Config<D> {
    /// The driver's tick: one heartbeat in each. From 1 microsecond to an hour.
    pub period: Duration,
    /// How members show that they are alive.
    pub beats: Beats,
    /// What judges them.
    pub detector: D,
    /// The detector's level at which a member is suspected.
    pub suspect: f64,
    /// The level at which it is presumed dead: no less.
    pub dead: f64,
    /// Periods between two questions to some member presumed dead, in the long run; 0: never, and
    /// then what a partition has parted stays apart.
    pub recontact: u16,
    /// Members known at most, dead and left ones included: 1 to 10^6.
    pub members: usize,
    /// Dead and left ones known at most; those gone for longest are forgotten first.
    pub remembered: usize,
    /// The incarnation to begin with, as [`SWIM`](crate::membership::Config::incarnation) has it.
    pub incarnation: u32,
}

/// How members show that they are alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beats {
    /// Counters travel from member to member: in each period a node tells `fanout` random members
    /// the counters it knows, in up to `pages` messages each. 1 to 16, and 1 to 64.
    Gossip {
        /// Members told: 1 in the paper.
        fanout: usize,
        /// Messages for each of them. Where all members need more, they take turns, and the
        /// detector must be as patient.
        pages: usize,
    },
    /// Each member tells every other, in each period. Only what comes from a member itself counts.
    Direct,
    /// Each node asks this many members in each period, by turns, and answers count: 1 to 64.
    Ask(usize),
}

impl<D: Detector> Config<D> {
    /// With this detector, and lines drawn at these two levels; periods of 1 s, everybody known, as
    /// in SWIM's defaults.
    pub const fn new(beats: Beats, detector: D, suspect: f64, dead: f64) -> Self {
        Self {
            period: Duration::from_secs(1),
            beats,
            detector,
            suspect,
            dead,
            recontact: 64,
            members: 16_384,
            remembered: 1_024,
            incarnation: 0,
        }
    }

    /// Checks all bounds.
    pub(super) fn check(&self) -> Result<(), ParameterError> {
        let error = ParameterError::new;
        let period = self.period.as_micros();
        error("period", period as f64, "microseconds", "1 to 3.6e9, an hour")
            .unless((1..=3_600_000_000).contains(&period))?;
        match self.beats {
            Beats::Gossip { fanout, pages } => {
                error("fanout", fanout as f64, "members", "1 to 16")
                    .unless((1..=16).contains(&fanout))?;
                error("pages", pages as f64, "messages", "1 to 64")
                    .unless((1..=64).contains(&pages))?;
            }
            Beats::Ask(members) => error("asked", members as f64, "members", "1 to 64")
                .unless((1..=64).contains(&members))?,
            Beats::Direct => {}
        }
        error("level of death", self.dead, "(detector's)", "no less than that of suspicion")
            .unless(self.dead >= self.suspect)?;
        error("members", self.members as f64, "members", "1 to 10^6")
            .unless((1..=1_000_000).contains(&self.members))
    }
}

impl Config<Phi> {
    /// Phi accrual over direct heartbeats, as in its paper: suspected at 3, presumed dead at 8.
    ///
    /// # Errors
    ///
    /// As [`Phi::new`].
    pub fn accrual(phi: PhiConfig) -> Result<Self, ParameterError> {
        Ok(Self::new(Beats::Direct, Phi::new(phi)?, 3.0, 8.0))
    }
}

impl Config<Deadline> {
    /// Gossiped counters as in van Renesse, Minsky, Hayden 1998: suspected when its counter has not
    /// risen for `fail`, the paper's T_fail, presumed dead after twice that.
    ///
    /// # Errors
    ///
    /// As [`Deadline::new`].
    pub fn gossip(fail: Duration) -> Result<Self, ParameterError> {
        let beats = Beats::Gossip { fanout: 1, pages: 16 };
        Ok(Self::new(beats, Deadline::new(fail)?, 1.0, 2.0))
    }
}

impl Config<Probes> {
    /// Questions by turns, one in a period, answered within `timeout`: suspected after one without
    /// an answer, presumed dead after three in a row. Our choice.
    ///
    /// # Errors
    ///
    /// As [`Probes::new`].
    pub fn probing(timeout: Duration) -> Result<Self, ParameterError> {
        Ok(Self::new(Beats::Ask(1), Probes::new(timeout)?, 1.0, 3.0))
    }
}
