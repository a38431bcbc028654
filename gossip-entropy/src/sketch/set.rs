//! Not a protocol: all sketches of one set, kept up to date with every insert and delete.
//!
//! 194 KiB in all, whatever the size of the set: 24 bytes of digest and 16 of check, 208 of
//! estimator, 920 of PinSketch, 192 KiB of cells. Nothing is left to compute when a session begins.

use super::cells::{CELLS, Cell, Cells, checks};
use super::digest::{Check, Digest, Fingerprint};
use super::estimator::{Estimator, LEN};
use super::gf63::Field;
use super::pinsketch::CAPACITY;

/// The sketches of a set of elements, each known by its [`Fingerprint`].
///
/// ```
/// use gossip_entropy::sketch::{Keys, SetSketch};
///
/// let keys = Keys::default();
/// let (mut here, mut there) = (SetSketch::default(), SetSketch::default());
/// here.insert(keys.fingerprint(b"a"));
/// there.insert(keys.fingerprint(b"b"));
/// assert_ne!(here.digest(), there.digest());
/// here.insert(keys.fingerprint(b"b"));
/// here.remove(keys.fingerprint(b"a"));
/// assert_eq!(here, there);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetSketch {
    field: Field,
    digest: Digest,
    check: Check,
    estimator: Estimator,
    root: [u64; CAPACITY],
    cells: Cells,
}

/// Bytes of a set's sketches.
pub const STATE: usize = Digest::LEN + 16 + LEN + CAPACITY * 8 + CELLS * Cell::LEN;

const _: () = assert!(STATE <= 256 << 10, "more than 256 KiB");

impl Default for SetSketch {
    fn default() -> Self {
        Self::new(Field::detect())
    }
}

impl SetSketch {
    /// Of the empty set.
    pub fn new(field: Field) -> Self {
        Self {
            field,
            digest: Digest::default(),
            check: Check::default(),
            estimator: Estimator::default(),
            root: [0; CAPACITY],
            cells: Cells::default(),
        }
    }

    /// Adds an element that is not in the set.
    #[inline]
    pub fn insert(&mut self, element: Fingerprint) {
        self.digest.add(element);
        self.check.add(element.id());
        self.toggle(element.id());
    }

    /// Removes an element that is in the set.
    #[inline]
    pub fn remove(&mut self, element: Fingerprint) {
        self.digest.subtract(element);
        self.check.subtract(element.id());
        self.toggle(element.id());
    }

    #[inline]
    fn toggle(&mut self, id: u64) {
        self.estimator.toggle(checks(id).1);
        self.cells.toggle(id);
        self.field.add_odd_powers(&mut self.root, id);
    }

    /// How to multiply.
    pub const fn field(&self) -> Field {
        self.field
    }

    /// By which equal sets know each other.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The check of the identifiers.
    pub const fn check(&self) -> Check {
        self.check
    }

    /// The estimator of differences.
    pub const fn estimator(&self) -> &Estimator {
        &self.estimator
    }

    /// The PinSketch.
    pub const fn root(&self) -> &[u64; CAPACITY] {
        &self.root
    }

    /// The cells.
    pub const fn cells(&self) -> &Cells {
        &self.cells
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(30))]

        /// Kept up to date, and from scratch, with either way to multiply.
        #[test]
        fn sketches_are_those_of_the_set(
            all in prop::collection::vec(any::<u128>().prop_map(Fingerprint), 0..30),
            removed in any::<u32>(),
        ) {
            let mut kept = SetSketch::default();
            for &element in &all {
                kept.insert(element);
            }
            let (gone, stay): (Vec<_>, Vec<_>) =
                (0..).zip(&all).partition(|(at, _)| removed >> at & 1 == 1);
            for (_, element) in gone {
                kept.remove(*element);
            }
            for field in [Field::detect(), Field::portable()] {
                let mut scratch = SetSketch::new(field);
                for (_, element) in &stay {
                    scratch.insert(**element);
                }
                prop_assert_eq!(kept.digest(), scratch.digest());
                prop_assert_eq!(kept.check(), scratch.check());
                prop_assert_eq!(kept.estimator(), scratch.estimator());
                prop_assert_eq!(kept.root(), scratch.root());
                prop_assert_eq!(kept.cells(), scratch.cells());
            }
        }
    }
}
