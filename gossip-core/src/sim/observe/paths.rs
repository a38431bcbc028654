//! Path lengths, from 64 sources at a time.

use alloc::vec;
use alloc::vec::Vec;

use super::Graph;
use crate::random::Random;

/// What [`Graph::paths`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paths {
    /// The mean number of steps between a source and a node that it reaches.
    pub mean: f64,
    /// The standard error of the mean: 0 if every node was a source, infinite if one of several
    /// was.
    pub error: f64,
    /// The most steps.
    pub longest: u32,
    /// Pairs of a source and a node that it does not reach.
    pub unreached: usize,
}

/// Sources searched from at the same time: the bits of a word.
const WIDTH: usize = 64;

impl Graph {
    /// Path lengths from `sources` random nodes to all others. As many as are asked for are
    /// searched from in blocks of 64, of which each costs little more than one.
    ///
    /// ```
    /// # use gossip_core::{random::Key, sim::observe::Graph};
    /// let ring = Graph::new((0..5).map(|node| (node, [(node + 1) % 5]))).undirected();
    /// let paths = ring.paths(5, &mut Key::new(1).random(0));
    /// assert_eq!((paths.mean, paths.error, paths.longest, paths.unreached), (1.5, 0.0, 2, 0));
    /// ```
    pub fn paths(&self, sources: usize, random: &mut Random) -> Paths {
        let mut nodes: Vec<u32> = self.nodes().collect();
        let total = nodes.len();
        let chosen = random.choose(&mut nodes, sources);
        let mut found = Found::default();
        for block in chosen.chunks(WIDTH) {
            self.search(block, &mut found);
        }
        found.paths(total)
    }

    /// Breadth first from all of `sources` at once: bit `i` of a node's word is for source `i`.
    /// (Then et al., *The more the merrier: efficient multi-source graph traversal*, VLDB 2014.)
    fn search(&self, sources: &[u32], found: &mut Found) {
        let size = self.live.len();
        // To the dead every path is known, so that none is taken.
        let mut seen: Vec<u64> =
            self.live.iter().map(|&live| if live { 0 } else { u64::MAX }).collect();
        let mut now = vec![0_u64; size];
        let mut next = vec![0_u64; size];
        for (bit, &source) in sources.iter().enumerate() {
            seen[source as usize] |= 1 << bit;
            now[source as usize] |= 1 << bit;
        }
        let mut each = [Each::default(); WIDTH];
        let mut steps = 0;
        loop {
            steps += 1;
            for (node, &bits) in now.iter().enumerate().filter(|&(_, &bits)| bits != 0) {
                for &to in &self.links[self.starts[node]..self.starts[node + 1]] {
                    if let Some(word) = next.get_mut(to as usize) {
                        *word |= bits;
                    }
                }
            }
            let mut reached = [0_u32; WIDTH];
            let mut any = 0;
            for at in 0..size {
                let new = next[at] & !seen[at];
                next[at] = 0;
                now[at] = new;
                if new != 0 {
                    seen[at] |= new;
                    any |= new;
                    add(&mut reached, new);
                }
            }
            if any == 0 {
                break;
            }
            found.longest = found.longest.max(steps);
            for (each, &reached) in each.iter_mut().zip(&reached) {
                each.reached += u64::from(reached);
                each.steps += u64::from(reached) * u64::from(steps);
            }
        }
        found.each.extend_from_slice(&each[..sources.len()]);
    }
}

/// Counts the bits of `word` at their places.
#[inline]
fn add(counts: &mut [u32; WIDTH], word: u64) {
    for (bit, count) in counts.iter_mut().enumerate() {
        *count += (word >> bit & 1) as u32;
    }
}

/// What was found from one source.
#[derive(Clone, Copy, Default)]
struct Each {
    reached: u64,
    /// Steps to all of these.
    steps: u64,
}

#[derive(Default)]
struct Found {
    each: Vec<Each>,
    longest: u32,
}

impl Found {
    fn paths(&self, total: usize) -> Paths {
        let sources = self.each.len();
        let reached: u64 = self.each.iter().map(|each| each.reached).sum();
        let steps: u64 = self.each.iter().map(|each| each.steps).sum();
        let mean = steps as f64 / reached.max(1) as f64;
        // The error of a ratio, from the sources' residuals (Cochran, *Sampling techniques*, 1977,
        // section 2.11).
        let residual = |each: &Each| each.steps as f64 - mean * each.reached as f64;
        let squares: f64 = self.each.iter().map(residual).map(|off| off * off).sum();
        let left = 1.0 - sources as f64 / total.max(1) as f64;
        let error = match sources {
            _ if sources == total => 0.0,
            0 | 1 => f64::INFINITY,
            _ => {
                let variance = left * squares * sources as f64 / (sources as f64 - 1.0);
                libm::sqrt(variance) / reached.max(1) as f64
            }
        };
        let unreached = sources * total.saturating_sub(1) - reached as usize;
        Paths { mean, error, longest: self.longest, unreached }
    }
}
