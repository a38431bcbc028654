//! Not a protocol: a set as every way of reconciliation needs it.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::range::{Item, Sorted};
use crate::sketch::SetSketch;

/// A set that both sides of every way can be asked about: in order, by identifiers, in sketches.
///
/// ```
/// use gossip_entropy::reconcile::Known;
/// use gossip_entropy::reconcile::range::Item;
/// use gossip_entropy::sketch::Fingerprint;
///
/// let set = Known::new([Item::new(2, Fingerprint(7)), Item::new(1, Fingerprint(9))]);
/// assert_eq!(set.ids(), [7, 9]);
/// assert!(set.has(9) && !set.has(8));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Known {
    sorted: Sorted,
    ids: Vec<u64>,
    sketch: SetSketch,
}

impl Known {
    /// Of these items. Of several that share an [identifier](crate::sketch::Fingerprint::id), the
    /// first in order is taken; those who do not know the secret of the fingerprints bring none
    /// about.
    pub fn new(items: impl IntoIterator<Item = Item>) -> Self {
        let mut by_id: BTreeMap<u64, Item> = BTreeMap::new();
        for item in items {
            let kept = by_id.entry(item.print().id()).or_insert(item);
            *kept = item.min(*kept);
        }
        let mut sketch = SetSketch::default();
        for item in by_id.values() {
            sketch.insert(item.print());
        }
        let ids = by_id.keys().copied().collect();
        Self { sorted: Sorted::new(by_id.into_values()), ids, sketch }
    }

    /// In order.
    pub const fn sorted(&self) -> &Sorted {
        &self.sorted
    }

    /// All identifiers, in their order.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// The sketches.
    pub const fn sketch(&self) -> &SetSketch {
        &self.sketch
    }

    /// Whether an element has this identifier.
    pub fn has(&self, id: u64) -> bool {
        self.ids.binary_search(&id).is_ok()
    }
}
