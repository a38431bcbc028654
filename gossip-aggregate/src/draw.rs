//! A random element: each node's input is drawn with a probability in proportion to its weight.
//!
//! Not a protocol: a [`Function`]. Push-random of Kempe, Dobra, Gehrke, *Gossip-based computation
//! of aggregate information*, FOCS 2003, section 3.1: over [`push_sum`](crate::push_sum) each share
//! bears an element, and who adds two shares keeps either element, with probabilities in
//! proportion to their weights.
//!
//! ```text
//! at the start:      element = x, mass = its weight
//! of two:            element = the one's with probability mass / (sum of both), or the other's
//!                    mass = the sum of both
//! ```
//!
//! The expected mass that bears an element never changes, so once masses are even (O(log n) rounds,
//! as for a mean) each node holds each element with the probability that its weight asks for.
//! Nodes need not hold the same: for one draw that all agree on, spread a random number with each
//! input and take the [greatest](crate::merge::Greatest).
//!
//! # Deviations from the paper
//!
//! - The coin is made of random numbers that nodes drew at the start of the epoch and that travel
//!   with the shares. So both partners of a push-pull exchange keep the same element.

use gossip_core::id::hash;
use gossip_core::{Finite, Local, ParameterError, Protocol, Refusal, message};

use crate::mean::Set;
use crate::push_pull::Function;
use crate::push_sum::{Linear, MAX_WEIGHT};
use crate::within::{Bounds, Ranged};

message! {
    /// A random element.
    #[derive(Copy, PartialEq)]
    pub struct Drawn {
        /// The weight behind it.
        pub mass: Finite,
        /// The element.
        pub element: Finite,
        /// Where the next coin comes from.
        pub coin: u64,
    }
}

/// This node's input to the draw.
///
/// ```
/// use gossip_aggregate::{Draw, PushSum, epoch, push_sum::Config};
///
/// let draw = epoch::Config::founding(Draw::weighted(21.5, 3.0)?);
/// let random = PushSum::<u32, Draw>::new(Config::new(draw))?;
/// assert_eq!(random.last_estimate(), None);
/// assert!(Draw::weighted(21.5, -1.0).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    input: Finite,
    weight: Finite,
}

impl Draw {
    /// Every node as likely as any other.
    ///
    /// # Errors
    ///
    /// If the input is NaN or infinite.
    pub fn uniform(input: f64) -> Result<Self, ParameterError> {
        Self::weighted(input, 1.0)
    }

    /// A node as likely as its weight asks for; one of weight 0 is never drawn.
    ///
    /// # Errors
    ///
    /// If the input is NaN or infinite, or the weight not 0 to 2^32.
    pub fn weighted(input: f64, weight: f64) -> Result<Self, ParameterError> {
        let error = ParameterError::new("input", input, "(as measured)", "finite");
        let bounds = ParameterError::new("weight", weight, "", "0 to 4,294,967,296");
        let input = Finite::new(input).ok_or(error)?;
        let weight = Finite::new(weight).filter(|weight| is_weight(*weight)).ok_or(bounds)?;
        Ok(Self { input, weight })
    }
}

fn is_weight(weight: Finite) -> bool {
    (0.0..=MAX_WEIGHT).contains(&weight.get())
}

/// One of two elements, with a mass that is a `factor` of both.
fn either(one: &Drawn, other: &Drawn, factor: f64) -> Option<Drawn> {
    // In an order that both partners share.
    let (one, other) = if one.coin <= other.coin { (one, other) } else { (other, one) };
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&one.coin.to_le_bytes());
    bytes[8..].copy_from_slice(&other.coin.to_le_bytes());
    let coin = hash(&bytes);
    let both = one.mass.get() + other.mass.get();
    let unit = (coin >> 11) as f64 / (1_u64 << 53) as f64;
    let element = if unit * both < one.mass.get() { one.element } else { other.element };
    Some(Drawn { mass: Finite::new(both * factor)?, element, coin })
}

impl Function for Draw {
    type State = Drawn;
    type Input = Set;

    fn set(&mut self, Set(input): Set) -> Result<(), Refusal> {
        self.input = input;
        Ok(())
    }

    fn start<P: Protocol + ?Sized>(&mut self, _: Option<&Drawn>, cx: &mut impl Local<P>) -> Drawn {
        Drawn { mass: self.weight, element: self.input, coin: cx.rng().next_u64() }
    }

    fn is_sound(&self, state: &Drawn) -> bool {
        is_weight(state.mass)
    }

    fn update(&self, mine: &Drawn, theirs: &Drawn) -> Drawn {
        // Half of the sum of two sound masses is finite.
        either(mine, theirs, 0.5).unwrap_or(*mine)
    }

    fn estimate(&self, state: &Drawn) -> Option<f64> {
        (state.mass > Finite::ZERO).then(|| state.element.get())
    }
}

impl Linear for Draw {
    fn scaled(state: &Drawn, factor: f64) -> Option<Drawn> {
        Finite::new(state.mass.get() * factor).map(|mass| Drawn { mass, ..*state })
    }

    fn plus(one: &Drawn, other: &Drawn) -> Option<Drawn> {
        either(one, other, 1.0)
    }
}

impl Ranged for Draw {
    type Value = Drawn;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        bounds.contains(self.input.get())
    }

    fn lies_within(&self, drawn: &Drawn, bounds: &Bounds) -> bool {
        bounds.contains(drawn.element.get())
    }
}
