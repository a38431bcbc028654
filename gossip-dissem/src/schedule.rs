//! Things with deadlines, by name and by time.
//!
//! Not a protocol: a table of Plumtree's.

use alloc::collections::{BTreeMap, BTreeSet};

use gossip_core::Time;

/// Entries with a deadline each: found by key, taken by time.
#[derive(Clone, Debug)]
pub(crate) struct Schedule<K, V> {
    entries: BTreeMap<K, (Time, V)>,
    order: BTreeSet<(Time, K)>,
}

impl<K: Ord + Copy, V> Default for Schedule<K, V> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), order: BTreeSet::new() }
    }
}

impl<K: Ord + Copy, V> Schedule<K, V> {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// When the first is due; never if there is none.
    pub(crate) fn next(&self) -> Time {
        self.order.first().map_or(Time::NEVER, |first| first.0)
    }

    /// The first that is due by `now`, which stays.
    pub(crate) fn due(&self, now: Time) -> Option<K> {
        self.order.first().filter(|first| first.0 <= now).map(|first| first.1)
    }

    /// Those due by `now`, in order, which stay.
    pub(crate) fn all_due(&self, now: Time) -> impl Iterator<Item = K> {
        self.order.iter().take_while(move |entry| entry.0 <= now).map(|entry| entry.1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|entry| &mut entry.1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.entries.iter().map(|(&key, entry)| (key, &entry.1))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (K, &mut V)> {
        self.entries.iter_mut().map(|(&key, entry)| (key, &mut entry.1))
    }

    /// Takes in an entry, in place of one of the same key.
    pub(crate) fn insert(&mut self, key: K, due: Time, value: V) {
        self.remove(&key);
        self.order.insert((due, key));
        self.entries.insert(key, (due, value));
    }

    /// Sets the deadline of an entry that is there.
    pub(crate) fn postpone(&mut self, key: &K, due: Time) {
        if let Some((at, _)) = self.entries.get_mut(key) {
            self.order.remove(&(*at, *key));
            *at = due;
            self.order.insert((due, *key));
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let (due, value) = self.entries.remove(key)?;
        self.order.remove(&(due, *key));
        Some(value)
    }
}
