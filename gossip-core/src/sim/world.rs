//! What nodes of a simulation may read that no node could know: an oracle below the stack.

use alloc::sync::Arc;

use super::divide::Divide;
use super::observe::Graph;
use crate::peers::Peers;
use crate::random::Random;

/// Why a node is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Its round.
    Round,
    /// Anything else: a message, a wake, a command.
    Other,
}

/// What a stack in a simulation stands over.
///
/// `()` is nothing. An oracle sampler is the other common case: it hands out uniform peers and
/// their true profiles, to study a protocol apart from its sampler. [`enter`](Self::enter) tells it
/// who looks, [`leave`](Self::leave) shows it what became of that node.
pub trait World<S> {
    /// `node` is about to be called, in cycle `round`.
    #[inline]
    fn enter(&mut self, _node: u32, _round: u32, _why: Activation) {}

    /// `node` was called and is now `state`.
    #[inline]
    fn leave(&mut self, _node: u32, _state: &S) {}

    /// `node` was killed.
    fn died(&mut self, _node: u32) {}

    /// `node`, which had died, is back.
    fn returned(&mut self, _node: u32) {}
}

impl<S> World<S> for () {}

/// A graph below a simulation: every node stands over its neighbours there, chosen evenly. The
/// layers above read it as they read a sampler; unlike [`Fixed`](crate::sampling::Fixed) it is not
/// bounded, and is there once.
///
/// ```
/// use gossip_core::{Peers, random::Key};
/// use gossip_core::sim::{Activation, Neighbourhood, World, topology};
///
/// let mut below = Neighbourhood::new(topology::ring_lattice(10, 2)?);
/// World::<()>::enter(&mut below, 0, 0, Activation::Round); // by the driver
/// assert_eq!(below.degree(), 2);
/// assert!(matches!(below.sample(&mut Key::new(1).random(0)), Some(1 | 9)));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Neighbourhood {
    graph: Arc<Graph>,
    /// The node called now.
    me: u32,
}

impl Neighbourhood {
    /// Every node over its neighbours in `graph`. Simulations share one given as an [`Arc`].
    pub fn new(graph: impl Into<Arc<Graph>>) -> Self {
        Self { graph: graph.into(), me: 0 }
    }

    /// The graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }
}

impl<S> World<S> for Neighbourhood {
    #[inline]
    fn enter(&mut self, node: u32, _: u32, _: Activation) {
        self.me = node;
    }
}

impl Divide for Neighbourhood {
    fn part(&mut self, _: u32) -> Self {
        self.clone()
    }
}

impl Peers for Neighbourhood {
    type Id = u32;

    #[inline]
    fn sample(&self, random: &mut Random) -> Option<u32> {
        random.pick(self.graph.known_to(self.me)).copied()
    }

    fn for_each(&self, mut visit: impl FnMut(u32, u64)) {
        self.graph.known_to(self.me).iter().for_each(|&peer| visit(peer, 0));
    }

    #[inline]
    fn degree(&self) -> usize {
        self.graph.known_to(self.me).len()
    }
}
