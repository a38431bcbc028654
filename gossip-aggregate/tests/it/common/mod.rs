//! What the tests of several protocols share.

use gossip_core::sim::{Activation, World};
use gossip_core::{Peers, Random};

/// Uniform peers among the living, as the paper's analysis has them.
pub(crate) struct Uniform {
    pub(crate) live: Vec<u32>,
    me: u32,
}

impl Uniform {
    /// All of so many.
    pub(crate) fn of(nodes: u32) -> Self {
        Self { live: (0..nodes).collect(), me: 0 }
    }
}

impl<S> World<S> for Uniform {
    fn enter(&mut self, node: u32, _: u32, _: Activation) {
        self.me = node;
    }
}

impl Peers for Uniform {
    type Id = u32;

    fn sample(&self, random: &mut Random) -> Option<u32> {
        (0..100).find_map(|_| random.pick(&self.live).copied().filter(|&peer| peer != self.me))
    }

    fn for_each(&self, mut visit: impl FnMut(u32, u64)) {
        self.live.iter().for_each(|&peer| visit(peer, 0));
    }
}
