//! The rumors a node spreads, and how far each has come.
//!
//! Not a protocol: a table of the one in `median.rs`.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use gossip_core::{PeerId, Wire};

use super::{Config, Stage};
use crate::arrivals::Arrivals;
use crate::post::{MessageId, Post};

/// A rumor that is spread here.
#[derive(Clone, Debug)]
struct Entry<I: PeerId, V: Wire> {
    /// As it came: its age is that of then.
    rumor: Post<I, V>,
    /// The table's round when it came, and the one in which it is spread no more.
    since: u64,
    end: u64,
    /// Rounds in stage C are counted from `cooling`.
    stage: Stage,
    cooling: u64,
    /// Whether a round has begun since it came: only then it is passed on.
    active: bool,
    /// Contacts this round that were in the same stage or a later one.
    ahead: u16,
    /// Whether one of them was in stage C.
    cooled: bool,
}

impl<I: PeerId, V: Wire> Entry<I, V> {
    /// Somebody who spreads it, in this stage, was in contact.
    fn meet(&mut self, stage: Stage) {
        self.cooled |= stage.is_cooling();
        self.ahead = self.ahead.saturating_add(u16::from(stage >= self.stage));
    }

    /// A round with so many contacts is over. Returns whether stage C begins.
    fn settle(&mut self, contacts: u16, limit: u16) -> bool {
        let (ahead, cooled) = (core::mem::take(&mut self.ahead), core::mem::take(&mut self.cooled));
        let Stage::Spreading(m) = self.stage else { return false };
        let most = u32::from(ahead) * 2 > u32::from(contacts);
        if cooled || (most && m.saturating_add(1) >= limit) {
            self.stage = Stage::Cooling(0);
        } else if most {
            self.stage = Stage::Spreading(m + 1);
        }
        self.stage.is_cooling()
    }
}

/// The rumors a node spreads, in the order in which they came.
///
/// What a round costs grows with what was heard in it, not with what is here: each step takes the
/// logarithm of that.
#[derive(Clone, Debug)]
pub(super) struct Hot<I: PeerId, V: Wire> {
    entries: Arrivals<I, Entry<I, V>>,
    /// When each is spread no more.
    ends: BTreeSet<(u64, u64)>,
    /// Those of which something was heard this round.
    touched: BTreeSet<u64>,
    /// Rounds so far.
    round: u64,
}

impl<I: PeerId, V: Wire> Hot<I, V> {
    pub(super) const fn new() -> Self {
        Self { entries: Arrivals::new(), ends: BTreeSet::new(), touched: BTreeSet::new(), round: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes in a rumor. If the table is full, the one that came first makes room; returns whether
    /// one did.
    pub(super) fn insert(&mut self, rumor: Post<I, V>, stage: Stage, config: &Config) -> bool {
        // One that is here still, but forgotten otherwise.
        if let Some(number) = self.entries.number(&rumor.id) {
            self.remove(number);
        }
        let displaced = self.entries.first().filter(|_| self.entries.len() >= config.hot);
        if let Some(first) = displaced {
            self.remove(first);
        }
        let (id, since) = (rumor.id, self.round);
        let end = since + u64::from(config.limits.age.saturating_sub(rumor.age)) + 1;
        let (cooling, active, ahead, cooled) = (since, false, 0, false);
        let entry = Entry { rumor, since, end, stage, cooling, active, ahead, cooled };
        let number = self.entries.push(id, entry);
        self.ends.insert((end, number));
        displaced.is_some()
    }

    /// Somebody who spreads `id`, in this stage, was in contact.
    pub(super) fn meet(&mut self, id: &MessageId<I>, stage: Stage) {
        let Some(number) = self.entries.number(id) else { return };
        let Some(entry) = self.entries.get_mut(number) else { return };
        if entry.active {
            entry.meet(stage);
            self.touched.insert(number);
        } else {
            // Who hears from both in one round is in B.
            entry.stage = entry.stage.min(stage.of_next());
        }
    }

    /// What is spread now: those that came last first, at most `count`.
    pub(super) fn offered(&self, count: usize) -> impl Iterator<Item = (Post<I, V>, Stage)> {
        let active = self.entries.iter().rev().map(|(_, entry)| entry).filter(|one| one.active);
        active.take(count).map(|entry| {
            let mut rumor = entry.rumor.clone();
            rumor.age = rumor.age.saturating_add((self.round - entry.since) as u16);
            let stage = match entry.stage {
                Stage::Cooling(_) => Stage::Cooling((self.round - entry.cooling) as u16),
                spreading @ Stage::Spreading(_) => spreading,
            };
            (rumor, stage)
        })
    }

    /// A round with so many contacts is over.
    pub(super) fn settle(&mut self, contacts: u16, config: &Config) {
        self.round += 1;
        let mut cooling = Vec::new();
        for (number, entry) in self.entries.iter_mut().rev().take_while(|(_, one)| !one.active) {
            entry.active = true;
            if entry.stage.is_cooling() {
                cooling.push(number);
            }
        }
        for number in core::mem::take(&mut self.touched) {
            let entry = self.entries.get_mut(number);
            if entry.is_some_and(|entry| entry.settle(contacts, config.limit)) {
                cooling.push(number);
            }
        }
        for number in cooling {
            self.cool(number, config.linger);
        }
        while let Some(&(end, number)) = self.ends.first()
            && end <= self.round
        {
            self.remove(number);
        }
    }

    /// Stage C begins: it is spread for so many rounds more.
    fn cool(&mut self, number: u64, rounds: u16) {
        let Some(entry) = self.entries.get_mut(number) else { return };
        entry.cooling = self.round;
        self.ends.remove(&(entry.end, number));
        entry.end = entry.end.min(self.round + u64::from(rounds));
        self.ends.insert((entry.end, number));
    }

    fn remove(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(number) {
            self.ends.remove(&(entry.end, number));
            self.touched.remove(&number);
        }
    }
}
