//! Static graphs to start from or to stay on, as the papers' experiments and closed forms assume.
//!
//! Each is a [`Graph`] of nodes 0 to N-1, the same for the same [`Key`]; from it come the
//! [`Fixed`](crate::sampling::Fixed) neighbours of a node, or the first view of a sampler.
//!
//! - [`complete`], [`k_out`], [`ring_lattice`], [`torus`], and any links: [`edge_list`].
//! - [`watts_strogatz`]: Watts, Strogatz, *Collective dynamics of 'small-world' networks*, Nature
//!   393, 1998.
//! - [`barabasi_albert`]: Barabasi, Albert, *Emergence of scaling in random networks*, Science 286,
//!   1999.
//! - [`random_regular`]: Steger, Wormald, *Generating random regular graphs quickly*, CPC 8, 1999.
//! - [`heterogeneous`]: Massoulie, Le Merrer, Kermarrec, Ganesh, *Peer counting and sampling in
//!   overlay networks*, PODC 2006, section 5.
//!
//! All but [`k_out`] and [`edge_list`] have every link in both directions, sorted and once.
//!
//! # Deviations from the papers
//!
//! - Barabasi and Albert leave the first nodes open: here they are m + 1 that all know each other.
//! - Steger and Wormald start again when the last stubs cannot be joined: here such a stub pair
//!   takes the place of a random link, so that every degree ends. Of d near N it is the complement
//!   that is drawn.
//!
//! ```
//! use gossip_core::{Peers, random::Key, sampling::Fixed, sim::topology};
//!
//! let graph = topology::random_regular(100, 8, Key::new(1))?;
//! let peers = graph.nodes().map(|node| graph.known_to(node).iter().copied());
//! assert!(peers.map(Fixed::<u32, 8>::new).all(|peers| peers.degree() == 8));
//! # Ok::<(), gossip_core::ParameterError>(())
//! ```

use alloc::vec;
use alloc::vec::Vec;

use super::observe::Graph;
use crate::error::ParameterError;
use crate::random::{Key, Random};

/// The most links that a generator makes: 2^30, 4 GiB.
pub const MAX_LINKS: u64 = 1 << 30;

/// That there are nodes, and that `each` links of each are not too many.
fn size(nodes: u32, each: u64) -> Result<(), ParameterError> {
    ParameterError::new("nodes N", 0.0, "nodes", "at least 1").unless(nodes > 0)?;
    let links = u64::from(nodes).saturating_mul(each);
    ParameterError::new("links in all", links as f64, "links", "at most 2^30")
        .unless(links <= MAX_LINKS)
}

/// That `degree` is one that `nodes` nodes can have.
fn degree(name: &'static str, degree: u32, nodes: u32) -> Result<(), ParameterError> {
    size(nodes, degree.into())?;
    ParameterError::new(name, degree.into(), "links", "0 to N-1").unless(degree < nodes)
}

/// Everybody knows everybody.
///
/// # Errors
/// If there are no nodes, or more than 2^15.
///
/// ```
/// use gossip_core::sim::topology;
/// assert_eq!(topology::complete(3)?.known_to(1), [0, 2]);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn complete(nodes: u32) -> Result<Graph, ParameterError> {
    size(nodes, u64::from(nodes))?;
    Ok(Graph::from_rows((0..nodes).map(|me| (0..nodes).filter(move |&other| other != me))))
}

/// Everybody knows `known` others, each set of them as likely.
///
/// # Errors
/// If `known` is not 0 to N-1, or there are too many links.
///
/// ```
/// use gossip_core::{random::Key, sim::topology};
/// assert_eq!(topology::k_out(50, 20, Key::new(1))?.known_to(7).len(), 20);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn k_out(nodes: u32, known: u32, key: Key) -> Result<Graph, ParameterError> {
    degree("out-degree k", known, nodes)?;
    let mut random = key.random(0);
    let mut drawn_by = vec![u32::MAX; nodes as usize];
    Ok(Graph::from_rows((0..nodes).map(|me| {
        // Floyd's way to draw a set (CACM 30(9), 1987), from 0 to N-2 with a hole at `me`.
        let mut row: Vec<u32> = (nodes - 1 - known..nodes - 1)
            .map(|last| {
                let other = random.below(last as usize + 1) as u32;
                let drawn = if drawn_by[other as usize] == me { last } else { other };
                drawn_by[drawn as usize] = me;
                drawn + u32::from(drawn >= me)
            })
            .collect();
        // A set that is cut short, by a sampler that holds less, is still a uniform one.
        random.shuffle(&mut row);
        row
    })))
}

