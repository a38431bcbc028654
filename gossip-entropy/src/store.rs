//! The entries of a replica: last writer wins, deletions are remembered.
//!
//! Demers et al., *Epidemic algorithms for replicated database maintenance*, PODC 1987, section 1.1
//! (the database: key, value or NIL, timestamp) and section 1.3 (checksums kept with each change).
//!
//! # Deviations from the paper
//!
//! - Where two versions have one stamp, which the paper rules out and a node that lost its state
//!   may bring about, a deletion wins over a value and a greater value over a lesser one.
//!
//! # Memory
//!
//! With `u32` identifiers: a slot 80 bytes, an item of the digest tree 24, its nodes 11 to 22, an
//! entry of the order by key about 30, of the order of changes about 20, the key's block 16, and
//! what the allocator adds to three blocks: about 216 bytes beside key, value and
//! signature. The tables of
//! slots and items double when they are full, so that a third of that may be reserved in advance.

use core::cmp::Ordering;
use core::hash::Hasher;
use core::ops::Bound;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use gossip_core::{PeerId, Wire};
use siphasher::sip::SipHasher24;

use crate::config::Secret;
use crate::graves::Dormant;
use crate::merge::Join;
use crate::message::Grave;
use crate::seal::{Said, Seal};
use crate::sketches::Sketches;
use crate::stamp::Stamp;
use crate::tree::Tree;

/// What became of an entry that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Merged {
    /// It is newer than what was here, and replaced it.
    Taken,
    /// The same is here already.
    Known,
    /// What is here is newer, and stays.
    Older,
    /// Its stamp is too far ahead of this node's clock; refused.
    FarFuture,
    /// The key is new and the store is full; refused.
    Full,
    /// It bears no signature of who may write it, and this replica wants one; refused.
    Unsigned,
    /// The key is new and too many keys share its hash, which happens by design only; refused.
    Crowded,
    /// It is a certificate of a deletion so old that all discard it; not taken.
    Expired,
    /// It belongs to a state older than what certificates of deletions are kept for; set aside.
    Outdated,
    /// Values merge here, and this is none, or does not merge with the one that is here; refused.
    Invalid,
}

/// A value, or the certificate of its deletion.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Held<I: PeerId> {
    Value(Box<[u8]>),
    Deleted(Box<Grave<I>>),
}

impl<I: PeerId> Held<I> {
    pub(crate) fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Value(value) => Some(value),
            Self::Deleted(_) => None,
        }
    }

    fn fits(&self, longest: usize) -> bool {
        self.value().is_none_or(|value| value.len() <= longest)
    }

    pub(crate) fn grave(&self) -> Option<&Grave<I>> {
        match self {
            Self::Value(_) => None,
            Self::Deleted(grave) => Some(grave),
        }
    }
}

/// An entry's present state.
#[derive(Clone, Debug)]
pub(crate) struct Slot<I: PeerId> {
    pub(crate) key: Arc<[u8]>,
    pub(crate) stamp: Stamp<I>,
    pub(crate) state: Held<I>,
    /// Its seal and signature, as they came.
    pub(crate) seal: Seal,
    /// The number of its last change.
    pub(crate) changed: u64,
}

impl<I: PeerId> Slot<I> {
    /// Since when it spreads, in microseconds of the wall.
    pub(crate) fn since(&self) -> u64 {
        self.state.grave().map_or(self.stamp.micros, |grave| grave.activated)
    }
}

/// Values kept aside, by key.
type Aside<I> = BTreeMap<Box<[u8]>, (Stamp<I>, Box<[u8]>, Seal)>;

/// Entries by key, by position, by change, and deletions by age.
#[derive(Clone, Debug)]
pub(crate) struct Store<I: PeerId> {
    keys: BTreeMap<Arc<[u8]>, u32>,
    slots: Vec<Slot<I>>,
    tree: Tree,
    /// Sketches of all entries, where they are kept.
    pub(crate) sketches: Option<Sketches>,
    /// Slots by the number of their last change.
    changes: BTreeMap<u64, u32>,
    changed: u64,
    /// Slots of deletions by activation.
    graves: BTreeSet<(u64, u32)>,
    pub(crate) dormant: Dormant<I>,
    /// Values that may have been deleted while this replica was cut off, by key.
    pub(crate) aside: Aside<I>,
    /// How values merge; none: the last writer wins.
    join: Option<Join>,
    /// The most bytes of a value.
    longest: usize,
    capacity: usize,
    secret: [u64; 2],
}

impl<I: PeerId> Store<I> {
    pub(crate) fn new(
        capacity: usize,
        secret: [u64; 2],
        join: Option<Join>,
        longest: usize,
    ) -> Self {
        Self {
            keys: BTreeMap::new(),
            slots: Vec::new(),
            tree: Tree::new(),
            sketches: None,
            changes: BTreeMap::new(),
            changed: 0,
            graves: BTreeSet::new(),
            dormant: Dormant::new(),
            aside: BTreeMap::new(),
            join,
            longest,
            capacity,
            secret,
        }
    }

