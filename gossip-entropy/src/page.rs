//! Not a protocol: what fits a datagram, [`Page`], a sequence bounded by its bytes.
//!
//! Keys and values differ in length. A sequence bounded by the number of its elements would have to
//! assume that all are as long as they may be, and send one where twenty fit.

use core::fmt;
use core::marker::PhantomData;

use alloc::vec::Vec;

use gossip_core::Wire;
use gossip_core::packet::BUDGET;
use gossip_core::stack::FRAME_OVERHEAD;
use gossip_core::wire::{shape_of, varint_len};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// The most bytes of a message: what is left of a datagram for a layer of a stack in a stack, four
/// deep. Our choice.
pub const MESSAGE: usize = BUDGET - 4 * FRAME_OVERHEAD;

/// The most bytes of a page in a message: it leaves room for the page's length (2), the message's
/// kind (1) and the salt (4).
pub const PAGE: usize = MESSAGE - 7;

/// A sequence of elements that take at most `BYTES` bytes together.
///
/// It is kept as it travels, so that reading one off the wire allocates no more than its bytes;
/// every element was checked by then. On the wire: the number of bytes, the elements.
///
/// ```
/// use gossip_core::Wire;
/// use gossip_entropy::Page;
///
/// let mut page = Page::<u32, 5>::new();
/// assert!(page.push(&7) && page.push(&300) && page.push(&9));
/// assert!(!page.push(&300), "one byte is left");
/// assert_eq!(page.iter().collect::<Vec<_>>(), [7, 300, 9]);
///
/// let mut bytes = Vec::new();
/// page.encode(&mut bytes);
/// assert_eq!(bytes, [4, 7, 0xac, 0x02, 9]);
/// assert_eq!(Page::decode_all(&bytes), Ok(page));
/// assert!(Page::<u32, 5>::decode_all(&[2, 7, 0xac]).is_err(), "the last element is cut short");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Page<T, const BYTES: usize> {
    bytes: Vec<u8>,
    element: PhantomData<fn() -> T>,
}

impl<T: Wire, const BYTES: usize> Page<T, BYTES> {
    /// An empty page.
    pub const fn new() -> Self {
        const { assert!(T::MIN_LEN >= 1, "an element of a page must take a byte") }
        Self { bytes: Vec::new(), element: PhantomData }
    }

    /// Appends `element`; or returns false, and nothing has changed, if it does not fit.
    pub fn push(&mut self, element: &T) -> bool {
        self.push_within(element, BYTES)
    }

    /// As [`push`](Self::push), with a narrower bound of `limit` bytes.
    pub fn push_within(&mut self, element: &T, limit: usize) -> bool {
        let before = self.bytes.len();
        element.encode(&mut self.bytes);
        let fits = self.bytes.len() <= limit.min(BYTES);
        if !fits {
            self.bytes.truncate(before);
        }
        fits
    }

    /// The elements.
    pub fn iter(&self) -> impl Iterator<Item = T> {
        let mut rest = &self.bytes[..];
        // The bytes were checked when they came, or written by `push`: decoding does not fail.
        core::iter::from_fn(move || if rest.is_empty() { None } else { T::decode(&mut rest).ok() })
    }

    /// Whether there is nothing in it.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes of the elements.
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl<T: Wire, const BYTES: usize> Default for Page<T, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Wire, const BYTES: usize> fmt::Debug for Page<T, BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Wire, const BYTES: usize> Wire for Page<T, BYTES> {
    const MAX_LEN: usize = varint_len(BYTES) + BYTES;
    const MIN_LEN: usize = 1;
    const SHAPE: u32 = shape_of(&[0x7061_6765, BYTES as u32, T::SHAPE]);
}

impl<T: Wire, const BYTES: usize> Serialize for Page<T, BYTES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes)
    }
}

impl<'de, T: Wire, const BYTES: usize> Deserialize<'de> for Page<T, BYTES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(PageVisitor(PhantomData))
    }
}

struct PageVisitor<T, const BYTES: usize>(PhantomData<T>);

impl<T: Wire, const BYTES: usize> Visitor<'_> for PageVisitor<T, BYTES> {
    type Value = Page<T, BYTES>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "elements in at most {BYTES} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        if bytes.len() > BYTES {
            return Err(E::invalid_length(bytes.len(), &self));
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            T::decode(&mut rest).map_err(E::custom)?;
        }
        Ok(Page { bytes: bytes.into(), element: PhantomData })
    }
}
