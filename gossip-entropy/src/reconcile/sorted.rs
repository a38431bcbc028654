//! Not a protocol: a set in an order of its own, as ranges and peeling back need it.

use core::ops::Range;

use alloc::vec::Vec;

use gossip_core::message;

use crate::sketch::Fingerprint;

message! {
    /// An element, as it stands in the order of its set.
    #[derive(Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Item {
        /// By which items are ordered first; time, for instance.
        pub order: u64,
        /// The element's fingerprint, the highest byte first.
        pub print: [u8; 16],
    }
}

impl Item {
    pub(super) const FIRST: Self = Self { order: 0, print: [0; 16] };
    pub(super) const LAST: Self = Self { order: u64::MAX, print: [u8::MAX; 16] };

    /// The element of this fingerprint.
    pub const fn new(order: u64, print: Fingerprint) -> Self {
        Self { order, print: print.0.to_be_bytes() }
    }

    /// The element's fingerprint.
    pub const fn print(&self) -> Fingerprint {
        Fingerprint(self.bits())
    }

    pub(super) const fn bits(&self) -> u128 {
        u128::from_be_bytes(self.print)
    }

    /// The next in order, of all that there could be.
    pub(super) const fn next(&self) -> Self {
        match self.bits().checked_add(1) {
            Some(bits) => Self { order: self.order, print: bits.to_be_bytes() },
            None => Self { order: self.order.saturating_add(1), print: [0; 16] },
        }
    }
}

/// A set in order, with sums of all its ranges.
///
/// ```
/// use gossip_entropy::reconcile::{Item, Sorted};
/// use gossip_entropy::sketch::Fingerprint;
///
/// let set = Sorted::new([Item::new(2, Fingerprint(7)), Item::new(1, Fingerprint(9))]);
/// assert_eq!(set.items()[0].order, 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sorted {
    items: Vec<Item>,
    /// The sum of the fingerprints of all items before the one at the same place.
    sums: Vec<u128>,
}

impl Sorted {
    /// Sorts items, and drops those that are there twice.
    pub fn new(items: impl IntoIterator<Item = Item>) -> Self {
        let mut sorted = Self::default();
        sorted.extend(items);
        sorted
    }

    /// Adds items, but for those that are there.
    pub(super) fn extend(&mut self, items: impl IntoIterator<Item = Item>) {
        self.items.extend(items);
        self.items.sort();
        self.items.dedup();
        self.sums.clear();
        self.sums.push(0);
        let mut sum = 0u128;
        for item in &self.items {
            sum = sum.wrapping_add(item.bits());
            self.sums.push(sum);
        }
    }

    /// All items, in order.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// How many items come before `item`.
    pub(super) fn before(&self, item: &Item) -> usize {
        self.items.partition_point(|other| other < item)
    }

    /// How many items come before `item` or are the same.
    pub(super) fn up_to(&self, item: &Item) -> usize {
        self.items.partition_point(|other| other <= item)
    }

    /// The sum of the fingerprints of the items from one place to another.
    pub(super) fn sum(&self, places: Range<usize>) -> u128 {
        let at = |place: usize| self.sums.get(place).copied().unwrap_or_default();
        at(places.end).wrapping_sub(at(places.start))
    }

    /// The sum of all fingerprints.
    pub(super) fn total(&self) -> u128 {
        self.sum(0..self.items.len())
    }
}
