//! Not a protocol: what T-Man says on the wire, to its owner, and is asked by it.

use gossip_core::{Bounded, Leg, PeerId, Profile, Wire, message};

message! {
    /// News of a peer, as it travels.
    #[derive(Copy, PartialEq)]
    pub struct News<I: PeerId, P: Profile> {
        /// The peer.
        pub id: I,
        /// Eighths of a round since the peer said so itself, rounded up each time it is passed on.
        /// What is older than 8,191 rounds is told as just that.
        pub age: u16,
        /// What the peer told of itself.
        pub profile: P,
    }
}

message! {
    /// What an exchange carries: at most `M` descriptors, that of the sender without its name.
    #[derive(PartialEq)]
    pub struct Message<I: PeerId, P: Profile, const M: usize> {
        /// The sender's own profile; its name is its address on the datagram.
        pub profile: P,
        /// Of others.
        pub news: Bounded<News<I, P>, M>,
    }
}

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Talk<I: PeerId, P: Profile, const M: usize> {
        /// A leg of an exchange.
        Exchange(Leg<Message<I, P, M>>),
        /// Do you live? The sender's profile with it.
        Probe(P),
        /// I do. The answerer's profile with it.
        Alive(P),
        /// Start: the broadcast that begins it all.
        Start,
    }
}

message! {
    /// What the owner may ask.
    #[derive(PartialEq)]
    pub enum Command<P: Wire> {
        /// Start, and tell everybody to: one dormant node is asked so.
        Start,
        /// This node's profile is now this.
        Describe(P),
    }
}

/// What the owner hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The links have been the same for [`settled`](super::Config::settled) rounds: this node's
    /// part of the structure stands, as far as it can tell.
    Converged,
    /// A link has changed since.
    Disturbed,
}
