//! The ring: every node linked to the next one on either side of it.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man*, Computer Networks 53(13), 2009, section 4 (sorted ring);
//! Montresor, Jelasity, Babaoglu, *Chord on demand*, P2P 2005, section 3.
//!
//! ```text
//! position(peer):  64 bits, from the identifier
//! rank:            the 3 nearest clockwise and the 3 nearest counterclockwise, in turn; then all
//!                  others by circular distance
//! ```
//!
//! # What holds
//!
//! When positions are evenly spaced this is the order by circular distance. When they are not, a
//! node beside a gap has many near peers on one side; by distance alone these fill every message to
//! it, and the neighbour across the gap is never heard of: with 1,024 nodes in 16 clusters some 20
//! links stay missing for ever. So the nearest three either way come first: they are in every
//! message, and more than half of the partners, however far they are. Then any spacing takes as
//! many cycles as the even one; with one either way, up to twice as many.
//!
//! # Deviations from the paper
//!
//! The paper's ring ranks by distance alone; its sorted ring gives each side half.

use gossip_core::{ParameterError, PeerId, id};

use crate::rank::raw_index;
use crate::ranking::Ranking;
use crate::tman::State;

/// Ranks peers by their distance on a ring of 2^64 positions, the nearest on either side
/// first.
///
/// ```
/// use gossip_overlay::{Ranking, RingRank};
///
/// let ring = RingRank::indexed(8)?;
/// let at = |peer: u32| Ranking::place(&ring, peer, &()).unwrap();
/// assert_eq!(at(2) - at(1), 1 << 61);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingRank {
    /// How many nodes are spaced evenly; 0 for positions by hash.
    nodes: u32,
}

impl RingRank {
    /// Positions from [`digest`](id::digest)s of the identifiers: no coordination, uneven gaps.
    pub const fn hashed() -> Self {
        Self { nodes: 0 }
    }

    /// Node i of `nodes` stands at i / `nodes` of the way round, as in the paper's simulations.
    /// Counts for the simulators' `u32` identifiers below `nodes`; all others go by hash.
    ///
    /// # Errors
    ///
    /// If there are no nodes.
    pub fn indexed(nodes: u32) -> Result<Self, ParameterError> {
        ParameterError::new("ring size n", f64::from(nodes), "nodes", "at least 1")
            .unless(nodes >= 1)?;
        Ok(Self { nodes })
    }
}

impl<I: PeerId> Ranking<I> for RingRank {
    type Profile = ();
    type Place = u64;
    type Distance = u64;

    const DIRECTIONS: usize = 2;
    const LEAD: usize = 3;

    fn place(&self, peer: I, (): &()) -> Option<u64> {
        Some(match (&raw_index(&peer), self.nodes) {
            (Some(index), nodes) if *index < nodes => {
                ((u128::from(*index) << 64) / u128::from(nodes)) as u64
            }
            _ => id::digest(&peer),
        })
    }

    #[inline]
    fn distance(&self, from: u64, to: u64) -> u64 {
        to.wrapping_sub(from).min(from.wrapping_sub(to))
    }

    #[inline]
    fn along(&self, direction: usize, from: u64, to: u64) -> Option<u64> {
        Some(if direction == 0 { to.wrapping_sub(from) } else { from.wrapping_sub(to) })
    }
}

impl<I: PeerId, const M: usize> State<I, RingRank, M> {
    /// The next node clockwise, as far as this node knows: a hint, exact once the ring has formed
    /// and while nobody comes or goes.
    pub fn successor(&self) -> Option<I> {
        self.toward(0)
    }

    /// The next node counterclockwise, as far as this node knows.
    pub fn predecessor(&self) -> Option<I> {
        self.toward(1)
    }
}

/// How many of a ring's links are missing: of every node to its true successor and predecessor
/// among `nodes`, two each. 0 is a perfect ring.
///
/// It looks at all nodes at once, as only a simulation can.
///
/// ```
/// use gossip_overlay::{RingRank, TMan, ring, tman};
///
/// let rank = RingRank::indexed(2)?;
/// let alone = TMan::<u32, RingRank, 20>::new(tman::Config::new(rank))?;
/// let nodes = [(0, &*alone), (1, &*alone)];
/// assert_eq!(ring::missing_links(nodes), 4);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn missing_links<'a, I: PeerId, const M: usize>(
    nodes: impl IntoIterator<Item = (I, &'a State<I, RingRank, M>)>,
) -> usize {
    let mut ring: alloc::vec::Vec<_> =
        nodes.into_iter().map(|(id, state)| (state.ranking().place(id, &()), id, state)).collect();
    ring.sort_unstable_by_key(|node| (node.0, node.1));
    let len = ring.len();
    let links = (0..len).flat_map(|at| {
        let (next, last) = (ring[(at + 1) % len].1, ring[(at + len - 1) % len].1);
        let state = ring[at].2;
        [(state.successor(), next), (state.predecessor(), last)]
    });
    if len < 2 { 0 } else { links.filter(|(known, wanted)| *known != Some(*wanted)).count() }
}
