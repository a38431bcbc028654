//! What can grow, and how far: [`Bounded`] sequences and [`Blob`]s of bytes.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use arrayvec::{ArrayVec, CapacityError};
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::{Wire, shape_of, varint_len};

/// More elements or bytes than a bound allows. At fault is the caller; nothing was changed.
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{Blob, TooLarge};
///
/// assert_eq!(Blob::<4>::new("hello"), Err(TooLarge { len: 5, limit: 4 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TooLarge {
    /// The length that was asked for, in elements or bytes.
    pub len: usize,
    /// The bound.
    pub limit: usize,
}

impl TooLarge {
    const fn check(len: usize, limit: usize) -> Result<(), Self> {
        if len > limit { Err(Self { len, limit }) } else { Ok(()) }
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "length {} is above the bound of {}", self.len, self.limit)
    }
}

impl core::error::Error for TooLarge {}

/// A sequence of at most `N` elements, held inline: it never allocates.
///
/// Elements that take no bytes are refused at compile time, since a length claim of any size would
/// then be backed by the input:
///
/// ```compile_fail
/// # use gossip_core::wire::Bounded;
/// let units = Bounded::<(), 4>::new(); // error: an element of a Bounded must take a byte
/// ```
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{Bounded, DecodeError, Wire};
///
/// let mut view = Bounded::<u32, 2>::new();
/// assert_eq!((view.push(7), view.push(9), view.push(11)), (Ok(()), Ok(()), Err(11)));
/// assert_eq!(view[..], [7, 9]); // it is a slice
///
/// let mut bytes = Vec::new();
/// view.encode(&mut bytes);
/// assert_eq!(bytes, [2, 7, 9]);
/// assert_eq!(Bounded::decode_all(&bytes), Ok(view));
/// let refused = Bounded::<u32, 2>::decode_all(&[3, 7, 9, 11]);
/// assert_eq!(refused, Err(DecodeError::TooLong { len: 3, limit: 2 }));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bounded<T, const N: usize>(ArrayVec<T, N>);

impl<T: Wire, const N: usize> Bounded<T, N> {
    /// An empty sequence.
    pub fn new() -> Self {
        const { assert!(T::MIN_LEN >= 1, "an element of a Bounded must take a byte") }
        Self(ArrayVec::new())
    }

    /// The most elements it can hold: `N`.
    pub const fn capacity(&self) -> usize {
        N
    }

    /// Whether it holds as many elements as it can.
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// How many more elements it can hold.
    pub fn room(&self) -> usize {
        N - self.0.len()
    }

    /// Appends an element, or gives it back if the sequence is full.
    pub fn push(&mut self, element: T) -> Result<(), T> {
        self.0.try_push(element).map_err(CapacityError::element)
    }

    /// Appends from `elements` until the sequence is full or they end; returns how many it took.
    ///
    /// # Examples
    ///
    /// ```
    /// use gossip_core::wire::Bounded;
    ///
    /// let mut view = Bounded::<u32, 3>::new();
    /// assert_eq!(view.fill(1..), 3);
    /// assert_eq!(view[..], [1, 2, 3]);
    /// ```
    pub fn fill(&mut self, elements: impl IntoIterator<Item = T>) -> usize {
        let before = self.0.len();
        self.0.extend(elements.into_iter().take(N - before));
        self.0.len() - before
    }

    /// Inserts an element before position `at`, or gives it back if the sequence is full or has no
    /// such position.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gossip_core::wire::{Blob, Bounded};
    /// let mut view = Bounded::from([1_u32, 3]);
    /// assert_eq!(view.insert(1, 2), Err(2));
    /// view.pop();
    /// assert_eq!(view.insert(0, 2), Ok(()));
    /// assert_eq!(view[..], [2, 1]);
    /// ```
    pub fn insert(&mut self, at: usize, element: T) -> Result<(), T> {
        if at > self.0.len() {
            return Err(element);
        }
        self.0.try_insert(at, element).map_err(CapacityError::element)
    }

    /// Removes and returns the last element.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    /// Removes and returns the element at position `at`; those behind it move up.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gossip_core::wire::{Blob, Bounded};
    /// let mut view = Bounded::from([1_u32, 2, 3]);
    /// assert_eq!((view.remove(0), view.remove(2)), (Some(1), None));
    /// assert_eq!(view[..], [2, 3]);
    /// ```
    pub fn remove(&mut self, at: usize) -> Option<T> {
        self.0.pop_at(at)
    }

    /// Removes and returns the element at position `at`; the last element takes its place.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gossip_core::wire::{Blob, Bounded};
    /// let mut view = Bounded::from([1_u32, 2, 3]);
    /// assert_eq!((view.swap_remove(0), &view[..]), (Some(1), &[3, 2][..]));
    /// ```
    pub fn swap_remove(&mut self, at: usize) -> Option<T> {
        self.0.swap_pop(at)
    }

    /// Keeps the elements for which `keep` says so, in their order.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.0.retain(|element| keep(element));
    }

    /// Drops the elements from position `len` on.
    pub fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Drops all elements.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<T: Wire, const N: usize> Default for Bounded<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Deref for Bounded<T, N> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const N: usize> DerefMut for Bounded<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for Bounded<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Wire, const N: usize> From<[T; N]> for Bounded<T, N> {
    fn from(elements: [T; N]) -> Self {
        let mut bounded = Self::new();
        bounded.0 = elements.into();
        bounded
    }
}

