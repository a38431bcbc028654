//! Generalised means, extremes, the variance, and totals, for [`push_pull`](crate::push_pull).
//!
//! Not a protocol: [`Function`]s. Jelasity, Montresor, Babaoglu, *Gossip-based aggregation in large
//! dynamic networks*, ACM TOCS 23(3), 2005, section 3: GEOMETRIC, generalised means
//! f^-1((f(a) + f(b)) / 2), MIN, MAX, VARIANCE, SUM and PRODUCT.
//!
//! # Deviations from the paper
//!
//! - A generalised mean travels as f(x), whose sum is conserved; f^-1 is applied when it is read.
//! - The variance is that of the mixture of the two partners' halves, and not the mean of squares
//!   less the square of the mean: the same number, without the cancellation.
//! - SUM is the count times the mean, and PRODUCT the geometric mean to the power of the count, as
//!   there; both numbers ride in the same messages, so that they belong to the same epoch.

use gossip_core::{Finite, Local, ParameterError, Protocol, Refusal, message};

use crate::count::{LEADERS, Leaders, Shares};
use crate::mean::{Mean, Set};
use crate::push_pull::Function;
use crate::push_sum::Linear;
use crate::within::{Bounds, Ranged};

/// An input that has to be finite.
fn finite(value: f64) -> Result<Finite, ParameterError> {
    Finite::new(value).ok_or_else(|| ParameterError::new("input", value, "(as measured)", "finite"))
}

/// The power mean ((x_1^p + ... + x_N^p) / N)^(1/p) of positive inputs: harmonic for p = -1,
/// geometric for p = 0, quadratic for p = 2. All nodes must be given the same p.
///
/// ```
/// use gossip_aggregate::{PowerMean, push_pull::Function};
///
/// let geometric = PowerMean::of(8.0, 0.0)?;
/// let two = PowerMean::of(2.0, 0.0)?;
/// let both = geometric.update(&geometric.transformed(), &two.transformed());
/// assert!((geometric.estimate(&both).unwrap() - 4.0).abs() < 1e-12);
/// assert!(PowerMean::of(-1.0, 0.0).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerMean {
    input: Finite,
    power: f64,
}

impl PowerMean {
    /// With this input and power.
    ///
    /// # Errors
    ///
    /// If the input is not above 0, the power not finite, or the input's power out of range.
    pub fn of(input: f64, power: f64) -> Result<Self, ParameterError> {
        ParameterError::new("power p", power, "", "finite").unless(power.is_finite())?;
        let error = ParameterError::new("input", input, "(as measured)", "above 0, its power too");
        let mean = Self { input: finite(input)?, power };
        error.unless(input > 0.0 && Self::is_in_range(power, mean.forth(input)))?;
        Ok(mean)
    }

    /// What travels of this node's input: its power, or its logarithm.
    pub fn transformed(&self) -> Finite {
        // Checked when the input was taken.
        Finite::new(self.forth(self.input.get())).unwrap_or(self.input)
    }

    fn forth(&self, x: f64) -> f64 {
        if self.power == 0.0 { libm::log(x) } else { libm::pow(x, self.power) }
    }

    fn back(&self, y: f64) -> f64 {
        if self.power == 0.0 { libm::exp(y) } else { libm::pow(y, 1.0 / self.power) }
    }

    /// Whether a transformed value is one that some input has.
    fn is_in_range(power: f64, y: f64) -> bool {
        y.is_finite() && (power == 0.0 || y > 0.0)
    }
}

impl Function for PowerMean {
    type State = Finite;
    type Input = Set;

    fn set(&mut self, Set(input): Set) -> Result<(), Refusal> {
        *self = Self::of(input.get(), self.power)
            .map_err(|_| Refusal::Invalid("the input must be above 0, and its power in range"))?;
        Ok(())
    }

    fn start<P: Protocol + ?Sized>(&mut self, _: Option<&Finite>, _: &mut impl Local<P>) -> Finite {
        self.transformed()
    }

    fn is_sound(&self, state: &Finite) -> bool {
        Self::is_in_range(self.power, state.get())
    }

    fn update(&self, mine: &Finite, theirs: &Finite) -> Finite {
        mine.midpoint(*theirs)
    }

    fn estimate(&self, state: &Finite) -> Option<f64> {
        Some(self.back(state.get()))
    }
}

impl Linear for PowerMean {
    fn scaled(state: &Finite, factor: f64) -> Option<Finite> {
        Mean::scaled(state, factor)
    }

    fn plus(one: &Finite, other: &Finite) -> Option<Finite> {
        Mean::plus(one, other)
    }
}

