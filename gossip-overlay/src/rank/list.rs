//! The sorted list: every node linked to the next in the order of an attribute.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man*, Computer Networks 53(13), 2009, section 4 (sorted ring:
//! half predecessors, half successors).
//!
//! ```text
//! rank: the nearest above and the nearest below in turn, by position in the order alone
//! ```
//!
//! How far apart two attributes are does not matter: a gap in them does not disconnect the list.
//!
//! # Deviations from the paper
//!
//! The list has two ends, and equal attributes are ordered by the identifiers' hashes.

use core::cmp::Reverse;

use gossip_core::{Finite, PeerId, id};

use crate::ranking::Ranking;

/// Sorts peers by an attribute, any finite number, which each tells in its profile.
///
/// ```
/// use gossip_core::Finite;
/// use gossip_overlay::{TMan, rank::SortedList, tman};
///
/// let megabytes = Finite::new(2_048.0).unwrap();
/// let config = tman::Config::new(SortedList).profile(megabytes);
/// assert!(TMan::<u32, SortedList, 20>::new(config).is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SortedList;

/// Where a peer stands: its attribute, and a hash to tell equals apart.
type Place = (Finite, u64);

impl<I: PeerId> Ranking<I> for SortedList {
    type Profile = Finite;
    type Place = Place;
    /// Upwards the least comes first, downwards the greatest.
    type Distance = Way;

    const DIRECTIONS: usize = 2;
    const LEAD: usize = usize::MAX;

    fn place(&self, peer: I, attribute: &Finite) -> Option<Place> {
        Some((*attribute, id::digest(&peer)))
    }

    fn distance(&self, from: Place, to: Place) -> Way {
        if to >= from { Way::Up(to) } else { Way::Down(Reverse(to)) }
    }

    fn along(&self, direction: usize, from: Place, to: Place) -> Option<Way> {
        let way = <Self as Ranking<I>>::distance(self, from, to);
        matches!((direction, way), (0, Way::Up(_)) | (1, Way::Down(_))).then_some(way)
    }
}

/// In which direction a peer of a [`SortedList`] lies, and how early it comes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Above.
    Up((Finite, u64)),
    /// Below.
    Down(Reverse<(Finite, u64)>),
}
