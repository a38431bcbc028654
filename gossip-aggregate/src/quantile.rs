//! Quantiles by random pivots: the least input that at least a given part of all inputs does not
//! exceed, exactly.
//!
//! Not a protocol: a [`Function`] for [`push_pull`](crate::push_pull), one step of the search in
//! each epoch. Kempe, Dobra, Gehrke, *Gossip-based computation of aggregate information*, FOCS
//! 2003, section 3.1 (quantiles): draw a pivot among the inputs that are still in question, count
//! those below it, and go on in the half where the quantile is; O(log n) steps.
//!
//! ```text
//! of inputs x in (low, high):   pivot = a random one, of the step before
//! in this epoch:                F = the mean of [x <= pivot]
//!                               left, right = random x in (low, pivot), in (pivot, high)
//! at its end:  F >= phi:        high = pivot, pivot = left
//!              else:            low = pivot, pivot = right
//!              no pivot:        the quantile is high; search anew
//! ```
//!
//! A search takes about 2 ln n epochs, so 14 of them at n = 1,000, and all nodes know the result at
//! its end. Inputs that change are followed by the next search.
//!
//! # What holds
//!
//! Without lost replies the result is exact for up to 500,000 nodes (beyond that it may be that of
//! a neighbour in rank), and the same at all nodes. A lost reply moves F (see
//! [`loss_sd`](crate::push_pull::loss_sd), for inputs with an sd of at most 1/2), and so the
//! result's rank, by as much. One node that lies about what it holds can lead the search anywhere.
//!
//! # Deviations from the paper
//!
//! - Counts are push-pull's. Both next pivots are drawn while the count is under way: the input
//!   that bears the least of as many random numbers, which all nodes agree on.
//! - Nodes that disagree on where the search is, because they came late or F is at its limit, take
//!   one of both at the first exchange, and bring their input anew: so F stays exact.

use gossip_core::{Finite, Local, ParameterError, Protocol, Refusal, message};

use crate::mean::Set;
use crate::push_pull::Function;
use crate::within::{Bounds, Ranged};

/// By how much less than phi a count is still taken for phi: more than what 30 cycles leave of
/// rounding and variance, and less than one of 500,000 nodes. Our choice.
const MARGIN: f64 = 1e-6;

message! {
    /// Where the search is. What has been found comes first, so that who knows something counts
    /// for more than who has just come.
    #[derive(Copy, Default, PartialEq, PartialOrd)]
    pub struct Place {
        /// What the last search found.
        pub found: Option<Finite>,
        /// The quantile is at most this.
        pub high: Option<Finite>,
        /// The quantile is above this.
        pub low: Option<Finite>,
        /// What inputs are compared with.
        pub pivot: Option<Finite>,
    }
}

message! {
    /// One step of the search.
    #[derive(Copy, PartialEq)]
    pub struct Step {
        /// Where it is.
        pub place: Place,
        /// The mean of `x <= pivot`.
        pub below: Finite,
        /// A random input below the pivot, and its lot.
        pub left: Option<(u64, Finite)>,
        /// The same above the pivot; of all, if there is none.
        pub right: Option<(u64, Finite)>,
    }
}

/// This node's input, and which quantile is asked for. All nodes must ask for the same.
///
/// ```
/// use gossip_aggregate::{PushPull, Quantile, push_pull::Config};
///
/// let median = Config::founding(Quantile::of(21.5, 0.5)?);
/// assert_eq!(PushPull::<u32, Quantile>::new(median)?.last_estimate(), None); // not yet
/// assert!(Quantile::of(21.5, 1.5).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    input: Finite,
    phi: f64,
    /// This node's random number in this epoch.
    lot: u64,
}

