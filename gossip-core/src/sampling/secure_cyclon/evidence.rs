//! What a node has seen of others' descriptors, and whom it knows to cheat.
//!
//! Not a protocol: what [`SecureCyclon`](super::SecureCyclon) decides by.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::chain::{Chain, Proof};
use crate::auth::{Credential, Verifier};
use crate::id::PeerId;
use crate::random::Random;

/// Samples, redeemed descriptors and culprits, each at most so many.
#[derive(Clone, Debug)]
pub(super) struct Evidence<I: PeerId, K: Credential, S: Credential, const T: usize> {
    /// What others showed, not verified until it contradicts something.
    seen: Ring<Chain<I, K, S, T>>,
    /// What was redeemed here, verified.
    redeemed: Ring<Chain<I, K, S, T>>,
    culprits: BTreeMap<K, Proof<I, K, S>>,
    most: usize,
}

/// What a look at a chain has shown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finding<I: PeerId, K: Credential, S: Credential> {
    /// It contradicts nothing known.
    Nothing,
    /// It contradicts what is known, but not all of it is signed.
    Forged,
    /// It shows who cheats.
    Cheat(Proof<I, K, S>),
}

impl<I: PeerId, K: Credential, S: Credential, const T: usize> Evidence<I, K, S, T> {
    pub(super) const fn new(memory: usize, redeemed: usize, culprits: usize) -> Self {
        Self {
            seen: Ring::new(memory),
            redeemed: Ring::new(redeemed),
            culprits: BTreeMap::new(),
            most: culprits,
        }
    }

    pub(super) fn is_culprit(&self, key: K) -> bool {
        !self.culprits.is_empty() && self.culprits.contains_key(&key)
    }

    pub(super) const fn culprits(&self) -> &BTreeMap<K, Proof<I, K, S>> {
        &self.culprits
    }

    pub(super) fn redeemed(&self) -> &[Chain<I, K, S, T>] {
        &self.redeemed.kept
    }

    pub(super) fn seen(&self) -> usize {
        self.seen.kept.len()
    }

    /// A proof to pass on, at random.
    pub(super) fn any_proof(&self, random: &mut Random) -> Option<&Proof<I, K, S>> {
        self.culprits.values().nth(random.below(self.culprits.len()))
    }

    pub(super) fn keep_redeemed(&mut self, chain: Chain<I, K, S, T>) {
        self.redeemed.push(chain);
    }

    /// Compares `chain` with the `owned` ones and all that was seen, and remembers it.
    pub(super) fn look<'a, A>(
        &mut self,
        chain: &Chain<I, K, S, T>,
        owned: impl Iterator<Item = &'a Chain<I, K, S, T>>,
        verifier: &A,
    ) -> Finding<I, K, S>
    where
        A: Verifier<Key = K, Signature = S>,
    {
        let fork = |known: &Chain<I, K, S, T>| known.fork(chain);
        let mut proofs = owned.filter_map(fork).chain(self.redeemed.kept.iter().filter_map(fork));
        if let Some(proof) = proofs.find(|proof| !self.is_culprit(proof.culprit)) {
            return if proof.verify(verifier) { Finding::Cheat(proof) } else { Finding::Forged };
        }
        let same = self.seen.kept.iter().position(|seen| seen.id() == chain.id());
        let Some(at) = same else {
            self.seen.push(chain.clone());
            return Finding::Nothing;
        };
        let seen = &mut self.seen.kept[at];
        match seen.fork(chain) {
            None if seen.len() >= chain.len() => Finding::Nothing,
            None => {
                *seen = chain.clone();
                Finding::Nothing
            }
            Some(proof) if self.culprits.contains_key(&proof.culprit) => Finding::Nothing,
            Some(proof) if proof.verify(verifier) => Finding::Cheat(proof),
            Some(_) if chain.verify(verifier) => {
                // Then what was seen before was forged.
                *seen = chain.clone();
                Finding::Forged
            }
            Some(_) => Finding::Forged,
        }
    }

    /// Remembers a culprit, and forgets what it made. Returns whether another had to go for it.
    pub(super) fn convict(&mut self, proof: Proof<I, K, S>, random: &mut Random) -> bool {
        let full = self.culprits.len() >= self.most;
        if full {
            let unlucky = self.culprits.keys().nth(random.below(self.culprits.len())).copied();
            unlucky.map(|key| self.culprits.remove(&key));
        }
        let culprit = proof.culprit;
        self.seen.retain(|chain| chain.creator != culprit);
        self.culprits.insert(culprit, proof);
        full
    }
}

/// The latest so many of something.
#[derive(Clone, Debug)]
struct Ring<X> {
    kept: Vec<X>,
    most: usize,
    next: usize,
}

impl<X> Ring<X> {
    const fn new(most: usize) -> Self {
        Self { kept: Vec::new(), most, next: 0 }
    }

    fn push(&mut self, new: X) {
        if self.kept.len() < self.most {
            self.kept.push(new);
        } else if let Some(oldest) = self.kept.get_mut(self.next) {
            *oldest = new;
            self.next = (self.next + 1) % self.most;
        }
    }

    fn retain(&mut self, keep: impl FnMut(&X) -> bool) {
        self.kept.retain(keep);
        self.next = 0;
    }
}
