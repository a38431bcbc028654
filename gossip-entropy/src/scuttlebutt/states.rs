//! What is known of every origin, by key and by version.
//!
//! Not a protocol: the tables of the one in `scuttlebutt.rs`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use gossip_core::wire::Blob;
use gossip_core::{PeerId, Random};

use super::Order;
use super::message::{Delta, Digest, Known};
use crate::page::Page;

/// What one origin has said.
#[derive(Clone, Debug)]
pub(super) struct Held<const KEY: usize, const VALUE: usize> {
    pub(super) generation: u64,
    /// The highest version known; all up to it that was not superseded is here.
    pub(super) version: u64,
    keys: BTreeMap<Blob<KEY>, (u64, Option<Blob<VALUE>>)>,
    versions: BTreeMap<u64, Blob<KEY>>,
}

impl<const KEY: usize, const VALUE: usize> Held<KEY, VALUE> {
    pub(super) const fn new(generation: u64) -> Self {
        Self { generation, version: 0, keys: BTreeMap::new(), versions: BTreeMap::new() }
    }

    pub(super) fn get(&self, key: &Blob<KEY>) -> Option<&Blob<VALUE>> {
        self.keys.get(key).and_then(|(_, value)| value.as_ref())
    }

    /// Keys that have a value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Blob<KEY>, &Blob<VALUE>)> {
        self.keys.iter().filter_map(|(key, (_, value))| Some((key, value.as_ref()?)))
    }

    /// Whether it has room for this key.
    pub(super) fn has_room(&self, key: &Blob<KEY>, limit: usize) -> bool {
        self.keys.len() < limit || self.keys.contains_key(key)
    }

    /// Whether there are keys without a value.
    pub(super) fn has_removed(&self) -> bool {
        self.iter().count() < self.keys.len()
    }

    /// A key has this value as of this version, which must be higher than all before.
    pub(super) fn put(&mut self, key: Blob<KEY>, version: u64, value: Option<Blob<VALUE>>) {
        if let Some((last, _)) = self.keys.insert(key.clone(), (version, value)) {
            self.versions.remove(&last);
        }
        self.versions.insert(version, key);
        self.version = version;
    }

    /// The same keys and values, each with a new version, in another life.
    pub(super) fn reborn(&self, generation: u64) -> Self {
        let mut next = Self::new(generation);
        for (version, (key, value)) in (1..).zip(self.iter()) {
            next.put(key.clone(), version, Some(value.clone()));
        }
        next
    }

    fn later_than(&self, version: u64) -> impl Iterator<Item = (u64, &Blob<KEY>)> {
        let later = (Bound::Excluded(version), Bound::Unbounded);
        self.versions.range(later).map(|(&version, key)| (version, key))
    }
}

/// What became of a delta.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    New,
    Known,
    /// Something before it has not come.
    Gap,
    /// There is no room for its origin or its key.
    Full,
}

/// All origins.
#[derive(Clone, Debug)]
pub(super) struct States<I: PeerId, const KEY: usize, const VALUE: usize> {
    pub(super) all: BTreeMap<I, Held<KEY, VALUE>>,
    /// The most origins, and the most keys of each.
    pub(super) limits: (usize, usize),
}

