//! The types everything else is made of: numbers, tuples, addresses, [`Finite`] and [`Nothing`].

use core::cmp::Ordering;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use core::num::NonZeroU64;

use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Wire, shape_of};

/// `type: fewest to most bytes, kind`. The kind tells types of equal lengths apart in the shape.
macro_rules! scalars {
    ($($type:ty: $min:literal to $max:literal, $kind:literal;)*) => {$(
        impl Wire for $type {
            const MAX_LEN: usize = $max;
            const MIN_LEN: usize = $min;
            const SHAPE: u32 = shape_of(&[$kind]);
        }
    )*};
}

scalars! {
    (): 0 to 0, 1;
    bool: 1 to 1, 2;
    u8: 1 to 1, 3;
    u16: 1 to 3, 4;
    u32: 1 to 5, 5;
    u64: 1 to 10, 6;
    i8: 1 to 1, 7;
    i16: 1 to 3, 8;
    i32: 1 to 5, 9;
    i64: 1 to 10, 10;
    f32: 4 to 4, 11;
    f64: 8 to 8, 12;
    Finite: 8 to 8, 13;
    Nothing: 0 to 0, 14;
    Ipv4Addr: 4 to 4, 15;
    Ipv6Addr: 16 to 16, 16;
    IpAddr: 5 to 17, 17;
    // The octets, and the port as a varint. An IPv6 flow label and scope do not travel: they mean
    // something on the sender's host only.
    SocketAddrV4: 5 to 7, 18;
    SocketAddrV6: 17 to 19, 19;
    SocketAddr: 6 to 20, 20;
}

impl<T: Wire> Wire for Option<T> {
    const MAX_LEN: usize = 1 + T::MAX_LEN;
    const MIN_LEN: usize = 1;
    const SHAPE: u32 = shape_of(&[21, T::SHAPE]);
}

macro_rules! tuples {
    ($(($($type:ident)*))*) => {$(
        impl<$($type: Wire),*> Wire for ($($type,)*) {
            const MAX_LEN: usize = 0 $(+ $type::MAX_LEN)*;
            const MIN_LEN: usize = 0 $(+ $type::MIN_LEN)*;
            const SHAPE: u32 = shape_of(&[$($type::SHAPE),*]);
        }
    )*};
}

tuples! { (A) (A B) (A B C) (A B C D) }

/// serde knows arrays up to 32 elements, one length at a time.
macro_rules! arrays {
    ($($n:literal)*) => {$(
        impl<T: Wire> Wire for [T; $n] {
            const MAX_LEN: usize = $n * T::MAX_LEN;
            const MIN_LEN: usize = $n * T::MIN_LEN;
            const SHAPE: u32 = shape_of(&[22, $n, T::SHAPE]);
        }
    )*};
}

arrays! { 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 }

/// The type without a value, where a protocol has no message, no command or no event.
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{DecodeError, Nothing, Wire};
///
/// assert_eq!(Nothing::decode_all(&[]), Err(DecodeError::Tag));
/// assert_eq!(Nothing::MAX_LEN, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Nothing {}

impl fmt::Display for Nothing {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Serialize for Nothing {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        match *self {}
    }
}

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::unknown_variant("", &[]))
    }
}

/// A number that is neither NaN nor infinite; so its values are ordered, and averages of received
/// ones cannot be poisoned by the first kind.
///
/// Zero is always positive zero, because a value has one encoding: [`new`](Self::new) makes it so,
/// and decoding refuses the negative one. Sums and products can leave the finite numbers, and so
/// go through `f64` and `new`.
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{DecodeError, Finite, Wire};
///
/// let load = Finite::new(0.5).unwrap();
/// assert!(load > Finite::ZERO && load.get() == 0.5);
/// assert_eq!(Finite::new(f64::NAN), None);
///
/// let mut bytes = Vec::new();
/// f64::INFINITY.encode(&mut bytes);
/// assert_eq!(Finite::decode_all(&bytes), Err(DecodeError::NotFinite));
/// ```
///
/// It takes eight bytes, and so does an `Option` of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Finite(NonZeroU64);

/// What a number's bits are kept in difference to: those of infinity, which no number has.
const MASK: u64 = f64::INFINITY.to_bits();

impl Finite {
    /// Zero.
    pub const ZERO: Self = match Self::new(0.0) {
        Some(zero) => zero,
        None => panic!("zero is finite"),
    };

    /// The number, or `None` if it is NaN or infinite. Negative zero becomes zero.
    #[inline]
    pub const fn new(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        // The sum of the two zeros is positive zero; no other number changes.
        match NonZeroU64::new((value + 0.0).to_bits() ^ MASK) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0.get() ^ MASK)
    }

    /// The number in the middle between the two: finite, as they are.
    ///
    /// ```
    /// use gossip_core::Finite;
    ///
    /// let large = Finite::new(f64::MAX).unwrap();
    /// assert_eq!(large.midpoint(large), large);
    /// assert_eq!(large.midpoint(Finite::ZERO).get(), f64::MAX / 2.0);
    /// ```
    #[inline]
    #[must_use]
    pub const fn midpoint(self, other: Self) -> Self {
        match Self::new(f64::midpoint(self.get(), other.get())) {
            Some(middle) => middle,
            None => self,
        }
    }
}

// Without NaN and negative zero, equality of the bits is that of the numbers.

impl Default for Finite {
    fn default() -> Self {
        Self::ZERO
    }
}

impl fmt::Debug for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Finite").field(&self.get()).finish()
    }
}

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        self.get().total_cmp(&other.get())
    }
}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Finite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl From<Finite> for f64 {
    fn from(value: Finite) -> Self {
        value.get()
    }
}

impl Serialize for Finite {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.get())
    }
}

impl<'de> Deserialize<'de> for Finite {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_f64(FiniteVisitor)
    }
}

struct FiniteVisitor;

impl Visitor<'_> for FiniteVisitor {
    type Value = Finite;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a finite number, zero without a sign")
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Finite, E> {
        match Finite::new(value) {
            Some(finite) if finite.get().to_bits() == value.to_bits() => Ok(finite),
            _ => Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
    }
}
