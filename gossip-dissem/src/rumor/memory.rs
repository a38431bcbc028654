//! What a node remembers having heard, and how much it takes in.
//!
//! Not a protocol: two tables of the one in `rumor.rs`.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use gossip_core::PeerId;

use super::RumorId;

/// The identifiers heard last: the oldest is forgotten when one too many comes.
#[derive(Clone, Debug)]
pub(super) struct Memory<I: PeerId> {
    known: BTreeSet<RumorId<I>>,
    order: VecDeque<RumorId<I>>,
    limit: usize,
}

impl<I: PeerId> Memory<I> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { known: BTreeSet::new(), order: VecDeque::new(), limit }
    }

    /// Remembers `id`, which is not known. Returns whether another was forgotten for it.
    pub(super) fn insert(&mut self, id: RumorId<I>) -> bool {
        let full = self.order.len() >= self.limit;
        if let Some(oldest) = full.then(|| self.order.pop_front()).flatten() {
            self.known.remove(&oldest);
        }
        self.known.insert(id);
        self.order.push_back(id);
        full
    }

    pub(super) fn contains(&self, id: &RumorId<I>) -> bool {
        self.known.contains(id)
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}

/// How many new rumors were taken in since the last round, in all and by peer.
#[derive(Clone, Debug)]
pub(super) struct Intake<I> {
    taken: usize,
    /// One entry a peer that brought something new, so never more than `limit`.
    by_peer: Vec<(I, usize)>,
    limit: usize,
    share: usize,
}

impl<I: PeerId> Intake<I> {
    pub(super) const fn new(limit: usize, share: usize) -> Self {
        Self { taken: 0, by_peer: Vec::new(), limit, share }
    }

    /// Whether one more may come from `peer`; if not, why.
    pub(super) fn admit(&mut self, peer: I) -> Result<(), &'static str> {
        if self.taken >= self.limit {
            return Err("rumor shed: intake full");
        }
        match self.by_peer.iter_mut().find(|entry| entry.0 == peer) {
            Some((_, taken)) if *taken >= self.share => {
                return Err("rumor shed: its sender's share is used up");
            }
            Some((_, taken)) => *taken += 1,
            None => self.by_peer.push((peer, 1)),
        }
        self.taken += 1;
        Ok(())
    }

    /// A new round.
    pub(super) fn reset(&mut self) {
        self.taken = 0;
        self.by_peer.clear();
    }
}
