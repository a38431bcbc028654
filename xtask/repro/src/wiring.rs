//! Graphs that experiments start from.

use gossip_core::Peers;
use gossip_core::random::{Key, Random};
use gossip_core::sim::{Activation, World};

/// The most peers a view of a sampler can hold in an experiment; its `c` is at most this.
pub const CAPACITY: usize = 64;

/// `degree` random nodes, or all others if there are fewer, that `node` knows.
pub fn random_peers(node: u32, nodes: u32, degree: usize, seed: u64) -> Vec<u32> {
    let mut random = Key::new(seed).with(WIRING).random(node.into());
    let degree = degree.min(nodes as usize - 1);
    let mut drawn = Vec::with_capacity(degree);
    while drawn.len() < degree {
        let peer = random.below(nodes as usize) as u32;
        if peer != node && !drawn.contains(&peer) {
            drawn.push(peer);
        }
    }
    drawn
}

/// The `degree` nodes nearest to `node` on a ring, on both sides in turn.
pub fn lattice_peers(node: u32, nodes: u32, degree: usize) -> Vec<u32> {
    let around = (1..nodes).flat_map(|step| [step, nodes - step]);
    around
        .take(degree)
        .map(|step| ((u64::from(node) + u64::from(step)) % u64::from(nodes)) as u32)
        .collect()
}

/// All other nodes, each as likely as any: the peers of most analyses.
#[derive(Debug, Clone)]
pub struct Everybody {
    nodes: u32,
    me: u32,
}

impl Everybody {
    /// Of so many nodes, at least two.
    pub fn of(nodes: u32) -> Self {
        Self { nodes, me: 0 }
    }
}

impl<S> World<S> for Everybody {
    fn enter(&mut self, node: u32, _: u32, _: Activation) {
        self.me = node;
    }
}

impl Peers for Everybody {
    type Id = u32;

    fn sample(&self, random: &mut Random) -> Option<u32> {
        let drawn = random.below(self.nodes as usize - 1) as u32;
        Some(drawn + u32::from(drawn >= self.me))
    }

    fn for_each(&self, mut visit: impl FnMut(u32, u64)) {
        (0..self.nodes).filter(|&peer| peer != self.me).for_each(|peer| visit(peer, 0));
    }
}

/// Names the randomness of the wiring.
const WIRING: u64 = gossip_core::id::hash(b"xtask::repro::wiring");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_others_and_differ() {
        for mut peers in
            [random_peers(3, 10, 64, 1), lattice_peers(3, 10, 9), random_peers(0, 9, 4, 2)]
        {
            let known = peers.len();
            assert!(peers.iter().all(|&peer| peer < 10));
            peers.sort_unstable();
            peers.dedup();
            assert_eq!(peers.len(), known);
        }
        assert_eq!(lattice_peers(0, 10, 4), [1, 9, 2, 8]);
        assert!(!random_peers(3, 10, 9, 1).contains(&3));
    }
}
