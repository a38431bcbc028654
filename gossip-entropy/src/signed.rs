//! Not a protocol: entries that prove who wrote them, and who may write what.
//!
//! The [seal](Update::check) of an entry shows chance damage; who knows the group's secret can make
//! one, so a member that relays can write in any other's name. Where that matters, replicas are
//! made by [`Replica::signed`]: each signs what it writes, keeps the signature of what it relays,
//! and verifies every entry that it would take. What bears no signature, or not that of a writer
//! whom its owner allows, is not merged, so not sent on, and counted as `entry not signed`.
//!
//! # What holds
//!
//! - A signature covers key, stamp (so the origin), value or deletion, a deletion's sites, and the
//!   group's [`Secret`](crate::Secret). A relay can change none of them, nor pass an entry to
//!   another group.
//! - A relay can withhold and delay, and offer old entries again; they are older, and lose. It can
//!   say that a death certificate was activated later than it was, which keeps it for longer, or
//!   earlier, which makes it dormant too soon for who had it not.
//! - Two writers of one key are both right; the later stamp stays. A writer who is allowed can
//!   write anything, at any time up to [`Config::ahead`] from now.
//! - An entry here already, or older than what is here, costs no verification; so at most all in a
//!   datagram are verified: about ten of 100 bytes, half a millisecond with Ed25519.
//! - Replicas that want signatures and such that do not understand each other: the latter relay
//!   signatures as they came. What the latter write stays among them, and is offered in vain to the
//!   former in each round: a group should change over within a few rounds. A hostile relay can give
//!   an entry to the latter without its signature, which they then relay so.
//!
//! Values that [merge](crate::Merge) are nobody's alone, so there is no signature of them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gossip_core::auth::Signer;
use gossip_core::wire::Blob;
use gossip_core::{ParameterError, PeerId, Wire};

use crate::config::Config;
use crate::message::Update;
use crate::replica::Replica;
use crate::store::Slot;

/// The most bytes of a signature: as long as those of Ed25519.
pub const SIGNATURE: usize = 64;

/// A signature as it travels: empty, if there is none.
pub type Signature = Blob<SIGNATURE>;

/// Says what signatures are of, so that none made for something else passes.
const CONTEXT: &[u8] = b"gossip_entropy entry 1";

/// Signs entries of this node and verifies those of others. One call of a virtual function, beside
/// 20 to 50 us for a signature, keeps the kinds of keys out of the replica's type.
pub(crate) trait Writers<I>: Send + Sync {
    /// This node's signature of its own entry; none if it may not write `key`.
    fn sign(&self, me: I, key: &[u8], message: &[u8]) -> Option<Signature>;

    /// Whether somebody who may write `key` as `origin` has signed.
    fn verify(&self, origin: I, key: &[u8], message: &[u8], signature: &[u8]) -> bool;
}

struct Signing<S, W> {
    signer: S,
    writers: W,
}

