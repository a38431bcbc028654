//! Gossip aggregation: every node learns a mean or a count over all nodes, from a few messages a
//! round, over any [peer source](gossip_core::Peers).
//!
//! - [`push_pull`]: exchanges of states, with [epochs](epoch); generic over what is aggregated.
//!   [`push_sum`]: one-way shares of them.
//! - [`mean`]: the mean of all inputs. [`count`]: the number of nodes. [`means`]: power means,
//!   extremes, the variance, sums and products.
//! - [`flow_updating`]: means that stay exact whatever is lost, over links that hold still for a
//!   while.
//!
//! What holds under which faults, and when not to use it, is in `GUARANTEES.md`.
#![no_std]

extern crate alloc;

pub mod count;
pub mod epoch;
pub mod flow_updating;
mod links;
pub mod mean;
pub mod means;
pub mod push_pull;
pub mod push_sum;

pub use count::{Count, Leaders};
pub use flow_updating::FlowUpdating;
pub use mean::{Average, Mean};
pub use means::{Extreme, PowerMean, Total, Variance, Within};
pub use push_pull::PushPull;
pub use push_sum::PushSum;

/// The documents' snippets, run as tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../GUARANTEES.md")]
    struct Guarantees;
}
