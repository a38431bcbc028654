//! Rankings made of two.
//!
//! Not a protocol: orders that T-Man builds by.

use gossip_core::PeerId;

use crate::ranking::Ranking;

/// By the first ranking, and who is equally near there, by the second, in its directions. A peer's
/// profile is the pair of both.
///
/// ```
/// use gossip_overlay::rank::{Hypercube, Then, Xor};
/// use gossip_overlay::Ranking;
///
/// let both = Then(Hypercube::new(4)?, Xor);
/// let far = |to| Ranking::<u32>::distance(&both, (0, 0), to);
/// assert!(far((1, 9)) < far((3, 1))); // one bit, not two
/// assert!(far((1, 9)) > far((2, 1))); // one bit each
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Then<A, B>(pub A, pub B);

impl<I: PeerId, A: Ranking<I>, B: Ranking<I>> Ranking<I> for Then<A, B> {
    type Profile = (A::Profile, B::Profile);
    type Place = (A::Place, B::Place);
    type Distance = (A::Distance, B::Distance);

    const DIRECTIONS: usize = B::DIRECTIONS;
    const LEAD: usize = B::LEAD;

    fn place(&self, peer: I, profile: &Self::Profile) -> Option<Self::Place> {
        Some((self.0.place(peer, &profile.0)?, self.1.place(peer, &profile.1)?))
    }

    fn contains(&self, place: Self::Place) -> bool {
        self.0.contains(place.0) && self.1.contains(place.1)
    }

    fn distance(&self, from: Self::Place, to: Self::Place) -> Self::Distance {
        (self.0.distance(from.0, to.0), self.1.distance(from.1, to.1))
    }

    fn along(&self, way: usize, from: Self::Place, to: Self::Place) -> Option<Self::Distance> {
        Some((self.0.distance(from.0, to.0), self.1.along(way, from.1, to.1)?))
    }
}

/// The nearest by either ranking in turn, so that one overlay holds two structures: a ring and a
/// hypercube. A peer's profile is the pair of both.
///
/// ```
/// use gossip_overlay::rank::{Beside, Hypercube};
/// use gossip_overlay::{RingRank, TMan, tman};
///
/// let both = Beside(RingRank::indexed(16)?, Hypercube::new(4)?);
/// let config = tman::Config::new(both).profile(((), ()));
/// assert!(TMan::<u32, Beside<RingRank, Hypercube>, 20>::new(config).is_ok());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside<A, B>(pub A, pub B);

/// The directions of one ranking: its own, or nearness alone.
const fn ways(directions: usize) -> usize {
    if directions == 0 { 1 } else { directions }
}

impl<I: PeerId, A: Ranking<I>, B: Ranking<I>> Ranking<I> for Beside<A, B> {
    type Profile = (A::Profile, B::Profile);
    type Place = (A::Place, B::Place);
    type Distance = By<A::Distance, B::Distance>;

    const DIRECTIONS: usize = ways(A::DIRECTIONS) + ways(B::DIRECTIONS);
    const LEAD: usize = usize::MAX;

    fn place(&self, peer: I, profile: &Self::Profile) -> Option<Self::Place> {
        Some((self.0.place(peer, &profile.0)?, self.1.place(peer, &profile.1)?))
    }

    fn contains(&self, place: Self::Place) -> bool {
        self.0.contains(place.0) && self.1.contains(place.1)
    }

    fn distance(&self, from: Self::Place, to: Self::Place) -> Self::Distance {
        By::First(self.0.distance(from.0, to.0))
    }

    fn along(&self, way: usize, from: Self::Place, to: Self::Place) -> Option<Self::Distance> {
        match way.checked_sub(ways(A::DIRECTIONS)) {
            None if A::DIRECTIONS == 0 => Some(By::First(self.0.distance(from.0, to.0))),
            None => self.0.along(way, from.0, to.0).map(By::First),
            Some(_) if B::DIRECTIONS == 0 => Some(By::Second(self.1.distance(from.1, to.1))),
            Some(way) => self.1.along(way, from.1, to.1).map(By::Second),
        }
    }
}

/// A distance by one of two rankings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By<A, B> {
    /// By the first.
    First(A),
    /// By the second.
    Second(B),
}
