//! The number of nodes.
//!
//! Not a protocol: a [`Function`] for [`push_pull`](crate::push_pull). COUNT of Jelasity et al.
//! 2005, section 3.2 and 7: a leader starts at 1 and all others at 0, so that the mean is 1/N.
//! Several leaders count side by side, told apart by their ids: a map from leader to mean, an
//! absent entry being 0. Each node leads with probability C/N, N being the last epoch's estimate.
//!
//! # Deviations from the paper
//!
//! - The map is bounded, by default to [`LEADERS`] entries: those with the smallest ids stay. These
//!   stay at every node, so what they count is exact; a first epoch in which every node leads needs
//!   no guess of N.
//! - Each further epoch that says nothing (no leader, or all of them gone) takes the square root of
//!   the N that leaders are drawn by, so that a wrong estimate cannot silence the count for ever.
//! - The estimates of the leaders are combined by the trimmed mean that the paper uses for its
//!   concurrent instances (drop a third at either end).

use gossip_core::id::digest;
use gossip_core::{Bounded, Finite, Local, Nothing, ParameterError, Protocol, Refusal};

use crate::push_pull::{Function, PushPull};
use crate::push_sum::Linear;

/// Push-pull counting.
///
/// ```
/// use gossip_aggregate::{Count, Leaders, push_pull::Config};
///
/// let count = Count::<u32>::new(Config::founding(Leaders::expecting(8.0, 1.0)?))?;
/// assert_eq!(count.last_estimate(), None);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub type Count<I, const L: usize = LEADERS> = PushPull<I, Leaders<L>>;

/// Leaders whose counts a node keeps side by side, by default: 16 bytes each.
pub const LEADERS: usize = 24;

/// Leaders expected per epoch by default (the paper's C): no leader at all in e^-8 = 0.03 % of
/// epochs, more than [`LEADERS`] in fewer.
pub const CONCURRENT: f64 = 8.0;

/// How a node elects itself. It keeps the counts of `L` leaders: where memory is dear, as in large
/// simulations, fewer than [`LEADERS`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leaders<const L: usize = LEADERS> {
    concurrent: f64,
    expected: f64,
}

impl Default for Leaders {
    fn default() -> Self {
        Self { concurrent: CONCURRENT, expected: 1.0 }
    }
}

impl<const L: usize> Leaders<L> {
    /// `concurrent` leaders (the paper's C) among, at first, `expected` nodes. If that is not
    /// known, expect 1: then all lead in the first epoch.
    ///
    /// # Errors
    ///
    /// If `concurrent` is not above 0 and at most half of `L`, or `expected` below 1.
    ///
    /// ```
    /// use gossip_aggregate::Leaders;
    ///
    /// assert!(Leaders::<8>::expecting(4.0, 1.0).is_ok());
    /// assert!(Leaders::<8>::expecting(5.0, 1.0).is_err());
    /// ```
    pub fn expecting(concurrent: f64, expected: f64) -> Result<Self, ParameterError> {
        ParameterError::new("concurrent C", concurrent, "leaders", "above 0 and at most L/2")
            .unless(concurrent > 0.0 && concurrent <= L as f64 / 2.0)?;
        ParameterError::new("expected N", expected, "nodes", "finite and at least 1")
            .unless(expected >= 1.0 && expected.is_finite())?;
        Ok(Self { concurrent, expected })
    }
}

/// Each leader's share at this node, in the order of the leaders' ids.
pub type Shares<const L: usize = LEADERS> = Bounded<(u32, Finite), L>;

impl<const L: usize> Function for Leaders<L> {
    type State = Shares<L>;
    type Input = Nothing;

    fn set(&mut self, never: Nothing) -> Result<(), Refusal> {
        match never {}
    }

    fn start<P: Protocol + ?Sized>(
        &mut self,
        last: Option<&Shares<L>>,
        cx: &mut impl Local<P>,
    ) -> Shares<L> {
        let last = last.and_then(|shares| self.estimate(shares));
        let mut shares = Shares::default();
        let nodes = last.unwrap_or(self.expected).max(1.0);
        // An epoch that says nothing most likely had no leader, because too many nodes were
        // expected: if it happens again, fewer are.
        self.expected = last.unwrap_or(libm::sqrt(self.expected)).max(1.0);
        if cx.rng().chance(self.concurrent / nodes) {
            let leader = digest(&cx.me()) as u32;
            shares.fill(Finite::new(1.0).map(|one| (leader, one)));
        }
        shares
    }

    fn is_sound(&self, shares: &Shares<L>) -> bool {
        shares.is_sorted_by(|a, b| a.0 < b.0)
            && shares.iter().all(|entry| entry.1.get() > 0.0 && entry.1.get() <= 1.0)
    }

    fn update(&self, mine: &Shares<L>, theirs: &Shares<L>) -> Shares<L> {
        merged(mine, theirs, f64::midpoint)
    }

    fn estimate(&self, shares: &Shares<L>) -> Option<f64> {
        let mut counts: Bounded<f64, L> = Bounded::default();
        counts.fill(shares.iter().map(|entry| 1.0 / entry.1.get()).filter(|n| n.is_finite()));
        trimmed_mean(&mut counts)
    }
}

impl<const L: usize> Linear for Leaders<L> {
    fn scaled(shares: &Shares<L>, factor: f64) -> Option<Shares<L>> {
        let scaled = |&(leader, share): &(u32, Finite)| {
            // What has become too small for a double is nothing.
            let share = Finite::new(share.get() * factor)?;
            Some((leader, share)).filter(|entry| entry.1.get() > 0.0)
        };
        let mut all = Shares::default();
        all.fill(shares.iter().filter_map(scaled));
        Some(all)
    }

    fn plus(one: &Shares<L>, other: &Shares<L>) -> Option<Shares<L>> {
        Some(merged(one, other, |a, b| a + b))
    }
}

/// Merges two maps, both sorted by leader, an absent share being 0; the smallest ids stay.
fn merged<const L: usize>(
    mine: &Shares<L>,
    theirs: &Shares<L>,
    both: impl Fn(f64, f64) -> f64,
) -> Shares<L> {
    let mut merged = Shares::default();
    let (mut ours, mut others) = (mine.iter().peekable(), theirs.iter().peekable());
    while !merged.is_full() {
        let next = match (ours.peek(), others.peek()) {
            (Some(a), Some(b)) => a.0.min(b.0),
            (Some(one), None) | (None, Some(one)) => one.0,
            (None, None) => break,
        };
        let share = |from: &mut core::iter::Peekable<core::slice::Iter<'_, _>>| {
            from.next_if(|entry: &&(u32, Finite)| entry.0 == next).map_or(0.0, |e| e.1.get())
        };
        let value = both(share(&mut ours), share(&mut others));
        merged.fill(Finite::new(value).map(|value| (next, value)));
    }
    merged
}

/// The mean of the middle third: a third is dropped at either end (section 7.3).
///
/// ```
/// assert_eq!(gossip_aggregate::count::trimmed_mean(&mut [9.0, 5.0, 1e9]), Some(9.0));
/// assert_eq!(gossip_aggregate::count::trimmed_mean(&mut []), None);
/// ```
pub fn trimmed_mean(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let drop = values.len() / 3;
    let kept = &values[drop..values.len() - drop];
    (!kept.is_empty()).then(|| kept.iter().sum::<f64>() / kept.len() as f64)
}
