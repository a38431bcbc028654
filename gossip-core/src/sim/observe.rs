//! What an overlay looks like from outside: in-degrees, clustering, path lengths, dead links.
//!
//! The measures are those of Jelasity, Voulgaris, Guerraoui, Kermarrec, van Steen, *Gossip-based
//! peer sampling*, ACM TOCS 25(3), 2007, section 4. In-degrees are of the directed graph of who
//! knows whom; clustering and path lengths of the [undirected](Graph::undirected) one.
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

use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use crate::peers::Peers;
use crate::random::Random;

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

/// How some numbers are spread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, over all of them (not of a sample).
    pub sd: f64,
    /// The least of them.
    pub min: f64,
    /// The largest of them.
    pub max: f64,
}

impl Spread {
    /// Of `values`; all zero if there are none.
    ///
    /// ```
    /// let spread = gossip_core::sim::observe::Spread::of([1.0, 3.0]);
    /// assert_eq!((spread.mean, spread.sd, spread.min, spread.max), (2.0, 1.0, 1.0, 3.0));
    /// ```
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        // Welford's recurrence: it does not cancel. The plain sum is exact for whole numbers.
        let mut spread = Self { min: f64::INFINITY, max: f64::NEG_INFINITY, ..Self::default() };
        let (mut sum, mut squares) = (0.0, 0.0);
        for value in values {
            spread.count += 1;
            sum += value;
            let before = value - spread.mean;
            spread.mean += before / spread.count as f64;
            squares += before * (value - spread.mean);
            spread.min = spread.min.min(value);
            spread.max = spread.max.max(value);
        }
        if spread.count == 0 {
            return Self::default();
        }
        spread.mean = sum / spread.count as f64;
        spread.sd = libm::sqrt(squares / spread.count as f64);
        spread
    }

    /// The variance.
    ///
    /// ```
    /// assert_eq!(gossip_core::sim::observe::Spread::of([0.0, 4.0]).variance(), 4.0);
    /// ```
    pub fn variance(&self) -> f64 {
        self.sd * self.sd
    }
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
        let mut lists: Vec<Option<Vec<u32>>> = Vec::new();
        for (node, neighbours) in nodes {
            let at = node as usize;
            if lists.len() <= at {
                lists.resize(at + 1, None);
            }
            lists[at] = Some(neighbours.into_iter().collect());
        }
        Self::from_lists(lists)
    }

    fn from_lists(lists: Vec<Option<Vec<u32>>>) -> Self {
        let live = lists.iter().map(Option::is_some).collect();
        let mut graph = Self { live, starts: vec![0], links: Vec::new() };
        for list in lists {
            graph.links.extend(list.unwrap_or_default());
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
        let links = self
            .nodes()
            .flat_map(|from| self.known_to(from).iter().map(move |&to| (from, to)))
            .filter(|&(from, to)| from != to && self.is_live(to))
            .flat_map(|(from, to)| [(from, to), (to, from)]);
        let mut both = Self::from_links(self.live.clone(), links);
        both.sort_links();
        both
    }

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
        let mut marked = vec![u32::MAX; self.live.len()];
        let local = self.nodes().map(|node| {
            let around = self.known_to(node);
            for &near in around {
                marked[near as usize] = node;
            }
            let far = around.iter().flat_map(|&near| self.known_to(near));
            let closed = far.filter(|&&end| marked[end as usize] == node).count();
            let pairs = around.len() * around.len().saturating_sub(1);
            if pairs == 0 { 0.0 } else { closed as f64 / pairs as f64 }
        });
        Spread::of(local).mean
    }

    /// Path lengths from `sources` random nodes to all others.
    ///
    /// ```
    /// # use gossip_core::{random::Key, sim::observe::Graph};
    /// let ring = Graph::new((0..5).map(|node| (node, [(node + 1) % 5]))).undirected();
    /// let paths = ring.paths(5, &mut Key::new(1).random(0));
    /// assert_eq!((paths.mean, paths.longest, paths.unreached), (1.5, 2, 0));
    /// ```
    pub fn paths(&self, sources: usize, random: &mut Random) -> Paths {
        let mut nodes: Vec<u32> = self.nodes().collect();
        let total = nodes.len();
        let mut paths = Paths { mean: 0.0, longest: 0, unreached: 0 };
        let mut reached = 0;
        for &source in random.choose(&mut nodes, sources).iter() {
            let distances = self.distances(source);
            let others = distances.iter().filter(|&&steps| steps > 0 && steps < u32::MAX);
            let before = reached;
            for &steps in others {
                reached += 1;
                paths.mean += (f64::from(steps) - paths.mean) / reached as f64;
                paths.longest = paths.longest.max(steps);
            }
            paths.unreached += total - 1 - (reached - before);
        }
        paths
    }

    /// Steps from `source` to each number; `u32::MAX` to what is not reached.
    fn distances(&self, source: u32) -> Vec<u32> {
        let mut steps = vec![u32::MAX; self.live.len()];
        let mut frontier = VecDeque::from([source]);
        steps[source as usize] = 0;
        while let Some(node) = frontier.pop_front() {
            for &next in self.known_to(node) {
                if self.is_live(next) && steps[next as usize] == u32::MAX {
                    steps[next as usize] = steps[node as usize] + 1;
                    frontier.push_back(next);
                }
            }
        }
        steps
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
        let steps = self.distances(first);
        self.nodes().all(|node| steps[node as usize] < u32::MAX)
    }
}

/// What [`Graph::paths`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paths {
    /// The mean number of steps between a source and a node that it reaches.
    pub mean: f64,
    /// The most steps.
    pub longest: u32,
    /// Pairs of a source and a node that it does not reach.
    pub unreached: usize,
}
