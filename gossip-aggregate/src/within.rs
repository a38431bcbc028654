//! Bounds that all nodes declare: what a peer says beyond them is refused at the receiver.
//!
//! Not a protocol: one guard for all of them. A liar that keeps within the bounds can still pull a
//! result as an honest node could whose input is extreme; what goes further is dropped and counted,
//! and no input out of bounds is taken. Range checks at the receiver are the first defence of
//! Wagner, *Resilient aggregation in sensor networks*, SASN 2004, section 5 (truncation).
//!
//! - Functions, for push-pull and push-sum, and sources, for spread: [`Within`] around them.
//! - Flows: [`Config::within`](crate::flow_updating::Config::within).
//! - The best so many that are [signed](crate::signed): `at_most`, by each score.
//!
//! What "within" means of what travels says [`Ranged::lies_within`]; all of it has what rounding
//! may add.

use gossip_core::{Local, ParameterError, Protocol, Refusal};

use crate::estimate::Estimate;
use crate::links::Share;
use crate::merge::Source;
use crate::push_pull::Function;
use crate::push_sum::Linear;

/// What rounding may add, over the bounds' greatest magnitude: far more than sums of a million
/// doubles come to, and far less than an estimate is worth. Our choice.
const ROUNDING: f64 = 1e-9;

/// The same over the weight that ever went over a link, which may be 10^9 times that of a share.
const TOTALS: f64 = 1e-12;

/// From the least input that any node can have to the greatest.
///
/// ```
/// use gossip_aggregate::within::Bounds;
///
/// let share = Bounds::new(0.0, 1.0)?;
/// assert!(share.contains(1.0) && !share.contains(1.1));
/// assert!(Bounds::new(1.0, 0.0).is_err());
/// assert!(Bounds::new(0.0, f64::INFINITY).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    least: f64,
    greatest: f64,
}

impl Bounds {
    /// From `least` to `greatest`.
    ///
    /// # Errors
    ///
    /// If they are not within 1e300 of 0, or not in order.
    pub fn new(least: f64, greatest: f64) -> Result<Self, ParameterError> {
        let ordered = least.abs() <= 1e300 && greatest.abs() <= 1e300 && least <= greatest;
        ParameterError::new("least", least, "(as measured)", "within 1e300, at most the greatest")
            .unless(ordered)?;
        Ok(Self { least, greatest })
    }

    /// The least input.
    pub const fn least(self) -> f64 {
        self.least
    }

    /// The greatest input.
    pub const fn greatest(self) -> f64 {
        self.greatest
    }

    /// Whether a number lies within, but for rounding.
    pub fn contains(self, value: f64) -> bool {
        let slack = ROUNDING * self.magnitude();
        (self.least - slack..=self.greatest + slack).contains(&value)
    }

    /// These, and so many times their distance to either side.
    pub(crate) fn widened(self, times: f64) -> Self {
        let more = (self.greatest - self.least) * times;
        Self { least: self.least - more, greatest: self.greatest + more }
    }

    /// Whether a share is one of inputs within, and of no negative weight; `total` is all that went
    /// over its link.
    pub(crate) fn admit(self, share: Share, total: Share) -> bool {
        let slack = (TOTALS * total.weight.abs() + ROUNDING) * self.magnitude().max(1.0);
        let sums = self.least * share.weight - slack..=self.greatest * share.weight + slack;
        share.weight >= -(TOTALS * total.weight.abs()) && sums.contains(&share.sum)
    }

    /// An input, unless it is out of bounds.
    pub(crate) fn check(self, input: f64) -> Result<(), ParameterError> {
        ParameterError::new("input", input, "(as measured)", "within the bounds given")
            .unless(self.contains(input))
    }

    fn magnitude(self) -> f64 {
        self.least.abs().max(self.greatest.abs())
    }
}

/// What bounds can be declared for.
pub trait Ranged {
    /// What travels.
    type Value;

    /// Whether what this node brings lies within.
    fn brings_within(&self, bounds: &Bounds) -> bool;

    /// Whether what a peer says can come of inputs that all lie within.
    fn lies_within(&self, value: &Self::Value, bounds: &Bounds) -> bool;
}

/// Another function or source, whose inputs are known to lie within bounds: what cannot come of
/// such inputs is refused at the receiver, and an input out of bounds is not taken. So a liar can
/// pull a mean no further than an honest node could that has an extreme input.
///
/// ```
/// use gossip_aggregate::{Mean, Within, push_pull::Function};
/// use gossip_core::Finite;
///
/// let share = Within::new(Mean::of(0.3)?, 0.0, 1.0)?;
/// assert!(share.is_sound(&Finite::new(1.0).unwrap()));
/// assert!(!share.is_sound(&Finite::new(1e9).unwrap()));
/// assert!(Within::new(Mean::of(2.0)?, 0.0, 1.0).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Within<T> {
    inner: T,
    bounds: Bounds,
}

