//! The publications kept for neighbours that miss them.
//!
//! Not a protocol: a table of the one in `plumtree.rs`.

use alloc::collections::{BTreeMap, VecDeque};

use gossip_core::{PeerId, Round, Wire};

use crate::post::{MessageId, Post};

/// A publication that is here.
#[derive(Clone, Debug)]
struct Kept<I: PeerId, V: Wire> {
    post: Post<I, V>,
    /// From whom it came; none if it was published here.
    source: Option<I>,
    /// When it came.
    round: Round,
}

impl<I: PeerId, V: Wire> Kept<I, V> {
    fn age(&self, round: Round) -> u16 {
        let here = u16::try_from(round.wrapping_sub(self.round)).unwrap_or(u16::MAX);
        self.post.age.saturating_add(here)
    }
}

/// The last publications, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Store<I: PeerId, V: Wire> {
    kept: BTreeMap<MessageId<I>, Kept<I, V>>,
    order: VecDeque<MessageId<I>>,
    limit: usize,
}

impl<I: PeerId, V: Wire> Store<I, V> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { kept: BTreeMap::new(), order: VecDeque::new(), limit }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Takes in a new one; returns the name of the one that gave way.
    pub(super) fn insert(
        &mut self,
        post: Post<I, V>,
        source: Option<I>,
        round: Round,
    ) -> Option<MessageId<I>> {
        let full = self.order.len() >= self.limit;
        let oldest = full.then(|| self.order.pop_front()).flatten();
        oldest.inspect(|oldest| drop(self.kept.remove(oldest)));
        self.order.push_back(post.id);
        self.kept.insert(post.id, Kept { post, source, round });
        oldest
    }

    /// It, as it is passed on in `round`.
    pub(super) fn get(&self, id: &MessageId<I>, round: Round) -> Option<Post<I, V>> {
        let kept = self.kept.get(id)?;
        Some(Post { age: kept.age(round), ..kept.post.clone() })
    }

    /// Over how many hops it came.
    pub(super) fn hops(&self, id: &MessageId<I>) -> Option<u16> {
        Some(self.kept.get(id)?.post.hops)
    }

    /// From whom it came, none if it was published here, and over how many hops.
    pub(super) fn way(&self, id: &MessageId<I>) -> Option<(Option<I>, u16)> {
        self.kept.get(id).map(|kept| (kept.source, kept.post.hops))
    }

    /// It has come from `peer` over so many hops, and that is the way that stays.
    pub(super) fn set_way(&mut self, id: &MessageId<I>, peer: I, hops: u16) {
        if let Some(kept) = self.kept.get_mut(id) {
            (kept.source, kept.post.hops) = (Some(peer), hops);
        }
    }

    /// Those up to this age.
    pub(super) fn young(&self, age: u16, round: Round) -> impl Iterator<Item = MessageId<I>> {
        let young =
            move |id: &&MessageId<I>| self.kept.get(*id).is_some_and(|kept| kept.age(round) <= age);
        self.order.iter().filter(young).copied()
    }

    /// Drops the oldest one if it is older than `age`; returns its name.
    pub(super) fn expire(&mut self, age: u16, round: Round) -> Option<MessageId<I>> {
        let oldest = *self.order.front()?;
        if self.kept.get(&oldest).is_some_and(|kept| kept.age(round) <= age) {
            return None;
        }
        self.order.pop_front();
        self.kept.remove(&oldest);
        Some(oldest)
    }
}