/// Everybody knows the `known` nearest on a ring, half of them on either side.
///
/// # Errors
/// If `known` is odd or not 0 to N-1, or there are too many links.
///
/// ```
/// use gossip_core::sim::topology;
/// assert_eq!(topology::ring_lattice(10, 4)?.known_to(0), [1, 2, 8, 9]);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn ring_lattice(nodes: u32, known: u32) -> Result<Graph, ParameterError> {
    degree("degree k", known, nodes)?;
    let even = known.is_multiple_of(2);
    ParameterError::new("degree k", known.into(), "links", "even").unless(even)?;
    let next = |me| (1..=known / 2).map(move |step| ahead(me, step, nodes));
    Ok(Graph::from_rows((0..nodes).map(next)).undirected())
}

/// The node `step` after `me` on a ring.
fn ahead(me: u32, step: u32, nodes: u32) -> u32 {
    ((u64::from(me) + u64::from(step)) % u64::from(nodes)) as u32
}

/// A small world: a [`ring_lattice`] of which each link moves, with probability `beta`, its far end
/// to a random node.
///
/// # Errors
/// If `known` is odd or not 0 to N-1, `beta` is not 0 to 1, or there are too many links.
///
/// ```
/// use gossip_core::{random::Key, sim::topology};
/// let world = topology::watts_strogatz(100, 4, 0.0, Key::new(1))?;
/// assert_eq!(world, topology::ring_lattice(100, 4)?);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn watts_strogatz(
    nodes: u32,
    known: u32,
    beta: f64,
    key: Key,
) -> Result<Graph, ParameterError> {
    let ring = ring_lattice(nodes, known)?;
    ParameterError::new("rewiring probability beta", beta, "", "0 to 1")
        .unless((0.0..=1.0).contains(&beta))?;
    let mut random = key.random(0);
    let mut links = Links((0..nodes).map(|me| ring.known_to(me).to_vec()).collect());
    for step in 1..=known / 2 {
        for me in 0..nodes {
            if random.chance(beta)
                && let Some(other) = links.draw_other(me, &mut random)
            {
                links.part(me, ahead(me, step, nodes));
                links.join(me, other);
            }
        }
    }
    Ok(links.into_graph())
}

/// A scale-free graph: each node after the first `links` + 1 joins with links to `links` others,
/// likelier ones the more links they have.
///
/// # Errors
/// If `links` is not 1 to N-1, or there are too many.
///
/// ```
/// use gossip_core::{random::Key, sim::topology};
/// let graph = topology::barabasi_albert(1_000, 3, Key::new(1))?;
/// assert_eq!(graph.in_degrees().iter().sum::<u32>(), 2 * (6 + 3 * 996));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn barabasi_albert(nodes: u32, links: u32, key: Key) -> Result<Graph, ParameterError> {
    size(nodes, 2 * u64::from(links))?;
    ParameterError::new("links of a newcomer m", links.into(), "links", "1 to N-1")
        .unless((1..nodes).contains(&links))?;
    let mut random = key.random(0);
    // Both ends of every link: a node is there as often as it has links.
    let mut ends: Vec<u32> = (0..=links).flat_map(|a| (0..a).flat_map(move |b| [a, b])).collect();
    let mut drawn_by = vec![u32::MAX; nodes as usize];
    for newcomer in links + 1..nodes {
        let before = ends.len();
        while ends.len() < before + 2 * links as usize {
            let other = ends[random.below(before)];
            if drawn_by[other as usize] != newcomer {
                drawn_by[other as usize] = newcomer;
                ends.extend([newcomer, other]);
            }
        }
    }
    let links = ends.chunks_exact(2).map(|link| (link[0], link[1]));
    Ok(Graph::from_links(vec![true; nodes as usize], links).undirected())
}

