//! The rumors a node spreads, and how it loses interest in them.
//!
//! Not a protocol: a table of the one in `rumor.rs`.

use core::cmp::Reverse;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use gossip_core::random::Random;
use gossip_core::{PeerId, Wire};

use super::{DIGEST, Ended, Interest};
use crate::arrivals::Arrivals;
use crate::post::{MessageId, Post};

/// A rumor that is spread here.
#[derive(Clone, Debug)]
pub(super) struct Entry<I: PeerId, V: Wire> {
    /// As it came: its age is that of then.
    rumor: Post<I, V>,
    /// The table's round when it came, and the one in which it is too old.
    since: u64,
    end: u64,
    /// From whom it came first; none if it was published here.
    pub(super) source: Option<I>,
    /// Whether a round has begun since it came: only then it is passed on, and counts contacts.
    pub(super) active: bool,
    /// Useless contacts so far, in a row or in all.
    useless: u16,
    /// Copies sent from here.
    sent: u32,
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
    pub(super) const fn id(&self) -> MessageId<I> {
        self.rumor.id
    }

    /// It goes to the peer contacted as number `slot` this round.
    pub(super) const fn push(&mut self, slot: usize) {
        self.round.sent += 1;
        self.round.pending |= 1 << slot;
    }

    /// It goes to the peer that asked as number `slot` this round.
    pub(super) const fn answer(&mut self, slot: usize) {
        self.round.sent += 1;
        self.round.answered |= 1 << slot;
    }