    /// Takes an entry if it is newer than what is here, or merges the two.
    pub(crate) fn merge(
        &mut self,
        key: Box<[u8]>,
        stamp: Stamp<I>,
        state: Held<I>,
        seal: Seal,
    ) -> (Merged, Option<u32>) {
        let known = self.keys.get(&key[..]).copied();
        let here = known.map(|slot| self.slot(slot));
        let (stamp, state, seal) = match (self.join, here) {
            (None, _) => (stamp, state, seal),
            (Some(join), here) => match joined(join, here, stamp, &state) {
                // As it came, or made here, and so sealed here.
                Some(joined) if joined.0 == stamp && joined.1 == state => (stamp, state, seal),
                Some((stamp, state)) if state.fits(self.longest) => {
                    let seal = self.seal(&key, &stamp, &state);
                    (stamp, state, seal)
                }
                _ => return (Merged::Invalid, None),
            },
        };
        let Some(slot) = known else { return self.add(key, stamp, state, seal) };
        let here = self.slot(slot);
        let order = if self.join.is_some() && stamp == here.stamp {
            // The stamp here was the later one: what was merged in is news all the same.
            if state == here.state { Ordering::Equal } else { Ordering::Greater }
        } else {
            version(stamp, &state).cmp(&version(here.stamp, &here.state))
        };
        match order {
            Ordering::Less => (Merged::Older, Some(slot)),
            Ordering::Equal => (Merged::Known, Some(slot)),
            Ordering::Greater => {
                let hash = self.hash(&key, &stamp, &state);
                self.forget(slot);
                let here = &mut self.slots[slot as usize];
                (here.stamp, here.state, here.seal) = (stamp, state, seal);
                self.tree.change(slot, hash);
                self.remember(slot);
                (Merged::Taken, Some(slot))
            }
        }
    }

    fn add(
        &mut self,
        key: Box<[u8]>,
        stamp: Stamp<I>,
        state: Held<I>,
        seal: Seal,
    ) -> (Merged, Option<u32>) {
        if self.is_full() {
            return (Merged::Full, None);
        }
        let hash = self.hash(&key, &stamp, &state);
        let Some(slot) = self.tree.insert(self.place(&key), hash) else {
            return (Merged::Crowded, None);
        };
        let key = Arc::<[u8]>::from(key);
        let entry = Slot { key: Arc::clone(&key), stamp, state, seal, changed: 0 };
        match self.slots.get_mut(slot as usize) {
            Some(free) => *free = entry,
            None => self.slots.push(entry),
        }
        self.keys.insert(key, slot);
        self.remember(slot);
        (Merged::Taken, Some(slot))
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.forget(slot);
        self.tree.remove(slot);
        let free = &mut self.slots[slot as usize];
        self.keys.remove(&free.key);
        (free.key, free.state) = (Arc::default(), Held::Value(Box::default()));
    }

    /// Puts the state of a slot in the orders of change and of age.
    fn remember(&mut self, slot: u32) {
        self.changed += 1;
        self.changes.insert(self.changed, slot);
        if let Some(sketches) = &mut self.sketches {
            sketches.insert(&self.tree, slot);
        }
        let entry = &mut self.slots[slot as usize];
        entry.changed = self.changed;
        if let Some(grave) = entry.state.grave() {
            self.graves.insert((grave.activated, slot));
        }
    }

    fn forget(&mut self, slot: u32) {
        if let Some(sketches) = &mut self.sketches {
            sketches.remove(&self.tree, slot);
        }
        let entry = &self.slots[slot as usize];
        self.changes.remove(&entry.changed);
        if let Some(grave) = entry.state.grave() {
            self.graves.remove(&(grave.activated, slot));
        }
    }

    /// The slot of the deletion activated first, if that was before `micros`.
    pub(crate) fn first_grave(&self, micros: u64) -> Option<u32> {
        self.graves.first().filter(|first| first.0 < micros).map(|first| first.1)
    }

    /// Where a key stands in the tree.
    pub(crate) fn place(&self, key: &[u8]) -> u64 {
        SipHasher24::new_with_keys(self.secret[0], !self.secret[1]).hash(key)
    }

    /// The seal of an entry that is merged here: it is nobody's alone, and bears no signature.
    fn seal(&self, key: &[u8], stamp: &Stamp<I>, state: &Held<I>) -> Seal {
        let said = Said::new(key, stamp, state.grave(), state.value());
        Seal { check: said.check(self.secret, &[]), signature: Box::default() }
    }

    pub(crate) const fn secret(&self) -> Secret {
        Secret(self.secret)
    }

