//! Whether those a node knows know each other.

use alloc::vec;
use alloc::vec::Vec;

use super::{Estimate, Graph, Spread};
use crate::random::Random;

impl Graph {
    /// How often two neighbours of a node know each other, averaged over nodes: the clustering
    /// coefficient, if this graph is [undirected](Self::undirected). Nodes with less than two
    /// neighbours count as 0.
    ///
    /// ```
    /// # use gossip_core::sim::observe::Graph;
    /// let triangle = Graph::new([(0, [1]), (1, [2]), (2, [0])]).undirected();
    /// assert_eq!(triangle.clustering(), 1.0);
    /// ```
    pub fn clustering(&self) -> f64 {
        self.local_clustering(self.nodes()).0.mean
    }

    /// [`clustering`](Self::clustering), from `samples` random nodes. The standard error is never
    /// taken for less than what a single pair more would move: a sample without any such pair does
    /// not show that there is none.
    ///
    /// ```
    /// # use gossip_core::{random::Key, sim::topology};
    /// let ring = topology::ring_lattice(1_000, 4)?;
    /// let estimate = ring.sampled_clustering(100, &mut Key::new(1).random(0));
    /// assert_eq!((estimate.mean, ring.clustering()), (0.5, 0.5));
    /// assert!(estimate.error < 0.01);
    /// # Ok::<(), gossip_core::ParameterError>(())
    /// ```
    pub fn sampled_clustering(&self, samples: usize, random: &mut Random) -> Estimate {
        let mut nodes: Vec<u32> = self.nodes().collect();
        let all = nodes.len();
        let chosen = random.choose(&mut nodes, samples);
        let (spread, pairs) = self.local_clustering(chosen.iter().copied());
        let estimate = Estimate::of(spread, all);
        let least = if spread.count < all { 1.0 / pairs.max(1) as f64 } else { 0.0 };
        Estimate { error: estimate.error.max(least), ..estimate }
    }

    /// The coefficients of these nodes, and of how many pairs of neighbours they are.
    fn local_clustering(&self, nodes: impl Iterator<Item = u32>) -> (Spread, usize) {
        let mut marked = vec![u32::MAX; self.live.len()];
        let mut seen = 0;
        let local = nodes.map(|node| {
            let around = self.known_to(node);
            for &near in around {
                marked[near as usize] = node;
            }
            let far = around.iter().flat_map(|&near| self.known_to(near));
            let closed = far.filter(|&&end| marked[end as usize] == node).count();
            let pairs = around.len() * around.len().saturating_sub(1);
            seen += pairs / 2;
            if pairs == 0 { 0.0 } else { closed as f64 / pairs as f64 }
        });
        (Spread::of(local), seen)
    }
}
