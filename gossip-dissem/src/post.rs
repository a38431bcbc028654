//! What every protocol of this crate passes on: a value with the name of its publication.
//!
//! Not a protocol: the vocabulary that rumor mongering and Plumtree share.

use gossip_core::{PeerId, Wire, message};

message! {
    /// Names a publication: who published it, in which life, as which.
    #[derive(Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct MessageId<I: PeerId> {
        /// Who published it.
        pub origin: I,
        /// A number drawn at the origin's first publication, so that one that lost its state never
        /// names two publications alike.
        pub boot: u32,
        /// Which one of that life, from 0.
        pub sequence: u32,
    }
}

message! {
    /// A publication on its way.
    #[derive(PartialEq)]
    pub struct Post<I: PeerId, V: Wire> {
        /// Its name.
        pub id: MessageId<I>,
        /// Peers it has been passed on by, its origin included.
        pub hops: u16,
        /// Rounds of its life that are over, as counted by those who held it. What is to live
        /// shorter than others begins older.
        pub age: u16,
        /// What it says.
        pub value: V,
    }
}

message! {
    /// What may be asked of a layer that spreads publications. Plumtree sends at once, the median
    /// counter from the next round on.
    #[derive(PartialEq)]
    pub enum Command<V: Wire> {
        /// Spread this.
        Publish(V),
        /// The same, for so many rounds at most: who gets it later refuses it.
        PublishFor {
            /// What.
            value: V,
            /// Its life, at most `age`: all nodes must have the same.
            rounds: u16,
        },
    }
}

/// What the owner of such a layer hears.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<I: PeerId, V: Wire> {
    /// A publication, once. A node is told of its own, too, when it publishes: with 0 hops.
    Delivered {
        /// Its name.
        id: MessageId<I>,
        /// What it says.
        value: V,
        /// How many times it was passed on to get here; 0 at the origin.
        hops: u16,
    },
}
