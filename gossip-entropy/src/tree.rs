//! A tree of digests over the space of positions, kept up to date with every change.
//!
//! Merkle, *A digital signature based on a conventional encryption function*, CRYPTO 1987, as used
//! for replicas by DeCandia et al., *Dynamo*, SOSP 2007, section 4.7. Demers et al., *Epidemic
//! algorithms for replicated database maintenance*, PODC 1987, section 1.3, for digests that do not
//! depend on order.
//!
//! ```text
//! position of an item: a 64-bit hash of its key; hash of an item: of key, stamp and value
//! digest of a subtree: the sum, modulo 2^64, of the hashes of the items in it
//! insert, change, remove: add to, correct, take from, the sums on the path from the root
//! a leaf with more than LEAF items becomes an inner node with sixteen children; an inner node with
//! at most LEAF / 2 items becomes a leaf
//! ```
//!
//! # What holds
//!
//! A subtree's digest is a function of what is in it, not of how the tree grew: trees of different
//! shapes compare. A change costs one step for each digit of the path, about log16(n / 16) of
//! them. No question about the tree looks at more than [`LEAF`] items of a leaf.
//!
//! # Deviations from the paper
//!
//! - Sums instead of hashes of hashes: a change costs additions only, and a digest does not depend
//!   on the shape. In return whoever knows the hash's key and may write freely can look for items
//!   whose hashes cancel; see `Config::secret` of the replica.

use alloc::vec::Vec;

use crate::path::{DEEPEST, Path, digit};

/// Items in a leaf before it splits; at the deepest level, where it cannot split, the most that it
/// takes. Our choice: with it, nodes take 11 to 22 bytes an item.
pub(crate) const LEAF: usize = 16;

/// A subtree.
#[derive(Clone, Copy, Debug)]
struct Node {
    /// The sum of its items' hashes.
    sum: u64,
    /// Its items.
    count: u32,
    /// Of a leaf: its first item, or `NONE`. Of an inner node: its first child, and `INNER`.
    link: u32,
}

const INNER: u32 = 1 << 31;
const NONE: u32 = INNER - 1;

/// The most items a tree may hold.
pub(crate) const MOST: usize = 1 << 30;

impl Node {
    const EMPTY: Self = Self { sum: 0, count: 0, link: NONE };

    const fn children(self) -> Option<usize> {
        if self.link & INNER != 0 { Some((self.link & !INNER) as usize) } else { None }
    }
}

/// An item, known by the number of its slot.
#[derive(Clone, Copy, Debug)]
struct Item {
    position: u64,
    hash: u64,
    /// The next item of its leaf, or `NONE`.
    next: u32,
}

