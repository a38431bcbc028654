//! Reading hostile bytes: a bounded, canonical serde deserializer of postcard's format.
//!
//! postcard's own deserializer was measured to spin for 27 s on 5 bytes, to expand its input 268
//! times, and to accept long varints and trailing bytes. This one reads the same format with these
//! rules, so that the cost of decoding is at most proportional to the datagram:
//!
//! - A length is checked against the bytes that remain before any visitor hears of it, as if every
//!   element took a byte. Elements that take none can therefore not make it spin either.
//! - One value, one encoding: a varint must be the shortest, a boolean or an option's tag 0 or 1.
//! - What has no bound or no single encoding is not on the wire: maps, characters, 128-bit
//!   integers, and everything that needs the format to describe itself.

use serde::de::value::U32Deserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, SeqAccess, VariantAccess, Visitor,
};

use super::DecodeError;

/// A serde deserializer over a slice: postcard's format, bounded and canonical.
///
/// Most code reads through [`Wire::decode`](super::Wire::decode). This type is for what borrows
/// from the input, and so is no `Wire` type.
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{DecodeError, Decoder};
/// use serde::Deserialize;
///
/// let datagram = [2, b'h', b'i', 7];
/// let mut decoder = Decoder::new(&datagram);
/// assert_eq!(<&str>::deserialize(&mut decoder), Ok("hi")); // lent, not copied
/// assert_eq!(decoder.rest(), [7]);
/// assert_eq!(decoder.finish(), Err(DecodeError::Trailing { left: 1 }));
/// ```
#[derive(Clone, Debug)]
pub struct Decoder<'de> {
    rest: &'de [u8],
}

impl<'de> Decoder<'de> {
    /// A decoder at the start of `input`.
    #[inline]
    pub const fn new(input: &'de [u8]) -> Self {
        Self { rest: input }
    }

    /// The bytes not read yet.
    #[inline]
    pub const fn rest(&self) -> &'de [u8] {
        self.rest
    }

    /// Ends decoding: [`DecodeError::Trailing`] if bytes remain.
    #[inline]
    pub const fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { left }),
        }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::End)?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (first, rest) = self.rest.split_first_chunk().ok_or(DecodeError::End)?;
        self.rest = rest;
        Ok(*first)
    }

    /// An unsigned integer of `bits` bits: 7 bits a byte, lowest first, high bit set on all but
    /// the last byte.
    #[inline]
    fn varint(&mut self, bits: u32) -> Result<u64, DecodeError> {
        // Most are small.
        if let Some((&byte @ ..0x80, rest)) = self.rest.split_first() {
            self.rest = rest;
            return Ok(byte.into());
        }
        self.long_varint(bits)
    }

    fn long_varint(&mut self, bits: u32) -> Result<u64, DecodeError> {
        let mut value = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            let (last, room) = (byte & 0x80 == 0, bits - shift);
            if room <= 7 && !last || last && part == 0 && shift > 0 {
                return Err(DecodeError::Varint);
            }
            if room < 7 && part >> room != 0 {
                return Err(DecodeError::Range);
            }
            value |= part << shift;
            if last {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// A signed integer of `bits` bits: a varint of its zigzag form (0, -1, 1, -2, ...).
    fn zigzag(&mut self, bits: u32) -> Result<i64, DecodeError> {
        let value = self.varint(bits)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A length, in bytes or in elements of at least one byte each.
    #[inline]
    fn length(&mut self) -> Result<usize, DecodeError> {
        // 64 bits on every platform, so that all platforms refuse the same inputs.
        let claimed = self.varint(u64::BITS)?;
        let len = usize::try_from(claimed).unwrap_or(usize::MAX);
        let limit = self.rest.len();
        if len > limit { Err(DecodeError::TooLong { len, limit }) } else { Ok(len) }
    }

    fn lend(&mut self) -> Result<&'de [u8], DecodeError> {
        let len = self.length()?;
        let (lent, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::End)?;
        self.rest = rest;
        Ok(lent)
    }

    /// Hands `left` elements to the visitor, which must take them all: otherwise the bytes of those
    /// it leaves would be read as the next value, and one value would have several encodings.
    #[inline]
    fn elements<V: Visitor<'de>>(
        &mut self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let mut elements = Elements { decoder: self, left };
        let value = visitor.visit_seq(&mut elements)?;
        if elements.left == 0 { Ok(value) } else { Err(DecodeError::Invalid) }
    }
}

/// Methods that all refuse: the type has no place on the wire.
macro_rules! unsupported {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, DecodeError> {
            Err(DecodeError::Unsupported)
        }
    )*};
}

/// Methods that read one integer and hand it to the visitor's method of its type.
macro_rules! integers {
    ($($method:ident $visit:ident $read:ident $type:ty;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            // `$read` has checked the range, so that the cast keeps the value.
            visitor.$visit(self.$read(<$type>::BITS)? as $type)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    unsupported! {
        deserialize_any deserialize_ignored_any deserialize_identifier deserialize_map
        deserialize_char deserialize_i128 deserialize_u128
    }

    integers! {
        deserialize_u16 visit_u16 varint u16;
        deserialize_u32 visit_u32 varint u32;
        deserialize_u64 visit_u64 varint u64;
        deserialize_i16 visit_i16 zigzag i16;
        deserialize_i32 visit_i32 zigzag i32;
        deserialize_i64 visit_i64 zigzag i64;
    }

    #[inline]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.byte()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(DecodeError::Bool),
        }
    }

    #[inline]
    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_u8(self.byte()?)
    }

    #[inline]
    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_i8(self.byte()? as i8)
    }

    #[inline]
    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f32(f32::from_le_bytes(self.array()?))
    }

    #[inline]
    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_f64(f64::from_le_bytes(self.array()?))
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let text = core::str::from_utf8(self.lend()?).map_err(|_| DecodeError::Utf8)?;
        visitor.visit_borrowed_str(text)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_borrowed_bytes(self.lend()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.byte()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(DecodeError::Option),
        }
    }

    #[inline]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let left = self.length()?;
        self.elements(left, visitor)
    }

    #[inline]
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.elements(len, visitor)
    }

    #[inline]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(len, visitor)
    }

    #[inline]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_enum(self)
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The elements of a sequence or tuple that are still to come.
struct Elements<'a, 'de> {
    decoder: &'a mut Decoder<'de>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Elements<'_, 'de> {
    type Error = DecodeError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Decoder<'de> {
    type Error = DecodeError;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), DecodeError> {
        let index = self.varint(u32::BITS)? as u32;
        let index: U32Deserializer<DecodeError> = index.into_deserializer();
        // Whatever the seed says of an index it does not know, the cause is the tag.
        seed.deserialize(index).map(|value| (value, self)).map_err(|_| DecodeError::Tag)
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, DecodeError> {
        seed.deserialize(self)
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
