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
/// one, of `slices`; nodes are (attribute, slice believed) pairs.
///
/// ```
/// use gossip_overlay::slicing::metrics::sdm;
///
/// assert_eq!(sdm(&[(1.0, 0), (2.0, 0), (3.0, 1), (4.0, 1)], 2), 0);
/// assert_eq!(sdm(&[(1.0, 1), (2.0, 0), (3.0, 1), (4.0, 0)], 2), 2);
/// ```
pub fn sdm(nodes: &[(f64, u32)], slices: u32) -> u64 {
    let ranks = ranks(nodes.iter().map(|node| node.0));
    let off = |(rank, node): (usize, &(f64, u32))| {
        u64::from(true_slice(rank, nodes.len(), slices).abs_diff(node.1))
    };
    ranks.into_iter().zip(nodes).map(off).sum()
}

/// What [`sdm`] would be if the same values were perfectly sorted: what no swap can improve.
pub fn sdm_floor(believed: &[u32], slices: u32) -> u64 {
    let mut sorted = believed.to_vec();
    sorted.sort_unstable();
    let truth = (0..sorted.len()).map(|rank| true_slice(rank, sorted.len(), slices));
    truth.zip(&sorted).map(|(truth, believed)| u64::from(truth.abs_diff(*believed))).sum()
}

/// What [`sdm_floor`] is on average over independent uniform values: the number of values below
/// boundary b misses N p_b by a binomial error, p_b = b / k; the sum over b from 1 to k - 1 of
/// sqrt(2 N p_b (1 - p_b) / pi).
///
/// ```
/// use gossip_overlay::slicing::metrics::expected_sdm_floor;
///
/// assert_eq!(expected_sdm_floor(10_000, 2).round(), 40.0);
/// assert_eq!(expected_sdm_floor(10_000, 10).round(), 303.0);
/// ```
pub fn expected_sdm_floor(nodes: usize, slices: u32) -> f64 {
    let below = |b| f64::from(b) / f64::from(slices);
    let miss = |p: f64| libm::sqrt(2.0 * nodes as f64 * p * (1.0 - p) / PI);
    (1..slices).map(below).map(miss).sum()
}

/// The slice of the node with `rank`, from 0, among `nodes`: that of (rank + 1) / nodes, by the
/// same boundaries as [`Value::slice`](super::Value::slice).
///
/// ```
/// use gossip_overlay::slicing::metrics::true_slice;
///
/// assert_eq!([0, 1, 2, 3].map(|rank| true_slice(rank, 4, 2)), [0, 0, 1, 1]);
/// ```
pub const fn true_slice(rank: usize, nodes: usize, slices: u32) -> u32 {
    if nodes == 0 {
        return 0;
    }
    (((rank as u128 + 1) * slices as u128).saturating_sub(1) / nodes as u128) as u32
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
