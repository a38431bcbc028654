//! What the nodes of a simulation told their owners.

use alloc::collections::VecDeque;

/// The latest events of all nodes, bounded: when nobody takes them, the oldest are shed and
/// counted.
///
/// ```
/// let mut events = gossip_core::sim::Events::new(2);
/// for event in ["a", "b", "c"] { events.push(7, event) }
/// assert_eq!(events.shed(), 1);
/// assert_eq!(events.take().collect::<Vec<_>>(), [(7, "b"), (7, "c")]);
/// ```
#[derive(Clone, Debug)]
pub struct Events<E> {
    kept: VecDeque<(u32, E)>,
    limit: usize,
    shed: u64,
}

/// Events kept by default: enough for one cycle of 10^6 nodes that each tell one thing.
pub(crate) const EVENTS: usize = 1 << 20;

impl<E> Events<E> {
    /// Keeps at most `limit`.
    pub const fn new(limit: usize) -> Self {
        Self { kept: VecDeque::new(), limit, shed: 0 }
    }

    /// Adds what `node` told.
    pub fn push(&mut self, node: u32, event: E) {
        if self.kept.len() >= self.limit {
            self.kept.pop_front();
            self.shed += 1;
        }
        if self.limit > 0 {
            self.kept.push_back((node, event));
        }
    }

    /// Takes all that are kept, oldest first.
    pub fn take(&mut self) -> impl Iterator<Item = (u32, E)> {
        self.kept.drain(..)
    }

    /// How many were shed since the start.
    pub const fn shed(&self) -> u64 {
        self.shed
    }
}