impl Ranged for PowerMean {
    type Value = Finite;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        bounds.contains(self.input.get())
    }

    fn lies_within(&self, sum: &Finite, bounds: &Bounds) -> bool {
        bounds.contains(self.back(sum.get()))
    }
}

/// The smallest or the largest input. Both partners keep the extreme, so it spreads like a rumor.
///
/// One liar suffices to spoil it, and nothing can tell: where peers may lie, give it
/// [bounds](crate::Within).
///
/// ```
/// use gossip_aggregate::{Extreme, push_pull::Function};
/// use gossip_core::Finite;
///
/// let (one, two) = (Finite::new(1.0).unwrap(), Finite::new(2.0).unwrap());
/// assert_eq!(Extreme::least(1.0)?.update(&one, &two), one);
/// assert_eq!(Extreme::greatest(1.0)?.update(&one, &two), two);
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extreme {
    input: Finite,
    greatest: bool,
}

impl Extreme {
    /// The smallest of all, this node having `input`.
    ///
    /// # Errors
    ///
    /// If it is NaN or infinite.
    pub fn least(input: f64) -> Result<Self, ParameterError> {
        finite(input).map(|input| Self { input, greatest: false })
    }

    /// The largest of all, this node having `input`.
    ///
    /// # Errors
    ///
    /// If it is NaN or infinite.
    pub fn greatest(input: f64) -> Result<Self, ParameterError> {
        finite(input).map(|input| Self { input, greatest: true })
    }
}

impl Function for Extreme {
    type State = Finite;
    type Input = Set;

    fn set(&mut self, Set(input): Set) -> Result<(), Refusal> {
        self.input = input;
        Ok(())
    }

    fn start<P: Protocol + ?Sized>(&mut self, _: Option<&Finite>, _: &mut impl Local<P>) -> Finite {
        self.input
    }

    fn update(&self, mine: &Finite, theirs: &Finite) -> Finite {
        if (theirs.get() > mine.get()) == self.greatest { *theirs } else { *mine }
    }

    fn estimate(&self, state: &Finite) -> Option<f64> {
        Some(state.get())
    }
}

impl Ranged for Extreme {
    type Value = Finite;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        bounds.contains(self.input.get())
    }

    fn lies_within(&self, extreme: &Finite, bounds: &Bounds) -> bool {
        bounds.contains(extreme.get())
    }
}

message! {
    /// The mean of the inputs that went into a state, and their variance about it.
    #[derive(Copy, PartialEq)]
    pub struct Moments {
        /// The mean.
        pub mean: Finite,
        /// The variance, of the whole population: divided by N.
        pub variance: Finite,
    }
}

/// The variance of all inputs, divided by N.
///
/// ```
/// use gossip_aggregate::{Variance, push_pull::Function};
///
/// let (one, three) = (Variance::of(1.0)?, Variance::of(3.0)?);
/// let both = one.update(&one.moments(), &three.moments());
/// assert_eq!(one.estimate(&both), Some(1.0)); // of 1 and 3, about 2
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variance(Finite);

impl Variance {
    /// Half of the largest double's root: squares of differences stay finite.
    const LIMIT: f64 = 6e153;

    /// With this input.
    ///
    /// # Errors
    ///
    /// If it is not a number within 6e153 of 0: its square could not be told.
    pub fn of(input: f64) -> Result<Self, ParameterError> {
        ParameterError::new("input", input, "(as measured)", "-6e153 to 6e153")
            .unless(input.abs() <= Self::LIMIT)?;
        finite(input).map(Self)
    }

    /// This node's own: its input, without a variance.
    pub fn moments(&self) -> Moments {
        Moments { mean: self.0, variance: Finite::default() }
    }
}

impl Function for Variance {
    type State = Moments;
    type Input = Set;

    fn set(&mut self, Set(input): Set) -> Result<(), Refusal> {
        *self = Self::of(input.get())
            .map_err(|_| Refusal::Invalid("the input must be within 6e153 of 0"))?;
        Ok(())
    }

    fn start<P: Protocol + ?Sized>(
        &mut self,
        _: Option<&Moments>,
        _: &mut impl Local<P>,
    ) -> Moments {
        self.moments()
    }

    fn is_sound(&self, state: &Moments) -> bool {
        let limit = Self::LIMIT;
        state.mean.get().abs() <= limit && (0.0..=limit * limit).contains(&state.variance.get())
    }