    /// The hash of an entry: of the stamp too, or two writers of one value would look alike, and a
    /// value that was deleted and set again like one that never was.
    fn hash(&self, key: &[u8], stamp: &Stamp<I>, state: &Held<I>) -> u64 {
        let mut fixed = Vec::with_capacity(80);
        fixed.extend_from_slice(&(key.len() as u64).to_le_bytes());
        stamp.encode(&mut fixed);
        fixed.push(u8::from(state.value().is_some()));
        state.grave().into_iter().for_each(|grave| grave.encode(&mut fixed));
        let mut hasher = SipHasher24::new_with_keys(self.secret[0], self.secret[1]);
        hasher.write(&fixed);
        hasher.write(key);
        hasher.write(state.value().unwrap_or_default());
        hasher.finish()
    }

    /// Takes the values stamped before `micros` out, and keeps them aside. Returns their slots.
    pub(crate) fn set_aside(&mut self, micros: u64) -> Vec<u32> {
        let old = |slot: &u32| {
            let entry = self.slot(*slot);
            entry.stamp.micros < micros && entry.state.value().is_some()
        };
        let slots: Vec<u32> = self.keys.values().copied().filter(old).collect();
        for &slot in &slots {
            let Slot { key, stamp, state, seal, .. } = self.slot(slot).clone();
            self.remove(slot);
            if let Held::Value(value) = state {
                self.aside.insert((*key).into(), (stamp, value, seal));
            }
        }
        slots
    }

    /// Keeps a value aside, if nothing as new is here and there is room.
    pub(crate) fn doubt(&mut self, key: &[u8], stamp: Stamp<I>, value: &[u8], seal: Seal) {
        let kept = self.aside.get(key).map(|kept| kept.0);
        let newest = kept.max(self.get(key).map(|slot| slot.stamp)).max(self.dormant.stamp(key));
        if newest < Some(stamp) && (kept.is_some() || !self.is_full()) {
            self.aside.insert(key.into(), (stamp, value.into(), seal));
        }
    }

    /// A version of `key` with this stamp is there: one as old, or older, needs no keeping aside.
    pub(crate) fn settle(&mut self, key: &[u8], stamp: Stamp<I>) {
        if self.aside.get(key).is_some_and(|kept| kept.0 <= stamp) {
            self.aside.remove(key);
        }
    }

    /// How many keys there are, remembered and set aside in any way.
    pub(crate) fn used(&self) -> usize {
        self.keys.len() + self.dormant.len() + self.aside.len()
    }

    /// Whether a newer version of `key` takes no room.
    pub(crate) fn knows(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
            || self.dormant.stamp(key).is_some()
            || self.aside.contains_key(key)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.used() >= self.capacity
    }

    pub(crate) const fn merges(&self) -> bool {
        self.join.is_some()
    }

    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        self.keys.get(key).copied()
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot<I>> {
        self.find(key).map(|slot| self.slot(slot))
    }

    pub(crate) fn slot(&self, slot: u32) -> &Slot<I> {
        &self.slots[slot as usize]
    }

    /// Keys that have a value.
    pub(crate) fn live(&self) -> usize {
        self.keys.len() - self.graves.len()
    }

    /// Keys, deleted ones included.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The number of the last change.
    pub(crate) const fn changed(&self) -> u64 {
        self.changed
    }

    pub(crate) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// All entries that changed after change number `after`, oldest change first.
    pub(crate) fn changed_since(&self, after: u64) -> impl Iterator<Item = (u64, &Slot<I>)> {
        let from = (Bound::Excluded(after), Bound::Unbounded);
        self.changes.range(from).map(|(&number, &slot)| (number, self.slot(slot)))
    }

    /// All entries whose keys are at or above `from`, in the order of keys.
    pub(crate) fn scan(&self, from: Bound<&[u8]>) -> impl Iterator<Item = &Slot<I>> {
        self.keys.range::<[u8], _>((from, Bound::Unbounded)).map(|row| self.slot(*row.1))
    }
}

/// What the entry that came makes of the one that is here: the later stamp, and the values merged.
fn joined<I: PeerId>(
    join: Join,
    here: Option<&Slot<I>>,
    stamp: Stamp<I>,
    state: &Held<I>,
) -> Option<(Stamp<I>, Held<I>)> {
    let came = state.value()?;
    let mine = match here {
        Some(here) => here.state.value()?,
        None => came,
    };
    let value = join(mine, came)?.into_boxed_slice();
    Some((here.map_or(stamp, |here| here.stamp.max(stamp)), Held::Value(value)))
}

/// What is compared to tell which of two versions of a key stays. Stamps differ, unless a node lost
/// its state and its clock went back; then deletions win over values, the one activated last over
/// others, and greater values over lesser ones, so that all replicas decide alike.
fn version<I: PeerId>(
    stamp: Stamp<I>,
    state: &Held<I>,
) -> (Stamp<I>, Option<&Grave<I>>, Option<&[u8]>) {
    (stamp, state.grave(), state.value())
}
