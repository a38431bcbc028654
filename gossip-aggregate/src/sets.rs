//! Bounded sets: a union of what all nodes bring, and the best of it.
//!
//! Not a protocol: [values](crate::merge::Merge) for [`spread`](crate::spread). Both stay within
//! their bound by keeping what is first in an order that all nodes share. What one node drops there
//! is worse than as many others that it keeps, and these spread instead; so all end with the same,
//! in whatever order they meet.

use gossip_core::{Bounded, PeerId, Wire, message};

use crate::merge::{Merge, Own};
use crate::within::{Bounds, Ranged};

message! {
    /// The union of what all nodes bring; of more than `N`, the `N` least.
    ///
    /// ```
    /// use gossip_aggregate::{Union, merge::Merge};
    ///
    /// let mut versions = Union::<u16, 3>::of([7, 9]);
    /// versions.merge(&Union::of([9, 8]));
    /// assert_eq!(versions.members(), [7, 8, 9]);
    /// assert!(versions.is_full()); // there may be more
    /// ```
    #[derive(PartialEq, Eq)]
    pub struct Union<T: Wire + Ord, const N: usize>(Bounded<T, N>);
}

impl<T: Wire + Ord, const N: usize> Union<T, N> {
    /// Of these, or the `N` least of them.
    pub fn of(members: impl IntoIterator<Item = T>) -> Self {
        let mut union = Self(Bounded::new());
        members.into_iter().for_each(|member| union.insert(member));
        union
    }

    /// The members, in their order.
    pub fn members(&self) -> &[T] {
        &self.0
    }

    /// Whether it holds `N`: then others may have been left out.
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Adds a member, unless it is there, or `N` lesser ones are.
    pub fn insert(&mut self, member: T) {
        if let Err(at) = self.0.binary_search(&member) {
            place(&mut self.0, at, member);
        }
    }
}

/// Puts `element` in its place; the last one goes, if there is no room.
pub(crate) fn place<T: Wire, const N: usize>(all: &mut Bounded<T, N>, at: usize, element: T) {
    if at < N {
        all.truncate(N - 1);
        // There is room now, and `at` is within it.
        let refused = all.insert(at, element);
        debug_assert!(refused.is_ok(), "no room for an element of a set");
    }
}

impl<T: Wire + Ord, const N: usize> Merge for Union<T, N> {
    fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|member| self.insert(member.clone()));
    }

    fn is_sound(&self) -> bool {
        self.0.is_sorted_by(|one, next| one < next)
    }
}

message! {
    /// The `K` greatest scores, and whose they are; each name once, with its greatest.
    ///
    /// Of equal scores the one with the lesser name comes first, at every node: so which of them is
    /// dropped does not depend on who met whom.
    ///
    /// ```
    /// use gossip_aggregate::{Top, merge::Merge};
    ///
    /// let mut rates = Top::<u32, u16, 2>::of(1, 50);
    /// rates.merge(&Top::of(2, 70));
    /// rates.merge(&Top::of(0, 50));
    /// assert_eq!(rates.ranking(), [(70, 2), (50, 0)]);
    /// ```
    #[derive(PartialEq, Eq)]
    pub struct Top<I: PeerId, V: Wire + Ord, const K: usize>(Bounded<(V, I), K>);
}

impl<I: PeerId, V: Wire + Ord, const K: usize> Top<I, V, K> {
    /// One score.
    pub fn of(who: I, score: V) -> Self {
        let mut top = Self(Bounded::new());
        top.insert(score, who);
        top
    }

    /// Scores and names, the greatest first.
    pub fn ranking(&self) -> &[(V, I)] {
        &self.0
    }

    fn insert(&mut self, score: V, who: I) {
        if let Some(at) = self.0.iter().position(|entry| entry.1 == who) {
            if self.0[at].0 >= score {
                return;
            }
            self.0.remove(at);
        }
        let at = self.0.partition_point(|entry| Self::is_before(entry, &(score.clone(), who)));
        place(&mut self.0, at, (score, who));
    }

    fn is_before(one: &(V, I), next: &(V, I)) -> bool {
        (&next.0, &one.1) < (&one.0, &next.1)
    }
}

impl<I: PeerId, V: Wire + Ord, const K: usize> Merge for Top<I, V, K> {
    fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(score, who)| self.insert(score.clone(), *who));
    }

    fn is_sound(&self) -> bool {
        let once = |(at, entry): (usize, &(V, I))| self.0[..at].iter().all(|e| e.1 != entry.1);
        self.0.is_sorted_by(Self::is_before) && self.0.iter().enumerate().all(once)
    }
}

impl<I: PeerId, V: Wire + Ord + Into<f64>, const K: usize> Ranged for Own<Top<I, V, K>> {
    type Value = Top<I, V, K>;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        self.lies_within(&self.0, bounds)
    }

    fn lies_within(&self, top: &Top<I, V, K>, bounds: &Bounds) -> bool {
        top.ranking().iter().all(|(score, _)| bounds.contains(score.clone().into()))
    }
}
