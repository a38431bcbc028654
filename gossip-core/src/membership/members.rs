//! The table of members, and the order in which they are probed.
//!
//! Not a protocol: SWIM's round-robin probing (section 4.3). Everybody is probed once in a pass
//! over a random order, which is shuffled anew for each pass; newcomers get a random place. So
//! between two probes of the same member there are at most 2n - 1 periods, whoever comes and goes,
//! if n counts all who were members meanwhile: it is probed once in this pass and once in the next.

use core::ops::Bound;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::flaps::Flaps;
use super::state::{Standing, State};
use crate::id::{PeerId, digest};
use crate::random::{Random, mix};
use crate::time::Round;

/// One member, dead and left ones included.
#[derive(Clone, Debug)]
pub(super) struct Member<I, T> {
    pub(super) peer: I,
    pub(super) standing: Standing,
    pub(super) profile: T,
    /// The incarnation and version of the profile.
    pub(super) told: (u32, u32),
    /// Its place in the order; [`NOWHERE`] if it is gone.
    place: u32,
    /// Its ticket in the queue of news; 0: none.
    pub(super) ticket: u32,
    /// When it became a member last.
    pub(super) since: u64,
}

const NOWHERE: u32 = u32::MAX;

/// Bytes of the index per entry beside the entry: shares of pointers and counts.
const INDEX: usize = 8;

/// All members. Each has a slot, which it keeps for as long as it is known.
#[derive(Clone, Debug)]
pub(super) struct Members<I, T> {
    slots: Vec<Member<I, T>>,
    free: Vec<u32>,
    index: BTreeMap<I, u32>,
    /// Who is to be probed: those before `next` have been, in this pass.
    order: Vec<u32>,
    next: usize,
    /// Who is dead or has left, for longest first.
    gone: VecDeque<u32>,
    /// How often members died of late: those that did, which are few.
    flaps: BTreeMap<u32, Flaps>,
    digest: u64,
}

/// Adds to a table that grows by an eighth at a time: twice as much would be half empty at times.
fn add<T>(table: &mut Vec<T>, item: T) {
    if table.len() == table.capacity() {
        table.reserve_exact(table.len() / 8 + 8);
    }
    table.push(item);
}

/// What one member adds to the digest of all.
pub(super) fn print<I: PeerId>(peer: I, told: (u32, u32)) -> u64 {
    mix(digest(&peer) ^ mix(u64::from(told.0) << 32 | u64::from(told.1)))
}

