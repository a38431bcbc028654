//! Not a protocol: who talks to whom. A random graph of [`DEGREE`] links a node, made shorter by
//! exchanging links, which every node draws alike from the names of all.
//!
//! With 1 + 6 * 6 = 37 nodes or fewer, everybody could be at most two links from everybody (Moore's
//! bound); with 25 an exchange of links here and there gets there. No node is special: each has the
//! same degree, and each publisher's tree over it is another.

use gossip_core::ParameterError;
use gossip_core::random::{Key, Random};
use gossip_core::sim::topology;

/// Links of a node, if there are so many others. An even number, so that there is such a graph for
/// any number of nodes.
pub(crate) const DEGREE: usize = 6;

/// Exchanges of links tried. Graphs of 25 nodes took 3,000 to 16,000.
const TRIES: usize = 100_000;

/// The neighbours of each node, the others by their number.
pub(crate) fn neighbours(nodes: u32, key: Key) -> Result<Vec<Vec<u32>>, ParameterError> {
    let degree = (DEGREE as u32).min(nodes.saturating_sub(1));
    let graph = if nodes as usize <= DEGREE + 1 {
        topology::complete(nodes)?
    } else {
        topology::random_regular(nodes, degree, key)?
    };
    let mut lists: Vec<Vec<u32>> = graph.nodes().map(|at| graph.known_to(at).to_vec()).collect();
    if lists.len() > DEGREE + 1 && lists.len() <= 1 + DEGREE * DEGREE {
        shorten(&mut lists, &mut key.random(1));
    }
    Ok(lists)
}

/// A set of at most 64 nodes.
type Set = u64;

/// Exchanges the ends of random pairs of links as long as that leaves no more pairs of nodes beyond
/// two links, until there are none.
fn shorten(lists: &mut Vec<Vec<u32>>, random: &mut Random) {
    let set = |list: &Vec<u32>| list.iter().fold(0, |set: Set, &peer| set | 1 << peer);
    let mut sets: Vec<Set> = lists.iter().map(set).collect();
    let mut far = beyond_two(&sets);
    for _ in 0..TRIES {
        if far == 0 {
            break;
        }
        let [(a, b), (c, d)] = [(); 2].map(|()| link(&sets, random));
        let apart = a != c && a != d && b != c && b != d;
        if !apart || sets[a] >> c & 1 == 1 || sets[b] >> d & 1 == 1 {
            continue;
        }
        let mut toggle = || {
            for (one, other) in [(a, b), (c, d), (a, c), (b, d)] {
                sets[one] ^= 1 << other;
                sets[other] ^= 1 << one;
            }
            beyond_two(&sets)
        };
        let then = toggle();
        if then <= far {
            far = then;
        } else {
            toggle();
        }
    }
    let list = |set: &Set| (0..64).filter(|peer| set >> peer & 1 == 1).collect();
    *lists = sets.iter().map(list).collect();
}

/// A random link, either way round.
fn link(sets: &[Set], random: &mut Random) -> (usize, usize) {
    let one = random.below(sets.len());
    let which = random.below(sets[one].count_ones() as usize);
    let others = (0..sets.len()).filter(|other| sets[one] >> other & 1 == 1);
    (one, others.take(which + 1).last().unwrap_or(one))
}

/// Ordered pairs of nodes with more than two links between them.
fn beyond_two(sets: &[Set]) -> u32 {
    let reach = |(at, &near): (usize, &Set)| {
        let far = sets.iter().enumerate().filter(|(other, _)| near >> other & 1 == 1);
        far.fold(near | 1 << at, |all, (_, set)| all | set).count_ones()
    };
    sets.iter().enumerate().map(|one| sets.len() as u32 - reach(one)).sum()
}