/// A lattice of any dimension without borders: each node knows the next one on both sides in each
/// dimension. Nodes count up along the first side first.
///
/// # Errors
/// If a side is 0, or there are too many links.
///
/// ```
/// use gossip_core::sim::topology;
/// assert_eq!(topology::torus(&[4, 3])?.known_to(0), [1, 3, 4, 8]);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn torus(sides: &[u32]) -> Result<Graph, ParameterError> {
    let nodes = sides.iter().fold(1_u64, |nodes, &side| nodes.saturating_mul(side.into()));
    ParameterError::new("product of the sides", nodes as f64, "nodes", "1 to 2^30")
        .unless((1..=MAX_LINKS).contains(&nodes))?;
    size(nodes as u32, 2 * sides.len() as u64)?;
    let row = |me: u32| {
        // How far apart neighbours of this dimension are.
        let strides = sides.iter().scan(1, |stride, &side| {
            let this = *stride;
            *stride *= side;
            Some((this, side))
        });
        strides.map(move |(stride, side)| {
            let at = me / stride % side;
            if at + 1 < side { me + stride } else { me - at * stride }
        })
    };
    Ok(Graph::from_rows((0..nodes as u32).map(row)).undirected())
}

/// A random graph all of whose nodes have `known` links: for fixed `known` and many nodes, each
/// such graph about as likely.
///
/// # Errors
/// If `known` is not 0 to N-1, `known` times N is odd, or there are too many links.
///
/// ```
/// use gossip_core::{random::Key, sim::topology};
/// let graph = topology::random_regular(50, 3, Key::new(1))?;
/// assert!(graph.in_degrees().iter().all(|&known| known == 3));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn random_regular(nodes: u32, known: u32, key: Key) -> Result<Graph, ParameterError> {
    degree("degree d", known, nodes)?;
    let even = (u64::from(known) * u64::from(nodes)).is_multiple_of(2);
    ParameterError::new("degree d", known.into(), "links", "even if N is odd").unless(even)?;
    let mut random = key.random(0);
    let others = nodes - 1 - known;
    if others >= known {
        return Ok(regular(nodes, known, &mut random).into_graph());
    }
    let complement = regular(nodes, others, &mut random);
    let row = |me: u32| {
        let apart = &complement.0[me as usize];
        (0..nodes).filter(move |other| *other != me && !apart.contains(other))
    };
    Ok(Graph::from_rows((0..nodes).map(row)))
}

/// Pairs free stubs at random until none is free. `known` is at most (N-1)/2: see [`replace`].
fn regular(nodes: u32, known: u32, random: &mut Random) -> Links {
    let mut links = Links(vec![Vec::with_capacity(known as usize); nodes as usize]);
    let mut free: Vec<u32> = (0..nodes).flat_map(|me| (0..known).map(move |_| me)).collect();
    while !free.is_empty() {
        random.shuffle(&mut free);
        let mut left = Vec::new();
        for pair in free.chunks_exact(2) {
            if links.may_join(pair[0], pair[1]) {
                links.join(pair[0], pair[1]);
            } else {
                left.extend_from_slice(pair);
            }
        }
        let stuck = left.len() == free.len()
            && !left.iter().any(|&a| left.iter().any(|&b| links.may_join(a, b)));
        free = left;
        while stuck && let (Some(a), Some(b)) = (free.pop(), free.pop()) {
            replace(&mut links, (a, b), known, random);
        }
    }
    links
}

/// Joins stubs of `a` and `b`, between which there can be no link, to the two ends of a random
/// link, which goes.
///
/// There always is one. Let f be the free stubs, whose nodes all know each other. Of the Nd - f
/// ends of links, those at `a` or its neighbours are at most d^2 - f, and so are those whose other
/// end is at `b` or its neighbours; and Nd - f > 2(d^2 - f), for d is at most (N-1)/2.
fn replace(links: &mut Links, (a, b): (u32, u32), known: u32, random: &mut Random) {
    loop {
        let from = random.below(links.0.len()) as u32;
        let Some(&to) = links.0[from as usize].get(random.below(known as usize)) else { continue };
        if links.may_join(a, from) && links.may_join(b, to) {
            links.part(from, to);
            links.join(a, from);
            links.join(b, to);
            return;
        }
    }
}

