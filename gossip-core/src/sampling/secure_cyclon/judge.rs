//! How cheats are found and dealt with.
//!
//! Not a protocol: the part of [`SecureCyclon`] that compares, accuses and purges.

use super::SecureCyclon;
use super::evidence::Finding;
use super::message::{ChainOf, Convicted, Message, ProofOf};
use crate::auth::Signer;
use crate::id::PeerId;
use crate::peers::Peers;
use crate::protocol::Context;

impl<I: PeerId, A: Signer, const C: usize, const T: usize> SecureCyclon<I, A, C, T> {
    /// Shows the peer of the exchange `at` what there is to compare, and a proof.
    pub(super) fn show(&mut self, at: usize, cx: &mut impl Context<Self>) {
        let peer = self.sessions[at].peer;
        let proof = self.evidence.any_proof(cx.rng()).cloned();
        if let Some(proof) = proof {
            cx.send(peer, Message::Proof(proof));
        }
        let view = self.view.iter().map(|entry| &entry.chain);
        for chain in self.evidence.redeemed().iter().chain(view).take(self.config.samples) {
            cx.send(peer, Message::Sample(chain.clone()));
        }
    }

    pub(super) fn on_sample(
        &mut self,
        from: I,
        chain: &ChainOf<I, A, T>,
        cx: &mut impl Context<Self>,
    ) {
        let session = self.sessions.iter_mut().find(|s| s.peer == from && s.samples > 0);
        let Some(session) = session else { return cx.count("sample not expected") };
        session.samples -= 1;
        self.observe(chain, cx);
    }

    /// Compares a chain with all that is known.
    pub(super) fn observe(&mut self, chain: &ChainOf<I, A, T>, cx: &mut impl Context<Self>) {
        if self.evidence.is_culprit(chain.creator) {
            return;
        }
        let owned = self.view.iter().map(|entry| &entry.chain);
        match self.evidence.look(chain, owned, &self.signer) {
            Finding::Nothing => {}
            Finding::Forged => cx.count("forged sample"),
            Finding::Cheat(proof) => self.convict(cx.me(), &proof, cx),
        }
    }

    pub(super) fn on_proof(&mut self, from: I, proof: &ProofOf<I, A>, cx: &mut impl Context<Self>) {
        if self.evidence.is_culprit(proof.culprit) {
            // Most proofs come several times.
        } else if proof.verify(&self.signer) {
            self.convict(from, proof, cx);
        } else {
            cx.count("proof that proves nothing");
        }
    }

    /// Purges a culprit, and tells all but who told.
    pub(super) fn convict(&mut self, from: I, proof: &ProofOf<I, A>, cx: &mut impl Context<Self>) {
        let culprit = proof.culprit;
        if culprit == self.signer.key() {
            return cx.count("accused");
        }
        if self.evidence.convict(proof.clone(), cx.rng()) {
            cx.count("culprit forgotten");
        }
        self.view.retain(|entry| entry.chain.creator != culprit);
        while let Some(at) = self.sessions.iter().position(|s| s.key == Some(culprit)) {
            self.finish(at);
        }
        self.changed();
        cx.emit(Convicted(culprit));
        self.for_each(|peer, _| {
            if peer != from {
                cx.send(peer, Message::Proof(proof.clone()));
            }
        });
    }
}
