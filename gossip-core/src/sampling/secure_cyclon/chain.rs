//! Descriptors with signed chains of owners, and the proof that somebody signed one twice.
//!
//! Not a protocol: what [`SecureCyclon`](super::SecureCyclon) sends and keeps.

use alloc::vec::Vec;

use crate::auth::{Credential, Signer, Verifier};
use crate::id::PeerId;
use crate::message;
use crate::wire::{Bounded, Wire};

message! {
    /// A descriptor changes hands: its owner has signed it over.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Link<K: Credential, S: Credential> {
        /// The new owner.
        pub to: K,
        /// The new owner's number for this exchange: it takes no number twice, so that a chain
        /// cannot be put on it again.
        pub number: u32,
        /// The signature of the owner until now.
        pub signature: S,
    }
}

message! {
    /// A node's descriptor, and who has owned it.
    #[derive(PartialEq, Eq)]
    pub struct Chain<I: PeerId, K: Credential, S: Credential, const T: usize> {
        /// Whose descriptor it is.
        pub creator: K,
        /// Where it says it can be reached.
        pub address: I,
        /// The period it was made in, of which each creator has one descriptor.
        pub period: u64,
        /// From the creator to the present owner.
        pub links: Bounded<Link<K, S>, T>,
        /// Back to the creator, which ends it.
        pub redeemed: Option<Link<K, S>>,
    }
}

message! {
    /// Two signatures where an honest node gives one: whoever gave them is malicious. Anybody can
    /// check it.
    #[derive(PartialEq, Eq)]
    pub struct Proof<I: PeerId, K: Credential, S: Credential> {
        /// Whose descriptor it was.
        pub creator: K,
        /// The period of the descriptor.
        pub period: u64,
        /// Transfers before the one signed twice.
        pub at: u8,
        /// The signature before, which names the chain up to there.
        pub before: Option<S>,
        /// Who signed twice.
        pub culprit: K,
        /// One transfer, with the descriptor's address.
        pub one: (I, Link<K, S>),
        /// The other.
        pub other: (I, Link<K, S>),
    }
}

impl<I: PeerId, K: Credential, S: Credential, const T: usize> Chain<I, K, S, T> {
    /// A descriptor that only its creator has.
    pub fn new(creator: K, address: I, period: u64) -> Self {
        Self { creator, address, period, links: Bounded::new(), redeemed: None }
    }

    /// What tells descriptors apart.
    pub const fn id(&self) -> (K, u64) {
        (self.creator, self.period)
    }

    /// Who owns it, or owned it last before it was redeemed.
    pub fn owner(&self) -> K {
        self.signer_of(self.links.len())
    }

    /// Who signs the transfer after `at` others.
    fn signer_of(&self, at: usize) -> K {
        at.checked_sub(1).map_or(self.creator, |before| self.links[before].to)
    }

    /// Who signed the last transfer; the creator if there is none.
    pub fn giver(&self) -> K {
        self.signer_of(self.links.len().saturating_sub(1))
    }

    /// Whether there is a place for another owner; else it can only be redeemed.
    pub fn is_transferable(&self) -> bool {
        self.redeemed.is_none() && !self.links.is_full()
    }

    fn steps(&self) -> impl Iterator<Item = &Link<K, S>> {
        self.links.iter().chain(&self.redeemed)
    }

    fn before(&self, at: usize) -> Option<S> {
        at.checked_sub(1).map(|before| self.links[before].signature)
    }

    fn statement(&self, at: usize, to: K, number: u32) -> Vec<u8> {
        statement(self.id(), (at, self.before(at)), self.address, (to, number))
    }

    fn sign<A>(&self, signer: &A, to: K, number: u32) -> Link<K, S>
    where
        A: Signer<Key = K, Signature = S>,
    {
        let signature = signer.sign(&self.statement(self.links.len(), to, number));
        Link { to, number, signature }
    }

    /// Signs it over `to` another. The present owner must be the signer, or nobody will take it.
    /// Returns whether it [could be](Self::is_transferable).
    pub fn transfer<A>(&mut self, signer: &A, to: K, number: u32) -> bool
    where
        A: Signer<Key = K, Signature = S>,
    {
        let link = self.sign(signer, to, number);
        self.redeemed.is_none() && self.links.push(link).is_ok()
    }

    /// Signs it back to its creator.
    pub fn redeem<A>(&mut self, signer: &A)
    where
        A: Signer<Key = K, Signature = S>,
    {
        self.redeemed = Some(self.sign(signer, self.creator, 0));
    }

    /// Whether every owner signed it over to the next.
    pub fn verify<A>(&self, verifier: &A) -> bool
    where
        A: Verifier<Key = K, Signature = S>,
    {
        let signed = |(at, link): (usize, &Link<K, S>)| {
            let statement = self.statement(at, link.to, link.number);
            verifier.verify(&self.signer_of(at), &statement, &link.signature)
        };
        self.redeemed.is_none_or(|link| link.to == self.creator)
            && self.steps().enumerate().all(signed)
    }

    /// What shows that an owner signed this descriptor over twice, if `other` is the same
    /// descriptor and neither chain continues the other. The proof is to be
    /// [verified](Proof::verify) if the chains were not.
    pub fn fork(&self, other: &Self) -> Option<Proof<I, K, S>> {
        let mut pairs = self.steps().zip(other.steps()).enumerate();
        let same = self.id() == other.id();
        let (at, (one, two)) = pairs.find(|(_, (one, two))| one != two).filter(|_| same)?;
        Some(Proof {
            creator: self.creator,
            period: self.period,
            at: at as u8,
            before: self.before(at),
            culprit: self.signer_of(at),
            one: (self.address, *one),
            other: (other.address, *two),
        })
    }

    /// Transfers so far, the redemption included.
    pub fn len(&self) -> usize {
        self.steps().count()
    }

    /// Whether nobody but its creator has had it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<I: PeerId, K: Credential, S: Credential> Proof<I, K, S> {
    /// Whether it proves what it says.
    pub fn verify<A>(&self, verifier: &A) -> bool
    where
        A: Verifier<Key = K, Signature = S>,
    {
        let signed = |(address, link): (I, Link<K, S>)| {
            let place = (self.at.into(), self.before);
            let id = (self.creator, self.period);
            let statement = statement(id, place, address, (link.to, link.number));
            verifier.verify(&self.culprit, &statement, &link.signature)
        };
        let first = self.at == 0;
        first == self.before.is_none()
            && (!first || self.culprit == self.creator)
            && self.one.1 != self.other.1
            && signed(self.one)
            && signed(self.other)
    }
}

/// What an owner signs. The first transfer vouches for the address; the later ones name the chain
/// before them by its last signature, so that a proof need not show it.
fn statement<I: PeerId, K: Credential, S: Credential>(
    id: (K, u64),
    (at, before): (usize, Option<S>),
    address: I,
    to: (K, u32),
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(b"gossip: SecureCyclon: transfer");
    bytes.push(at as u8);
    id.encode(&mut bytes);
    match before {
        None => address.encode(&mut bytes),
        Some(signature) => signature.encode(&mut bytes),
    }
    to.encode(&mut bytes);
    bytes
}
