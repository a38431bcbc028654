//! Gossip aggregation: means and counts over any peer source.
#![no_std]

pub mod count;
pub mod mean;
pub mod push_pull;

pub use count::{Count, Leaders};
pub use mean::{Average, Mean};
pub use push_pull::PushPull;
