//! Not a protocol: a set as a session by sketches needs it.

use alloc::vec::Vec;

use crate::sketch::{Fingerprint, SetSketch};

/// A set that sketches tell of, and of which it can be asked who is in it.
///
/// ```
/// use gossip_entropy::reconcile::Known;
/// use gossip_entropy::sketch::Fingerprint;
///
/// let set = Known::new([Fingerprint(9), Fingerprint(7), Fingerprint(9)]);
/// assert!(set.has(Fingerprint(9).id()) && !set.has(Fingerprint(8).id()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// In their order.
    ids: Vec<u64>,
    sketch: SetSketch,
}

impl Known {
    /// Of the elements with these fingerprints. Of several that share an
    /// [identifier](Fingerprint::id) the least is taken; those who do not know the secret of the
    /// fingerprints bring none about.
    pub fn new(prints: impl IntoIterator<Item = Fingerprint>) -> Self {
        let mut known = Self::default();
        known.extend(prints);
        known
    }

    /// Adds elements, but for those whose identifier is there.
    pub(super) fn extend(&mut self, prints: impl IntoIterator<Item = Fingerprint>) {
        let is_new = |print: &Fingerprint| !self.has(print.id());
        let mut prints: Vec<Fingerprint> = prints.into_iter().filter(is_new).collect();
        prints.sort_unstable_by_key(|print| (print.id(), *print));
        prints.dedup_by_key(|print| print.id());
        for &print in &prints {
            self.sketch.insert(print);
        }
        self.ids.extend(prints.into_iter().map(Fingerprint::id));
        self.ids.sort_unstable();
    }

    /// The sketches.
    pub const fn sketch(&self) -> &SetSketch {
        &self.sketch
    }

    /// The identifiers, in their order.
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// Whether an element has this identifier.
    pub fn has(&self, id: u64) -> bool {
        self.ids.binary_search(&id).is_ok()
    }
}
