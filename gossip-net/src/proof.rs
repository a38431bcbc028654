//! How a node proves who it is, and for how long that is believed.
//!
//! Not a protocol of its own: a part of what nodes tell each other (`hello.rs`). A node with an
//! [`AllowList`] asks, with a number that nobody can guess and that is never used again; who has a
//! [`NodeKey`] signs it in the answer:
//!
//! ```text
//! question   hello   zero (96)
//! answer     hello   public key (32)   signature (64)
//! ```
//!
//! The signature is of the cluster, the address of who signs, that of who asked, and the whole
//! hello, number included. So an answer proves nothing to another, about another address, in
//! another cluster, or a second time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gossip_core::Time;
use gossip_core::auth::Signer;
use gossip_core::packet::{ClusterId, HEADER, Header};

use crate::allowed::AllowList;
use crate::hello::Hello;
use crate::node_key::{NodeKey, PublicKey};
use crate::sealed::bound;

/// How long a proof is believed; it is asked for again from half of that on. Our choice: as long as
/// a connection of a lane lasts before certificates are judged again.
pub const PROOF_LIFE: Duration = Duration::from_secs(600);

/// The node has a key, and proves who it is to those who ask: a bit of
/// [`PeerInfo::capabilities`](crate::PeerInfo::capabilities).
pub const PROVES: u32 = 2;

/// The node has a list of those who may take part: a bit of
/// [`PeerInfo::capabilities`](crate::PeerInfo::capabilities).
pub const ASKS: u32 = 4;

/// Proofs given between two rounds at most. Our choice: at 20 us each, half a percent of a second.
const GIVEN: u32 = 256;

/// A refusal is told of once in so long, whomever it is of. Our choice.
const TELL: Duration = Duration::from_secs(60);

/// Says what signatures are of, so that none made for something else passes.
const CONTEXT: &[u8] = b"gossip-net hello 1";

/// What follows a hello: a public key and a signature, or as much room for them.
pub(crate) type Tail = [u8; 96];

/// Why a peer is not believed, as it is counted.
pub(crate) const UNPROVEN: &str = "peer has not proved who it is";
pub(crate) const NOT_ALLOWED: &str = "peer is not on the list";
pub(crate) const NO_PROOF: &str = "answer without a proof";
pub(crate) const FORGED: &str = "proof forged, or of something else";
pub(crate) const TOO_MANY: &str = "too many ask for a proof";
pub(crate) const NOT_SENT: &str = "not sent to a peer that has not proved who it is";

/// Who a peer has proved to be, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) key: PublicKey,
    pub(crate) at: Time,
}

/// Gives proofs of one node, and judges those of others.
#[derive(Debug)]
pub(crate) struct Prover {
    label: Vec<u8>,
    me: SocketAddr,
    key: Option<NodeKey>,
    allowed: Option<AllowList>,
    /// Proofs given since the last round.
    given: u32,
    /// When each kind of refusal was told of last.
    told: BTreeMap<&'static str, Time>,
}

impl Prover {
    /// For the node that peers know as `me`.
    pub(crate) fn new(
        cluster: ClusterId,
        me: SocketAddr,
        key: Option<NodeKey>,
        allowed: Option<AllowList>,
    ) -> Self {
        let mut label = Vec::with_capacity(HEADER);
        Header { cluster, shape: 0 }.write(&mut label);
        Self { label, me, key, allowed, given: 0, told: BTreeMap::new() }
    }

    /// Whether peers must prove who they are.
    pub(crate) const fn asks(&self) -> bool {
        self.allowed.is_some()
    }

    /// The bits of this node.
    pub(crate) const fn capabilities(&self) -> u32 {
        let proves = if self.key.is_some() { PROVES } else { 0 };
        if self.asks() { proves | ASKS } else { proves }
    }

    /// A round: as many proofs may be given again.
    pub(crate) const fn round(&mut self) {
        self.given = 0;
    }

    /// What proves to `asker` that this node says `hello`; nothing, if it has no key.
    pub(crate) fn prove(
        &mut self,
        asker: SocketAddr,
        hello: &Hello,
    ) -> Result<Option<Tail>, &'static str> {
        let Some(key) = &self.key else { return Ok(None) };
        if self.given == GIVEN {
            return Err(TOO_MANY);
        }
        self.given += 1;
        let signature = key.sign(&self.text(self.me, asker, hello));
        let mut tail = [0; 96];
        tail[..32].copy_from_slice(&key.key());
        tail[32..64].copy_from_slice(&signature.0);
        tail[64..].copy_from_slice(&signature.1);
        Ok(Some(tail))
    }

    /// Who `signer` proves to be by its answer to this node, if that one may take part.
    pub(crate) fn check(
        &self,
        signer: SocketAddr,
        hello: &Hello,
    ) -> Result<PublicKey, &'static str> {
        let tail = hello.tail.ok_or(NO_PROOF)?;
        let (key, signature) = tail.split_first_chunk().ok_or(NO_PROOF)?;
        let signature = signature.first_chunk().ok_or(NO_PROOF)?;
        let key = PublicKey::new(*key).map_err(|_| FORGED)?;
        if !key.verify(&self.text(signer, self.me, hello), signature) {
            return Err(FORGED);
        }
        if self.allows(key) { Ok(key) } else { Err(NOT_ALLOWED) }
    }

    /// Whether a peer with this proof is believed, and whether it is to be asked (again).
    pub(crate) fn judge(
        &self,
        now: Time,
        proof: Option<Proof>,
    ) -> (Result<(), &'static str>, bool) {
        match proof {
            _ if !self.asks() => (Ok(()), false),
            Some(Proof { key, .. }) if !self.allows(key) => (Err(NOT_ALLOWED), true),
            Some(Proof { at, .. }) if now.since(at) < PROOF_LIFE => {
                (Ok(()), now.since(at) * 2 >= PROOF_LIFE)
            }
            _ => (Err(UNPROVEN), true),
        }
    }

    /// Whether a refusal for this cause is to be told of now.
    pub(crate) fn tells(&mut self, now: Time, cause: &'static str) -> bool {
        let due = self.told.get(cause).is_none_or(|told| now.since(*told) >= TELL);
        if due {
            self.told.insert(cause, now);
        }
        due
    }

    fn allows(&self, key: PublicKey) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.allows(&key))
    }

    /// What is signed.
    fn text(&self, signer: SocketAddr, asker: SocketAddr, hello: &Hello) -> Vec<u8> {
        [CONTEXT, &bound(&self.label, signer, asker), &hello.body()].concat()
    }
}
