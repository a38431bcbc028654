//! What heartbeats say on the wire.
//!
//! Not a protocol: its messages.

use crate::message;
use crate::wire::{Bounded, Wire};

message! {
    /// What a member says of itself, however it came here.
    #[derive(PartialEq)]
    pub struct Beat<I: Wire, T: Wire> {
        /// Who.
        pub peer: I,
        /// Its incarnation.
        pub incarnation: u32,
        /// Its heartbeat counter in this incarnation.
        pub count: u32,
        /// What else.
        pub word: Word<T>,
    }
}

message! {
    /// What a member says besides being there.
    #[derive(PartialEq)]
    pub enum Word<T: Wire> {
        /// Its profile, and the version of that.
        Here(u32, T),
        /// Good-bye.
        Left,
    }
}

message! {
    /// What travels: the sender's own beat first, then some of others.
    #[derive(PartialEq)]
    pub enum Message<I: Wire, T: Wire, const U: usize> {
        /// Heartbeats.
        Tell(Bounded<Beat<I, T>, U>),
        /// Heartbeats, and a question that wants an answer with this number.
        Ask(u32, Bounded<Beat<I, T>, U>),
        /// The answer.
        Answer(u32, Bounded<Beat<I, T>, U>),
    }
}
