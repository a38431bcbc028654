//! Simulators: the same layers as on sockets, over virtual networks.
//!
//! - [`cycle`]: rounds without time or bytes, for a million nodes.
//! - [`event`]: virtual time and real datagrams, with latency, bandwidth, loss, duplication,
//!   reordering, partitions and churn; [`Agenda`] is its queue.
//! - [`fault`], [`dynamics`]: what happens to nodes and links, one by one, or as churn; [`host`] is
//!   what lets it happen, in either driver.
//! - [`initial`]: what nodes hold at the start.
//! - [`script`]: a small language that drives the event simulator and prints a protocol trace, for
//!   golden tests.
//! - [`observe`]: what it looks like from outside: degrees, clustering, path lengths, components,
//!   spectrum, convergence, bytes.
//! - [`topology`]: static graphs to start from or to stay on: lattices, small worlds, random ones.
//! - [`graph_text`]: graphs from and to edge lists, DOT, GraphML; [`contact_text`]: contact traces.
//! - [`atomic`]: views exchanged as the peer-sampling paper has it.
//! - [`adversary`]: nodes that do not keep to their protocol.
//! - [`mobility`]: contacts of nodes that move, generated, and links that reach no further.
//! - [`graph_text`]: graphs from and to edge lists, DOT, GraphML.
//! - [`slow`]: nodes that are blocked and free in turns.
//! - [`replicas`]: the same run over several seeds, and when a run is over.
//! - [`pairs`]: partners chosen by an oracle, as closed forms assume.
//!
//! Nodes are numbered from 0; their identifier is the number, a `u32`.

pub mod adversary;
mod agenda;
pub mod atomic;
pub mod contact_text;
pub mod cycle;
mod divide;
pub mod dynamics;
pub mod event;
mod events;
pub mod fault;
pub mod graph_text;
pub mod host;
pub mod initial;
pub mod link;
pub mod mobility;
pub mod observe;
mod oracle;
pub mod pairs;
pub mod replicas;
pub mod script;
pub mod slow;
pub mod topology;
mod world;

pub use agenda::Agenda;
pub use divide::Divide;
pub use events::Events;
pub use link::{Link, Network};
pub use oracle::Oracle;
pub use world::{Activation, Neighbourhood, World};

/// Folds what happened into a number that two equal runs share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceHash(u64);

impl TraceHash {
    #[inline]
    pub(crate) const fn fold(&mut self, word: u64) {
        self.0 = crate::random::mix(self.0.rotate_left(7) ^ word);
    }

    /// Folds a delivery: its time, its two ends, and its bytes, a word at a time. Only the last
    /// step waits for the hash so far, so that deliveries overlap in the processor.
    #[inline]
    pub(crate) fn fold_delivery(&mut self, at: u64, ends: u64, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let words =
            words.iter().chain(core::iter::once(&last)).map(|&word| u64::from_le_bytes(word));
        let mut state = bytes.len() as u64;
        for word in [at, ends].into_iter().chain(words) {
            // An odd constant with mixed bits, so that no word is lost.
            state = (state.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        self.fold(state);
    }

    /// The hash so far.
    pub const fn value(self) -> u64 {
        self.0
    }
}
