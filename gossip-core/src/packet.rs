//! The packer: frames of several layers in one bounded datagram.
//!
//! ```text
//! magic (2)  version (1)  cluster id (4)  shape (4)  frame  frame  ...
//! ```
//!
//! Each frame is one message of the stack, which bears its layer's tag and length. A frame of a
//! layer this node does not have is skipped and counted; a damaged one ends the datagram. The shape
//! is a hash of the sender's stack: information, never a reason to refuse.

use alloc::vec::Vec;

use crate::id::hash;
use crate::random::mix;
use crate::wire::Wire;

/// The largest datagram: what crosses the Internet without fragmentation (RFC 9000, section 14).
pub const DATAGRAM: usize = 1_200;

/// Bytes of the header.
pub const HEADER: usize = 11;

/// Bytes kept free for authentication: key id, counter, sender and tag.
pub const SEAL: usize = 33;

/// The most bytes of frames in a datagram of [`DATAGRAM`] bytes.
pub const BUDGET: usize = DATAGRAM - HEADER - SEAL;

const MAGIC: [u8; 2] = [0x67, 0xb5];
const VERSION: u8 = 1;

/// Which system a datagram belongs to: datagrams of another are dropped.
///
/// ```
/// use gossip_core::packet::ClusterId;
/// assert_ne!(ClusterId::named("red"), ClusterId::named("blue"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub(crate) u32);

impl ClusterId {
    /// The id of the cluster called `name`: a hash, which keeps systems apart by mistake, not by
    /// malice.
    pub const fn named(name: &str) -> Self {
        Self(hash(name.as_bytes()) as u32)
    }

    /// The same system begun anew for the `number`th time; 0 is the system itself. What is left of
    /// other generations, in nodes or on the way, is foreign, so a state that must not come back
    /// is left behind without stopping everything at once.
    ///
    /// ```
    /// use gossip_core::packet::ClusterId;
    /// let red = ClusterId::named("red");
    /// assert_eq!(red.generation(0), red);
    /// assert_ne!(red.generation(1), red.generation(2));
    /// assert_ne!(red.generation(1), ClusterId::named("blue").generation(1));
    /// ```
    #[must_use]
    pub const fn generation(self, number: u32) -> Self {
        match number {
            0 => self,
            _ => Self(mix((self.0 as u64) << 32 | number as u64) as u32),
        }
    }
}

/// Why a datagram was refused before any frame was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// Shorter than a header.
    Short,
    /// Not of this protocol family.
    Magic,
    /// Of another version.
    Version(u8),
    /// Of another cluster.
    Cluster(ClusterId),
}

impl Foreign {
    /// Its name in counters.
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Short => "datagram too short",
            Self::Magic => "not a gossip datagram",
            Self::Version(_) => "foreign version",
            Self::Cluster(_) => "foreign cluster",
        }
    }
}

/// The header of a stack's datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The system it belongs to.
    pub cluster: ClusterId,
    /// The hash of the sender's stack.
    pub shape: u32,
}

impl Header {
    /// The header for datagrams of messages `M`.
    pub const fn of<M: Wire>(cluster: ClusterId) -> Self {
        Self { cluster, shape: M::SHAPE }
    }

    /// Appends the header to `out`.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        let [[c0, c1, c2, c3], [s0, s1, s2, s3]] =
            [self.cluster.0, self.shape].map(u32::to_le_bytes);
        let [m0, m1] = MAGIC;
        // At once: every datagram has one.
        let header: [u8; HEADER] = [m0, m1, VERSION, c0, c1, c2, c3, s0, s1, s2, s3];
        out.extend_from_slice(&header);
    }

    /// Reads the header and returns the frames behind it.
    ///
    /// # Errors
    ///
    /// If the datagram is not one of `cluster` in this version.
    ///
    /// ```
    /// use gossip_core::packet::{ClusterId, Foreign, Header};
    ///
    /// let (red, blue) = (ClusterId::named("red"), ClusterId::named("blue"));
    /// let mut datagram = Vec::new();
    /// Header { cluster: red, shape: 7 }.write(&mut datagram);
    /// datagram.extend(b"frames");
    ///
    /// let (header, frames) = Header::read(&datagram, red).unwrap();
    /// assert_eq!((header.shape, frames), (7, &b"frames"[..]));
    /// assert_eq!(Header::read(&datagram, blue), Err(Foreign::Cluster(red)));
    /// assert_eq!(Header::read(b"hello, who is there?", red), Err(Foreign::Magic));
    /// ```
    #[inline]
    pub fn read(datagram: &[u8], cluster: ClusterId) -> Result<(Self, &[u8]), Foreign> {
        let (header, frames) = datagram.split_first_chunk::<HEADER>().ok_or(Foreign::Short)?;
        let &[m0, m1, version, c0, c1, c2, c3, s0, s1, s2, s3] = header;
        if [m0, m1] != MAGIC {
            return Err(Foreign::Magic);
        }
        if version != VERSION {
            return Err(Foreign::Version(version));
        }
        let theirs = ClusterId(u32::from_le_bytes([c0, c1, c2, c3]));
        if theirs != cluster {
            return Err(Foreign::Cluster(theirs));
        }
        let shape = u32::from_le_bytes([s0, s1, s2, s3]);
        Ok((Self { cluster, shape }, frames))
    }
}

