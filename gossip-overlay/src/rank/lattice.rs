//! Torus and grid, in any dimension.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man*, Computer Networks 53(13), 2009, section 2 (the torus,
//! with Manhattan distance).
//!
//! # Deviations from the paper
//!
//! Any number of dimensions, sides of any length, and the grid, which has edges.

use gossip_core::{ParameterError, PeerId};

use super::numbered;
use crate::ranking::Ranking;

/// The sides' lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sides<const D: usize>([u32; D]);

impl<const D: usize> Sides<D> {
    fn new(sides: [u32; D]) -> Result<Self, ParameterError> {
        let least = sides.iter().copied().min().unwrap_or(0);
        ParameterError::new("shortest side", least.into(), "places", "at least 1, of any side")
            .unless(least >= 1)?;
        let places = sides.iter().map(|&side| f64::from(side)).product::<f64>();
        ParameterError::new("places of the lattice", places, "places", "below 2^53")
            .unless(places < 9_007_199_254_740_992.0)?;
        Ok(Self(sides))
    }

    fn place(&self, peer: &impl PeerId) -> [u32; D] {
        let places = self.0.iter().map(|&side| u64::from(side)).product();
        let mut number = numbered(peer, places);
        let mut place = [0; D];
        // The last coordinate runs fastest: rows of a plane.
        for (at, side) in place.iter_mut().zip(self.0).rev() {
            *at = (number % u64::from(side)) as u32;
            number /= u64::from(side);
        }
        place
    }

    fn contains(&self, place: [u32; D]) -> bool {
        place.iter().zip(self.0).all(|(&at, side)| at < side)
    }

    fn steps(&self, from: [u32; D], to: [u32; D], wraps: bool) -> u64 {
        let pairs = from.into_iter().zip(to).zip(self.0);
        let steps = pairs.map(|((from, to), side)| {
            let straight = from.abs_diff(to);
            if wraps { straight.min(side.abs_diff(straight)) } else { straight }
        });
        steps.map(u64::from).sum()
    }
}

macro_rules! lattice {
    ($(#[$about:meta])* $name:ident, $wraps:literal) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<const D: usize>(Sides<D>);

        impl<const D: usize> $name<D> {
            /// With sides of these lengths, numbered with the last coordinate running fastest.
            ///
            /// # Errors
            ///
            /// If a side is 0, there is none, or there are 2^53 places or more.
            pub fn new(sides: [u32; D]) -> Result<Self, ParameterError> {
                Sides::new(sides).map(Self)
            }
        }

        impl<I: PeerId, const D: usize> Ranking<I> for $name<D> {
            type Profile = ();
            type Place = [u32; D];
            type Distance = u64;

            fn place(&self, peer: I, (): &()) -> Option<[u32; D]> {
                Some(self.0.place(&peer))
            }

            fn contains(&self, place: [u32; D]) -> bool {
                self.0.contains(place)
            }

            fn distance(&self, from: [u32; D], to: [u32; D]) -> u64 {
                self.0.steps(from, to, $wraps)
            }
        }
    };
}

lattice! {
    /// A torus in `D` dimensions: every node has two neighbours along each, and no edge.
    ///
    /// ```
    /// use gossip_overlay::{Ranking, rank::Torus};
    ///
    /// let torus = Torus::new([10, 10])?;
    /// let at = |peer: u32| torus.place(peer, &()).unwrap();
    /// assert_eq!(at(37), [3, 7]);
    /// assert_eq!(Ranking::<u32>::distance(&torus, at(0), at(99)), 2); // round both edges
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    Torus, true
}

lattice! {
    /// A grid in `D` dimensions: as a torus, cut open along every edge.
    ///
    /// ```
    /// use gossip_overlay::{Ranking, rank::Grid};
    ///
    /// let grid = Grid::new([10, 10])?;
    /// let at = |peer: u32| grid.place(peer, &()).unwrap();
    /// assert_eq!(Ranking::<u32>::distance(&grid, at(0), at(99)), 18);
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    Grid, false
}