impl<I, S, W> Writers<I> for Signing<S, W>
where
    S: Signer + Sync,
    W: Fn(I, &[u8]) -> Option<S::Key> + Send + Sync,
{
    fn sign(&self, me: I, key: &[u8], message: &[u8]) -> Option<Signature> {
        if (self.writers)(me, key)? != self.signer.key() {
            return None;
        }
        let mut bytes = Vec::with_capacity(SIGNATURE);
        self.signer.sign(message).encode(&mut bytes);
        Blob::new(bytes).ok()
    }

    fn verify(&self, origin: I, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = S::Signature::decode_all(signature) else { return false };
        let writer = (self.writers)(origin, key);
        writer.is_some_and(|writer| self.signer.verify(&writer, message, &signature))
    }
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> Replica<I, KEY, VALUE> {
    /// An empty replica that signs what it writes with `signer`, and takes only what is signed:
    /// with the key that `writers` names for the entry's origin and key. Where it names none, that
    /// origin may not write that key. All replicas of a group should have the same `writers`.
    ///
    /// ```
    /// use gossip_core::Blob;
    /// use gossip_core::auth::{Authority, Signer};
    /// use gossip_entropy::{Config, Merged, Replica, Stamp, message::{State, Update}};
    ///
    /// // In a simulation a node's key is its number; elsewhere it is an Ed25519 key, which may be
    /// // the identifier itself. Each node writes the keys that begin with its letter, 1 all.
    /// let writers = |origin: u32, key: &[u8]| {
    ///     let letter = key.first().copied().map(u32::from);
    ///     (origin == 1 || letter == Some(96 + origin)).then_some(origin)
    /// };
    /// let authority = Authority::new(42);
    /// let ann = authority.signer(1);
    /// let mut data = Replica::<u32, 8, 8>::signed(Config::default(), ann.clone(), writers)?;
    ///
    /// let entry = |key: &str, origin| {
    ///     let stamp = Stamp { micros: 1, count: 0, origin };
    ///     Update::new(Blob::new(key).unwrap(), stamp, Some(Blob::new("v").unwrap()))
    /// };
    /// assert_eq!(data.restore(entry("c", 3), 9), Merged::Unsigned);
    /// let signed = entry("c", 3).signed(&authority.signer(3), Default::default())?;
    /// let altered = Update { state: State::Value(Blob::new("w")?), ..signed.clone() };
    /// assert_eq!(data.restore(altered, 9), Merged::Unsigned);
    /// assert_eq!(data.restore(signed, 9), Merged::Taken);
    ///
    /// let not_hers = entry("d", 3).signed(&authority.signer(3), Default::default())?;
    /// assert_eq!(data.restore(not_hers, 9), Merged::Unsigned);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn signed<S, W>(config: Config, signer: S, writers: W) -> Result<Self, ParameterError>
    where
        S: Signer + Sync,
        W: Fn(I, &[u8]) -> Option<S::Key> + Send + Sync + 'static,
    {
        const { assert!(<S::Signature as Wire>::MAX_LEN <= SIGNATURE, "signatures are too long") }
        let mut replica = Self::build(config, None)?;
        replica.writers = Some(Arc::new(Signing { signer, writers }));
        Ok(replica)
    }

    /// Seals an entry of this node, and signs it if entries are signed; none, if it may not.
    pub(crate) fn sign(&self, mut entry: Update<I, KEY, VALUE>) -> Option<Update<I, KEY, VALUE>> {
        if let Some(writers) = &self.writers {
            let message = entry.message(self.store.secret());
            entry.signature = writers.sign(entry.stamp.origin, &entry.key, &message)?;
        }
        Some(entry.sealed(self.store.secret()))
    }

    /// Whether an entry may be taken: it is here, or older, or signed as it must be.
    pub(crate) fn is_proven(&self, entry: &Update<I, KEY, VALUE>) -> bool {
        let Some(writers) = &self.writers else { return true };
        let here = self.store.get(&entry.key);
        if here.is_some_and(|here| here.stamp > entry.stamp || is_same(here, entry)) {
            return true;
        }
        let message = entry.message(self.store.secret());
        writers.verify(entry.stamp.origin, &entry.key, &message, &entry.signature)
    }
}

/// Whether an entry is what its origin said that is here.
fn is_same<I: PeerId, const KEY: usize, const VALUE: usize>(
    here: &Slot<I>,
    entry: &Update<I, KEY, VALUE>,
) -> bool {
    let sites = here.state.grave().map(|grave| &grave.sites);
    let same = sites == entry.grave().map(|grave| &grave.sites);
    same && here.stamp == entry.stamp && here.state.value() == entry.value()
}

impl<I: PeerId, const KEY: usize, const VALUE: usize> Update<I, KEY, VALUE> {
    /// This entry, signed by `signer` and sealed, for replicas with `secret`.
    ///
    /// # Errors
    ///
    /// If the signature is longer than [`SIGNATURE`].
    pub fn signed<S: Signer>(
        mut self,
        signer: &S,
        secret: crate::Secret,
    ) -> Result<Self, gossip_core::wire::TooLarge> {
        let mut bytes = Vec::with_capacity(SIGNATURE);
        signer.sign(&self.message(secret)).encode(&mut bytes);
        self.signature = Blob::new(bytes)?;
        Ok(self.sealed(secret))
    }

    /// What is signed: the seal that it would have unsigned names the group.
    fn message(&self, secret: crate::Secret) -> Vec<u8> {
        let said = self.said();
        [CONTEXT, &said.check(secret.0, &[]), &said.0].concat()
    }
}
