//! What SecureCyclon says on the wire, and to its owner.
//!
//! Not a protocol: its messages.

use super::chain::{Chain, Proof};
use crate::auth::{Credential, Verifier};
use crate::id::PeerId;
use crate::message;

message! {
    /// What travels: at most one descriptor a frame.
    #[derive(PartialEq)]
    pub enum Message<I: PeerId, K: Credential, S: Credential, const T: usize> {
        /// An exchange begins: the sender's number, and a descriptor of the receiver's that the
        /// sender redeems.
        Redeem(u32, Chain<I, K, S, T>),
        /// An exchange begins: the sender's number and key; it has nothing to redeem.
        Visit(u32, K),
        /// A descriptor changes hands: the receiver's number, the sender's number.
        Give(u32, u32, Chain<I, K, S, T>),
        /// The sender gives no more: the receiver's number.
        End(u32),
        /// A descriptor shown for comparison.
        Sample(Chain<I, K, S, T>),
        /// Somebody cheats.
        Proof(Proof<I, K, S>),
    }
}

/// A node has been proved to cheat: what the owner hears, once for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convicted<K>(pub K);

pub(super) type ChainOf<I, A, const T: usize> =
    Chain<I, <A as Verifier>::Key, <A as Verifier>::Signature, T>;
pub(super) type ProofOf<I, A> = Proof<I, <A as Verifier>::Key, <A as Verifier>::Signature>;
pub(super) type MessageOf<I, A, const T: usize> =
    Message<I, <A as Verifier>::Key, <A as Verifier>::Signature, T>;
