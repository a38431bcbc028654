//! Gossip sorting: all nodes in one list, in the order of an attribute that each of them tells.
//!
//! Jelasity, Montresor, Babaoglu, *T-Man: Gossip-based fast overlay topology construction*,
//! Computer Networks 53(13), 2009, section 4 (sorted ring), and the authors' program `Sorter`.
//!
//! ```text
//! T-Man, ranking by the order alone: the next above and the next below in turn
//! above(me): the least that is more than mine      below(me): the greatest that is less
//! ```
//!
//! Only the order counts: a gap among the attributes does not disconnect the list. It is
//! [`tman`](crate::tman) over [`SortedList`], and has all that T-Man has: events when a node's
//! neighbours stand, [`health`](State::health), probes and repairs for ever.
//! [`Command::Describe`](crate::tman::Command::Describe) gives a node another attribute, and it
//! moves.
//!
//! ```
//! use gossip_core::sampling::Cyclon;
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::{Finite, ParameterError, PeerId, stack};
//! use gossip_overlay::sorting::{self, Sorted};
//!
//! stack! {
//!     /// A sorted list over a sampler.
//!     #[derive(Debug)]
//!     pub struct Node<I: PeerId> {
//!         peers: Cyclon<I, 20>,
//!         #[uses(peers)]
//!         list: Sorted<I, 20>,
//!     }
//! }
//!
//! let node = |i: u32| {
//!     let attribute = Finite::new(f64::from(i * 37 % 100)).unwrap();
//!     Ok(Node::new(Cyclon::new(Default::default())?, Sorted::new(sorting::config(attribute))?))
//! };
//! let nodes = (0..100).map(node).collect::<Result<Vec<_>, ParameterError>>()?;
//! let mut sim = Simulation::new(nodes, 42, Order::Sequential);
//! for node in 1..100 {
//!     sim.contact(node, 0);
//! }
//! sim.run(15);
//! assert_eq!(sorting::missing_links(sim.nodes().map(|(i, node)| (i, &*node.list))), 0);
//! let first = &sim.node(0).unwrap().list; // its attribute is the least
//! assert_eq!((first.below(), first.above()), (None, Some(73))); // 73 * 37 = 2,701
//! # Ok::<(), ParameterError>(())
//! ```
//!
//! # Deviations from the paper
//!
//! A list with two ends instead of a ring; equal attributes are ordered by the identifiers' hashes.

use alloc::vec::Vec;

use gossip_core::{Finite, PeerId, id};

use crate::rank::SortedList;
use crate::tman::{Config, State, TMan};

/// A sorted list as a layer over any [`Peers`](gossip_core::Peers), with messages of at most `M`
/// descriptors.
pub type Sorted<I, const M: usize> = TMan<I, SortedList, M>;

/// T-Man's parameters for a node with this attribute: any finite number, in any unit, the same at
/// all nodes.
pub fn config(attribute: Finite) -> Config<SortedList, Finite> {
    Config::new(SortedList).profile(attribute)
}

impl<I: PeerId, const M: usize> State<I, SortedList, M> {
    /// The next node upwards, as far as this node knows; none at the upper end. A hint, exact once
    /// the list has formed and while nobody comes, goes or changes.
    pub fn above(&self) -> Option<I> {
        self.toward(0)
    }

    /// The next node downwards, as far as this node knows; none at the lower end.
    pub fn below(&self) -> Option<I> {
        self.toward(1)
    }

    /// What this node is sorted by.
    pub const fn attribute(&self) -> Finite {
        *self.profile()
    }
}

/// How many of a list's links are missing or wrong: of every node to the next above and below among
/// `nodes`, and nobody beyond the ends. 0 is a sorted list.
///
/// It looks at all nodes at once, as only a simulation can.
///
/// ```
/// use gossip_core::Finite;
/// use gossip_overlay::sorting::{self, Sorted};
///
/// let alone = Sorted::<u32, 20>::new(sorting::config(Finite::new(1.0).unwrap()))?;
/// assert_eq!(sorting::missing_links([(0, &*alone), (1, &*alone)]), 2);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn missing_links<'a, I: PeerId, const M: usize>(
    nodes: impl IntoIterator<Item = (I, &'a State<I, SortedList, M>)>,
) -> usize {
    let mut list: Vec<_> = nodes
        .into_iter()
        .map(|(peer, state)| ((state.attribute(), id::digest(&peer), peer), state))
        .collect();
    list.sort_unstable_by_key(|node| node.0);
    let at = |at: Option<usize>| at.and_then(|at| list.get(at)).map(|node| node.0.2);
    let wrong = |(rank, node): (usize, &(_, &State<I, SortedList, M>))| {
        let above = node.1.above() != at(Some(rank + 1));
        usize::from(above) + usize::from(node.1.below() != at(rank.checked_sub(1)))
    };
    list.iter().enumerate().map(wrong).sum()
}
