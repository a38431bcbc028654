//! Failure detectors: what the silence of a peer comes to.
//!
//! Not a protocol: detectors send nothing. A layer, such as [`Heartbeats`](super::Heartbeats),
//! tells one what it heard, and is told how strongly each peer is to be suspected. The layer above
//! draws the lines: one detector serves readers of several levels.
//!
//! | Detector | Fed with | Level | Choose it when |
//! |---|---|---|---|
//! | [`Phi`] | heartbeats, as they come | -log10 of the chance of a silence | delays vary |
//! | [`Deadline`] | heartbeats | silence by the timeout | delays are bounded |
//! | [`Probes`] | answers | questions unanswered in a row | peers are asked by turns |
//!
//! ```
//! use core::time::Duration;
//! use gossip_core::Time;
//! use gossip_core::membership::{Deadline, Detector};
//!
//! let at = |seconds| Time::ZERO + Duration::from_secs(seconds);
//! let detector = Deadline::new(Duration::from_secs(4))?;
//! let mut record = detector.begin(at(0));
//! detector.heard(&mut record, at(10));
//! assert_eq!(detector.suspicion(&record, at(12)), 0.5);
//! assert_eq!(detector.due(&record, detector.limit(2.0)?), at(18));
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

mod deadline;
mod phi;
mod probes;
pub mod tail;

use core::fmt::Debug;
use core::time::Duration;

pub use deadline::Deadline;
pub use phi::{Arrivals, Phi, PhiConfig};
pub use probes::{Probes, Questions};

use crate::error::ParameterError;
use crate::time::Time;

/// Judges peers by when they were heard. One detector serves all peers of a node; of each it keeps
/// a [record](Self::Record).
///
/// The level of suspicion never falls while nothing is heard. Time need not be the same at two
/// nodes, nor run evenly, but must not go back.
pub trait Detector: Clone + Debug + Send + 'static {
    /// What is kept of one peer: bounded.
    type Record: Clone + Debug + Send + 'static;
    /// A level, prepared for [`due`](Self::due).
    type Limit: Copy + Debug + Send + 'static;

    /// Prepares `level`.
    ///
    /// # Errors
    ///
    /// If this detector has no such level.
    fn limit(&self, level: f64) -> Result<Self::Limit, ParameterError>;

    /// A peer is known since `now`, and was not heard yet.
    fn begin(&self, now: Time) -> Self::Record;

    /// The peer is asked to give a sign of life.
    fn asked(&self, _record: &mut Self::Record, _now: Time) {}

    /// The peer gives a sign of life.
    fn heard(&self, record: &mut Self::Record, now: Time);

    /// How strongly it is suspected: 0 is not at all. Finite, and never NaN.
    fn suspicion(&self, record: &Self::Record, now: Time) -> f64;

    /// When that reaches `limit` if nothing more is heard.
    fn due(&self, record: &Self::Record, limit: Self::Limit) -> Time;

    /// This node slept for `span`, and could hear nobody meanwhile.
    fn excuse(&self, record: &mut Self::Record, span: Duration);
}
