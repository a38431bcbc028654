//! Not a protocol: what can be read of a replica.

use core::ops::Bound;

use gossip_core::PeerId;
use gossip_core::wire::Blob;

use crate::descent::update;
use crate::message::{State, Update};
use crate::replica::Replica;
use crate::stamp::Stamp;
use crate::store::Slot;

impl<I: PeerId, const KEY: usize, const VALUE: usize> Replica<I, KEY, VALUE> {
    /// The value of `key`, if it has one.
    pub fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.store.get(key)?.state.value()
    }

    /// Who last wrote or deleted `key`, and when.
    pub fn stamp(&self, key: &[u8]) -> Option<Stamp<I>> {
        self.store.get(key).map(|slot| slot.stamp)
    }

    /// All keys that have values, in their order, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.range(Bound::Unbounded, Bound::Unbounded)
    }

    /// All keys that begin with `prefix` and have values, in their order, with their values.
    pub fn prefix(&self, prefix: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        let rows = self.store.scan(Bound::Included(prefix));
        rows.take_while(move |slot| slot.key.starts_with(prefix)).filter_map(row)
    }

    /// All keys from `from` to `to` that have values, in their order, with their values; none if
    /// the bounds are the wrong way round.
    ///
    /// ```
    /// use core::ops::Bound::{Excluded, Included, Unbounded};
    /// use gossip_core::Blob;
    /// use gossip_entropy::{Config, Replica, Stamp, message::Update};
    ///
    /// let mut data = Replica::<u32, 8, 8>::new(Config::default())?;
    /// for key in ["a", "b", "c"] {
    ///     let stamp = Stamp { micros: 1, count: 0, origin: 7 };
    ///     data.restore(Update::new(Blob::new(key)?, stamp, Some(Blob::new("v")?)), 1);
    /// }
    /// assert_eq!(data.range(Included(b"b"), Unbounded).count(), 2);
    /// assert_eq!(data.range(Excluded(b"a"), Excluded(b"c")).count(), 1);
    /// assert_eq!(data.range(Included(b"c"), Included(b"a")).count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> impl Iterator<Item = (&[u8], &[u8])> {
        let within = move |slot: &&Slot<I>| match to {
            Bound::Included(to) => &slot.key[..] <= to,
            Bound::Excluded(to) => &slot.key[..] < to,
            Bound::Unbounded => true,
        };
        self.store.scan(from).take_while(within).filter_map(row)
    }

    /// All keys that changed after `version`, the change longest ago first: the version after the
    /// change, the key, and its value, none if it was deleted. A key that changed more than once is
    /// told once.
    ///
    /// Who keeps the last version told sees every change, however late, but for deletions of which
    /// the certificate was discarded by then: who was away for longer than
    /// [`Config::tau1`](crate::Config::tau1) reads everything anew.
    ///
    /// ```
    /// use gossip_core::Blob;
    /// use gossip_entropy::{Config, Replica, Stamp, message::Update};
    ///
    /// let mut data = Replica::<u32, 8, 8>::new(Config::default())?;
    /// let mut write = |micros, key: &str, value: Option<&str>| {
    ///     let stamp = Stamp { micros, count: 0, origin: 7 };
    ///     let value = value.map(|value| Blob::new(value).unwrap());
    ///     data.restore(Update::new(Blob::new(key).unwrap(), stamp, value), 9)
    /// };
    /// write(1, "a", Some("x"));
    /// write(2, "b", Some("y"));
    /// write(3, "a", None);
    /// let feed: Vec<_> = data.changed_since(0).collect();
    /// assert_eq!(feed, [(2, &b"b"[..], Some(&b"y"[..])), (3, &b"a"[..], None)]);
    /// assert_eq!(data.changed_since(3).count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn changed_since(&self, version: u64) -> impl Iterator<Item = (u64, &[u8], Option<&[u8]>)> {
        let changed = self.store.changed_since(version);
        changed.map(|(number, slot)| (number, &slot.key[..], slot.state.value()))
    }

    /// The values that may have been deleted while this replica was cut off, in the order of keys:
    /// not read, not told, and not in [`entries`](Self::entries), until a peer sends the same or
    /// something newer, or the owner writes the key or [reclaims](Self::reclaim) them all. They
    /// count towards the capacity.
    pub fn aside(&self) -> impl Iterator<Item = (&[u8], Stamp<I>, &[u8])> {
        let aside = self.store.aside.iter();
        aside.map(|(key, kept)| (&key[..], kept.0, &kept.1[..]))
    }

    /// All entries, deletions and dormant ones included: for a snapshot that
    /// [`rejoin`](Self::rejoin) takes back.
    pub fn entries(&self) -> impl Iterator<Item = Update<I, KEY, VALUE>> {
        let active = self.store.scan(Bound::Unbounded).filter_map(update);
        active.chain(self.store.dormant.iter().filter_map(|(key, kept)| {
            let (stamp, grave, seal) = kept.clone();
            Some(Update::of(Blob::new(key).ok()?, stamp, State::Deleted(grave), &seal))
        }))
    }

    /// How many keys have values.
    pub fn len(&self) -> usize {
        self.store.live()
    }

    /// Whether no key has a value.
    pub fn is_empty(&self) -> bool {
        self.store.live() == 0
    }

    /// How many deleted keys are remembered, and spread to who has not heard.
    pub fn deleted(&self) -> usize {
        self.store.len() - self.store.live()
    }

    /// How many deleted keys are remembered here in case that an obsolete value turns up.
    pub fn dormant(&self) -> usize {
        self.store.dormant.len()
    }

    /// A digest of all keys, values and stamps, deletions included, dormant ones not. Replicas with
    /// the same entries have the same one; with different entries, the same one with probability
    /// 2^-64.
    pub fn digest(&self) -> u64 {
        self.store.tree().digest()
    }
}

fn row<I: PeerId>(slot: &Slot<I>) -> Option<(&[u8], &[u8])> {
    Some((&slot.key[..], slot.state.value()?))
}
