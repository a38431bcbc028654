//! Rankings ready made: what the overlay should look like.
//!
//! | Ranking | Nearest are | Where a peer stands |
//! |---|---|---|
//! | [`RingRank`](crate::RingRank) | next on a circle, either way | hash or number |
//! | [`Line`] | next on a line, either way | hash or number |
//! | [`SortedList`] | next in order, however wide the gap | an attribute it tells |
//! | [`Torus`], [`Grid`] | fewest steps along the axes | number |
//! | [`Tree`] | fewest hops in a k-ary tree | number |
//! | [`Hypercube`] | fewest bits that differ | number |
//! | [`Xor`] | least exclusive or (Kademlia) | hash |
//! | [`Prefix`] | longest common prefix of digits (Pastry) | hash |
//! | [`Euclidean`] | least distance in space | coordinates it tells |
//! | [`Told`] | as another ranking says | the place it tells |
//! | [`Then`], [`Beside`] | by two rankings, one after or beside the other | as they say |
//!
//! *Number* is that of a simulated node, a `u32`. Other identifiers go by hash, modulo the places
//! there are: then some places hold two peers and some none, and a structure of numbered places
//! has holes. Where that matters, let nodes tell their places ([`Told`]).
//!
//! Jelasity, Montresor, Babaoglu, *T-Man*, Computer Networks 53(13), 2009, section 2, has the ring,
//! the torus and the binary tree, and the order of a sorted list.
//!
//! Not a protocol: the orders that T-Man builds by.

mod compose;
mod cube;
mod digits;
mod euclidean;
mod lattice;
mod line;
mod list;
mod told;
mod tree;

use core::any::Any;

use alloc::vec::Vec;

use gossip_core::{PeerId, id};

use crate::ranking::{Ranking, Ties, first};
use crate::tman::State;

pub use compose::{Beside, By, Then};
pub use cube::Hypercube;
pub use digits::{Prefix, Xor};
pub use euclidean::{Euclidean, Square};
pub use lattice::{Grid, Torus};
pub use line::Line;
pub use list::{SortedList, Way};
pub use told::Told;
pub use tree::Tree;

/// The number of a simulated node.
pub(crate) fn raw_index<I: PeerId>(peer: &I) -> Option<u32> {
    (peer as &dyn Any).downcast_ref().copied()
}

/// One of `places` numbered places: that of a simulated node's number, if there is one, else by
/// hash.
fn numbered<I: PeerId>(peer: &I, places: u64) -> u64 {
    let number = raw_index(peer).map(u64::from).filter(|&number| number < places);
    number.unwrap_or_else(|| id::digest(peer) % places)
}

/// How many links are missing: each node should have `degree` peers as near as the nearest there
/// are among `nodes`, by the order of its ranking. 0 is a perfect overlay.
///
/// It looks at all nodes at once, as only a simulation can, and takes time in the square of their
/// number. Peers equally near count the same.
///
/// ```
/// use gossip_overlay::rank::{self, Torus};
/// use gossip_overlay::{TMan, tman};
///
/// let torus = tman::Config::new(Torus::new([2, 2])?);
/// let alone = TMan::<u32, Torus<2>, 20>::new(torus)?;
/// let nodes = [0, 1, 2, 3].map(|node| (node, &*alone));
/// assert_eq!(rank::missing_links(&nodes, 2), 8);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn missing_links<I: PeerId, R: Ranking<I>, const M: usize>(
    nodes: &[(I, &State<I, R, M>)],
    degree: usize,
) -> usize {
    let place = |node: &(I, &State<I, R, M>)| node.1.ranking().place(node.0, node.1.profile());
    let stands: Vec<(I, R::Place)> =
        nodes.iter().filter_map(|node| place(node).map(|place| (node.0, place))).collect();
    let mut missing = 0;
    for node in nodes {
        let Some(here) = place(node) else { continue };
        let (id, state) = *node;
        let others: Vec<R::Place> =
            stands.iter().filter(|other| other.0 != id).map(|other| other.1).collect();
        // Only who is there can be a right link.
        let known: Vec<R::Place> = state
            .view()
            .filter_map(|peer| stands.iter().find(|other| other.0 == peer))
            .map(|other| other.1)
            .collect();
        let wanted = distances(state.ranking(), here, &others, degree);
        let mut has = distances(state.ranking(), here, &known, degree);
        for distance in wanted {
            match has.iter().position(|&one| one == distance) {
                Some(at) => drop(has.swap_remove(at)),
                None => missing += 1,
            }
        }
    }
    missing
}

/// How far the first `degree` of `places` are from `here`.
fn distances<I: PeerId, R: Ranking<I>>(
    ranking: &R,
    here: R::Place,
    places: &[R::Place],
    degree: usize,
) -> Vec<R::Distance> {
    let order = first(ranking, here, &places.iter().copied(), degree, Ties::Stable);
    order.into_iter().map(|at| ranking.distance(here, places[at])).collect()
}
