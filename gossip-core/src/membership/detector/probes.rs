//! A detector of peers that are asked: questions without answers, counted.
//!
//! Not a protocol: it is told of questions and answers.

use core::time::Duration;

use arrayvec::ArrayVec;

use super::Detector;
use crate::error::ParameterError;
use crate::time::Time;

/// Suspicion is the number of questions in a row that were not answered in time. A peer that
/// nobody asks is not suspected.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::Time;
/// use gossip_core::membership::{Detector, Probes};
///
/// let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
/// let detector = Probes::new(Duration::from_secs(1))?;
/// let mut record = detector.begin(at(0));
/// (0..3).for_each(|second| detector.asked(&mut record, at(second)));
/// assert_eq!(detector.suspicion(&record, at(2)), 2.0);
/// detector.heard(&mut record, at(2));
/// assert_eq!(detector.suspicion(&record, at(100)), 0.0);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probes {
    timeout: Duration,
}

/// Questions of a peer that count at most: levels beyond mean nothing. Our choice.
const MOST: usize = 16;

/// When a peer was asked since it was heard last.
#[derive(Clone, Debug, Default)]
pub struct Questions(ArrayVec<Time, MOST>);

impl Probes {
    /// Questions must be answered within `timeout`, up to a day.
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

impl Detector for Probes {
    type Record = Questions;
    /// How many questions; above 0.
    type Limit = usize;

    fn limit(&self, level: f64) -> Result<usize, ParameterError> {
        ParameterError::new("level", level, "questions", "above 0, up to 16")
            .unless(level > 0.0 && level <= MOST as f64)?;
        Ok(libm::ceil(level) as usize)
    }

    fn begin(&self, _: Time) -> Questions {
        Questions::default()
    }

    fn asked(&self, record: &mut Questions, now: Time) {
        // What is beyond the most cannot raise the level.
        let _ = record.0.try_push(now);
    }

    fn heard(&self, record: &mut Questions, _: Time) {
        record.0.clear();
    }

    fn suspicion(&self, record: &Questions, now: Time) -> f64 {
        record.0.iter().filter(|&&asked| asked + self.timeout <= now).count() as f64
    }

    fn due(&self, record: &Questions, limit: usize) -> Time {
        let question = record.0.get(limit.saturating_sub(1));
        question.map_or(Time::NEVER, |&asked| asked + self.timeout)
    }

    fn excuse(&self, record: &mut Questions, span: Duration) {
        for asked in &mut record.0 {
            *asked = *asked + span;
        }
    }
}
