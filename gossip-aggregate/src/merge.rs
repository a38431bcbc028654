//! Values with a merge of their own: sets, extremes, registers, or what the user makes of them.
//!
//! Not a protocol: what [`spread`](crate::spread) spreads. A merge that is commutative, associative
//! and idempotent (a join-semilattice) gives the same result in whatever order, over whatever
//! partners and however often values meet. So no message has to arrive exactly once: what is lost
//! comes again, and what comes twice changes nothing.
//!
//! Means and sums obey other laws: they are linear, every share counts once, and
//! [`Function`](crate::push_pull::Function) and [`Linear`](crate::push_sum::Linear) are for them.

use alloc::vec::Vec;
use core::error::Error;
use core::fmt;

use gossip_core::{Finite, Local, Protocol, Refusal, Wire, message};

use crate::estimate::Estimate;
use crate::within::{Bounds, Ranged};

/// A value with an idempotent merge.
///
/// The laws, which [`check`] looks at: with `a | b` for what `a` is after `a.merge(&b)`,
///
/// - `a | b == b | a`,
/// - `(a | b) | c == a | (b | c)`,
/// - `a | a == a`,
/// - if `a` and `b` are sound, so is `a | b`.
///
/// Equal values must have equal encodings, as types made by [`message!`](gossip_core::message) do.
///
/// ```
/// use gossip_aggregate::merge::{Broken, Merge, check};
/// use gossip_core::message;
///
/// message! {
///     /// Which of 64 features every node has.
///     #[derive(PartialEq)]
///     struct Common(u64);
/// }
///
/// impl Merge for Common {
///     fn merge(&mut self, other: &Self) {
///         self.0 &= other.0;
///     }
/// }
///
/// message! {
///     /// Not a merge, but a sum: what comes twice counts twice.
///     #[derive(PartialEq)]
///     struct Sum(u64);
/// }
///
/// impl Merge for Sum {
///     fn merge(&mut self, other: &Self) {
///         self.0 = self.0.wrapping_add(other.0);
///     }
/// }
///
/// assert_eq!(check(&Common(6), &Common(3), &Common(12)), Ok(()));
/// assert_eq!(check(&Sum(6), &Sum(3), &Sum(12)), Err(Broken::Idempotence));
/// ```
pub trait Merge: Wire + PartialEq {
    /// Takes over what `other` knows more.
    fn merge(&mut self, other: &Self);

    /// Whether a value off the wire is one that a peer can have.
    fn is_sound(&self) -> bool {
        true
    }
}

/// Both at once.
impl<A: Merge, B: Merge> Merge for (A, B) {
    fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
        self.1.merge(&other.1);
    }

    fn is_sound(&self) -> bool {
        self.0.is_sound() && self.1.is_sound()
    }
}

/// A value that says a number, and how sure it is of it.
pub trait Measure: Merge {
    /// The number, or `None` while there is none.
    fn measure(&self) -> Option<f64>;

    /// The standard deviation of [`measure`](Self::measure) over its own value.
    fn relative_sd(&self) -> f64;
}

/// What a node brings to each epoch.
pub trait Source: Clone + fmt::Debug {
    /// What spreads.
    type Value: Merge;
    /// What the owner may set.
    type Input: Wire;

    /// Takes a new input for the epochs to come. Returns what of it is to be merged at once, into
    /// the epoch under way.
    ///
    /// # Errors
    ///
    /// If the input is out of bounds.
    fn set(&mut self, input: Self::Input) -> Result<Option<Self::Value>, Refusal>;

    /// This node's value at the start of an epoch.
    fn start<P: Protocol + ?Sized>(&self, epoch: u64, cx: &mut impl Local<P>) -> Self::Value;

    /// This node's value if it joins while an epoch is under way. By default what it brings to
    /// others: it can do no harm. A count leaves it out, or it would be of all that were there at
    /// some time in the epoch, and not at its start.
    fn join<P: Protocol + ?Sized>(&self, epoch: u64, cx: &mut impl Local<P>) -> Self::Value {
        self.start(epoch, cx)
    }

    /// An epoch has ended with this value, at a node that was there for at least half of it.
    fn ended(&mut self, _epoch: u64, _value: &Self::Value) {}

