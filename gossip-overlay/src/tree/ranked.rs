//! Not a protocol: the tree that T-Man builds by [`rank::Tree`](crate::rank::Tree), as a
//! [`Tree`](gossip_core::Tree).
//!
//! Jelasity, Montresor, Babaoglu, *T-Man*, Computer Networks 53(13), 2009, section 2 (the binary
//! tree).
//!
//! ```text
//! parent:    whoever stands in the nearest place above mine that somebody is known to stand in
//! children:  those of whom I am the parent, by whom I know
//! ```
//!
//! So a tree closes over the places of those who died: their children come to their parent. The
//! place of the root, 0, is filled by nobody else: without it there are several trees.
//!
//! ```
//! use gossip_core::Tree as _;
//! use gossip_core::sim::Oracle;
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::sim::link::Perfect;
//! use gossip_overlay::{TMan, rank, tman};
//!
//! type Node = TMan<u32, rank::Tree, 20>;
//! let tree = rank::Tree::new(2, 63)?;
//! let nodes = (0..63).map(|_| Node::new(tman::Config::new(tree)));
//! let nodes = nodes.collect::<Result<Vec<_>, gossip_core::ParameterError>>()?;
//! let below = Oracle::new(63, 20, 7, |_: &Node| Some(()));
//! let mut sim = Simulation::with(nodes, 7, Order::Sequential, below, Perfect);
//! sim.run(10);
//! let node = sim.node(5).unwrap();
//! assert_eq!((node.parent(), node.root(), node.depth()), (Some(2), Some(0), Some(2)));
//! sim.kill(2);
//! sim.run(3);
//! assert_eq!(sim.node(5).unwrap().parent(), Some(0)); // two levels up
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```
//!
//! # What holds
//!
//! Between steady nodes, each in a place of its own, parents and children are each other's, and
//! lead to the root. Two that share a place, as identifiers placed by hash may, are siblings: of
//! these the one with the least identifier is parent. [`Told`] gives each a place of its own.
//!
//! # Deviations from the paper
//!
//! The paper builds the links; who is above whom, and what becomes of places whose nodes died, is
//! ours.

use core::iter;

use gossip_core::{PeerId, Tree};

use crate::rank::{self, Told};
use crate::ranking::Ranking;
use crate::tman::{State, TMan};

/// A ranking whose places form a tree.
pub trait Rooted {
    /// The place above; none above the root's.
    fn above(&self, place: u64) -> Option<u64>;
}

impl Rooted for rank::Tree {
    fn above(&self, place: u64) -> Option<u64> {
        self.parent(place)
    }
}

impl Rooted for Told<rank::Tree> {
    fn above(&self, place: u64) -> Option<u64> {
        self.0.parent(place)
    }
}

impl<I: PeerId, R: Ranking<I, Place = u64> + Rooted, const M: usize> State<I, R, M> {
    /// The places above, from the nearest on.
    fn places_above(&self, place: u64) -> impl Iterator<Item = u64> {
        iter::successors(self.ranking().above(place), |&place| self.ranking().above(place))
    }

    /// Who stands there and is believed to live.
    fn standing_at(&self, place: u64) -> Option<I> {
        let there = self.places().filter(|known| known.1 == place).map(|known| known.0);
        there.filter(|&peer| self.is_trusted(peer)).min()
    }

    /// Whether a node at `below` comes to one at `here`: nobody known stands in between.
    fn comes_to(&self, below: u64, here: u64) -> bool {
        // Places above have lesser numbers.
        let mut between = self.places_above(below).take_while(|&place| place >= here);
        between.find(|&place| place == here || self.standing_at(place).is_some()) == Some(here)
    }
}

impl<I, R, const M: usize> Tree for State<I, R, M>
where
    I: PeerId,
    R: Ranking<I, Place = u64> + Rooted,
{
    type Id = I;

    fn parent(&self) -> Option<I> {
        self.places_above(self.place()?).find_map(|place| self.standing_at(place))
    }

    fn root(&self) -> Option<I> {
        let here = self.place()?;
        if here == 0 { self.name() } else { self.standing_at(0) }
    }

    /// By places: more than there are links, where some are empty.
    fn depth(&self) -> Option<u32> {
        Some(self.places_above(self.place()?).count() as u32)
    }

    fn for_each_child(&self, mut visit: impl FnMut(I)) {
        let Some(here) = self.place() else { return };
        let below = self.places().filter(|known| known.1 > here && self.is_trusted(known.0));
        below.filter(|known| self.comes_to(known.1, here)).for_each(|known| visit(known.0));
    }
}

impl<I, R, const M: usize> Tree for TMan<I, R, M>
where
    I: PeerId,
    R: Ranking<I, Place = u64> + Rooted,
{
    type Id = I;

    fn parent(&self) -> Option<I> {
        Tree::parent(&**self)
    }

    fn root(&self) -> Option<I> {
        Tree::root(&**self)
    }

    fn depth(&self) -> Option<u32> {
        Tree::depth(&**self)
    }

    fn for_each_child(&self, visit: impl FnMut(I)) {
        Tree::for_each_child(&**self, visit);
    }
}
