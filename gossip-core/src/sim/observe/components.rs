//! The parts of a graph that know nothing of each other.

use alloc::vec;
use alloc::vec::Vec;

use super::Graph;

/// The connected components of a graph, links taken as going both ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Components {
    /// How many nodes each has, the largest first.
    pub sizes: Vec<u32>,
}

impl Components {
    /// How many there are.
    pub const fn count(&self) -> usize {
        self.sizes.len()
    }

    /// The nodes of the largest.
    pub fn largest(&self) -> u32 {
        self.sizes.first().copied().unwrap_or(0)
    }

    /// The nodes in all but the largest: those who are cut off.
    pub fn outside(&self) -> u32 {
        self.sizes.iter().skip(1).sum()
    }
}

impl Graph {
    /// The connected components, exact, with links taken as going both ways: the weakly connected
    /// components of a directed graph.
    ///
    /// ```
    /// # use gossip_core::sim::observe::Graph;
    /// let parts = Graph::new([(0, [1]), (1, [9]), (2, [1]), (3, [9])]).components();
    /// assert_eq!(parts.sizes, [3, 1]);
    /// ```
    pub fn components(&self) -> Components {
        // Union-find with the smaller root on top, so that a parent comes before its child, and
        // path halving (Tarjan, van Leeuwen, JACM 31(2), 1984).
        let mut parents: Vec<u32> = (0..self.live.len() as u32).collect();
        for from in self.nodes() {
            let mut root = find(&mut parents, from);
            for &to in self.known_to(from).iter().filter(|&&to| self.is_live(to)) {
                let other = find(&mut parents, to);
                if other != root {
                    parents[root.max(other) as usize] = root.min(other);
                    root = root.min(other);
                }
            }
        }
        let mut sizes = vec![0; parents.len()];
        for node in self.nodes() {
            sizes[find(&mut parents, node) as usize] += 1;
        }
        sizes.retain(|&size| size > 0);
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        Components { sizes }
    }
}

fn find(parents: &mut [u32], mut node: u32) -> u32 {
    loop {
        let parent = parents[node as usize];
        let above = parents[parent as usize];
        if above == parent {
            return parent;
        }
        parents[node as usize] = above;
        node = above;
    }
}