/// A datagram ready to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram<I> {
    /// To whom.
    pub to: I,
    /// What.
    pub bytes: Vec<u8>,
    /// Frames in it.
    pub frames: u32,
}

/// Packs messages into datagrams: as many to one peer as fit go together. It is shared by all nodes
/// of a driver, and empty between calls.
#[derive(Clone, Debug)]
pub(crate) struct Packer<I> {
    header: Header,
    /// The most bytes of a datagram, header included.
    limit: usize,
    /// Being built: at most one open datagram a peer, found from the end.
    open: Vec<Datagram<I>>,
    /// Full.
    closed: Vec<Datagram<I>>,
    /// Memory to build in.
    spare: Vec<Vec<u8>>,
}

/// Buffers a packer keeps for reuse: more than most calls send. Our choice.
const SPARE: usize = 16;

impl<I> Default for Packer<I> {
    fn default() -> Self {
        Self {
            header: Header { cluster: ClusterId(0), shape: 0 },
            limit: 0,
            open: Vec::new(),
            closed: Vec::new(),
            spare: Vec::new(),
        }
    }
}

impl<I: Copy + Eq> Packer<I> {
    /// Prepares for the call of a node whose datagrams have this header and limit.
    pub(crate) const fn begin(&mut self, header: Header, limit: usize) {
        self.header = header;
        self.limit = limit;
    }

    /// Adds a message to the datagram being built for `to`, or to a new one.
    /// Returns the message's bytes.
    pub(crate) fn add<M: Wire>(&mut self, to: I, message: &M) -> usize {
        let at = self.find(to).unwrap_or_else(|| self.start(to));
        let datagram = &mut self.open[at];
        let before = datagram.bytes.len();
        message.encode(&mut datagram.bytes);
        datagram.frames += 1;
        let bytes = datagram.bytes.len() - before;
        if datagram.bytes.len() > self.limit && before > HEADER {
            let overflow = datagram.bytes.split_off(before);
            datagram.frames -= 1;
            let next = self.start(to);
            self.open[next].bytes.extend_from_slice(&overflow);
            self.open[next].frames = 1;
            let full = self.open.swap_remove(at);
            self.closed.push(full);
        }
        bytes
    }

    /// Bytes left in the datagram being built for `to`.
    pub(crate) fn room(&self, to: I) -> usize {
        let used = self.find(to).map_or(HEADER, |at| self.open[at].bytes.len());
        self.limit.saturating_sub(used)
    }

    /// The peer of the open datagram number `at`.
    #[inline]
    pub(crate) fn peer(&self, at: usize) -> Option<I> {
        self.open.get(at).map(|datagram| datagram.to)
    }

    /// Moves all datagrams to `out`, full ones first.
    #[inline]
    pub(crate) fn finish(&mut self, out: &mut Vec<Datagram<I>>) {
        if self.closed.is_empty() && out.is_empty() {
            // Nearly always: nothing is copied.
            core::mem::swap(out, &mut self.open);
        } else {
            out.append(&mut self.closed);
            out.append(&mut self.open);
        }
    }

    /// Takes back the memory of a datagram.
    #[inline]
    pub(crate) fn recycle(&mut self, bytes: Vec<u8>) {
        if self.spare.len() < SPARE {
            self.spare.push(bytes);
        }
    }

    #[inline]
    fn find(&self, to: I) -> Option<usize> {
        self.open.iter().rposition(|datagram| datagram.to == to)
    }

    fn start(&mut self, to: I) -> usize {
        let least = self.limit.min(DATAGRAM);
        let mut bytes = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(least));
        bytes.clear();
        self.header.write(&mut bytes);
        self.open.push(Datagram { to, bytes, frames: 0 });
        self.open.len() - 1
    }
}