/// Nodes of different degrees: each draws a target from 1 to `most`, and in turn links to random
/// nodes that have less than `most` links until it has as many as its target. With `most` 10 the
/// mean degree is 7.20.
///
/// # Errors
/// If `most` is not 1 to N-1, or there are too many links.
///
/// ```
/// use gossip_core::{random::Key, sim::topology};
/// let degree = topology::heterogeneous(1_000, 10, Key::new(1))?.in_degree();
/// assert!((degree.mean - 7.2).abs() < 0.4 && degree.min >= 1.0 && degree.max == 10.0);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn heterogeneous(nodes: u32, most: u32, key: Key) -> Result<Graph, ParameterError> {
    size(nodes, most.into())?;
    ParameterError::new("largest degree", most.into(), "links", "1 to N-1")
        .unless((1..nodes).contains(&most))?;
    let mut random = key.random(0);
    let mut links = Links(vec![Vec::new(); nodes as usize]);
    // Those that have room. Who is found full is dropped then: nobody's links become fewer.
    let mut open: Vec<u32> = (0..nodes).collect();
    for me in 0..nodes {
        let target = 1 + random.below(most as usize);
        while links.0[me as usize].len() < target {
            if open.len() <= 2 * most as usize {
                // Few are left, perhaps none whom `me` does not know.
                open.retain(|&other| links.0[other as usize].len() < most as usize);
                if !open.iter().any(|&other| links.may_join(me, other)) {
                    break;
                }
            }
            let at = random.below(open.len());
            let other = open[at];
            if links.0[other as usize].len() >= most as usize {
                open.swap_remove(at);
            } else if links.may_join(me, other) {
                links.join(me, other);
            }
        }
    }
    Ok(links.into_graph())
}

/// The graph with just these links, each from the first to the second.
/// [`Graph::undirected`] adds the other direction.
///
/// # Errors
/// If there are no nodes, too many links, or a link has an end that is not 0 to N-1.
///
/// ```
/// use gossip_core::sim::topology;
/// assert_eq!(topology::edge_list(3, &[(2, 0), (2, 1)])?.known_to(2), [0, 1]);
/// assert!(topology::edge_list(2, &[(0, 2)]).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn edge_list(nodes: u32, links: &[(u32, u32)]) -> Result<Graph, ParameterError> {
    size(nodes, 1)?;
    size(1, links.len() as u64)?;
    let last = links.iter().map(|&(from, to)| from.max(to)).max().unwrap_or(0);
    ParameterError::new("end of a link", last.into(), "", "0 to N-1").unless(last < nodes)?;
    Ok(Graph::from_links(vec![true; nodes as usize], links.iter().copied()))
}

/// Links in both directions while they change.
struct Links(Vec<Vec<u32>>);

impl Links {
    /// Whether `a` and `b` are two nodes without a link.
    fn may_join(&self, a: u32, b: u32) -> bool {
        a != b && !self.0[a as usize].contains(&b)
    }

    fn join(&mut self, a: u32, b: u32) {
        self.0[a as usize].push(b);
        self.0[b as usize].push(a);
    }

    fn part(&mut self, a: u32, b: u32) {
        self.0[a as usize].retain(|&other| other != b);
        self.0[b as usize].retain(|&other| other != a);
    }

    /// A random node to which `me` has no link, if there is one.
    fn draw_other(&self, me: u32, random: &mut Random) -> Option<u32> {
        let nodes = self.0.len();
        if 2 * self.0[me as usize].len() < nodes - 1 {
            // At least every other draw is good.
            let draws = core::iter::repeat_with(|| random.below(nodes) as u32);
            return { draws }.find(|&other| self.may_join(me, other));
        }
        let apart: Vec<u32> = (0..nodes as u32).filter(|&other| self.may_join(me, other)).collect();
        random.pick(&apart).copied()
    }

    fn into_graph(mut self) -> Graph {
        self.0.iter_mut().for_each(|row| row.sort_unstable());
        Graph::from_rows(self.0)
    }
}
