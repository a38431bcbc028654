//! What Fireflies says on the wire.
//!
//! Not a protocol: its messages, each within a datagram with Ed25519 and socket addresses.

use super::note::{Accusation, Note};
use crate::auth::{Credential, Verifier};
use crate::id::PeerId;
use crate::message;
use crate::wire::Bounded;

/// Notes in a message: of 216 bytes with Ed25519.
pub(super) const NOTES: usize = 3;

/// Accusations in a message: of 110 bytes with Ed25519.
pub(super) const ACCUSATIONS: usize = 4;

/// Prints in a digest.
pub(super) const PRINTS: usize = 128;

message! {
    /// Notes and accusations, which prove themselves.
    #[derive(PartialEq)]
    pub struct News<I: PeerId, K: Credential, S: Credential> {
        /// Notes.
        pub notes: Bounded<Note<I, K, S>, NOTES>,
        /// Accusations.
        pub accusations: Bounded<Accusation<I, S>, ACCUSATIONS>,
    }
}

message! {
    /// What the sender knows of some members: send me what I lack.
    #[derive(PartialEq)]
    pub struct Digest<I: PeerId> {
        /// What prints are made with: another each time, so that nobody can prepare two names with
        /// the same print.
        pub salt: u64,
        /// It is about members beyond this one.
        pub after: Option<I>,
        /// And up to this one.
        pub until: Option<I>,
        /// One print for each that is known: 18 bits for its name, 3 for which rings it disables,
        /// 10 of its epoch, and whether it is accused.
        pub prints: Bounded<u32, PRINTS>,
    }
}

message! {
    /// What travels.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId, K: Credential, S: Credential> {
        /// Are you there? With the sender's number.
        Ping(u32),
        /// I am: the number, signed together with both addresses.
        Pong(u32, S),
        /// What is known.
        News(News<I, K, S>),
        /// What is lacking?
        Digest(Digest<I>),
        /// I know that you leave.
        Heard,
    }
}

pub(super) type NoteOf<I, A> = Note<I, <A as Verifier>::Key, <A as Verifier>::Signature>;
pub(super) type MessageOf<I, A> = Message<I, <A as Verifier>::Key, <A as Verifier>::Signature>;
pub(super) type NewsOf<I, A> = News<I, <A as Verifier>::Key, <A as Verifier>::Signature>;
