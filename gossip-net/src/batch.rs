//! Datagrams that were received together.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;

/// Datagrams received by one call of the system, in memory that is used again. What a
/// [`Transport`](crate::Transport) fills in [`recv_many`](crate::Transport::recv_many).
///
/// ```
/// use gossip_net::Batch;
///
/// let from = ([127, 0, 0, 1], 9).into();
/// let mut batch = Batch::new(1_200);
/// batch.clear(2, 1_200);
/// batch.slots().nth(1).unwrap()[..5].copy_from_slice(b"hello");
/// batch.push(from, 1_200..1_205);
/// assert_eq!(batch.iter().collect::<Vec<_>>(), [(from, &b"hello"[..])]);
/// ```
#[derive(Default)]
pub struct Batch {
    memory: Vec<u8>,
    slot: usize,
    slots: usize,
    longest: usize,
    arrived: Vec<(SocketAddr, Range<usize>)>,
}

impl Batch {
    /// For datagrams of up to `longest` bytes: what is longer may be cut.
    pub fn new(longest: usize) -> Self {
        Self { longest, ..Self::default() }
    }

    /// The most bytes of a datagram that must come whole.
    pub const fn longest(&self) -> usize {
        self.longest
    }

    /// Forgets what came, and has room for `slots` times `len` bytes.
    pub fn clear(&mut self, slots: usize, len: usize) {
        self.arrived.clear();
        (self.slots, self.slot) = (slots, len.max(1));
        let needed = slots * self.slot;
        if self.memory.len() < needed {
            // Of the system's zeroes: pages that are never written to take no memory.
            self.memory = vec![0; needed];
        }
    }

    /// The slots to receive into. Slot `n` begins at `n` times its length.
    pub fn slots(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.memory.chunks_exact_mut(self.slot).take(self.slots)
    }

    /// Notes that a datagram came from `from`, and where it lies. A place outside of the memory is
    /// an empty one.
    pub fn push(&mut self, from: SocketAddr, place: Range<usize>) {
        self.arrived.push((from, place));
    }

    /// The datagrams, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let bytes = |place: &Range<usize>| self.memory.get(place.clone()).unwrap_or_default();
        self.arrived.iter().map(move |(from, place)| (*from, bytes(place)))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.arrived.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.arrived.is_empty()
    }

    /// Narrows each datagram to the part that `open` returns, or removes it.
    pub(crate) fn open(
        &mut self,
        mut open: impl FnMut(SocketAddr, &mut [u8]) -> Option<Range<usize>>,
    ) {
        let Self { memory, arrived, .. } = self;
        arrived.retain_mut(|(from, place)| {
            let bytes = memory.get_mut(place.clone()).unwrap_or_default();
            let Some(part) = open(*from, bytes) else { return false };
            *place = place.start + part.start..place.start + part.end;
            true
        });
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, slots, longest, .. } = self;
        f.debug_struct("Batch")
            .field("slots", slots)
            .field("slot", slot)
            .field("longest", longest)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
