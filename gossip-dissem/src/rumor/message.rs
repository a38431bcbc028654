//! What rumor mongering says on the wire and to its owner, and what it may be asked.
//!
//! Not a protocol: the messages of the one in `rumor.rs`.

use gossip_core::{Bounded, PeerId, Wire, message};

use crate::post::{MessageId, Post};

message! {
    /// What travels. Each rumor is a message of its own; the packer puts several into a datagram.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId, V: Wire> {
        /// A hot rumor: is it needed?
        Push(Post<I, V>),
        /// To a push: whether it was needed. To an answer: that it was not.
        Feedback {
            /// Of which rumor.
            id: MessageId<I>,
            /// Whether the sender did not know it.
            needed: bool,
        },
        /// Send me your hot rumors but these, which I know.
        Ask(Bounded<MessageId<I>, DIGEST>),
        /// To a question: a hot rumor it did not list.
        Answer(Post<I, V>),
        /// A rumor that found room in a datagram of other layers, or that a leaving node hands
        /// over. No feedback is wanted.
        Spare(Post<I, V>),
        /// A hot rumor whose sender has counted so many useless contacts: is it needed? Who spreads
        /// it, too, with fewer does not answer: the contact is its own to count.
        Weigh(Post<I, V>, u16),
    }
}

impl<I: PeerId, V: Wire> Message<I, V> {
    /// The publication it carries, if it carries one.
    pub(super) const fn post(&self) -> Option<&Post<I, V>> {
        match self {
            Self::Push(post) | Self::Answer(post) | Self::Spare(post) | Self::Weigh(post, _) => {
                Some(post)
            }
            _ => None,
        }
    }

    pub(super) const fn post_mut(&mut self) -> Option<&mut Post<I, V>> {
        match self {
            Self::Push(post) | Self::Answer(post) | Self::Spare(post) | Self::Weigh(post, _) => {
                Some(post)
            }
            _ => None,
        }
    }
}

message! {
    /// What the owner may ask.
    #[derive(PartialEq)]
    pub enum Command<I: PeerId, V: Wire> {
        /// Spread this, from the next round on.
        Publish(V),
        /// The same, for so many rounds at most: who gets it later refuses it.
        PublishFor {
            /// What.
            value: V,
            /// Its life, at most `age`: all nodes must have the same.
            rounds: u16,
        },
        /// Spread this again, as if it had been published now: an old rumor that somebody was found
        /// to miss. It is not delivered here. What anti-entropy behind the rumors does when it
        /// finds a difference (the paper's section 1.5); mailing it instead would cost n copies for
        /// each that finds it. Who has forgotten the identifier meanwhile is told once more.
        Reheat(Post<I, V>),
    }
}

/// Rumors a question can list: with identifiers of sockets, 722 bytes of the datagram. Our choice.
pub const DIGEST: usize = 24;

/// What the owner hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<I: PeerId, V: Wire> {
    /// A rumor, once. A node is told of its own, too, when it publishes it: with 0 hops, and with
    /// the name by which its end will be told.
    Delivered {
        /// Its name.
        id: MessageId<I>,
        /// What it says.
        value: V,
        /// How many times it was passed on to get here; 0 at the origin.
        hops: u16,
    },
    /// A rumor published here is no longer spread by this node; others may go on.
    Ended {
        /// Its name.
        id: MessageId<I>,
        /// Copies this node sent.
        sent: u32,
        /// Copies that were needed, as far as is known. If 0, perhaps nobody has heard of it.
        needed: u32,
        /// Why.
        why: Ended,
    },
}

/// Why a rumor is no longer spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Enough contacts knew it.
    LostInterest,
    /// It has reached the bound on its age.
    TooOld,
}
