//! The publications kept for those who ask, and how far each was passed on.
//!
//! Not a protocol: a table of the one in `adaptive.rs`.

use alloc::collections::{BTreeMap, VecDeque};

use gossip_core::{PeerId, Round, Wire};

use crate::post::{MessageId, Post};

/// A publication that is here.
#[derive(Clone, Debug)]
struct Entry<I: PeerId, V: Wire> {
    post: Post<I, V>,
    /// When it came.
    round: Round,
    /// The height up to which it was passed on here.
    height: u8,
}

/// The last publications, in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Kept<I: PeerId, V: Wire> {
    entries: BTreeMap<MessageId<I>, Entry<I, V>>,
    order: VecDeque<(Round, MessageId<I>)>,
    limit: usize,
}

impl<I: PeerId, V: Wire> Kept<I, V> {
    /// Of at most `limit` publications.
    pub(super) const fn new(limit: usize) -> Self {
        Self { entries: BTreeMap::new(), order: VecDeque::new(), limit }
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Takes in a new one. Returns whether another gave way.
    pub(super) fn insert(&mut self, post: Post<I, V>, round: Round) -> bool {
        let full = self.order.len() >= self.limit;
        if full && let Some((_, oldest)) = self.order.pop_front() {
            self.entries.remove(&oldest);
        }
        self.order.push_back((round, post.id));
        self.entries.insert(post.id, Entry { post, round, height: 0 });
        full
    }

    /// It, as it is passed on in `round`.
    pub(super) fn get(&self, id: &MessageId<I>, round: Round) -> Option<Post<I, V>> {
        let Entry { ref post, round: came, .. } = *self.entries.get(id)?;
        let here = u16::try_from(round.wrapping_sub(came)).unwrap_or(u16::MAX);
        Some(Post { age: post.age.saturating_add(here), ..post.clone() })
    }

    /// It is passed on up to `height`. Returns up to which it was before, if that is less.
    pub(super) fn raise(&mut self, id: &MessageId<I>, height: u8) -> Option<u8> {
        let entry = self.entries.get_mut(id).filter(|entry| entry.height < height)?;
        Some(core::mem::replace(&mut entry.height, height))
    }

    /// Drops what came more than `rounds` rounds ago.
    pub(super) fn expire(&mut self, rounds: Round, now: Round) {
        let old = |&&(came, _): &&(Round, _)| now.wrapping_sub(came) > rounds;
        while let Some((_, id)) = self.order.front().filter(old) {
            self.entries.remove(id);
            self.order.pop_front();
        }
    }

    /// Those that came `rest` rounds ago or earlier, the last first.
    pub(super) fn rested(&self, rest: u16, now: Round) -> impl Iterator<Item = MessageId<I>> {
        let rested = move |&&(came, _): &&(Round, _)| now.wrapping_sub(came) >= rest.into();
        self.order.iter().rev().filter(rested).map(|&(_, id)| id)
    }
}
