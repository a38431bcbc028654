//! The hypercube.
//!
//! Not a protocol: an order that T-Man builds by.

use gossip_core::{ParameterError, PeerId};

use super::numbered;
use crate::ranking::Ranking;

/// Ranks peers by how many bits of their numbers differ: with 2^d nodes, everybody's d nearest
/// differ in one.
///
/// ```
/// use gossip_overlay::{Ranking, rank::Hypercube};
///
/// let cube = Hypercube::new(3)?;
/// assert_eq!(Ranking::<u32>::distance(&cube, 0b000, 0b101), 2);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hypercube {
    dimensions: u32,
}

impl Hypercube {
    /// Of 2^`dimensions` places, from 1 to 63 dimensions.
    ///
    /// # Errors
    ///
    /// If there are none, or too many.
    pub fn new(dimensions: u32) -> Result<Self, ParameterError> {
        ParameterError::new("dimensions", dimensions.into(), "bits", "1 to 63")
            .unless((1..=63).contains(&dimensions))?;
        Ok(Self { dimensions })
    }
}

impl<I: PeerId> Ranking<I> for Hypercube {
    type Profile = ();
    type Place = u64;
    type Distance = u32;

    fn place(&self, peer: I, (): &()) -> Option<u64> {
        Some(numbered(&peer, 1 << self.dimensions))
    }

    fn contains(&self, place: u64) -> bool {
        place >> self.dimensions == 0
    }

    #[inline]
    fn distance(&self, from: u64, to: u64) -> u32 {
        (from ^ to).count_ones()
    }
}
