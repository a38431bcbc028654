//! What was ignored, refused or shed, counted by layer and cause.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

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

/// What each layer of a stack has sent. Layers are named in the code, so the table is bounded.
///
/// ```
/// let mut sent = gossip_core::Sent::default();
/// sent.add("peers", 30);
/// sent.add("peers", 12);
/// assert_eq!((sent.get("peers").frames, sent.get("peers").bytes), (2, 42));
/// assert_eq!(sent.get("load").frames, 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent(Vec<(&'static str, Share)>);

/// Frames, and the bytes of their messages, tags and lengths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Frames.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sent {
    /// One more frame of `layer`, of so many bytes. A stack's own messages have no name.
    #[inline]
    pub fn add(&mut self, layer: &'static str, bytes: usize) {
        // Nearly always the very same name, which comparing addresses shows.
        let same = |name: &str| core::ptr::eq(name, layer) || name == layer;
        let at = self.0.iter().position(|row| same(row.0)).unwrap_or_else(|| {
            self.0.push((layer, Share::default()));
            self.0.len() - 1
        });
        let share = &mut self.0[at].1;
        share.frames += 1;
        share.bytes += bytes as u64;
    }

    /// What `layer` has sent.
    pub fn get(&self, layer: &str) -> Share {
        self.iter().find(|row| row.0 == layer).map_or(Share::default(), |row| row.1)
    }

    /// Every layer that has sent something, in the order of their first frames.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, Share)> {
        self.0.iter().copied()
    }
}
