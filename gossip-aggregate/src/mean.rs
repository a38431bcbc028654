//! The mean of every node's input.
//!
//! Not a protocol: a [`Function`] for [`push_pull`](crate::push_pull). AVERAGE of Jelasity et al.
//! 2005, section 3.1.

use gossip_core::{Finite, Local, ParameterError, Protocol, Refusal, message};

use crate::push_pull::{Function, PushPull};
use crate::push_sum::Linear;
use crate::within::{Bounds, Ranged};

/// Push-pull averaging.
///
/// ```
/// use gossip_aggregate::{Average, Mean, push_pull::Config};
///
/// let average = Average::<u32>::new(Config::founding(Mean::of(21.5)?))?;
/// assert_eq!(average.running_estimate(), None); // not yet: it has not been called
/// assert!(Mean::of(f64::NAN).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
pub type Average<I> = PushPull<I, Mean>;

/// This node's input to the mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean(Finite);

message! {
    /// Sets this node's input to the mean; it counts from the next epoch on.
    #[derive(Copy, PartialEq)]
    pub struct Set(pub Finite);
}

impl Mean {
    /// With this input.
    ///
    /// # Errors
    ///
    /// If it is NaN or infinite: one such value would spoil every node's mean.
    pub fn of(input: f64) -> Result<Self, ParameterError> {
        let error = ParameterError::new("input", input, "(as measured)", "finite");
        Finite::new(input).map(Self).ok_or(error)
    }

    /// The input.
    pub const fn input(self) -> f64 {
        self.0.get()
    }
}

impl Function for Mean {
    type State = Finite;
    type Input = Set;

    fn set(&mut self, Set(input): Set) -> Result<(), Refusal> {
        self.0 = input;
        Ok(())
    }

    #[inline]
    fn start<P: Protocol + ?Sized>(&mut self, _: Option<&Finite>, _: &mut impl Local<P>) -> Finite {
        self.0
    }

    #[inline]
    fn update(&self, mine: &Finite, theirs: &Finite) -> Finite {
        mine.midpoint(*theirs)
    }

    fn estimate(&self, state: &Finite) -> Option<f64> {
        Some(state.get())
    }
}

impl Linear for Mean {
    fn scaled(state: &Finite, factor: f64) -> Option<Finite> {
        Finite::new(state.get() * factor)
    }

    fn plus(one: &Finite, other: &Finite) -> Option<Finite> {
        Finite::new(one.get() + other.get())
    }
}

impl Ranged for Mean {
    type Value = Finite;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        bounds.contains(self.input())
    }

    fn lies_within(&self, mean: &Finite, bounds: &Bounds) -> bool {
        bounds.contains(mean.get())
    }
}
