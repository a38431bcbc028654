//! What was ignored, refused or shed, counted by layer and cause.

use alloc::collections::BTreeMap;

/// Counters by layer and cause. Both are names written in the code, so the table is bounded.
///
/// ```
/// let mut counts = gossip_core::Counts::default();
/// counts.add("peers", "stale reply");
/// assert_eq!(counts.get("peers", "stale reply"), 1);
/// assert_eq!(counts.total("stale reply"), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<(&'static str, &'static str), u64>);

impl Counts {
    /// One more of `cause` at `layer`.
    pub fn add(&mut self, layer: &'static str, cause: &'static str) {
        let count = self.0.entry((layer, cause)).or_default();
        *count = count.saturating_add(1);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (&name, &count) in &other.0 {
            let mine = self.0.entry(name).or_default();
            *mine = mine.saturating_add(count);
        }
    }

    /// How often `cause` was counted at `layer`.
    pub fn get(&self, layer: &str, cause: &str) -> u64 {
        self.iter().find(|row| row.0 == layer && row.1 == cause).map_or(0, |row| row.2)
    }

    /// How often `cause` was counted, over all layers.
    pub fn total(&self, cause: &str) -> u64 {
        self.iter().filter(|row| row.1 == cause).map(|row| row.2).sum()
    }

    /// Every counter: layer, cause, count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        self.0.iter().map(|(&(layer, cause), &count)| (layer, cause, count))
    }
}
