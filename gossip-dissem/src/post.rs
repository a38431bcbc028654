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
