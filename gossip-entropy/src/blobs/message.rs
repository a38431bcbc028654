//! Not a protocol: what names a blob, what travels for it, and what the owner asks and is told.

use gossip_core::message;
use gossip_core::wire::{Blob, TooLarge};
use sha2::{Digest, Sha256};

use crate::config::Secret;

/// Bytes of a chunk; the last one of a blob may be shorter. Our choice: one fits a datagram.
pub const CHUNK: usize = 1_024;

/// How far apart the first and the last chunk of a question may lie.
pub const SPAN: usize = 256;

message! {
    /// A blob's name, which follows from its bytes: what an application stores where the blob would
    /// not fit.
    ///
    /// ```
    /// use gossip_core::Wire;
    /// use gossip_entropy::Secret;
    /// use gossip_entropy::blobs::Reference;
    ///
    /// let reference = Reference::of(b"a picture", Secret::default());
    /// assert_eq!(reference.len, 9);
    /// let mut value = Vec::new();
    /// reference.encode(&mut value);
    /// assert!(value.len() <= Reference::MAX_LEN && Reference::MAX_LEN == 26);
    /// assert_eq!(Reference::decode_all(&value), Ok(reference));
    /// ```
    #[derive(Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Reference {
        /// Bytes of the blob.
        pub len: u64,
        /// The first half of SHA-256 of the group's secret and them.
        pub hash: [u8; 16],
    }
}

impl Reference {
    /// The name of `bytes` among nodes with `secret`. Nobody finds other bytes with the name of
    /// these, whether they know the secret or not.
    pub fn of(bytes: &[u8], secret: Secret) -> Self {
        let mut hasher = Sha256::new_with_prefix(b"gossip_entropy blob 1");
        let [a, b] = secret.0;
        hasher.update(a.to_le_bytes());
        hasher.update(b.to_le_bytes());
        hasher.update(bytes);
        let digest: [u8; 32] = hasher.finalize().into();
        let (halves, _) = digest.as_chunks();
        Self { len: bytes.len() as u64, hash: halves[0] }
    }

    /// How many chunks there are.
    pub(super) const fn chunks(&self) -> u64 {
        self.len.div_ceil(CHUNK as u64)
    }

    /// Bytes of the chunk at `at`; 0 if there is none.
    pub(super) fn chunk_len(&self, at: u16) -> usize {
        let left = self.len.saturating_sub(u64::from(at) * CHUNK as u64);
        usize::try_from(left).unwrap_or(CHUNK).min(CHUNK)
    }
}

/// Proves that who shows it gets what is sent to its address.
pub type Token = [u8; 8];

message! {
    /// What a node says to another.
    #[derive(PartialEq)]
    pub enum Message {
        /// Has the receiver this blob?
        Seek {
            /// Names the question; drawn at random.
            number: u32,
            /// The blob.
            reference: Reference,
        },
        /// It has.
        Has {
            /// The question that this answers.
            number: u32,
            /// To be shown with what is asked next.
            token: Token,
        },
        /// It has not, or no more.
        Lacks {
            /// The question that this answers.
            number: u32,
        },
        /// Send these chunks.
        Ask {
            /// Names the question; drawn at random.
            number: u32,
            /// The blob.
            reference: Reference,
            /// As the receiver gave it.
            token: Token,
            /// The first chunk that may be wanted.
            first: u16,
            /// A bit for each from there on, lowest first, set if it is wanted.
            wanted: [u8; SPAN / 8],
        },
        /// A chunk.
        Chunk {
            /// The question that asked for it.
            number: u32,
            /// Which, from 0.
            at: u16,
            /// What it holds.
            bytes: Blob<CHUNK>,
        },
    }
}

/// The positions that an [`Ask`](Message::Ask) wants, in their order.
///
/// ```
/// use gossip_entropy::blobs::message::positions;
///
/// let mut wanted = [0; 32];
/// (wanted[0], wanted[1]) = (0b101, 0b1);
/// assert!(positions(40, wanted).eq([40, 42, 48]));
/// ```
pub fn positions(first: u16, wanted: [u8; SPAN / 8]) -> impl Iterator<Item = usize> {
    let set = (0..SPAN).filter(move |bit| wanted[bit / 8] & (1 << (bit % 8)) != 0);
    set.map(move |bit| usize::from(first) + bit)
}

message! {
    /// What the owner may ask.
    #[derive(PartialEq)]
    pub enum Command<const BYTES: usize> {
        /// Keep this blob, and serve it to peers.
        Put(Blob<BYTES>),
        /// Fetch the blob of this name from peers that have it.
        Want(Reference),
        /// Keep it no longer, nor fetch it.
        Forget(Reference),
    }
}

impl<const BYTES: usize> Command<BYTES> {
    /// Keeps `bytes`.
    ///
    /// # Errors
    ///
    /// If they are too many; the error names the limit.
    pub fn put(bytes: impl AsRef<[u8]>) -> Result<Self, TooLarge> {
        Ok(Self::Put(Blob::new(bytes)?))
    }
}

/// What a node tells its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A blob that was wanted is here, whole.
    Fetched(Reference),
    /// It is not, and is wanted no more: nobody who was asked has it, or has it right.
    Failed(Reference),
}
