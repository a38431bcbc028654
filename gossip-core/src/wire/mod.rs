//! What travels: bounded values, one encoding each, in postcard's format.
//!
//! A type that travels is a [`Wire`] type: the most and the fewest bytes its encoding can take are
//! constants, so that a stack knows at compile time that its messages fit a datagram.
//! [`message!`](crate::message) declares such types and writes those constants; what can grow is
//! [`Bounded`] or a [`Blob`]. postcard encodes. Decoding is our own ([`Decoder`]): hostile bytes
//! never panic, never cost more than the datagram, and a value that decodes encodes to the very
//! bytes it came from.
//!
//! | Type | Bytes | Fewest to most |
//! |---|---|---|
//! | `()`, [`Nothing`] | none | 0 |
//! | `bool`, `u8`, `i8` | the byte | 1 |
//! | `u16`, `u32`, `u64` | varint, 7 bits a byte, lowest first | 1 to 3, 5, 10 |
//! | `i16`, `i32`, `i64` | the same of the zigzag form | 1 to 3, 5, 10 |
//! | `f32`, `f64`, [`Finite`] | IEEE 754, little-endian | 4, 8, 8 |
//! | `Option<T>` | a byte 0, or a byte 1 and the value | 1 to 1 + `T` |
//! | tuples to four, arrays to 32 | the elements | sum |
//! | [`Bounded`], [`Blob`] | varint of the length, the elements | 1 to varint + `N` times `T` |
//! | IP and socket addresses | octets in network order, port as varint | see `MAX_LEN` |
//!
//! Types may not contain themselves: their `MAX_LEN` would be infinite, and the compiler says so.
//! `Box` is not a `Wire` type, because it would let few bytes allocate much memory; and behind a
//! box of the user's own making a recursion still fails to build:
//!
//! ```compile_fail
//! # use gossip_core::{message, wire::Wire};
//! # use serde::{Deserialize, Serialize};
//! #[derive(Clone, Debug, Serialize, Deserialize)]
//! #[serde(bound = "")]
//! struct Heap<T: Wire>(Box<T>);
//! impl<T: Wire> Wire for Heap<T> {
//!     const MAX_LEN: usize = T::MAX_LEN;
//!     const MIN_LEN: usize = T::MIN_LEN;
//! }
//! message! {
//!     /// A list without end.
//!     pub struct List { rest: Option<Heap<List>> } // error: cycle in `MAX_LEN`
//! }
//! let _ = List::decode_all(&[0]);
//! ```
//!
//! The same with `rest: Option<Heap<u32>>` builds:
//!
//! ```
//! # use gossip_core::{message, wire::Wire};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Clone, Debug, Serialize, Deserialize)]
//! # #[serde(bound = "")]
//! # struct Heap<T: Wire>(Box<T>);
//! # impl<T: Wire> Wire for Heap<T> {
//! #     const MAX_LEN: usize = T::MAX_LEN;
//! #     const MIN_LEN: usize = T::MIN_LEN;
//! # }
//! # message! {
//! #     /// A list with an end.
//! #     pub struct List { rest: Option<Heap<u32>> }
//! # }
//! assert!(List::decode_all(&[0]).is_ok_and(|list| list.rest.is_none()));
//! ```

mod bounded;
mod decode;
mod error;
mod message;
mod scalar;

use alloc::vec::Vec;
use core::fmt::Debug;

use postcard::ser_flavors::{Flavor, Size};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use bounded::{Blob, Bounded, TooLarge};
pub use decode::Decoder;
pub use error::DecodeError;
#[doc(hidden)]
pub use message::{__enum_max_len, __enum_min_len};
pub use scalar::{Finite, Nothing};

/// A value that travels: bounded, one encoding, postcard's format.
///
/// [`message!`](crate::message) implements it for structs and enums of such values, and is the way
/// to get an implementation. Who writes one by hand promises that no encoding is longer than
/// [`MAX_LEN`](Self::MAX_LEN) or shorter than [`MIN_LEN`](Self::MIN_LEN), that `Serialize` never
/// fails, and that `Deserialize` accepts exactly what `Serialize` writes: one value, one encoding.
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{DecodeError, Wire};
///
/// let mut bytes = Vec::new();
/// (300_u16, true).encode(&mut bytes);
/// assert_eq!(bytes, [0xac, 0x02, 1]);
/// assert_eq!((300_u16, true).encoded_len(), 3);
/// assert_eq!(<(u16, bool)>::MAX_LEN, 4);
///
/// assert_eq!(<(u16, bool)>::decode_all(&bytes), Ok((300, true)));
/// assert_eq!(<(u16, bool)>::decode_all(&bytes[..2]), Err(DecodeError::End));
/// ```
pub trait Wire: Clone + Debug + Serialize + DeserializeOwned {
    /// The most bytes an encoding can take.
    const MAX_LEN: usize;

