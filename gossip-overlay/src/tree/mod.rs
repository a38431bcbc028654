//! Trees that gossip grows and repairs, and what is done along them: exact aggregates and search.
//!
//! | Module | What |
//! |---|---|
//! | [`gap`] | a spanning tree over any symmetric neighbours, its aggregate at the root |
//! | [`Rooted`] | the tree that T-Man builds, of numbered places |
//! | [`query`] | broadcast and convergecast over any [`Tree`](gossip_core::Tree): exact |
//!
//! A tree gives an exact sum for one message per link each way, and loses a whole subtree with a
//! node that fails under way; averaging by gossip takes log N messages per node for each digit and
//! hardly notices. `repro dam05-gap` shows the two side by side.
//!
//! Not a protocol: what travels along trees.

pub mod gap;
pub mod query;
mod ranked;

use gossip_core::message;

pub use gap::Gap;
pub use query::Query;
pub use ranked::Rooted;

message! {
    /// How many nodes, and the sum, least and greatest of their values.
    ///
    /// Whole numbers, so that a sum does not depend on the order of its parts: a measurement is
    /// counted in its smallest unit. A sum beyond 64 bits stays at the end of the range.
    ///
    /// ```
    /// use gossip_overlay::tree::Summary;
    ///
    /// let both = Summary::of(3).and(Summary::of(-5));
    /// assert_eq!((both.count, both.sum, both.least, both.greatest), (2, -2, -5, 3));
    /// assert_eq!(both.and(Summary::NONE), both);
    /// assert_eq!(Summary::of(i64::MAX).and(Summary::of(1)).sum, i64::MAX);
    /// ```
    #[derive(Copy, PartialEq, Eq, Hash)]
    pub struct Summary {
        /// Nodes.
        pub count: u64,
        /// The sum of their values.
        pub sum: i64,
        /// The least value; the greatest number for no node.
        pub least: i64,
        /// The greatest value; the least number for no node.
        pub greatest: i64,
    }
}

impl Summary {
    /// Of no node.
    pub const NONE: Self = Self { count: 0, sum: 0, least: i64::MAX, greatest: i64::MIN };

    /// Of one node.
    pub const fn of(value: i64) -> Self {
        Self { count: 1, sum: value, least: value, greatest: value }
    }

    /// Of both parts, which have no node in common.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            sum: self.sum.saturating_add(other.sum),
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
        }
    }
}
