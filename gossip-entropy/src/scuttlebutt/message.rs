//! What Scuttlebutt says on the wire.
//!
//! Not a protocol: the messages of the one in `scuttlebutt.rs`.

use gossip_core::wire::{Blob, Finite, TooLarge};
use gossip_core::{PeerId, message};

use crate::page::{MESSAGE, Page};

/// Bytes of what is known, or of deltas, in a message: what else is in it takes 64 at most.
pub const ROOM: usize = MESSAGE - 64;

message! {
    /// How far an origin is known.
    #[derive(Copy, PartialEq)]
    pub struct Known<I: PeerId> {
        /// The origin.
        pub origin: I,
        /// Its life: a later one knows nothing of what was said in this.
        pub generation: u64,
        /// The highest version.
        pub version: u64,
    }
}

message! {
    /// How far the origins in a range of names are known: those that are not here, not at all. The
    /// range may go on from the highest name to the lowest.
    #[derive(PartialEq)]
    pub struct Digest<I: PeerId> {
        /// The first name; `None`: from the lowest.
        pub from: Option<I>,
        /// The last name; `None`: all that there are.
        pub to: Option<I>,
        /// Those that are known.
        pub known: Page<Known<I>, ROOM>,
    }
}

message! {
    /// One change of one key.
    #[derive(PartialEq)]
    pub struct Delta<I: PeerId, const KEY: usize, const VALUE: usize> {
        /// Who has changed it.
        pub origin: I,
        /// In which life.
        pub generation: u64,
        /// What comes before it: who does not know that must not take this.
        pub after: u64,
        /// Its version.
        pub version: u64,
        /// The key.
        pub key: Blob<KEY>,
        /// The value; `None`: it was removed.
        pub value: Option<Blob<VALUE>>,
    }
}

message! {
    /// Updates a round: what a node makes, and what it may make.
    #[derive(Copy, PartialEq)]
    pub struct Rates {
        /// Made.
        pub made: Finite,
        /// May be made.
        pub most: Finite,
    }
}

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId, const KEY: usize, const VALUE: usize> {
        /// Opens an exchange.
        Ask(Digest<I>, Rates),
        /// The digest of the one who was asked, over the same range, and what the other may make
        /// from now on.
        Answer(Digest<I>, Finite),
        /// What the other lacks; whether there is more of it than may be sent.
        Deltas(Page<Delta<I, KEY, VALUE>, ROOM>, bool),
    }
}

message! {
    /// What the owner may ask.
    #[derive(PartialEq)]
    pub enum Command<const KEY: usize, const VALUE: usize> {
        /// This node's key has this value from now on.
        Set(Blob<KEY>, Blob<VALUE>),
        /// This node's key has no value from now on.
        Remove(Blob<KEY>),
    }
}

impl<const KEY: usize, const VALUE: usize> Command<KEY, VALUE> {
    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// If one of them is too long; the error names the limit.
    pub fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Self, TooLarge> {
        Ok(Self::Set(Blob::new(key)?, Blob::new(value)?))
    }

    /// Removes `key`.
    ///
    /// # Errors
    ///
    /// If it is too long; the error names the limit.
    pub fn remove(key: impl AsRef<[u8]>) -> Result<Self, TooLarge> {
        Ok(Self::Remove(Blob::new(key)?))
    }
}