    /// What is told, given what the last finished epoch said. By default that.
    fn combined(&self, last: Estimate) -> Estimate {
        last
    }

    /// Takes out of a partner's value what this node does not believe, such as what is not signed.
    /// `known` is what this node holds in `epoch`, and believes. Returns how much was taken out.
    fn admit(&self, _epoch: u64, _known: &Self::Value, _theirs: &mut Self::Value) -> usize {
        0
    }
}

/// A [`Source`] that brings the same value to every epoch, until another is set. That one is merged
/// at once; what it no longer holds is forgotten with the epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Own<V>(pub V);

impl<V: Merge> Source for Own<V> {
    type Value = V;
    type Input = V;

    fn set(&mut self, input: V) -> Result<Option<V>, Refusal> {
        if !input.is_sound() {
            return Err(Refusal::Invalid("the value must be one that a peer can have"));
        }
        self.0 = input.clone();
        Ok(Some(input))
    }

    fn start<P: Protocol + ?Sized>(&self, _: u64, _: &mut impl Local<P>) -> V {
        self.0.clone()
    }
}

/// The law that a merge does not obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// `a | b == b | a`
    Commutativity,
    /// `(a | b) | c == a | (b | c)`
    Associativity,
    /// `a | a == a`, and `(a | b) | b == a | b`
    Idempotence,
    /// What is merged of sound values is sound.
    Soundness,
    /// What is decoded of an encoding is the value, and equal values have equal encodings.
    Encoding,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commutativity => "a merge must be commutative: a | b == b | a",
            Self::Associativity => "a merge must be associative: (a | b) | c == a | (b | c)",
            Self::Idempotence => "a merge must be idempotent: a | a == a, and (a | b) | b == a | b",
            Self::Soundness => "what is merged of sound values must be sound",
            Self::Encoding => "a value must survive its encoding, and equal ones be encoded alike",
        })
    }
}

impl Error for Broken {}

/// `a | b`
fn joined<M: Merge>(a: &M, b: &M) -> M {
    let mut both = a.clone();
    both.merge(b);
    both
}

/// Checks the laws of [`Merge`] on three values: for property tests, which draw them.
///
/// # Errors
///
/// The first law that is broken.
pub fn check<M: Merge>(a: &M, b: &M, c: &M) -> Result<(), Broken> {
    let ab = joined(a, b);
    let holds = |law, holds| if holds { Ok(()) } else { Err(law) };
    holds(Broken::Commutativity, ab == joined(b, a))?;
    holds(Broken::Associativity, joined(&ab, c) == joined(a, &joined(b, c)))?;
    holds(Broken::Idempotence, joined(a, a) == *a && joined(&ab, b) == ab)?;
    holds(Broken::Soundness, ab.is_sound() || !(a.is_sound() && b.is_sound()))?;
    let encoded = |value: &M| {
        let mut bytes = Vec::new();
        value.encode(&mut bytes);
        bytes
    };
    let same = encoded(&ab) == encoded(&joined(b, a));
    holds(Broken::Encoding, same && M::decode_all(&encoded(&ab)).is_ok_and(|back| back == ab))
}

message! {
    /// The greatest number that any node has brought; the least, if all bring their negatives.
    ///
    /// ```
    /// use gossip_aggregate::merge::{Greatest, Merge};
    /// use gossip_core::Finite;
    ///
    /// let mut one = Greatest(Finite::ZERO);
    /// one.merge(&Greatest(Finite::new(2.5).unwrap()));
    /// assert_eq!(one.0.get(), 2.5);
    /// ```
    #[derive(Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Greatest(
        /// The number.
        pub Finite,
    );
}

impl Merge for Greatest {
    fn merge(&mut self, other: &Self) {
        *self = (*self).max(*other);
    }
}

impl Ranged for Own<Greatest> {
    type Value = Greatest;

    fn brings_within(&self, bounds: &Bounds) -> bool {
        self.lies_within(&self.0, bounds)
    }

    fn lies_within(&self, greatest: &Greatest, bounds: &Bounds) -> bool {
        bounds.contains(greatest.0.get())
    }
}
