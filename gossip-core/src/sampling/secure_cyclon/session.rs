//! An exchange under way, on either side.
//!
//! Not a protocol: what [`SecureCyclon`](super::SecureCyclon) keeps between its messages.

use alloc::vec::Vec;

use super::chain::Chain;
use crate::auth::Credential;
use crate::id::PeerId;
use crate::time::Time;

/// Exchanges at a time, one of them its own. More are refused: as many nodes rarely ask at once.
pub(super) const SESSIONS: usize = 8;

/// One exchange.
#[derive(Clone, Debug)]
pub(super) struct Session<I: PeerId, K: Credential, S: Credential, const T: usize> {
    pub(super) peer: I,
    /// The peer's key; unknown until its first answer if it is a contact.
    pub(super) key: Option<K>,
    /// This node's number for the exchange.
    pub(super) mine: u32,
    /// The peer's; unknown until its first answer.
    pub(super) theirs: Option<u32>,
    /// Whether this node began it.
    pub(super) opened: bool,
    /// Descriptors given, as they were before; those made for it are not kept.
    pub(super) given: Vec<Chain<I, K, S, T>>,
    pub(super) gave: usize,
    /// What tells the descriptors that came from each other.
    pub(super) got: Vec<(K, u64)>,
    /// What was redeemed with its creator, as it was before.
    pub(super) ticket: Option<Chain<I, K, S, T>>,
    /// Samples still taken from the peer.
    pub(super) samples: usize,
    pub(super) until: Time,
}

impl<I: PeerId, K: Credential, S: Credential, const T: usize> Session<I, K, S, T> {
    /// What came, or was given, in this exchange, so that copies may fill gaps. If nobody
    /// answered, the peer is gone, and what was redeemed with it means nothing.
    pub(super) fn copies(self) -> impl Iterator<Item = Chain<I, K, S, T>> {
        let answered = !self.got.is_empty();
        self.given.into_iter().chain(self.ticket.filter(|_| answered))
    }
}
