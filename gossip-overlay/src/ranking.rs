//! What an overlay should look like: a [`Ranking`] says which of two peers a node would rather have
//! as a neighbour.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man: Gossip-based fast overlay topology construction*,
//! Computer Networks 53(13), 2009, section 2 (ranking functions) and section 4 (distances and
//! directions).
//!
//! ```text
//! place(peer, profile):  where a peer stands, from its identifier or from what it tells
//! distance(from, to):    how far `to` is from `from`
//! first k:               LEAD times, for each direction: the nearest that way, not yet taken;
//!                        then all others by distance
//! ```
//!
//! What a peer tells is its *profile*: coordinates, an attribute. It travels in T-Man's descriptors
//! beside the identifier. Rankings by identifier have the profile `()`, which takes no bytes.
//!
//! A torus (Manhattan), a tree (hops) or XOR have a distance and no directions. The ring has two:
//! beside a gap many near peers lie on one side, and the nearest across the gap must be in every
//! message all the same. With an unlimited `LEAD` all directions get equal shares, which is the
//! sorted ring of the paper: half predecessors, half successors.
//!
//! # Deviations from the paper
//!
//! None.

use core::cmp::Ordering;
use core::fmt;

use alloc::vec;
use alloc::vec::Vec;

use gossip_core::random::Key;
use gossip_core::{PeerId, Profile, Random};

/// Which peers a node of the target structure wants as neighbours.
///
/// ```
/// use gossip_core::Random;
/// use gossip_overlay::Ranking;
///
/// /// A torus of `side` times `side` nodes, numbered row by row.
/// #[derive(Clone, Copy, Debug)]
/// struct Torus { side: u32 }
///
/// impl Ranking<u32> for Torus {
///     type Profile = ();
///     type Place = (u32, u32);
///     type Distance = u32;
///
///     fn place(&self, peer: u32, (): &()) -> Option<(u32, u32)> {
///         (peer < self.side * self.side).then(|| (peer / self.side, peer % self.side))
///     }
///
///     fn distance(&self, from: (u32, u32), to: (u32, u32)) -> u32 {
///         let along = |a: u32, b: u32| a.abs_diff(b).min(self.side - a.abs_diff(b));
///         along(from.0, to.0) + along(from.1, to.1)
///     }
/// }
///
/// let torus = Torus { side: 10 };
/// let at = |peer| torus.place(peer, &()).unwrap();
/// assert_eq!(torus.distance(at(0), at(99)), 2); // round both edges
/// ```
pub trait Ranking<I: PeerId>: Clone + fmt::Debug {
    /// What a peer tells of itself, so that others can place it: `()` if its identifier is enough.
    type Profile: Profile + PartialEq;

    /// Where a peer stands in the structure. Kept with each descriptor, so that it is computed
    /// once.
    type Place: Copy + fmt::Debug;

    /// How far apart two places are; less is nearer.
    type Distance: Copy + Ord;

    /// In how many directions the nearest peers come before all others. None by default.
    const DIRECTIONS: usize = 0;

    /// How many of the nearest in each direction come before all others.
    const LEAD: usize = 1;

    /// Where `peer` stands that tells `profile`: the same at every node. `None` if there is no such
    /// place: profiles come from the wire, and may be any.
    fn place(&self, peer: I, profile: &Self::Profile) -> Option<Self::Place>;

    /// Whether there is such a place, for places that are told ([`rank::Told`](crate::rank::Told)).
    fn contains(&self, _place: Self::Place) -> bool {
        true
    }

    /// How far `to` is from `from`.
    fn distance(&self, from: Self::Place, to: Self::Place) -> Self::Distance;

    /// How far `to` is from `from`, going in `direction`, which is below
    /// [`DIRECTIONS`](Self::DIRECTIONS); `None` if it does not lie that way.
    fn along(
        &self,
        _direction: usize,
        from: Self::Place,
        to: Self::Place,
    ) -> Option<Self::Distance> {
        Some(self.distance(from, to))
    }
}

/// Who comes first of two that are equally near.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ties {
    /// Either, drawn anew each time: on a torus or tree whole shells are equally near, and what
    /// travels must not always be the same part of a shell.
    Random(Key),
    /// The one that stands earlier among the candidates: a node's links do not flap.
    Stable,
}

impl Ties {
    /// Either, as `random` has it.
    pub(crate) const fn random(random: &mut Random) -> Self {
        Self::Random(Key::new(random.next_u64()))
    }

    /// Those of one of several orders, each of which has its own.
    const fn of(self, order: u64) -> Self {
        match self {
            Self::Random(key) => Self::Random(key.with(order)),
            Self::Stable => Self::Stable,
        }
    }

