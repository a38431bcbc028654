//! What SWIM says on the wire.
//!
//! Not a protocol: its messages.

use crate::membership::state::{Standing, State};
use crate::message;
use crate::wire::{Bounded, Wire};

message! {
    /// What is said of a member.
    #[derive(PartialEq)]
    pub enum Claim<I: Wire, T: Wire> {
        /// It is alive, and its profile is this, in this version of the incarnation.
        Alive(u32, T),
        /// This member got no answer from it.
        Suspected(I),
        /// It is presumed dead.
        Dead,
        /// It said good-bye.
        Left,
    }
}

message! {
    /// A claim about a member.
    #[derive(PartialEq)]
    pub struct Update<I: Wire, T: Wire> {
        /// About whom.
        pub peer: I,
        /// About which of its incarnations.
        pub incarnation: u32,
        /// What.
        pub claim: Claim<I, T>,
    }
}

impl<I: Wire, T: Wire> Update<I, T> {
    /// What would be held of the member by who knew nothing else.
    pub const fn standing(&self) -> Standing {
        let state = match self.claim {
            Claim::Alive(..) => State::Alive,
            Claim::Suspected(_) => State::Suspected,
            Claim::Dead => State::Dead,
            Claim::Left => State::Left,
        };
        Standing::new(self.incarnation, state)
    }
}

message! {
    /// Asks for all that is known.
    #[derive(PartialEq)]
    pub struct Request<I: Wire, T: Wire> {
        /// What the answers must bear.
        pub number: u32,
        /// A digest of the members known to the sender: there is no need to list them to who has
        /// the same.
        pub digest: u64,
        /// Only members beyond this one: earlier answers gave the others.
        pub after: Option<I>,
        /// The sender's own claim to be alive.
        pub own: Update<I, T>,
    }
}

message! {
    /// Where a page of an answer stands.
    #[derive(PartialEq)]
    pub enum Page<I: Wire> {
        /// More pages are on their way.
        Inner,
        /// Ask for what is beyond this member.
        Until(I),
        /// That was all, or all is known already.
        Last,
    }
}

message! {
    /// What travels. Numbers tie answers to what they answer.
    #[derive(PartialEq)]
    pub enum Message<I: Wire, T: Wire, const U: usize> {
        /// Are you there?
        Ping(u32, Bounded<Update<I, T>, U>),
        /// Ask this member whether it is there.
        PingReq(u32, I, Bounded<Update<I, T>, U>),
        /// I am; or: the member you asked about is.
        Ack(u32, Bounded<Update<I, T>, U>),
        /// I am, but the member you asked about has not answered yet.
        Nack(u32),
        /// News in a datagram that had room.
        News(Bounded<Update<I, T>, U>),
        /// Tell me all you know.
        Sync(Request<I, T>),
        /// A page of what is known.
        State(u32, Page<I>, Bounded<Update<I, T>, U>),
    }
}

message! {
    /// What the owner may ask.
    #[derive(Copy, PartialEq, Eq)]
    pub enum Command {
        /// Say good-bye, and go on answering until this many members have acknowledged it: then
        /// [`Event::Gone`](super::Event::Gone) is told, and the node may stop.
        Leave(u8),
    }
}
