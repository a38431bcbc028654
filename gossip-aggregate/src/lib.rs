//! Gossip aggregation: every node learns a mean or a count over all nodes, from a few messages a
//! round, over any [peer source](gossip_core::Peers).
//!
//! - [`push_pull`]: the protocol, with epochs; generic over what is aggregated.
//! - [`mean`]: the mean of all inputs. [`count`]: the number of nodes.
//!
//! What holds under which faults, and when not to use it, is in `GUARANTEES.md`.
#![no_std]

pub mod count;
pub mod epoch;
pub mod mean;
pub mod push_pull;

pub use count::{Count, Leaders};
pub use mean::{Average, Mean};
pub use push_pull::PushPull;

/// The documents' snippets, run as tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../GUARANTEES.md")]
    struct Guarantees;
}
