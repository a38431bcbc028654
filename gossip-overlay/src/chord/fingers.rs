//! Not a protocol: the fingers that a node of Chord keeps.
//!
//! Finger k lies in the interval [2^k, 2^(k+1)) of clockwise distances. There is one an interval at
//! most, so a table has 64 entries at most.

use core::time::Duration;

use alloc::vec::Vec;

use gossip_core::{PeerId, Round};

use crate::health::{Health, Notes};

/// Unanswered questions in a row after which a finger is given up: with a fifth of all messages
/// lost, one that lives is in 5 % of all cases. T-Man's.
const STRIKES: u32 = 3;

/// A peer far away.
#[derive(Clone, Copy, Debug)]
struct Finger<I> {
    id: I,
    /// Clockwise distance.
    far: u64,
    /// How long it took to answer, as far as it was measured.
    took: Option<Duration>,
    strikes: u32,
    /// The round in which it answered last, or was named as an owner; none if it is only in view.
    heard: Option<Round>,
}

/// In order of distance, one in an interval.
#[derive(Clone, Debug)]
pub(super) struct Table<I> {
    fingers: Vec<Finger<I>>,
    /// The interval whose turn it was last.
    last: u32,
    /// How far the last successor is, as it was seen last; 0 if nobody is beyond.
    near: u64,
    round: Round,
    notes: Notes,
}

/// The interval k of a distance; 0 for no distance, which only this node is at, and whoever has the
/// same hash.
pub(super) const fn interval(far: u64) -> u32 {
    if far == 0 { 0 } else { far.ilog2() }
}

impl<I: PeerId> Table<I> {
    pub(super) fn new() -> Self {
        let notes = Notes::default();
        Self { fingers: Vec::new(), last: 63, near: 0, round: 0, notes }
    }

    /// The first `successors` of `view`, which is in order, and the fingers beyond: those kept, and
    /// where there is none the nearest in view.
    pub(super) fn links(&self, view: &[(I, u64)], successors: usize) -> Vec<(I, u64)> {
        let (near, rest) = view.split_at(view.len().min(successors));
        let first = near.last().map_or(0, |link| link.1);
        let kept = self.fingers.iter().map(|finger| (finger.id, finger.far));
        let mut far: Vec<(I, u64)> = kept.filter(|finger| finger.1 > first).collect();
        for &link in rest.iter().filter(|link| link.1 > first) {
            if far.iter().all(|other| interval(other.1) != interval(link.1)) {
                far.push(link);
            }
        }
        far.sort_unstable_by_key(|link| (link.1, link.0));
        near.iter().copied().chain(far).collect()
    }

    /// Sees who is in view, in order; whether the nearest are the best, or else only fill gaps.
    pub(super) fn learn(&mut self, view: &[(I, u64)], successors: usize, by_order: bool) {
        let (near, beyond) = view.split_at(view.len().min(successors));
        let first = beyond.first().map_or(0, |link| link.1);
        self.near = near.last().filter(|_| first > 0).map_or(0, |link| link.1);
        let before = self.fingers.len();
        self.fingers.retain(|finger| finger.far >= first);
        if self.fingers.len() < before {
            self.notes.changed(before - self.fingers.len());
        }
        for &(id, far) in beyond.iter().filter(|link| link.1 > 0) {
            let at = self.place(interval(far));
            match at.map_err(|gap| self.insert(gap, id, far)) {
                Ok(at) if by_order && far < self.fingers[at].far => self.replace(at, id, far, None),
                _ => {}
            }
        }
    }

    /// `id` is said to be the first at or after distance `start`.
    pub(super) fn adopt(&mut self, id: I, far: u64, start: u64) {
        if far < start || start == 0 || interval(far) != interval(start) {
            return; // The interval is empty, or somebody lies.
        }
        if far <= self.near {
            return; // A successor needs no finger.
        }
        let at = match self.place(interval(far)) {
            Ok(at) if self.fingers[at].id != id => {
                self.replace(at, id, far, None);
                at
            }
            Ok(at) => at,
            Err(gap) => {
                self.insert(gap, id, far);
                gap
            }
        };
        self.fingers[at].heard = Some(self.round);
    }

    /// `id` answers that soon: is that sooner than the finger of its interval?
    pub(super) fn compare(&mut self, id: I, far: u64, took: Duration) {
        if far <= self.near {
            return; // A successor needs no finger; nor does this node itself, at 0.
        }
        match self.place(interval(far)) {
            Ok(at) if self.fingers[at].took.is_none_or(|best| took < best) => {
                self.replace(at, id, far, Some(took));
                self.fingers[at].heard = Some(self.round);
            }
            _ => {}
        }
    }

    /// `peer` answers, that soon.
    pub(super) fn heard(&mut self, peer: I, took: Duration) {
        if let Some(finger) = self.fingers.iter_mut().find(|finger| finger.id == peer) {
            (finger.strikes, finger.took) = (0, Some(took));
            finger.heard = Some(self.round);
        }
    }

