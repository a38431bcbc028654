//! What was announced and has not come, and who is asked for it when.
//!
//! Not a protocol: a table of the one in `plumtree.rs`.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use core::time::Duration;

use gossip_core::{PeerId, Round, Time};

use super::LINKS_MAX;
use crate::post::MessageId;
use crate::schedule::Schedule;

/// How often the time between two questions doubles.
const DOUBLINGS: u32 = 5;

/// A publication that is waited for.
#[derive(Clone, Debug)]
struct Wanted<I> {
    /// Who has it, and over how many hops it would have come from there. Whom to ask next is first.
    from: VecDeque<(I, u16)>,
    /// Who announced it first, in whose share it counts.
    owner: I,
    /// When.
    since: Round,
    /// Questions so far.
    asked: u32,
}

/// The publications that are waited for.
#[derive(Clone, Debug)]
pub(super) struct Missing<I: PeerId> {
    wanted: Schedule<MessageId<I>, Wanted<I>>,
    /// How many of them each peer was the first to announce.
    owned: BTreeMap<I, usize>,
    limit: usize,
}

impl<I: PeerId> Missing<I> {
    pub(super) fn new(limit: usize) -> Self {
        Self { wanted: Schedule::default(), owned: BTreeMap::new(), limit }
    }

    pub(super) fn len(&self) -> usize {
        self.wanted.len()
    }

    pub(super) fn next(&self) -> Time {
        self.wanted.next()
    }

    /// `peer` has `id`, over so many hops; if nobody had, it is asked for at `due`. Returns whether
    /// that is noted: no peer may fill more than half of the table.
    pub(super) fn note(
        &mut self,
        id: MessageId<I>,
        (peer, hops): (I, u16),
        due: Time,
        round: Round,
    ) -> bool {
        if let Some(wanted) = self.wanted.get_mut(&id) {
            if wanted.from.len() < LINKS_MAX && wanted.from.iter().all(|entry| entry.0 != peer) {
                wanted.from.push_back((peer, hops));
            }
            return true;
        }
        let owned = self.owned.get(&peer).copied().unwrap_or(0);
        if self.wanted.len() >= self.limit || owned >= self.limit.div_ceil(2) {
            return false;
        }
        self.owned.insert(peer, owned + 1);
        let from = VecDeque::from([(peer, hops)]);
        self.wanted.insert(id, due, Wanted { from, owner: peer, since: round, asked: 0 });
        true
    }

    /// It has come, or is given up. Returns who has it.
    pub(super) fn take(&mut self, id: &MessageId<I>) -> VecDeque<(I, u16)> {
        let Some(wanted) = self.wanted.remove(id) else { return VecDeque::new() };
        if let Some(owned) = self.owned.get_mut(&wanted.owner) {
            *owned -= 1;
            if *owned == 0 {
                self.owned.remove(&wanted.owner);
            }
        }
        wanted.from
    }

    /// Whom to ask now for what; the next is asked `timeout` later, at first.
    pub(super) fn ask(&mut self, now: Time, timeout: Duration) -> Option<(MessageId<I>, I)> {
        let id = self.wanted.due(now)?;
        let wanted = self.wanted.get_mut(&id)?;
        wanted.from.rotate_left(1);
        let wait = timeout.saturating_mul(1 << wanted.asked.min(DOUBLINGS));
        wanted.asked += 1;
        let peer = wanted.from.back()?.0;
        self.wanted.postpone(&id, now + wait);
        Some((id, peer))
    }

    /// `peer` is no neighbour any more: what only it has is not waited for.
    pub(super) fn leave(&mut self, peer: I) {
        let mut gone = Vec::new();
        for (id, wanted) in self.wanted.iter_mut() {
            wanted.from.retain(|entry| entry.0 != peer);
            if wanted.from.is_empty() {
                gone.push(id);
            }
        }
        for id in &gone {
            self.take(id);
        }
    }

    /// Gives up what was announced more than `age` rounds ago. Returns how many.
    pub(super) fn expire(&mut self, round: Round, age: u16) -> usize {
        let late = |since: Round| round.wrapping_sub(since) > Round::from(age);
        let wanted = self.wanted.iter();
        let gone: Vec<_> = wanted.filter(|one| late(one.1.since)).map(|one| one.0).collect();
        for id in &gone {
            self.take(id);
        }
        gone.len()
    }
}
