//! Why bytes were refused.

use core::fmt::{self, Write as _};

use serde::de::{self, Expected, Unexpected};

/// Why bytes were refused. At fault is the peer that sent them, or the line.
///
/// Nothing was changed by bytes that were refused; receivers count the [cause](Self::cause).
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{DecodeError, Wire};
///
/// assert_eq!(u32::decode_all(&[0x85]), Err(DecodeError::End));
/// assert_eq!(u32::decode_all(&[0x85, 0x00]), Err(DecodeError::Varint)); // 5 is written 0x05
/// assert_eq!(DecodeError::Varint.cause(), "varint");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeError {
    /// The input ends inside a value.
    End,
    /// A length is above the bound of its type, or above the number of bytes that remain.
    TooLong {
        /// The length that was claimed, in elements or bytes; capped at `usize::MAX`.
        len: usize,
        /// The most that was possible here.
        limit: usize,
    },
    /// A varint has more bytes than its type can need, or more than its value needs.
    Varint,
    /// An integer is outside the range of its type.
    Range,
    /// A boolean is neither 0 nor 1.
    Bool,
    /// The tag of an optional value is neither 0 nor 1.
    Option,
    /// An enum has no variant of this index.
    Tag,
    /// A string is not UTF-8.
    Utf8,
    /// The value is complete, and bytes follow it.
    Trailing {
        /// How many bytes follow.
        left: usize,
    },
    /// A number that must be finite is NaN, infinite, or a negative zero (zero's second encoding).
    NotFinite,
    /// Elements whose order is fixed by their type are not in that order, or repeat.
    Unsorted,
    /// The type asked for has no place on the wire: a map, say. At fault is the code, not the peer.
    Unsupported,
    /// A frame of a layer that this stack does not have. The frame is skipped by its length; the
    /// rest of the datagram stands, so that two versions of a stack interoperate.
    UnknownFrame {
        /// The tag of the frame.
        tag: u16,
    },
    /// A type's own check refused the value.
    Invalid,
}

impl DecodeError {
    /// A short constant name of the cause, for counters.
    ///
    /// # Examples
    ///
    /// ```
    /// use gossip_core::wire::DecodeError;
    ///
    /// assert_eq!(DecodeError::TooLong { len: 9, limit: 4 }.cause(), "too_long");
    /// ```
    pub const fn cause(&self) -> &'static str {
        match self {
            Self::End => "end",
            Self::TooLong { .. } => "too_long",
            Self::Varint => "varint",
            Self::Range => "range",
            Self::Bool => "bool",
            Self::Option => "option",
            Self::Tag => "tag",
            Self::Utf8 => "utf8",
            Self::Trailing { .. } => "trailing",
            Self::NotFinite => "not_finite",
            Self::Unsorted => "unsorted",
            Self::Unsupported => "unsupported",
            Self::UnknownFrame { .. } => "unknown_frame",
            Self::Invalid => "invalid",
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("input ends inside a value"),
            Self::TooLong { len, limit } => {
                write!(f, "length {len} where at most {limit} is possible")
            }
            Self::Varint => f.write_str("varint is not the shortest of its value"),
            Self::Range => f.write_str("integer is outside the range of its type"),
            Self::Bool => f.write_str("boolean is neither 0 nor 1"),
            Self::Option => f.write_str("tag of an optional value is neither 0 nor 1"),
            Self::Tag => f.write_str("enum has no variant of this index"),
            Self::Utf8 => f.write_str("string is not UTF-8"),
            Self::Trailing { left } => write!(f, "{left} bytes follow a complete value"),
            Self::NotFinite => f.write_str("number is NaN, infinite or a negative zero"),
            Self::Unsorted => f.write_str("elements are not in their order"),
            Self::Unsupported => f.write_str("type has no place on the wire"),
            Self::UnknownFrame { tag } => {
                write!(f, "frame of a layer that is not in this stack, tag {tag}")
            }
            Self::Invalid => f.write_str("value was refused by its type"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Visitors speak serde's vocabulary; this is where it becomes causes. A [`Wire`](super::Wire) type
/// with checks of its own says `invalid_value` with `Unexpected::Float` for a number it must not
/// hold, `Unexpected::Seq` for a wrong order, and `invalid_length` for a length above its bound.
impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Invalid
    }

    fn invalid_type(_: Unexpected<'_>, _: &dyn Expected) -> Self {
        Self::Invalid
    }

    fn invalid_value(unexpected: Unexpected<'_>, _: &dyn Expected) -> Self {
        match unexpected {
            Unexpected::Float(_) => Self::NotFinite,
            Unexpected::Seq => Self::Unsorted,
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => Self::Range,
            _ => Self::Invalid,
        }
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        // serde hands the bound over only as prose; the first number in it is the bound.
        let mut number = FirstNumber(None);
        let written = write!(number, "{expected}");
        debug_assert!(written.is_ok(), "FirstNumber never fails");
        match number.0 {
            Some(limit) if limit < len => Self::TooLong { len, limit },
            _ => Self::Invalid,
        }
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self::Tag
    }
}

/// Keeps the first number of what is written to it.
struct FirstNumber(Option<usize>);

impl fmt::Write for FirstNumber {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        if self.0.is_none() {
            let mut words = s.split(|c: char| !c.is_ascii_digit());
            self.0 = words.find_map(|word| word.parse().ok());
        }
        Ok(())
    }
}