    /// Somebody has asked who knows it.
    pub(super) const fn meet_knower(&mut self) {
        self.round.knowers = self.round.knowers.saturating_add(1);
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

    /// A round begins: what the last one's contacts were worth is counted. Returns whether interest
    /// is lost.
    fn settle(&mut self, interest: Interest, random: &mut Random) -> bool {
        let round = core::mem::take(&mut self.round);
        let needed = round.needed + round.answered.count_ones();
        self.needed = self.needed.saturating_add(needed);
        // To a counter all who asked and knew it are one (the footnote of the paper's table 3), and
        // none if a contact of this node's own has counted already. A coin is tossed for each.
        let asked = round.knowers.saturating_sub(round.yielded);
        let useless = round.useless.max(asked.min(1));
        let mut toss = |k: u16, coins: u16| (0..coins).any(|_| random.chance(1.0 / f64::from(k)));
        match interest {
            Interest::Consecutive { .. } if needed > 0 => {
                self.useless = 0;
                false
            }
            Interest::Consecutive { k } | Interest::Cumulative { k } => self.counts(useless, k),
            Interest::BlindCounter { k } => self.counts(round.sent, k),
            Interest::Coin { k } => toss(k, round.useless.saturating_add(asked)),
            Interest::BlindCoin { k } => toss(k, round.sent),
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

/// A rumor that may be sent now.
pub(super) struct Offer<I: PeerId, V: Wire> {
    number: u64,
    pub(super) rumor: Post<I, V>,
    /// Its useless contacts so far.
    pub(super) useless: u16,
}

/// The rumors a node spreads: at most `limit`, in the order in which they came.
///
/// What a round costs grows with what was sent and heard in it, not with what is here: each step
/// takes the logarithm of that.
#[derive(Clone, Debug)]
pub(super) struct Hot<I: PeerId, V: Wire> {
    entries: Arrivals<I, Entry<I, V>>,
    /// Those that are active: the ones sent least often first, then those that came last.
    order: BTreeSet<(u32, Reverse<u64>)>,
    /// When each is too old.
    ends: BTreeSet<(u64, u64)>,
    /// Those that came from others.
    foreign: BTreeSet<u64>,
    /// Those in whose round there may be something to count.
    touched: BTreeSet<u64>,
    /// Rounds so far.
    round: u64,
    limit: usize,
    age: u16,
}

impl<I: PeerId, V: Wire> Hot<I, V> {
    /// Of at most `limit` rumors, none older than `age` rounds.
    pub(super) const fn new(limit: usize, age: u16) -> Self {
        Self {
            entries: Arrivals::new(),
            order: BTreeSet::new(),
            ends: BTreeSet::new(),
            foreign: BTreeSet::new(),
            touched: BTreeSet::new(),
            round: 0,
            limit,
            age,
        }
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
        self.entries.len() - self.foreign.len() < self.own_limit()
    }

    pub(super) fn get(&self, id: &MessageId<I>) -> Option<&Entry<I, V>> {
        self.entries.get(self.entries.number(id)?)
    }

    pub(super) fn get_mut(&mut self, id: &MessageId<I>) -> Option<&mut Entry<I, V>> {
        let number = self.entries.number(id)?;
        self.touched.insert(number);
        self.entries.get_mut(number)
    }

    /// Newest first.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Entry<I, V>> {
        self.entries.iter().rev().map(|(_, entry)| entry)
    }

    /// The most rumors.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// `entry`, as it is to be sent.
    pub(super) fn post(&self, entry: &Entry<I, V>) -> Post<I, V> {
        let mut rumor = entry.rumor.clone();
        rumor.age = rumor.age.saturating_add((self.round - entry.since) as u16);
        rumor
    }

    /// At most `count` of those `wanted`: the ones sent least often, then those that came last; in
    /// the order in which they came. Looks at twice as many and those that a question can list, so
    /// that it may miss some if more are not wanted.
    pub(super) fn batch(
        &self,
        count: usize,
        wanted: impl Fn(&Entry<I, V>) -> bool,
    ) -> Vec<Offer<I, V>> {
        let looks = count.saturating_mul(2).saturating_add(DIGEST);
        let entries = self.order.iter().take(looks).filter_map(|&(_, Reverse(number))| {
            self.entries.get(number).filter(|entry| wanted(entry)).map(|entry| (number, entry))
        });
        let mut chosen: Vec<_> = entries.take(count).collect();
        chosen.sort_unstable_by_key(|&(number, _)| number);
        let offer = |(number, entry): (u64, &Entry<I, V>)| Offer {
            number,
            rumor: self.post(entry),
            useless: entry.useless,
        };
        chosen.into_iter().map(offer).collect()
    }

    /// What was offered is sent; `note` notes to whom.
    pub(super) fn send(&mut self, offer: &Offer<I, V>, note: impl FnOnce(&mut Entry<I, V>)) {
        let Some(entry) = self.entries.get_mut(offer.number) else { return };
        let place = Reverse(offer.number);
        self.order.remove(&(entry.sent, place));
        entry.sent = entry.sent.saturating_add(1);
        note(entry);
        self.order.insert((entry.sent, place));
        self.touched.insert(offer.number);
    }

    /// Takes in a rumor. If the table is full, the one of others that has been here longest makes
    /// room; returns whether one did, and `None` if there is none.
    pub(super) fn insert(&mut self, rumor: Post<I, V>, source: Option<I>) -> Option<bool> {
        // One that is here still, but forgotten otherwise.
        if let Some(number) = self.entries.number(&rumor.id) {
            self.remove(number);
        }
        let full = self.entries.len() >= self.limit;
        if full {
            self.remove(*self.foreign.first()?);
        }
        let since = self.round;
        let end = since + u64::from(self.age.saturating_sub(rumor.age)) + 1;
        let round = Contacts::default();
        let (id, own) = (rumor.id, source.is_none());
        let (active, useless, sent, needed) = (false, 0, 0, 0);
        let entry = Entry { rumor, since, end, source, active, useless, sent, needed, round };
        let number = self.entries.push(id, entry);
        self.ends.insert((end, number));
        if !own {
            self.foreign.insert(number);
        }
        Some(full)
    }

    fn remove(&mut self, number: u64) {
        if let Some(entry) = self.entries.remove(number) {
            self.order.remove(&(entry.sent, Reverse(number)));
            self.ends.remove(&(entry.end, number));
            self.foreign.remove(&number);
            self.touched.remove(&number);
        }
    }

    /// A round begins. Drops what has lost its interest; returns those that were published
    /// here.
    pub(super) fn settle(&mut self, interest: Interest, random: &mut Random) -> Vec<Farewell<I>> {
        self.round += 1;
        for (number, entry) in self.entries.iter_mut().rev().take_while(|(_, one)| !one.active) {
            entry.active = true;
            self.order.insert((entry.sent, Reverse(number)));
        }
        let mut open = core::mem::take(&mut self.touched);
        let due = |&&(end, _): &&(u64, u64)| end <= self.round;
        open.extend(self.ends.iter().take_while(due).map(|&(_, number)| number));
        let mut ended = Vec::new();
        for number in open {
            let Some(entry) = self.entries.get_mut(number) else { continue };
            let why = if entry.settle(interest, random) {
                Ended::LostInterest
            } else if entry.end <= self.round {
                Ended::TooOld
            } else {
                continue;
            };
            ended.extend(Farewell::of(entry, why));
            self.remove(number);
        }
        ended
    }
}
