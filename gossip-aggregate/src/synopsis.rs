//! How alike all nodes are: the probability that two of them, drawn at random, have the same thing.
//!
//! Not a protocol: a [`Function`]. Push-synopses of Kempe, Dobra, Gehrke, *Gossip-based computation
//! of aggregate information*, FOCS 2003, section 3.2: any synopsis that is linear can be halved and
//! added in place of a value. This one is the sketch of Alon, Matias, Szegedy, *The space
//! complexity of approximating the frequency moments*, JCSS 58(1), 1999, section 2.2: the second
//! moment of how often each thing occurs.
//!
//! ```text
//! at the start:   z_r = +1 or -1, by a hash of the thing and r, for r = 1 to R
//! of two:         the mean of each z_r
//! at any time:    the sum over all things of (their share of all nodes)^2 is the mean of z_r^2
//! ```
//!
//! It takes 8 R bytes whatever there is, and errs by a relative sd of at most sqrt(2 / R). Nearly 0
//! says that all have different things; 1, that all have the same.
//!
//! # Deviations from the paper
//!
//! - Shares of all nodes take the place of counts, so that nobody has to know how many there are.
//! - The mean of all squares is taken, and not a median of means.

use gossip_core::id::digest;
use gossip_core::{Bounded, Finite, Local, Protocol, Refusal, Wire, message};

use crate::push_pull::Function;
use crate::push_sum::Linear;

message! {
    /// The digest of what this node has; it counts from the next epoch on.
    #[derive(Copy, PartialEq)]
    pub struct Thing(pub u64);
}

impl Thing {
    /// What stands for this thing.
    pub fn of(thing: &impl Wire) -> Self {
        Self(digest(thing))
    }
}

/// This node's thing, such as the version of its software, sketched in `R` numbers.
///
/// ```
/// use gossip_aggregate::{Alike, push_pull::Function};
///
/// let (old, new) = (Alike::<64>::of(&1_u8), Alike::<64>::of(&2_u8));
/// let both = old.update(&old.sketch(), &new.sketch());
/// assert_eq!(old.estimate(&old.sketch()), Some(1.0)); // all the same
/// assert!((old.estimate(&both).unwrap() - 0.5).abs() < 0.5); // one in two
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alike<const R: usize>(Thing);

impl<const R: usize> Alike<R> {
    /// At least one number has to be kept, and no more than fit a datagram.
    const IN_BOUNDS: () = assert!(R > 0 && R <= 128, "a sketch is of 1 to 128 numbers");

    /// With this thing.
    pub fn of(thing: &impl Wire) -> Self {
        const { Self::IN_BOUNDS };
        Self(Thing::of(thing))
    }

    /// This node's own sketch.
    pub fn sketch(&self) -> Bounded<Finite, R> {
        let one = |r| {
            // 64 signs of each hash.
            let bits = if r < 64 { self.0.0 } else { digest(&self.0.0) };
            Finite::new(if bits >> (r % 64) & 1 == 0 { 1.0 } else { -1.0 })
        };
        let mut all = Bounded::new();
        all.fill((0..R).filter_map(one));
        all
    }

    /// The relative standard deviation of an estimate, at most.
    pub fn relative_sd() -> f64 {
        libm::sqrt(2.0 / R as f64)
    }
}

impl<const R: usize> Function for Alike<R> {
    type State = Bounded<Finite, R>;
    type Input = Thing;

    fn set(&mut self, thing: Thing) -> Result<(), Refusal> {
        self.0 = thing;
        Ok(())
    }

    fn start<P: Protocol + ?Sized>(
        &mut self,
        _: Option<&Self::State>,
        _: &mut impl Local<P>,
    ) -> Self::State {
        self.sketch()
    }

    fn is_sound(&self, state: &Self::State) -> bool {
        // Rounding may take a mean of ones a little beyond 1.
        state.len() == R && state.iter().all(|z| z.get().abs() <= 1.0 + 1e-9)
    }

    fn update(&self, mine: &Self::State, theirs: &Self::State) -> Self::State {
        let mut all = Bounded::new();
        all.fill(mine.iter().zip(theirs).map(|(one, other)| one.midpoint(*other)));
        all
    }

    fn estimate(&self, state: &Self::State) -> Option<f64> {
        Some(state.iter().map(|z| z.get() * z.get()).sum::<f64>() / R as f64)
    }
}

impl<const R: usize> Linear for Alike<R> {
    fn scaled(state: &Self::State, factor: f64) -> Option<Self::State> {
        let mut all = Bounded::new();
        all.fill(state.iter().filter_map(|z| Finite::new(z.get() * factor)));
        (all.len() == state.len()).then_some(all)
    }

    fn plus(one: &Self::State, other: &Self::State) -> Option<Self::State> {
        let mut all = Bounded::new();
        all.fill(one.iter().zip(other).filter_map(|(a, b)| Finite::new(a.get() + b.get())));
        (all.len() == R).then_some(all)
    }
}
