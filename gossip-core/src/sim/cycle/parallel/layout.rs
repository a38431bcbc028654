//! Which node belongs to which thread.

use alloc::vec::Vec;

/// Runs of nodes, dealt out to the threads in turn, so that each has as many old and new ones, and
/// as many that are dead.
pub(super) struct Layout {
    threads: usize,
    /// The logarithm of a run's length.
    shift: u32,
    /// By run: whose it is, and which of that thread's runs. Two divisions a look would be slow.
    places: Vec<(u8, u32)>,
}

/// Runs of a thread, if nodes are few: more even it out better.
const RUNS: usize = 16;

/// The logarithm of the longest run.
const LONGEST: u32 = 12;

impl Layout {
    pub(super) fn new(nodes: usize, threads: usize) -> Self {
        let wanted = (nodes / (threads * RUNS)).max(1);
        let shift = wanted.ilog2().min(LONGEST);
        let runs = nodes.div_ceil(1 << shift);
        let places = (0..runs).map(|run| ((run % threads) as u8, (run / threads) as u32)).collect();
        Self { threads, shift, places }
    }

    pub(super) const fn threads(&self) -> usize {
        self.threads
    }

    /// Nodes of a run.
    pub(super) const fn run(&self) -> usize {
        1 << self.shift
    }

    /// The thread that `node` belongs to.
    #[inline]
    pub(super) fn owner(&self, node: u32) -> usize {
        self.places[(node >> self.shift) as usize].0.into()
    }

    /// Which run of its owner `node` is in, and where there. Those that were never born are in
    /// none.
    #[inline]
    pub(super) fn place(&self, node: u32) -> (usize, usize) {
        let run = self
            .places
            .get((node >> self.shift) as usize)
            .map_or(usize::MAX, |place| place.1 as usize);
        (run, node as usize & (self.run() - 1))
    }
}