    /// `peer` does not answer.
    pub(super) fn silent(&mut self, peer: I) {
        if let Some(at) = self.fingers.iter().position(|finger| finger.id == peer) {
            self.fingers[at].strikes += 1;
            if self.fingers[at].strikes >= STRIKES {
                self.fingers.remove(at);
                self.notes.changed(1);
                self.notes.buried = self.notes.buried.saturating_add(1);
            }
        }
    }

    /// The interval whose turn it is, of those from that of distance `first` on.
    pub(super) const fn turn(&mut self, first: u64) -> u32 {
        let least = interval(first);
        self.last = if self.last >= 63 || self.last < least { least } else { self.last + 1 };
        self.last
    }

    /// A round begins.
    pub(super) fn begin(&mut self) {
        self.round = self.round.wrapping_add(1);
        self.notes.tick();
    }

    /// Whether the fingers stand, if that is news: no change in a whole turn.
    pub(super) fn settle(&mut self) -> Option<bool> {
        let stands = !self.fingers.is_empty() && self.notes.unchanged >= self.due() + 2;
        let is_news = stands != self.notes.converged;
        self.notes.converged = stands;
        is_news.then_some(stands)
    }

    pub(super) fn health(&self) -> Health {
        let heard = self.fingers.iter().filter_map(|finger| finger.heard);
        let ages = heard.map(|heard| self.round.wrapping_sub(heard));
        self.notes.health(self.fingers.len(), self.due(), ages)
    }

    /// Rounds of a turn through the intervals.
    fn due(&self) -> Round {
        self.fingers.first().map_or(0, |first| 64 - interval(first.far))
    }

    /// From which distance on the finger of an interval is looked for: beyond the successors.
    pub(super) fn start(&self, of: u32) -> u64 {
        self.near.saturating_add(1).max(1 << of)
    }

    /// Where the finger of an interval is, or would be.
    fn place(&self, of: u32) -> Result<usize, usize> {
        self.fingers.binary_search_by_key(&of, |finger| interval(finger.far))
    }

    fn insert(&mut self, at: usize, id: I, far: u64) {
        self.fingers.insert(at, Finger { id, far, took: None, strikes: 0, heard: None });
        self.notes.changed(1);
    }

    fn replace(&mut self, at: usize, id: I, far: u64, took: Option<Duration>) {
        if self.fingers[at].id != id {
            self.notes.changed(1);
        }
        self.fingers[at] = Finger { id, far, took, strikes: 0, heard: None };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_nearer_one_takes_the_place_and_silence_ends_it() {
        let mut table = Table::new();
        let view: Vec<(u32, u64)> = [(1, 1), (2, 2), (7, 700), (9, 900)].into();
        table.learn(&view, 2, true);
        assert_eq!(table.links(&view, 2), [(1, 1), (2, 2), (7, 700)]);
        table.adopt(5, 550, 512);
        table.adopt(4, 400, 512); // before the interval: a lie
        assert_eq!(table.links(&view[..2], 2), [(1, 1), (2, 2), (5, 550)], "kept out of view");
        table.compare(9, 900, Duration::from_millis(5));
        table.compare(7, 700, Duration::from_millis(6));
        assert_eq!(table.links(&view[..2], 2)[2], (9, 900));
        (0..2).for_each(|_| table.silent(9));
        table.heard(9, Duration::ZERO);
        (0..2).for_each(|_| table.silent(9));
        assert_eq!(table.links(&view[..2], 2).len(), 3);
        table.silent(9);
        assert_eq!(table.links(&view[..2], 2).len(), 2);
        assert_eq!([table.turn(900), table.turn(900), table.turn(u64::MAX)], [9, 10, 63]);
        assert_eq!(table.turn(0), 0);
    }

    proptest! {
        /// Whatever comes: one finger an interval, links in order, nobody twice.
        #[test]
        fn links_are_in_order(
            steps in prop::collection::vec((0_u8..5, 0_u32..64, any::<u64>(), 0_u32..64), 0..60),
            successors in 1_usize..6,
        ) {
            let hash = |peer: u32| u64::from(peer).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let far = |peer: u32| hash(peer) >> (peer % 60);
            let mut table = Table::new();
            let mut view: Vec<(u32, u64)> = Vec::new();
            for (what, peer, start, shift) in steps {
                let took = Duration::from_micros(start % 1_000);
                match what {
                    0 => view.push((peer, far(peer))),
                    1 => table.adopt(peer, far(peer), start >> shift),
                    2 => table.compare(peer, far(peer), took),
                    3 => table.heard(peer, took),
                    _ => table.silent(peer),
                }
                view.sort_unstable_by_key(|link| (link.1, link.0));
                view.dedup();
                table.learn(&view, successors, start % 2 == 0);
                let links = table.links(&view, successors);
                let beyond = links.iter().skip(successors).map(|link| link.1);
                prop_assert!(beyond.clone().is_sorted_by(|one, other| one < other));
                let beyond: Vec<u32> = beyond.map(interval).collect();
                prop_assert!(beyond.is_sorted_by(|one, other| one < other), "{:?}", links);
                prop_assert!(links.len() <= successors + 64);
            }
        }
    }
}
