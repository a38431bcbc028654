//! Simulators: the same layers as on sockets, over virtual networks.
//!
//! - [`cycle`]: rounds without time or bytes, for a million nodes.
//! - [`event`]: virtual time and real datagrams, with latency, loss, duplication, reordering,
//!   partitions and churn.
//! - [`fault`], [`dynamics`]: what happens to nodes and links, one by one, or as churn; [`host`] is
//!   what lets it happen, in either driver.
//! - [`initial`]: what nodes hold at the start.
//! - [`script`]: a small language that drives the event simulator and prints a protocol trace, for
//!   golden tests.
//! - [`observe`]: what it looks like from outside: degrees, clustering, path lengths, components,
//!   spectrum, convergence, bytes.
//! - [`topology`]: static graphs to start from or to stay on: lattices, small worlds, random ones.
//! - [`graph_text`]: graphs from and to edge lists, DOT, GraphML.
//! - [`adversary`]: nodes that lie.
//! - [`replicas`]: the same run over several seeds, and when a run is over.
//! - [`pairs`]: partners chosen by an oracle, as closed forms assume.
//!
//! Nodes are numbered from 0; their identifier is the number, a `u32`.

pub mod adversary;
pub mod cycle;
pub mod dynamics;
pub mod event;
mod events;
pub mod fault;
pub mod graph_text;
pub mod host;
pub mod initial;
pub mod link;
pub mod observe;
mod oracle;
pub mod pairs;
pub mod replicas;
pub mod script;
pub mod topology;
mod world;

pub use events::Events;
pub use link::{Link, Network};
pub use oracle::Oracle;
pub use world::{Activation, World};

/// Folds what happened into a number that two equal runs share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceHash(u64);

impl TraceHash {
    pub(crate) const fn fold(&mut self, word: u64) {
        self.0 = crate::random::mix(self.0.rotate_left(7) ^ word);
    }

    /// The hash so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}
