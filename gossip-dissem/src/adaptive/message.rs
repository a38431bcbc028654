//! What adaptive dissemination says on the wire.
//!
//! Not a protocol: the messages of the one in `adaptive.rs`.

use gossip_core::{Bounded, PeerId, Wire, message};

use crate::post::{MessageId, Post};

/// Names in a message: with identifiers of sockets, 722 bytes of the datagram. Our choice.
pub const NAMES: usize = 24;

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId, V: Wire> {
        /// A publication by the tree: pass it on below this height of the hierarchy.
        Tree(Post<I, V>, u8),
        /// To that: it has come.
        Here(MessageId<I>),
        /// What the sender has: gossip, after the tree.
        Names(Bounded<MessageId<I>, NAMES>),
        /// Send me this, which you have named.
        Request(MessageId<I>),
        /// To a request.
        Answer(Post<I, V>),
    }
}

impl<I: PeerId, V: Wire> Message<I, V> {
    /// The publication it carries, if it carries one.
    pub(super) const fn post(&self) -> Option<&Post<I, V>> {
        match self {
            Self::Tree(post, _) | Self::Answer(post) => Some(post),
            _ => None,
        }
    }

    pub(super) const fn post_mut(&mut self) -> Option<&mut Post<I, V>> {
        match self {
            Self::Tree(post, _) | Self::Answer(post) => Some(post),
            _ => None,
        }
    }
}
