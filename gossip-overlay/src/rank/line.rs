//! The line: every node linked to the next on either side, and two ends.
//!
//! Not a protocol: an order that T-Man builds by.

use gossip_core::{ParameterError, PeerId, id};

use super::raw_index;
use crate::ranking::Ranking;

/// Ranks peers by their distance on a line of 2^64 positions, the nearest on either side first: the
/// ring cut open. Positions are those of [`RingRank`](crate::RingRank).
///
/// ```
/// use gossip_overlay::Ranking;
/// use gossip_overlay::rank::Line;
///
/// let line = Line::indexed(8)?;
/// let at = |peer: u32| line.place(peer, &()).unwrap();
/// assert_eq!(Ranking::<u32>::distance(&line, at(0), at(7)), 7 << 61);
/// assert_eq!(Ranking::<u32>::along(&line, 0, at(7), at(0)), None); // nothing lies beyond the end
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How many nodes are spaced evenly; 0 for positions by hash.
    nodes: u32,
}

impl Line {
    /// Positions from [`digest`](id::digest)s of the identifiers.
    pub const fn hashed() -> Self {
        Self { nodes: 0 }
    }

    /// Simulated node i of `nodes` stands at i / `nodes` of the way.
    ///
    /// # Errors
    ///
    /// If there are no nodes.
    pub fn indexed(nodes: u32) -> Result<Self, ParameterError> {
        ParameterError::new("line length n", f64::from(nodes), "nodes", "at least 1")
            .unless(nodes >= 1)?;
        Ok(Self { nodes })
    }
}

impl<I: PeerId> Ranking<I> for Line {
    type Profile = ();
    type Place = u64;
    type Distance = u64;

    const DIRECTIONS: usize = 2;
    const LEAD: usize = 3;

    fn place(&self, peer: I, (): &()) -> Option<u64> {
        let number = raw_index(&peer).filter(|&number| number < self.nodes);
        let even = |number| ((u128::from(number) << 64) / u128::from(self.nodes)) as u64;
        Some(number.map_or_else(|| id::digest(&peer), even))
    }

    #[inline]
    fn distance(&self, from: u64, to: u64) -> u64 {
        from.abs_diff(to)
    }

    #[inline]
    fn along(&self, direction: usize, from: u64, to: u64) -> Option<u64> {
        let (low, high) = if direction == 0 { (from, to) } else { (to, from) };
        // Who stands in the same place lies both ways.
        high.checked_sub(low)
    }
}
