//! Not a protocol: what a node may send for others in a round, and to whom.

use core::hash::Hasher;
use core::mem;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use gossip_core::PeerId;
use gossip_core::random::Random;
use siphasher::sip::SipHasher24;

use super::message::Token;

/// Chunks and short answers that are left of a round, and the questions that had any.
#[derive(Clone)]
pub(super) struct Serving<I> {
    /// The most of each in a round.
    most: u16,
    chunks: u16,
    answers: u16,
    /// Chunks that each peer had in this round.
    shares: BTreeMap<I, u16>,
    /// Questions that were answered, in this round and in the last.
    answered: [BTreeSet<(I, u32)>; 2],
    /// Keys the tokens; drawn when the first is made.
    key: Option<[u64; 2]>,
}

impl<I: PeerId> Serving<I> {
    pub(super) const fn new(most: u16) -> Self {
        let answered = [BTreeSet::new(), BTreeSet::new()];
        Self { most, chunks: most, answers: most, shares: BTreeMap::new(), answered, key: None }
    }

    /// A round begins.
    pub(super) fn renew(&mut self) {
        (self.chunks, self.answers) = (self.most, self.most);
        self.shares.clear();
        self.answered[1] = mem::take(&mut self.answered[0]);
    }

    /// Whether this question has been answered.
    pub(super) fn knows(&self, from: I, number: u32) -> bool {
        self.answered.iter().any(|round| round.contains(&(from, number)))
    }

    /// Takes a short answer from what is left.
    pub(super) fn answer(&mut self, to: I, number: u32) -> bool {
        let Some(left) = self.answers.checked_sub(1) else { return false };
        self.answers = left;
        self.answered[0].insert((to, number));
        true
    }

    /// Takes a chunk from what is left, of which a peer has at most half.
    pub(super) fn chunk(&mut self, to: I, number: u32) -> bool {
        let Some(left) = self.chunks.checked_sub(1) else { return false };
        let share = self.shares.entry(to).or_insert(0);
        if *share >= self.most.div_ceil(2) {
            return false;
        }
        *share += 1;
        self.chunks = left;
        self.answered[0].insert((to, number));
        true
    }

    /// What proves the address of `peer`: nobody else is told it.
    pub(super) fn token(&mut self, peer: I, random: &mut Random) -> Token {
        let draw = || [random.next_u64(), random.next_u64()];
        let key = *self.key.get_or_insert_with(draw);
        let mut bytes = Vec::with_capacity(I::MAX_LEN);
        peer.encode(&mut bytes);
        let mut hasher = SipHasher24::new_with_keys(key[0], key[1]);
        hasher.write(&bytes);
        hasher.finish().to_le_bytes()
    }
}