impl Quantile {
    /// The quantile phi, this node having `input`: .5 for the median.
    ///
    /// # Errors
    ///
    /// If the input is NaN or infinite, or phi not above 0 and at most 1.
    pub fn of(input: f64, phi: f64) -> Result<Self, ParameterError> {
        let error = ParameterError::new("input", input, "(as measured)", "finite");
        ParameterError::new("quantile phi", phi, "of the inputs", "above 0, at most 1")
            .unless(phi > 0.0 && phi <= 1.0)?;
        Ok(Self { input: Finite::new(input).ok_or(error)?, phi, lot: 0 })
    }

    /// What this node brings to a step.
    fn enter(&self, place: Place) -> Step {
        let Self { input, lot, .. } = *self;
        let ticket = Some((lot, input));
        let is_below = place.pivot.is_some_and(|pivot| input <= pivot);
        Step {
            place,
            below: Finite::new(f64::from(u8::from(is_below))).unwrap_or(Finite::ZERO),
            left: ticket.filter(|(_, x)| place.is_left(*x)),
            right: ticket.filter(|(_, x)| place.is_right(*x)),
        }
    }

    /// Where the search goes from here.
    fn next(&self, step: &Step) -> Place {
        let Step { place, below, left, right } = *step;
        let element = |ticket: Option<(u64, Finite)>| ticket.map(|(_, element)| element);
        let next = match place.pivot {
            None => Place { pivot: element(right), ..place },
            Some(pivot) if below.get() >= self.phi - MARGIN => {
                Place { high: Some(pivot), pivot: element(left), ..place }
            }
            Some(pivot) => Place { low: Some(pivot), pivot: element(right), ..place },
        };
        match (next.pivot, next.high) {
            (None, Some(high)) => {
                Place { found: Some(high), pivot: Some(high), ..Place::default() }
            }
            _ => next,
        }
    }
}

impl Place {
    fn is_left(&self, x: Finite) -> bool {
        self.pivot.is_some_and(|pivot| x < pivot) && self.low.is_none_or(|low| x > low)
    }

    fn is_right(&self, x: Finite) -> bool {
        self.pivot.is_none_or(|pivot| x > pivot) && self.high.is_none_or(|high| x < high)
    }
}

/// The one of two tickets that bears the lesser lot.
fn drawn(one: Option<(u64, Finite)>, other: Option<(u64, Finite)>) -> Option<(u64, Finite)> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl Function for Quantile {
    type State = Step;
    type Input = Set;

    fn set(&mut self, Set(input): Set) -> Result<(), Refusal> {
        self.input = input;
        Ok(())
    }

    fn start<P: Protocol + ?Sized>(&mut self, last: Option<&Step>, cx: &mut impl Local<P>) -> Step {
        self.lot = cx.rng().next_u64();
        self.enter(last.map(|step| self.next(step)).unwrap_or_default())
    }

    fn is_sound(&self, step: &Step) -> bool {
        let is_left = |&(_, x): &(u64, Finite)| step.place.is_left(x);
        let is_right = |&(_, x): &(u64, Finite)| step.place.is_right(x);
        (0.0..=1.0).contains(&step.below.get())
            && step.left.as_ref().is_none_or(is_left)
            && step.right.as_ref().is_none_or(is_right)
    }

    fn update(&self, mine: &Step, theirs: &Step) -> Step {
        if mine.place < theirs.place {
            return self.enter(theirs.place);
        }
        if mine.place > theirs.place {
            return *mine;
        }
        Step {
            place: mine.place,
            below: mine.below.midpoint(theirs.below),
            left: drawn(mine.left, theirs.left),
            right: drawn(mine.right, theirs.right),
        }
    }

    fn estimate(&self, step: &Step) -> Option<f64> {
        step.place.found.map(Finite::get)
    }
}

impl Ranged for Quantile {
    type Value = Step;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        bounds.contains(self.input.get())
    }

    fn lies_within(&self, step: &Step, bounds: &Bounds) -> bool {
        let Place { low, high, pivot, found, .. } = step.place;
        let drawn = [step.left, step.right].map(|ticket| ticket.map(|(_, element)| element));
        let mut all = [low, high, pivot, found].into_iter().chain(drawn).flatten();
        all.all(|element| bounds.contains(element.get()))
    }
}
