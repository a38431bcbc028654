//! What Fireflies' members sign: certificates, notes and accusations.
//!
//! Not a protocol: values that prove themselves. Each signature covers a word that tells its kind,
//! so that one is never taken for another.

use alloc::vec::Vec;

use super::rings::{MOST, Rings};
use crate::auth::{Credential, Signer, Verifier};
use crate::id::PeerId;
use crate::message;
use crate::wire::Wire;

message! {
    /// The authority admits a member: who it is, by which key it is known, and where it stands on
    /// the rings. Numbers must be drawn at random by the authority: who could choose would choose
    /// its victims.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Certificate<I: PeerId, K: Credential, S: Credential> {
        /// The member's address, which is its name.
        pub address: I,
        /// Its key.
        pub key: K,
        /// Where it stands.
        pub number: u64,
        /// The authority's signature of all this.
        pub signature: S,
    }
}

message! {
    /// What a member says of itself: that it is alive in this epoch, or leaves; and which rings it
    /// wants to be accused on no more.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Note<I: PeerId, K: Credential, S: Credential> {
        /// Who says so.
        pub certificate: Certificate<I, K, S>,
        /// Raised with each note; a higher one makes accusations of lower ones void.
        pub epoch: u32,
        /// Whether it leaves.
        pub left: bool,
        /// Rings disabled, by their bits: 0 to 63 first.
        pub disabled: (u64, u64),
        /// Its signature of address, epoch, leaving and rings.
        pub signature: S,
    }
}

message! {
    /// A member says that another, whose predecessor on this ring it is, does not answer.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Accusation<I: PeerId, S: Credential> {
        /// Who says so.
        pub accuser: I,
        /// Of whom.
        pub accused: I,
        /// The epoch of the accused's note.
        pub epoch: u32,
        /// On which ring.
        pub ring: u8,
        /// The accuser's signature of all this.
        pub signature: S,
    }
}

/// What is signed: the kind, then the parts.
fn signed<M: Wire>(kind: &[u8], parts: &M) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(kind.len() + parts.encoded_len());
    bytes.extend_from_slice(kind);
    parts.encode(&mut bytes);
    bytes
}

const CERTIFICATE: &[u8] = b"fireflies certificate";
const NOTE: &[u8] = b"fireflies note";
const ACCUSATION: &[u8] = b"fireflies accusation";
const PONG: &[u8] = b"fireflies pong";

impl<I: PeerId, K: Credential, S: Credential> Certificate<I, K, S> {
    /// The authority admits `key` at `address`, with a number drawn at random.
    ///
    /// ```
    /// use gossip_core::auth::{Authority, Signer};
    /// use gossip_core::membership::fireflies::Certificate;
    ///
    /// let world = Authority::new(42);
    /// let (authority, ann) = (world.signer(u32::MAX), world.signer(7));
    /// let certificate = Certificate::issue(&authority, 7_u32, ann.key(), 0x5eed);
    /// assert!(certificate.verify(&ann, &authority.key()));
    /// let elsewhere = Certificate { address: 8, ..certificate };
    /// assert!(!elsewhere.verify(&ann, &authority.key()));
    /// ```
    pub fn issue<A>(authority: &A, address: I, key: K, number: u64) -> Self
    where
        A: Signer<Key = K, Signature = S>,
    {
        let signature = authority.sign(&signed(CERTIFICATE, &(address, key, number)));
        Self { address, key, number, signature }
    }

    /// Whether the authority known by this key has signed it.
    pub fn verify<A>(&self, by: &A, authority: &K) -> bool
    where
        A: Verifier<Key = K, Signature = S>,
    {
        let parts = (self.address, self.key, self.number);
        by.verify(authority, &signed(CERTIFICATE, &parts), &self.signature)
    }
}

impl<I: PeerId, K: Credential, S: Credential> Note<I, K, S> {
    /// A note of the holder of `certificate`.
    pub fn sign<A>(
        signer: &A,
        certificate: Certificate<I, K, S>,
        (epoch, left): (u32, bool),
        disabled: (u64, u64),
    ) -> Self
    where
        A: Signer<Key = K, Signature = S>,
    {
        let parts = ((certificate.address, certificate.number), epoch, left, disabled);
        let signature = signer.sign(&signed(NOTE, &parts));
        Self { certificate, epoch, left, disabled, signature }
    }

    /// Whether its member has signed it, and disables no more rings than it may. The certificate is
    /// checked apart.
    pub fn verify<A>(&self, by: &A, rings: Rings) -> bool
    where
        A: Verifier<Key = K, Signature = S>,
    {
        let Certificate { address, key, number, .. } = self.certificate;
        let disabled = (0..MOST).filter(|&ring| self.disables(ring));
        let within = disabled.clone().all(|ring| ring < rings.count());
        let parts = ((address, number), self.epoch, self.left, self.disabled);
        within
            && disabled.count() <= usize::from(rings.tolerated())
            && by.verify(&key, &signed(NOTE, &parts), &self.signature)
    }

    /// Whether its member is not to be accused on this ring.
    pub const fn disables(&self, ring: u8) -> bool {
        let (low, high) = self.disabled;
        let bits = if ring < 64 { low } else { high };
        bits >> (ring % 64) & 1 == 1
    }

    /// Who speaks.
    pub const fn address(&self) -> I {
        self.certificate.address
    }

    /// What it says, in an order in which the greater is the newer. An honest member says one thing
    /// in an epoch; of a cheat's two, all take the same.
    pub(super) const fn rank(&self) -> (u32, bool, (u64, u64)) {
        (self.epoch, self.left, self.disabled)
    }
}

impl<I: PeerId, S: Credential> Accusation<I, S> {
    /// An accusation by the holder of `signer`, at `accuser`.
    pub fn sign<A>(signer: &A, accuser: I, (accused, epoch): (I, u32), ring: u8) -> Self
    where
        A: Signer<Signature = S>,
    {
        let parts = ((accuser, accused), epoch, ring);
        let signature = signer.sign(&signed(ACCUSATION, &parts));
        Self { accuser, accused, epoch, ring, signature }
    }

    /// Whether the holder of `key`, the accuser's, has signed it.
    pub fn verify<A>(&self, by: &A, key: &A::Key) -> bool
    where
        A: Verifier<Signature = S>,
    {
        let parts = ((self.accuser, self.accused), self.epoch, self.ring);
        by.verify(key, &signed(ACCUSATION, &parts), &self.signature)
    }
}

/// What `me` signs in answer to question `number` of `asker`: nobody else can answer for it.
pub(crate) fn pong<I: PeerId>(number: u32, asker: I, me: I) -> Vec<u8> {
    signed(PONG, &(number, asker, me))
}
