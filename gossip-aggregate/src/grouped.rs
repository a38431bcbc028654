//! Means that a few false inputs do not move: the nodes are dealt into groups, and the median of
//! the groups' means is told.
//!
//! Not a protocol: a [`Function`]. The median of means of Nemirovsky, Yudin, *Problem complexity
//! and method efficiency in optimization*, 1983, and the trimmed mean over concurrent instances of
//! Jelasity, Montresor, Babaoglu, *Gossip-based aggregation in large dynamic networks*, ACM TOCS
//! 23(3), 2005, section 7.3, on one vector.
//!
//! ```text
//! at the start of an epoch:  g = a random group; (s_g, w_g) = (x, 1), all others (0, 0)
//! of two:                    the mean of each s and of each w
//! at any time:               the median of s_g / w_g over the groups
//! ```
//!
//! # What holds
//!
//! A false input spoils the group that it is in, and no more. As long as less than half of the `T`
//! groups have one, what is told lies among the means of groups that have none: so it is with fewer
//! than T / 2 liars, whatever they say, and with some more by chance. Without liars the median's
//! standard deviation over that of the mean is sqrt(pi / 2) = 1.25 for many groups, where groups
//! are large.
//!
//! A state's weights add up to 1, and each group's value lies within the bounds times its weight:
//! what does not is refused. So a node that lies in exchanges, and not about its input alone, pulls
//! no further in each of them than one node can; but it can do so in every exchange, in all
//! groups. Against that only the bounds help, and few rounds.

use gossip_core::{Bounded, Finite, Local, ParameterError, Protocol, Refusal};

use crate::count::trimmed_mean;
use crate::mean::Set;
use crate::push_pull::Function;
use crate::push_sum::Linear;

/// How the groups' means become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// By their median: up to half of them may be wrong.
    Median,
    /// By the mean of the middle third: up to a third may be.
    Trimmed,
}

/// The sum and the weight of each group.
pub type Groups<const T: usize> = Bounded<(Finite, Finite), T>;

/// What rounding may add to or take from a weight.
const ROUNDING: f64 = 1e-6;

/// The mean of inputs within bounds, by `T` groups; an odd number is best.
///
/// ```
/// use gossip_aggregate::grouped::{Combine, Grouped};
///
/// assert!(Grouped::<15>::new(0.3, (0.0, 1.0), Combine::Median).is_ok());
/// assert!(Grouped::<15>::new(2.0, (0.0, 1.0), Combine::Median).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grouped<const T: usize> {
    input: Finite,
    least: f64,
    greatest: f64,
    combine: Combine,
}

impl<const T: usize> Grouped<T> {
    /// With this input; all inputs lie within these bounds.
    ///
    /// # Errors
    ///
    /// If the bounds are not finite, within 10^150 of 0 and in order, or the input is not within.
    pub fn new(
        input: f64,
        (least, greatest): (f64, f64),
        combine: Combine,
    ) -> Result<Self, ParameterError> {
        const { assert!(T > 0 && T <= 64, "there are 1 to 64 groups") };
        let ordered = least.abs() <= 1e150 && greatest.abs() <= 1e150 && least <= greatest;
        ParameterError::new("least", least, "(as measured)", "finite, at most the greatest")
            .unless(ordered)?;
        let error = ParameterError::new("input", input, "(as measured)", "within the bounds given");
        let input = Finite::new(input)
            .filter(|input| (least..=greatest).contains(&input.get()))
            .ok_or(error)?;
        Ok(Self { input, least, greatest, combine })
    }
}

/// The middle one, or the mean of the two in the middle.
///
/// ```
/// assert_eq!(gossip_aggregate::grouped::median(&mut [9.0, 1e9, 5.0]), Some(9.0));
/// assert_eq!(gossip_aggregate::grouped::median(&mut [9.0, 5.0]), Some(7.0));
/// assert_eq!(gossip_aggregate::grouped::median(&mut []), None);
/// ```
pub fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

impl<const T: usize> Function for Grouped<T> {
    type State = Groups<T>;
    type Input = Set;

    fn set(&mut self, Set(input): Set) -> Result<(), Refusal> {
        if !(self.least..=self.greatest).contains(&input.get()) {
            return Err(Refusal::Invalid(
                "the input must lie within the bounds that were declared",
            ));
        }
        self.input = input;
        Ok(())
    }

    fn start<P: Protocol + ?Sized>(
        &mut self,
        _: Option<&Groups<T>>,
        cx: &mut impl Local<P>,
    ) -> Groups<T> {
        let mine = cx.rng().below(T);
        let one = Finite::new(1.0).unwrap_or(Finite::ZERO);
        let of = |group| if group == mine { (self.input, one) } else { Default::default() };
        let mut all = Bounded::new();
        all.fill((0..T).map(of));
        all
    }

    fn is_sound(&self, state: &Groups<T>) -> bool {
        let slack = ROUNDING * self.least.abs().max(self.greatest.abs()).max(1.0);
        let within = |&(sum, weight): &(Finite, Finite)| {
            let (sum, weight) = (sum.get(), weight.get());
            (0.0..=1.0 + ROUNDING).contains(&weight)
                && (weight * self.least - slack..=weight * self.greatest + slack).contains(&sum)
        };
        let weight: f64 = state.iter().map(|entry| entry.1.get()).sum();
        state.len() == T && (weight - 1.0).abs() <= ROUNDING && state.iter().all(within)
    }

    fn update(&self, mine: &Groups<T>, theirs: &Groups<T>) -> Groups<T> {
        let both =
            |(a, b): (&(Finite, Finite), &(Finite, Finite))| (a.0.midpoint(b.0), a.1.midpoint(b.1));
        let mut all = Bounded::new();
        all.fill(mine.iter().zip(theirs).map(both));
        all
    }

    fn estimate(&self, state: &Groups<T>) -> Option<f64> {
        let mut means: Bounded<f64, T> = Bounded::new();
        // A weight that rounding may have made says nothing.
        let known = state.iter().filter(|entry| entry.1.get() > ROUNDING);
        means.fill(known.map(|(sum, weight)| sum.get() / weight.get()));
        let combined = match self.combine {
            Combine::Median => median(&mut means),
            Combine::Trimmed => trimmed_mean(&mut means),
        };
        combined.map(|mean| mean.clamp(self.least, self.greatest))
    }
}

impl<const T: usize> Linear for Grouped<T> {
    fn scaled(state: &Groups<T>, factor: f64) -> Option<Groups<T>> {
        let scaled = |(sum, weight): &(Finite, Finite)| {
            Some((Finite::new(sum.get() * factor)?, Finite::new(weight.get() * factor)?))
        };
        let mut all = Bounded::new();
        all.fill(state.iter().filter_map(scaled));
        (all.len() == state.len()).then_some(all)
    }

    fn plus(one: &Groups<T>, other: &Groups<T>) -> Option<Groups<T>> {
        let both = |(a, b): (&(Finite, Finite), &(Finite, Finite))| {
            Some((Finite::new(a.0.get() + b.0.get())?, Finite::new(a.1.get() + b.1.get())?))
        };
        let mut all = Bounded::new();
        all.fill(one.iter().zip(other).filter_map(both));
        (all.len() == T).then_some(all)
    }
}
