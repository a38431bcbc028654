//! Nearness in space, by coordinates that peers tell: positions of sensors, network coordinates.
//!
//! Not a protocol: an order that T-Man builds by.

use core::cmp::Ordering;

use gossip_core::{Bounded, Finite, ParameterError, PeerId};

use crate::ranking::Ranking;

/// Ranks peers by Euclidean distance in `D` dimensions.
///
/// ```
/// use gossip_core::{Bounded, Finite};
/// use gossip_overlay::{Ranking, rank::Euclidean};
///
/// let plane = Euclidean::<2>::within(1_000.0)?;
/// let at = |x, y| Bounded::try_from(vec![Finite::new(x).unwrap(), Finite::new(y).unwrap()]);
/// assert_eq!(plane.place(7_u32, &at(30.0, 40.0).unwrap()), Some([30.0, 40.0]));
/// assert_eq!(plane.place(7_u32, &at(30.0, 4_000.0).unwrap()), None); // out of the world
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Euclidean<const D: usize> {
    limit: f64,
}

impl<const D: usize> Euclidean<D> {
    /// Coordinates from -`limit` to `limit`, in any unit; others are impossible. At most 1e100, so
    /// that distances stay finite.
    ///
    /// # Errors
    ///
    /// If it is not above 0, or too large.
    pub fn within(limit: f64) -> Result<Self, ParameterError> {
        let bound = "above 0, at most 1e100";
        ParameterError::new("coordinate limit", limit, "of the user's unit", bound)
            .unless(limit > 0.0 && limit <= 1e100)?;
        Ok(Self { limit })
    }
}

impl<I: PeerId, const D: usize> Ranking<I> for Euclidean<D> {
    /// All `D` coordinates.
    type Profile = Bounded<Finite, D>;
    type Place = [f64; D];
    type Distance = Square;

    fn place(&self, _: I, coordinates: &Bounded<Finite, D>) -> Option<[f64; D]> {
        let mut place = [0.0; D];
        for (at, coordinate) in place.iter_mut().zip(coordinates.iter()) {
            *at = coordinate.get();
        }
        (coordinates.len() == D && <Self as Ranking<I>>::contains(self, place)).then_some(place)
    }

    fn contains(&self, place: [f64; D]) -> bool {
        place.iter().all(|at| at.abs() <= self.limit)
    }

    fn distance(&self, from: [f64; D], to: [f64; D]) -> Square {
        Square(from.iter().zip(to).map(|(from, to)| (from - to) * (from - to)).sum())
    }
}

/// The square of a distance.
#[derive(Clone, Copy, Debug)]
pub struct Square(f64);

impl Square {
    /// The number, in the square of the coordinates' unit.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Ord for Square {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Square {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Square {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Square {}
