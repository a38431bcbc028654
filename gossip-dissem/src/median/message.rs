//! What median-counter rumors say on the wire.
//!
//! Not a protocol: the messages of the one in `median.rs`.

use gossip_core::{PeerId, Wire, message};

use crate::post::Post;

message! {
    /// How far a rumor has come at a node that spreads it. The later stage is the greater one.
    #[derive(Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Stage {
        /// The paper's B, with its counter m from 1 on.
        Spreading(u16),
        /// The paper's C, and rounds so far.
        Cooling(u16),
    }
}

impl Stage {
    pub(super) const fn is_cooling(self) -> bool {
        matches!(self, Self::Cooling(_))
    }

    /// In which stage one that heard it from one in this stage begins.
    pub(super) const fn of_next(self) -> Self {
        match self {
            Self::Spreading(_) => Self::Spreading(1),
            Self::Cooling(_) => Self::Cooling(0),
        }
    }
}

message! {
    /// What travels. Each rumor is a message of its own; the packer puts several into a datagram.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId, V: Wire> {
        /// With a call: a rumor that the caller spreads.
        Push(Post<I, V>, Stage),
        /// Send me what you spread.
        Call,
        /// To a call: a rumor that the one called spreads.
        Answer(Post<I, V>, Stage),
    }
}

impl<I: PeerId, V: Wire> Message<I, V> {
    /// The publication it carries, if it carries one.
    pub(super) const fn post(&self) -> Option<&Post<I, V>> {
        match self {
            Self::Push(post, _) | Self::Answer(post, _) => Some(post),
            Self::Call => None,
        }
    }

    pub(super) const fn post_mut(&mut self) -> Option<&mut Post<I, V>> {
        match self {
            Self::Push(post, _) | Self::Answer(post, _) => Some(post),
            Self::Call => None,
        }
    }
}
