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
//! With `u32` identifiers: a slot 48 bytes, an item of the digest tree 24, its nodes 11 to 22, an
//! entry of the order by key about 30, the key's block 16, and what the allocator adds to three
//! blocks: measured at 10^5 and 10^6 entries, 170 bytes beside key and value. The tables of slots
//! and items double when they are full, so that a third of that may be reserved in advance.

use core::hash::Hasher;
use core::ops::Bound;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use gossip_core::{PeerId, Wire};
use siphasher::sip::SipHasher24;

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
    /// The key is new and too many keys share its hash, which happens by design only; refused.
    Crowded,
}

/// An entry's present state.
#[derive(Clone, Debug)]
pub(crate) struct Slot<I: PeerId> {
    pub(crate) key: Arc<[u8]>,
    pub(crate) stamp: Stamp<I>,
    /// None: deleted.
    pub(crate) value: Option<Box<[u8]>>,
}

/// Entries by key and by position.
#[derive(Clone, Debug)]
pub(crate) struct Store<I: PeerId> {
    keys: BTreeMap<Arc<[u8]>, u32>,
    slots: Vec<Slot<I>>,
    tree: Tree,
    live: usize,
    capacity: usize,
    secret: [u64; 2],
}

impl<I: PeerId> Store<I> {
    pub(crate) fn new(capacity: usize, secret: [u64; 2]) -> Self {
        let (keys, slots, tree) = (BTreeMap::new(), Vec::new(), Tree::new());
        Self { keys, slots, tree, live: 0, capacity, secret }
    }

    /// Takes an entry if it is newer than what is here.
    pub(crate) fn merge(
        &mut self,
        key: Box<[u8]>,
        stamp: Stamp<I>,
        value: Option<Box<[u8]>>,
    ) -> (Merged, Option<u32>) {
        let hash = self.hash(&key, &stamp, value.as_deref());
        let Some(&slot) = self.keys.get(&key[..]) else { return self.add(key, stamp, value, hash) };
        let here = &mut self.slots[slot as usize];
        match version(&stamp, value.as_deref()).cmp(&version(&here.stamp, here.value.as_deref())) {
            core::cmp::Ordering::Less => (Merged::Older, Some(slot)),
            core::cmp::Ordering::Equal => (Merged::Known, Some(slot)),
            core::cmp::Ordering::Greater => {
                self.live -= usize::from(here.value.is_some());
                self.live += usize::from(value.is_some());
                (here.stamp, here.value) = (stamp, value);
                self.tree.change(slot, hash);
                (Merged::Taken, Some(slot))
            }
        }
    }

    fn add(
        &mut self,
        key: Box<[u8]>,
        stamp: Stamp<I>,
        value: Option<Box<[u8]>>,
        hash: u64,
    ) -> (Merged, Option<u32>) {
        if self.is_full() {
            return (Merged::Full, None);
        }
        if !self.tree.insert(self.place(&key), hash) {
            return (Merged::Crowded, None);
        }
        let (slot, key) = (self.slots.len() as u32, Arc::<[u8]>::from(key));
        self.live += usize::from(value.is_some());
        self.slots.push(Slot { key: Arc::clone(&key), stamp, value });
        self.keys.insert(key, slot);
        (Merged::Taken, Some(slot))
    }

    /// Where a key stands in the tree.
    fn place(&self, key: &[u8]) -> u64 {
        SipHasher24::new_with_keys(self.secret[0], !self.secret[1]).hash(key)
    }

    /// The hash of an entry: of the stamp too, or two writers of one value would look alike, and a
    /// value that was deleted and set again like one that never was.
    fn hash(&self, key: &[u8], stamp: &Stamp<I>, value: Option<&[u8]>) -> u64 {
        let mut fixed = Vec::with_capacity(40);
        fixed.extend_from_slice(&(key.len() as u64).to_le_bytes());
        stamp.encode(&mut fixed);
        fixed.push(u8::from(value.is_some()));
        let mut hasher = SipHasher24::new_with_keys(self.secret[0], self.secret[1]);
        hasher.write(&fixed);
        hasher.write(key);
        hasher.write(value.unwrap_or_default());
        hasher.finish()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.slots.len() >= self.capacity
    }

    pub(crate) fn knows(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key)
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&Slot<I>> {
        self.keys.get(key).map(|&slot| self.slot(slot))
    }

    pub(crate) fn slot(&self, slot: u32) -> &Slot<I> {
        &self.slots[slot as usize]
    }

    /// Keys that have a value.
    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// Keys, deleted ones included.
    pub(crate) const fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) const fn tree(&self) -> &Tree {
        &self.tree
    }

    /// All entries whose keys begin with `prefix`, in the order of keys.
    pub(crate) fn scan(&self, prefix: &[u8]) -> impl Iterator<Item = &Slot<I>> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let rows = self.keys.range::<[u8], _>(from).map(|row| self.slot(*row.1));
        rows.take_while(move |slot| slot.key.starts_with(prefix))
    }
}

/// What is compared to tell which of two versions of a key stays. Stamps differ, unless a node lost
/// its state and its clock went back; then deletions win over values, and greater values over
/// lesser ones, so that all replicas decide alike.
fn version<'a, I: PeerId>(
    stamp: &Stamp<I>,
    value: Option<&'a [u8]>,
) -> (Stamp<I>, bool, Option<&'a [u8]>) {
    (*stamp, value.is_none(), value)
}
