//! Phi accrual: suspicion as the improbability of a silence.
//!
//! Hayashibara, Defago, Yared, Katayama, *The phi accrual failure detector*, SRDS 2004.
//!
//! Not a protocol: arithmetic on arrival times.
//!
//! ```text
//! on heartbeat at t: window += t - last, the oldest of WS goes; last = t
//! phi(t) = -log10 of the probability that a normal variable with mean and deviation of the window
//!          exceeds t - last
//! ```
//!
//! If silences were normal and independent, a peer that is alive would be suspected at threshold
//! phi once in 10^phi heartbeats; and a crash is seen mean + z(phi) deviations after the latest
//! heartbeat, where z is 1.28, 2.33, 3.09 for phi = 1, 2, 3 and 5.61 for 8. A lossy or bursty
//! network is not normal: there thresholds are to be measured, and lost heartbeats widen the
//! deviation, which slows detection down.
//!
//! # Deviations from the paper
//!
//! - The tail is computed as a logarithm ([`tail`](super::tail)), so phi is exact at any level.
//! - The deviation has a floor: heartbeats that come like clockwork would else be suspected for a
//!   microsecond's delay.
//! - The window begins with two intervals made up from the expected one: a peer that falls silent
//!   after its first heartbeats, or before, is suspected, too.
//! - Silences above a bound are outages, and leave the window as it is: else one of an hour would
//!   blind the detector for a thousand heartbeats.

use core::time::Duration;

use alloc::collections::VecDeque;

use super::{Detector, tail};
use crate::error::ParameterError;
use crate::time::Time;

/// Parameters of [`Phi`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PhiConfig {
    /// Intervals kept of each peer: the paper's WS = 1000, 4 bytes each. From 2 to 10,000.
    pub window: usize,
    /// The interval expected before any was seen. From 1 microsecond to an hour.
    pub expected: Duration,
    /// The least deviation, up to an hour. Above the clock's grain, and the jitter of a tick.
    pub floor: Duration,
    /// Silences longer than this are outages, and not taken as intervals. Up to an hour.
    pub longest: Duration,
}

impl Default for PhiConfig {
    /// The paper's window, for heartbeats once a second; the rest is our choice.
    fn default() -> Self {
        Self {
            window: 1_000,
            expected: Duration::from_secs(1),
            floor: Duration::from_millis(50),
            longest: Duration::from_secs(60),
        }
    }
}

/// The phi accrual failure detector.
///
/// ```
/// use core::time::Duration;
/// use gossip_core::Time;
/// use gossip_core::membership::{Detector, Phi};
///
/// let at = |millis: u64| Time::from_micros(millis * 1_000);
/// let detector = Phi::new(Default::default())?;
/// let mut record = detector.begin(at(0));
/// (1..=500).for_each(|beat| detector.heard(&mut record, at(beat * 1_000)));
/// // As regular as it can be: mean 1 s, and the deviation is about the floor, 50 ms.
/// assert!(detector.suspicion(&record, at(500_500)) < 0.01);
/// assert!(detector.suspicion(&record, at(501_400)) > 8.0);
/// let due = detector.due(&record, detector.limit(8.0)?);
/// assert!(at(501_270) < due && due < at(501_400));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phi {
    config: PhiConfig,
}

/// The latest intervals between a peer's signs of life, with exact sums.
#[derive(Clone, Debug)]
pub struct Arrivals {
    window: VecDeque<u32>,
    sum: u64,
    squares: u128,
    last: Time,
    /// Whether it was heard at all.
    heard: bool,
}

impl Arrivals {
    fn push(&mut self, micros: u32, most: usize) {
        if self.window.len() >= most
            && let Some(oldest) = self.window.pop_front()
        {
            self.sum -= u64::from(oldest);
            self.squares -= u128::from(oldest) * u128::from(oldest);
        }
        self.window.push_back(micros);
        self.sum += u64::from(micros);
        self.squares += u128::from(micros) * u128::from(micros);
    }

    /// The mean interval, in microseconds.
    pub fn mean(&self) -> f64 {
        self.sum as f64 / self.window.len().max(1) as f64
    }

    /// The deviation of the intervals, in microseconds, with no floor.
    pub fn deviation(&self) -> f64 {
        let count = self.window.len().max(1);
        // Not below 0, by Cauchy and Schwarz: these are integers.
        let sum = u128::from(self.sum);
        let scaled = (self.squares * count as u128).saturating_sub(sum * sum);
        libm::sqrt(scaled as f64) / count as f64
    }

    /// How many intervals are kept.
    pub fn len(&self) -> usize {
        self.window.len()
    }

    /// Whether none is kept: never.
    pub fn is_empty(&self) -> bool {
        self.window.is_empty()
    }
}

impl Phi {
    /// With these parameters.
    ///
    /// # Errors
    ///
    /// Names the parameter that is out of bounds.
    pub fn new(config: PhiConfig) -> Result<Self, ParameterError> {
        let error = ParameterError::new;
        error("window WS", config.window as f64, "intervals", "2 to 10000")
            .unless((2..=10_000).contains(&config.window))?;
        let spans =
            [("expected", config.expected), ("floor", config.floor), ("longest", config.longest)];
        for (name, span) in spans {
            let micros = span.as_micros();
            error(name, micros as f64, "microseconds", "1 to 3.6e9, an hour")
                .unless((1..=HOUR).contains(&micros))?;
        }
        Ok(Self { config })
    }

    fn deviation(&self, record: &Arrivals) -> f64 {
        record.deviation().max(self.config.floor.as_micros() as f64)
    }
}

const HOUR: u128 = 3_600_000_000;

impl Detector for Phi {
    type Record = Arrivals;
    /// How many deviations above the mean a silence must be.
    type Limit = f64;

    fn limit(&self, level: f64) -> Result<f64, ParameterError> {
        ParameterError::new("level", level, "(phi)", "0.001 to 1000")
            .unless((0.001..=1_000.0).contains(&level))?;
        Ok(tail::deviations(level))
    }

    fn begin(&self, now: Time) -> Arrivals {
        let (window, sum, squares, heard) = (VecDeque::new(), 0, 0, false);
        let mut record = Arrivals { window, sum, squares, last: now, heard };
        // Mean as expected, deviation a quarter of it.
        let expected = self.config.expected.as_micros() as u32;
        record.push(expected - expected / 4, self.config.window);
        record.push(expected.saturating_add(expected / 4), self.config.window);
        record
    }

    fn heard(&self, record: &mut Arrivals, now: Time) {
        let silence = now.since(record.last);
        if record.heard && silence <= self.config.longest {
            let micros = u32::try_from(silence.as_micros()).unwrap_or(u32::MAX);
            record.push(micros, self.config.window);
        }
        record.last = now.max(record.last);
        record.heard = true;
    }

    fn suspicion(&self, record: &Arrivals, now: Time) -> f64 {
        let silence = now.since(record.last).as_micros() as f64;
        tail::phi((silence - record.mean()) / self.deviation(record))
    }

    fn due(&self, record: &Arrivals, limit: f64) -> Time {
        let silence = record.mean() + limit * self.deviation(record);
        // Rounded up, so that the level is reached then; a cast of what is negative is 0.
        record.last + Duration::from_micros(libm::ceil(silence) as u64)
    }

    fn excuse(&self, record: &mut Arrivals, span: Duration) {
        record.last = record.last + span;
    }
}
