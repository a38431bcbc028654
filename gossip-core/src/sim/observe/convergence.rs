//! How fast values come together.

use alloc::vec::Vec;

use super::Spread;

/// The spread of some value over nodes, cycle by cycle, and the factor by which its variance falls:
/// the measure of Jelasity, Montresor, Babaoglu, *Gossip-based aggregation*, ACM TOCS 23(3), 2005,
/// section 3.
///
/// ```
/// use gossip_core::sim::observe::Convergence;
///
/// let mut seen = Convergence::default();
/// for width in [8.0, 4.0, 2.0] {
///     seen.look([10.0 - width, 10.0 + width]);
/// }
/// assert_eq!((seen.factor(1), seen.mean_factor(0, 2)), (Some(0.25), Some(0.25)));
/// assert_eq!(seen.first_below(20.0), Some(1)); // a variance of 16
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Convergence {
    cycles: Vec<Spread>,
}

impl Convergence {
    /// Sees the values as they are after one more cycle. The first call is for the start.
    pub fn look(&mut self, values: impl IntoIterator<Item = f64>) {
        self.cycles.push(Spread::of(values));
    }

    /// What was seen: at the start, after one cycle, and so on.
    pub fn cycles(&self) -> &[Spread] {
        &self.cycles
    }

    /// The variance after `cycle` as a share of that before it. `None` for what was not seen, and
    /// if it was 0 before.
    pub fn factor(&self, cycle: usize) -> Option<f64> {
        self.mean_factor(cycle.checked_sub(1)?, cycle)
    }

    /// The geometric mean of the factors after cycle `from`, to cycle `to`. `None` for what was not
    /// seen, and if the variance was 0 before.
    pub fn mean_factor(&self, from: usize, to: usize) -> Option<f64> {
        let (before, after) = (self.cycles.get(from)?, self.cycles.get(to)?);
        let cycles = to.checked_sub(from).filter(|&cycles| cycles > 0)?;
        let ratio = after.variance() / before.variance();
        (before.variance() > 0.0).then(|| libm::pow(ratio, 1.0 / cycles as f64))
    }

    /// The first cycle after which the variance is at most `variance`.
    pub fn first_below(&self, variance: f64) -> Option<usize> {
        self.cycles.iter().position(|spread| spread.variance() <= variance)
    }
}