    /// Which of two positions comes first. Nothing is drawn for those that are not equally near.
    fn compare(self, one: u32, other: u32) -> Ordering {
        let draw = |at: u32| match self {
            Self::Random(key) => key.random(at.into()).next_u64(),
            Self::Stable => 0,
        };
        draw(one).cmp(&draw(other)).then(one.cmp(&other))
    }

    const fn first_direction(self, directions: usize) -> usize {
        match self {
            Self::Random(key) => key.random(u64::MAX).below(directions),
            Self::Stable => 0,
        }
    }
}

/// The positions, among `places`, of the first `count` in the order of a node at `of`.
///
/// Whom it leaves out of a set it leaves out of every larger one, whatever the directions, as long
/// as ties are stable: the first of all are the first of those known to be first and the newcomers.
pub(crate) fn first<I: PeerId, R: Ranking<I>>(
    ranking: &R,
    of: R::Place,
    places: &(impl DoubleEndedIterator<Item = R::Place> + Clone),
    count: usize,
    ties: Ties,
) -> Vec<usize> {
    let len = places.clone().count();
    let count = count.min(len);
    let mut order: Vec<usize> = Vec::with_capacity(count);
    if R::DIRECTIONS > 0 {
        lead(ranking, of, places, count, ties, &mut order);
    }
    if order.len() < count {
        let leaders = order.len();
        let far = |_, to| Some(ranking.distance(of, to));
        let near = nearest(places, count, ties.of(R::DIRECTIONS as u64), far);
        let rest = near.into_iter().filter(|at| !order[..leaders].contains(at));
        let rest: Vec<usize> = rest.take(count - leaders).collect();
        order.extend(rest);
    }
    order
}

/// Puts first, `LEAD` times, for each direction, the nearest that way that is not there yet.
fn lead<I: PeerId, R: Ranking<I>>(
    ranking: &R,
    of: R::Place,
    places: &(impl DoubleEndedIterator<Item = R::Place> + Clone),
    count: usize,
    ties: Ties,
    order: &mut Vec<usize>,
) {
    let deep = R::LEAD.min(count);
    let mut taken = vec![false; places.clone().count()];
    let along = |way: usize, taken: &[bool]| {
        let far = |at: usize, to| if taken[at] { None } else { ranking.along(way, of, to) };
        nearest(places, deep, ties.of(way as u64), far).into_iter()
    };
    let mut ways: Vec<_> = (0..R::DIRECTIONS).map(|way| along(way, &taken)).collect();
    // Whether there may be more that way.
    let mut more: Vec<bool> = ways.iter().map(|way| way.len() == deep).collect();
    let begin = ties.first_direction(R::DIRECTIONS);
    for turn in 0..deep * R::DIRECTIONS {
        if order.len() == count {
            return;
        }
        let way = (begin + turn) % R::DIRECTIONS;
        let mut next = ways[way].find(|&at| !taken[at]);
        if next.is_none() && more[way] {
            // The other directions have taken some of them.
            ways[way] = along(way, &taken);
            more[way] = ways[way].len() == deep;
            next = ways[way].next();
        }
        if let Some(at) = next {
            taken[at] = true;
            order.push(at);
        }
    }
}

/// So many are kept sorted as they come: more would cost too much to move.
const FEW: usize = 64;

