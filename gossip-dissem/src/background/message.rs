//! What background dissemination says on the wire and to its owner, and what it may be asked.
//!
//! Not a protocol: the messages of the one in `background.rs`.

use gossip_core::{PeerId, Wire, message};

message! {
    /// What a node says of itself, on its way. Each is a message of its own; the packer puts
    /// several into a datagram.
    #[derive(PartialEq)]
    pub struct Entry<I: PeerId, V: Wire> {
        /// Who says it.
        pub origin: I,
        /// The newest wins.
        pub version: u64,
        /// Rounds since the origin made this version.
        pub age: u16,
        /// What it says.
        pub value: V,
    }
}

message! {
    /// What the owner may ask.
    #[derive(PartialEq)]
    pub enum Command<V: Wire> {
        /// Say this of this node, from the next round on.
        Set(V),
        /// Say nothing any more: what was said expires everywhere.
        Clear,
    }
}

/// What the owner hears. Hints: what counts is what can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<I: PeerId> {
    /// A node says something new of itself, or is new here.
    Changed {
        /// Who.
        origin: I,
    },
    /// Nothing was heard of a node for too long, or there was no room for it.
    Expired {
        /// Of whom.
        origin: I,
    },
}