/// One origin's part in an answer: what comes after the version that is known there.
struct Part<'a, I, const KEY: usize, const VALUE: usize> {
    origin: I,
    held: &'a Held<KEY, VALUE>,
    after: u64,
    later: Vec<(u64, &'a Blob<KEY>)>,
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> States<I, KEY, VALUE> {
    /// Somebody knows this life of an origin. Returns whether what was known here is of an earlier
    /// one, and no longer holds.
    pub(super) fn outlives(&mut self, origin: I, generation: u64) -> bool {
        let held = self.all.get_mut(&origin).filter(|held| held.generation < generation);
        held.map(|held| *held = Held::new(generation)).is_some()
    }

    pub(super) fn take(&mut self, delta: Delta<I, KEY, VALUE>) -> Taken {
        let Delta { origin, generation, after, version, key, value } = delta;
        let (origins, keys) = self.limits;
        if !self.all.contains_key(&origin) && self.all.len() >= origins {
            return Taken::Full;
        }
        let held = self.all.entry(origin).or_insert_with(|| Held::new(generation));
        if generation < held.generation || version <= held.version {
            Taken::Known
        } else if after > held.version {
            Taken::Gap
        } else if !held.has_room(&key, keys) {
            Taken::Full
        } else {
            held.put(key, version, value);
            Taken::New
        }
    }

    /// As much as fits a message, from `start` on, or from the lowest if all do.
    pub(super) fn digest(&self, start: I) -> Digest<I> {
        let all = self.within(None, None);
        if all.to.is_none() {
            return all;
        }
        self.within(Some(start), None)
    }

    /// How far the origins of a range are known; ends earlier, if they do not fit.
    pub(super) fn within(&self, from: Option<I>, to: Option<I>) -> Digest<I> {
        let (mut known, mut last) = (Page::new(), None);
        for (&origin, held) in self.range(from, to) {
            let Held { generation, version, .. } = *held;
            if !known.push(&Known { origin, generation, version }) {
                return Digest { from, to: last.or(from), known };
            }
            last = Some(origin);
        }
        Digest { from, to, known }
    }

    /// The origins from one name to another, both included, around the circle of names; without an
    /// end, all, from there on.
    fn range(
        &self,
        from: Option<I>,
        to: Option<I>,
    ) -> impl Iterator<Item = (&I, &Held<KEY, VALUE>)> {
        let first = from.map_or(Bound::Unbounded, Bound::Included);
        let (end, rest) = match (from, to) {
            (Some(from), Some(to)) if to < from => (Bound::Unbounded, Some(Bound::Included(to))),
            (Some(from), None) => (Bound::Unbounded, Some(Bound::Excluded(from))),
            (_, to) => (to.map_or(Bound::Unbounded, Bound::Included), None),
        };
        let rest = rest.map(|end| self.all.range((Bound::Unbounded, end)));
        self.all.range((first, end)).chain(rest.into_iter().flatten())
    }

    /// What is here and not in `digest`, at most `most` deltas, and whether there is more: of each
    /// origin the lowest versions first.
    pub(super) fn deltas(
        &self,
        digest: &Digest<I>,
        order: Order,
        most: usize,
        random: &mut Random,
    ) -> (Vec<Delta<I, KEY, VALUE>>, bool) {
        let known: BTreeMap<I, Known<I>> =
            digest.known.iter().map(|known| (known.origin, known)).collect();
        let mut parts: Vec<Part<'_, I, KEY, VALUE>> = Vec::new();
        for (&origin, held) in self.range(digest.from, digest.to) {
            let theirs = known.get(&origin).filter(|known| known.generation >= held.generation);
            let after = match theirs {
                Some(known) if known.generation > held.generation => continue,
                Some(known) => known.version,
                None => 0,
            };
            let later: Vec<_> = held.later_than(after).take(most + 1).collect();
            if !later.is_empty() {
                parts.push(Part { origin, held, after, later });
            }
        }
        random.shuffle(&mut parts);
        if order == Order::Depth {
            parts.sort_by_key(|part| core::cmp::Reverse(part.later.len()));
        }
        let all: usize = parts.iter().map(|part| part.later.len()).sum();
        let deltas = match order {
            Order::Depth => parts.iter().flat_map(Part::deltas).take(most).collect(),
            Order::Breadth => breadth(&parts, most),
        };
        (deltas, all > most)
    }
}

/// The first of each, then the second of each, and so on.
fn breadth<I: PeerId, const KEY: usize, const VALUE: usize>(
    parts: &[Part<'_, I, KEY, VALUE>],
    most: usize,
) -> Vec<Delta<I, KEY, VALUE>> {
    let mut each: Vec<_> = parts.iter().map(Part::deltas).collect();
    let mut deltas = Vec::new();
    while deltas.len() < most && !each.is_empty() {
        each.retain_mut(|part| {
            let next = part.next();
            let more = next.is_some();
            deltas.extend(next);
            more
        });
    }
    deltas.truncate(most);
    deltas
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> Part<'_, I, KEY, VALUE> {
    fn deltas(&self) -> impl Iterator<Item = Delta<I, KEY, VALUE>> {
        let Part { origin, held, .. } = *self;
        let mut after = self.after;
        self.later.iter().filter_map(move |&(version, key)| {
            let (_, value) = held.keys.get(key)?;
            let (key, value) = (key.clone(), value.clone());
            let before = core::mem::replace(&mut after, version);
            let generation = held.generation;
            Some(Delta { origin, generation, after: before, version, key, value })
        })
    }
}
