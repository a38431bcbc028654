//! The publications kept for neighbours that miss them.
//!
//! Not a protocol: a table of the one in `plumtree.rs`.

use alloc::collections::{BTreeMap, BTreeSet};

use gossip_core::{PeerId, Round, Wire};

use crate::post::{MessageId, Post};

/// How a publication came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way<I> {
    /// From whom; none if it was published here.
    pub(super) source: Option<I>,
    /// Who was last asked for it, without being asked for what comes next.
    pub(super) requested: Option<I>,
    /// Over how many hops.
    pub(super) hops: u16,
}

/// A publication that is here.
#[derive(Clone, Debug)]
struct Kept<I: PeerId, V: Wire> {
    post: Post<I, V>,
    source: Option<I>,
    requested: Option<I>,
    /// When it came.
    round: Round,
    /// Its place in the order in which they came.
    number: u64,
}

impl<I: PeerId, V: Wire> Kept<I, V> {
    fn age(&self, round: Round) -> u16 {
        let here = u16::try_from(round.wrapping_sub(self.round)).unwrap_or(u16::MAX);
        self.post.age.saturating_add(here)
    }

    /// The first round in which it is older than `age`.
    fn ends(&self, age: u16) -> u64 {
        u64::from(self.round) + u64::from(age.saturating_sub(self.post.age)) + 1
    }
}

/// The last publications.
#[derive(Clone, Debug)]
pub(super) struct Store<I: PeerId, V: Wire> {
    kept: BTreeMap<MessageId<I>, Kept<I, V>>,
    /// In the order in which they came.
    order: BTreeMap<u64, MessageId<I>>,
    /// By the round in which each is too old.
    ends: BTreeSet<(u64, MessageId<I>)>,
    came: u64,
    limit: usize,
    age: u16,
}

impl<I: PeerId, V: Wire> Store<I, V> {
    /// Of at most `limit` publications, up to this age.
    pub(super) const fn new(limit: usize, age: u16) -> Self {
        Self {
            kept: BTreeMap::new(),
            order: BTreeMap::new(),
            ends: BTreeSet::new(),
            came: 0,
            limit,
            age,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Takes in a new one, from whom it came and who was asked for it; returns the name of the one
    /// that gave way.
    pub(super) fn insert(
        &mut self,
        post: Post<I, V>,
        (source, requested): (Option<I>, Option<I>),
        round: Round,
    ) -> Option<MessageId<I>> {
        let full = self.order.len() >= self.limit;
        let oldest = full.then(|| self.order.first_key_value()).flatten();
        let oldest = oldest.map(|oldest| *oldest.1);
        oldest.inspect(|oldest| self.drop(oldest));
        let id = post.id;
        let kept = Kept { post, source, requested, round, number: self.came };
        self.came += 1;
        self.order.insert(kept.number, id);
        self.ends.insert((kept.ends(self.age), id));
        self.kept.insert(id, kept);
        oldest
    }

    fn drop(&mut self, id: &MessageId<I>) {
        if let Some(kept) = self.kept.remove(id) {
            self.order.remove(&kept.number);
            self.ends.remove(&(kept.ends(self.age), *id));
        }
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

    /// How it came.
    pub(super) fn way(&self, id: &MessageId<I>) -> Option<Way<I>> {
        let Kept { source, requested, post, .. } = self.kept.get(id)?;
        Some(Way { source: *source, requested: *requested, hops: post.hops })
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
        self.order.values().filter(young).copied()
    }

    /// Drops one that is too old, if there is one; returns its name.
    pub(super) fn expire(&mut self, round: Round) -> Option<MessageId<I>> {
        let &(_, id) = self.ends.first().filter(|first| first.0 <= u64::from(round))?;
        self.drop(&id);
        Some(id)
    }
}
