//! What HyParView says on the wire.
//!
//! Not a protocol: its messages.

use crate::message;
use crate::wire::{Bounded, Wire};

/// The most peers in a shuffle, besides its origin.
pub const SHUFFLE_MAX: usize = 16;

message! {
    /// What travels. Numbers tie answers to what they answer.
    #[derive(PartialEq)]
    pub enum Message<I: Wire> {
        /// The sender is new here and wants a link: always granted.
        Join(u32),
        /// Somebody is new here: on a random walk of this many further steps, at whose end it gets
        /// a link.
        ForwardJoin(I, u8),
        /// The sender wants a link: always granted if it is urgent, else only into a free place.
        Neighbor(u32, bool),
        /// The link is granted.
        Accept(u32),
        /// The link is refused.
        Refuse(u32),
        /// There is no link, or no longer.
        Disconnect,
        /// The sender has a link here.
        KeepAlive,
        /// Peers known to the origin, on a random walk.
        Shuffle(Walk<I>),
        /// Peers known where the walk ended, straight to the origin.
        ShuffleReply(u32, Bounded<I, SHUFFLE_MAX>),
    }
}

message! {
    /// A shuffle on its way.
    #[derive(PartialEq)]
    pub struct Walk<I: Wire> {
        /// Who began it.
        pub origin: I,
        /// What the origin calls it.
        pub number: u32,
        /// Steps left.
        pub ttl: u8,
        /// Whom the origin tells of, besides itself.
        pub peers: Bounded<I, SHUFFLE_MAX>,
    }
}
