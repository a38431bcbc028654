//! HyperLogLog: how many different things all nodes have seen together.
//!
//! Flajolet, Fusy, Gandouet, Meunier, *HyperLogLog: the analysis of a near-optimal cardinality
//! estimation algorithm*, AofA 2007, section 4 (figure 3: the algorithm with its corrections).
//!
//! ```text
//! on a thing:  h = hash(thing); j = the first log2(M) bits of h; w = the others
//!              R[j] = max(R[j], the place of the first 1 in w)
//! merge:       R[j] = max(R[j], R'[j])
//! at the end:  E = alpha(M) M^2 / sum of 2^-R[j]
//!              E <= 5/2 M and V of the registers are 0:  M ln(M/V) instead
//! ```
//!
//! # What holds
//!
//! A relative standard deviation of 1.04 / sqrt(M): 6.5 % at M = 256, 3.25 % at M = 1024, for any
//! number of things. A thing that several nodes have seen counts once. Registers never fall: what
//! is gone goes with the epoch. Near E = 5/2 M the estimate is about 1 % high, as it is there.
//!
//! Hashes are not made against adversaries: who chooses the things can make the count what it
//! likes, and so can a node that makes its registers up.
//!
//! # Deviations from the paper
//!
//! - Hashes have 64 bits, and not 32, so there is no correction for their collisions.

use gossip_core::id::digest;
use gossip_core::wire::Bundle;
use gossip_core::{Local, Nothing, Protocol, Refusal, Wire, message};

use crate::merge::{Measure, Merge, Source};
use crate::within::{Bounds, Ranged};

message! {
    /// `M` registers, a power of two from 16 to 1024: a byte each.
    ///
    /// ```
    /// use gossip_aggregate::{Registers, merge::Merge};
    ///
    /// let of = |things: core::ops::Range<u32>| {
    ///     let mut registers = Registers::<1_024>::new();
    ///     things.for_each(|thing| registers.insert(&thing));
    ///     registers
    /// };
    /// let mut both = of(0..60_000);
    /// both.merge(&of(40_000..100_000));
    /// assert!((both.count() / 100_000.0 - 1.0).abs() < 0.1);
    /// ```
    #[derive(PartialEq, Eq)]
    pub struct Registers<const M: usize>(Bundle<u8, M>);
}

impl<const M: usize> Default for Registers<M> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const M: usize> Registers<M> {
    /// Nothing seen.
    pub fn new() -> Self {
        const { assert!(M.is_power_of_two() && M >= 16 && M <= 1_024, "2^4 to 2^10 registers") }
        let mut registers = Bundle::new();
        registers.fill([0; M]);
        Self(registers)
    }

    /// Takes a thing in.
    pub fn insert(&mut self, thing: &impl Wire) {
        let hash = digest(thing);
        let register = (hash >> (64 - M.trailing_zeros())) as usize;
        // The bit behind the others is there to be found if they are all 0.
        let others = hash << M.trailing_zeros() | 1 << (M.trailing_zeros() - 1);
        let place = others.leading_zeros() as u8 + 1;
        if let Some(most) = self.0.get_mut(register) {
            *most = place.max(*most);
        }
    }

    /// How many different things were taken in.
    pub fn count(&self) -> f64 {
        let m = M as f64;
        let alpha = match M {
            16 => 0.673,
            32 => 0.697,
            64 => 0.709,
            _ => 0.7213 / (1.0 + 1.079 / m),
        };
        let power = |&register: &u8| libm::ldexp(1.0, -i32::from(register));
        let raw = alpha * m * m / self.0.iter().map(power).sum::<f64>();
        let empty = self.0.iter().map(|&register| f64::from(u8::from(register == 0))).sum::<f64>();
        if raw <= 2.5 * m && empty > 0.0 { m * libm::log(m / empty) } else { raw }
    }
}

impl<const M: usize> Merge for Registers<M> {
    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine = (*mine).max(*theirs);
        }
    }

    fn is_sound(&self) -> bool {
        let most = 64 - M.trailing_zeros() as u8 + 1;
        self.0.len() == M && self.0.iter().all(|register| *register <= most)
    }
}

impl<const M: usize> Measure for Registers<M> {
    fn measure(&self) -> Option<f64> {
        Some(self.count())
    }

    fn relative_sd(&self) -> f64 {
        1.04 / libm::sqrt(M as f64)
    }
}

/// A [`Source`] that counts nodes: each brings itself, in each epoch under another name, so that
/// errors average out over epochs. Those are counted that are there when the epoch begins: who
/// joins later passes registers on, and brings itself to the next. To count things, bring
/// [`Own`](crate::merge::Own) registers.
///
/// ```
/// use gossip_aggregate::hyperloglog::Census;
/// use gossip_aggregate::{Spread, epoch::Config};
///
/// let size = Spread::<u32, Census<256>>::new(Config::founding(Census::default()))?;
/// assert_eq!(size.estimate(0), None); // not yet
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Census<const M: usize> {
    salt: u64,
}

impl<const M: usize> Census<M> {
    /// Under other names.
    pub const fn salted(salt: u64) -> Self {
        Self { salt }
    }
}

impl<const M: usize> Source for Census<M> {
    type Value = Registers<M>;
    type Input = Nothing;

    fn set(&mut self, never: Nothing) -> Result<Option<Registers<M>>, Refusal> {
        match never {}
    }

    fn start<P: Protocol + ?Sized>(&self, epoch: u64, cx: &mut impl Local<P>) -> Registers<M> {
        let mut registers = Registers::new();
        registers.insert(&(cx.me(), self.salt, epoch));
        registers
    }

    fn join<P: Protocol + ?Sized>(&self, _: u64, _: &mut impl Local<P>) -> Registers<M> {
        Registers::new()
    }
}

/// The bounds are of the number of nodes. Four standard deviations are allowed.
impl<const M: usize> Ranged for Census<M> {
    type Value = Registers<M>;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        bounds.greatest() >= 1.0
    }

    fn lies_within(&self, value: &Registers<M>, bounds: &Bounds) -> bool {
        value.count() <= bounds.greatest() * (1.0 + 4.0 * value.relative_sd())
    }
}
