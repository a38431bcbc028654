//! What was announced and has not come, and who is asked for it when.
//!
//! Not a protocol: a table of the one in `plumtree.rs`.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use core::time::Duration;

use gossip_core::{PeerId, Round, Time};

use super::LINKS_MAX;
use super::link::Tree;
use crate::post::MessageId;
use crate::schedule::Schedule;

/// How often the time between two questions doubles. Another neighbour is asked for the first time
/// without: what was lost says nothing of the next one, and a second loss must not cost twice.
const DOUBLINGS: u32 = 5;

/// Trees of which it is known how many of the last publications came late; the rest are taken to be
/// in order. Our choice.
const TREES: usize = 1_024;

/// What is known of a publication that was announced, or of one that was not.
#[derive(Clone, Debug)]
pub(super) struct Sources<I> {
    /// Who has it, and over how many hops it would have come from there. Whom to ask next is first.
    pub(super) from: VecDeque<(I, u16)>,
    /// Questions so far.
    pub(super) asked: u32,
    /// Whom the last one was put to, if it was for this publication alone.
    pub(super) requested: Option<I>,
}

impl<I> Default for Sources<I> {
    fn default() -> Self {
        Self { from: VecDeque::new(), asked: 0, requested: None }
    }
}

/// A publication that is waited for.
#[derive(Clone, Debug)]
struct Wanted<I> {
    sources: Sources<I>,
    /// Who announced it first, in whose share it counts.
    owner: I,
    /// When.
    since: Round,
}

/// The publications that are waited for.
#[derive(Clone, Debug)]
pub(super) struct Missing<I: PeerId> {
    wanted: Schedule<MessageId<I>, Wanted<I>>,
    /// How many of them each peer was the first to announce.
    owned: BTreeMap<I, usize>,
    /// How many publications of a tree in a row came only when they were asked for, or later.
    late: BTreeMap<Tree<I>, u8>,
    limit: usize,
}

impl<I: PeerId> Missing<I> {
    pub(super) fn new(limit: usize) -> Self {
        let (owned, late) = (BTreeMap::new(), BTreeMap::new());
        Self { wanted: Schedule::default(), owned, late, limit }
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
            let from = &mut wanted.sources.from;
            if from.len() < LINKS_MAX && from.iter().all(|entry| entry.0 != peer) {
                from.push_back((peer, hops));
            }
            return true;
        }
        let owned = self.owned.get(&peer).copied().unwrap_or(0);
        if self.wanted.len() >= self.limit || owned >= self.limit.div_ceil(2) {
            return false;
        }
        self.owned.insert(peer, owned + 1);
        let sources = Sources { from: VecDeque::from([(peer, hops)]), ..Sources::default() };
        self.wanted.insert(id, due, Wanted { sources, owner: peer, since: round });
        true
    }

    /// It has come, or is given up. Returns who has it and who was asked.
    pub(super) fn take(&mut self, id: &MessageId<I>) -> Sources<I> {
        let Some(wanted) = self.wanted.remove(id) else { return Sources::default() };
        if let Some(owned) = self.owned.get_mut(&wanted.owner) {
            *owned -= 1;
            if *owned == 0 {
                self.owned.remove(&wanted.owner);
            }
        }
        wanted.sources
    }

    /// A publication of `tree` has come in time, or had to be asked for.
    pub(super) fn came(&mut self, tree: Tree<I>, late: bool) {
        if !late {
            self.late.remove(&tree);
        } else if self.late.len() < TREES || self.late.contains_key(&tree) {
            let count = self.late.entry(tree).or_default();
            *count = count.saturating_add(1);
        }
    }

    /// How many publications of `tree` in a row had to be asked for.
    pub(super) fn late(&self, tree: Tree<I>) -> u8 {
        self.late.get(&tree).copied().unwrap_or(0)
    }

    /// Whom to ask now for what; the next is asked `timeout` later, at first.
    pub(super) fn ask(&mut self, now: Time, timeout: Duration) -> Option<(MessageId<I>, I)> {
        let id = self.wanted.due(now)?;
        let sources = &mut self.wanted.get_mut(&id)?.sources;
        sources.from.rotate_left(1);
        let turns = sources.asked / (sources.from.len() as u32).max(1);
        let wait = timeout.saturating_mul(1 << turns.min(DOUBLINGS));
        sources.asked += 1;
        let peer = sources.from.back()?.0;
        self.wanted.postpone(&id, now + wait);
        Some((id, peer))
    }

    /// The last question for `id` was for it alone, to `peer`; or else for what comes next, too.
    pub(super) fn requested(&mut self, id: &MessageId<I>, peer: Option<I>) {
        self.wanted.get_mut(id).into_iter().for_each(|wanted| wanted.sources.requested = peer);
    }

    /// `peer` is no neighbour any more: what only it has is not waited for.
    pub(super) fn leave(&mut self, peer: I) {
        let mut gone = Vec::new();
        for (id, wanted) in self.wanted.iter_mut() {
            wanted.sources.from.retain(|entry| entry.0 != peer);
            if wanted.sources.from.is_empty() {
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
