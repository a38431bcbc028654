//! Not a protocol: values of the user's own that merge, [`Merge`].

use alloc::vec::Vec;

/// Values of which none replaces another: counters, sets, documents.
///
/// A merge must be commutative, associative and idempotent on what it accepts, or replicas never
/// agree. Such values are not deleted: what is gone is for the value itself to say, as an empty
/// one, because a part that had been deleted could come back by a merge.
///
/// ```
/// use gossip_entropy::{Config, Merge, Merged, Replica, Stamp, message::Update};
/// use gossip_core::Blob;
///
/// /// The greatest byte string.
/// struct Greatest;
///
/// impl Merge for Greatest {
///     fn merge(here: &[u8], came: &[u8]) -> Option<Vec<u8>> {
///         Some(here.max(came).to_vec())
///     }
/// }
///
/// let mut high = Replica::<u32, 8, 8>::merging::<Greatest>(Config::default())?;
/// for (micros, value) in [(1, "b"), (2, "a")] {
///     let stamp = Stamp { micros, count: 0, origin: 7 };
///     let entry = Update::new(Blob::new("score")?, stamp, Some(Blob::new(value)?));
///     high.restore(entry, 10);
/// }
/// assert_eq!(high.get(b"score"), Some(&b"b"[..]), "the later write is not the greater one");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Merge {
    /// The two in one; `merge(v, v)` is `v`. None, and the entry is refused and counted, if one of
    /// them is not a value of this kind, or the result would be too long.
    fn merge(here: &[u8], came: &[u8]) -> Option<Vec<u8>>;
}

/// A merge, as the store knows it.
pub(crate) type Join = fn(&[u8], &[u8]) -> Option<Vec<u8>>;
