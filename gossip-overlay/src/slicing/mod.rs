//! Ordered slicing: every node learns which slice of the system it is in, such as the tenth with
//! the most memory, by comparing itself with others.
//!
//! | Module | How | Tracks correlated churn | Ends |
//! |---|---|---|---|
//! | [`jk`] | random values are swapped until sorted as attributes are | no | at a floor |
//! | [`mod_jk`] | the same, by the swap that orders most | no | there, sooner |
//! | [`ranking`] | counts all comparisons, or the last W | with a window | error 1/sqrt(seen) |
//! | [`sliver`] | remembers distinct peers for a while | yes | exact if it knows all |
//!
//! All tell their owner where they are by an [`Event`], and layers above read [`Sliced`], which
//! tells a node's [`Health`] as well; [`metrics`] measures how far from sorted nodes are, and how
//! many slices off.
//!
//! Not a protocol: what slicing protocols share.

mod health;
pub mod jk;
pub mod metrics;
pub mod mod_jk;
pub mod ranking;
mod slices;
pub mod sliver;

use core::fmt;

use gossip_core::{Finite, ParameterError, Random, message};

pub use health::Health;
pub use jk::Jk;
pub use mod_jk::ModJk;
pub use ranking::Ranking;
pub use slices::{Sliced, Slices, samples_needed};
pub use sliver::Sliver;

message! {
    /// A value in (0, 1]: where a node believes that it stands among all.
    ///
    /// A fixed-point fraction, (k + 1) / 2^32: every encoding is a number in (0, 1], so the wire
    /// can carry no other, nor anything that is not a number; and slice boundaries are exact.
    ///
    /// ```
    /// use gossip_core::Wire;
    /// use gossip_overlay::slicing::Value;
    ///
    /// assert_eq!(Value::nearest(0.25).get(), 0.25);
    /// assert_eq!(Value::nearest(1.0).get(), 1.0);
    /// assert!(Value::nearest(-3.0).get() > 0.0);
    /// assert_eq!(Value::MAX_LEN, 5);
    /// ```
    #[derive(Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Value(u32);
}

impl Value {
    /// Drawn uniformly.
    pub const fn draw(random: &mut Random) -> Self {
        Self((random.next_u64() >> 32) as u32)
    }

    /// The value nearest to `fraction`; the least for NaN.
    pub fn nearest(fraction: f64) -> Self {
        // The conversion saturates at both ends, and makes NaN zero.
        Self((libm::round(fraction * TWO_32) - 1.0) as u32)
    }

    /// The fraction, in (0, 1].
    pub const fn get(self) -> f64 {
        (self.0 as f64 + 1.0) / TWO_32
    }

    /// Which of `slices` equal slices it lies in, from 0. Slice b is (b / k, (b + 1) / k]: as
    /// values are in (0, 1], a boundary belongs to the slice below it, and the last slice has no
    /// excess.
    ///
    /// ```
    /// use gossip_overlay::slicing::Value;
    ///
    /// let slices = [0.1, 0.25, 0.2501, 1.0].map(|r| Value::nearest(r).slice(4));
    /// assert_eq!(slices, [0, 0, 1, 3]);
    /// ```
    pub const fn slice(self, slices: u32) -> u32 {
        (((self.0 as u64 + 1) * slices as u64).saturating_sub(1) >> 32) as u32
    }
}

const TWO_32: f64 = (1_u64 << 32) as f64;

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

message! {
    /// What a node's descriptors tell of it, for samplers below a slicing layer.
    #[derive(Copy, PartialEq)]
    pub struct Profile {
        /// What nodes are sorted by.
        pub attribute: Finite,
        /// Where it believes that it stands; none while it cannot say.
        pub value: Option<Value>,
    }
}

message! {
    /// What the owner may ask.
    #[derive(Copy, PartialEq)]
    pub enum Command {
        /// The attribute is now this.
        SetAttribute(Finite),
    }
}

/// What the owner hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// This node believes to be in another slice now.
    Moved {
        /// Where it was before; none at the start.
        from: Option<u32>,
        /// Where it is.
        to: u32,
    },
    /// The slice has been the same for 8 rounds, and is right with .9 or more, as
    /// [`Health::right`] says.
    Converged,
    /// It has changed since, or the attribute has.
    Disturbed,
}

/// The attribute, if it can be one.
fn checked(attribute: f64) -> Result<Finite, ParameterError> {
    let error = ParameterError::new("attribute x", attribute, "of the user's unit", "finite");
    Finite::new(attribute).ok_or(error)
}