/// The tree.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    items: Vec<Item>,
    /// Slots without an item.
    free: Vec<u32>,
    /// First nodes of blocks of sixteen that no node links to.
    blocks: Vec<u32>,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    pub(crate) fn new() -> Self {
        let (items, free, blocks) = (Vec::new(), Vec::new(), Vec::new());
        Self { nodes: alloc::vec![Node::EMPTY], items, free, blocks }
    }

    /// Adds an item and tells its slot: the one freed last, or the next; none if [`MOST`] are
    /// there, or [`LEAF`] of nearly its position.
    pub(crate) fn insert(&mut self, position: u64, hash: u64) -> Option<u32> {
        let (leaf, depth) = self.descend(position, DEEPEST);
        // Items that no split would tell from this one.
        let alike = |slot: &u32| self.position(*slot) >> 4 == position >> 4;
        let crowded = self.leaf(self.nodes[leaf]).filter(alike).count() >= LEAF;
        if crowded || self.items.len() - self.free.len() >= MOST {
            return None;
        }
        self.add(position, hash, 1);
        let item = Item { position, hash, next: self.nodes[leaf].link };
        let slot = self.free.pop().unwrap_or(self.items.len() as u32);
        match self.items.get_mut(slot as usize) {
            Some(free) => *free = item,
            None => self.items.push(item),
        }
        self.nodes[leaf].link = slot;
        self.split(leaf, depth);
        Some(slot)
    }

    /// Takes the item in `slot` out; an inner node that is left with half a leaf's items becomes a
    /// leaf.
    pub(crate) fn remove(&mut self, slot: u32) {
        let Item { position, hash, next } = self.items[slot as usize];
        let (leaf, _) = self.descend(position, DEEPEST);
        let before = self.leaf(self.nodes[leaf]).find(|&at| self.items[at as usize].next == slot);
        match before {
            Some(before) => self.items[before as usize].next = next,
            None => self.nodes[leaf].link = next,
        }
        self.free.push(slot);
        let (mut at, mut sparse) = (0, None);
        for depth in 0..=DEEPEST {
            let node = &mut self.nodes[at];
            node.sum = node.sum.wrapping_sub(hash);
            node.count -= 1;
            let Some(children) = node.children() else { break };
            if node.count as usize <= LEAF / 2 {
                sparse = sparse.or(Some(at));
            }
            at = children + digit(position, depth);
        }
        if let Some(sparse) = sparse {
            let head = self.gather(sparse, NONE);
            self.nodes[sparse].link = head;
        }
    }

    /// Frees the nodes below `at`, and puts their items before those from `head` on.
    fn gather(&mut self, at: usize, mut head: u32) -> u32 {
        let node = self.nodes[at];
        if let Some(children) = node.children() {
            head = (children..children + 16).fold(head, |head, child| self.gather(child, head));
            self.blocks.push(children as u32);
            return head;
        }
        let mut slot = node.link;
        while slot != NONE {
            let next = core::mem::replace(&mut self.items[slot as usize].next, head);
            (head, slot) = (slot, next);
        }
        head
    }

    /// The first of sixteen empty nodes.
    fn block(&mut self) -> usize {
        let Some(first) = self.blocks.pop() else {
            self.nodes.extend([Node::EMPTY; 16]);
            return self.nodes.len() - 16;
        };
        self.nodes[first as usize..][..16].fill(Node::EMPTY);
        first as usize
    }

    /// The item in `slot` now has this hash.
    pub(crate) fn change(&mut self, slot: u32, hash: u64) {
        let item = &mut self.items[slot as usize];
        let (position, by) = (item.position, hash.wrapping_sub(item.hash));
        item.hash = hash;
        self.add(position, by, 0);
    }

    /// Adds to the sums and counts on the path to `position`.
    fn add(&mut self, position: u64, sum: u64, count: u32) {
        let mut at = 0;
        for depth in 0..=DEEPEST {
            let node = &mut self.nodes[at];
            node.sum = node.sum.wrapping_add(sum);
            node.count += count;
            let Some(children) = node.children() else { break };
            at = children + digit(position, depth);
        }
    }

    /// Makes a leaf with too many items an inner node, and those of its children.
    fn split(&mut self, mut leaf: usize, mut depth: u32) {
        while self.nodes[leaf].count as usize > LEAF && depth < DEEPEST {
            let first = self.block();
            let mut slot = core::mem::replace(&mut self.nodes[leaf].link, first as u32 | INNER);
            while slot != NONE {
                let item = &mut self.items[slot as usize];
                let child = &mut self.nodes[first + digit(item.position, depth)];
                child.sum = child.sum.wrapping_add(item.hash);
                child.count += 1;
                slot =
                    core::mem::replace(&mut item.next, core::mem::replace(&mut child.link, slot));
            }
            // One more than LEAF items: at most one child has too many, if it has them all.
            let full = |at: &usize| self.nodes[*at].count as usize > LEAF;
            let Some(next) = (first..first + 16).find(full) else { break };
            (leaf, depth) = (next, depth + 1);
        }
    }

    /// The node at `depth` on the way to `position`, or the leaf before it; and its depth.
    fn descend(&self, position: u64, depth: u32) -> (usize, u32) {
        let mut at = 0;
        for level in 0..depth {
            let Some(children) = self.nodes[at].children() else { return (at, level) };
            at = children + digit(position, level);
        }
        (at, depth)
    }

    /// The node of `path`, or the leaf above it, which holds more than the path.
    fn locate(&self, path: Path) -> (usize, bool) {
        let mut at = 0;
        for level in 0..path.depth() {
            let Some(children) = self.nodes[at].children() else { return (at, false) };
            at = children + path.digit(level);
        }
        (at, true)
    }

    /// The slots of a leaf's items.
    fn leaf(&self, node: Node) -> impl Iterator<Item = u32> {
        let mut next = if node.children().is_some() { NONE } else { node.link };
        core::iter::from_fn(move || {
            let slot = (next != NONE).then_some(next)?;
            next = self.items[slot as usize].next;
            Some(slot)
        })
    }

    /// The digest of everything.
    pub(crate) fn digest(&self) -> u64 {
        self.nodes[0].sum
    }

    /// The hash of the item in `slot`.
    pub(crate) fn hash(&self, slot: u32) -> u64 {
        self.items[slot as usize].hash
    }

    /// The position of the item in `slot`.
    pub(crate) fn position(&self, slot: u32) -> u64 {
        self.items[slot as usize].position
    }

    /// How many items `path` holds.
    pub(crate) fn count(&self, path: Path) -> usize {
        match self.locate(path) {
            (at, true) => self.nodes[at].count as usize,
            (at, false) => {
                let held = |slot: &u32| path.holds(self.position(*slot));
                self.leaf(self.nodes[at]).filter(held).count()
            }
        }
    }

    /// The digests of the sixteen children of `path`, which must have them.
    pub(crate) fn children(&self, path: Path) -> [u64; 16] {
        let mut sums = [0_u64; 16];
        let (at, exact) = self.locate(path);
        if let (true, Some(first)) = (exact, self.nodes[at].children()) {
            for (sum, node) in sums.iter_mut().zip(&self.nodes[first..]) {
                *sum = node.sum;
            }
        } else {
            let items = self.leaf(self.nodes[at]).map(|slot| self.items[slot as usize]);
            for item in items.filter(|item| path.holds(item.position)) {
                let sum = &mut sums[digit(item.position, path.depth())];
                *sum = sum.wrapping_add(item.hash);
            }
        }
        sums
    }

    /// The slots of the items at `position`: at most [`LEAF`].
    pub(crate) fn at(&self, position: u64) -> impl Iterator<Item = u32> {
        let (leaf, _) = self.descend(position, DEEPEST);
        self.leaf(self.nodes[leaf]).filter(move |slot| self.position(*slot) == position)
    }

    /// Visits the items that `path` holds, beginning anywhere (the digits of `start` say which
    /// child of each node comes first), until `visit` returns false. Returns whether it never did.
    pub(crate) fn visit(
        &self,
        path: Path,
        start: u64,
        visit: &mut impl FnMut(u32) -> bool,
    ) -> bool {
        let (at, exact) = self.locate(path);
        if exact {
            return self.walk(at, path.depth(), start, visit);
        }
        let mut held = self.leaf(self.nodes[at]).filter(|slot| path.holds(self.position(*slot)));
        held.all(visit)
    }

    fn walk(&self, at: usize, depth: u32, start: u64, visit: &mut impl FnMut(u32) -> bool) -> bool {
        let node = self.nodes[at];
        let Some(children) = node.children() else { return self.leaf(node).all(visit) };
        let first = digit(start, depth);
        (0..16).all(|step| self.walk(children + (first + step) % 16, depth + 1, start, visit))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a tree must say, from the items themselves.
    fn check(tree: &Tree, items: &[(u64, u64)], path: Path) -> Result<(), TestCaseError> {
        let held: Vec<_> = items.iter().filter(|item| path.holds(item.0)).collect();
        prop_assert_eq!(tree.count(path), held.len());
        let mut seen = Vec::new();
        tree.visit(path, 0x1234_5678_9abc_def0, &mut |slot| {
            seen.push(slot);
            true
        });
        seen.sort_unstable();
        let slots = (0_u32..).zip(items).filter(|item| path.holds(item.1.0)).map(|item| item.0);
        prop_assert_eq!(seen, slots.collect::<Vec<_>>());
        if path.depth() < DEEPEST {
            let sums = tree.children(path);
            for (child, &sum) in sums.iter().enumerate() {
                let inside = held.iter().filter(|item| digit(item.0, path.depth()) == child);
                let expected = inside.fold(0_u64, |sum, item| sum.wrapping_add(item.1));
                prop_assert_eq!(sum, expected);
            }
        }
        Ok(())
    }

    proptest! {
        /// Two computations of one answer: kept up to date, and from scratch. Positions share long
        /// prefixes, so that leaves split down to the deepest level.
        #[test]
        fn digests_kept_up_to_date_equal_those_from_scratch(
            inserts in prop::collection::vec((any::<u64>(), 0_u32..64, any::<u64>()), 0..300),
            changes in prop::collection::vec((any::<usize>(), any::<u64>()), 0..100),
        ) {
            let mut tree = Tree::new();
            let mut items = Vec::new();
            for (bits, shared, hash) in inserts {
                let position = bits >> shared;
                if let Some(slot) = tree.insert(position, hash) {
                    prop_assert_eq!(slot as usize, items.len());
                    items.push((position, hash));
                }
            }
            for (slot, hash) in changes {
                if let Some(at) = slot.checked_rem(items.len()) {
                    items[at].1 = hash;
                    tree.change(at as u32, hash);
                }
            }
            let sum = items.iter().fold(0_u64, |sum, item| sum.wrapping_add(item.1));
            prop_assert_eq!(tree.digest(), sum);
            prop_assert_eq!(tree.items.len(), items.len());
            check(&tree, &items, Path::ROOT)?;
            for &(position, _) in items.iter().take(20) {
                let mut path = Path::ROOT;
                while let Some(child) = path.child(digit(position, path.depth())) {
                    path = child;
                    check(&tree, &items, path)?;
                }
                let there = (0_u32..).zip(&items).filter(|item| item.1.0 == position);
                let mut at: Vec<_> = tree.at(position).collect();
                at.sort_unstable();
                prop_assert_eq!(at, there.map(|item| item.0).collect::<Vec<_>>());
            }
        }
    }

    proptest! {
        /// What was taken out leaves nothing behind: digests, counts and lists are those of the
        /// items that stayed, and an emptied tree has its first node only in use.
        #[test]
        fn a_tree_forgets_what_is_removed(
            steps in prop::collection::vec((any::<u64>(), 0_u32..64, any::<u8>()), 0..400),
        ) {
            let mut tree = Tree::new();
            let mut kept = std::collections::BTreeMap::new();
            for (bits, shared, what) in steps {
                if let (true, Some(&slot)) = (what < 100, kept.keys().nth(what as usize / 2)) {
                    tree.remove(slot);
                    kept.remove(&slot);
                } else if let Some(slot) = tree.insert(bits >> shared, bits) {
                    prop_assert!(kept.insert(slot, (bits >> shared, bits)).is_none());
                }
                let sum = kept.values().fold(0_u64, |sum, item| sum.wrapping_add(item.1));
                prop_assert_eq!(tree.digest(), sum);
            }
            let mut seen = Vec::new();
            tree.visit(Path::ROOT, 0, &mut |slot| { seen.push(slot); true });
            seen.sort_unstable();
            prop_assert_eq!(&seen, &kept.keys().copied().collect::<Vec<_>>());
            for (&slot, item) in &kept {
                prop_assert!(tree.at(item.0).any(|at| at == slot));
            }
            for &slot in &seen {
                tree.remove(slot);
            }
            prop_assert_eq!((tree.digest(), tree.nodes[0].count), (0, 0));
            prop_assert_eq!(tree.nodes.len(), 1 + 16 * tree.blocks.len());
            prop_assert_eq!(tree.items.len(), tree.free.len());
        }
    }

    #[test]
    fn no_leaf_grows_beyond_its_bound_even_at_one_position() {
        let mut tree = Tree::new();
        let taken = (0..100).filter(|&hash| tree.insert(42, hash).is_some()).count();
        assert_eq!(taken, LEAF);
        assert_eq!(tree.digest(), (0..LEAF as u64).sum());
        assert!(tree.insert(42 + 16, 7).is_some(), "the next position is open");
        assert_eq!(tree.nodes.len(), 1 + 16 * DEEPEST as usize);
    }
}
