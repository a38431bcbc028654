//! Extrema propagation: sums and counts from the least of random numbers.
//!
//! Baquero, Almeida, Menezes, Jesus, *Extrema propagation: fast distributed estimation of sums and
//! network sizes*, IEEE TPDS 23(4), 2012.
//!
//! ```text
//! at the start:  x[k] = an exponential number of rate v, for k = 1..K      (v = 1 to count nodes)
//! merge:         x[k] = min(x[k], x'[k])
//! at the end:    sum of all v = (K - 1) / (x[1] + ... + x[K])
//! ```
//!
//! The least of exponential numbers is one whose rate is the sum of theirs. Duplicates do not
//! matter, and neither does loss: there is no mass to be lost.
//!
//! # What holds
//!
//! The estimate has no bias and a relative standard deviation of 1 / sqrt(K - 2): 10 % at K = 102,
//! 5 % at K = 402. It is there as soon as the least numbers have [spread](crate::spread). All nodes
//! say the same, so their errors do not average out over nodes; over epochs they do, see
//! [`recent`](crate::recent). Who joins in an epoch passes numbers on, and brings none of its own.
//!
//! One liar can make it as large as it likes, and nothing shows.
//!
//! # Deviations from the paper
//!
//! - The paper's short form of a number is its exponent; here it is its logarithm in steps of
//!   1/1024 of an octave, two bytes. Rounding is off by at most .034 % either way, far below the
//!   standard deviation of any K that fits a datagram.
//! - The numbers are drawn anew in each epoch, and follow from the node's identifier, the epoch
//!   and a salt: so a node that restarts within an epoch is not counted twice.

use gossip_core::id::digest;
use gossip_core::random::Key;
use gossip_core::wire::Bundle;
use gossip_core::{Finite, Local, ParameterError, Protocol, Refusal, message};

use crate::mean::Set;
use crate::merge::{Measure, Merge, Source};
use crate::within::{Bounds, Ranged};

/// Steps to an octave.
const STEPS: f64 = 1_024.0;

/// The logarithm of the least number that has a code: the codes reach over 64 octaves from there.
const LEAST: f64 = -56.0;

/// The least weight, other than 0, and the greatest: numbers of such rates have codes, but for one
/// in a million. Weigh in other units if yours are out of bounds.
pub const WEIGHTS: (f64, f64) = (1.0 / 16.0, 1.1e12);

message! {
    /// The least numbers that are known.
    #[derive(PartialEq, Eq)]
    pub struct Extrema<const K: usize>(Bundle<[u8; 2], K>);
}

impl<const K: usize> Extrema<K> {
    fn draw(weight: f64, key: Key) -> Self {
        const { assert!(K > 2 && K <= 512, "from 3 numbers on there is an sd, and 512 fit") }
        let mut random = key.random(0);
        let code = |number: f64| {
            // Out of range it is the nearest code, as a cast has it.
            (((libm::log2(number) - LEAST) * STEPS) as u16).to_be_bytes()
        };
        let mut least = Bundle::new();
        least.fill((0..K).map(|_| match weight {
            0.0 => [u8::MAX; 2],
            weight => code(random.exponential() / weight),
        }));
        Self(least)
    }

    /// The sum of all weights: the number of nodes if each is 1.
    pub fn sum(&self) -> f64 {
        let number = |code: &[u8; 2]| {
            let steps = f64::from(u16::from_be_bytes(*code)) + 0.5;
            libm::exp2(steps / STEPS + LEAST)
        };
        (K as f64 - 1.0) / self.0.iter().map(number).sum::<f64>()
    }
}

impl<const K: usize> Merge for Extrema<K> {
    fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0.iter()) {
            *mine = (*mine).min(*theirs);
        }
    }

    fn is_sound(&self) -> bool {
        self.0.len() == K
    }
}

impl<const K: usize> Measure for Extrema<K> {
    fn measure(&self) -> Option<f64> {
        Some(self.sum())
    }

    fn relative_sd(&self) -> f64 {
        1.0 / libm::sqrt(K as f64 - 2.0)
    }
}

/// What a node brings: `K` numbers drawn with its weight as rate.
///
/// ```
/// use gossip_aggregate::extrema::Draws;
/// use gossip_aggregate::{Spread, epoch::Config};
///
/// // The number of nodes, within 20 % in 95 of 100 epochs.
/// let size = Spread::<u32, Draws<100>>::new(Config::founding(Draws::counting()))?;
/// assert_eq!(size.estimate(0), None); // not yet
/// assert!(Draws::<100>::of(-1.0).is_err());
/// # Ok::<(), gossip_core::ParameterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draws<const K: usize> {
    weight: Finite,
    salt: u64,
}

impl<const K: usize> Draws<K> {
    /// To count nodes.
    pub fn counting() -> Self {
        Self { weight: Finite::new(1.0).unwrap_or_default(), salt: 0 }
    }

    /// To sum weights.
    ///
    /// # Errors
    ///
    /// If the weight is neither 0 nor within [`WEIGHTS`].
    pub fn of(weight: f64) -> Result<Self, ParameterError> {
        let error = ParameterError::new("weight", weight, "(as measured)", "0, or 1/16 to 1.1e12");
        let weight =
            Finite::new(weight).filter(|weight| Self::is_in_range(*weight)).ok_or(error)?;
        Ok(Self { weight, salt: 0 })
    }

    /// Draws other numbers.
    #[must_use]
    pub const fn salted(mut self, salt: u64) -> Self {
        self.salt = salt;
        self
    }

    fn is_in_range(weight: Finite) -> bool {
        weight == Finite::ZERO || (WEIGHTS.0..=WEIGHTS.1).contains(&weight.get())
    }
}

impl<const K: usize> Source for Draws<K> {
    type Value = Extrema<K>;
    type Input = Set;

    fn set(&mut self, Set(weight): Set) -> Result<Option<Extrema<K>>, Refusal> {
        if !Self::is_in_range(weight) {
            return Err(Refusal::Invalid("a weight must be 0, or from 1/16 to 1.1e12"));
        }
        self.weight = weight;
        Ok(None)
    }

    fn start<P: Protocol + ?Sized>(&self, epoch: u64, cx: &mut impl Local<P>) -> Extrema<K> {
        let key = Key::new(digest(&cx.me())).with(self.salt).with(epoch);
        Extrema::draw(self.weight.get(), key)
    }

    fn join<P: Protocol + ?Sized>(&self, _: u64, _: &mut impl Local<P>) -> Extrema<K> {
        Extrema::draw(0.0, Key::new(0))
    }
}

/// The bounds are of what all bring together, such as the most nodes that there can be: of one node
/// alone nothing shows among the least numbers. Four standard deviations are allowed.
impl<const K: usize> Ranged for Draws<K> {
    type Value = Extrema<K>;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        self.weight.get() <= bounds.greatest()
    }

    fn lies_within(&self, value: &Extrema<K>, bounds: &Bounds) -> bool {
        value.sum() <= bounds.greatest() * (1.0 + 4.0 * value.relative_sd())
    }
}