/// The positions of the `count` least `far` places, nearest first; those that are nowhere left out.
fn nearest<P: Copy, F: Ord + Copy>(
    places: &(impl DoubleEndedIterator<Item = P> + Clone),
    count: usize,
    ties: Ties,
    far: impl Fn(usize, P) -> Option<F>,
) -> Vec<usize> {
    let before = |one: &(F, u32), other: &(F, u32)| {
        one.0.cmp(&other.0).then_with(|| ties.compare(one.1, other.1))
    };
    let mut keys: Vec<(F, u32)> = Vec::with_capacity(count.min(FEW));
    let len = places.clone().count() as u32;
    // The newest in view are the nearest, as a rule: those first, and few have to make way.
    for (to, at) in places.clone().rev().zip((0..len).rev()) {
        let Some(far) = far(at as usize, to) else { continue };
        let key = (far, at);
        if count > FEW {
            keys.push(key);
            continue;
        }
        if keys.len() == count {
            if keys.last().is_none_or(|last| before(&key, last).is_ge()) {
                continue;
            }
            keys.pop();
        }
        keys.insert(keys.partition_point(|other| before(other, &key).is_lt()), key);
    }
    if count > FEW {
        keys.sort_unstable_by(before);
        keys.truncate(count);
    }
    keys.into_iter().map(|key| key.1 as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::RingRank;
    use proptest::prelude::*;

    /// Peers on a line, nearer ones preferred.
    #[derive(Clone, Copy, Debug)]
    struct Line;

    impl Ranking<u32> for Line {
        type Profile = ();
        type Place = u32;
        type Distance = u32;

        fn place(&self, peer: u32, (): &()) -> Option<u32> {
            Some(peer)
        }

        fn distance(&self, from: u32, to: u32) -> u32 {
            from.abs_diff(to)
        }
    }

    proptest! {
        /// The quick selection against sorting everything.
        #[test]
        fn without_directions_it_is_the_order_by_distance(
            places in prop::collection::vec(0_u32..50, 0..40),
            of in 0_u32..50,
            count in 0_usize..50,
            seed: u64,
        ) {
            let mut random = Key::new(seed).random(0);
            let distances = |order: Vec<usize>| -> Vec<u32> {
                order.into_iter().map(|at| places[at].abs_diff(of)).collect()
            };
            let ties = Ties::random(&mut random);
            let chosen = distances(first(&Line, of, &places.iter().copied(), count, ties));
            let mut all = distances((0..places.len()).collect());
            all.sort_unstable();
            all.truncate(count);
            prop_assert_eq!(chosen, all);
        }

        /// The nearest on either side are always among the first two, however uneven the ring.
        #[test]
        fn both_ring_neighbours_come_first(
            places in prop::collection::hash_set(1_u64.., 1..40),
            stable: bool,
            seed: u64,
        ) {
            let places: Vec<u64> = places.into_iter().collect();
            let rank = RingRank::hashed();
            let mut random = Key::new(seed).random(0);
            let ties = if stable { Ties::Stable } else { Ties::random(&mut random) };
            let order = first::<u32, _>(&rank, 0, &places.iter().copied(), places.len(), ties);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..places.len()).collect::<Vec<_>>(), "each exactly once");
            let ends: Vec<u64> = order.iter().take(2).map(|&at| places[at]).collect();
            prop_assert!(ends.contains(places.iter().min().unwrap()));
            prop_assert!(ends.contains(places.iter().max().unwrap()));
        }
    }

    /// Who is first of those who were first of the `known` and the rest; and who is of all.
    fn same<R: Ranking<u32>>(
        ranking: &R,
        of: R::Place,
        places: &[R::Place],
        known: usize,
        count: usize,
    ) -> (Vec<usize>, Vec<usize>) {
        let at = |from: &[usize]| -> Vec<usize> {
            let candidates = from.iter().map(|&at| places[at]);
            let order = first(ranking, of, &candidates, count, Ties::Stable);
            order.into_iter().map(|at| from[at]).collect()
        };
        let all: Vec<usize> = (0..places.len()).collect();
        let mut some = at(&all[..known]);
        some.sort_unstable();
        some.extend(&all[known..]);
        (at(&some), at(&all))
    }

    proptest! {
        /// The first of all are the first of those who were first and the newcomers: with
        /// directions that run dry (a line), that take from each other (a line beside a line), and
        /// with many in one place. Who was left out is at no time looked at again.
        #[test]
        fn who_was_not_among_the_first_never_is(
            places in prop::collection::vec(0_u64..12, 1..60),
            known in 0_usize..60,
            of in 0_u64..12,
            count in 0_usize..20,
        ) {
            let known = known.min(places.len());
            let (some, all) = same(&Line, of as u32, &places.iter().map(|&at| at as u32)
                .collect::<Vec<_>>(), known, count);
            prop_assert_eq!(some, all);
            let (some, all) = same(&crate::rank::Line::hashed(), of, &places, known, count);
            prop_assert_eq!(some, all);
            let (some, all) = same(&RingRank::hashed(), of, &places, known, count);
            prop_assert_eq!(some, all);
            let beside = crate::rank::Beside(crate::rank::Line::hashed(), crate::rank::Xor);
            let pairs: Vec<(u64, u64)> = places.iter().map(|&at| (at, at ^ 5)).collect();
            let (some, all) = same(&beside, (of, of ^ 5), &pairs, known, count);
            prop_assert_eq!(some, all);
        }
    }

    /// Five peers at the same distance, one wanted: each comes first a fifth of the time. 10,000
    /// draws, sd of a count 40; 4.5 sd leave a false alarm of 3e-5 over five counts.
    #[test]
    fn ties_fall_evenly() {
        let mut counts = [0_i32; 5];
        for call in 0..10_000 {
            let mut random = Key::new(3).random(call);
            let ties = Ties::random(&mut random);
            counts[first(&Line, 9, &[7, 11, 7, 11, 7].into_iter(), 1, ties)[0]] += 1;
        }
        assert!(counts.iter().all(|count| (count - 2_000).abs() < 180), "{counts:?}");
    }
}
