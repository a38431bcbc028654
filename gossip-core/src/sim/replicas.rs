//! The same run over several seeds, and when a run is over.
//!
//! ```
//! use gossip_core::sim::replicas::{Stop, Verdict};
//!
//! let stop = Stop { most: 50, converged: Some(1e-3), ..Stop::default() };
//! assert_eq!(stop.check(3, 0.5, 10, 0), None);
//! assert_eq!(stop.check(9, 1e-4, 10, 0), Some(Verdict::Converged));
//! assert_eq!(stop.check(50, 0.5, 10, 0), Some(Verdict::Limit));
//! ```

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What is measured has fallen to the limit.
    Converged,
    /// Nobody lives, or nobody is active any more.
    Extinct,
    /// Everybody is informed.
    AllInformed,
    /// The cycles are over.
    Limit,
}

/// When a run is over. The rules are asked in the order of [`Verdict`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stop {
    /// Cycles at most.
    pub most: u32,
    /// What is measured, such as a variance, is at most this.
    pub converged: Option<f64>,
    /// Nobody is active.
    pub extinct: bool,
    /// Nobody is left to inform.
    pub all_informed: bool,
}

impl Default for Stop {
    /// After 1,000 cycles.
    fn default() -> Self {
        Self { most: 1_000, converged: None, extinct: false, all_informed: false }
    }
}

impl Stop {
    /// Whether a run is over after `cycle`, with this measure, so many active, so many ignorant.
    pub fn check(
        &self,
        cycle: u32,
        measure: f64,
        active: usize,
        ignorant: usize,
    ) -> Option<Verdict> {
        if self.converged.is_some_and(|limit| measure <= limit) {
            Some(Verdict::Converged)
        } else if self.extinct && active == 0 {
            Some(Verdict::Extinct)
        } else if self.all_informed && ignorant == 0 {
            Some(Verdict::AllInformed)
        } else if cycle >= self.most {
            Some(Verdict::Limit)
        } else {
            None
        }
    }
}

/// The results of `run` for the seeds `first`, `first + 1`, and so on, `count` of them, in their
/// order, from at most `threads` threads. The results do not depend on how many.
///
/// A panic in a run is the caller's, as without threads.
///
/// ```
/// use gossip_core::sim::replicas::replicas;
///
/// let run = |seed: u64| seed * seed;
/// assert_eq!(replicas(3, 4, 1, run), [9, 16, 25, 36]);
/// assert_eq!(replicas(3, 4, 7, run), replicas(3, 4, 1, run));
/// ```
#[cfg(feature = "std")]
pub fn replicas<T: Send>(
    first: u64,
    count: u32,
    threads: usize,
    run: impl Fn(u64) -> T + Sync,
) -> alloc::vec::Vec<T> {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    let next = AtomicU32::new(0);
    // Each thread takes the next seed that nobody has taken: runs may differ much in length.
    let take = || {
        let step = |at| (at < count).then_some(at + 1);
        next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).ok()
    };
    let work = || {
        core::iter::from_fn(take)
            .map(|at| (at, run(first.wrapping_add(at.into()))))
            .collect::<alloc::vec::Vec<_>>()
    };
    let mut results = thread::scope(|scope| {
        let workers: alloc::vec::Vec<_> =
            (0..threads.clamp(1, count.max(1) as usize)).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(results) => results,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.flatten().collect::<alloc::vec::Vec<_>>()
    });
    results.sort_unstable_by_key(|result| result.0);
    results.into_iter().map(|result| result.1).collect()
}
