//! What a simulation looks like from outside: an overlay's degrees, clustering, path lengths,
//! components, dead links and spectrum; how values converge; what layers send.
//!
//! The measures are those of Jelasity, Voulgaris, Guerraoui, Kermarrec, van Steen, *Gossip-based
//! peer sampling*, ACM TOCS 25(3), 2007, section 4. In-degrees are of the directed graph of who
//! knows whom; clustering and path lengths of the [undirected](Graph::undirected) one.
//!
//! All but [`Graph::clustering`] and [`Graph::spectrum`] take seconds at a million nodes with views
//! of 20; there is [`Graph::sampled_clustering`] for the first. What is estimated from a sample
//! says its standard error.
//!
//! ```
//! use gossip_core::sim::observe::{self, Graph};
//! use gossip_core::sim::cycle::{Order, Simulation};
//! use gossip_core::sampling::Cyclon;
//!
//! let nodes = (0..100).map(|_| Cyclon::<u32, 20>::new(Default::default()));
//! let mut sim = Simulation::new(nodes.collect::<Result<Vec<_>, _>>()?, 42, Order::Sequential);
//! (1..100).for_each(|node| sim.contact(node, 0)); // a star
//! sim.run(50);
//! let graph = Graph::new(sim.nodes().map(|(node, peers)| (node, observe::neighbours(&**peers))));
//! assert_eq!(graph.in_degree().mean, 20.0);
//! assert!(graph.in_degree().sd < 20_f64.sqrt()); // a random graph's
//! assert_eq!(graph.dead_links(), 0);
//! assert!(graph.undirected().is_connected());
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

mod bytes;
mod clustering;
mod components;
mod convergence;
mod paths;
mod spectrum;
mod spread;

use alloc::vec;
use alloc::vec::Vec;

pub use self::bytes::{Bytes, Sent};
pub use self::components::Components;
pub use self::convergence::Convergence;
pub use self::paths::Paths;
pub use self::spectrum::Spectrum;
pub use self::spread::{Estimate, Spread};

use crate::peers::Peers;

/// The peers that `source` knows now.
///
/// ```
/// use gossip_core::{sampling::Fixed, sim::observe::neighbours};
/// assert_eq!(neighbours(&Fixed::<u32, 2>::new([4, 7])), [4, 7]);
/// ```
pub fn neighbours<P: Peers>(source: &P) -> Vec<P::Id> {
    let mut known = Vec::with_capacity(source.degree());
    source.for_each(|peer, _| known.push(peer));
    known
}

/// Who knows whom: live nodes, and links to nodes that may be dead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Which numbers are live nodes.
    live: Vec<bool>,
    /// Where each node's links begin in `links`, and where the last one's end.
    starts: Vec<usize>,
    links: Vec<u32>,
}

impl Graph {
    /// The graph of these live nodes, each with the nodes that it knows. A link to a node that is
    /// not among them is dead.
    ///
    /// ```
    /// use gossip_core::sim::observe::Graph;
    /// let graph = Graph::new([(0, [1, 9]), (1, [0, 9])]);
    /// assert_eq!(graph.dead_links(), 2);
    /// assert_eq!(graph.in_degrees(), [1, 1]);
    /// ```
    pub fn new<N: IntoIterator<Item = u32>>(nodes: impl IntoIterator<Item = (u32, N)>) -> Self {
        // Links in the order they come, and where each node's begin.
        let mut rows: Vec<(u32, usize)> = Vec::new();
        let mut links = Vec::new();
        for (node, neighbours) in nodes {
            rows.push((node, links.len()));
            links.extend(neighbours);
        }
        let size = rows.iter().map(|row| row.0 as usize + 1).max().unwrap_or(0);
        if !rows.is_sorted_by(|a, b| a.0 < b.0) {
            return Self::from_unsorted(&rows, &links, size);
        }
        let mut graph =
            Self { live: vec![false; size], starts: Vec::with_capacity(size + 1), links };
        for &(node, start) in &rows {
            graph.live[node as usize] = true;
            // Numbers in between do not live, and have no links.
            graph.starts.resize(node as usize + 1, start);
        }
        graph.starts.push(graph.links.len());
        graph
    }

