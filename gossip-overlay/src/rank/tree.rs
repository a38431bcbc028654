//! A balanced tree of any arity.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man*, Computer Networks 53(13), 2009, section 2 (the binary
//! tree, ranked by hops in it).
//!
//! # Deviations from the paper
//!
//! Any arity; places are numbered from 0. [`Rooted`](crate::tree::Rooted) makes parents and
//! children of them.

use gossip_core::{ParameterError, PeerId};

use super::numbered;
use crate::ranking::Ranking;

/// Ranks peers by the hops between them in a tree of `arity` children each, numbered level by level
/// from the root, 0: the parent of i is (i - 1) / `arity`.
///
/// ```
/// use gossip_overlay::{Ranking, rank::Tree};
///
/// let tree = Tree::new(2, 7)?;
/// let hops = |from, to| Ranking::<u32>::distance(&tree, from, to);
/// assert_eq!([hops(0, 2), hops(3, 4), hops(3, 6)], [1, 2, 4]);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    arity: u64,
    nodes: u64,
}

impl Tree {
    /// A tree of `nodes` places with `arity` children each.
    ///
    /// # Errors
    ///
    /// If the arity is below 2 (a tree of arity 1 is a [`Line`](super::Line)), or there are no
    /// places.
    pub fn new(arity: u32, nodes: u32) -> Result<Self, ParameterError> {
        ParameterError::new("arity", arity.into(), "children", "at least 2").unless(arity >= 2)?;
        ParameterError::new("tree size n", nodes.into(), "places", "at least 1")
            .unless(nodes >= 1)?;
        Ok(Self { arity: arity.into(), nodes: nodes.into() })
    }

    /// The place above; none above the root.
    pub const fn parent(&self, place: u64) -> Option<u64> {
        if place == 0 { None } else { Some((place - 1) / self.arity) }
    }
}

impl<I: PeerId> Ranking<I> for Tree {
    type Profile = ();
    type Place = u64;
    type Distance = u32;

    fn place(&self, peer: I, (): &()) -> Option<u64> {
        Some(numbered(&peer, self.nodes))
    }

    fn contains(&self, place: u64) -> bool {
        place < self.nodes
    }

    fn distance(&self, mut from: u64, mut to: u64) -> u32 {
        let mut hops = 0;
        // The greater number is never the higher in the tree, so it climbs. At most 64 levels each.
        while from != to {
            let lower = if from > to { &mut from } else { &mut to };
            *lower = (*lower - 1) / self.arity;
            hops += 1;
        }
        hops
    }
}
