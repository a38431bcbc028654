//! The plainest detector: a fixed timeout after the latest heartbeat.
//!
//! Not a protocol: one record is one moment.

use core::time::Duration;

use super::Detector;
use crate::error::ParameterError;
use crate::time::Time;

/// Suspicion is silence, as a multiple of a timeout: 1 when that is over.
///
/// It is the rule of van Renesse, Minsky, Hayden, *A Gossip-Style Failure Detection Service*,
/// Middleware 1998, whose T_fail is the timeout and whose T_cleanup is level 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    timeout: Duration,
}

impl Deadline {
    /// With this timeout, up to a day.
    ///
    /// # Errors
    ///
    /// If it is out of bounds.
    pub fn new(timeout: Duration) -> Result<Self, ParameterError> {
        let micros = timeout.as_micros();
        ParameterError::new("timeout", micros as f64, "microseconds", "1 to 8.64e10, a day")
            .unless((1..=86_400_000_000).contains(&micros))?;
        Ok(Self { timeout })
    }
}

impl Detector for Deadline {
    /// When it was heard last.
    type Record = Time;
    /// How long it may be silent.
    type Limit = Duration;

    fn limit(&self, level: f64) -> Result<Duration, ParameterError> {
        ParameterError::new("level", level, "timeouts", "above 0, up to 1000")
            .unless(level > 0.0 && level <= 1_000.0)?;
        Ok(Duration::from_micros((self.timeout.as_micros() as f64 * level) as u64))
    }

    fn begin(&self, now: Time) -> Time {
        now
    }

    fn heard(&self, record: &mut Time, now: Time) {
        *record = now.max(*record);
    }

    fn suspicion(&self, record: &Time, now: Time) -> f64 {
        now.since(*record).as_micros() as f64 / self.timeout.as_micros() as f64
    }

    fn due(&self, record: &Time, limit: Duration) -> Time {
        *record + limit
    }

    fn excuse(&self, record: &mut Time, span: Duration) {
        *record = *record + span;
    }
}
