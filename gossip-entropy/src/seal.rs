//! Not a protocol: the check that an entry carries from its origin to wherever it goes.
//!
//! A datagram's own checksum covers one hop. A replica that keeps an entry in failing memory would
//! send what it has become with a good datagram, and everybody would take it: it is newer than what
//! is lost. So the origin seals an entry, every replica keeps the seal as it came and sends it
//! along, and who takes an entry off the wire computes it anew. What does not fit is not taken, so
//! not sent on.
//!
//! The seal covers key, stamp, value or deletion, a deletion's sites, and the origin's signature,
//! where there is one; not the activation timestamp, which changes on the way. It is keyed by
//! [`Secret`]: chance damage passes with probability 2^-64, and who does not know the secret cannot
//! make entries. Who knows it can: against them there are [signatures](crate::signed). Where values
//! merge, who merges two seals what comes of it.

use core::hash::Hasher;

use alloc::boxed::Box;
use alloc::vec::Vec;

use gossip_core::wire::{Blob, Bounded};
use gossip_core::{PeerId, Wire};
use siphasher::sip::SipHasher24;

use crate::config::Secret;
use crate::message::{Grave, State, Update};
use crate::stamp::Stamp;

/// The seal of an entry, and its origin's signature, empty if it bears none.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Seal {
    pub(crate) check: [u8; 8],
    pub(crate) signature: Box<[u8]>,
}

impl Seal {
    /// What an entry bears.
    pub(crate) fn of<I: PeerId, const KEY: usize, const VALUE: usize>(
        entry: &Update<I, KEY, VALUE>,
    ) -> Self {
        Self { check: entry.check, signature: entry.signature.as_ref().into() }
    }
}

/// What an entry's origin says, as bytes: no two entries have the same ones.
pub(crate) struct Said(pub(crate) Vec<u8>);

impl Said {
    pub(crate) fn new<I: PeerId>(
        key: &[u8],
        stamp: &Stamp<I>,
        grave: Option<&Grave<I>>,
        value: Option<&[u8]>,
    ) -> Self {
        let value_len = value.map_or(0, <[u8]>::len);
        let mut bytes = Vec::with_capacity(80 + key.len() + value_len);
        bytes.extend_from_slice(&(key.len() as u64).to_le_bytes());
        stamp.encode(&mut bytes);
        bytes.push(u8::from(value.is_some()));
        if let Some(grave) = grave {
            grave.sites.encode(&mut bytes);
        }
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value.unwrap_or_default());
        Self(bytes)
    }

    /// The seal of this with a signature.
    pub(crate) fn check(&self, secret: [u64; 2], signature: &[u8]) -> [u8; 8] {
        let mut hasher = SipHasher24::new_with_keys(!secret[0], secret[1]);
        hasher.write(&self.0);
        hasher.write(signature);
        hasher.finish().to_le_bytes()
    }
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> Update<I, KEY, VALUE> {
    /// What `stamp` says of `key`: a value, or that it was deleted, with no sites that keep the
    /// certificate; sealed under the default secret.
    pub fn new(key: Blob<KEY>, stamp: Stamp<I>, value: Option<Blob<VALUE>>) -> Self {
        let grave = Grave { activated: stamp.micros, sites: Bounded::new() };
        let state = value.map_or(State::Deleted(grave), State::Value);
        Self::of(key, stamp, state, &Seal::default()).sealed(Secret::default())
    }

    /// From its parts.
    pub(crate) fn of(key: Blob<KEY>, stamp: Stamp<I>, state: State<I, VALUE>, seal: &Seal) -> Self {
        let signature = Blob::new(&seal.signature).unwrap_or_default();
        Self { key, stamp, state, check: seal.check, signature }
    }

    /// This entry, sealed for replicas with `secret`.
    ///
    /// ```
    /// use gossip_core::Blob;
    /// use gossip_entropy::{Secret, Stamp, message::{State, Update}};
    ///
    /// let stamp = Stamp { micros: 1, count: 0, origin: 7_u32 };
    /// let entry = Update::<u32, 8, 8>::new(Blob::new("k")?, stamp, Some(Blob::new("v")?));
    /// let entry = entry.sealed(Secret([1, 2]));
    /// assert!(entry.is_sound(Secret([1, 2])) && !entry.is_sound(Secret([1, 3])));
    ///
    /// let damaged = Update { state: State::Value(Blob::new("w")?), ..entry };
    /// assert!(!damaged.is_sound(Secret([1, 2])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sealed(mut self, secret: Secret) -> Self {
        self.check = self.seal(secret);
        self
    }

    /// Whether the entry is as its origin sealed it.
    pub fn is_sound(&self, secret: Secret) -> bool {
        self.check == self.seal(secret)
    }

    fn seal(&self, secret: Secret) -> [u8; 8] {
        self.said().check(secret.0, &self.signature)
    }

    /// What its origin says.
    pub(crate) fn said(&self) -> Said {
        Said::new(&self.key, &self.stamp, self.grave(), self.value())
    }
}
