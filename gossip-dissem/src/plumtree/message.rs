//! What Plumtree says on the wire.
//!
//! Not a protocol: the messages of the one in `plumtree.rs`.

use gossip_core::{Bounded, PeerId, Wire, message};

use crate::post::{MessageId, Post};

/// Announcements in one message: with identifiers of sockets, 801 bytes of the datagram. Our
/// choice.
pub const ANNOUNCED: usize = 24;

message! {
    /// I have this.
    #[derive(Copy, PartialEq, Eq)]
    pub struct Announcement<I: PeerId> {
        /// What.
        pub id: MessageId<I>,
        /// Over how many hops it came here.
        pub hops: u16,
    }
}

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId, V: Wire> {
        /// The publication itself: the paper's GOSSIP.
        Gossip(Post<I, V>),
        /// What the sender has: the paper's IHAVE.
        Announce {
            /// Which of the sender's announcements: to be acknowledged, unless it is 0.
            batch: u32,
            /// What it has.
            posts: Bounded<Announcement<I>, ANNOUNCED>,
        },
        /// All of this announcement is known, or waited for.
        Acknowledge(u32),
        /// Send me this, and what comes next: the paper's GRAFT.
        Graft(MessageId<I>),
        /// Send me this, which has been lost on its way.
        Request(MessageId<I>),
        /// Send me what comes next in the tree of this, which I have: the paper's GRAFT of nothing,
        /// when links change places.
        Attach(MessageId<I>),
        /// I had this already; do not send me what comes next, announce it: the paper's PRUNE.
        Prune(MessageId<I>),
        /// The publication itself, of an origin that has no tree yet.
        Burst {
            /// What.
            post: Post<I, V>,
            /// How many copies the receiver and those it sends one to are to push.
            copies: u32,
        },
    }
}

impl<I: PeerId, V: Wire> Message<I, V> {
    /// The publication it carries, if it carries one.
    pub(super) const fn post(&self) -> Option<&Post<I, V>> {
        match self {
            Self::Gossip(post) | Self::Burst { post, .. } => Some(post),
            _ => None,
        }
    }

    pub(super) const fn post_mut(&mut self) -> Option<&mut Post<I, V>> {
        match self {
            Self::Gossip(post) | Self::Burst { post, .. } => Some(post),
            _ => None,
        }
    }
}
