//! Not a protocol: what a node can tell of how well it knows its slice.

use gossip_core::{Local, Protocol, Round};

use super::{Event, Slices, Value};
use crate::health;

/// Rounds in one slice before a node says that it has converged. T-Man's.
const SETTLED: Round = 8;

/// How far the slice must be believed right for that. Our choice.
const SURE: f64 = 0.9;

/// How well a node knows its slice, by its own knowledge: what [`Health`](crate::Health) is for
/// links. [`Sliced::health`](super::Sliced::health) tells it.
///
/// A slice rests on samples. These are, in [`Sliver`](super::Sliver), the peers remembered; in
/// [`Ranking`](super::Ranking), the observations that count; in [`Jk`](super::Jk) and
/// [`ModJk`](super::ModJk), which keep none, the values that the node has held.
///
/// ```
/// use gossip_overlay::slicing::{Sliced, Slices, Sliver, sliver};
///
/// let slices = Slices::top(0.1)?;
/// let node = sliver::Config { attribute: 3.0, slices, timeout: 30, limit: 1_000 };
/// let health = Sliver::<u32>::new(node)?.health();
/// assert_eq!((health.samples, health.right, health.margin), (0, 0.0, None));
/// assert!(!health.converged);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    /// Samples that the slice rests on.
    pub samples: u64,
    /// How far the slice is believed right, from 0 to 1. That is the
    /// [confidence](super::Sliced::confidence), or, in JK and mod-JK, the share of rounds with no
    /// neighbour out of order with this node, a moving average over some 16 rounds.
    pub right: f64,
    /// How far the node stands from the nearest boundary, as a fraction of the system; none while
    /// it knows of nobody, and if there is one slice only.
    pub margin: Option<f64>,
    /// Rounds since the oldest sample was news. With a window it is estimated from how many
    /// samples come in a round; in JK and mod-JK it is the age of the value that is held.
    pub oldest: Round,
    /// Rounds since the slice last changed.
    pub unchanged: Round,
    /// Samples that are lost in a round, forgotten, shed or pushed out of the window, or values
    /// swapped: a moving average over some 16 rounds.
    pub churn: f64,
    /// Whether the slice has stood long enough, and is sure enough, to say so.
    pub converged: bool,
}

/// What a node notes for its [`Health`], and for telling its owner.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Notes {
    /// The slice the owner was told last.
    told: Option<u32>,
    common: health::Notes,
}

impl Notes {
    /// A round begins.
    pub(super) fn tick(&mut self) {
        self.common.tick();
    }

    /// So many samples are gone.
    pub(super) const fn lost(&mut self, samples: usize) {
        self.common.lost(samples);
    }

    pub(super) const fn churn(&self) -> f64 {
        self.common.churn
    }

    /// Tells the owner if the slice is another, none included, and once it stands and is `right`.
    pub(super) fn tell<P: Protocol<Event = Event>>(
        &mut self,
        slice: Option<u32>,
        right: impl FnOnce() -> f64,
        cx: &mut impl Local<P>,
    ) {
        let from = self.told;
        if slice.is_none() || slice != from {
            self.disturb(cx);
        }
        let Some(to) = slice else { return };
        if from != Some(to) {
            self.told = Some(to);
            self.common.changed(0);
            cx.emit(Event::Moved { from, to });
        } else if !self.common.converged && self.common.unchanged >= SETTLED && right() >= SURE {
            self.common.converged = true;
            cx.emit(Event::Converged);
        }
    }

    /// What has been known is in doubt.
    pub(super) fn disturb<P: Protocol<Event = Event>>(&mut self, cx: &mut impl Local<P>) {
        if core::mem::take(&mut self.common.converged) {
            cx.emit(Event::Disturbed);
        }
    }

    /// The health of a node at this position.
    pub(super) fn health(
        &self,
        slices: &Slices,
        position: Option<Value>,
        (samples, oldest): (u64, Round),
        right: f64,
    ) -> Health {
        Health {
            samples,
            right,
            margin: position.and_then(|position| slices.distance(position)),
            oldest,
            unchanged: self.common.unchanged,
            churn: self.common.churn,
            converged: self.common.converged,
        }
    }
}