    fn update(&self, mine: &Moments, theirs: &Moments) -> Moments {
        let apart = mine.mean.get() / 2.0 - theirs.mean.get() / 2.0;
        let within = f64::midpoint(mine.variance.get(), theirs.variance.get());
        Moments {
            mean: mine.mean.midpoint(theirs.mean),
            // Finite, since both states are sound.
            variance: Finite::new(within + apart * apart).unwrap_or(mine.variance),
        }
    }

    fn estimate(&self, state: &Moments) -> Option<f64> {
        Some(state.variance.get())
    }
}

impl Ranged for Variance {
    type Value = Moments;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        bounds.contains(self.0.get())
    }

    fn lies_within(&self, state: &Moments, bounds: &Bounds) -> bool {
        // Bhatia, Davis, *A better bound on the variance*, American Mathematical Monthly 107, 2000.
        let mean = state.mean.get();
        let most = (bounds.greatest() - mean) * (mean - bounds.least());
        let slack = 1e-9 * mean.abs().max(bounds.greatest() - bounds.least());
        bounds.contains(mean) && state.variance.get() <= most + slack * slack.max(1.0)
    }
}

/// What a mean and a count make together: the sum or the product of all inputs.
///
/// ```
/// use gossip_aggregate::{Leaders, Mean, PowerMean, Total};
///
/// let sum: Total<Mean> = Total::sum(3.0, Leaders::default())?;
/// let product: Total<PowerMean> = Total::product(3.0, Leaders::default())?;
/// assert!(Total::<PowerMean>::product(0.0, Leaders::default()).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Total<F, const L: usize = LEADERS> {
    mean: F,
    leaders: Leaders<L>,
    combined: fn(mean: f64, count: f64) -> f64,
}

impl<const L: usize> Total<Mean, L> {
    /// The sum of all inputs, this node having `input`.
    ///
    /// # Errors
    ///
    /// If it is NaN or infinite.
    pub fn sum(input: f64, leaders: Leaders<L>) -> Result<Self, ParameterError> {
        let combined = |mean, count| mean * count;
        Mean::of(input).map(|mean| Self { mean, leaders, combined })
    }
}

impl<const L: usize> Total<PowerMean, L> {
    /// The product of all inputs, this node having `input`.
    ///
    /// # Errors
    ///
    /// If it is not above 0.
    pub fn product(input: f64, leaders: Leaders<L>) -> Result<Self, ParameterError> {
        let combined = libm::pow;
        PowerMean::of(input, 0.0).map(|mean| Self { mean, leaders, combined })
    }
}

impl<F: Function, const L: usize> Function for Total<F, L> {
    type State = (F::State, Shares<L>);
    type Input = F::Input;

    fn set(&mut self, input: F::Input) -> Result<(), Refusal> {
        self.mean.set(input)
    }

    fn start<P: Protocol + ?Sized>(
        &mut self,
        last: Option<&Self::State>,
        cx: &mut impl Local<P>,
    ) -> Self::State {
        let mean = self.mean.start(last.map(|state| &state.0), cx);
        (mean, self.leaders.start(last.map(|state| &state.1), cx))
    }

    fn is_sound(&self, state: &Self::State) -> bool {
        self.mean.is_sound(&state.0) && self.leaders.is_sound(&state.1)
    }

    fn update(&self, mine: &Self::State, theirs: &Self::State) -> Self::State {
        (self.mean.update(&mine.0, &theirs.0), self.leaders.update(&mine.1, &theirs.1))
    }

    fn estimate(&self, state: &Self::State) -> Option<f64> {
        let mean = self.mean.estimate(&state.0)?;
        Some((self.combined)(mean, self.leaders.estimate(&state.1)?))
            .filter(|total| total.is_finite())
    }
}

impl<F: Linear, const L: usize> Linear for Total<F, L> {
    fn scaled(state: &Self::State, factor: f64) -> Option<Self::State> {
        Some((F::scaled(&state.0, factor)?, Leaders::scaled(&state.1, factor)?))
    }

    fn plus(one: &Self::State, other: &Self::State) -> Option<Self::State> {
        Some((F::plus(&one.0, &other.0)?, Leaders::plus(&one.1, &other.1)?))
    }
}

impl<F, const L: usize> Ranged for Total<F, L>
where
    F: Function + Ranged<Value = <F as Function>::State>,
{
    type Value = (<F as Function>::State, Shares<L>);

    fn brings_within(&self, bounds: &Bounds) -> bool {
        self.mean.brings_within(bounds)
    }

    fn lies_within(&self, (mean, _): &Self::Value, bounds: &Bounds) -> bool {
        self.mean.lies_within(mean, bounds)
    }
}
