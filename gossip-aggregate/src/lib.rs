//! Gossip aggregation: every node learns a mean or a count over all nodes, from a few messages a
//! round, over any [peer source](gossip_core::Peers).
//!
//! - [`live`]: the mean, the number of nodes and the sum, where nodes come and go and messages are
//!   lost. Start here.
//! - [`push_pull`]: exchanges of states, with [epochs](epoch); generic over what is aggregated.
//!   [`push_sum`]: one-way shares of them.
//! - [`mean`]: the mean of all inputs. [`count`]: the number of nodes. [`means`]: power means,
//!   extremes, the variance, sums and products.
//! - [`draw`]: random elements. [`quantile`]: quantiles, by random pivots. [`synopsis`]: how alike
//!   all are. [`grouped`]: means that a few liars do not move.
//! - [`flow_updating`], [`push_flow`] and [`limosense`]: means that stay exact whatever is lost,
//!   over links that hold still for a while.
//! - [`spread`]: values with an idempotent [`merge`] of the user's own, and those that are here:
//!   unions and the best [so many](sets), the best that are [`signed`], sums and counts by
//!   [`extrema`], things seen by [`hyperloglog`]; several epochs of these together are
//!   [`recent`].
//! - The number of nodes without an aggregate: [`hops`] polls a sample, [`density`] listens,
//!   [`tour`] and [`collide`] walk.
//! - [`within`]: bounds that are declared, and checked where something is received.
//! - [`estimate`]: what they say, and what that is worth.
//!
//! What holds under which faults, and when not to use it, is in `GUARANTEES.md`.
#![no_std]

extern crate alloc;

pub mod collide;
pub mod count;
pub mod density;
pub mod draw;
pub mod epoch;
pub mod estimate;
pub mod extrema;
pub mod flow_updating;
pub mod grouped;
pub mod hops;
pub mod hyperloglog;
pub mod limosense;
mod links;
pub mod live;
pub mod mean;
pub mod means;
pub mod merge;
pub mod push_flow;
pub mod push_pull;
pub mod push_sum;
pub mod quantile;
pub mod recent;
pub mod sets;
pub mod signed;
pub mod spread;
pub mod synopsis;
pub mod tour;
pub mod within;

pub use collide::Collide;
pub use count::{Count, Leaders};
pub use density::Density;
pub use draw::Draw;
pub use estimate::Estimate;
pub use extrema::Extrema;
pub use flow_updating::FlowUpdating;
pub use grouped::Grouped;
pub use hops::Hops;
pub use hyperloglog::Registers;
pub use limosense::LiMoSense;
pub use live::{Live, Size};
pub use mean::{Average, Mean};
pub use means::{Extreme, PowerMean, Total, Variance};
pub use merge::Merge;
pub use push_flow::PushFlow;
pub use push_pull::PushPull;
pub use push_sum::PushSum;
pub use quantile::Quantile;
pub use recent::Recent;
pub use sets::{Top, Union};
pub use signed::Vouched;
pub use spread::Spread;
pub use synopsis::Alike;
pub use tour::Tour;
pub use within::Within;

/// The documents' snippets, run as tests.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../README.md")]
    struct Readme;

    #[doc = include_str!("../GUARANTEES.md")]
    struct Guarantees;
}
