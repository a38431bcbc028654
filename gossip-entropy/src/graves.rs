//! Dormant death certificates: kept by few, for long.
//!
//! Demers, Greene, Hauser, Irish, Larson, Shenker, Sturgis, Swinehart, Terry, *Epidemic algorithms
//! for replicated database maintenance*, PODC 1987, sections 2.1 to 2.3.
//!
//! ```text
//! a certificate is active until activated + tau1: an entry as any other
//! then all discard it but its retention sites, where it is dormant until tau2 has passed as well
//! an obsolete item meets it: it is active again from now on; its stamp stays
//! a later write meets it: it has no more to do
//! ```
//!
//! # Deviations from the paper
//!
//! - None in the rules. What is dormant counts towards the store's capacity.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};

use gossip_core::PeerId;

use crate::message::Grave;
use crate::seal::Seal;
use crate::stamp::Stamp;

/// A certificate: its ordinary stamp, the rest, its seal.
pub(crate) type Kept<I> = (Stamp<I>, Grave<I>, Seal);

/// Certificates that do not spread, by key and by age.
#[derive(Clone, Debug)]
pub(crate) struct Dormant<I: PeerId> {
    by_key: BTreeMap<Box<[u8]>, Kept<I>>,
    by_age: BTreeSet<(u64, Box<[u8]>)>,
}

impl<I: PeerId> Dormant<I> {
    pub(crate) const fn new() -> Self {
        Self { by_key: BTreeMap::new(), by_age: BTreeSet::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// The stamp of the certificate for `key`.
    pub(crate) fn stamp(&self, key: &[u8]) -> Option<Stamp<I>> {
        self.by_key.get(key).map(|kept| kept.0)
    }

    /// Keeps a certificate, if it is newer than the one for its key.
    pub(crate) fn insert(&mut self, key: &[u8], kept: Kept<I>) {
        if self.by_key.get(key).is_none_or(|known| *known < kept) {
            self.remove(key);
            self.by_age.insert((kept.1.activated, key.into()));
            self.by_key.insert(key.into(), kept);
        }
    }

    /// Takes the certificate for `key` out.
    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<Kept<I>> {
        let (key, kept) = self.by_key.remove_entry(key)?;
        self.by_age.remove(&(kept.1.activated, key));
        Some(kept)
    }

    /// Discards what was activated before `micros`.
    pub(crate) fn expire(&mut self, micros: u64) {
        while self.by_age.first().is_some_and(|first| first.0 < micros) {
            if let Some((_, key)) = self.by_age.pop_first() {
                self.by_key.remove(&key);
            }
        }
    }

    /// All certificates, in the order of keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Kept<I>)> {
        self.by_key.iter().map(|(key, kept)| (&key[..], kept))
    }
}
