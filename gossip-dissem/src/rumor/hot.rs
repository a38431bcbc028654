//! The rumors a node spreads, and how it loses interest in them.
//!
//! Not a protocol: a table of the one in `rumor.rs`.

use core::cmp::Reverse;

use alloc::vec::Vec;

use gossip_core::random::Random;
use gossip_core::{PeerId, Wire};

use super::{Ended, Interest};
use crate::post::{MessageId, Post};

/// A rumor that is spread here.
#[derive(Clone, Debug)]
pub(super) struct Entry<I: PeerId, V: Wire> {
    pub(super) rumor: Post<I, V>,
    /// From whom it came first; none if it was published here.
    pub(super) source: Option<I>,
    /// Whether a round has begun since it came: only then it is passed on, and counts contacts.
    pub(super) active: bool,
    /// Useless contacts so far, in a row or in all.
    useless: u16,
    /// Copies sent from here.
    pub(super) sent: u32,
    /// Copies that somebody needed.
    needed: u32,
    round: Contacts,
}

/// What this round's contacts were worth. Counted when feedback comes, applied when the next round
/// begins: the paper's end of the cycle.
#[derive(Clone, Copy, Debug, Default)]
struct Contacts {
    /// Copies sent.
    sent: u16,
    /// Bit i: the i-th peer contacted this round was sent this rumor, and has not said whether it
    /// needed it.
    pending: u16,
    /// Bit i: the i-th peer that asked this round was sent this rumor, and has not said that it
    /// knew it.
    answered: u16,
    /// Peers that were sent it and needed it.
    needed: u32,
    /// Peers that were sent it and knew it.
    useless: u16,
    /// Peers that asked, and knew it.
    knowers: u16,
    /// Those of them that spread it with a smaller counter: they count the contact, not this node.
    yielded: u16,
}

impl<I: PeerId, V: Wire> Entry<I, V> {
    /// It goes to the peer contacted as number `slot` this round.
    pub(super) fn push(&mut self, slot: usize) {
        self.sent = self.sent.saturating_add(1);
        self.round.sent += 1;
        self.round.pending |= 1 << slot;
    }

    /// It goes to the peer that asked as number `slot` this round.
    pub(super) fn answer(&mut self, slot: usize) {
        self.sent = self.sent.saturating_add(1);
        self.round.sent += 1;
        self.round.answered |= 1 << slot;
    }

    /// Somebody has asked who knows it.
    pub(super) const fn meet_knower(&mut self) {
        self.round.knowers = self.round.knowers.saturating_add(1);
    }

    /// Useless contacts so far.
    pub(super) const fn useless(&self) -> u16 {
        self.useless
    }

    /// Somebody who spreads it has pushed it, with so many useless contacts. Returns whether the
    /// contact counts there. (That it counts here, if it does, is left to the question that comes
    /// with it.)
    pub(super) const fn weigh(&mut self, useless: u16) -> bool {
        if self.active && useless < self.useless {
            self.round.yielded = self.round.yielded.saturating_add(1);
        }
        useless <= self.useless
    }

    /// Whether it went to the peer that asked as number `slot`.
    pub(super) const fn has_answered(&self, slot: usize) -> bool {
        self.round.answered & (1 << slot) != 0
    }

    /// The peer contacted as number `slot` says whether it needed it. Returns whether that was
    /// awaited.
    pub(super) const fn hear_from_contact(&mut self, slot: usize, needed: bool) -> bool {
        let awaited = self.round.pending & (1 << slot) != 0;
        if awaited {
            self.round.pending &= !(1 << slot);
            if needed {
                self.round.needed += 1;
            } else {
                self.round.useless += 1;
            }
        }
        awaited
    }

    /// The peer that asked as number `slot` says that it knew it. Returns whether it was sent it.
    pub(super) const fn hear_from_asker(&mut self, slot: usize) -> bool {
        let awaited = self.has_answered(slot);
        if awaited {
            self.round.answered &= !(1 << slot);
            self.meet_knower();
        }
        awaited
    }

    /// A round begins: what the last one's contacts were worth is counted. Returns why interest is
    /// lost, if it is.
    fn settle(&mut self, interest: Interest, age: u16, random: &mut Random) -> Option<Ended> {
        let round = core::mem::take(&mut self.round);
        let needed = round.needed + round.answered.count_ones();
        self.needed = self.needed.saturating_add(needed);
        // To a counter all who asked and knew it are one (the footnote of the paper's table 3), and
        // none if a contact of this node's own has counted already. A coin is tossed for each.
        let asked = round.knowers.saturating_sub(round.yielded);
        let useless = round.useless.max(asked.min(1));
        let mut toss = |k: u16, coins: u16| (0..coins).any(|_| random.chance(1.0 / f64::from(k)));
        let lost = match interest {
            Interest::Consecutive { .. } if needed > 0 => {
                self.useless = 0;
                false
            }
            Interest::Consecutive { k } | Interest::Cumulative { k } => self.counts(useless, k),
            Interest::BlindCounter { k } => self.counts(round.sent, k),
            Interest::Coin { k } => toss(k, round.useless.saturating_add(asked)),
            Interest::BlindCoin { k } => toss(k, round.sent),
        };
        self.active = true;
        self.rumor.age = self.rumor.age.saturating_add(1);
        if lost {
            Some(Ended::LostInterest)
        } else if self.rumor.age > age {
            Some(Ended::TooOld)
        } else {
            None
        }
    }

