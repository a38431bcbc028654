//! Not a protocol: how far leaf sets and prefix tables are from perfect, by all nodes.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use gossip_core::PeerId;

use super::{Bootstrap, position};

/// How many entries are missing among `nodes`: of their leaf sets, and of their prefix tables. None
/// are when it is perfect.
///
/// It looks at all nodes at once, as only a simulation can.
///
/// ```
/// use gossip_overlay::{Bootstrap, bootstrap};
///
/// let alone = Bootstrap::<u32, 40>::new(bootstrap::Config::default())?;
/// assert_eq!(bootstrap::missing([(0, &alone)]), (0, 0));
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub fn missing<'a, I: PeerId, const M: usize>(
    nodes: impl IntoIterator<Item = (I, &'a Bootstrap<I, M>)>,
) -> (usize, usize) {
    let mut all: Vec<(u64, I, &Bootstrap<I, M>)> =
        nodes.into_iter().map(|(peer, state)| (position(&peer), peer, state)).collect();
    all.sort_unstable_by_key(|node| (node.0, node.1));
    let n = all.len();
    let (mut leaves, mut table) = (0, 0);
    for (at, &(here, _, state)) in all.iter().enumerate() {
        let half = (state.config.leaves / 2).min(n - 1);
        let wanted = (1..=half).flat_map(|by| [(at + by) % n, (at + n - by) % n]);
        let wanted: BTreeSet<I> = wanted.map(|at| all[at].1).collect();
        leaves += wanted.iter().filter(|&&peer| state.leaves().all(|leaf| leaf != peer)).count();
        let bits = state.config.bits;
        // One row after the other, until nobody else shares the prefix.
        for row in 0..64 / bits {
            let (shift, prefix) = (64 - bits * (row + 1), bits * row);
            let first = if prefix == 0 { 0 } else { here >> (64 - prefix) << bits };
            let holds = |digit: u64| {
                let low = (first | digit) << shift;
                let high = low | ((1 << shift) - 1);
                let from = all.partition_point(|node| node.0 < low);
                all.partition_point(|node| node.0 <= high) - from
            };
            let own = here >> shift & ((1 << bits) - 1);
            for digit in (0..1 << bits).filter(|&digit| digit != own) {
                let wanted = holds(digit).min(state.config.alternatives);
                let has = state.table().filter(|known| (known.1, known.2) == (row, digit)).count();
                table += wanted.saturating_sub(has);
            }
            if holds(own) == 1 {
                break;
            }
        }
    }
    (leaves, table)
}
