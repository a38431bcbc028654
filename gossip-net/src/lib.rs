//! Gossip stacks on real networks.
mod builder;
mod clock;
mod counters;
mod end;
mod events;
#[cfg(feature = "faults")]
pub mod faults;
mod handle;
pub mod memory;
mod presence;
mod task;
mod transport;
mod udp;

use std::net::SocketAddr;

use gossip_core::{Layer, Protocol};

pub use async_trait::async_trait;
pub use builder::{Builder, EVENTS, JITTER, Node, SpawnError, TICK};
pub use counters::{Counters, Lag};
pub use end::Ended;
pub use events::{Delivery, Events};
pub use handle::{CallError, Handle};
pub use presence::{PAUSE_MAX, REMEMBERED, SILENT_ROUNDS, Status};
pub use transport::{TooLong, Transport, UDP_MAX, canonical};
pub use udp::Udp;

/// A stack that a node can run: its peers are socket addresses, and it may move between threads.
/// Implemented for every type that qualifies.
pub trait Stack:
    Layer + Protocol<Id = SocketAddr, Event: Send, Command: Send> + Send + 'static
{
}

impl<S> Stack for S where
    S: Layer + Protocol<Id = SocketAddr, Event: Send, Command: Send> + Send + 'static
{
}
