//! merkle-search-tree: ranges of the tree's pages with their hashes, then the elements of those
//! that differ. An answer is all pages; a request names ranges.

use gossip_core::random::Random;
use merkle_search_tree::MerkleSearchTree;
use merkle_search_tree::diff::diff;

use super::{Contender, Cost, DATAGRAM, Item, Link, Own, check, timed};

/// Bytes of a hash.
const HASH: usize = 16;

type Tree<const L: usize> = MerkleSearchTree<Item<L>, Item<L>>;

pub(super) struct Rival<const L: usize> {
    tree: Tree<L>,
    /// In order.
    common: Vec<Item<L>>,
}

impl<const L: usize> Rival<L> {
    pub(super) fn new(common: &[Item<L>]) -> Self {
        let mut common = common.to_vec();
        common.sort_unstable();
        let mut tree = Tree::default();
        common.iter().for_each(|item| tree.upsert(*item, item));
        tree.root_hash();
        Self { tree, common }
    }

    fn tree(&self, own: &[Item<L>]) -> Tree<L> {
        let mut tree = self.tree.clone();
        own.iter().for_each(|item| tree.upsert(*item, item));
        tree
    }

    /// How many of the common elements are in a range.
    fn inside(&self, first: &Item<L>, last: &Item<L>) -> usize {
        let below = self.common.partition_point(|item| item < first);
        self.common.partition_point(|item| item <= last) - below
    }
}

/// Ranges in order, those that overlap as one.
fn merged<const L: usize>(mut ranges: Vec<(Item<L>, Item<L>)>) -> Vec<(Item<L>, Item<L>)> {
    ranges.sort_unstable();
    let mut merged: Vec<(Item<L>, Item<L>)> = Vec::new();
    for (first, last) in ranges {
        match merged.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

impl<const L: usize> Contender<L> for Rival<L> {
    fn run(&self, own: &Own<L>, _: Link, _: &mut Random) -> Result<Cost, String> {
        let (mut asks, mut answers) = (self.tree(&own[0]), self.tree(&own[1]));
        let mut cost = Cost { requests: HASH, trips: 1, ..Cost::default() };
        let asked = timed(&mut cost.decode, || asks.root_hash().clone());
        if timed(&mut cost.encode, || *answers.root_hash() == asked) {
            check([Vec::new(), Vec::new()], own.clone())?;
            return Ok(cost);
        }
        let said = timed(&mut cost.encode, || answers.serialise_page_ranges());
        let theirs = said.ok_or("no root hash")?;
        let ranges = timed(&mut cost.decode, || {
            let ours = asks.serialise_page_ranges().unwrap_or_default();
            // Both ways: what they have, and what we have.
            let mut ranges = diff(ours.clone(), theirs.clone());
            ranges.extend(diff(theirs.clone(), ours));
            merged(ranges.iter().map(|range| (*range.start(), *range.end())).collect())
        });
        let within = |item: &&Item<L>| {
            let at = ranges.partition_point(|(first, _)| first <= *item);
            at > 0 && **item <= ranges[at - 1].1
        };
        let found = own.each_ref().map(|items| items.iter().filter(within).copied().collect());
        let found: Own<L> = found;
        let common: usize = ranges.iter().map(|(first, last)| self.inside(first, last)).sum();
        let keys = (common + found[1].len()) * L;
        let pages = theirs.len() * (2 * L + HASH);
        check(found, own.clone())?;
        cost.trips = 2;
        cost.requests += ranges.len() * 2 * L;
        cost.answers = pages + keys;
        cost.datagrams = pages.div_ceil(DATAGRAM) + keys.div_ceil(DATAGRAM);
        Ok(cost)
    }
}
