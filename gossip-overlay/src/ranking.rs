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

use core::fmt;

use alloc::vec;
use alloc::vec::Vec;

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
#[derive(Debug)]
pub(crate) enum Ties<'a> {
    /// Either, drawn anew each time: on a torus or tree whole shells are equally near, and what
    /// travels must not always be the same part of a shell.
    Random(&'a mut Random),
    /// The one that stands earlier among the candidates: a node's links do not flap.
    Stable,
}

impl Ties<'_> {
    fn draw(&mut self, at: u32) -> u32 {
        match self {
            Self::Random(random) => random.next_u64() as u32,
            Self::Stable => at,
        }
    }

    fn first_direction(&mut self, directions: usize) -> usize {
        match self {
            Self::Random(random) if directions > 1 => random.below(directions),
            _ => 0,
        }
    }
}

/// The positions, among `places`, of the first `count` in the order of a node at `of`.
pub(crate) fn first<I: PeerId, R: Ranking<I>>(
    ranking: &R,
    of: R::Place,
    places: &(impl ExactSizeIterator<Item = R::Place> + Clone),
    count: usize,
    mut ties: Ties<'_>,
) -> Vec<usize> {
    let count = count.min(places.len());
    let mut order: Vec<usize> = Vec::with_capacity(count);
    let mut taken = Vec::new();
    if R::DIRECTIONS > 0 {
        // Of the nearest `lead` in a direction, the other directions may have taken some: that
        // many more are needed for none to run dry.
        let lead = R::LEAD.min(count);
        let deep = count.min(lead.saturating_mul(R::DIRECTIONS));
        let mut ways: Vec<_> = (0..R::DIRECTIONS)
            .map(|way| nearest(places, deep, &mut ties, |to| ranking.along(way, of, to)))
            .map(Vec::into_iter)
            .collect();
        taken = vec![false; places.len()];
        let begin = ties.first_direction(R::DIRECTIONS);
        for turn in 0..lead * R::DIRECTIONS {
            let way = &mut ways[(begin + turn) % R::DIRECTIONS];
            if let Some(at) = way.find(|&at| !taken[at]).filter(|_| order.len() < count) {
                taken[at] = true;
                order.push(at);
            }
        }
    }
    if order.len() < count {
        let near = nearest(places, count, &mut ties, |to| Some(ranking.distance(of, to)));
        let rest = near.into_iter().filter(|&at| !taken.get(at).is_some_and(|&taken| taken));
        order.extend(rest.take(count - order.len()));
    }
    order
}

/// The positions of the `count` least `far` places, nearest first; those that are nowhere left out.
fn nearest<P: Copy, F: Ord + Copy>(
    places: &(impl ExactSizeIterator<Item = P> + Clone),
    count: usize,
    ties: &mut Ties<'_>,
    far: impl Fn(P) -> Option<F>,
) -> Vec<usize> {
    if count == 0 {
        return Vec::new();
    }
    let mut keys = Vec::with_capacity(places.len().min(2 * count));
    // Whatever comes after the last of so many as are wanted is not looked at again.
    let mut last = None;
    for (to, at) in places.clone().zip(0_u32..) {
        let Some(far) = far(to) else { continue };
        let key = (far, ties.draw(at), at);
        if last.is_some_and(|last| key > last) {
            continue;
        }
        keys.push(key);
        if keys.len() == 2 * count {
            last = Some(*keys.select_nth_unstable(count - 1).1);
            keys.truncate(count);
        }
    }
    keys.sort_unstable();
    keys.truncate(count);
    keys.into_iter().map(|key| key.2 as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::RingRank;
    use gossip_core::random::Key;
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
            let ties = Ties::Random(&mut random);
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
            let ties = if stable { Ties::Stable } else { Ties::Random(&mut random) };
            let order = first::<u32, _>(&rank, 0, &places.iter().copied(), places.len(), ties);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..places.len()).collect::<Vec<_>>(), "each exactly once");
            let ends: Vec<u64> = order.iter().take(2).map(|&at| places[at]).collect();
            prop_assert!(ends.contains(places.iter().min().unwrap()));
            prop_assert!(ends.contains(places.iter().max().unwrap()));
        }
    }

    /// Five peers at the same distance, one wanted: each comes first a fifth of the time. 10,000
    /// draws, sd of a count 40; 4.5 sd leave a false alarm of 3e-5 over five counts.
    #[test]
    fn ties_fall_evenly() {
        let mut counts = [0_i32; 5];
        for call in 0..10_000 {
            let mut random = Key::new(3).random(call);
            let ties = Ties::Random(&mut random);
            counts[first(&Line, 9, &[7, 11, 7, 11, 7].into_iter(), 1, ties)[0]] += 1;
        }
        assert!(counts.iter().all(|count| (count - 2_000).abs() < 180), "{counts:?}");
    }
}