    /// Whether so many more contacts make `k`.
    const fn counts(&mut self, more: u16, k: u16) -> bool {
        self.useless = self.useless.saturating_add(more);
        self.useless >= k
    }
}

/// A rumor published here is no longer spread.
pub(super) struct Farewell<I: PeerId> {
    pub(super) id: MessageId<I>,
    pub(super) sent: u32,
    pub(super) needed: u32,
    pub(super) why: Ended,
}

impl<I: PeerId> Farewell<I> {
    fn of<V: Wire>(entry: &Entry<I, V>, why: Ended) -> Option<Self> {
        let Entry { ref rumor, source, sent, needed, .. } = *entry;
        source.is_none().then_some(Self { id: rumor.id, sent, needed, why })
    }
}

/// The rumors a node spreads: at most `limit`, in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Hot<I: PeerId, V: Wire> {
    entries: Vec<Entry<I, V>>,
    limit: usize,
}

impl<I: PeerId, V: Wire> Hot<I, V> {
    pub(super) const fn new(limit: usize) -> Self {
        Self { entries: Vec::new(), limit }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many may be the node's own.
    pub(super) const fn own_limit(&self) -> usize {
        self.limit.div_ceil(2)
    }

    /// Whether one more of the node's own finds a place.
    pub(super) fn takes_own(&self) -> bool {
        self.entries.iter().filter(|entry| entry.source.is_none()).count() < self.own_limit()
    }

    pub(super) fn get(&self, id: &MessageId<I>) -> Option<&Entry<I, V>> {
        self.entries.iter().find(|entry| entry.rumor.id == *id)
    }

    pub(super) fn get_mut(&mut self, id: &MessageId<I>) -> Option<&mut Entry<I, V>> {
        self.entries.iter_mut().find(|entry| entry.rumor.id == *id)
    }

    /// Newest first.
    pub(super) fn rumors(&self) -> impl Iterator<Item = &Post<I, V>> {
        self.entries.iter().rev().map(|entry| &entry.rumor)
    }

    /// The most rumors.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// The rumors that are passed on now.
    pub(super) fn active(&mut self) -> impl Iterator<Item = &mut Entry<I, V>> {
        self.entries.iter_mut().filter(|entry| entry.active)
    }

    /// At most `count` of those `wanted`: the ones sent least often, then those that came last.
    pub(super) fn batch(
        &mut self,
        count: usize,
        wanted: impl Fn(&Entry<I, V>) -> bool,
    ) -> impl Iterator<Item = &mut Entry<I, V>> {
        let goes = move |entry: &Entry<I, V>| entry.active && wanted(entry);
        let mut order: Vec<(u32, Reverse<usize>)> = Vec::new();
        if self.entries.len() > count {
            let numbered = self.entries.iter().enumerate().filter(|(_, entry)| goes(entry));
            order.extend(numbered.map(|(at, entry)| (entry.sent, Reverse(at))));
            order.sort_unstable();
        }
        let last = order.get(count.wrapping_sub(1)).copied();
        let first = move |entry: &Entry<I, V>, at: usize| {
            last.is_none_or(|last| (entry.sent, Reverse(at)) <= last)
        };
        self.entries
            .iter_mut()
            .enumerate()
            .filter(move |(at, entry)| goes(entry) && first(entry, *at))
            .map(|(_, entry)| entry)
    }

    /// Takes in a rumor. If the table is full, the one of others that has been here longest makes
    /// room; returns whether one did, and `None` if there is none.
    pub(super) fn insert(&mut self, rumor: Post<I, V>, source: Option<I>) -> Option<bool> {
        let full = self.entries.len() >= self.limit;
        if full {
            let oldest = self.entries.iter().position(|entry| entry.source.is_some())?;
            self.entries.remove(oldest);
        }
        let round = Contacts::default();
        let entry = Entry { rumor, source, active: false, useless: 0, sent: 0, needed: 0, round };
        self.entries.push(entry);
        Some(full)
    }

    /// A round begins. Drops what has lost its interest; returns those that were published
    /// here.
    pub(super) fn settle(
        &mut self,
        interest: Interest,
        age: u16,
        random: &mut Random,
    ) -> Vec<Farewell<I>> {
        let mut ended = Vec::new();
        self.entries.retain_mut(|entry| match entry.settle(interest, age, random) {
            Some(why) => {
                ended.extend(Farewell::of(entry, why));
                false
            }
            None => true,
        });
        ended
    }
}