    /// The same of rows in any order; of two for a node the last counts.
    fn from_unsorted(rows: &[(u32, usize)], links: &[u32], size: usize) -> Self {
        let mut spans = vec![None; size];
        for (at, &(node, start)) in rows.iter().enumerate() {
            let end = rows.get(at + 1).map_or(links.len(), |next| next.1);
            spans[node as usize] = Some(start..end);
        }
        let live = spans.iter().map(Option::is_some).collect();
        let mut graph = Self { live, starts: vec![0], links: Vec::with_capacity(links.len()) };
        for span in spans {
            graph.links.extend_from_slice(&links[span.unwrap_or(0..0)]);
            graph.starts.push(graph.links.len());
        }
        graph
    }

    /// The graph of nodes 0, 1, and so on, of whom the rows say whom they know.
    pub(crate) fn from_rows<N: IntoIterator<Item = u32>>(
        rows: impl IntoIterator<Item = N>,
    ) -> Self {
        let mut graph = Self { live: Vec::new(), starts: vec![0], links: Vec::new() };
        for row in rows {
            graph.links.extend(row);
            graph.live.push(true);
            graph.starts.push(graph.links.len());
        }
        graph
    }

    /// The graph with these links, each from a number that `live` has. The links of a node keep
    /// their order. Walks over `links` twice, to need no list per node.
    pub(crate) fn from_links(
        live: Vec<bool>,
        links: impl Iterator<Item = (u32, u32)> + Clone,
    ) -> Self {
        let mut starts = vec![0; live.len() + 1];
        for (from, _) in links.clone() {
            starts[from as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut ends = vec![0; starts[live.len()]];
        for (from, to) in links {
            ends[next[from as usize]] = to;
            next[from as usize] += 1;
        }
        Self { live, starts, links: ends }
    }

    /// Sorts the links of each node and drops what is there twice.
    pub(crate) fn sort_links(&mut self) {
        let mut kept = 0;
        let mut start = 0;
        for node in 0..self.live.len() {
            let end = self.starts[node + 1];
            self.links[start..end].sort_unstable();
            let first = kept;
            for at in start..end {
                if kept == first || self.links[kept - 1] != self.links[at] {
                    self.links[kept] = self.links[at];
                    kept += 1;
                }
            }
            start = end;
            self.starts[node + 1] = kept;
        }
        self.links.truncate(kept);
    }

    pub(crate) fn is_live(&self, node: u32) -> bool {
        self.live.get(node as usize).is_some_and(|&live| live)
    }

    /// The live nodes.
    ///
    /// ```
    /// # use gossip_core::sim::observe::Graph;
    /// assert!(Graph::new([(3, []), (5, [])]).nodes().eq([3, 5]));
    /// ```
    pub fn nodes(&self) -> impl Iterator<Item = u32> + Clone {
        (0..self.live.len() as u32).filter(|&node| self.is_live(node))
    }

    /// Whom `node` knows; nobody if it does not live.
    ///
    /// ```
    /// # use gossip_core::sim::observe::Graph;
    /// assert_eq!(Graph::new([(0, [7])]).known_to(0), [7]);
    /// ```
    pub fn known_to(&self, node: u32) -> &[u32] {
        let at = node as usize;
        if self.is_live(node) { &self.links[self.starts[at]..self.starts[at + 1]] } else { &[] }
    }

    /// By how many live nodes each live node is known, in the order of [`nodes`](Self::nodes).
    pub fn in_degrees(&self) -> Vec<u32> {
        let mut degrees = vec![0; self.live.len()];
        for &to in self.links.iter().filter(|&&to| self.is_live(to)) {
            degrees[to as usize] += 1;
        }
        self.nodes().map(|node| degrees[node as usize]).collect()
    }

    /// The spread of [`in_degrees`](Self::in_degrees).
    pub fn in_degree(&self) -> Spread {
        Spread::of(self.in_degrees().into_iter().map(f64::from))
    }

    /// How many nodes each live node knows, dead ones included, in the order of
    /// [`nodes`](Self::nodes).
    ///
    /// ```
    /// # use gossip_core::sim::observe::Graph;
    /// assert_eq!(Graph::new([(0, vec![1, 9]), (1, vec![])]).out_degrees(), [2, 0]);
    /// ```
    pub fn out_degrees(&self) -> Vec<u32> {
        self.nodes().map(|node| self.known_to(node).len() as u32).collect()
    }

    /// The spread of [`out_degrees`](Self::out_degrees).
    pub fn out_degree(&self) -> Spread {
        Spread::of(self.nodes().map(|node| self.known_to(node).len() as f64))
    }

    /// Links from live nodes to nodes that do not live.
    pub fn dead_links(&self) -> usize {
        self.links.iter().filter(|&&to| !self.is_live(to)).count()
    }

    /// The same graph with every link between live nodes in both directions, once, and no other.
    ///
    /// ```
    /// # use gossip_core::sim::observe::Graph;
    /// let both = Graph::new([(0, vec![1, 9]), (1, vec![0]), (2, vec![1])]).undirected();
    /// assert_eq!((both.known_to(0), both.known_to(1)), (&[1][..], &[0, 2][..]));
    /// ```
    pub fn undirected(&self) -> Self {
        let back = self.reversed();
        let links = Vec::with_capacity(self.links.len() + back.links.len());
        let mut both = Self { live: self.live.clone(), starts: vec![0], links };
        let mut known = Vec::new();
        for node in 0..self.live.len() as u32 {
            let alive = |&to: &u32| to != node && self.is_live(to);
            known.clear();
            known.extend(self.known_to(node).iter().copied().filter(alive));
            known.sort_unstable();
            merge(&known, back.known_to(node), &mut both.links);
            both.starts.push(both.links.len());
        }
        both
    }

    /// Every link between two live nodes the other way: those of a node are sorted.
    fn reversed(&self) -> Self {
        let size = self.live.len();
        let mut starts = vec![0; size + 1];
        let between = |from: u32, to: u32| from != to && self.is_live(to);
        for from in self.nodes() {
            for &to in self.known_to(from).iter().filter(|&&to| between(from, to)) {
                starts[to as usize + 1] += 1;
            }
        }
        for at in 1..=size {
            starts[at] += starts[at - 1];
        }
        let mut links = vec![0; starts[size]];
        let mut next = starts.clone();
        for from in self.nodes() {
            for &to in self.known_to(from).iter().filter(|&&to| between(from, to)) {
                links[next[to as usize]] = from;
                next[to as usize] += 1;
            }
        }
        Self { live: self.live.clone(), starts, links }
    }

    /// Whether every live node is reached from the first: for an [undirected](Self::undirected)
    /// graph, from any.
    ///
    /// ```
    /// # use gossip_core::sim::observe::Graph;
    /// assert!(!Graph::new([(0, [1]), (1, [0]), (2, [2])]).undirected().is_connected());
    /// ```
    pub fn is_connected(&self) -> bool {
        let Some(first) = self.nodes().next() else { return true };
        let mut unseen = self.live.clone();
        unseen[first as usize] = false;
        let mut open = vec![first];
        while let Some(node) = open.pop() {
            for &next in self.known_to(node) {
                if unseen.get(next as usize) == Some(&true) {
                    unseen[next as usize] = false;
                    open.push(next);
                }
            }
        }
        !unseen.contains(&true)
    }
}

/// Appends what is in either of two sorted lists to `all`, sorted and once.
fn merge(a: &[u32], b: &[u32], all: &mut Vec<u32>) {
    let start = all.len();
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let first = j == b.len() || (i < a.len() && a[i] <= b[j]);
        let next = if first { a[i] } else { b[j] };
        i += usize::from(first);
        j += usize::from(!first);
        if all.len() == start || all.last() != Some(&next) {
            all.push(next);
        }
    }
}
