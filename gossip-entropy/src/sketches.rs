//! Not a protocol: sketches of a replica's entries, and by which identifiers they are known there.

use alloc::vec::Vec;

use gossip_core::PeerId;

use crate::path::Path;
use crate::sketch::{Fingerprint, SetSketch};
use crate::store::Store;
use crate::tree::{LEAF, Tree};

/// Changes of our own during a comparison before it is given up. Our choice.
pub(crate) const RESTLESS: usize = 1 << 12;

/// The identifier of an item of the tree: the first half of its position, then of its hash.
fn identifier(position: u64, hash: u64) -> u64 {
    ((position >> 32) << 31 | hash >> 33).max(1)
}

/// What an identifier has of its key: the same for all versions of it.
pub(crate) const fn key_half(id: u64) -> u32 {
    (id >> 31) as u32
}

/// Sketches of a store's entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sketches {
    pub(crate) set: SetSketch,
    /// Identifiers that came or went since a comparison has last looked.
    pub(crate) toggled: Vec<u64>,
}

impl Sketches {
    fn print(tree: &Tree, slot: u32) -> Fingerprint {
        let (position, hash) = (tree.position(slot), tree.hash(slot));
        Fingerprint(u128::from(hash) << 64 | u128::from(identifier(position, hash)))
    }

    pub(crate) fn insert(&mut self, tree: &Tree, slot: u32) {
        let print = Self::print(tree, slot);
        self.set.insert(print);
        self.note(print.id());
    }

    pub(crate) fn remove(&mut self, tree: &Tree, slot: u32) {
        let print = Self::print(tree, slot);
        self.set.remove(print);
        self.note(print.id());
    }

    fn note(&mut self, id: u64) {
        if self.toggled.len() <= RESTLESS {
            self.toggled.push(id);
        }
    }
}

impl<I: PeerId> Store<I> {
    pub(crate) fn identifier(&self, slot: u32) -> u64 {
        identifier(self.tree().position(slot), self.tree().hash(slot))
    }

    /// The slots of entries whose identifiers have this half: seldom more than one.
    pub(crate) fn of_half(&self, half: u32) -> Vec<u32> {
        let mut found = Vec::new();
        // A one, and the eight digits that positions begin with.
        if let Some(path) = Path::read(1 << 32 | u64::from(half)) {
            self.tree().visit(path, 0, &mut |slot| {
                found.push(slot);
                found.len() < LEAF
            });
        }
        found
    }

    /// The slot of the entry with an identifier.
    pub(crate) fn identified(&self, id: u64) -> Option<u32> {
        self.of_half(key_half(id)).into_iter().find(|&slot| self.identifier(slot) == id)
    }
}
