//! [`Bundle`]: a bounded sequence on the heap, which is cheap to move.

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Bounded, Wire};

/// A sequence of at most `N` elements on the heap: three words in memory.
///
/// On the wire it is a [`Bounded`], and either reads what the other has written. A message that
/// passes through a stack and a driver moves about ten times, and moving this one costs next to
/// nothing; room for it is taken once, and only for as many elements as bytes came. Where messages
/// are few or short, `Bounded` is the simpler choice.
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{Bounded, Bundle, DecodeError, Wire};
///
/// let mut view = Bundle::<u32, 3>::new();
/// assert_eq!(view.fill(7..), 3);
/// assert_eq!(view[..], [7, 8, 9]); // it is a slice
///
/// let mut bytes = Vec::new();
/// view.encode(&mut bytes);
/// assert_eq!(Bounded::decode_all(&bytes), Ok(Bounded::from([7_u32, 8, 9])));
/// assert_eq!(Bundle::decode_all(&bytes), Ok(view));
/// let refused = Bundle::<u32, 2>::decode_all(&bytes);
/// assert_eq!(refused, Err(DecodeError::TooLong { len: 3, limit: 2 }));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bundle<T, const N: usize>(Vec<T>);

impl<T: Wire, const N: usize> Bundle<T, N> {
    /// An empty sequence, with room for `N` elements.
    pub fn new() -> Self {
        const { assert!(T::MIN_LEN >= 1, "an element of a Bundle must take a byte") }
        Self(Vec::with_capacity(N))
    }

    /// Appends from `elements` until the sequence is full or they end; returns how many it took.
    pub fn fill(&mut self, elements: impl IntoIterator<Item = T>) -> usize {
        let before = self.0.len();
        self.0.extend(elements.into_iter().take(N - before));
        self.0.len() - before
    }

    /// Drops all elements, and keeps the room.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T: Wire, const N: usize> Default for Bundle<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Wire, const N: usize> From<Bounded<T, N>> for Bundle<T, N> {
    fn from(elements: Bounded<T, N>) -> Self {
        Self(elements.into_iter().collect())
    }
}

impl<T, const N: usize> Deref for Bundle<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const N: usize> DerefMut for Bundle<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for Bundle<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Wire, const N: usize> Wire for Bundle<T, N> {
    const MAX_LEN: usize = Bounded::<T, N>::MAX_LEN;
    const MIN_LEN: usize = Bounded::<T, N>::MIN_LEN;
    const SHAPE: u32 = Bounded::<T, N>::SHAPE;
}

impl<T: Serialize, const N: usize> Serialize for Bundle<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Wire, const N: usize> Deserialize<'de> for Bundle<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BundleVisitor(PhantomData))
    }
}

struct BundleVisitor<T, const N: usize>(PhantomData<T>);

impl<'de, T: Wire, const N: usize> Visitor<'de> for BundleVisitor<T, N> {
    type Value = Bundle<T, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {N} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // Our decoder has checked the length against the bytes that follow. Other formats may not
        // know it, so each element is counted as well.
        let len = seq.size_hint().unwrap_or(0);
        if len > N {
            return Err(de::Error::invalid_length(len, &self));
        }
        let mut elements = Vec::with_capacity(len);
        while let Some(element) = seq.next_element()? {
            if elements.len() == N {
                return Err(de::Error::invalid_length(N.saturating_add(1), &self));
            }
            elements.push(element);
        }
        Ok(Bundle(elements))
    }
}
