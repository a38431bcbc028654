//! Any ranking, by places that peers tell.
//!
//! Not a protocol: an order that T-Man builds by.

use gossip_core::{PeerId, Wire};

use crate::ranking::Ranking;

/// Ranks as `R` does, but each peer tells its place, instead of having one by its identifier.
/// Places
/// that `R` does not [contain](Ranking::contains) are impossible.
///
/// ```
/// use gossip_overlay::rank::{Told, Torus};
/// use gossip_overlay::{Ranking, TMan, tman};
///
/// let torus = Told(Torus::new([8, 8])?);
/// assert_eq!(torus.place(7_u32, &[9, 9]), None);
/// let config = tman::Config::new(torus).profile([3, 5]);
/// assert!(TMan::<u32, Told<Torus<2>>, 20>::new(config).is_ok());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<R>(pub R);

impl<I: PeerId, R: Ranking<I>> Ranking<I> for Told<R>
where
    R::Place: Wire + Send + PartialEq + 'static,
{
    type Profile = R::Place;
    type Place = R::Place;
    type Distance = R::Distance;

    const DIRECTIONS: usize = R::DIRECTIONS;
    const LEAD: usize = R::LEAD;

    fn place(&self, _: I, told: &R::Place) -> Option<R::Place> {
        self.0.contains(*told).then_some(*told)
    }

    fn contains(&self, place: R::Place) -> bool {
        self.0.contains(place)
    }

    fn distance(&self, from: R::Place, to: R::Place) -> R::Distance {
        self.0.distance(from, to)
    }

    fn along(&self, direction: usize, from: R::Place, to: R::Place) -> Option<R::Distance> {
        self.0.along(direction, from, to)
    }
}