impl<T: Ranged> Within<T> {
    /// With inputs from `least` to `greatest`.
    ///
    /// # Errors
    ///
    /// If the bounds are not finite and in order, or this node's input is outside.
    pub fn new(inner: T, least: f64, greatest: f64) -> Result<Self, ParameterError> {
        let bounds = Bounds::new(least, greatest)?;
        let within = inner.brings_within(&bounds);
        ParameterError::new(
            "least",
            least,
            "(as measured)",
            "at most this node's input, which is at most the greatest",
        )
        .unless(within)?;
        Ok(Self { inner, bounds })
    }

    /// What `set` makes of what is inside, unless that then brings something out of bounds.
    fn changed<R>(&mut self, set: impl FnOnce(&mut T) -> Result<R, Refusal>) -> Result<R, Refusal>
    where
        T: Clone,
    {
        let mut inner = self.inner.clone();
        let set = set(&mut inner)?;
        if !inner.brings_within(&self.bounds) {
            return Err(Refusal::Invalid(
                "the input must lie within the bounds that were declared",
            ));
        }
        self.inner = inner;
        Ok(set)
    }
}

impl<F: Function + Ranged<Value = <F as Function>::State>> Function for Within<F> {
    type State = F::State;
    type Input = F::Input;

    fn set(&mut self, input: F::Input) -> Result<(), Refusal> {
        self.changed(|function| function.set(input))
    }

    fn start<P: Protocol + ?Sized>(
        &mut self,
        last: Option<&F::State>,
        cx: &mut impl Local<P>,
    ) -> F::State {
        self.inner.start(last, cx)
    }

    fn is_sound(&self, state: &F::State) -> bool {
        self.inner.is_sound(state) && self.inner.lies_within(state, &self.bounds)
    }

    fn update(&self, mine: &F::State, theirs: &F::State) -> F::State {
        self.inner.update(mine, theirs)
    }

    fn estimate(&self, state: &F::State) -> Option<f64> {
        self.inner.estimate(state)
    }
}

impl<F: Linear + Ranged<Value = <F as Function>::State>> Linear for Within<F> {
    fn scaled(state: &F::State, factor: f64) -> Option<F::State> {
        F::scaled(state, factor)
    }

    fn plus(one: &F::State, other: &F::State) -> Option<F::State> {
        F::plus(one, other)
    }
}

impl<S: Source + Ranged<Value = <S as Source>::Value>> Source for Within<S> {
    type Value = <S as Source>::Value;
    type Input = S::Input;

    fn set(&mut self, input: S::Input) -> Result<Option<<S as Source>::Value>, Refusal> {
        self.changed(|source| source.set(input))
    }

    fn start<P: Protocol + ?Sized>(
        &self,
        epoch: u64,
        cx: &mut impl Local<P>,
    ) -> <S as Source>::Value {
        self.inner.start(epoch, cx)
    }

    fn join<P: Protocol + ?Sized>(
        &self,
        epoch: u64,
        cx: &mut impl Local<P>,
    ) -> <S as Source>::Value {
        self.inner.join(epoch, cx)
    }

    fn ended(&mut self, epoch: u64, value: &<S as Source>::Value) {
        self.inner.ended(epoch, value);
    }

    fn combined(&self, last: Estimate) -> Estimate {
        self.inner.combined(last)
    }

    fn admit(
        &self,
        epoch: u64,
        known: &<S as Source>::Value,
        theirs: &mut <S as Source>::Value,
    ) -> usize {
        if self.inner.lies_within(theirs, &self.bounds) {
            return self.inner.admit(epoch, known, theirs);
        }
        // Who holds it got it from none of the honest, who hold nothing of the kind.
        theirs.clone_from(known);
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A share of inputs from 0 to 1 with its weight, and what none can be: a negative weight, a
    /// mean out of bounds, a sum without a weight. Rounding of a total that is large is allowed.
    #[test]
    fn shares_that_bounds_exclude_are_refused() {
        let bounds = Bounds::new(0.0, 1.0).unwrap();
        let admit = |sum, weight| {
            let share = Share { sum, weight };
            bounds.admit(share, share)
        };
        assert!(admit(0.25, 0.5) && admit(0.5, 0.5) && admit(0.0, 0.0));
        for (sum, weight) in [(0.6, 0.5), (-0.1, 0.5), (0.0, -0.5), (0.1, 0.0), (f64::NAN, 0.5)] {
            assert!(!admit(sum, weight), "{sum}, {weight}");
        }
        let total = Share { sum: 1e9, weight: 1e9 };
        assert!(bounds.admit(Share { sum: 0.500_001, weight: 0.5 }, total));
    }
}