impl<T: Wire + Clone, const N: usize> TryFrom<&[T]> for Bounded<T, N> {
    type Error = TooLarge;

    fn try_from(elements: &[T]) -> Result<Self, TooLarge> {
        TooLarge::check(elements.len(), N)?;
        let mut bounded = Self::new();
        bounded.fill(elements.iter().cloned());
        Ok(bounded)
    }
}

impl<T: Wire, const N: usize> TryFrom<Vec<T>> for Bounded<T, N> {
    type Error = TooLarge;

    fn try_from(elements: Vec<T>) -> Result<Self, TooLarge> {
        TooLarge::check(elements.len(), N)?;
        let mut bounded = Self::new();
        bounded.fill(elements);
        Ok(bounded)
    }
}

impl<T, const N: usize> IntoIterator for Bounded<T, N> {
    type Item = T;
    type IntoIter = arrayvec::IntoIter<T, N>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a Bounded<T, N> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a mut Bounded<T, N> {
    type Item = &'a mut T;
    type IntoIter = core::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter_mut()
    }
}

impl<T: Wire, const N: usize> Wire for Bounded<T, N> {
    const MAX_LEN: usize = {
        assert!(T::MIN_LEN >= 1, "an element of a Bounded must take a byte");
        varint_len(N) + N * T::MAX_LEN
    };
    const MIN_LEN: usize = 1;
    const SHAPE: u32 = shape_of(&[23, N as u32, T::SHAPE]);
}

impl<T: Serialize, const N: usize> Serialize for Bounded<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de, T: Wire, const N: usize> Deserialize<'de> for Bounded<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(BoundedVisitor(PhantomData))
    }
}

struct BoundedVisitor<T, const N: usize>(PhantomData<T>);

impl<'de, T: Wire, const N: usize> Visitor<'de> for BoundedVisitor<T, N> {
    type Value = Bounded<T, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {N} elements")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        // Our decoder knows the length. Other formats may not, so each push is checked as well.
        if let Some(len) = seq.size_hint().filter(|len| *len > N) {
            return Err(de::Error::invalid_length(len, &self));
        }
        let mut elements = Bounded::new();
        while let Some(element) = seq.next_element()? {
            if elements.push(element).is_err() {
                return Err(de::Error::invalid_length(N.saturating_add(1), &self));
            }
        }
        Ok(elements)
    }
}

/// At most `N` bytes that nobody here interprets, on the heap: two words in memory.
///
/// # Examples
///
/// ```
/// use gossip_core::wire::{Blob, Wire};
///
/// let rumor = Blob::<512>::new("the essay was right").unwrap();
/// assert_eq!(rumor.len(), 19);
/// assert_eq!(rumor.encoded_len(), 20);
/// assert_eq!(Blob::<512>::MAX_LEN, 514);
/// assert_eq!(format!("{rumor:?}"), r#"b"the essay was right""#);
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob<const N: usize>(Box<[u8]>);

impl<const N: usize> Blob<N> {
    /// A copy of `bytes`, or the error if there are more than `N`.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, TooLarge> {
        let bytes = bytes.as_ref();
        TooLarge::check(bytes.len(), N)?;
        Ok(Self(bytes.into()))
    }

    /// The bytes, without a copy.
    ///
    /// # Examples
    ///
    /// ```
    /// # use gossip_core::wire::{Blob, Bounded};
    /// assert_eq!(*Blob::<9>::new("hello").unwrap().into_bytes(), *b"hello");
    /// ```
    pub fn into_bytes(self) -> Box<[u8]> {
        self.0
    }
}

impl<const N: usize> Deref for Blob<N> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> AsRef<[u8]> for Blob<N> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> Borrow<[u8]> for Blob<N> {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl<const N: usize> TryFrom<Vec<u8>> for Blob<N> {
    type Error = TooLarge;

    /// Takes the bytes over; copies them only if the vector has spare capacity.
    fn try_from(bytes: Vec<u8>) -> Result<Self, TooLarge> {
        TooLarge::check(bytes.len(), N)?;
        Ok(Self(bytes.into_boxed_slice()))
    }
}

/// How many bytes of a blob its `Debug` form shows: enough to recognise it in a trace.
const SHOWN: usize = 32;

impl<const N: usize> fmt::Debug for Blob<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN)];
        write!(f, "b\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.0.len() { write!(f, ".. {} bytes", self.0.len()) } else { Ok(()) }
    }
}

impl<const N: usize> Wire for Blob<N> {
    const MAX_LEN: usize = varint_len(N) + N;
    const MIN_LEN: usize = 1;
    const SHAPE: u32 = shape_of(&[24, N as u32]);
}

impl<const N: usize> Serialize for Blob<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Blob<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(BlobVisitor)
    }
}

struct BlobVisitor<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for BlobVisitor<N> {
    type Value = Blob<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {N} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Blob<N>, E> {
        // The bytes are there, and within the bound, before memory is asked for.
        Blob::new(bytes).map_err(|error| E::invalid_length(error.len, &self))
    }

    /// Formats without bytes, as JSON in scenario files, write them as a sequence of numbers.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Blob<N>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            if bytes.len() == N {
                return Err(de::Error::invalid_length(N.saturating_add(1), &self));
            }
            bytes.push(byte);
        }
        Ok(Blob(bytes.into_boxed_slice()))
    }
}
