//! Not a protocol: what a node can tell of its own part in the structure.

use gossip_core::Round;

/// How well this node's links stand, by its own knowledge.
///
/// ```
/// use gossip_overlay::{RingRank, TMan, tman};
///
/// let ring = TMan::<u32, RingRank, 20>::new(tman::Config::new(RingRank::hashed()))?;
/// assert_eq!(ring.health().links, 0);
/// assert!(!ring.health().converged);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Health {
    /// Links there are.
    pub links: usize,
    /// Of these, links believed right: news of the peer is at most two rounds later than it is due.
    /// It is due every round, but every [`refresh`](crate::tree::gap::Config::refresh) rounds in
    /// GAP, and once in a turn through the intervals in Chord.
    pub right: usize,
    /// Rounds since the peer of the link least heard of was last known to speak, of those that
    /// were ever heard.
    pub oldest: Round,
    /// Rounds since a link last changed.
    pub unchanged: Round,
    /// Links that changed in a round: a moving average over some 16 rounds.
    pub churn: f64,
    /// Peers taken for dead since the start.
    pub buried: u64,
    /// Whether the links have stood long enough to say so.
    pub converged: bool,
}

/// What a node notes for its [`Health`], and for saying when it has converged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notes {
    /// Rounds without change.
    pub(crate) unchanged: Round,
    /// Links that changed in this round.
    changes: u32,
    pub(crate) churn: f64,
    pub(crate) buried: u64,
    /// What the owner has heard.
    pub(crate) converged: bool,
}

impl Notes {
    /// So many links are others than before.
    pub(crate) const fn changed(&mut self, links: usize) {
        self.unchanged = 0;
        self.lost(links);
    }

    /// So many are gone, which changes nothing of what is told.
    pub(crate) const fn lost(&mut self, count: usize) {
        self.changes = self.changes.saturating_add(count as u32);
    }

    /// A round begins.
    pub(crate) fn tick(&mut self) {
        self.unchanged = self.unchanged.saturating_add(1);
        self.churn += (f64::from(self.changes) - self.churn) / 16.0;
        self.changes = 0;
    }

    /// The health of a node with so many links, where news of those ever heard is that old, in
    /// rounds, and comes every `due` rounds, 0 for each round.
    pub(crate) fn health(
        &self,
        links: usize,
        due: Round,
        ages: impl Iterator<Item = Round> + Clone,
    ) -> Health {
        Health {
            links,
            right: ages.clone().filter(|&age| age <= due.saturating_add(2)).count(),
            oldest: ages.max().unwrap_or(0),
            unchanged: self.unchanged,
            churn: self.churn,
            buried: self.buried,
            converged: self.converged,
        }
    }
}