impl<I: PeerId, T> Members<I, T> {
    pub(super) const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            index: BTreeMap::new(),
            order: Vec::new(),
            next: 0,
            gone: VecDeque::new(),
            flaps: BTreeMap::new(),
            digest: 0,
        }
    }

    pub(super) fn find(&self, peer: I) -> Option<u32> {
        self.index.get(&peer).copied()
    }

    pub(super) fn at(&self, slot: u32) -> &Member<I, T> {
        &self.slots[slot as usize]
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> &mut Member<I, T> {
        &mut self.slots[slot as usize]
    }

    /// Whether `ticket` is the one the subject at `slot` holds.
    pub(super) fn holds(&self, slot: u32, ticket: u32) -> bool {
        self.slots.get(slot as usize).is_some_and(|member| member.ticket == ticket)
    }

    /// How many count as members.
    pub(super) const fn live(&self) -> usize {
        self.order.len()
    }

    /// How many are known, dead and left ones included.
    pub(super) fn known(&self) -> usize {
        self.index.len()
    }

    /// Bytes of memory held; nodes of the index are taken to be half full.
    pub(super) fn bytes(&self) -> usize {
        let index = self.index.len() * (2 * size_of::<(I, u32)>() + INDEX);
        let places = self.free.capacity() + self.order.capacity() + self.gone.capacity();
        self.slots.capacity() * size_of::<Member<I, T>>() + places * size_of::<u32>() + index
    }

    /// A digest of those who count as members and of their profiles, in no order.
    pub(super) const fn digest(&self) -> u64 {
        self.digest
    }

    /// Everybody known, in order of identifiers, beyond `after`.
    pub(super) fn beyond(&self, after: Option<I>) -> impl Iterator<Item = (u32, &Member<I, T>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.index.range((from, Bound::Unbounded)).map(|(_, &slot)| (slot, self.at(slot)))
    }

    /// Those who count as members, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Member<I, T>> + Clone {
        self.order.iter().map(|&slot| self.at(slot))
    }

    /// A new member, alive. Where `most` are known, who is gone for longest is forgotten; if nobody
    /// is gone, the table is full.
    pub(super) fn insert(
        &mut self,
        (peer, standing): (I, Standing),
        (told, profile): ((u32, u32), T),
        most: usize,
        since: u64,
        random: &mut Random,
    ) -> Option<u32> {
        if self.known() >= most && !self.forget() {
            return None;
        }
        let member = Member { peer, standing, profile, told, place: NOWHERE, ticket: 0, since };
        let slot = self.free.pop().unwrap_or(self.slots.len() as u32);
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = member,
            None => add(&mut self.slots, member),
        }
        self.index.insert(peer, slot);
        self.enlist(slot, random);
        Some(slot)
    }

    /// Forgets who is gone for longest. Returns whether there was one.
    pub(super) fn forget(&mut self) -> bool {
        let Some(slot) = self.gone.pop_front() else { return false };
        self.at_mut(slot).ticket = 0;
        let peer = self.at(slot).peer;
        self.index.remove(&peer);
        self.flaps.remove(&slot);
        self.free.push(slot);
        true
    }

    /// The member at `slot` is presumed dead; how often it was is halved every `half_life` rounds.
    pub(super) fn died(&mut self, slot: u32, half_life: u16, now: Round) {
        if half_life > 0 {
            self.flaps.entry(slot).or_default().died(half_life, now);
        }
    }

    /// Whether the member at `slot` may come back.
    pub(super) fn may_return(&mut self, slot: u32, half_life: u16, now: Round) -> bool {
        self.flaps.get_mut(&slot).is_none_or(|flaps| flaps.may_return(half_life, now))
    }

    /// Another profile of the same member; ignored unless it is newer. Returns whether it was.
    pub(super) fn tell(&mut self, slot: u32, told: (u32, u32), profile: T) -> bool {
        let member = &mut self.slots[slot as usize];
        let newer = told > member.told;
        if newer {
            if member.place != NOWHERE {
                let (before, after) = (print(member.peer, member.told), print(member.peer, told));
                self.digest = self.digest.wrapping_sub(before).wrapping_add(after);
            }
            (member.told, member.profile) = (told, profile);
        }
        newer
    }

    fn set_place(&mut self, place: usize) {
        if let Some(&slot) = self.order.get(place) {
            self.slots[slot as usize].place = place as u32;
        }
    }

    /// Gives a member a random place in the order.
    fn enlist(&mut self, slot: u32, random: &mut Random) {
        let last = self.order.len();
        let mut place = random.below(last + 1);
        add(&mut self.order, slot);
        if place < self.next {
            // Among those who have been probed in this pass, whose order matters no more.
            place = self.next;
            self.next += 1;
        }
        self.order.swap(place, last);
        self.set_place(place);
        self.set_place(last);
        let member = self.at(slot);
        self.digest = self.digest.wrapping_add(print(member.peer, member.told));
    }

    /// A member is gone.
    pub(super) fn bury(&mut self, slot: u32) {
        let mut place = self.at(slot).place as usize;
        if place >= self.order.len() {
            return;
        }
        if place < self.next {
            // Another that has been probed takes its place.
            self.next -= 1;
            self.order.swap(place, self.next);
            self.set_place(place);
            place = self.next;
        }
        self.order.swap_remove(place);
        self.set_place(place);
        self.at_mut(slot).place = NOWHERE;
        let member = self.at(slot);
        self.digest = self.digest.wrapping_sub(print(member.peer, member.told));
        self.gone.push_back(slot);
    }

    /// One who was gone is back.
    pub(super) fn revive(&mut self, slot: u32, since: u64, random: &mut Random) {
        self.gone.retain(|&other| other != slot);
        self.at_mut(slot).since = since;
        self.enlist(slot, random);
    }

    /// The member at `slot` now stands `to`, and comes or goes if that says so; of those gone,
    /// `remembered` are kept. Returns how it stood.
    pub(super) fn stand(
        &mut self,
        slot: u32,
        to: Standing,
        (since, remembered): (u64, usize),
        random: &mut Random,
    ) -> Standing {
        let from = core::mem::replace(&mut self.at_mut(slot).standing, to);
        if from.state.is_member() && !to.state.is_member() {
            self.bury(slot);
            if self.buried() > remembered {
                self.forget();
            }
        } else if !from.state.is_member() && to.state.is_member() {
            self.revive(slot, since, random);
        }
        from
    }

    /// How many are gone.
    pub(super) fn buried(&self) -> usize {
        self.gone.len()
    }

    /// Some member that is presumed dead.
    pub(super) fn some_dead(&self, random: &mut Random) -> Option<u32> {
        let start = random.below(self.gone.len());
        let mut all = self.gone.iter().skip(start).chain(self.gone.iter().take(start)).copied();
        all.find(|&slot| self.at(slot).standing.state == State::Dead)
    }

    /// Whose turn it is to be probed.
    pub(super) fn turn(&mut self, random: &mut Random) -> Option<u32> {
        if self.next >= self.order.len() {
            random.shuffle(&mut self.order);
            (0..self.order.len()).for_each(|place| self.set_place(place));
            self.next = 0;
        }
        let slot = self.order.get(self.next).copied();
        self.next += usize::from(slot.is_some());
        slot
    }

    /// A random member.
    pub(super) fn sample(&self, random: &mut Random) -> Option<I> {
        random.pick(&self.order).map(|&slot| self.at(slot).peer)
    }

    /// `count` random members but one, or as many as there are.
    pub(super) fn choose(&self, count: usize, not: I, random: &mut Random) -> Vec<I> {
        let mut chosen = Vec::with_capacity(count);
        if count == 0 {
            return chosen;
        }
        if self.order.len() <= 4 * count + 4 {
            let mut others: Vec<I> = self.iter().map(|member| member.peer).collect();
            others.retain(|&peer| peer != not);
            chosen.extend_from_slice(random.choose(&mut others, count));
            return chosen;
        }
        while chosen.len() < count {
            let Some(peer) = self.sample(random) else { break };
            if peer != not && !chosen.contains(&peer) {
                chosen.push(peer);
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;
    use crate::random::Key;

    /// Places, index, order and digest agree.
    fn assert_sound(members: &Members<u32, ()>) {
        for (place, &slot) in members.order.iter().enumerate() {
            assert_eq!(members.at(slot).place as usize, place);
        }
        assert_eq!(members.known(), members.order.len() + members.gone.len());
        let digest = members.iter().map(|one| print(one.peer, one.told));
        assert_eq!(members.digest, digest.fold(0, u64::wrapping_add));
        assert!(members.next <= members.order.len());
    }

    /// Section 4.3: whatever the churn, a member is probed again within 2n - 1 periods, n counting
    /// all who were members meanwhile. 10^4 periods, in every fourth of which one comes or goes.
    #[test]
    fn two_probes_of_a_member_are_at_most_2n_minus_1_periods_apart() {
        let seed = 1;
        let mut random = Key::new(seed).random(0);
        let mut members = Members::<u32, ()>::new();
        let alive = Standing::new(0, State::Alive);
        let mut born = 0..;
        let mut add = |members: &mut Members<u32, ()>, random: &mut Random| {
            let peer = born.next().unwrap_or_default();
            members.insert((peer, alive), ((0, 0), ()), 1_000, 0, random).unwrap()
        };
        for _ in 0..30 {
            add(&mut members, &mut random);
        }
        // Period of the latest probe, or of joining, and who was a member since then.
        let mut last: BTreeMap<u32, (u32, BTreeSet<u32>)> = BTreeMap::new();
        let mut longest = 0.0_f64;
        for period in 0..10_000 {
            if random.chance(0.25) {
                if random.chance(0.5) && members.live() > 10 {
                    let slot = *random.pick(&members.order).unwrap();
                    last.remove(&slot);
                    members.bury(slot);
                    members.forget();
                } else if members.live() < 60 {
                    let slot = add(&mut members, &mut random);
                    last.remove(&slot);
                }
            }
            assert_sound(&members);
            let now: Vec<u32> = members.order.iter().map(|&slot| members.at(slot).peer).collect();
            for (_, seen) in last.values_mut() {
                seen.extend(now.iter().copied());
            }
            let slot = members.turn(&mut random).unwrap();
            if let Some((before, seen)) = last.get(&slot) {
                let (gap, n) = (period - before, seen.len() as u32);
                assert!(gap < 2 * n, "gap {gap} among {n} members; seed {seed}");
                longest = longest.max(f64::from(gap) / f64::from(n));
            }
            last.insert(slot, (period, now.into_iter().collect()));
        }
        // Not for want of trying: gaps well above n occur.
        assert!(longest > 1.3, "{longest}; seed {seed}");
    }

    /// At most 200 bytes a member, with socket addresses. The index is a B-tree whose nodes are at
    /// least half full: at most twice the entry, and a share of pointers.
    #[test]
    fn a_member_takes_less_than_200_bytes() {
        use core::net::SocketAddr;
        let member = size_of::<Member<SocketAddr, ()>>();
        let index = 2 * size_of::<(SocketAddr, u32)>() + INDEX;
        let order = 2 * size_of::<u32>();
        assert!(member + index + order <= 200, "{member} + {index} + {order}");
    }

    #[test]
    fn a_full_table_forgets_who_is_gone_for_longest_and_nobody_else() {
        let mut random = Key::new(2).random(0);
        let mut members = Members::<u32, ()>::new();
        let alive = Standing::new(0, State::Alive);
        let mut insert = |members: &mut Members<u32, ()>, peer| {
            members.insert((peer, alive), ((0, 0), ()), 4, 0, &mut random)
        };
        let slots: Vec<u32> = (0..4).filter_map(|peer| insert(&mut members, peer)).collect();
        assert_eq!(insert(&mut members, 4), None);
        members.bury(slots[2]);
        members.bury(slots[1]);
        assert!(insert(&mut members, 5).is_some());
        assert_sound(&members);
        assert_eq!((members.find(2), members.find(1)), (None, Some(slots[1])));
    }

    #[test]
    fn who_died_often_may_not_return_unless_that_is_off_or_it_was_forgotten() {
        let mut random = Key::new(3).random(0);
        let mut members = Members::<u32, ()>::new();
        let alive = Standing::new(0, State::Alive);
        let slot = members.insert((7, alive), ((0, 0), ()), 4, 0, &mut random).unwrap();
        (0..4).for_each(|_| members.died(slot, 0, 1));
        assert!(members.may_return(slot, 0, 1), "off");
        (0..4).for_each(|_| members.died(slot, 60, 1));
        assert!(!members.may_return(slot, 60, 1));
        members.bury(slot);
        assert!(members.forget());
        let again = members.insert((8, alive), ((0, 0), ()), 4, 0, &mut random).unwrap();
        assert_eq!(again, slot);
        assert!(members.may_return(again, 60, 1), "another member in the same place");
    }
}
