//! How well nodes are sliced: measures that look at all nodes at once, for simulations and tests.
//!
//! Jelasity, Kermarrec, *Ordered slicing*, P2P 2006, section 4 (global disorder measure GDM);
//! Fernandez, Gramoli, Jimenez, Kermarrec, Raynal, *Distributed slicing in dynamic systems*, ICDCS
//! 2007, section 3 (slice disorder measure SDM).
//!
//! Nodes are given in the order of their identifiers, which settles ties.
//!
//! # Deviations from the paper
//!
//! None.

use core::f64::consts::PI;

use alloc::vec::Vec;

use super::Slices;

/// The global disorder measure, (1/N) times the sum of (rank by attribute - rank by value)^2, of
/// (attribute, value) pairs; 0 for none.
///
/// ```
/// use gossip_overlay::slicing::metrics::gdm;
///
/// assert_eq!(gdm(&[(1.0, 0.1), (2.0, 0.2), (9.0, 0.9)]), 0.0);
/// assert_eq!(gdm(&[(1.0, 0.9), (2.0, 0.2), (9.0, 0.1)]), (4.0 + 0.0 + 4.0) / 3.0);
/// ```
pub fn gdm(nodes: &[(f64, f64)]) -> f64 {
    let by_attribute = ranks(nodes.iter().map(|node| node.0));
    let by_value = ranks(nodes.iter().map(|node| node.1));
    let pairs = by_attribute.into_iter().zip(by_value);
    let sum: f64 = pairs.map(|(a, b)| (a as f64 - b as f64) * (a as f64 - b as f64)).sum();
    if nodes.is_empty() { 0.0 } else { sum / nodes.len() as f64 }
}

/// What [`gdm`] is on average when values are in random order: (N^2 - 1) / 6.
pub fn expected_gdm(nodes: usize) -> f64 {
    (nodes as f64 * nodes as f64 - 1.0) / 6.0
}

/// The slice disorder measure: over all nodes, how many slices the one believed is from the true
/// one; nodes are (attribute, slice believed) pairs.
///
/// ```
/// use gossip_overlay::slicing::{Slices, metrics::sdm};
///
/// let halves = Slices::equal(2)?;
/// assert_eq!(sdm(&[(1.0, 0), (2.0, 0), (3.0, 1), (4.0, 1)], &halves), 0);
/// assert_eq!(sdm(&[(1.0, 1), (2.0, 0), (3.0, 1), (4.0, 0)], &halves), 2);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn sdm(nodes: &[(f64, u32)], slices: &Slices) -> u64 {
    distances(nodes, slices).map(u64::from).sum()
}

/// How many nodes believe in a slice that is not theirs; nodes as for [`sdm`].
///
/// ```
/// use gossip_overlay::slicing::{Slices, metrics::misplaced};
///
/// let thirds = Slices::equal(3)?;
/// assert_eq!(misplaced(&[(1.0, 2), (2.0, 1), (3.0, 2)], &thirds), 1);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn misplaced(nodes: &[(f64, u32)], slices: &Slices) -> usize {
    distances(nodes, slices).filter(|&off| off > 0).count()
}

fn distances<'a>(nodes: &'a [(f64, u32)], slices: &'a Slices) -> impl Iterator<Item = u32> + 'a {
    let ranks = ranks(nodes.iter().map(|node| node.0));
    let off =
        |(rank, node): (usize, &(f64, u32))| slices.of_rank(rank, nodes.len()).abs_diff(node.1);
    ranks.into_iter().zip(nodes).map(off)
}

/// What [`sdm`] would be if the same values were perfectly sorted: what no swap can improve.
pub fn sdm_floor(believed: &[u32], slices: &Slices) -> u64 {
    let mut sorted = believed.to_vec();
    sorted.sort_unstable();
    let truth = (0..sorted.len()).map(|rank| slices.of_rank(rank, sorted.len()));
    truth.zip(&sorted).map(|(truth, believed)| u64::from(truth.abs_diff(*believed))).sum()
}

/// What [`sdm_floor`] is on average over independent uniform values: the number of values below a
/// boundary p misses N p by a binomial error; the sum over all of sqrt(2 N p (1 - p) / pi).
///
/// ```
/// use gossip_overlay::slicing::{Slices, metrics::expected_sdm_floor};
///
/// assert_eq!(expected_sdm_floor(10_000, &Slices::equal(2)?).round(), 40.0);
/// assert_eq!(expected_sdm_floor(10_000, &Slices::equal(10)?).round(), 303.0);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn expected_sdm_floor(nodes: usize, slices: &Slices) -> f64 {
    let miss = |p: f64| libm::sqrt(2.0 * nodes as f64 * p * (1.0 - p) / PI);
    slices.boundaries().map(miss).sum()
}

/// What [`sdm`] is on average once each of `nodes` nodes goes by the share of `seen` independent
/// uniform peers that are below it: a boundary p is crossed by N sqrt(2 p (1 - p) / (pi m)) nodes.
/// It holds while slices are much wider than the error, 1 / sqrt(m).
///
/// ```
/// use gossip_overlay::slicing::{Slices, metrics::expected_sdm_sampled};
///
/// let slices = Slices::equal(10)?;
/// assert_eq!(expected_sdm_sampled(10_000, 100.0, &slices).round(), 3_029.0);
/// // Ten thousand samples miss by as much as ten thousand values do.
/// assert_eq!(expected_sdm_sampled(10_000, 10_000.0, &slices).round(), 303.0);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn expected_sdm_sampled(nodes: usize, seen: f64, slices: &Slices) -> f64 {
    let miss = |p: f64| nodes as f64 * libm::sqrt(2.0 * p * (1.0 - p) / (PI * seen));
    slices.boundaries().map(miss).sum()
}

/// The rank, from 0, of each of `keys`; of equal ones the earlier is lower.
fn ranks(keys: impl Iterator<Item = f64>) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> = keys.zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut ranks = alloc::vec![0; order.len()];
    for (rank, (_, at)) in order.into_iter().enumerate() {
        ranks[at] = rank;
    }
    ranks
}
