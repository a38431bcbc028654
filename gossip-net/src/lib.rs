//! Gossip stacks on real networks: a stack written with [`stack!`](gossip_core::stack!) runs here
//! unchanged, each node a tokio task with a UDP socket of its own.
//!
//! - [`Node::builder`] takes a stack, and [`spawn`](Builder::spawn) starts it.
//! - [`Handle`] is the owner's side: [`read`](Handle::read) its state, [`call`](Handle::call) a
//!   command, receive its [`events`](Handle::events), look at its [`counters`](Handle::counters)
//!   and its [`status`](Handle::status), [`leave`](Handle::leave), and see how it
//!   [ended](Handle::wait).
//! - [`Transport`] is what carries datagrams: [`Udp`], [`memory`] inside the process, and `faults`
//!   around either (feature `faults`).
//! - [`Limits`]: hard caps, both ways, in all, for each peer and layer, and whose turn it is below
//!   them.
//! - [`lane`]: for what does not fit a datagram; over QUIC with feature `quic`,
//!   over TCP with feature `tcp`.
//! - `state` (feature `state`): what a node must not forget when its process ends, in a file.
//! - `metrics` (feature `metrics`): a node's counters for whatever records metrics in the process.
//! - The program `gossip` (feature `cli`): an agent, and the verbs that talk to it.
//!
//! ```
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! use std::net::SocketAddr;
//! use std::time::Duration;
//!
//! use gossip_core::sampling::Cyclon;
//! use gossip_net::Node;
//!
//! let tick = Duration::from_millis(20);
//! let peers = || Cyclon::<SocketAddr, 20>::new(Default::default());
//! let a = Node::builder(peers()?).tick(tick).spawn().await?;
//! let b = Node::builder(peers()?).tick(tick).contact(a.id()).spawn().await?;
//!
//! a.status_where(|status| status.is_connected()).await;
//! assert_eq!(a.read(|peers| peers.view(0).next().map(|(peer, _)| peer)), Some(b.id()));
//! b.leave().await.into_result()?;
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - One task runs a node's stack, one call at a time. Nothing that a peer sends or fails to do
//!   stops it: errors of sockets are counted by cause and survived, garbage is refused before it
//!   is decoded, and a peer that cannot be sent to at once is passed over.
//! - Everything is bounded: the events kept for a slow owner (the oldest are shed, and it is told
//!   how many), the commands that wait, the datagrams taken in before rounds have their turn.
//! - A node that hears nobody asks its contacts, and the peers heard last, again and again with
//!   growing pauses, and says so in its [`Status`].
//! - A node knows of its peers which versions they read, what they can do, and how long a round
//!   trip takes ([`Handle::peer`]); a period near that is warned of.
//! - What leaves together for a peer shares datagrams as long as the way to it is
//!   [known](Handle::path_mtu) to carry.
//! - A panic in a stack ends its node only. Its owner sees it as [`Ended::Panicked`].
//!
//! # Limits
//!
//! - Without [keys](Builder::keys) datagrams are neither encrypted nor signed, and a sender's
//!   address can be forged; a node that others than its own host reach must have keys, or be told
//!   to do without. With them, members are told from strangers, not from each other; nor do the
//!   certificates of a lane say which member is at which port of a host.
//! - With a [node key](Builder::node_key) and an [allow list](Builder::allow) a peer must prove, by
//!   its own key, who is at its address. That is asked again, but not of each datagram: who knows
//!   the secret and can send from the address of a node that is allowed can still speak in its
//!   name. What must be its origin's is signed by the layer: `gossip_entropy::signed`,
//!   `gossip_dissem::signed`, which take a [`NodeKey`].
//! - A lane judges certificates when a connection begins: one that expires later is good for ten
//!   minutes more at most, or for as long as `lane::Identity::life` says.
//! - A peer's identifier is the address its datagrams come from. Behind a translation that gives
//!   each destination another port, nodes cannot be reached by it. IPv6 link-local addresses need
//!   a scope, which does not travel.

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod allowed;
mod batch;
mod builder;
mod clock;
mod counters;
mod end;
mod events;
#[cfg(feature = "faults")]
pub mod faults;
mod handle;
mod hello;
mod keyring;
pub mod lane;
mod limits;
pub mod memory;
#[cfg(feature = "metrics")]
pub mod metrics;
mod node_key;
mod path;
mod presence;
mod proof;
mod sealed;
mod shaper;
#[cfg(feature = "state")]
pub mod state;
mod tape;
mod task;
mod transport;
mod udp;

use std::net::SocketAddr;

use gossip_core::{Layer, Protocol};

pub use allowed::{AllowList, AllowListError, KEYS};
pub use async_trait::async_trait;
pub use batch::Batch;
pub use builder::{Builder, EVENTS, JITTER, Node, SpawnError, TICK};
pub use counters::{Counters, Lag};
pub use end::Ended;
pub use events::{Delivery, Events};
pub use gossip_core::packet::Datagram;
pub use handle::{CallError, ContactError, Handle};
pub use hello::{KNOWN, LANE, LANE_TCP, PeerInfo, RoundTrips, VERSIONS};
pub use keyring::{KeyError, KeyId, Keyring, Plaintext, SECRETS, Secret};
pub use limits::{LayerLimits, Limits, Rate};
pub use node_key::{NodeKey, NodeKeyError, PublicKey};
pub use path::PATH_MTU;
pub use presence::{PAUSE_MAX, REMEMBERED, SILENT_ROUNDS, Status};
pub use proof::{ASKS, PROOF_LIFE, PROVES};
pub use sealed::OVERHEAD;
pub use transport::{TooLong, Transport, UDP_MAX, canonical};
pub use udp::Udp;

/// A stack that a node can run: its peers are socket addresses, and it may move between threads.
/// Implemented for every type that qualifies.
///
/// ```
/// fn runs<S: gossip_net::Stack>() {}
/// runs::<gossip_core::sampling::Cyclon<std::net::SocketAddr, 20>>();
/// ```
pub trait Stack:
    Layer + Protocol<Id = SocketAddr, Event: Send, Command: Send> + Send + 'static
{
}

impl<S> Stack for S where
    S: Layer + Protocol<Id = SocketAddr, Event: Send, Command: Send> + Send + 'static
{
}