    /// The fewest bytes an encoding can take.
    const MIN_LEN: usize;

    /// A hash of the layout. Peers whose hashes differ cannot read all of each other's values;
    /// equal hashes promise nothing. The hash is for reporting, never for refusing.
    const SHAPE: u32 = shape(Self::MAX_LEN, Self::MIN_LEN);

    /// The layer whose message this is, if it is a frame of a [stack](crate::stack!); else empty.
    fn layer(&self) -> &'static str {
        ""
    }

    /// Appends the encoding to `out`.
    ///
    /// Never fails: a `Wire` value has an encoding, and memory for at most
    /// [`MAX_LEN`](Self::MAX_LEN) bytes is there. If an implementation by hand breaks its promise,
    /// debug builds panic, and release builds leave `out` as it was.
    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let done = postcard::serialize_with_flavor(self, Append(out));
        debug_assert!(done.is_ok(), "a Wire type did not serialise: {done:?}");
        if done.is_err() {
            out.truncate(start);
        }
        debug_assert!(
            (Self::MIN_LEN..=Self::MAX_LEN).contains(&(out.len() - start)),
            "{} bytes, and not {} to {}",
            out.len() - start,
            Self::MIN_LEN,
            Self::MAX_LEN
        );
    }

    /// The length of the encoding in bytes, without writing it.
    fn encoded_len(&self) -> usize {
        let len = postcard::serialize_with_flavor(self, Size::default());
        debug_assert!(len.is_ok(), "a Wire type did not serialise: {len:?}");
        // As `encode`, which appends nothing in this case.
        len.unwrap_or(0)
    }

    /// Reads a value from the start of `input`, and advances `input` past it.
    ///
    /// Never panics. On an error, which names what is wrong with the bytes, `input` is as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use gossip_core::wire::{DecodeError, Wire};
    ///
    /// let mut input = &[0xac, 0x02, 9][..];
    /// assert_eq!(u16::decode(&mut input), Ok(300));
    /// assert_eq!(bool::decode(&mut input), Err(DecodeError::Bool));
    /// assert_eq!(input, [9]);
    /// ```
    fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        // Also makes the compiler compute the bounds: a recursive type has none, and a sequence of
        // zero-sized elements asserts in its own.
        const { assert!(Self::MIN_LEN <= Self::MAX_LEN, "the bounds of a Wire type are reversed") }
        let mut decoder = Decoder::new(input);
        let value = Self::deserialize(&mut decoder)?;
        *input = decoder.rest();
        Ok(value)
    }

    /// Reads a value that is all of `bytes`: [`DecodeError::Trailing`] if bytes follow it.
    fn decode_all(mut bytes: &[u8]) -> Result<Self, DecodeError> {
        let value = Self::decode(&mut bytes)?;
        Decoder::new(bytes).finish()?;
        Ok(value)
    }
}

/// Appends what postcard writes to a vector the caller owns.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// How many bytes the varint of `value` takes: 7 bits a byte, and at least one byte.
///
/// # Examples
///
/// ```
/// use gossip_core::wire::varint_len;
///
/// assert_eq!((varint_len(0), varint_len(127), varint_len(128)), (1, 1, 2));
/// ```
pub const fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - value.leading_zeros();
    if bits == 0 { 1 } else { bits.div_ceil(7) as usize }
}

/// The hash of a layout of which only the bounds are known: the default [`Wire::SHAPE`].
///
/// # Examples
///
/// ```
/// use gossip_core::wire::shape;
///
/// assert_ne!(shape(5, 1), shape(10, 1));
/// ```
pub const fn shape(max_len: usize, min_len: usize) -> u32 {
    shape_of(&[max_len as u32, min_len as u32])
}

/// The hash of a layout made of parts, in their order.
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{Wire, shape_of};
///
/// assert_ne!(shape_of(&[u8::SHAPE, u16::SHAPE]), shape_of(&[u16::SHAPE, u8::SHAPE]));
/// ```
pub const fn shape_of(parts: &[u32]) -> u32 {
    // The length first, so that nested parts do not hash as their concatenation would.
    let mut hash = 0x811c_9dc5 ^ parts.len() as u32;
    let mut i = 0;
    while i < parts.len() {
        // Multiplication spreads upwards, the shift back down; each step is a bijection.
        hash = (hash.rotate_left(5) ^ parts[i]).wrapping_mul(0x9e37_79b1);
        hash ^= hash >> 15;
        i += 1;
    }
    hash
}
