//! What a node knows of others, and in which order it tells it.
//!
//! Not a protocol: a table of the one in `background.rs`.

use core::cmp::Reverse;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use gossip_core::stack::frame_len;
use gossip_core::{PeerId, Wire};

use super::{Entry, Reading};

/// What is held of an origin.
#[derive(Clone, Debug)]
struct Held<V> {
    version: u64,
    value: V,
    /// The table's round when its origin made it.
    born: u64,
    /// When it was told last, by the table's count; 0: never.
    told: u64,
}

/// What became of an entry that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken<I> {
    /// It is no newer than what is here.
    Known,
    /// Its origin says the same as before.
    Refreshed,
    /// Its origin says something else.
    Changed,
    /// Its origin is new here, in the place of another if need be.
    New(Option<I>),
    /// There is no room for its origin.
    Shed,
}

/// The entries of other nodes.
#[derive(Clone, Debug)]
pub(super) struct Table<I: PeerId, V> {
    held: BTreeMap<I, Held<V>>,
    /// Which was told when: the stalest first.
    order: BTreeSet<(u64, I)>,
    /// Which was made when: the oldest first, and of these the greatest identifier.
    ages: BTreeSet<(u64, Reverse<I>)>,
    /// Rounds so far, and what the greatest age is.
    round: u64,
    limit: usize,
    /// Entries told so far.
    tellings: u64,
    changes: u64,
}

impl<I: PeerId, V: Wire + PartialEq> Table<I, V> {
    pub(super) const fn new(limit: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            order: BTreeSet::new(),
            ages: BTreeSet::new(),
            round: u16::MAX as u64,
            limit,
            tellings: 0,
            changes: 0,
        }
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn get(&self, origin: I) -> Option<Reading<'_, V>> {
        self.held.get(&origin).map(|held| self.reading(held))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (I, Reading<'_, V>)> {
        self.held.iter().map(|(&origin, held)| (origin, self.reading(held)))
    }

    /// Takes an entry if it is newer than what is here; of a new origin only if there is `room`
    /// this round, and room in the table, or somebody older to give way.
    pub(super) fn take(&mut self, entry: Entry<I, V>, room: bool) -> Taken<I> {
        let Entry { origin, version, age, value } = entry;
        let born = self.round - u64::from(age);
        if let Some(held) = self.held.get_mut(&origin) {
            if version <= held.version {
                return Taken::Known;
            }
            self.ages.remove(&(held.born, Reverse(origin)));
            self.ages.insert((born, Reverse(origin)));
            let same = held.value == value;
            (held.version, held.born, held.value) = (version, born, value);
            self.changes += u64::from(!same);
            return if same { Taken::Refreshed } else { Taken::Changed };
        }
        let full = self.held.len() >= self.limit;
        let oldest = self.ages.first().filter(|oldest| full && oldest.0 < born);
        let displaced = oldest.map(|&(_, Reverse(origin))| origin);
        if !room || (full && displaced.is_none()) {
            return Taken::Shed;
        }
        if let Some(origin) = displaced {
            self.remove(origin);
        }
        self.changes += 1;
        self.order.insert((0, origin));
        self.ages.insert((born, Reverse(origin)));
        self.held.insert(origin, Held { version, value, born, told: 0 });
        Taken::New(displaced)
    }

    fn remove(&mut self, origin: I) {
        if let Some(held) = self.held.remove(&origin) {
            self.order.remove(&(held.told, origin));
            self.ages.remove(&(held.born, Reverse(origin)));
            self.changes += 1;
        }
    }

    /// A round goes by. Drops what is older than `expiry`; returns whose it was.
    pub(super) fn grow_old(&mut self, expiry: u16) -> Vec<I> {
        self.round += 1;
        let too_old = |&&(born, _): &&(u64, Reverse<I>)| born + u64::from(expiry) < self.round;
        let gone = self.ages.iter().take_while(too_old).map(|&(_, Reverse(origin))| origin);
        let mut gone: Vec<_> = gone.collect();
        gone.sort_unstable();
        for &origin in &gone {
            self.remove(origin);
        }
        gone
    }

    /// The entries told longest ago, as many in a row as `room` bytes hold, without what `peer`
    /// says of itself. They count as told now.
    pub(super) fn stalest(&mut self, room: usize, peer: I) -> Vec<Entry<I, V>> {
        let mut left = room;
        let mut told = Vec::new();
        for &(_, origin) in self.order.iter().filter(|entry| entry.1 != peer) {
            let Some(held) = self.held.get(&origin) else { continue };
            let Held { version, ref value, .. } = *held;
            let entry = Entry { origin, version, age: self.age(held), value: value.clone() };
            let Some(rest) = left.checked_sub(frame_len(entry.encoded_len())) else { break };
            left = rest;
            told.push(entry);
        }
        for entry in &told {
            self.tellings += 1;
            if let Some(held) = self.held.get_mut(&entry.origin) {
                self.order.remove(&(held.told, entry.origin));
                held.told = self.tellings;
                self.order.insert((held.told, entry.origin));
            }
        }
        told
    }

    const fn age(&self, held: &Held<V>) -> u16 {
        (self.round - held.born) as u16
    }

    const fn reading<'a>(&self, held: &'a Held<V>) -> Reading<'a, V> {
        Reading { value: &held.value, age: self.age(held), version: held.version }
    }
}
