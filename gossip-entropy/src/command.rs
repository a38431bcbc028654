//! Not a protocol: what the owner of a replica may ask, and what it is told.

use gossip_core::wire::{Blob, TooLarge};
use gossip_core::{PeerId, message};

use crate::stamp::Stamp;

message! {
    /// What the owner of a replica may ask.
    #[derive(PartialEq)]
    pub enum Command<const KEY: usize, const VALUE: usize> {
        /// The key has this value from now on.
        Set {
            /// The key.
            key: Blob<KEY>,
            /// The value.
            value: Blob<VALUE>,
        },
        /// The key has no value from now on.
        Delete {
            /// The key.
            key: Blob<KEY>,
        },
        /// Tell of changes of keys with this prefix; before the first such command, all are told.
        /// At most 64 prefixes: more are refused with [`Refusal::Full`].
        Subscribe {
            /// How the keys begin.
            prefix: Blob<KEY>,
        },
        /// Tell of this prefix no more; with no prefix left, no change is told.
        Unsubscribe {
            /// As subscribed.
            prefix: Blob<KEY>,
        },
    }
}

impl<const KEY: usize, const VALUE: usize> Command<KEY, VALUE> {
    /// Sets `key` to `value`.
    ///
    /// # Errors
    ///
    /// If either is too long; the error names the limit.
    ///
    /// ```
    /// use gossip_entropy::Command;
    ///
    /// assert!(Command::<8, 64>::set("colour", "green").is_ok());
    /// assert_eq!(Command::<8, 64>::set("the colour", "green").unwrap_err().limit, 8);
    /// ```
    pub fn set(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Self, TooLarge> {
        Ok(Self::Set { key: Blob::new(key)?, value: Blob::new(value)? })
    }

    /// Deletes `key`.
    ///
    /// # Errors
    ///
    /// If it is too long; the error names the limit.
    pub fn delete(key: impl AsRef<[u8]>) -> Result<Self, TooLarge> {
        Ok(Self::Delete { key: Blob::new(key)? })
    }
}

/// What a replica tells its owner.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<I: PeerId, const KEY: usize> {
    /// A peer told of a newer state of a key, and this replica has taken it. The owner's own writes
    /// are not told: their receipt says it.
    Changed {
        /// The key; [`Replica::get`](crate::Replica::get) reads its value.
        key: Blob<KEY>,
        /// Who wrote it, and when.
        stamp: Stamp<I>,
        /// Whether it was deleted.
        deleted: bool,
    },
    /// Nobody was heard for longer than deletions are remembered. What is older than that is
    /// [set aside](crate::Replica::aside), until a peer sends it again or the owner decides.
    SetAside {
        /// How many entries.
        entries: usize,
    },
}
